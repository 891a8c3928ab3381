// Types of normalisations and of what runs along axes.
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

static bool float_operand(const Node *node, Diag *diag, int index) {
  const Type *x = tensor_operand(node, index, diag);
  if (!x) return false;
  if (!element_calculates(x->element)) return refuse_element(node, diag, index);
  if (index && x->element != node->operands[0]->type.element)
    return refuse(node, diag, "operand 0 is %s, operand %d is %s",
                  element_text(node->operands[0]->type.element), index, element_text(x->element));
  return true;
}

static bool float_operands(const Node *node, Diag *diag) {
  for (int i = 0; i < node->operand_count; i++)
    if ((i == 0 || node->operands[i]) && !float_operand(node, diag, i)) return false;
  return true;
}

// Scale and bias broadcast to the normalised dims.
bool infer_layer_norm(Node *node, Diag *diag) {
  if (!float_operands(node, diag)) return false;
  const Type *x = &node->operands[0]->type;
  int axis;
  if (!check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis)) return false;
  for (int i = 1; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    const Type *factor = &node->operands[i]->type;
    bool fits = factor->rank <= x->rank - axis;
    for (int k = 0; k < factor->rank && fits; k++)
      fits = dim_is(factor->dims[k], 1) || !dims_differ(node_dim_table(node), factor->dims[k],
                                                        x->dims[x->rank - factor->rank + k]);
    if (!fits)
      return refuse(node, diag, "operand %d has shape %s, normalised are dims %d.. of %s", i,
                    type_shape_text(node_arena(node), factor), axis,
                    type_shape_text(node_arena(node), x));
  }
  return set_result(node, diag, 0, *x);
}

bool infer_group_norm(Node *node, Diag *diag) {
  if (!float_operands(node, diag)) return false;
  const Type *x = &node->operands[0]->type;
  if (x->rank < 2)
    return refuse(node, diag, "the input has rank %d, wanted [n, spatial.., c]", x->rank);
  int64_t group = node_int(node, ATTR_GROUP), channels;
  if (group < 1) return refuse(node, diag, "group = %lld", (long long)group);
  if (dim_is_constant(x->dims[x->rank - 1], &channels) && channels % group)
    return refuse(node, diag, "%lld channels do not divide into %lld groups", (long long)channels,
                  (long long)group);
  for (int i = 1; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    const Type *factor = &node->operands[i]->type;
    if (factor->rank != 1)
      return refuse(node, diag, "operand %d has shape %s, wanted [c]", i,
                    type_shape_text(node_arena(node), factor));
    if (!check_equal_dims(node, diag, "channels", x->dims[x->rank - 1], factor->dims[0]))
      return false;
  }
  return set_result(node, diag, 0, *x);
}

bool infer_lrn(Node *node, Diag *diag) {
  if (!float_operand(node, diag, 0)) return false;
  const Type *x = &node->operands[0]->type;
  if (x->rank < 2)
    return refuse(node, diag, "the input has rank %d, wanted [n, spatial.., c]", x->rank);
  if (node_int(node, ATTR_BLOCK) < 1)
    return refuse(node, diag, "size = %lld", (long long)node_int(node, ATTR_BLOCK));
  return set_result(node, diag, 0, *x);
}

// --- reductions

// Axes as a set of bits; without the attribute: all.
static bool reduced_axes(const Node *node, Diag *diag, int rank, unsigned *set) {
  int count;
  const int64_t *axes = node_ints(node, ATTR_AXES, &count);
  *set = node_attribute(node, ATTR_AXES) ? 0 : (1u << rank) - 1;
  for (int i = 0; i < count; i++) {
    int axis;
    if (!check_axis(node, diag, axes[i], rank, &axis)) return false;
    if (*set >> axis & 1) return refuse(node, diag, "axis %lld twice", (long long)axes[i]);
    *set |= 1u << axis;
  }
  return true;
}

static Type drop_axes(const Node *node, Type type, unsigned set, bool keep) {
  int rank = 0;
  for (int i = 0; i < type.rank; i++) {
    bool reduced = set >> i & 1;
    if (reduced && !keep) continue;
    type.dims[rank++] = reduced ? dim_constant(node_dim_table(node), 1) : type.dims[i];
  }
  type.rank = rank;
  return type;
}

static bool reduce_takes(OpCode op, ElementType element) {
  if (op == OP_REDUCE_MAX || op == OP_REDUCE_MIN)
    return element_calculates(element) || element_is_integer(element) || element == BOOL;
  return element_calculates(element) || element_is_integer(element);
}

bool infer_reduce(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  unsigned set;
  if (!x || !reduced_axes(node, diag, x->rank, &set)) return false;
  if (!reduce_takes(node->op, x->element)) return refuse_element(node, diag, 0);
  Type result = drop_axes(node, *x, set, node_int(node, ATTR_KEEP_DIMS) != 0);
  if (!x->quant) return set_result(node, diag, 0, result);
  bool rescales = node->op == OP_REDUCE_MEAN || node->op == OP_REDUCE_SUM;
  bool selects = node->op == OP_REDUCE_MAX || node->op == OP_REDUCE_MIN;
  if (!is_quantized_tensor(x) || (!rescales && !selects)) return refuse_quantized(node, diag, 0);
  if (rescales && request && is_quantized_tensor(request)) {
    result.element = request->element;
    result.quant = request->quant;
  }
  return check_quant(node, diag, &result) && set_result(node, diag, 0, result);
}

bool infer_arg_reduce(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  int axis;
  if (!x || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis)) return false;
  if (!element_calculates(x->element) && !element_is_integer(x->element))
    return refuse_element(node, diag, 0);
  if (!check_quant_per_tensor(node, diag, x)) return false;
  if (dim_is(x->dims[axis], 0)) return refuse(node, diag, "axis %d has no elements", axis);
  Type result =
      drop_axes(node, type_with_element(*x, I64), 1u << axis, node_int(node, ATTR_KEEP_DIMS) != 0);
  return set_result(node, diag, 0, result);
}

bool infer_softmax(Node *node, Diag *diag) {
  if (!float_operand(node, diag, 0)) return false;
  const Type *x = &node->operands[0]->type;
  int axis;
  return check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis) &&
         set_result(node, diag, 0, *x);
}

bool infer_cumulate(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  int axis;
  if (!x || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis)) return false;
  if (!element_calculates(x->element) && !element_is_integer(x->element))
    return refuse_element(node, diag, 0);
  if (x->quant) return refuse_quantized(node, diag, 0);
  return set_result(node, diag, 0, *x);
}
