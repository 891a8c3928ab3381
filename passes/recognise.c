// recognise - finds activations and normalisations that exporters wrote out in small ops.
// Products are matched as one number times a list of factors, so that the order of the
// multiplications does not matter.
//   gelu        1/2 * x * (1 + erf(x / sqrt 2));  1/2 * x * (1 + tanh(sqrt(2/pi) * (x + 0.044715
//   x^3))) swish       x * sigmoid(alpha * x)            mish   x * tanh(softplus(x)) hard_swish  x
//   * hard_sigmoid{1/6, 1/2}(x)     hard_sigmoid{1/6, 1/2}   1/6 * clip[0,6](x + 3) layer_norm  (x
//   - mean) / sqrt(mean((x - mean)^2) + epsilon), then * scale, + bias rms_norm    x /
//   sqrt(mean(x^2) + epsilon), then * scale
// Rounds differently than the original. Needs: fold_affine turns pow and divisions into products;
// works without, on the forms it knows. Leaves: dead nodes.
#include <math.h>

#include "passes/rewrite.h"

enum { MAX_FACTORS = 8 };

typedef struct Product {
  double number;
  Value *factors[MAX_FACTORS];
  int count;
} Product;

// value = number * factors, through multiplications and divisions by numbers that only serve it.
static bool collect(Value *value, Product *product, int depth) {
  const Node *node = value->definition;
  double number;
  if (constant_scalar(value, &number)) {
    product->number *= number;
    return true;
  }
  bool open = node && depth < MAX_FACTORS && (depth == 0 || value_has_one_use(value));
  if (open && node->op == OP_MUL)
    return collect(node->operands[0], product, depth + 1) &&
           collect(node->operands[1], product, depth + 1);
  if (open && node->op == OP_DIV && constant_scalar(node->operands[1], &number) && number != 0) {
    product->number /= number;
    return collect(node->operands[0], product, depth + 1);
  }
  if (product->count == MAX_FACTORS) return false;
  product->factors[product->count++] = value;
  return true;
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-4 * fabs(b); }

// value = *scale * x
static bool is_multiple(Value *value, const Value *x, double *scale) {
  Product product = {.number = 1};
  if (value == x) {
    *scale = 1;
    return true;
  }
  if (!collect(value, &product, 0) || product.count != 1 || product.factors[0] != x) return false;
  *scale = product.number;
  return true;
}

// value = number + the result; NULL: it is not such a sum.
static Value *plus_number(const Value *value, double number) {
  const Node *node = defined_by(value, OP_ADD);
  if (!node) return NULL;
  for (int i = 0; i < 2; i++)
    if (is_nearly_scalar(node->operands[i], number)) return node->operands[1 - i];
  return NULL;
}

static Value *operand_of(const Value *value, OpCode op) {
  const Node *node = value ? defined_by(value, op) : NULL;
  return node ? node->operands[0] : NULL;
}

// --- activations

static bool is_cube(const Value *value, const Value *x) {
  const Node *power = defined_by(value, OP_POW);
  if (power) return power->operands[0] == x && is_nearly_scalar(power->operands[1], 3);
  Product product = {.number = 1};
  if (!defined_by(value, OP_MUL) || !collect((Value *)(uintptr_t)value, &product, 0)) return false;
  return product.number == 1 && product.count == 3 && product.factors[0] == x &&
         product.factors[1] == x && product.factors[2] == x;
}

// x + 0.044715 * x^3
static bool is_tanh_argument(const Value *value, const Value *x) {
  const Node *sum = defined_by(value, OP_ADD);
  if (!sum) return false;
  for (int i = 0; i < 2; i++) {
    Product cube = {.number = 1};
    if (sum->operands[i] != x || !collect(sum->operands[1 - i], &cube, 0) ||
        !near(cube.number, 0.044715))
      continue;
    bool powers = cube.count == 3;
    for (int k = 0; k < cube.count; k++) powers &= cube.factors[k] == x;
    return powers || (cube.count == 1 && is_cube(cube.factors[0], x));
  }
  return false;
}

static Value *build_gelu(Builder *builder, Value *x, const char *approximate) {
  Node *gelu = build_begin(builder, OP_GELU, &x, 1);
  if (gelu) node_set_string(gelu, ATTR_APPROXIMATE, approximate);
  return build_end(builder, gelu);
}

static Value *match_gelu(Builder *builder, const Product *product, Value *x, const Value *other) {
  if (!near(product->number, 0.5)) return NULL;
  const Value *curve = plus_number(other, 1);
  Value *erf = operand_of(curve, OP_ERF), *tanh = operand_of(curve, OP_TANH);
  double scale;
  if (erf && is_multiple(erf, x, &scale) && near(scale, sqrt(0.5)))
    return build_gelu(builder, x, "none");
  Product argument = {.number = 1};
  if (!tanh || !collect(tanh, &argument, 0) || argument.count != 1) return NULL;
  bool fits = near(argument.number, sqrt(2 / acos(-1))) && is_tanh_argument(argument.factors[0], x);
  return fits ? build_gelu(builder, x, "tanh") : NULL;
}

static Value *match_swish(Builder *builder, const Product *product, Value *x, const Value *other) {
  Value *argument = operand_of(other, OP_SIGMOID);
  double alpha;
  if (product->number != 1 || !argument || !is_multiple(argument, x, &alpha)) return NULL;
  Node *swish = build_begin(builder, OP_SWISH, &x, 1);
  if (swish) node_set_float(swish, ATTR_ALPHA, alpha);
  return build_end(builder, swish);
}

// clip[0,6](x + 3)
static bool is_relu6_of_shifted(const Value *value, const Value *x) {
  const Node *clip = defined_by(value, OP_CLIP);
  return clip && node_float(clip, ATTR_LOW) == 0 && node_float(clip, ATTR_HIGH) == 6 &&
         plus_number(clip->operands[0], 3) == x;
}

static Value *match_hard_swish(Builder *builder, const Product *product, Value *x,
                               const Value *other) {
  const Node *gate = defined_by(other, OP_HARD_SIGMOID);
  bool by_gate = gate && gate->operands[0] == x && product->number == 1 &&
                 near(node_float(gate, ATTR_ALPHA), 1.0 / 6) &&
                 near(node_float(gate, ATTR_BETA), 0.5);
  bool written_out = near(product->number, 1.0 / 6) && is_relu6_of_shifted(other, x);
  return by_gate || written_out ? build_unary(builder, OP_HARD_SWISH, x) : NULL;
}

static Value *match_mish(Builder *builder, const Product *product, Value *x, const Value *other) {
  bool fits = product->number == 1 && operand_of(operand_of(other, OP_TANH), OP_SOFTPLUS) == x;
  return fits ? build_unary(builder, OP_MISH, x) : NULL;
}

static Value *activation(Builder *builder, Node *node) {
  static Value *(*const matchers[])(Builder *, const Product *, Value *, const Value *) = {
      match_gelu, match_swish, match_hard_swish, match_mish};
  Product product = {.number = 1};
  Value *result = node->results[0];
  if (!is_float_value(result) || !collect(result, &product, 0) || product.count != 2) return NULL;
  for (int i = 0; i < 2; i++)
    for (int m = 0; m < 4; m++) {
      if (!type_equal(&product.factors[i]->type, &result->type)) continue;
      Value *found = matchers[m](builder, &product, product.factors[i], product.factors[1 - i]);
      if (found || builder->failed) return found;
    }
  return NULL;
}

// 1/6 * clip[0,6](x + 3)
static Value *hard_sigmoid(Builder *builder, Node *node) {
  Product product = {.number = 1};
  if (!is_float_value(node->results[0]) || !collect(node->results[0], &product, 0)) return NULL;
  const Node *clip = product.count == 1 && near(product.number, 1.0 / 6)
                         ? defined_by(product.factors[0], OP_CLIP)
                         : NULL;
  Value *x = clip ? plus_number(clip->operands[0], 3) : NULL;
  if (!x || !is_relu6_of_shifted(product.factors[0], x) ||
      !type_equal(&x->type, &node->results[0]->type))
    return NULL;
  Node *gate = build_begin(builder, OP_HARD_SIGMOID, &x, 1);
  if (!gate) return NULL;
  node_set_float(gate, ATTR_ALPHA, 1.0 / 6);
  node_set_float(gate, ATTR_BETA, 0.5);
  return build_end(builder, gate);
}

// --- norms

// reduce_mean over the last axes, kept: the first of them, else -1.
static int mean_axis(const Node *mean) {
  int count, rank = mean->operands[0]->type.rank;
  const int64_t *axes = node_ints(mean, ATTR_AXES, &count);
  if (!count || !node_int(mean, ATTR_KEEP_DIMS)) return -1;
  bool found[MAX_RANK] = {0};
  for (int i = 0; i < count; i++) found[axes[i] < 0 ? axes[i] + rank : axes[i]] = true;
  for (int i = rank - count; i < rank; i++)
    if (!found[i]) return -1;
  return rank - count;
}

static Value *square_root_of(const Value *value) {
  const Node *square = value ? value->definition : NULL;
  if (!square) return NULL;
  if (square->op == OP_MUL && square->operands[0] == square->operands[1])
    return square->operands[0];
  return square->op == OP_POW && is_scalar(square->operands[1], 2) ? square->operands[0] : NULL;
}

typedef struct Spread {
  Value *x; // sqrt(mean(x^2) + epsilon)
  double epsilon;
  int axis;
} Spread;

static bool match_spread(const Value *value, Spread *spread) {
  const Node *sum = defined_by(operand_of(value, OP_SQRT), OP_ADD);
  if (!sum) return false;
  Value *constant = NULL, *variance = constant_operand(sum, &constant);
  const Node *mean = variance ? defined_by(variance, OP_REDUCE_MEAN) : NULL;
  if (!mean || !constant_scalar(constant, &spread->epsilon) || !(spread->epsilon >= 0))
    return false;
  spread->axis = mean_axis(mean);
  spread->x = square_root_of(mean->operands[0]);
  return spread->axis >= 0 && spread->x;
}

// value = x - mean(x) over the same axes: x
static Value *centred(const Value *value, int axis) {
  const Node *difference = defined_by(value, OP_SUB);
  const Node *mean = difference ? defined_by(difference->operands[1], OP_REDUCE_MEAN) : NULL;
  return mean && mean->operands[0] == difference->operands[0] && mean_axis(mean) == axis
             ? mean->operands[0]
             : NULL;
}

static Value *build_norm(Builder *builder, OpCode op, Value *x, const Spread *spread) {
  Node *norm = build_begin(builder, op, &x, 1);
  if (!norm) return NULL;
  node_set_int(norm, ATTR_AXIS, spread->axis);
  node_set_float(norm, ATTR_EPSILON, spread->epsilon);
  return build_end(builder, norm);
}

static bool same_difference(const Value *a, const Value *b) {
  const Node *left = defined_by(a, OP_SUB), *right = defined_by(b, OP_SUB);
  return a == b || (left && right && left->operands[0] == right->operands[0] &&
                    left->operands[1] == right->operands[1]);
}

// d / sqrt(mean(d^2) + epsilon), or d * (1 / sqrt(..))
static Value *norm(Builder *builder, Node *node) {
  Value *result = node->results[0];
  for (int i = 0; i < (node->op == OP_DIV ? 1 : 2); i++) {
    Value *d = node->operands[i];
    const Value *divisor =
        node->op == OP_DIV ? node->operands[1] : operand_of(node->operands[1 - i], OP_RECIPROCAL);
    Spread spread;
    if (!divisor || !match_spread(divisor, &spread) || !same_difference(spread.x, d)) continue;
    if (!is_float_value(d) || !type_equal(&d->type, &result->type)) continue;
    Value *x = centred(d, spread.axis);
    return x ? build_norm(builder, OP_LAYER_NORM, x, &spread)
             : build_norm(builder, OP_RMS_NORM, d, &spread);
  }
  return NULL;
}

// May c be scale or bias of the norm? Its shape is that of the normalised axes.
static bool fits_norm(const Value *c, const Node *norm) {
  const Type *x = &norm->results[0]->type, *shape = &c->type;
  int64_t axis = node_int(norm, ATTR_AXIS);
  if (axis < 0) axis += x->rank;
  if (!value_is_constant(c) || shape->element != x->element || shape->quant ||
      shape->rank != x->rank - axis)
    return false;
  for (int i = 0; i < shape->rank; i++)
    if (shape->dims[i] != x->dims[axis + i]) return false;
  return true;
}

// norm(x) * c, norm(x, scale) + c
static Value *norm_operand(Builder *builder, Node *node) {
  int wanted = node->op == OP_MUL ? 1 : 2;
  for (int i = 0; i < 2; i++) {
    Node *inner = only_defined_by(node->operands[i], OP_LAYER_NORM);
    if (!inner && wanted == 1) inner = only_defined_by(node->operands[i], OP_RMS_NORM);
    if (!inner || !is_float_value(inner->results[0]) || node_operand(inner, wanted) ||
        node_operand(inner, 2))
      continue;
    if (!fits_norm(node->operands[1 - i], inner)) continue;
    Value *operands[] = {inner->operands[0], node_operand(inner, 1), NULL};
    operands[wanted] = node->operands[1 - i];
    return build_like(builder, inner, operands, wanted + 1);
  }
  return NULL;
}

static const RewriteRow rows[] = {
    {OP_MUL, activation},   {OP_DIV, activation},   {OP_MUL, hard_sigmoid},
    {OP_DIV, hard_sigmoid}, {OP_DIV, norm},         {OP_MUL, norm},
    {OP_MUL, norm_operand}, {OP_ADD, norm_operand}, {OP_COUNT, NULL},
};

bool pass_recognise(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
