// Bodies of pointwise ops on values in registers (scalars or vectors, arithmetic form).
//
// NaN, infinities and -0 follow the interpreter; comparisons are written so that one instruction
// (maxps, fmax) results where the target's one does what the formula says.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "codegen/kernel.h"
#include "codegen/pointwise_quantized.h"
#include "ir/builder.h"
#include "ir/quant.h"
#include "ir/tensor.h"

typedef struct Body {
  Kernel *kernel;
  Nest *nest;
  const Node *node;
  ElementType element; // of the first operand
  LLVMTypeRef type;    // of the first operand's value
} Body;

static Val real(const Body *b, double value) { return nest_real(b->type, value); }

static Val maths(const Body *b, const char *name, Val x) {
  char text[64];
  bool wide = b->element == F64;
  snprintf(text, sizeof text, "tenon_%s_%s", name, wide ? "f64" : "f32");
  return nest_library(b->nest, text, &x, 1);
}

static bool has_instruction(const Body *b, unsigned flag) {
  return target_has(b->nest->target, flag) &&
         (b->element != F64 || target_has(b->nest->target, TARGET_DOUBLE));
}

static Val intrinsic(const Body *b, const char *name, Val x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return nest_intrinsic(b->nest, name, &type, 1, &x, 1);
}

static Val square_root(const Body *b, Val x) {
  return has_instruction(b, TARGET_FPU) ? intrinsic(b, "llvm.sqrt", x) : maths(b, "sqrt", x);
}

static Val rounding(const Body *b, const char *instruction, const char *name, Val x) {
  return has_instruction(b, TARGET_ROUND) ? intrinsic(b, instruction, x) : maths(b, name, x);
}

static Val clamp(const Body *b, Val x, double low, double high) { // NaN stays
  Val y = low == -INFINITY ? x : nest_max(b->nest, real(b, low), x);
  return high == INFINITY ? y : nest_min(b->nest, real(b, high), y);
}

static Val is_negative(const Body *b, Val x) {
  return nest_compare_float(b->nest, LLVMRealOLT, x, real(b, 0));
}

static Val scaled_exp_minus_one(const Body *b, Val x, double alpha,
                                double scale) { // scale * (e^(x/alpha) - 1)
  Val by = alpha == 1 ? x : nest_div(b->nest, x, real(b, alpha));
  return nest_mul(b->nest, real(b, scale), maths(b, "expm1", by));
}

static Val hard_sigmoid(const Body *b, Val x, double alpha, double beta) {
  return clamp(b, nest_fma(b->nest, x, real(b, alpha), real(b, beta)), 0, 1);
}

static Val gelu(const Body *b, Val x) {
  Nest *n = b->nest;
  Val half = nest_mul(n, x, real(b, 0.5));
  if (!strcmp(node_string(b->node, ATTR_APPROXIMATE), "tanh")) {
    Val cubic = nest_mul(n, nest_mul(n, x, x), x);
    Val inner =
        nest_mul(n, real(b, 0.79788456080286535588), nest_fma(n, cubic, real(b, 0.044715), x));
    return nest_fma(n, half, maths(b, "tanh", inner), half);
  }
  return nest_fma(n, half, maths(b, "erf", nest_mul(n, x, real(b, 0.70710678118654752440))), half);
}

static Val shrink(const Body *b, Val x) {
  Nest *n = b->nest;
  double lambda = node_float(b->node, ATTR_ALPHA), bias = node_float(b->node, ATTR_BIAS);
  Val low = nest_compare_float(n, LLVMRealOLT, x, real(b, -lambda));
  Val high = nest_compare_float(n, LLVMRealOGT, x, real(b, lambda));
  Val inner = nest_select(n, high, nest_sub(n, x, real(b, bias)), real(b, 0));
  return nest_select(n, low, nest_add(n, x, real(b, bias)), inner);
}

static Val float_sign(const Body *b, Val x) {
  Nest *n = b->nest;
  Val zero = real(b, 0), one = real(b, 1);
  Val high = nest_select(n, nest_compare_float(n, LLVMRealOGT, x, zero), one, nest_add(n, x, zero));
  return nest_select(n, is_negative(b, x), real(b, -1), high);
}

// log1p(e^x) without overflow: max(x, 0) + log1p(e^-|x|).
static Val softplus(const Body *b, Val x) {
  Nest *n = b->nest;
  Val minus = nest_neg(n, intrinsic(b, "llvm.fabs", x));
  return nest_add(n, nest_max(n, real(b, 0), x), maths(b, "log1p", maths(b, "exp", minus)));
}

static Val float_unary(const Body *b, Val x) {
  Nest *n = b->nest;
  const Node *node = b->node;
  switch ((int)node->op) {
  case OP_NEG: return nest_neg(n, x);
  case OP_ABS: return intrinsic(b, "llvm.fabs", x);
  case OP_SIGN: return float_sign(b, x);
  case OP_SQRT: return square_root(b, x);
  case OP_RECIPROCAL: return nest_div(n, real(b, 1), x);
  case OP_FLOOR: return rounding(b, "llvm.floor", "floor", x);
  case OP_CEIL: return rounding(b, "llvm.ceil", "ceil", x);
  case OP_ROUND: return rounding(b, "llvm.roundeven", "round", x);
  case OP_RELU: return clamp(b, x, 0, INFINITY);
  case OP_CLIP: return clamp(b, x, node_float(node, ATTR_LOW), node_float(node, ATTR_HIGH));
  case OP_SOFTPLUS: return softplus(b, x);
  case OP_SOFTSIGN: return nest_div(n, x, nest_add(n, real(b, 1), intrinsic(b, "llvm.fabs", x)));
  case OP_MISH: return nest_mul(n, x, maths(b, "tanh", softplus(b, x)));
  case OP_GELU: return gelu(b, x);
  case OP_SWISH: {
    double alpha = node_float(node, ATTR_ALPHA);
    return nest_mul(n, x, maths(b, "sigmoid", alpha == 1 ? x : nest_mul(n, x, real(b, alpha))));
  }
  case OP_HARD_SWISH: return nest_mul(n, x, hard_sigmoid(b, x, 1.0 / 6, 0.5));
  case OP_HARD_SIGMOID:
    return hard_sigmoid(b, x, node_float(node, ATTR_ALPHA), node_float(node, ATTR_BETA));
  case OP_ELU:
    return nest_select(n, is_negative(b, x),
                       scaled_exp_minus_one(b, x, 1, node_float(node, ATTR_ALPHA)), x);
  case OP_SELU: {
    double gamma = node_float(node, ATTR_GAMMA), alpha = node_float(node, ATTR_ALPHA);
    Val low = scaled_exp_minus_one(b, x, 1, gamma * alpha);
    return nest_select(n, is_negative(b, x), low, nest_mul(n, real(b, gamma), x));
  }
  case OP_CELU: {
    double alpha = node_float(node, ATTR_ALPHA);
    return nest_select(n, is_negative(b, x), scaled_exp_minus_one(b, x, alpha, alpha), x);
  }
  case OP_LEAKY_RELU:
    return nest_select(n, is_negative(b, x), nest_mul(n, x, real(b, node_float(node, ATTR_ALPHA))),
                       x);
  case OP_THRESHOLDED_RELU: {
    Val above = nest_compare_float(n, LLVMRealOGT, x, real(b, node_float(node, ATTR_ALPHA)));
    return nest_select(n, above, x, real(b, 0));
  }
  case OP_SHRINK: return shrink(b, x);
  default:
    return maths(b, op_info[node->op].text,
                 x); // exp, log, sin, ...: the library's names are the ops'
  }
}

static Val int_min(const Body *b, Val x, Val y, bool is_signed) {
  Val less = nest_compare(b->nest, is_signed ? LLVMIntSLT : LLVMIntULT, x, y);
  return nest_select(b->nest, less, x, y);
}
static Val int_max(const Body *b, Val x, Val y, bool is_signed) {
  Val more = nest_compare(b->nest, is_signed ? LLVMIntSGT : LLVMIntUGT, x, y);
  return nest_select(b->nest, more, x, y);
}

// The bounds as codes: of the type's range, and in quantized types scaled.
static Val integer_bound(const Body *b, double bound) {
  const Quant *quant = b->node->operands[0]->type.quant;
  double code =
      quant ? nearbyint(bound / (double)quant_scale(quant, 0)) + quant_zero(quant, 0) : bound;
  int bits = element_info[b->element].bits;
  bool is_signed = element_is_signed(b->element);
  double low = is_signed ? -ldexp(1, bits - 1) : 0,
         high = is_signed ? ldexp(1, bits - 1) : ldexp(1, bits);
  if (code <= low) return nest_int(b->type, is_signed ? (int64_t)(UINT64_MAX << (bits - 1)) : 0);
  if (code >= high)
    return nest_int(b->type, is_signed ? (int64_t)((UINT64_C(1) << (bits - 1)) - 1) : -1);
  return nest_int(b->type, is_signed || code < 0x1p63 ? (int64_t)code : (int64_t)(uint64_t)code);
}

static Val integer_unary(const Body *b, Val x) {
  Nest *n = b->nest;
  bool is_signed = element_is_signed(b->element);
  Val zero = nest_zero(b->type);
  switch ((int)b->node->op) {
  case OP_NEG: return nest_neg(n, x);
  case OP_ABS:
    return is_signed ? nest_select(n, nest_compare(n, LLVMIntSLT, x, zero), nest_neg(n, x), x) : x;
  case OP_SIGN: {
    Val positive = nest_select(n, nest_compare(n, is_signed ? LLVMIntSGT : LLVMIntUGT, x, zero),
                               nest_int(b->type, 1), zero);
    return is_signed ? nest_select(n, nest_compare(n, LLVMIntSLT, x, zero), nest_int(b->type, -1),
                                   positive)
                     : positive;
  }
  case OP_RELU: return int_max(b, x, integer_bound(b, 0), is_signed);
  case OP_CLIP: {
    Val low = integer_bound(b, node_float(b->node, ATTR_LOW)),
        high = integer_bound(b, node_float(b->node, ATTR_HIGH));
    return int_min(b, int_max(b, x, low, is_signed), high, is_signed);
  }
  case OP_NOT: return nest_xor(n, x, nest_int(b->type, 1));
  case OP_BIT_NOT: return nest_xor(n, x, nest_int(b->type, -1));
  case OP_FLOOR:
  case OP_CEIL:
  case OP_ROUND: return x;
  default: assert(false && "no such integer op"); return x;
  }
}

static Val nan_aware(const Body *b, Val x, Val chosen) { // NaN of x wins; `chosen` gives NaN of y
  return nest_select(b->nest, nest_compare_float(b->nest, LLVMRealUNO, x, x), x, chosen);
}

static Val float_modulo(const Body *b, Val x, Val y) {
  char name[64];
  bool floor = !strcmp(node_string(b->node, ATTR_MODULO), "floor");
  snprintf(name, sizeof name, "tenon_%s_%s", floor ? "mod" : "fmod",
           b->element == F64 ? "f64" : "f32");
  return nest_library(b->nest, name, (Val[]){x, y}, 2);
}

static Val float_binary(const Body *b, Val x, Val y) {
  Nest *n = b->nest;
  switch ((int)b->node->op) {
  case OP_ADD: return nest_add(n, x, y);
  case OP_SUB: return nest_sub(n, x, y);
  case OP_MUL: return nest_mul(n, x, y);
  case OP_DIV: return nest_div(n, x, y);
  case OP_MIN: return nan_aware(b, x, nest_min(n, x, y));
  case OP_MAX: return nan_aware(b, x, nest_max(n, x, y));
  case OP_MOD: return float_modulo(b, x, y);
  default: assert(false && "no such float op"); return x;
  }
}

// Divisors 0 and, for signed types, -1 with the smallest dividend are undefined in LLVM: both are
// replaced before the division. x / -1 is -x with wrap-around.
static Val integer_divide(const Body *b, Val x, Val y, bool remainder) {
  Nest *n = b->nest;
  bool is_signed = element_is_signed(b->element);
  Val zero = nest_zero(b->type), one = nest_int(b->type, 1);
  Val by_zero = nest_compare(n, LLVMIntEQ, y, zero), unsafe = by_zero;
  if (is_signed) unsafe = nest_or(n, unsafe, nest_compare(n, LLVMIntEQ, y, nest_int(b->type, -1)));
  Val divisor = nest_select(n, unsafe, one, y);
  if (remainder) {
    Val rest = is_signed ? LLVMBuildSRem(n->builder, x, divisor, "")
                         : LLVMBuildURem(n->builder, x, divisor, "");
    return nest_select(n, unsafe, zero, rest);
  }
  Val quotient = is_signed ? LLVMBuildSDiv(n->builder, x, divisor, "")
                           : LLVMBuildUDiv(n->builder, x, divisor, "");
  if (is_signed) quotient = nest_select(n, unsafe, nest_neg(n, x), quotient);
  return nest_select(n, by_zero, zero, quotient);
}

static Val integer_modulo(const Body *b, Val x, Val y) {
  Nest *n = b->nest;
  Val rest = integer_divide(b, x, y, true);
  if (!element_is_signed(b->element) || strcmp(node_string(b->node, ATTR_MODULO), "floor") != 0)
    return rest;
  Val zero = nest_zero(b->type);
  Val differs = nest_compare(n, LLVMIntSLT, nest_xor(n, rest, y), zero);
  Val wrong = nest_and(n, differs, nest_compare(n, LLVMIntNE, rest, zero));
  return nest_select(n, wrong, nest_add(n, rest, y), rest);
}

// By the width or more (or, signed, by less than 0): nothing is left but the sign of a signed
// number.
static Val bit_shift(const Body *b, Val x, Val y) {
  Nest *n = b->nest;
  int bits = element_info[b->element].bits;
  Val inside = nest_compare(n, LLVMIntULT, y, nest_int(b->type, bits));
  bool left = !strcmp(node_string(b->node, ATTR_DIRECTION), "left");
  if (!left && element_is_signed(b->element))
    return nest_ashr(n, x, nest_select(n, inside, y, nest_int(b->type, bits - 1)));
  Val safe = nest_select(n, inside, y, nest_zero(b->type));
  return nest_select(n, inside, left ? nest_shl(n, x, safe) : nest_lshr(n, x, safe),
                     nest_zero(b->type));
}

static Val integer_binary(const Body *b, Val x, Val y) {
  Nest *n = b->nest;
  bool is_signed = element_is_signed(b->element);
  switch ((int)b->node->op) {
  case OP_ADD: return nest_add(n, x, y);
  case OP_SUB: return nest_sub(n, x, y);
  case OP_MUL: return nest_mul(n, x, y);
  case OP_DIV: return integer_divide(b, x, y, false);
  case OP_MOD: return integer_modulo(b, x, y);
  case OP_MIN: return int_min(b, x, y, is_signed);
  case OP_MAX: return int_max(b, x, y, is_signed);
  case OP_AND:
  case OP_BIT_AND: return nest_and(n, x, y);
  case OP_OR:
  case OP_BIT_OR: return nest_or(n, x, y);
  case OP_XOR:
  case OP_BIT_XOR: return nest_xor(n, x, y);
  case OP_BIT_SHIFT: return bit_shift(b, x, y);
  default: assert(false && "no such integer op"); return x;
  }
}

static Val as_bool(const Body *b, Val bits) {
  return nest_extend(b->nest, bits, b->nest->i8, false);
}

static Val compare(const Body *b, Val x, Val y) {
  bool is_signed = element_is_signed(b->element);
  OpCode op = b->node->op;
  if (b->element == STR)
    return nest_extend(b->nest, nest_library(b->nest, "tenon_text_equal", (Val[]){x, y}, 2),
                       b->nest->i8, false);
  if (element_is_float(b->element)) {
    LLVMRealPredicate p = op == OP_EQUAL ? LLVMRealOEQ : op == OP_LESS ? LLVMRealOLT : LLVMRealOLE;
    return as_bool(b, nest_compare_float(b->nest, p, x, y));
  }
  LLVMIntPredicate p = op == OP_EQUAL  ? LLVMIntEQ
                       : op == OP_LESS ? (is_signed ? LLVMIntSLT : LLVMIntULT)
                                       : (is_signed ? LLVMIntSLE : LLVMIntULE);
  return as_bool(b, nest_compare(b->nest, p, x, y));
}

static Val predicate(const Body *b, Val x) {
  Nest *n = b->nest;
  if (b->node->op == OP_IS_NAN) return as_bool(b, nest_compare_float(n, LLVMRealUNO, x, x));
  Val high = nest_compare_float(n, LLVMRealOEQ, x, real(b, INFINITY)),
      low = nest_compare_float(n, LLVMRealOEQ, x, real(b, -INFINITY));
  if (!node_int(b->node, ATTR_DETECT_POSITIVE)) high = LLVMConstNull(LLVMTypeOf(high));
  if (!node_int(b->node, ATTR_DETECT_NEGATIVE)) low = LLVMConstNull(LLVMTypeOf(low));
  return as_bool(b, nest_or(n, high, low));
}

// From one arithmetic form to another, then to what the stored type can hold.
static Val convert(Kernel *kernel, Val x, ElementType from, ElementType to) {
  Nest *n = kernel->nest;
  LLVMTypeRef type = kernel_arithmetic_type(n, to);
  bool from_signed = element_is_signed(from), to_signed = element_is_signed(to);
  if (to == BOOL) {
    Val zero = nest_zero(LLVMTypeOf(x));
    Val set = element_is_float(from) ? nest_compare_float(n, LLVMRealUNE, x, zero)
                                     : nest_compare(n, LLVMIntNE, x, zero);
    return nest_extend(n, set, n->i8, false);
  }
  if (element_is_float(to)) {
    x = element_is_float(from) ? nest_float_width(n, x, type)
                               : nest_to_float(n, x, type, from_signed);
    return kernel_round_to(kernel, to, x);
  }
  int bits = element_info[to].bits;
  if (!element_is_float(from)) {
    x = nest_extend(n, x, type, from_signed);
    if (bits >= 8) return x;
    Val by = nest_int(LLVMTypeOf(x), 8 - bits);
    return to_signed ? nest_ashr(n, nest_shl(n, x, by), by) : nest_lshr(n, nest_shl(n, x, by), by);
  }
  if (bits >= 8) return nest_to_int(n, x, type, to_signed);
  Val low_bits = nest_extend(n, nest_to_int(n, x, n->i32, true), type, true),
      by = nest_int(LLVMTypeOf(low_bits), 8 - bits);
  return to_signed ? nest_ashr(n, nest_shl(n, low_bits, by), by)
                   : nest_lshr(n, nest_shl(n, low_bits, by), by);
}

static Val power(const Body *b, Val x, Val y) {
  Nest *n = b->nest;
  ElementType exponent = b->node->operands[1]->type.element;
  if (element_is_float(b->element)) {
    y = convert(b->kernel, y, exponent, b->element == F64 ? F64 : F32);
    return nest_library(n, b->element == F64 ? "tenon_pow_f64" : "tenon_pow_f32", (Val[]){x, y}, 2);
  }
  // Integers by way of f64, as the interpreter does it.
  Val wide = convert(b->kernel, x, b->element, F64), by = convert(b->kernel, y, exponent, F64);
  return convert(b->kernel, nest_library(n, "tenon_pow_f64", (Val[]){wide, by}, 2), F64,
                 b->element);
}

static Val select_where(const Body *b, Val condition, Val x, Val y) {
  Val set = nest_compare(b->nest, LLVMIntNE, condition, nest_zero(LLVMTypeOf(condition)));
  return nest_select(b->nest, set, x, y);
}

Val pointwise_emit(Kernel *kernel, const Node *node, Val *operands) {
  Body b = {kernel, kernel->nest, node, node->operands[0]->type.element, LLVMTypeOf(operands[0])};
  bool is_float = element_is_float(b.element);
  const char *stem = op_info[node->op].stem;
  if (!strcmp(stem, "unary"))
    return is_float ? float_unary(&b, operands[0]) : integer_unary(&b, operands[0]);
  if (!strcmp(stem, "binary") && node->operands[0]->type.quant && node->op != OP_MIN &&
      node->op != OP_MAX)
    return quantized_binary(kernel, node, operands[0], operands[1]);
  if (!strcmp(stem, "binary"))
    return is_float ? float_binary(&b, operands[0], operands[1])
                    : integer_binary(&b, operands[0], operands[1]);
  if (!strcmp(stem, "compare")) return compare(&b, operands[0], operands[1]);
  if (!strcmp(stem, "predicate")) return predicate(&b, operands[0]);
  if (!strcmp(stem, "where")) return select_where(&b, operands[0], operands[1], operands[2]);
  if (!strcmp(stem, "pow")) return power(&b, operands[0], operands[1]);
  if (!strcmp(stem, "cast"))
    return convert(kernel, operands[0], b.element, node->results[0]->type.element);
  if (node->op == OP_QUANTIZE || node->op == OP_DEQUANTIZE || node->op == OP_REQUANTIZE)
    return quantized_convert_tensor(kernel, node, operands[0]);
  assert(false && "not a pointwise op");
  return operands[0];
}

// --- regions

static Val constant_value(Kernel *kernel, const Value *value) {
  Tensor tensor;
  bool known = value_tensor(value, &tensor);
  assert(known && "constants of a region are known");
  (void)known;
  LLVMTypeRef type = kernel_arithmetic_type(kernel->nest, tensor.element);
  if (element_is_float(tensor.element))
    return nest_real(type, element_load(tensor.element, tensor.data, 0));
  return nest_int(type, element_load_int(tensor.element, tensor.data, 0));
}

enum { MAX_REGION_VALUES = 256 };
typedef struct RegionValues {
  const Value *keys[MAX_REGION_VALUES];
  Val values[MAX_REGION_VALUES];
  int count;
} RegionValues;

static void remember(RegionValues *known, const Value *key, Val value) {
  assert(known->count < MAX_REGION_VALUES && "fused region too large");
  known->keys[known->count] = key;
  known->values[known->count++] = value;
}

static Val recall(const RegionValues *known, const Value *key) {
  for (int i = known->count - 1; i >= 0; i--)
    if (known->keys[i] == key) return known->values[i];
  assert(false && "a region captures nothing");
  return NULL;
}

void pointwise_region(Kernel *kernel, const Graph *region, Val *inputs, Val *outputs) {
  RegionValues known = {.count = 0};
  for (int i = 0; i < region->input_count; i++) remember(&known, region->inputs[i], inputs[i]);
  for (const Node *node = region->first; node; node = node->next) {
    if (node->op == OP_CONST) {
      remember(&known, node->results[0], constant_value(kernel, node->results[0]));
      continue;
    }
    Val operands[3] = {0};
    int lanes = 1;
    for (int i = 0; i < node->operand_count; i++) {
      operands[i] = recall(&known, node->operands[i]);
      if (nest_lanes(operands[i]) > lanes) lanes = nest_lanes(operands[i]);
    }
    for (int i = 0; i < node->operand_count; i++)
      if (nest_lanes(operands[i]) != lanes)
        operands[i] = nest_splat(kernel->nest, operands[i], lanes);
    remember(&known, node->results[0], pointwise_emit(kernel, node, operands));
  }
  for (int i = 0; i < region->output_count; i++) outputs[i] = recall(&known, region->outputs[i]);
}
