// Requantization: one rounding, half up, the same bits on every target (docs/ir.md).
#include "codegen/kernels/requantize.h"

static LLVMTypeRef like(Val value, LLVMTypeRef element) { return nest_vector(element, nest_lanes(value)); }

// High halves of the products. pmuldq multiplies the even lanes: the odd ones are moved there, and the
// halves blended; from the generic form LLVM makes four conversions and two permutations more.
static Val multiply_high(Nest *nest, Val a, Val b) {
  LLVMTypeRef wide = like(a, nest->i64), narrow = LLVMTypeOf(a);
  int lanes = nest_lanes(a);
  bool pairs = lanes > 2 && lanes <= 16 && (nest->target->dot == DOT_MADD || nest->target->dot == DOT_VNNI);
  if (!pairs) {
    Val product = nest_mul(nest, nest_extend(nest, a, nest->i64, true), nest_extend(nest, b, nest->i64, true));
    return nest_extend(nest, nest_ashr(nest, product, nest_int(wide, 32)), nest->i32, true);
  }
  LLVMTypeRef half = nest_vector(nest->i64, lanes / 2);
  Val by = nest_int(half, 32), halves[2];
  for (int odd = 0; odd < 2; odd++) {
    Val x = nest_bits(nest, a, half), y = nest_bits(nest, b, half);
    if (!odd) x = nest_shl(nest, x, by), y = nest_shl(nest, y, by);
    halves[odd] = nest_bits(nest, nest_mul(nest, nest_ashr(nest, x, by), nest_ashr(nest, y, by)), narrow);
  }
  int order[16];
  for (int i = 0; i < lanes; i++) order[i] = i % 2 ? lanes + i : i + 1;
  return nest_shuffle(nest, halves[0], halves[1], order, lanes);
}

Val requantize_emit(Nest *nest, Val sum, Val multiplier, Val shift, bool high_only, int32_t zero, int32_t low, int32_t high) {
  LLVMTypeRef wide = like(sum, nest->i64), narrow = LLVMTypeOf(sum);
  Val code;
  if (high_only) { // the rounding term is a multiple of 2^32
    Val upper = multiply_high(nest, sum, multiplier);
    Val half = nest_shl(nest, nest_int(narrow, 1), shift);
    code = nest_ashr(nest, nest_ashr(nest, nest_add(nest, upper, half), shift), nest_int(narrow, 1));
  } else {
    Val product = nest_mul(nest, nest_extend(nest, sum, nest->i64, true), nest_extend(nest, multiplier, nest->i64, true));
    Val by = nest_extend(nest, shift, nest->i64, false);
    Val half = nest_shl(nest, nest_int(wide, 1), nest_sub(nest, by, nest_int(wide, 1)));
    Val rounded = nest_ashr(nest, nest_add(nest, product, half), by);
    // Clamp before narrowing: a scale above 1 can pass 32 bits.
    rounded = nest_max(nest, nest_min(nest, rounded, nest_int(wide, INT32_MAX / 2)), nest_int(wide, INT32_MIN / 2));
    code = nest_extend(nest, rounded, nest->i32, true);
  }
  code = nest_add(nest, code, nest_int(narrow, zero));
  return nest_min(nest, nest_max(nest, code, nest_int(narrow, low)), nest_int(narrow, high));
}
