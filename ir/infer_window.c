// Types of pools and their inverse.
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

// With ceil_mode the last window may hang over, but must start inside the input or its leading pad.
static const Dim *pool_dim(const Node *node, const Dim *x, int axis) {
  DimTable *table = node_dim_table(node);
  const Dim *kernel = dim_constant(table, node_ints_at(node, ATTR_KERNEL, axis, 1));
  if (!node_int(node, ATTR_CEIL_MODE)) return window_dim(node, x, kernel, axis);
  int64_t stride = node_ints_at(node, ATTR_STRIDES, axis, 1),
          begin = node_ints_at(node, ATTR_PADS, axis, 0);
  const Dim *wide = window_dim(node, dim_add_int(table, x, stride - 1), kernel, axis);
  const Dim *starts =
      dim_floordiv(table, dim_add_int(table, x, begin - 1), dim_constant(table, stride));
  return dim_min(table, wide, dim_add_int(table, starts, 1));
}

static bool pool_type(const Node *node, Diag *diag, const Type *x, Type *result) {
  if (x->rank < 3)
    return refuse(node, diag, "the input has shape %s, wanted [n, spatial.., c]",
                  type_shape_text(node_arena(node), x));
  int spatial = x->rank - 2, count;
  const int64_t *kernel = node_ints(node, ATTR_KERNEL, &count);
  if (count != spatial)
    return refuse(node, diag, "kernel has %d entries, wanted %d", count, spatial);
  int64_t taps = 1;
  for (int i = 0; i < spatial; i++)
    if (kernel[i] < 1 || __builtin_mul_overflow(taps, kernel[i], &taps) || taps > INT32_MAX)
      return refuse(node, diag, "kernel[%d] = %lld", i, (long long)kernel[i]);
  if (!check_window(node, diag, spatial)) return false;
  *result = *x;
  for (int i = 0; i < spatial; i++) {
    result->dims[i + 1] = pool_dim(node, x->dims[i + 1], i);
    if (dim_high(result->dims[i + 1]) < 1 && dim_high(x->dims[i + 1]) > 0)
      return refuse(node, diag, "kernel size %lld does not fit into input size %s with its padding",
                    (long long)kernel[i], dim_text(node_arena(node), x->dims[i + 1]));
  }
  return true;
}

bool infer_pool(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  Type result;
  if (!x || !pool_type(node, diag, x, &result)) return false;
  bool codes = is_quantized_tensor(x), maximum = node->op == OP_MAX_POOL;
  bool small = element_is_integer(x->element) && element_info[x->element].bits <= 32;
  if (!element_calculates(x->element) && !(maximum && small) &&
      !(codes && node->op == OP_AVERAGE_POOL))
    return refuse_element(node, diag, 0);
  if (x->quant && (!codes || node->op == OP_LP_POOL)) return refuse_quantized(node, diag, 0);
  if (node->op == OP_LP_POOL && node_int(node, ATTR_EXPONENT) < 1)
    return refuse(node, diag, "exponent = %lld", (long long)node_int(node, ATTR_EXPONENT));
  const Type *request = requested_type(node, 0);
  if (codes && node->op == OP_AVERAGE_POOL && request && is_quantized_tensor(request)) {
    result.element = request->element;
    result.quant = request->quant;
  }
  return (!result.quant || check_quant(node, diag, &result)) && set_result(node, diag, 0, result);
}

bool infer_max_pool_indices(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  Type result;
  if (!x || !pool_type(node, diag, x, &result)) return false;
  bool small = element_is_integer(x->element) && element_info[x->element].bits <= 32;
  if (!element_calculates(x->element) && !small) return refuse_element(node, diag, 0);
  if (x->quant && !is_quantized_tensor(x)) return refuse_quantized(node, diag, 0);
  return set_result(node, diag, 0, result) &&
         set_result(node, diag, 1, type_with_element(result, I64));
}

bool infer_max_unpool(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *indices = tensor_operand(node, 1, diag);
  if (!x || !indices) return false;
  int count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  if (x->rank < 3 || count != x->rank - 2)
    return refuse(node, diag, "sizes has %d entries for an input of rank %d", count, x->rank);
  if (!check_sizes(node, diag, sizes, count)) return false;
  if (indices->element != I64) return refuse_element(node, diag, 1);
  if (indices->rank != x->rank)
    return refuse(node, diag, "input of rank %d, indices of rank %d", x->rank, indices->rank);
  for (int i = 0; i < x->rank; i++)
    if (!check_equal_dims(node, diag, "input and indices", x->dims[i], indices->dims[i]))
      return false;
  Type result = *x;
  for (int i = 0; i < count; i++) result.dims[i + 1] = sizes[i];
  return set_result(node, diag, 0, result);
}
