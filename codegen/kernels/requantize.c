// Requantization: one rounding, half up, the same bits on every target (docs/ir.md).
#include "codegen/kernels/requantize.h"

#include <string.h>

static LLVMTypeRef like(Val value, LLVMTypeRef element) {
  return nest_vector(element, nest_lanes(value));
}

// High halves of the products. pmuldq multiplies the even lanes: the odd ones are moved there, and
// the halves blended; from the generic form LLVM makes four conversions and two permutations more.
static Val multiply_high(Nest *nest, Val a, Val b) {
  LLVMTypeRef wide = like(a, nest->i64), narrow = LLVMTypeOf(a);
  int lanes = nest_lanes(a);
  bool pairs =
      lanes > 2 && lanes <= 16 && (nest->target->dot == DOT_MADD || nest->target->dot == DOT_VNNI);
  if (!pairs) {
    Val product = nest_mul(nest, nest_extend(nest, a, nest->i64, true),
                           nest_extend(nest, b, nest->i64, true));
    return nest_extend(nest, nest_ashr(nest, product, nest_int(wide, 32)), nest->i32, true);
  }
  LLVMTypeRef half = nest_vector(nest->i64, lanes / 2);
  Val by = nest_int(half, 32), halves[2];
  for (int odd = 0; odd < 2; odd++) {
    Val x = nest_bits(nest, a, half), y = nest_bits(nest, b, half);
    if (!odd) x = nest_shl(nest, x, by), y = nest_shl(nest, y, by);
    halves[odd] =
        nest_bits(nest, nest_mul(nest, nest_ashr(nest, x, by), nest_ashr(nest, y, by)), narrow);
  }
  int order[16];
  for (int i = 0; i < lanes; i++) order[i] = i % 2 ? lanes + i : i + 1;
  return nest_shuffle(nest, halves[0], halves[1], order, lanes);
}

Val requantize_emit(Nest *nest, Val sum, Val multiplier, Val shift, bool high_only, int32_t zero,
                    int32_t low, int32_t high) {
  LLVMTypeRef wide = like(sum, nest->i64), narrow = LLVMTypeOf(sum);
  Val code;
  if (high_only) { // the rounding term is a multiple of 2^32
    Val upper = multiply_high(nest, sum, multiplier);
    Val half = nest_shl(nest, nest_int(narrow, 1), shift);
    code =
        nest_ashr(nest, nest_ashr(nest, nest_add(nest, upper, half), shift), nest_int(narrow, 1));
  } else {
    Val product = nest_mul(nest, nest_extend(nest, sum, nest->i64, true),
                           nest_extend(nest, multiplier, nest->i64, true));
    Val by = nest_extend(nest, shift, nest->i64, false);
    Val half = nest_shl(nest, nest_int(wide, 1), nest_sub(nest, by, nest_int(wide, 1)));
    Val rounded = nest_ashr(nest, nest_add(nest, product, half), by);
    // Clamp before narrowing: a scale above 1 can pass 32 bits.
    rounded = nest_max(nest, nest_min(nest, rounded, nest_int(wide, INT32_MAX / 2)),
                       nest_int(wide, INT32_MIN / 2));
    code = nest_extend(nest, rounded, nest->i32, true);
  }
  code = nest_add(nest, code, nest_int(narrow, zero));
  return nest_min(nest, nest_max(nest, code, nest_int(narrow, low)), nest_int(narrow, high));
}

typedef struct MultiplyNames {
  int lanes;
  const char *pairs, *high;
} MultiplyNames;

// The high half of sum * w, where only the upper 12 bits of w count: with m = w / 2^16, which has
// no sign, upper half of the sum * m + (lower half * m) / 2^16.
static Val multiply_by_upper(Nest *nest, Val sum, Val word) {
  static const MultiplyNames names[] = {
      {4, "llvm.x86.sse2.pmadd.wd", "llvm.x86.sse2.pmulhu.w"},
      {8, "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx2.pmulhu.w"},
      {16, "llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx512.pmulhu.w.512"}};
  int lanes = nest_lanes(sum);
  LLVMTypeRef type = LLVMTypeOf(sum), halves = LLVMVectorType(nest->i16, (unsigned)lanes * 2);
  Val sixteen = nest_int(type, 16), factor = nest_and(nest, word, nest_int(type, -(1 << 20)));
  if (lanes == 1 && nest->target->dot == DOT_SMLAD)
    return nest_intrinsic(nest, "llvm.arm.smulwt", NULL, 0, (Val[]){sum, factor}, 2);
  Val multiplier = nest_lshr(nest, factor, sixteen);
  if (lanes == 1) {
    Val product = nest_mul(nest, nest_extend(nest, sum, nest->i64, true),
                           nest_extend(nest, multiplier, nest->i64, false));
    return nest_extend(nest, nest_ashr(nest, product, nest_int(nest->i64, 16)), nest->i32, true);
  }
  for (size_t i = 0; !strcmp(nest->target->family, "x86_64") && i < sizeof names / sizeof *names;
       i++) {
    if (names[i].lanes != lanes || lanes * 32 > nest->target->vector_bits) continue;
    Val x = nest_bits(nest, sum, halves);
    Val high = nest_intrinsic(nest, names[i].pairs, NULL, 0,
                              (Val[]){x, nest_bits(nest, factor, halves)}, 2);
    Val low = nest_intrinsic(nest, names[i].high, NULL, 0,
                             (Val[]){x, nest_bits(nest, multiplier, halves)}, 2);
    return nest_add(nest, high, nest_bits(nest, low, type));
  }
  Val low = nest_mul(nest, nest_and(nest, sum, nest_int(type, 0xffff)), multiplier);
  return nest_add(nest, nest_mul(nest, nest_ashr(nest, sum, sixteen), multiplier),
                  nest_lshr(nest, low, sixteen));
}

Val requantize_emit_word(Nest *nest, Val sum, Val word, Val shift, Val rounding, int32_t low,
                         int32_t high) {
  LLVMTypeRef type = LLVMTypeOf(sum);
  Val code = nest_ashr(nest, nest_add(nest, multiply_by_upper(nest, sum, word), rounding), shift);
  return nest_min(nest, nest_max(nest, code, nest_int(type, low)), nest_int(type, high));
}
