// Pointwise ops of two operands, and comparisons.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/quant.h"

// What depends on the node, not on the elements.
typedef struct BinaryParameters {
  OpCode op;
  ElementType element;
  bool floor_modulo, shift_right;
} BinaryParameters;

static BinaryParameters binary_parameters(const Evaluation *evaluation) {
  const Node *node = evaluation->node;
  BinaryParameters p = {.op = node->op, .element = operand_type(evaluation, 0)->element};
  if (node->op == OP_MOD) p.floor_modulo = !strcmp(node_string(node, ATTR_MODULO), "floor");
  if (node->op == OP_BIT_SHIFT) p.shift_right = !strcmp(node_string(node, ATTR_DIRECTION), "right");
  return p;
}

static double float_modulo(double a, double b, bool floor_modulo) {
  double rest = fmod(a, b);
  return floor_modulo && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double binary_float(const BinaryParameters *p, double a, double b) {
  switch ((int)p->op) {
  case OP_ADD: return a + b;
  case OP_SUB: return a - b;
  case OP_MUL: return a * b;
  case OP_DIV: return a / b;
  case OP_MOD: return float_modulo(a, b, p->floor_modulo);
  case OP_MIN: return isnan(a) ? a : isnan(b) || b < a ? b : a;
  default: return isnan(a) ? a : isnan(b) || b > a ? b : a;
  }
}

static int64_t divide(int64_t a, int64_t b, bool wide_unsigned) {
  if (b == 0) return 0;
  if (wide_unsigned) return (int64_t)((uint64_t)a / (uint64_t)b);
  return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t modulo(int64_t a, int64_t b, bool wide_unsigned, bool floor_modulo) {
  if (b == 0 || b == -1) return wide_unsigned && b ? (int64_t)((uint64_t)a % (uint64_t)b) : 0;
  if (wide_unsigned) return (int64_t)((uint64_t)a % (uint64_t)b);
  int64_t rest = a % b;
  return floor_modulo && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static bool is_less(int64_t a, int64_t b, bool wide_unsigned) {
  return wide_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
}

// Negative shifts count as larger than the width. To the right, the sign of signed integers moves
// in.
static int64_t shift(const BinaryParameters *p, int64_t a, uint64_t b) {
  bool wide_shift = b >= (uint64_t)element_info[p->element].bits;
  if (!p->shift_right) return wide_shift ? 0 : (int64_t)((uint64_t)a << b);
  if (!element_is_signed(p->element)) return wide_shift ? 0 : (int64_t)((uint64_t)a >> b);
  return a >> (wide_shift ? 63 : b);
}

static int64_t binary_integer(const BinaryParameters *p, int64_t a, int64_t b) {
  bool wide = p->element == U64;
  uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
  switch ((int)p->op) {
  case OP_ADD: return (int64_t)(ua + ub);
  case OP_SUB: return (int64_t)(ua - ub);
  case OP_MUL: return (int64_t)(ua * ub);
  case OP_DIV: return divide(a, b, wide);
  case OP_MOD: return modulo(a, b, wide, p->floor_modulo);
  case OP_MIN: return is_less(b, a, wide) ? b : a;
  case OP_MAX: return is_less(a, b, wide) ? b : a;
  case OP_AND:
  case OP_BIT_AND: return a & b;
  case OP_OR:
  case OP_BIT_OR: return a | b;
  case OP_XOR:
  case OP_BIT_XOR: return a ^ b;
  default: return shift(p, a, ub);
  }
}

// --- quantized add, sub, mul (docs/ir.md)

typedef struct QuantizedBinary {
  OpCode op;
  AddRequantization sum;
  Requantization product;
  int32_t zero_a, zero_b, zero, low, high;
} QuantizedBinary;

static QuantizedBinary quantized_binary(const Evaluation *evaluation) {
  const Quant *a = operand_type(evaluation, 0)->quant, *b = operand_type(evaluation, 1)->quant;
  const Type *result = &evaluation->node->results[0]->type;
  QuantizedBinary q = {.op = evaluation->node->op,
                       .zero_a = a->zero[0],
                       .zero_b = b->zero[0],
                       .zero = result->quant->zero[0]};
  quant_range(result->element, &q.low, &q.high);
  if (q.op == OP_MUL)
    q.product = requantization_of_product(a->scale[0], b->scale[0], result->quant->scale[0]);
  else
    q.sum = add_requantization_of((double)a->scale[0], (double)b->scale[0],
                                  (double)result->quant->scale[0]);
  return q;
}

static int64_t quantized_element(const QuantizedBinary *q, int64_t a, int64_t b) {
  int64_t left = a - q->zero_a, right = b - q->zero_b;
  if (q->op == OP_MUL)
    return requantize((int32_t)(uint32_t)(left * right), q->product, q->zero, q->low, q->high);
  int64_t scaled_b = right * q->sum.multiplier_b;
  int64_t sum = left * q->sum.multiplier_a + (q->op == OP_SUB ? -scaled_b : scaled_b);
  int64_t code = q->zero + ((sum + (INT64_C(1) << (q->sum.shift - 1))) >> q->sum.shift);
  return code < q->low ? q->low : code > q->high ? q->high : code;
}

static void binary_integers(Evaluation *evaluation, Walk *walk) {
  BinaryParameters parameters = binary_parameters(evaluation);
  bool quantized =
      operand_type(evaluation, 0)->quant && parameters.op != OP_MIN && parameters.op != OP_MAX;
  QuantizedBinary q = {0};
  if (quantized) q = quantized_binary(evaluation);
  int64_t a[RUN_LENGTH], b[RUN_LENGTH];
  for (Run run; walk_next(walk, &run);) {
    load_ints(&evaluation->operands[0], run.start[1], run.step[1], run.count, a);
    load_ints(&evaluation->operands[1], run.start[2], run.step[2], run.count, b);
    for (int64_t i = 0; i < run.count; i++)
      a[i] =
          quantized ? quantized_element(&q, a[i], b[i]) : binary_integer(&parameters, a[i], b[i]);
    store_ints(&evaluation->results[0], run.start[0], run.step[0], run.count, a);
  }
}

bool interpret_binary(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 2)) return false;
  BinaryParameters parameters = binary_parameters(evaluation);
  if (!element_is_float(parameters.element)) {
    binary_integers(evaluation, &walk);
    return true;
  }
  double a[RUN_LENGTH], b[RUN_LENGTH];
  for (Run run; walk_next(&walk, &run);) {
    load_doubles(&evaluation->operands[0], run.start[1], run.step[1], run.count, a);
    load_doubles(&evaluation->operands[1], run.start[2], run.step[2], run.count, b);
    for (int64_t i = 0; i < run.count; i++) a[i] = binary_float(&parameters, a[i], b[i]);
    store_doubles(&evaluation->results[0], run.start[0], run.step[0], run.count, a);
  }
  return true;
}

// --- pow

// Integer to an integer power, modulo 2^64; a negative exponent gives the fraction cut off.
static int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t power = 1, square = (uint64_t)base;
  for (uint64_t e = (uint64_t)exponent; e; e >>= 1, square *= square)
    if (e & 1) power *= square;
  return (int64_t)power;
}

bool interpret_pow(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 2)) return false;
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->operands[1];
  bool integers = element_is_integer(x->element) && element_is_integer(y->element);
  int64_t a[RUN_LENGTH], b[RUN_LENGTH];
  double fa[RUN_LENGTH], fb[RUN_LENGTH];
  for (Run run; walk_next(&walk, &run);) {
    if (integers) {
      load_ints(x, run.start[1], run.step[1], run.count, a);
      load_ints(y, run.start[2], run.step[2], run.count, b);
      for (int64_t i = 0; i < run.count; i++) a[i] = integer_power(a[i], b[i]);
      store_ints(&evaluation->results[0], run.start[0], run.step[0], run.count, a);
    } else {
      load_doubles(x, run.start[1], run.step[1], run.count, fa);
      load_doubles(y, run.start[2], run.step[2], run.count, fb);
      for (int64_t i = 0; i < run.count; i++) fa[i] = pow(fa[i], fb[i]);
      store_doubles(&evaluation->results[0], run.start[0], run.step[0], run.count, fa);
    }
  }
  return true;
}

// --- comparisons

static bool compare_floats(OpCode op, double a, double b) {
  return op == OP_EQUAL ? a == b : op == OP_LESS ? a < b : a <= b;
}

static bool compare_integers(OpCode op, int64_t a, int64_t b, bool wide_unsigned) {
  if (op == OP_EQUAL) return a == b;
  return op == OP_LESS ? is_less(a, b, wide_unsigned) : !is_less(b, a, wide_unsigned);
}

static void compare_run(Evaluation *evaluation, const Run *run, uint8_t *result) {
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->operands[1];
  OpCode op = evaluation->node->op;
  if (x->element == STR) {
    for (int64_t i = 0; i < run->count; i++) {
      const TensorString *a = (const TensorString *)x->data + run->start[1] + i * run->step[1];
      const TensorString *b = (const TensorString *)y->data + run->start[2] + i * run->step[2];
      result[i] =
          a->length == b->length && (a->length == 0 || !memcmp(a->data, b->data, a->length));
    }
  } else if (element_is_float(x->element)) {
    double a[RUN_LENGTH], b[RUN_LENGTH];
    load_doubles(x, run->start[1], run->step[1], run->count, a);
    load_doubles(y, run->start[2], run->step[2], run->count, b);
    for (int64_t i = 0; i < run->count; i++) result[i] = compare_floats(op, a[i], b[i]);
  } else {
    int64_t a[RUN_LENGTH], b[RUN_LENGTH];
    load_ints(x, run->start[1], run->step[1], run->count, a);
    load_ints(y, run->start[2], run->step[2], run->count, b);
    for (int64_t i = 0; i < run->count; i++)
      result[i] = compare_integers(op, a[i], b[i], x->element == U64);
  }
}

bool interpret_compare(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 2)) return false;
  uint8_t *result = evaluation->results[0].data;
  for (Run run; walk_next(&walk, &run);) compare_run(evaluation, &run, result + run.start[0]);
  return true;
}
