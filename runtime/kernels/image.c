// Coordinates of resize (where dims are known at run time only) and of grid_sample, in double as
// the interpreter has them (ir/resize.c, ir/interpret_grid_sample.c).
#include <stddef.h>
#include <stdint.h>

enum {
  HALF_PIXEL,
  HALF_PIXEL_SYMMETRIC,
  PYTORCH_HALF_PIXEL,
  ALIGN_CORNERS,
  ASYMMETRIC,
  TF_HALF_PIXEL,
  TF_CROP
}; // image.h
enum { PREFER_FLOOR, PREFER_CEIL, TO_FLOOR, TO_CEIL };
enum { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION };

// Values beyond are whole numbers already, or no coordinates.
static const double whole = 4503599627370496.0; // 2^52

static double magnitude(double x) { return x < 0 ? -x : x; }

static double round_down(double x) {
  if (!(magnitude(x) < whole)) return x;
  double cut = (double)(int64_t)x;
  return cut > x ? cut - 1 : cut;
}

static double round_up(double x) { return -round_down(-x); }

static double round_even(double x) {
  if (!(magnitude(x) < whole)) return x;
  double down = round_down(x), rest = x - down;
  if (rest != 0.5) return rest < 0.5 ? down : down + 1;
  return down / 2 == round_down(down / 2) ? down : down + 1;
}

static double cut_off(double x) { return x < 0 ? round_up(x) : round_down(x); }

static double cubic_weight(double a, double x) {
  x = magnitude(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// --- resize

static double original_coordinate(int32_t coordinates, double in, double out, double scale,
                                  double x, double start, double end) {
  double half_pixel = (x + 0.5) / scale - 0.5, last = in - 1;
  switch (coordinates) {
  case HALF_PIXEL: return half_pixel;
  case ASYMMETRIC: return x / scale;
  case TF_HALF_PIXEL: return (x + 0.5) / scale;
  case PYTORCH_HALF_PIXEL: return out > 1 ? half_pixel : 0;
  case ALIGN_CORNERS: return out > 1 ? x * last / (scale * in - 1) : 0;
  case HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - out / (scale * in)) + half_pixel;
  default:
    return out <= 1 ? 0.5 * (start + end) * last
                    : start * last + x * (end - start) * last / (out - 1);
  }
}

static double nearest_index(int32_t nearest, double x) {
  switch (nearest) {
  case TO_FLOOR: return round_down(x);
  case TO_CEIL: return round_up(x);
  case PREFER_CEIL: return round_down(x + 0.5);
  default: return round_up(x - 0.5);
  }
}

static int32_t clamp_index(double x, double size) {
  if (!(x > 0)) return 0;
  return (int32_t)(x >= size - 1 ? size - 1 : x);
}

// Indices and weights of `taps` taps for element `at` of the result; index[0] < 0: outside (crop).
// nearest < 0: weighted.
void tenon_resize_taps(int32_t *index, double *weight, int32_t taps, double scale, size_t in,
                       size_t out, size_t at, int32_t coordinates, int32_t nearest, int32_t cubic,
                       double a, int32_t exclude_outside, double stretch, double start,
                       double end) {
  double size = (double)in,
         x = original_coordinate(coordinates, size, (double)out, scale, (double)at, start, end);
  if (nearest >= 0) {
    index[0] = clamp_index(nearest_index(nearest, x), size);
    weight[0] = 1;
  } else {
    double first = round_down(x) + 1 - taps / 2, sum = 0;
    for (int32_t k = 0; k < taps; k++) {
      double place = first + k, distance = magnitude(stretch * (place - x));
      index[k] = clamp_index(place, size);
      weight[k] = cubic ? cubic_weight(a, distance) : distance < 1 ? 1 - distance : 0;
      if (exclude_outside && (place < 0 || place > size - 1)) weight[k] = 0;
      sum += weight[k];
    }
    if (stretch < 1 || exclude_outside)
      for (int32_t k = 0; k < taps; k++) weight[k] /= sum;
  }
  if (coordinates == TF_CROP && !(x >= 0 && x <= size - 1)) index[0] = -1;
}

// --- grid_sample

static double reflect(double x, double low, double high) {
  double range = high - low;
  if (!(range > 0)) return low;
  double distance = magnitude(x < low ? low - x : x - low), turns = round_down(distance / range);
  double rest = distance - turns * range;
  return turns / 2 == round_down(turns / 2) ? low + rest : high - rest;
}

static int32_t padded_index(double index, double size, int32_t padding, double low, double high) {
  if (index >= 0 && index < size) return (int32_t)index;
  if (padding == PAD_ZEROS || index != index) return -1;
  if (padding == PAD_BORDER) return index < 0 ? 0 : (int32_t)(size - 1);
  double inside = cut_off(reflect(index, low, high));
  return inside < 0 ? 0 : inside > size - 1 ? (int32_t)(size - 1) : (int32_t)inside;
}

// Taps (1, 2 or 4) along one axis for a coordinate in [-1, 1]; an index below 0 is the value
// outside.
void tenon_grid_taps(int32_t *index, double *weight, int32_t taps, double normal, size_t size,
                     int32_t padding, int32_t align_corners) {
  double length = (double)size, low = align_corners ? 0 : -0.5,
         high = length - (align_corners ? 1 : 0.5);
  double x = align_corners ? (normal + 1) / 2 * (length - 1) : ((normal + 1) * length - 1) / 2;
  x = (double)(float)x;
  if (taps == 1) x = round_even(x);
  if ((x < low || x > high) && padding == PAD_BORDER && taps < 4)
    x = x < 0 ? 0 : x > length - 1 ? length - 1 : x;
  if ((x < low || x > high) && padding == PAD_REFLECTION) x = reflect(x, low, high);
  double base = taps == 1 ? cut_off(x) : round_down(x), fraction = x - base;
  for (int32_t k = 0; k < taps; k++) {
    int32_t shift = taps == 4 ? k - 1 : k;
    index[k] = padded_index(base + shift, length, padding, low, high);
    weight[k] = taps == 1   ? 1
                : taps == 2 ? (k == 0 ? 1 - fraction : fraction)
                            : cubic_weight(-0.75, fraction - shift);
  }
}
