// Types of the ops that move whole blocks of elements without looking at them.
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"

#include <string.h>

static void set_result(Node *node, Type type) { node->results[0]->type = type; }

// A quantization axis survives a reshape as the axis of equal size with as many elements before it.
static bool reshape_quant(Node *node, Diag *diag, const Type *x, Type *result) {
  result->quant = x->quant;
  if (!x->quant || x->quant->axis < 0) return true;
  DimTable *table = node_dim_table(node);
  const Dim *before = dim_constant(table, 1), *wanted = before;
  for (int i = 0; i < x->quant->axis; i++) wanted = dim_mul(table, wanted, x->dims[i]);
  for (int i = 0; i < result->rank; i++) {
    if (before == wanted && result->dims[i] == x->dims[x->quant->axis]) {
      result->quant = quant_on_axis(node_arena(node), x->quant, i);
      return true;
    }
    before = dim_mul(table, before, result->dims[i]);
  }
  return refuse(node, diag, "quantization axis %d is split or merged", x->quant->axis);
}

bool infer_reshape(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  int rank;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &rank);
  if (!check_sizes(node, diag, sizes, rank)) return false;
  Type result = type_tensor(x->element, rank, sizes);
  DimTable *table = node_dim_table(node);
  const Dim *found = type_count(table, x), *wanted = type_count(table, &result);
  if (dims_differ(table, found, wanted))
    return refuse(node, diag, "%s elements of %s do not fill %s", dim_text(node_arena(node), found),
                  type_shape_text(node_arena(node), x), type_shape_text(node_arena(node), &result));
  if (!reshape_quant(node, diag, x, &result)) return false;
  set_result(node, result);
  return true;
}

bool infer_transpose(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  int count;
  const int64_t *perm = node_ints(node, ATTR_PERM, &count);
  if (count != x->rank)
    return refuse(node, diag, "perm has %d axes, the operand %d", count, x->rank);
  Type result = *x;
  unsigned seen = 0;
  for (int i = 0; i < count; i++) {
    if (perm[i] < 0 || perm[i] >= count || seen >> perm[i] & 1)
      return refuse(node, diag, "perm[%d] = %lld: perm is no permutation", i, (long long)perm[i]);
    seen |= 1u << perm[i];
    result.dims[i] = x->dims[perm[i]];
    if (x->quant && x->quant->axis == perm[i])
      result.quant = quant_on_axis(node_arena(node), x->quant, i);
  }
  set_result(node, result);
  return true;
}

static bool concat_one(Node *node, Diag *diag, int index, int axis, Type *result) {
  const Type *x = tensor_operand(node, index, diag);
  if (!x) return false;
  if (x->rank != result->rank || x->element != result->element)
    return refuse(node, diag, "operand %d is %s, operand 0 is %s", index,
                  type_text(node_arena(node), x),
                  type_text(node_arena(node), tensor_operand(node, 0, diag)));
  if (!quant_equal(x->quant, result->quant))
    return refuse(node, diag, "operands 0 and %d are quantized differently", index);
  for (int i = 0; i < x->rank; i++) {
    if (i == axis) {
      result->dims[i] = dim_add(node_dim_table(node), result->dims[i], x->dims[i]);
      continue;
    }
    const char *what = arena_printf(node_arena(node), "axis %d of operand %d", i, index);
    if (!check_equal_dims(node, diag, what, x->dims[i], result->dims[i])) return false;
    result->dims[i] = dim_known(result->dims[i], x->dims[i]);
  }
  return true;
}

bool infer_concat(Node *node, Diag *diag) {
  const Type *first = tensor_operand(node, 0, diag);
  int axis;
  if (!first || !check_axis(node, diag, node_int(node, ATTR_AXIS), first->rank, &axis))
    return false;
  if (node->operand_count > 1 && first->quant && first->quant->axis == axis)
    return refuse(node, diag, "the operands are quantized along axis %d", axis);
  Type result = *first;
  for (int i = 1; i < node->operand_count; i++)
    if (!concat_one(node, diag, i, axis, &result)) return false;
  set_result(node, result);
  return true;
}

// Elements start, start + step, .. must lie inside [0, dim); refused where provably not so.
static bool check_slice_axis(Node *node, Diag *diag, int axis, const Dim *dim, const Dim *start,
                             int64_t step, const Dim *size) {
  Arena *arena = node_arena(node);
  if (step == 0) return refuse(node, diag, "step 0 of axis %d", axis);
  if (dim_high(size) <= 0 || dim_low(size) <= 0) return true; // may be empty: nothing to prove
  DimTable *table = node_dim_table(node);
  const Dim *last = dim_add(table, start, dim_mul_int(table, dim_add_int(table, size, -1), step));
  const Dim *low = step > 0 ? start : last, *high = step > 0 ? last : start;
  if (dim_high(low) >= 0 && dim_low(dim_sub(table, high, dim)) < 0) return true;
  return refuse(node, diag, "%s elements from %s by %lld leave axis %d of %s elements",
                dim_text(arena, size), dim_text(arena, start), (long long)step, axis,
                dim_text(arena, dim));
}

bool infer_slice(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  int start_count, size_count, step_count;
  const Dim *const *starts = node_dims(node, ATTR_STARTS, &start_count);
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &size_count);
  node_ints(node, ATTR_STEPS, &step_count);
  if (size_count != x->rank || start_count != x->rank || (step_count && step_count != x->rank))
    return refuse(node, diag, "%d starts, %d steps, %d sizes for rank %d", start_count, step_count,
                  size_count, x->rank);
  if (!check_sizes(node, diag, sizes, size_count)) return false;
  Type result = *x;
  for (int i = 0; i < x->rank; i++) {
    int64_t step = node_ints_at(node, ATTR_STEPS, i, 1);
    if (!check_slice_axis(node, diag, i, x->dims[i], starts[i], step, sizes[i])) return false;
    bool whole = dim_is(starts[i], 0) && step == 1 && sizes[i] == x->dims[i];
    if (x->quant && x->quant->axis == i && !whole)
      return refuse(node, diag, "quantization axis %d cannot be cut", i);
    result.dims[i] = sizes[i];
  }
  set_result(node, result);
  return true;
}

static bool check_pad_value(Node *node, Diag *diag, const Type *x) {
  if (!node_operand(node, 1)) return true;
  const Type *value = tensor_operand(node, 1, diag);
  if (!value) return false;
  if (value->element == x->element &&
      !dims_differ(node_dim_table(node), type_count(node_dim_table(node), value),
                   dim_constant(node_dim_table(node), 1)))
    return true;
  return refuse(node, diag, "padding value is %s, not one %s", type_text(node_arena(node), value),
                element_info[x->element].text);
}

bool infer_pad(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x || !check_pad_value(node, diag, x)) return false;
  const char *mode = node_string(node, ATTR_MODE);
  if (strcmp(mode, "constant") && strcmp(mode, "reflect") && strcmp(mode, "edge") &&
      strcmp(mode, "wrap"))
    return refuse(node, diag, "mode '%s' is none of constant, reflect, edge, wrap", mode);
  int count;
  const int64_t *pads = node_ints(node, ATTR_PADS, &count);
  if (count != 2 * x->rank) return refuse(node, diag, "%d pads for rank %d", count, x->rank);
  Type result = *x;
  DimTable *table = node_dim_table(node);
  for (int i = 0; i < x->rank; i++) {
    int64_t begin = pads[i], end = pads[i + x->rank];
    if (!begin && !end) continue;
    if (x->quant && x->quant->axis == i)
      return refuse(node, diag, "quantization axis %d cannot be padded", i);
    result.dims[i] = dim_add_int(table, dim_add_int(table, x->dims[i], begin), end);
  }
  if (!check_sizes(node, diag, result.dims, result.rank)) return false;
  if (x->quant && x->quant->axis >= 0)
    for (int i = 1; i < x->quant->count; i++)
      if (x->quant->zero[i] != x->quant->zero[0])
        return refuse(node, diag, "the zero points of the operand differ");
  set_result(node, result);
  return true;
}

bool infer_expand(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  int rank;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &rank);
  if (!check_sizes(node, diag, sizes, rank)) return false;
  Type result = type_tensor(x->element, rank, sizes);
  int shift = rank - x->rank;
  if (shift < 0)
    return refuse(node, diag, "%s has more axes than %s", type_shape_text(node_arena(node), x),
                  type_shape_text(node_arena(node), &result));
  for (int i = 0; i < x->rank; i++) {
    bool keeps = !dims_differ(node_dim_table(node), x->dims[i], sizes[i + shift]);
    bool one = dim_low(x->dims[i]) <= 1 && dim_high(x->dims[i]) >= 1;
    if (!keeps && !one)
      return refuse(node, diag, "axis %d of %s does not broadcast to %s", i,
                    type_shape_text(node_arena(node), x),
                    type_shape_text(node_arena(node), &result));
    if (x->quant && x->quant->axis == i && x->dims[i] != sizes[i + shift])
      return refuse(node, diag, "quantization axis %d cannot be expanded", i);
  }
  result.quant =
      x->quant ? quant_on_axis(node_arena(node), x->quant, x->quant->axis + shift) : NULL;
  set_result(node, result);
  return true;
}

bool infer_tile(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  int count;
  const Dim *const *repeats = node_dims(node, ATTR_SIZES, &count);
  if (count != x->rank) return refuse(node, diag, "%d repeats for rank %d", count, x->rank);
  if (!check_sizes(node, diag, repeats, count)) return false;
  Type result = *x;
  for (int i = 0; i < count; i++) {
    if (x->quant && x->quant->axis == i && !dim_is(repeats[i], 1))
      return refuse(node, diag, "quantization axis %d cannot be repeated", i);
    result.dims[i] = dim_mul(node_dim_table(node), x->dims[i], repeats[i]);
  }
  set_result(node, result);
  return true;
}

bool infer_trilu(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x || !check_quant_per_tensor(node, diag, x)) return false;
  if (x->rank < 2) return refuse(node, diag, "rank %d is less than 2", x->rank);
  set_result(node, *x);
  return true;
}

bool infer_reverse_sequence(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *lengths = index_operand(node, 1, diag);
  if (!x || !lengths) return false;
  int time, batch;
  if (!check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &time) ||
      !check_axis(node, diag, node_int(node, ATTR_BATCH_DIMS), x->rank, &batch))
    return false;
  if (time == batch) return refuse(node, diag, "time and batch are both axis %d", time);
  if (lengths->rank != 1) return refuse(node, diag, "lengths have rank %d, not 1", lengths->rank);
  if (!check_equal_dims(node, diag, "batch and number of lengths", x->dims[batch],
                        lengths->dims[0]))
    return false;
  if (x->quant && x->quant->axis == time)
    return refuse(node, diag, "quantization axis %d cannot be reversed", time);
  set_result(node, *x);
  return true;
}
