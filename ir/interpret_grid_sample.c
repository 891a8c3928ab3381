// grid_sample: interpolation at given points of [n, spatial.., c].
#include "ir/interpret_ops.h"
#include "ir/move.h"

#include <math.h>
#include <string.h>

typedef enum GridPadding { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION } GridPadding;
enum { MAX_SPATIAL = MAX_RANK - 2, MAX_GRID_TAPS = 4 };

typedef struct GridSampler {
  GridPadding padding;
  bool align_corners;
  int taps; // per axis: nearest 1, linear 2, cubic 4
  int spatial;
  const int64_t *dims; // spatial dims of the operand
  double zero;         // code of 0 outside: the zero point of a quantized operand
} GridSampler;

// Taps of one axis: elements (-1: a zero) and weights.
typedef struct AxisTaps {
  int64_t index[MAX_GRID_TAPS];
  double weight[MAX_GRID_TAPS];
} AxisTaps;

// Reflects at `low` and `high` until inside.
static double reflect(double x, double low, double high) {
  double range = high - low;
  if (!(range > 0)) return low;
  double distance = fabs(x < low ? low - x : x - low), turns = floor(distance / range);
  double rest = distance - turns * range;
  return fmod(turns, 2) == 0 ? low + rest : high - rest;
}

static double low_border(const GridSampler *sampler) { return sampler->align_corners ? 0 : -0.5; }
static double high_border(const GridSampler *sampler, int64_t size) {
  return (double)size - (sampler->align_corners ? 1 : 0.5);
}

// The element to read for an index that may lie outside; -1: zero.
static int64_t padded_index(const GridSampler *sampler, double index, int64_t size) {
  if (index >= 0 && index < (double)size) return (int64_t)index;
  if (sampler->padding == PAD_ZEROS || isnan(index)) return -1;
  if (sampler->padding == PAD_BORDER) return index < 0 ? 0 : size - 1;
  double inside = trunc(reflect(index, low_border(sampler), high_border(sampler, size)));
  return inside<0 ? 0 : inside>(double)(size - 1) ? size - 1 : (int64_t)inside;
}

static double cubic_weight(double x) {
  const double a = -0.75;
  x = fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

// From a coordinate in [-1, 1] to taps. The position is rounded to f32, the type of a grid.
static AxisTaps axis_taps(const GridSampler *sampler, double normal, int64_t size) {
  double length = (double)size, low = low_border(sampler), high = high_border(sampler, size);
  double x =
      sampler->align_corners ? (normal + 1) / 2 * (length - 1) : ((normal + 1) * length - 1) / 2;
  x = (double)(float)x;
  if (sampler->taps == 1) x = rint(x);
  // Cubic weights are those of the point itself, only its taps come to the border.
  if ((x < low || x > high) && sampler->padding == PAD_BORDER && sampler->taps < 4)
    x = fmin(fmax(x, 0), length - 1);
  if ((x < low || x > high) && sampler->padding == PAD_REFLECTION) x = reflect(x, low, high);
  AxisTaps taps;
  // Nearest truncates: only reflection leaves a fraction.
  double base = sampler->taps == 1 ? trunc(x) : floor(x), fraction = x - base;
  for (int k = 0; k < sampler->taps; k++) {
    int shift = sampler->taps == 4 ? k - 1 : k;
    taps.index[k] = padded_index(sampler, base + shift, size);
    taps.weight[k] = sampler->taps == 1   ? 1
                     : sampler->taps == 2 ? (k == 0 ? 1 - fraction : fraction)
                                          : cubic_weight(fraction - shift);
  }
  return taps;
}

// Weighted sum over the product of the axes' taps, for one channel.
static double sample(const GridSampler *sampler, const Tensor *x, const AxisTaps *taps,
                     int64_t batch, int64_t channel) {
  int64_t index[MAX_SPATIAL] = {0}, counts[MAX_SPATIAL];
  for (int i = 0; i < sampler->spatial; i++) counts[i] = sampler->taps;
  double sum = 0;
  do {
    int64_t offset = batch;
    double weight = 1;
    bool zero = false;
    for (int i = 0; i < sampler->spatial; i++) {
      int64_t at = taps[i].index[index[i]];
      zero |= at < 0;
      offset = offset * sampler->dims[i] + at;
      weight *= taps[i].weight[index[i]];
    }
    sum += weight *
           (zero ? sampler->zero
                 : element_load(x->element, x->data, offset * x->dims[x->rank - 1] + channel));
  } while (next_index(sampler->spatial, counts, index));
  return sum;
}

static GridSampler make_sampler(const Evaluation *e) {
  const char *mode = node_string(e->node, ATTR_MODE),
             *padding = node_string(e->node, ATTR_PADDING_MODE);
  const Quant *quant = e->node->results[0]->type.quant;
  return (GridSampler){.padding = !strcmp(padding, "zeros")    ? PAD_ZEROS
                                  : !strcmp(padding, "border") ? PAD_BORDER
                                                               : PAD_REFLECTION,
                       .align_corners = node_int(e->node, ATTR_ALIGN_CORNERS) != 0,
                       .taps = !strcmp(mode, "nearest")  ? 1
                               : !strcmp(mode, "linear") ? 2
                                                         : 4,
                       .spatial = e->operands[0].rank - 2,
                       .dims = e->operands[0].dims + 1,
                       .zero = quant ? (double)quant->zero[0] : 0};
}

bool interpret_grid_sample(Evaluation *e) {
  const Tensor *x = &e->operands[0], *grid = &e->operands[1];
  Tensor *y = &e->results[0];
  GridSampler sampler = make_sampler(e);
  int spatial = sampler.spatial;
  int64_t channels = y->dims[y->rank - 1], points = dims_product(y, 1, y->rank - 1);
  bool quantized = e->node->results[0]->type.quant != NULL;
  if (x->dims[0] != y->dims[0])
    return diag_error(e->run->diag, e->node->loc, "grid_sample: batches %lld and %lld differ",
                      (long long)x->dims[0], (long long)y->dims[0]);
  if (!check_count(e, 1, y->dims[0] * points * spatial)) return false;
  if (tensor_count(y) == 0) return true;
  if (tensor_count(x) == 0)
    return diag_error(e->run->diag, e->node->loc, "grid_sample of an empty tensor");
  for (int64_t p = 0; p < y->dims[0] * points; p++) {
    AxisTaps taps[MAX_SPATIAL];
    for (int i = 0; i < spatial; i++) // coordinates stand in reverse order: x, y, z
      taps[i] = axis_taps(&sampler,
                          element_load(grid->element, grid->data, p * spatial + spatial - 1 - i),
                          sampler.dims[i]);
    for (int64_t c = 0; c < channels; c++) {
      double value = sample(&sampler, x, taps, p / points, c);
      element_store(y->element, y->data, p * channels + c, quantized ? rint(value) : value);
    }
  }
  return true;
}
