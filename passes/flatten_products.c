// flatten_products - leading axes of a matrix product become rows, and the reshapes that this makes
// move on:
//   matmul(a [.., s, k], w [k, n]) = reshape(matmul(reshape(a) [..*s, k], w))      w of rank 2
//   f(reshape(a), y, c) = reshape(f(a, reshape(y), c))     a: a product, or pointwise behind one; y
//   of the
//       result's shape; c one number, or one per element of a last axis that the reshape keeps
//   layer_norm(reshape(a)) = reshape(layer_norm(a))        over a last axis that the reshape keeps
// Afterwards pointwise nodes follow their product directly and can become its epilogue. A reshape
// costs nothing. Needs: fold_affine, recognise. Leaves: dead reshapes, reshapes of reshapes for
// canonicalise.
#include "passes/rewrite.h"

static Value *flatten_rows(Builder *builder, Node *node) {
  const Type *a = &node->operands[0]->type, *w = &node->operands[1]->type,
             *type = &node->results[0]->type;
  if (a->rank < 3 || w->rank != 2 || node->region_count || node_int(node, ATTR_TRANSPOSE_A) ||
      a->quant || type->quant)
    return NULL;
  DimTable *table = builder->graph->module->dims;
  const Dim *dims[2] = {dim_constant(table, 1), a->dims[a->rank - 1]};
  for (int i = 0; i < a->rank - 1; i++) dims[0] = dim_mul(table, dims[0], a->dims[i]);
  Value *operands[] = {build_reshape(builder, node->operands[0], 2, dims), node->operands[1],
                       node_operand(node, 2)};
  Value *product = operands[0] ? build_like(builder, node, operands, node->operand_count) : NULL;
  return product ? build_reshape(builder, product, type->rank, type->dims) : NULL;
}

// The reshape behind a product, or behind pointwise nodes behind one; nobody else reads it or its
// operand.
static Node *reshape_of_product(const Value *value) {
  Node *reshape = value && value_has_one_use(value) && !value->type.quant
                      ? defined_by(value, OP_RESHAPE)
                      : NULL;
  const Value *source = reshape ? reshape->operands[0] : NULL;
  for (int depth = 0; source && depth < 16; depth++) {
    const Node *node = source->definition;
    if (!node || (depth && !value_has_one_use(source))) return NULL;
    if (node_has_trait(node, ACCUMULATES)) return reshape;
    if (!node_has_trait(node, POINTWISE) && node->op != OP_LAYER_NORM && node->op != OP_RMS_NORM)
      return NULL;
    source = node->operands[0];
  }
  return NULL;
}

static bool keeps_last_axis(const Node *reshape) {
  const Type *from = &reshape->operands[0]->type, *to = &reshape->results[0]->type;
  return from->rank && to->rank && from->dims[from->rank - 1] == to->dims[to->rank - 1];
}

// Can the operand be read in the shape before the reshape?
static bool follows(const Value *operand, const Node *reshape) {
  const Type *to = &reshape->results[0]->type;
  double number;
  if (!operand || operand->type.quant || operand->type.kind != TYPE_TENSOR) return false;
  if (type_same_shape(&operand->type, to) || constant_scalar(operand, &number)) return true;
  return keeps_last_axis(reshape) && operand->type.rank == 1 &&
         operand->type.dims[0] == to->dims[to->rank - 1];
}

static Value *before_reshape(Builder *builder, Value *operand, const Node *reshape) {
  const Type *from = &reshape->operands[0]->type;
  if (operand == reshape->results[0]) return reshape->operands[0];
  double number;
  if (constant_scalar(operand, &number))
    return operand->type.rank ? build_reshape(builder, operand, 0, NULL) : operand;
  if (!type_same_shape(&operand->type, &reshape->results[0]->type)) return operand;
  return build_reshape(builder, operand, from->rank, from->dims);
}

static Value *sink_through_pointwise(Builder *builder, Node *node) {
  const Type *type = &node->results[0]->type;
  const Node *reshape = NULL;
  Value *operands[4];
  if (node->region_count || node->operand_count > 4 || type->quant) return NULL;
  for (int i = 0; i < node->operand_count && !reshape; i++)
    reshape = reshape_of_product(node->operands[i]);
  if (!reshape || !type_same_shape(type, &reshape->results[0]->type)) return NULL;
  for (int i = 0; i < node->operand_count; i++)
    if (!follows(node->operands[i], reshape)) return NULL;
  for (int i = 0; i < node->operand_count; i++)
    operands[i] = before_reshape(builder, node->operands[i], reshape);
  Node *before = builder->failed ? NULL : begin_like(builder, node, operands, node->operand_count);
  if (before && node->op == OP_CAST)
    before->results[0]->type = type_with_element(reshape->operands[0]->type, type->element);
  Value *result = build_end(builder, before);
  return result ? build_reshape(builder, result, type->rank, type->dims) : NULL;
}

static Value *sink_through_norm(Builder *builder, Node *node) {
  const Type *type = &node->results[0]->type;
  const Node *reshape = reshape_of_product(node->operands[0]);
  int64_t axis = node_int(node, ATTR_AXIS);
  if (!reshape || !keeps_last_axis(reshape) || (axis != -1 && axis != type->rank - 1)) return NULL;
  for (int i = 1; i < node->operand_count; i++)
    if (node->operands[i] && node->operands[i]->type.rank != 1) return NULL;
  Value *operands[] = {reshape->operands[0], node_operand(node, 1), node_operand(node, 2)};
  Node *before = begin_like(builder, node, operands, node->operand_count);
  if (before) node_set_int(before, ATTR_AXIS, -1);
  Value *result = build_end(builder, before);
  return result ? build_reshape(builder, result, type->rank, type->dims) : NULL;
}

static Value *flatten(Builder *builder, Node *node) {
  if (node->op == OP_MATMUL) return flatten_rows(builder, node);
  if (node->op == OP_LAYER_NORM || node->op == OP_RMS_NORM) return sink_through_norm(builder, node);
  return node_has_trait(node, POINTWISE) ? sink_through_pointwise(builder, node) : NULL;
}

static const RewriteRow rows[] = {{OP_COUNT, flatten}, {OP_COUNT, NULL}};

bool pass_flatten_products(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
