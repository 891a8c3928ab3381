// Element moves. Every op that only moves data is a table of source offsets per result axis, so
// that one loop serves all of them and all element types.
#include "ir/move.h"

#include <assert.h>
#include <string.h>

// Packed types as the unsigned type of their width: bits are moved, not values.
static ElementType packed_carrier(ElementType element) {
  return element_info[element].bits == 2 ? U2 : U4;
}

void copy_elements(ElementType element, void *to, int64_t to_index, const void *from,
                   int64_t from_index, int64_t count) {
  int64_t bits = element_info[element].bits;
  if (count <= 0) return;
  if (bits % 8 == 0) {
    memcpy((char *)to + to_index * (bits / 8), (const char *)from + from_index * (bits / 8),
           (size_t)(count * (bits / 8)));
    return;
  }
  ElementType carrier = packed_carrier(element);
  for (int64_t i = 0; i < count; i++)
    element_store_int(carrier, to, to_index + i, element_load_int(carrier, from, from_index + i));
}

void tensor_strides(const Tensor *tensor, int64_t strides[MAX_RANK]) {
  int64_t stride = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= tensor->dims[i];
  }
}

int64_t dims_product(const Tensor *tensor, int first, int end) {
  int64_t product = 1;
  for (int i = first; i < end; i++) product *= tensor->dims[i];
  return product;
}

bool next_index(int rank, const int64_t *dims, int64_t *index) {
  for (int i = rank - 1; i >= 0; i--) {
    if (++index[i] < dims[i]) return true;
    index[i] = 0;
  }
  return false;
}

static bool is_run(const int64_t *offsets, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (offsets[i] == MOVE_NOTHING || offsets[i] != offsets[0] + i) return false;
  return true;
}

static void move_row(ElementType element, void *to, int64_t row, const void *from, int64_t base,
                     const int64_t *offsets, int64_t width) {
  if (element_info[element].bits == 32) { // the common case, without a call per element
    for (int64_t i = 0; i < width; i++)
      if (offsets[i] != MOVE_NOTHING)
        memcpy((char *)to + 4 * (row + i), (const char *)from + 4 * (base + offsets[i]), 4);
    return;
  }
  for (int64_t i = 0; i < width; i++)
    if (offsets[i] != MOVE_NOTHING) copy_elements(element, to, row + i, from, base + offsets[i], 1);
}

void move_elements(Tensor *to, const Tensor *from, int64_t *const *offsets) {
  assert(to->element == from->element);
  int last = to->rank - 1;
  if (last < 0) {
    copy_elements(to->element, to->data, 0, from->data, 0, 1);
    return;
  }
  int64_t width = to->dims[last], rows = dims_product(to, 0, last);
  bool run = is_run(offsets[last], width);
  int64_t index[MAX_RANK] = {0};
  for (int64_t row = 0; width > 0 && row < rows; row++, next_index(last, to->dims, index)) {
    int64_t base = 0;
    bool nothing = false;
    for (int i = 0; i < last; i++) {
      int64_t offset = offsets[i][index[i]];
      if (offset == MOVE_NOTHING)
        nothing = true;
      else
        base += offset;
    }
    if (nothing) continue;
    if (run)
      copy_elements(to->element, to->data, row * width, from->data, base + offsets[last][0], width);
    else
      move_row(to->element, to->data, row * width, from->data, base, offsets[last], width);
  }
}

bool check_index(const Evaluation *evaluation, int64_t index, int64_t size, int axis,
                 int64_t *from_front) {
  if (index < -size || index >= size)
    return diag_error(evaluation->run->diag, evaluation->node->loc,
                      "index %lld is outside [%lld, %lld] of axis %d", (long long)index,
                      (long long)-size, (long long)(size - 1), axis);
  *from_front = index < 0 ? index + size : index;
  return true;
}

bool check_count(const Evaluation *evaluation, int operand, int64_t wanted) {
  const Node *node = evaluation->node;
  int64_t found = tensor_count(&evaluation->operands[operand]);
  if (found == wanted) return true;
  return diag_error(evaluation->run->diag, node->loc,
                    "%s: operand %d has %lld elements, wanted %lld", op_info[node->op].text,
                    operand, (long long)found, (long long)wanted);
}

int evaluation_axis(const Evaluation *evaluation, int rank) {
  int64_t axis = node_int(evaluation->node, ATTR_AXIS);
  return (int)(axis < 0 ? axis + rank : axis);
}

int64_t evaluation_dim(const Evaluation *evaluation, const Dim *dim) {
  return dim_evaluate(dim, evaluation->run->symbols);
}
