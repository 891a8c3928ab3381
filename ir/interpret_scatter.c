// Scatters: a copy of the data in which elements are replaced, or combined with, updates.
#include "ir/interpret_ops.h"
#include "ir/move.h"

#include <math.h>
#include <string.h>

typedef enum Reduction { REPLACE, ADD_TO, MULTIPLY, TAKE_MIN, TAKE_MAX } Reduction;

static Reduction reduction_of(const Node *node) {
  static const char *const names[] = {"none", "add", "mul", "min", "max"};
  const char *name = node_string(node, ATTR_REDUCTION);
  for (int i = 0; i < 5; i++)
    if (!strcmp(name, names[i])) return (Reduction)i;
  return REPLACE;
}

static double combine_real(Reduction reduction, double old, double update) {
  if (reduction == ADD_TO) return old + update;
  if (reduction == MULTIPLY) return old * update;
  if (isnan(old) || isnan(update)) return NAN;
  return (reduction == TAKE_MIN) == (update < old) ? update : old;
}

static bool integer_less(ElementType element, int64_t a, int64_t b) {
  return element == U64 ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t combine_integer(ElementType element, Reduction reduction, int64_t old,
                               int64_t update) {
  if (reduction == ADD_TO) return (int64_t)((uint64_t)old + (uint64_t)update);
  if (reduction == MULTIPLY) return (int64_t)((uint64_t)old * (uint64_t)update);
  return (reduction == TAKE_MIN) == integer_less(element, update, old) ? update : old;
}

static void combine(Reduction reduction, Tensor *to, int64_t to_index, const Tensor *from,
                    int64_t from_index, int64_t count) {
  ElementType element = to->element;
  if (reduction == REPLACE) {
    copy_elements(element, to->data, to_index, from->data, from_index, count);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    if (element_is_float(element)) {
      double old = element_load(element, to->data, to_index + i);
      double update = element_load(element, from->data, from_index + i);
      element_store(element, to->data, to_index + i, combine_real(reduction, old, update));
    } else {
      int64_t old = element_load_int(element, to->data, to_index + i);
      int64_t update = element_load_int(element, from->data, from_index + i);
      element_store_int(element, to->data, to_index + i,
                        combine_integer(element, reduction, old, update));
    }
  }
}

static bool same_dims(const Evaluation *e, const char *what, int64_t found, int64_t wanted,
                      int axis) {
  if (found == wanted) return true;
  return diag_error(e->run->diag, e->node->loc, "%s have %lld elements in axis %d, not %lld", what,
                    (long long)found, axis, (long long)wanted);
}

bool interpret_scatter_elements(Evaluation *e) {
  const Tensor *data = &e->operands[0], *indices = &e->operands[1], *updates = &e->operands[2];
  Tensor *y = &e->results[0];
  Reduction reduction = reduction_of(e->node);
  int axis = evaluation_axis(e, data->rank);
  int64_t strides[MAX_RANK], index[MAX_RANK] = {0}, count = tensor_count(indices);
  tensor_strides(data, strides);
  copy_elements(y->element, y->data, 0, data->data, 0, tensor_count(data));
  for (int i = 0; i < data->rank; i++) {
    if (!same_dims(e, "updates", updates->dims[i], indices->dims[i], i)) return false;
    if (i != axis && indices->dims[i] > data->dims[i])
      return same_dims(e, "indices", indices->dims[i], data->dims[i], i);
  }
  for (int64_t i = 0; i < count; i++, next_index(data->rank, indices->dims, index)) {
    int64_t at, offset = 0, value = element_load_int(indices->element, indices->data, i);
    if (!check_index(e, value, data->dims[axis], axis, &at)) return false;
    for (int k = 0; k < data->rank; k++) offset += (k == axis ? at : index[k]) * strides[k];
    combine(reduction, y, offset, updates, i, 1);
  }
  return true;
}

bool interpret_scatter_nd(Evaluation *e) {
  const Tensor *data = &e->operands[0], *indices = &e->operands[1], *updates = &e->operands[2];
  Tensor *y = &e->results[0];
  Reduction reduction = reduction_of(e->node);
  int last = indices->rank - 1, length = (int)indices->dims[last];
  int64_t strides[MAX_RANK], block = dims_product(data, length, data->rank);
  tensor_strides(data, strides);
  copy_elements(y->element, y->data, 0, data->data, 0, tensor_count(data));
  for (int i = 0; i < updates->rank; i++) {
    int64_t wanted = i < last ? indices->dims[i] : data->dims[length + i - last];
    if (!same_dims(e, "updates", updates->dims[i], wanted, i)) return false;
  }
  int64_t tuples = dims_product(indices, 0, last);
  for (int64_t t = 0; t < tuples; t++) {
    int64_t offset = 0;
    for (int k = 0; k < length; k++) {
      int64_t at, value = element_load_int(indices->element, indices->data, t * length + k);
      if (!check_index(e, value, data->dims[k], k, &at)) return false;
      offset += at * strides[k];
    }
    combine(reduction, y, offset, updates, t * block, block);
  }
  return true;
}
