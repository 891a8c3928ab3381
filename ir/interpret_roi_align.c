// roi_align: regions of [n, h, w, c], sampled bilinearly. Coordinates are computed in double, here
// and in runtime/kernels/roi_align.c.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/move.h"

typedef struct Tap {
  int64_t index[2];
  double weight[2];
} Tap;

// The cells of a region along one axis, and what is sampled in each.
typedef struct Cells {
  double start, size; // of a cell
  int64_t samples;    // per cell
  int64_t pixels;     // of the image
} Cells;

static Cells cells_of(const Evaluation *e, double low, double high, int64_t cells, int64_t pixels) {
  bool half_pixel = strcmp(node_string(e->node, ATTR_COORDINATES), "half_pixel") == 0;
  double scale = node_float(e->node, ATTR_SCALE), offset = half_pixel ? 0.5 : 0;
  double start = low * scale - offset, length = high * scale - offset - start;
  if (!half_pixel && !(length > 1)) length = 1;
  Cells made = {start, length / (double)cells, node_int(e->node, ATTR_SAMPLES), pixels};
  double wanted = ceil(made.size);
  if (!made.samples) made.samples = wanted >= 1 && wanted < 1 << 24 ? (int64_t)wanted : 0;
  return made;
}

// Outside of the image by more than a pixel there is nothing.
static Tap tap_of(const Cells *cells, int64_t cell, int64_t sample) {
  double at = cells->start + (double)cell * cells->size +
              ((double)sample + 0.5) * cells->size / (double)cells->samples;
  if (!(at >= -1 && at <= (double)cells->pixels)) return (Tap){{0, 0}, {0, 0}};
  if (at < 0) at = 0;
  int64_t low = (int64_t)at;
  if (low >= cells->pixels - 1) return (Tap){{cells->pixels - 1, cells->pixels - 1}, {1, 0}};
  return (Tap){{low, low + 1}, {1 - (at - (double)low), at - (double)low}};
}

// The samples of one cell, for one channel.
static double cell_value(const Tensor *x, int64_t image, const Cells axes[2], const int64_t cell[2],
                         int64_t channel, bool max) {
  double sum = 0, highest = -INFINITY;
  for (int64_t iy = 0; iy < axes[0].samples; iy++)
    for (int64_t ix = 0; ix < axes[1].samples; ix++) {
      Tap y = tap_of(&axes[0], cell[0], iy), h = tap_of(&axes[1], cell[1], ix);
      for (int k = 0; k < 4; k++) {
        double weight = y.weight[k >> 1] * h.weight[k & 1];
        int64_t row = (image * x->dims[1] + y.index[k >> 1]) * x->dims[2] + h.index[k & 1];
        double value = weight * element_load(x->element, x->data, row * x->dims[3] + channel);
        sum += value;
        if (value > highest) highest = value;
      }
    }
  int64_t count = axes[0].samples * axes[1].samples;
  if (!count) return 0;
  return max ? highest : sum / (double)count;
}

bool interpret_roi_align(Evaluation *e) {
  const Tensor *x = &e->operands[0], *rois = &e->operands[1], *images = &e->operands[2];
  Tensor *y = &e->results[0];
  bool max = strcmp(node_string(e->node, ATTR_MODE), "max") == 0;
  int64_t index[4] = {0}, count = tensor_count(y);
  if (images->dims[0] != rois->dims[0] || rois->dims[1] != 4)
    return diag_error(e->run->diag, e->node->loc, "regions and their images have different dims");
  if (count && (!x->dims[1] || !x->dims[2]))
    return diag_error(e->run->diag, e->node->loc, "regions of an image without pixels");
  for (int64_t i = 0; i < count; i++, next_index(4, y->dims, index)) {
    int64_t image, given = element_load_int(images->element, images->data, index[0]);
    if (!check_index(e, given, x->dims[0], 0, &image)) return false;
    double roi[4];
    for (int k = 0; k < 4; k++) roi[k] = element_load(rois->element, rois->data, 4 * index[0] + k);
    Cells axes[2] = {cells_of(e, roi[1], roi[3], y->dims[1], x->dims[1]),
                     cells_of(e, roi[0], roi[2], y->dims[2], x->dims[2])};
    double value = cell_value(x, image, axes, index + 1, index[3], max);
    bool over_f32 = y->element == F16 || y->element == BF16;
    element_store(y->element, y->data, i, over_f32 ? (double)(float)value : value);
  }
  return true;
}
