// resize: one axis after the other, in double; the nearest mode moves elements of any type.
#include "ir/interpret_ops.h"
#include "ir/move.h"
#include "ir/resize.h"

#include <math.h>
#include <string.h>

// y[o][i][k] = sum over taps of x[o][index][k] * weight
static double *resize_one(Arena *arena, const double *x, const ResizeAxis *axis, int64_t outer,
                          int64_t inner) {
  double *y = NEW_ARRAY(arena, double, outer * axis->out * inner);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < axis->out; i++)
      for (int t = 0; t < axis->taps; t++) {
        double weight = axis->weight[i * axis->taps + t];
        const double *from = x + (o * axis->in + axis->index[i * axis->taps + t]) * inner;
        double *to = y + (o * axis->out + i) * inner;
        for (int64_t k = 0; k < inner; k++) to[k] += weight * from[k];
      }
  return y;
}

static void store_resized(const Evaluation *e, const ResizeAxis *axes, const double *reals) {
  Tensor *y = &e->results[0];
  bool quantized = e->node->results[0]->type.quant != NULL;
  double extrapolation = node_float(e->node, ATTR_VALUE);
  int64_t index[MAX_RANK] = {0}, count = tensor_count(y);
  for (int64_t i = 0; i < count; i++, next_index(y->rank, y->dims, index)) {
    bool outside = false;
    for (int k = 0; k < y->rank; k++) outside |= axes[k].outside && axes[k].outside[index[k]];
    double value = outside ? extrapolation : reals[i];
    element_store(y->element, y->data, i, quantized ? rint(value) : value);
  }
}

static void resize_nearest(const Evaluation *e, Arena *arena, const ResizeAxis *axes) {
  Tensor *y = &e->results[0];
  int64_t strides[MAX_RANK], *offsets[MAX_RANK];
  bool outside = false;
  tensor_strides(&e->operands[0], strides);
  for (int k = 0; k < y->rank; k++) {
    offsets[k] = NEW_ARRAY(arena, int64_t, y->dims[k]);
    outside |= axes[k].outside != NULL;
    for (int64_t i = 0; i < y->dims[k]; i++)
      offsets[k][i] =
          axes[k].outside && axes[k].outside[i] ? MOVE_NOTHING : axes[k].index[i] * strides[k];
  }
  int64_t count = outside ? tensor_count(y) : 0;
  for (int64_t i = 0; i < count; i++)
    element_store(y->element, y->data, i, node_float(e->node, ATTR_VALUE));
  move_elements(y, &e->operands[0], offsets);
}

static void resize_weighted(const Evaluation *e, Arena *arena, const ResizeAxis *axes) {
  const Tensor *x = &e->operands[0];
  int64_t count = tensor_count(x), outer = 1;
  double *reals = NEW_ARRAY(arena, double, count);
  for (int64_t i = 0; i < count; i++) reals[i] = element_load(x->element, x->data, i);
  for (int k = 0; k < x->rank; k++) {
    if (!axes[k].identity)
      reals = resize_one(arena, reals, &axes[k], outer, dims_product(x, k + 1, x->rank));
    outer *= axes[k].out;
  }
  store_resized(e, axes, reals);
}

bool interpret_resize(Evaluation *e) {
  const Tensor *x = &e->operands[0], *y = &e->results[0];
  if (tensor_count(y) == 0) return true;
  if (tensor_count(x) == 0)
    return diag_error(e->run->diag, e->node->loc, "resize of an empty tensor");
  Arena *arena = arena_create();
  ResizeAxis axes[MAX_RANK];
  for (int k = 0; k < x->rank; k++)
    axes[k] = resize_axis(e->node, k, x->rank, x->dims[k], y->dims[k], arena);
  if (!strcmp(node_string(e->node, ATTR_MODE), "nearest"))
    resize_nearest(e, arena, axes);
  else
    resize_weighted(e, arena, axes);
  arena_destroy(arena);
  return true;
}
