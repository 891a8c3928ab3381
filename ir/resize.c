// Coordinates and weights of resize, as in the ONNX document of Resize (and, for
// tf_half_pixel_for_nn, of its version 11).
#include "ir/resize.h"

#include <math.h>
#include <string.h>

#include "ir/infer_checks.h"

enum { MAX_TAPS = 1 << 20 };

static bool is_one_of(const char *text, const char *const *names) {
  for (; *names; names++)
    if (!strcmp(text, *names)) return true;
  return false;
}

bool resize_check(const Node *node, Diag *diag) {
  static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
  static const char *const coordinates[] = {
      "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
      "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};
  static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                        NULL};
  const char *mode = node_string(node, ATTR_MODE), *transform = node_string(node, ATTR_COORDINATES);
  if (!is_one_of(mode, modes)) return refuse(node, diag, "unknown mode '%s'", mode);
  if (!is_one_of(transform, coordinates))
    return refuse(node, diag, "unknown coordinates '%s'", transform);
  if (!is_one_of(node_string(node, ATTR_NEAREST), nearest))
    return refuse(node, diag, "unknown nearest mode '%s'", node_string(node, ATTR_NEAREST));
  return true;
}

// Where element x of the result lies in the operand.
static double original_coordinate(const Node *node, int axis, int rank, int64_t in, int64_t out,
                                  double scale, int64_t x) {
  const char *mode = node_string(node, ATTR_COORDINATES);
  double half_pixel = ((double)x + 0.5) / scale - 0.5;
  if (!strcmp(mode, "half_pixel")) return half_pixel;
  if (!strcmp(mode, "asymmetric")) return (double)x / scale;
  if (!strcmp(mode, "tf_half_pixel_for_nn")) return ((double)x + 0.5) / scale;
  if (!strcmp(mode, "pytorch_half_pixel")) return out > 1 ? half_pixel : 0;
  if (!strcmp(mode, "align_corners")) // a scale need not give a whole number of elements
    return out > 1 ? (double)x * (double)(in - 1) / (scale * (double)in - 1) : 0;
  if (!strcmp(mode, "half_pixel_symmetric")) {
    double adjustment = (double)out / (scale * (double)in);
    return (double)in / 2 * (1 - adjustment) + half_pixel;
  }
  int count;
  const double *roi = node_floats(node, ATTR_ROI, &count);
  double start = count == 2 * rank ? roi[axis] : 0, end = count == 2 * rank ? roi[axis + rank] : 1;
  double last = (double)(in - 1);
  if (out <= 1) return 0.5 * (start + end) * last;
  return start * last + (double)x * (end - start) * last / (double)(out - 1);
}

static double nearest_index(const Node *node, double x) {
  const char *mode = node_string(node, ATTR_NEAREST);
  if (!strcmp(mode, "floor")) return floor(x);
  if (!strcmp(mode, "ceil")) return ceil(x);
  return !strcmp(mode, "round_prefer_ceil") ? floor(x + 0.5) : ceil(x - 0.5);
}

// Weight of an element at distance x from the coordinate, x in units of elements of the result
// where that is smaller (antialias).
static double kernel_weight(bool cubic, double a, double x) {
  x = fabs(x);
  if (!cubic) return x < 1 ? 1 - x : 0;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int64_t clamp_index(double x, int64_t size) {
  if (!(x > 0)) return 0;
  return x >= (double)(size - 1) ? size - 1 : (int64_t)x;
}

typedef struct Kernel {
  bool nearest, cubic, exclude_outside;
  double a, stretch; // stretch < 1: antialias
  int taps;
} Kernel;

static Kernel resize_kernel(const Node *node, double scale, int64_t in) {
  Kernel kernel = {.stretch = 1, .a = node_float(node, ATTR_CUBIC)};
  kernel.nearest = !strcmp(node_string(node, ATTR_MODE), "nearest");
  kernel.cubic = !strcmp(node_string(node, ATTR_MODE), "cubic");
  kernel.exclude_outside = node_int(node, ATTR_EXCLUDE_OUTSIDE) != 0;
  if (node_int(node, ATTR_ANTIALIAS) && scale < 1) kernel.stretch = scale;
  // A scale that fits the sizes is 1 / in at least; a smaller one shall not ask for more memory.
  double radius = fmin(ceil((kernel.cubic ? 2 : 1) / kernel.stretch), 2 * fmax((double)in, 1));
  kernel.taps = kernel.nearest ? 1 : 2 * (int)fmin(radius, MAX_TAPS / 2);
  return kernel;
}

// Indices and weights for one element of the result, around coordinate x of the operand.
static void fill_taps(const Node *node, const Kernel *kernel, double x, int64_t in, int64_t *index,
                      double *weight) {
  if (kernel->nearest) {
    index[0] = clamp_index(nearest_index(node, x), in);
    weight[0] = 1;
    return;
  }
  double first = floor(x) + 1 - kernel->taps / 2, sum = 0;
  for (int k = 0; k < kernel->taps; k++) {
    double at = first + k;
    index[k] = clamp_index(at, in);
    weight[k] = kernel_weight(kernel->cubic, kernel->a, kernel->stretch * (at - x));
    if (kernel->exclude_outside && (at < 0 || at > (double)(in - 1))) weight[k] = 0;
    sum += weight[k];
  }
  if (kernel->stretch < 1 || kernel->exclude_outside)
    for (int k = 0; k < kernel->taps; k++) weight[k] /= sum;
}

ResizeAxis resize_axis(const Node *node, int axis, int rank, int64_t in, int64_t out,
                       Arena *arena) {
  int count;
  const double *scales = node_floats(node, ATTR_SCALES, &count);
  double scale = count == rank ? scales[axis] : in > 0 ? (double)out / (double)in : 1;
  Kernel kernel = resize_kernel(node, scale, in);
  int64_t *index = NEW_ARRAY(arena, int64_t, out *kernel.taps);
  double *weight = NEW_ARRAY(arena, double, out *kernel.taps);
  bool crop = !strcmp(node_string(node, ATTR_COORDINATES), "tf_crop_and_resize"),
       any_outside = false;
  bool *outside = NEW_ARRAY(arena, bool, out), identity = in == out;
  for (int64_t i = 0; i < out; i++) {
    double x = original_coordinate(node, axis, rank, in, out, scale, i);
    fill_taps(node, &kernel, x, in, index + i * kernel.taps, weight + i * kernel.taps);
    outside[i] = crop && !(x >= 0 && x <= (double)(in - 1));
    any_outside |= outside[i];
    identity &= !outside[i] && (kernel.nearest ? index[i] == i : x == (double)i);
  }
  return (ResizeAxis){in, out, kernel.taps, index, weight, any_outside ? outside : NULL, identity};
}
