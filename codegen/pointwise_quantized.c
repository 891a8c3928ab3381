// Quantized pointwise bodies: integer arithmetic in 32 bits wherever 8-bit operands allow it.
#include "codegen/pointwise_quantized.h"

#include <assert.h>
#include <math.h>

#include "codegen/kernels/requantize.h"

static LLVMTypeRef like(Val value, LLVMTypeRef element) {
  return nest_vector(element, nest_lanes(value));
}

// --- quantize

// The number whose low mantissa bits are an integer after addition: 1.5 * 2^23.
static const double ROUNDER = 12582912.0;
static const int64_t ROUNDER_BITS = 0x4b400000;

// To 16 bits or fewer: the bounds go to x, rounding is one addition. NaN becomes the lowest code.
static Val round_to_code(Nest *nest, Val x, Val zero, int32_t low, int32_t high) {
  LLVMTypeRef real = LLVMTypeOf(x), integer = like(x, nest->i32);
  Val from = nest_to_float(nest, nest_sub(nest, nest_int(integer, low), zero), nest->f32, true);
  Val to = nest_to_float(nest, nest_sub(nest, nest_int(integer, high), zero), nest->f32, true);
  x = nest_min(nest, nest_max(nest, x, from), to);
  Val bits = nest_bits(nest, nest_add(nest, x, nest_real(real, ROUNDER)), integer);
  return nest_add(nest, nest_sub(nest, bits, nest_int(integer, ROUNDER_BITS)), zero);
}

// To 32 bits: rounded in f32, the zero point added in 64 bits.
static Val round_to_wide(Nest *nest, Val x, Val zero, int32_t low, int32_t high) {
  Val rounded = nest_library(nest, "tenon_round_f32", &x, 1);
  LLVMTypeRef wide = like(x, nest->i64);
  Val code = nest_to_int(nest, rounded, nest->i64, true);
  Val limit = nest_int(wide, INT64_C(1) << 40); // further out is out of range anyway
  code = nest_max(nest, nest_min(nest, code, limit), nest_neg(nest, limit));
  code = nest_add(nest, code, nest_extend(nest, zero, nest->i64, true));
  code = nest_max(nest, nest_min(nest, code, nest_int(wide, high)), nest_int(wide, low));
  return nest_extend(nest, code, nest->i32, true);
}

static Val clamp_float(Nest *nest, Val x, double limit) { // NaN stays
  LLVMTypeRef type = LLVMTypeOf(x);
  return nest_min(nest, nest_real(type, limit), nest_max(nest, nest_real(type, -limit), x));
}

static Val to_small_float(Kernel *kernel, ElementType to, Val x) {
  double limit = to == F8E5M2 || to == F8E5M2FNUZ ? 57344
                 : to == F8E4M3FNUZ               ? 240
                 : to == F8E4M3FN                 ? 448
                 : to == F4E2M1                   ? 6
                                                  : INFINITY;
  return kernel_round_to(kernel, to, isinf(limit) ? x : clamp_float(kernel->nest, x, limit));
}

static Val quantize(Kernel *kernel, const Node *node, Val x, const QuantLanes *by) {
  Nest *nest = kernel->nest;
  ElementType from = node->operands[0]->type.element, to = node->results[0]->type.element;
  x = element_is_float(from) ? nest_float_width(nest, x, nest->f32)
                             : nest_to_float(nest, x, nest->f32, element_is_signed(from));
  x = nest_div(nest, x, by->scale);
  if (element_is_float(to)) return to_small_float(kernel, to, x);
  int32_t low, high;
  quant_range(to, &low, &high);
  Val code = element_info[to].bits <= 16 ? round_to_code(nest, x, by->zero, low, high)
                                         : round_to_wide(nest, x, by->zero, low, high);
  return nest_extend(nest, code, kernel_arithmetic_type(nest, to), true);
}

// --- dequantize

static Val centred(Nest *nest, Val x, ElementType element, Val zero) {
  return nest_sub(nest, nest_extend(nest, x, nest->i32, element_is_signed(element)), zero);
}

static Val dequantize(Kernel *kernel, const Node *node, Val x, const QuantLanes *by) {
  Nest *nest = kernel->nest;
  ElementType from = node->operands[0]->type.element, to = node->results[0]->type.element;
  Val code = x;
  if (element_info[from].bits < 32 && !element_is_float(from))
    code = nest_to_float(nest, centred(nest, x, from, by->zero), nest->f32, true);
  else if (!element_is_float(from)) {
    Val wide = nest_sub(nest, nest_extend(nest, x, nest->i64, element_is_signed(from)),
                        nest_extend(nest, by->zero, nest->i64, true));
    code = nest_to_float(nest, wide, nest->f32, true);
  }
  if (to == F64)
    return nest_mul(nest, nest_float_width(nest, code, nest->f64),
                    nest_float_width(nest, by->scale, nest->f64));
  return kernel_round_to(kernel, to, nest_mul(nest, code, by->scale));
}

// --- requantize

// For results wider than 16 bits, whose range passes what requantize_emit keeps.
static Val requantize_wide(Nest *nest, Val sum, const QuantLanes *by, int32_t zero, int32_t low,
                           int32_t high) {
  LLVMTypeRef wide = like(sum, nest->i64);
  Val shift = nest_extend(nest, by->shift, nest->i64, false);
  Val half = nest_shl(nest, nest_int(wide, 1), nest_sub(nest, shift, nest_int(wide, 1)));
  Val product = nest_mul(nest, nest_extend(nest, sum, nest->i64, true),
                         nest_extend(nest, by->multiplier, nest->i64, true));
  Val code = nest_ashr(nest, nest_add(nest, product, half), shift);
  code = nest_add(nest, code, nest_int(wide, zero));
  code = nest_max(nest, nest_min(nest, code, nest_int(wide, high)), nest_int(wide, low));
  return nest_extend(nest, code, nest->i32, true);
}

static Val requantize_codes(Kernel *kernel, const Node *node, Val x, const QuantLanes *by) {
  Nest *nest = kernel->nest;
  const Type *to = &node->results[0]->type;
  int32_t low, high;
  quant_range(to->element, &low, &high);
  Val sum = centred(nest, x, node->operands[0]->type.element, by->zero), code;
  if (element_info[to->element].bits > 16)
    code = requantize_wide(nest, sum, by, to->quant->zero[0], low, high);
  else
    code = requantize_emit(nest, sum, by->multiplier, by->shift, quantized_shifts_are_high(node),
                           to->quant->zero[0], low, high);
  return nest_extend(nest, code, kernel_arithmetic_type(nest, to->element), true);
}

bool quantized_shifts_are_high(const Node *node) {
  const Type *to = &node->results[0]->type;
  const Quant *from = node->operands[0]->type.quant;
  // Scales along an axis are data of a table: code that depends on them could not be shared.
  if (node->op != OP_REQUANTIZE || element_info[to->element].bits > 16 || from->count != 1)
    return false;
  return requantization_of((double)from->scale[0] / (double)to->quant->scale[0]).shift >= 33;
}

Val quantized_convert(Kernel *kernel, const Node *node, Val x, const QuantLanes *by) {
  if (node->op == OP_QUANTIZE) return quantize(kernel, node, x, by);
  return node->op == OP_DEQUANTIZE ? dequantize(kernel, node, x, by)
                                   : requantize_codes(kernel, node, x, by);
}

Val quantized_convert_tensor(Kernel *kernel, const Node *node, Val x) {
  Nest *nest = kernel->nest;
  LLVMTypeRef integer = like(x, nest->i32);
  const Quant *quant =
      node->op == OP_QUANTIZE ? node->results[0]->type.quant : node->operands[0]->type.quant;
  assert(quant->count == 1 && "scales along an axis have a kernel of their own");
  QuantLanes by = {.scale = nest_real(like(x, nest->f32), (double)quant->scale[0]),
                   .zero = nest_int(integer, quant->zero[0])};
  if (node->op == OP_REQUANTIZE) {
    Requantization r =
        requantization_of((double)quant->scale[0] / (double)node->results[0]->type.quant->scale[0]);
    by.multiplier = nest_int(integer, r.multiplier);
    by.shift = nest_int(integer, quantized_shifts_are_high(node) ? r.shift - 33 : r.shift);
  }
  return quantized_convert(kernel, node, x, &by);
}

// --- add, sub, mul

typedef struct Operands {
  const Type *a, *b, *y;
  int32_t low, high;
} Operands;

// (a - za) * ma + (b - zb) * mb + half = a * ma + b * mb + constant.
static Val sum_codes(Nest *nest, const Operands *o, Val a, Val b, bool subtract) {
  AddRequantization by = add_requantization_of(
      (double)o->a->quant->scale[0], (double)o->b->quant->scale[0], (double)o->y->quant->scale[0]);
  bool small = element_info[o->a->element].bits <= 8 && element_info[o->b->element].bits <= 8;
  LLVMTypeRef element = small ? nest->i32 : nest->i64, type = like(a, element);
  int64_t mb = subtract ? -(int64_t)by.multiplier_b : by.multiplier_b;
  int64_t constant = (INT64_C(1) << (by.shift - 1)) -
                     (int64_t)o->a->quant->zero[0] * by.multiplier_a -
                     (int64_t)o->b->quant->zero[0] * mb;
  a = nest_mul(nest, nest_extend(nest, a, element, element_is_signed(o->a->element)),
               nest_int(type, by.multiplier_a));
  b = nest_mul(nest, nest_extend(nest, b, element, element_is_signed(o->b->element)),
               nest_int(type, mb));
  Val sum = nest_add(nest, nest_add(nest, a, nest_int(type, constant)), b);
  Val code = nest_add(nest, nest_ashr(nest, sum, nest_int(type, by.shift)),
                      nest_int(type, o->y->quant->zero[0]));
  return nest_min(nest, nest_max(nest, code, nest_int(type, o->low)), nest_int(type, o->high));
}

static Val multiply_codes(Nest *nest, const Operands *o, Val a, Val b) {
  LLVMTypeRef type = like(a, nest->i32);
  Requantization by = requantization_of_product(o->a->quant->scale[0], o->b->quant->scale[0],
                                                o->y->quant->scale[0]);
  a = centred(nest, a, o->a->element, nest_int(type, o->a->quant->zero[0]));
  b = centred(nest, b, o->b->element, nest_int(type, o->b->quant->zero[0]));
  bool high_only = by.shift >= 33;
  return requantize_emit(nest, nest_mul(nest, a, b), nest_int(type, by.multiplier),
                         nest_int(type, high_only ? by.shift - 33 : by.shift), high_only,
                         o->y->quant->zero[0], o->low, o->high);
}

Val quantized_binary(Kernel *kernel, const Node *node, Val a, Val b) {
  Nest *nest = kernel->nest;
  Operands o = {
      .a = &node->operands[0]->type, .b = &node->operands[1]->type, .y = &node->results[0]->type};
  quant_range(o.y->element, &o.low, &o.high);
  Val code = node->op == OP_MUL ? multiply_codes(nest, &o, a, b)
                                : sum_codes(nest, &o, a, b, node->op == OP_SUB);
  return nest_extend(nest, code, kernel_arithmetic_type(nest, o.y->element), true);
}
