// Dot-accumulate instructions.
#include "codegen/dot.h"

#include <assert.h>
#include <string.h>

Dot dot_of(const Target *target, ElementType x_element) {
  bool is_signed = x_element == I8;
  int lanes = target_lanes(target, 32);
  switch (target->dot) {
  case DOT_VNNI: return (Dot){DOT_VNNI, 4, lanes, is_signed ? 128 : 0};
  case DOT_SDOT: return (Dot){DOT_SDOT, 4, lanes, is_signed ? 0 : -128};
  case DOT_MADD: return (Dot){DOT_MADD, 2, lanes, 0};
  case DOT_SMLAD: return (Dot){DOT_SMLAD, 4, 1, 0};
  case DOT_NONE:
  case DOT_MVE:
  case DOT_RVV: break;
  }
  return (Dot){DOT_NONE, 1, lanes, 0};
}

// Groups of bytes as one number; with unaligned access where the target has it.
static Val load_word(Nest *nest, Val address, int bytes) {
  LLVMTypeRef type = LLVMIntTypeInContext(nest->context, (unsigned)bytes * 8);
  return nest_load(nest, type, address, 1);
}

static Val load_word_part(Nest *nest, Val address, int bytes, int count) {
  LLVMTypeRef type = LLVMIntTypeInContext(nest->context, (unsigned)bytes * 8);
  Val word = nest_zero(type);
  for (int i = 0; i < count; i++) {
    Val byte =
        nest_load(nest, nest->i8, nest_address(nest, address, nest->i8, nest_const(nest, i)), 1);
    word = nest_or(nest, word,
                   nest_shl(nest, nest_extend(nest, byte, type, false), nest_int(type, 8 * i)));
  }
  return word;
}

static Val rotate_byte(Nest *nest, Val word) {
  return nest_or(nest, nest_lshr(nest, word, nest_int(nest->i32, 8)),
                 nest_shl(nest, word, nest_int(nest->i32, 24)));
}

static DotOperand widen_halves(Nest *nest, Val word, bool is_signed) {
  const char *name = is_signed ? "llvm.arm.sxtb16" : "llvm.arm.uxtb16";
  Val rotated = rotate_byte(nest, word);
  return (DotOperand){{nest_intrinsic(nest, name, NULL, 0, &word, 1),
                       nest_intrinsic(nest, name, NULL, 0, &rotated, 1)}};
}

static DotOperand prepare_x(Nest *nest, const Dot *dot, ElementType element, Val word) {
  bool is_signed = element == I8;
  switch (dot->kind) {
  case DOT_VNNI:
  case DOT_SDOT:
    if (dot->x_offset) word = nest_xor(nest, word, nest_int(nest->i32, INT64_C(0x80808080)));
    return (DotOperand){{nest_splat(nest, word, dot->lanes)}};
  case DOT_MADD: {
    Val pairs = nest_bits(nest, nest_splat(nest, word, dot->lanes),
                          LLVMVectorType(nest->i8, (unsigned)dot->lanes * 2));
    return (DotOperand){{nest_extend(nest, pairs, nest->i16, is_signed)}};
  }
  case DOT_SMLAD: return widen_halves(nest, word, is_signed);
  case DOT_NONE:
  case DOT_MVE:
  case DOT_RVV: break;
  }
  return (DotOperand){
      {nest_splat(nest, nest_extend(nest, word, nest->i32, is_signed), dot->lanes)}};
}

DotOperand dot_load_x(Nest *nest, const Dot *dot, ElementType element, Val address) {
  return prepare_x(nest, dot, element, load_word(nest, address, dot->group));
}

DotOperand dot_load_x_part(Nest *nest, const Dot *dot, ElementType element, Val address,
                           int count) {
  return prepare_x(nest, dot, element, load_word_part(nest, address, dot->group, count));
}

DotOperand dot_load_x_wide(Nest *nest, const Dot *dot, Val address) {
  assert(dot->kind == DOT_MADD && "only pairs of 16 bits are read as they lie");
  Val pair = nest_load(nest, nest->i32, address, 4);
  return (DotOperand){{nest_bits(nest, nest_splat(nest, pair, dot->lanes),
                                 LLVMVectorType(nest->i16, (unsigned)dot->lanes * 2))}};
}

DotOperand dot_load_w(Nest *nest, const Dot *dot, Val address) {
  unsigned bytes = (unsigned)(dot->lanes * dot->group);
  switch (dot->kind) {
  case DOT_VNNI:
    return (DotOperand){{nest_load(nest, LLVMVectorType(nest->i32, bytes / 4), address, 1)}};
  case DOT_SDOT:
    return (DotOperand){{nest_load(nest, LLVMVectorType(nest->i8, bytes), address, 1)}};
  case DOT_MADD:
    return (DotOperand){{nest_extend(
        nest, nest_load(nest, LLVMVectorType(nest->i8, bytes), address, 1), nest->i16, true)}};
  case DOT_SMLAD: return widen_halves(nest, nest_load(nest, nest->i32, address, 4), true);
  case DOT_NONE:
  case DOT_MVE:
  case DOT_RVV: break;
  }
  Val bytes_of = nest_load(nest, nest_vector(nest->i8, dot->lanes), address, 1);
  return (DotOperand){{nest_extend(nest, bytes_of, nest->i32, true)}};
}

static Val madd(Nest *nest, Val sum, Val x, Val w) {
  int lanes = nest_lanes(sum);
  const char *name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.sse2.pmadd.wd";
  return nest_add(nest, sum, nest_intrinsic(nest, name, NULL, 0, (Val[]){x, w}, 2));
}

static Val vpdpbusd(Nest *nest, Val sum, Val x, Val w) {
  int lanes = nest_lanes(sum);
  const char *name = lanes == 16  ? "llvm.x86.avx512.vpdpbusd.512"
                     : lanes == 8 ? "llvm.x86.avx512.vpdpbusd.256"
                                  : "llvm.x86.avx512.vpdpbusd.128";
  return nest_intrinsic(nest, name, NULL, 0, (Val[]){sum, x, w}, 3);
}

Val dot_step(Nest *nest, const Dot *dot, Val sum, DotOperand x, DotOperand w) {
  switch (dot->kind) {
  case DOT_VNNI: return vpdpbusd(nest, sum, x.value[0], w.value[0]);
  case DOT_MADD: return madd(nest, sum, x.value[0], w.value[0]);
  case DOT_SDOT: {
    LLVMTypeRef bytes = LLVMTypeOf(w.value[0]), overloads[] = {LLVMTypeOf(sum), bytes};
    return nest_intrinsic(nest, "llvm.aarch64.neon.sdot", overloads, 2,
                          (Val[]){sum, w.value[0], nest_bits(nest, x.value[0], bytes)}, 3);
  }
  case DOT_SMLAD:
    for (int i = 0; i < 2; i++)
      sum =
          nest_intrinsic(nest, "llvm.arm.smlad", NULL, 0, (Val[]){x.value[i], w.value[i], sum}, 3);
    return sum;
  case DOT_NONE:
  case DOT_MVE:
  case DOT_RVV: break;
  }
  return nest_add(nest, sum, nest_mul(nest, x.value[0], w.value[0]));
}
