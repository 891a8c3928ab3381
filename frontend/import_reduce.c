// Reductions, softmax, running sums, the k largest.
#include <string.h>

#include "frontend/import.h"

// The axes of a reduction: an attribute, or an operand (ReduceSum since 13, the others since 18).
// *nothing: an empty list that means "no axis" rather than all.
static bool reduce_axes(OnnxNode *node, int rank, int64_t *axes, int *count, bool *nothing) {
  const int64_t *given;
  if (!onnx_ints_either(node, "axes", 1, &given, count)) return false;
  *nothing = *count == 0 && onnx_int(node, "noop_with_empty_axes", 0) != 0;
  if (*count) return onnx_axes(node, given, *count, rank, axes);
  *count = rank;
  for (int i = 0; i < rank; i++) axes[i] = i;
  return true;
}

static Value *build_reduction(OnnxNode *node, OpCode op, Value *x) {
  int64_t axes[MAX_RANK];
  int count;
  bool nothing = false, keep = onnx_int(node, "keepdims", 1) != 0;
  bool open = onnx_is_open(node, 1) && !onnx_is_empty(node, 1);
  count = 1;
  if (!open && !reduce_axes(node, x->type.rank, axes, &count, &nothing)) return NULL;
  if (nothing) count = 0;
  if (count == 0 || (open && !x->type.rank)) { // only the square and the magnitude change them
    if (op == OP_REDUCE_SQUARES) return onnx_binary(node, OP_MUL, x, x);
    return op == OP_REDUCE_L1 ? onnx_unary(node, OP_ABS, x) : x;
  }
  ElementType element = x->type.element;
  if (element == BOOL) x = onnx_convert(node, x, U8);
  Value *result = !x     ? NULL
                  : open ? onnx_reduce_open(node, op, x, 1, keep)
                         : build_reduce(&node->builder, op, x, axes, count, keep);
  return element == BOOL ? onnx_convert(node, result, BOOL) : result;
}

bool import_reduce(OnnxNode *node) {
  return onnx_need_inputs(node, 1) &&
         onnx_output(node, 0,
                     build_reduction(node, (OpCode)node->row->argument, onnx_input(node, 0)));
}

bool import_reduce_l2(OnnxNode *node) {
  return onnx_need_inputs(node, 1) &&
         onnx_output(node, 0,
                     onnx_unary(node, OP_SQRT,
                                build_reduction(node, OP_REDUCE_SQUARES, onnx_input(node, 0))));
}

bool import_reduce_log_sum(OnnxNode *node) {
  return onnx_need_inputs(node, 1) &&
         onnx_output(
             node, 0,
             onnx_unary(node, OP_LOG, build_reduction(node, OP_REDUCE_SUM, onnx_input(node, 0))));
}

bool import_arg_reduce(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis)) return false;
  Node *reduce = build_begin(&node->builder, (OpCode)node->row->argument, &x, 1);
  node_set_int(reduce, ATTR_AXIS, axis);
  node_set_int(reduce, ATTR_KEEP_DIMS, onnx_int(node, "keepdims", 1) != 0);
  node_set_int(reduce, ATTR_SELECT_LAST, onnx_int(node, "select_last_index", 0) != 0);
  return onnx_output(node, 0, build_end(&node->builder, reduce));
}

static Value *build_softmax(OnnxNode *node, Value *x, int axis) {
  if (!x) return NULL;
  Node *softmax = build_begin(&node->builder, (OpCode)node->row->argument, &x, 1);
  if (softmax) node_set_int(softmax, ATTR_AXIS, axis);
  return build_end(&node->builder, softmax);
}

// Before version 13 all axes from `axis` on were one.
bool import_softmax(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  bool old = node->version < 13;
  int axis, rank = x->type.rank;
  if (old && onnx_int(node, "axis", 1) == rank && rank > 0)
    axis = rank;
  else if (!onnx_axis(node, onnx_int(node, "axis", old ? 1 : -1), rank, &axis))
    return false;
  if (!old || axis == rank - 1) return onnx_output(node, 0, build_softmax(node, x, axis));
  const Dim *dims[MAX_RANK + 1], *rest = import_dim(node->importer, 1);
  for (int i = 0; i < rank; i++)
    if (i < axis)
      dims[i] = x->type.dims[i];
    else
      rest = dim_mul(node->importer->dims, rest, x->type.dims[i]);
  if (axis >= MAX_RANK) return onnx_error(node, "axis %d", axis);
  dims[axis] = rest;
  Value *flat = build_reshape(&node->builder, x, axis + 1, dims);
  Value *result = build_softmax(node, flat, axis);
  return onnx_output(node, 0,
                     result ? build_reshape(&node->builder, result, rank, x->type.dims) : NULL);
}

bool import_cumulate(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  const Type whole = x->type;
  int count, axis = 1;
  bool open = onnx_is_open(node, 1);
  if (open) {
    x = onnx_around_axis(node, x, 1);
  } else {
    const int64_t *axes = onnx_ints_input(node, 1, &count);
    if (!axes) return false;
    if (count != 1) return onnx_error(node, "axis has %d elements, wanted 1", count);
    if (!onnx_axis(node, axes[0], x->type.rank, &axis)) return false;
  }
  if (!x) return false;
  Node *cumulate = build_begin(&node->builder, (OpCode)node->row->argument, &x, 1);
  node_set_int(cumulate, ATTR_AXIS, axis);
  node_set_int(cumulate, ATTR_EXCLUSIVE, onnx_int(node, "exclusive", 0) != 0);
  node_set_int(cumulate, ATTR_REVERSE, onnx_int(node, "reverse", 0) != 0);
  Value *result = build_end(&node->builder, cumulate);
  if (open && result) result = build_reshape(&node->builder, result, whole.rank, whole.dims);
  return onnx_output(node, 0, result);
}

bool import_top_k(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis, count = 1;
  const Dim *k;
  if (!onnx_axis(node, onnx_int(node, "axis", -1), x->type.rank, &axis)) return false;
  if (node->version >= 10) {
    const Dim *const *dims = onnx_dims_input(node, 1, &count);
    if (!dims) return false;
    if (count != 1) return onnx_error(node, "k has %d elements, wanted 1", count);
    k = dims[0];
  } else
    k = import_dim(node->importer, onnx_int(node, "k", 0));
  if (dim_high(k) < 0) return onnx_error(node, "k is negative");
  Node *top = build_begin(&node->builder, OP_TOP_K, &x, 1);
  node_set_int(top, ATTR_AXIS, axis);
  node_set_int(top, ATTR_LARGEST, onnx_int(node, "largest", 1) != 0);
  node_set_int(top, ATTR_SORTED, onnx_int(node, "sorted", 1) != 0);
  node_set_dims(top, ATTR_SIZES, &k, 1);
  return top && onnx_output(node, 0, build_end(&node->builder, top)) &&
         onnx_output(node, 1, top->results[1]);
}
