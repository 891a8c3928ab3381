// Pointwise ops of one operand: floats in double, rounded once; integers exactly.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/quant.h"

typedef struct UnaryParameters {
  double alpha, beta, gamma, bias, low, high;
  bool approximate;
} UnaryParameters;

// Attributes are floats in ONNX: 0.01 means the f32 next to it. Limits of clip stay as they are.
static double float_attribute(const Node *node, AttributeId id) {
  return op_attribute(node->op, id) ? (double)(float)node_float(node, id) : 0;
}

static UnaryParameters unary_parameters(const Node *node) {
  UnaryParameters p = {.alpha = float_attribute(node, ATTR_ALPHA),
                       .beta = float_attribute(node, ATTR_BETA),
                       .gamma = float_attribute(node, ATTR_GAMMA),
                       .bias = float_attribute(node, ATTR_BIAS)};
  if (node->op == OP_CLIP) {
    p.low = node_float(node, ATTR_LOW);
    p.high = node_float(node, ATTR_HIGH);
  }
  if (node->op == OP_GELU) p.approximate = !strcmp(node_string(node, ATTR_APPROXIMATE), "tanh");
  return p;
}

static double relu(double x) { return x > 0 || isnan(x) ? x : 0; }
static double clip(double x, double low, double high) {
  if (x < low) x = low;
  return x > high ? high : x;
}
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static double gelu(double x, bool approximate) {
  if (!approximate) return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
  return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double shrink(double x, const UnaryParameters *p) {
  if (x < -p->alpha) return x + p->bias;
  return x > p->alpha ? x - p->bias : isnan(x) ? x : 0;
}

static double unary_float(OpCode op, double x, const UnaryParameters *p) {
  switch ((int)op) {
  case OP_NEG: return -x;
  case OP_ABS: return fabs(x);
  case OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
  case OP_SQRT: return sqrt(x);
  case OP_RECIPROCAL: return 1 / x;
  case OP_EXP: return exp(x);
  case OP_LOG: return log(x);
  case OP_SIN: return sin(x);
  case OP_COS: return cos(x);
  case OP_TAN: return tan(x);
  case OP_ASIN: return asin(x);
  case OP_ACOS: return acos(x);
  case OP_ATAN: return atan(x);
  case OP_SINH: return sinh(x);
  case OP_COSH: return cosh(x);
  case OP_TANH: return tanh(x);
  case OP_ASINH: return asinh(x);
  case OP_ACOSH: return acosh(x);
  case OP_ATANH: return atanh(x);
  case OP_ERF: return erf(x);
  case OP_FLOOR: return floor(x);
  case OP_CEIL: return ceil(x);
  case OP_ROUND: return rint(x); // the rounding mode is the default: to nearest even
  case OP_RELU: return relu(x);
  case OP_SIGMOID: return sigmoid(x);
  case OP_SOFTPLUS: return softplus(x);
  case OP_SOFTSIGN: return x / (1 + fabs(x));
  case OP_MISH: return x * tanh(softplus(x));
  case OP_GELU: return gelu(x, p->approximate);
  case OP_SWISH: return x * sigmoid(p->alpha * x);
  case OP_HARD_SWISH: return x * clip(x / 6 + 0.5, 0, 1);
  case OP_HARD_SIGMOID: return clip(p->alpha * x + p->beta, 0, 1);
  case OP_ELU: return x < 0 ? p->alpha * expm1(x) : x;
  case OP_SELU: return p->gamma * (x < 0 ? p->alpha * expm1(x) : x);
  case OP_CELU: return x < 0 ? p->alpha * expm1(x / p->alpha) : x;
  case OP_LEAKY_RELU: return x < 0 ? p->alpha * x : x;
  case OP_THRESHOLDED_RELU: return x > p->alpha || isnan(x) ? x : 0;
  case OP_SHRINK: return shrink(x, p);
  default: return clip(x, p->low, p->high);
  }
}

// The limits of clip and relu as integers of the operand's type, or as its codes.
typedef struct IntegerLimits {
  int64_t low, high;
} IntegerLimits;

static int64_t limit_of(const Type *type, double value) {
  uint64_t raw = 0; // as wide as any integer type
  if (type->quant) value = rint(value / (double)type->quant->scale[0]) + type->quant->zero[0];
  element_store(type->element, &raw, 0, value);
  return element_load_int(type->element, &raw, 0);
}

static IntegerLimits integer_limits(const Node *node, const Type *type) {
  IntegerLimits limits = {limit_of(type, -INFINITY), limit_of(type, INFINITY)};
  if (node->op == OP_RELU) limits.low = type->quant ? type->quant->zero[0] : 0;
  if (node->op == OP_CLIP) {
    limits.low = limit_of(type, node_float(node, ATTR_LOW));
    limits.high = limit_of(type, node_float(node, ATTR_HIGH));
  }
  return limits;
}

static bool is_less(int64_t a, int64_t b, bool wide_unsigned) {
  return wide_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t unary_integer(OpCode op, int64_t x, ElementType element, IntegerLimits limits) {
  bool wide = element == U64;
  switch ((int)op) {
  case OP_NEG: return (int64_t)(0 - (uint64_t)x);
  case OP_ABS: return x < 0 && !wide ? (int64_t)(0 - (uint64_t)x) : x;
  case OP_SIGN: return x == 0 ? 0 : x < 0 && !wide ? -1 : 1;
  case OP_NOT: return !x;
  case OP_BIT_NOT: return ~x;
  default: // relu, clip
    if (is_less(x, limits.low, wide)) x = limits.low;
    return is_less(limits.high, x, wide) ? limits.high : x;
  }
}

static bool unary_floats(Evaluation *evaluation, Walk *walk) {
  const Node *node = evaluation->node;
  UnaryParameters parameters = unary_parameters(node);
  double x[RUN_LENGTH];
  for (Run run; walk_next(walk, &run);) {
    load_doubles(&evaluation->operands[0], run.start[1], run.step[1], run.count, x);
    for (int64_t i = 0; i < run.count; i++) x[i] = unary_float(node->op, x[i], &parameters);
    store_doubles(&evaluation->results[0], run.start[0], run.step[0], run.count, x);
  }
  return true;
}

bool interpret_unary(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 1)) return false;
  const Type *type = operand_type(evaluation, 0);
  if (element_is_float(type->element)) return unary_floats(evaluation, &walk);
  OpCode op = evaluation->node->op;
  IntegerLimits limits = {0, 0};
  if (op == OP_RELU || op == OP_CLIP) limits = integer_limits(evaluation->node, type);
  int64_t x[RUN_LENGTH];
  for (Run run; walk_next(&walk, &run);) {
    load_ints(&evaluation->operands[0], run.start[1], run.step[1], run.count, x);
    for (int64_t i = 0; i < run.count; i++) x[i] = unary_integer(op, x[i], type->element, limits);
    store_ints(&evaluation->results[0], run.start[0], run.step[0], run.count, x);
  }
  return true;
}

static bool is_nan(double x) { return isnan(x); }

bool interpret_predicate(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 1)) return false;
  bool nan = evaluation->node->op == OP_IS_NAN;
  bool negative = nan || node_int(evaluation->node, ATTR_DETECT_NEGATIVE);
  bool positive = nan || node_int(evaluation->node, ATTR_DETECT_POSITIVE);
  double x[RUN_LENGTH];
  uint8_t *result = evaluation->results[0].data;
  for (Run run; walk_next(&walk, &run);) {
    load_doubles(&evaluation->operands[0], run.start[1], run.step[1], run.count, x);
    for (int64_t i = 0; i < run.count; i++)
      result[run.start[0] + i] =
          nan ? is_nan(x[i]) : isinf(x[i]) && (x[i] < 0 ? negative : positive);
  }
  return true;
}
