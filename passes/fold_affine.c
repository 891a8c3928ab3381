// fold_affine - multiplications and additions by constants go where they cost nothing.
//   f(x, w, b) * c = f(x, w * c, b * c)     f: conv, conv_transpose, matmul; w, b, c constant, c
//   per output channel f(x, w, b) + c = f(x, w, b + c)         (this is how a batch norm, which the
//   importer makes mul + add, vanishes) f(x, w, b) - c, f(x, w, b) / c          the same with -c,
//   1/c (x * c) * d = x * (c * d), (x + c) + d = x + (c + d) x / c = x * (1/c), x + 0 = x, 1 / x =
//   reciprocal(x)
// Rounds differently than the original, so -fstrict leaves it out.
// Needs: nothing. Leaves: constants without a use, constant arithmetic for fold_constants.
#include <math.h>

#include "passes/rewrite.h"

// --- the product under an arithmetic node

static bool is_product(const Node *node) {
  return node && node_has_trait(node, ACCUMULATES) && node->operand_count > 1 &&
         !node->region_count && is_float_value(node->results[0]) &&
         value_is_constant(node->operands[1]) && !node->operands[1]->type.quant &&
         (!node_operand(node, 2) || value_is_constant(node->operands[2]));
}

static bool is_plain_matmul(const Node *node) {
  return node->op != OP_MATMUL || node->operands[1]->type.rank == 2;
}

// One number, or one per channel along the last axis of a value of this type.
static bool is_per_channel(const Value *constant, const Type *type) {
  const Type *shape = &constant->type;
  if (!value_is_constant(constant) || shape->quant || shape->rank > type->rank ||
      shape->element != type->element)
    return false;
  for (int i = 0; i < shape->rank - 1; i++)
    if (!dim_is_one(shape->dims[i])) return false;
  return !shape->rank || dim_is_one(shape->dims[shape->rank - 1]) ||
         shape->dims[shape->rank - 1] == type->dims[type->rank - 1];
}

typedef struct Affine {
  Node *product;
  Value *constant; // per channel
} Affine;

// node = product op constant, with nobody else reading the product.
static bool match_affine(const Node *node, Affine *match) {
  for (int i = 0; i < 2; i++) {
    if (i == 1 && !node_has_trait(node, COMMUTATIVE)) return false;
    Value *product = node->operands[i], *constant = node->operands[1 - i];
    if (!value_has_one_use(product) || !product->definition || !is_product(product->definition))
      continue;
    if (!is_plain_matmul(product->definition) || !is_per_channel(constant, &product->type))
      continue;
    if (!type_equal(&product->type, &node->results[0]->type)) continue;
    *match = (Affine){product->definition, constant};
    return true;
  }
  return false;
}

static int64_t channels_of(const Type *type) {
  int64_t channels;
  return dim_is_constant(type->dims[type->rank - 1], &channels) ? channels : -1;
}

static Value *as_vector(Builder *builder, Value *constant, int64_t channels) {
  const Dim *dims[] = {dim_constant(builder->graph->module->dims, channels)};
  if (constant->type.rank == 1 && constant->type.dims[0] == dims[0]) return constant;
  if (type_last_not_one(&constant->type) >= 0 || channels == 1)
    return build_reshape(builder, constant, 1, dims);
  Value *one = constant->type.rank > 1 ? build_reshape(builder, constant, 0, NULL) : constant;
  return one ? build_expand(builder, one, 1, dims) : NULL;
}

// Axis of the output channels in the weights; for a grouped conv_transpose there is no single one.
static int channel_axis(const Node *product) {
  const Type *w = &product->operands[1]->type;
  if (product->op == OP_CONV) return 0;
  if (product->op == OP_CONV_TRANSPOSE)
    return node_int(product, ATTR_GROUP) == 1 ? w->rank - 1 : -1;
  return w->rank - 1 - (node_int(product, ATTR_TRANSPOSE_B) != 0);
}

// c as a factor of the weights: ones everywhere but at the channel axis.
static Value *weight_factor(Builder *builder, const Node *product, Value *vector,
                            int64_t channels) {
  const Type *w = &product->operands[1]->type;
  int axis = channel_axis(product);
  int64_t dims[MAX_RANK];
  if (axis < 0) return NULL;
  for (int i = 0; i < w->rank; i++) dims[i] = i == axis ? channels : 1;
  return build_reshape_static(builder, vector, w->rank, dims);
}

static Value *rebuild(Builder *builder, const Node *product, Value *w, Value *bias) {
  Value *operands[] = {product->operands[0], w, bias};
  return build_like(builder, product, operands, bias ? 3 : 2);
}

// c, or 1/c
static Value *factor_of(Builder *builder, OpCode op, Value *constant) {
  return op == OP_DIV ? build_unary(builder, OP_RECIPROCAL, constant) : constant;
}

static Value *scale_product(Builder *builder, Node *node) {
  Affine match;
  if (!match_affine(node, &match)) return NULL;
  int64_t channels = channels_of(&match.product->results[0]->type);
  if (channels < 1 || channel_axis(match.product) < 0) return NULL;
  Value *vector = as_vector(builder, factor_of(builder, node->op, match.constant), channels);
  Value *factor = vector ? weight_factor(builder, match.product, vector, channels) : NULL;
  Value *w = factor ? build_binary(builder, OP_MUL, match.product->operands[1], factor) : NULL;
  Value *bias = node_operand(match.product, 2);
  if (w && bias) bias = build_binary(builder, OP_MUL, bias, vector);
  return w ? rebuild(builder, match.product, w, bias) : NULL;
}

static Value *shift_product(Builder *builder, Node *node) {
  Affine match;
  if (!match_affine(node, &match)) return NULL;
  int64_t channels = channels_of(&match.product->results[0]->type);
  if (channels < 1) return NULL;
  Value *vector = as_vector(builder, match.constant, channels),
        *bias = node_operand(match.product, 2);
  if (vector && node->op == OP_SUB) vector = build_unary(builder, OP_NEG, vector);
  if (vector && bias) vector = build_binary(builder, OP_ADD, bias, vector);
  return vector ? rebuild(builder, match.product, match.product->operands[1], vector) : NULL;
}

// --- chains

// (x op c) op d = x op (c op d), op: mul, add. The result must not grow by it.
static Value *merge_chain(Builder *builder, Node *node) {
  Value *outer = NULL, *inner = NULL, *between = constant_operand(node, &outer);
  const Node *first = between ? only_defined_by(between, node->op) : NULL;
  Value *x = first ? constant_operand(first, &inner) : NULL;
  if (!x || !is_float_value(x) || value_is_constant(x) || !is_float_value(inner) ||
      !is_float_value(outer))
    return NULL;
  double number;
  bool one_scalar = constant_scalar(inner, &number) || constant_scalar(outer, &number);
  if (!one_scalar && !type_same_shape(&inner->type, &outer->type)) return NULL;
  if (!type_equal(&x->type, &node->results[0]->type)) return NULL;
  return build_binary(builder, node->op, x, build_binary(builder, node->op, inner, outer));
}

// x / c = x * (1/c)
static Value *divide_by_constant(Builder *builder, Node *node) {
  Value *x = node->operands[0], *c = node->operands[1];
  if (!is_float_value(x) || value_is_constant(x) || !value_is_constant(c)) return NULL;
  Tensor tensor;
  value_tensor(c, &tensor);
  for (int64_t i = 0; i < tensor_count(&tensor);
       i++) { // neither 1/c nor c may leave the normal numbers
    double size = fabs(element_load(tensor.element, tensor.data, i));
    bool fits = c->type.element == F32 ? size > 1e-37 && size < 1e37
                                       : c->type.element == F64 && size > 1e-300 && size < 1e300;
    if (!fits) return NULL;
  }
  return build_binary(builder, OP_MUL, x, build_unary(builder, OP_RECIPROCAL, c));
}

// 1 / x = reciprocal(x)
static Value *divide_one(Builder *builder, Node *node) {
  Value *x = node->operands[1];
  if (!is_float_value(x) || !is_scalar(node->operands[0], 1) ||
      !type_equal(&x->type, &node->results[0]->type))
    return NULL;
  return build_unary(builder, OP_RECIPROCAL, x);
}

// x + 0 = x (-0 becomes 0)
static Value *add_zero(Builder *builder, Node *node) {
  (void)builder;
  Value *zero = NULL, *x = constant_operand(node, &zero);
  return x && is_scalar(zero, 0) && type_equal(&x->type, &node->results[0]->type) && !x->type.quant
             ? x
             : NULL;
}

// x ^ 2 = x * x
static Value *square(Builder *builder, Node *node) {
  Value *x = node->operands[0];
  if (!is_float_value(x) || !is_scalar(node->operands[1], 2) ||
      !type_equal(&x->type, &node->results[0]->type))
    return NULL;
  return build_binary(builder, OP_MUL, x, x);
}

static const RewriteRow rows[] = {
    {OP_MUL, scale_product},      {OP_DIV, scale_product}, {OP_ADD, shift_product},
    {OP_SUB, shift_product},      {OP_ADD, add_zero},      {OP_MUL, merge_chain},
    {OP_ADD, merge_chain},        {OP_DIV, divide_one},    {OP_POW, square},
    {OP_DIV, divide_by_constant}, {OP_COUNT, NULL},
};

bool pass_fold_affine(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
