// Rules for reshape and transpose, and for what takes transposed operands.
#include "passes/canonicalise/rules.h"

// reshape(reshape(x)) = reshape(x)
Value *rule_reshape(Builder *builder, Node *node) {
  const Node *inner = defined_by(node->operands[0], OP_RESHAPE);
  const Type *type = &node->results[0]->type;
  if (!inner || type->quant) return NULL;
  if (type_equal(&inner->operands[0]->type, type)) return inner->operands[0];
  return build_reshape(builder, inner->operands[0], type->rank, type->dims);
}

// Only axes of size 1 move: the elements stay in order.
static bool keeps_order(const Type *x, const int64_t *perm) {
  int64_t last = -1;
  for (int i = 0; i < x->rank; i++) {
    if (dim_is_one(x->dims[perm[i]])) continue;
    if (perm[i] < last) return false;
    last = perm[i];
  }
  return true;
}

// transpose[p](transpose[q](x)) = transpose[q o p](x); transpose that keeps the order = reshape
Value *rule_transpose(Builder *builder, Node *node) {
  Value *x = node->operands[0];
  const int64_t *perm = transpose_perm(node);
  const Type *type = &node->results[0]->type;
  int64_t merged[MAX_RANK];
  const Node *inner = defined_by(x, OP_TRANSPOSE);
  if (inner) {
    for (int i = 0; i < type->rank; i++) merged[i] = transpose_perm(inner)[perm[i]];
    return build_transpose(builder, inner->operands[0], merged);
  }
  if (type->quant || !keeps_order(&x->type, perm)) return NULL;
  return type_equal(&x->type, type) ? x : build_reshape(builder, x, type->rank, type->dims);
}

// The perm without an exchange of the last two axes, if then the last axis stays where it is.
static bool exchanges_last_two(const Node *transpose, int64_t *rest) {
  const int64_t *perm = transpose_perm(transpose);
  int rank = transpose->results[0]->type.rank;
  if (perm[rank - 2] != rank - 1) return false;
  for (int i = 0; i < rank - 2; i++) rest[i] = perm[i];
  rest[rank - 2] = perm[rank - 1];
  rest[rank - 1] = perm[rank - 2];
  return true;
}

// matmul(transpose(a), b) = matmul(a, b) {transpose_a}, the same for b
Value *rule_matmul_transposed(Builder *builder, Node *node) {
  static const AttributeId flags[] = {ATTR_TRANSPOSE_A, ATTR_TRANSPOSE_B};
  if (node_epilogue(node) || node->results[0]->type.quant) return NULL;
  for (int i = 0; i < 2; i++) {
    const Node *transpose = defined_by(node->operands[i], OP_TRANSPOSE);
    int64_t rest[MAX_RANK];
    if (!transpose || transpose->results[0]->type.quant || !exchanges_last_two(transpose, rest)) continue;
    Value *operands[3] = {node->operands[0], node->operands[1], node_operand(node, 2)};
    operands[i] = build_transpose(builder, transpose->operands[0], rest);
    Node *product = operands[i] ? begin_like(builder, node, operands, node->operand_count) : NULL;
    if (!product) return NULL;
    node_set_int(product, flags[i], !node_int(node, flags[i]));
    return build_end(builder, product);
  }
  return NULL;
}

// gather(x, constant i) along an axis = slice(x, i, 1), in the gather's shape
Value *rule_gather(Builder *builder, Node *node) {
  Value *x = node->operands[0];
  double number;
  int axis = (int)node_int(node, ATTR_AXIS), rank = x->type.rank;
  if (axis < 0) axis += rank;
  int64_t size;
  if (x->type.quant || !constant_scalar(node->operands[1], &number) || !dim_is_constant(x->type.dims[axis], &size)) return NULL;
  int64_t index = (int64_t)number < 0 ? (int64_t)number + size : (int64_t)number;
  if (index < 0 || index >= size || value_is_constant(x)) return NULL;
  DimTable *dims = builder->graph->module->dims;
  Value *slice = build_slice_axis(builder, x, axis, dim_constant(dims, index), dim_constant(dims, 1), 1);
  const Type *type = &node->results[0]->type;
  return slice ? build_reshape(builder, slice, type->rank, type->dims) : NULL;
}
