// Requantization: one rounding, half up, the same bits on every target (docs/ir.md).
#include "codegen/kernels/requantize.h"

static LLVMTypeRef like(Val value, LLVMTypeRef element) { return nest_vector(element, nest_lanes(value)); }

Val requantize_emit(Nest *nest, Val sum, Val multiplier, Val shift, bool high_only, int32_t zero, int32_t low, int32_t high) {
  LLVMTypeRef wide = like(sum, nest->i64), narrow = LLVMTypeOf(sum);
  Val product = nest_mul(nest, nest_extend(nest, sum, nest->i64, true), nest_extend(nest, multiplier, nest->i64, true)), code;
  if (high_only) { // the rounding term is a multiple of 2^32
    Val upper = nest_extend(nest, nest_ashr(nest, product, nest_int(wide, 32)), nest->i32, true);
    Val half = nest_shl(nest, nest_int(narrow, 1), shift);
    code = nest_ashr(nest, nest_ashr(nest, nest_add(nest, upper, half), shift), nest_int(narrow, 1));
  } else {
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
