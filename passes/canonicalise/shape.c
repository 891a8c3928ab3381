// Rules for reshape and transpose, and for what takes transposed operands.
#include "passes/canonicalise/rules.h"

// One element in every place: where the places are does not matter.
static Value *splat_source(const Value *value) {
  const Node *expand = value->type.quant ? NULL : defined_by(value, OP_EXPAND);
  return expand && type_last_not_one(&expand->operands[0]->type) < 0 ? expand->operands[0] : NULL;
}

static Value *build_splat(Builder *builder, Value *one, const Type *type) {
  Value *scalar = one->type.rank ? build_reshape(builder, one, 0, NULL) : one;
  return scalar ? build_expand(builder, scalar, type->rank, type->dims) : NULL;
}

// The axis of the result whose elements are those of x's `axis`; -1: there is none.
static int same_axis(const Type *x, const Type *to, int axis) {
  int64_t before = 1, found = 1;
  for (int i = 0; i < axis; i++) before *= type_dim(x, i);
  for (int i = 0; i < to->rank; i++) {
    if (found == before && to->dims[i] == x->dims[axis]) return i;
    found *= type_dim(to, i);
  }
  return -1;
}

static Value *build_dequantized(Builder *builder, Value *codes, const Type *type) {
  Node *node = codes ? build_begin(builder, OP_DEQUANTIZE, &codes, 1) : NULL;
  if (node) node->results[0]->type = *type;
  return build_end(builder, node);
}

// reshape(dequantize(constant)) = dequantize(reshaped constant), the same for transpose: weights
// stay integers
static Value *move_before_dequantize(Builder *builder, Node *node) {
  const Node *dequantize = defined_by(node->operands[0], OP_DEQUANTIZE);
  Value *codes = dequantize ? dequantize->operands[0] : NULL;
  const Type *type = &node->results[0]->type;
  if (!codes || !value_is_constant(codes) || value_constant(codes)->storage.count) return NULL;
  if (node->op == OP_TRANSPOSE)
    return build_dequantized(builder, build_transpose(builder, codes, transpose_perm(node)), type);
  Type moved = *type;
  Quant *quant = NEW(builder->graph->module->arena, Quant);
  *quant = *codes->type.quant;
  if (quant->axis >= 0 && (quant->axis = same_axis(&codes->type, type, quant->axis)) < 0)
    return NULL;
  moved.element = codes->type.element;
  moved.quant = quant;
  const Constant *constant = value_constant(codes);
  return build_dequantized(builder, build_constant(builder, moved, constant->data, constant->name),
                           type);
}

// reshape(reshape(x)) = reshape(x); reshape(expand(one element)) = expand
Value *rule_reshape(Builder *builder, Node *node) {
  const Node *inner = defined_by(node->operands[0], OP_RESHAPE);
  const Type *type = &node->results[0]->type;
  Value *one = splat_source(node->operands[0]);
  if (one) return build_splat(builder, one, type);
  if (defined_by(node->operands[0], OP_DEQUANTIZE)) return move_before_dequantize(builder, node);
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

// transpose(reshape(transpose(x))) = reshape(transpose(x)) where the reshape only merges axes
// (channel shuffles)
static Value *transpose_of_merged(Builder *builder, const Node *node) {
  const Node *merge = defined_by(node->operands[0], OP_RESHAPE);
  const Node *inner = merge ? defined_by(merge->operands[0], OP_TRANSPOSE) : NULL;
  const Type *type = &node->results[0]->type;
  int first[MAX_RANK + 1], count = 0;
  if (!inner || type->quant ||
      !match_axis_splits(&merge->results[0]->type, &inner->results[0]->type, first))
    return NULL;
  int64_t perm[MAX_RANK];
  for (int i = 0; i < type->rank; i++)
    for (int k = first[transpose_perm(node)[i]]; k < first[transpose_perm(node)[i] + 1]; k++)
      perm[count++] = transpose_perm(inner)[k];
  Value *moved = build_transpose(builder, inner->operands[0], perm);
  return moved ? build_reshape(builder, moved, type->rank, type->dims) : NULL;
}

// transpose[p](transpose[q](x)) = transpose[q o p](x); transpose that keeps the order = reshape;
// transpose(expand(one element)) = expand
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
  Value *one = splat_source(x), *dequantized = move_before_dequantize(builder, node);
  if (one) return build_splat(builder, one, type);
  if (dequantized || builder->failed) return dequantized;
  if (type->quant || !keeps_order(&x->type, perm)) return transpose_of_merged(builder, node);
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
    if (!transpose || transpose->results[0]->type.quant || !exchanges_last_two(transpose, rest))
      continue;
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
  if (x->type.quant || !constant_scalar(node->operands[1], &number) ||
      !dim_is_constant(x->type.dims[axis], &size))
    return NULL;
  int64_t index = (int64_t)number < 0 ? (int64_t)number + size : (int64_t)number;
  if (index < 0 || index >= size || value_is_constant(x)) return NULL;
  DimTable *dims = builder->graph->module->dims;
  Value *slice =
      build_slice_axis(builder, x, axis, dim_constant(dims, index), dim_constant(dims, 1), 1);
  const Type *type = &node->results[0]->type;
  return slice ? build_reshape(builder, slice, type->rank, type->dims) : NULL;
}
