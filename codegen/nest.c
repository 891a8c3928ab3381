// Types, constants, arithmetic and memory of the nest builder. Control flow is in nest_control.c.
#include "codegen/nest.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void nest_init(Nest *nest, LLVMContextRef context, LLVMModuleRef module, const Target *target,
               Arena *arena) {
  *nest = (Nest){.context = context, .module = module, .target = target, .arena = arena};
  nest->builder = LLVMCreateBuilderInContext(context);
  nest->f32 = LLVMFloatTypeInContext(context);
  nest->f64 = LLVMDoubleTypeInContext(context);
  nest->i1 = LLVMInt1TypeInContext(context);
  nest->i8 = LLVMInt8TypeInContext(context);
  nest->i16 = LLVMInt16TypeInContext(context);
  nest->i32 = LLVMInt32TypeInContext(context);
  nest->i64 = LLVMInt64TypeInContext(context);
  nest->index = target->pointer_bits == 64 ? nest->i64 : nest->i32;
  nest->pointer = LLVMPointerTypeInContext(context, 0);
  nest->nothing = LLVMVoidTypeInContext(context);
}

void nest_dispose(Nest *nest) { LLVMDisposeBuilder(nest->builder); }

// --- types and constants

LLVMTypeRef nest_element_type(Nest *nest, ElementType element) {
  switch ((int)element) {
  case F32: return nest->f32;
  case F64: return nest->f64;
  case STR: return LLVMIntTypeInContext(nest->context, 2 * (unsigned)nest->target->pointer_bits);
  default:
    switch (element_info[element].bits) {
    case 16: return nest->i16;
    case 32: return nest->i32;
    case 64: return nest->i64;
    default: return nest->i8;
    }
  }
}

LLVMTypeRef nest_vector(LLVMTypeRef element, int lanes) {
  return lanes == 1 ? element : LLVMVectorType(element, (unsigned)lanes);
}

static bool is_vector(LLVMTypeRef type) { return LLVMGetTypeKind(type) == LLVMVectorTypeKind; }
static LLVMTypeRef scalar_type(LLVMTypeRef type) {
  return is_vector(type) ? LLVMGetElementType(type) : type;
}

static LLVMTypeRef like(Val value, LLVMTypeRef element) {
  return nest_vector(element, nest_lanes(value));
}

int nest_lanes(Val value) {
  LLVMTypeRef type = LLVMTypeOf(value);
  return is_vector(type) ? (int)LLVMGetVectorSize(type) : 1;
}

bool nest_is_float(Val value) {
  LLVMTypeKind kind = LLVMGetTypeKind(scalar_type(LLVMTypeOf(value)));
  return kind == LLVMFloatTypeKind || kind == LLVMDoubleTypeKind;
}

static Val constant_splat(LLVMTypeRef type, Val scalar) {
  if (!is_vector(type)) return scalar;
  Val lanes[256];
  unsigned count = LLVMGetVectorSize(type);
  assert(count <= 256 && "no vector is that wide");
  for (unsigned i = 0; i < count; i++) lanes[i] = scalar;
  return LLVMConstVector(lanes, count);
}

Val nest_const(Nest *nest, int64_t value) {
  return LLVMConstInt(nest->index, (uint64_t)value, true);
}
Val nest_int(LLVMTypeRef type, int64_t value) {
  return constant_splat(type, LLVMConstInt(scalar_type(type), (uint64_t)value, true));
}
Val nest_real(LLVMTypeRef type, double value) {
  return constant_splat(type, LLVMConstReal(scalar_type(type), value));
}
Val nest_zero(LLVMTypeRef type) { return LLVMConstNull(type); }

bool nest_constant(Val value, int64_t *constant) {
  if (!LLVMIsAConstantInt(value)) return false;
  *constant = LLVMConstIntGetSExtValue(value);
  return true;
}

Val nest_shuffle(Nest *nest, Val a, Val b, const int *lanes, int count) {
  Val mask[256];
  for (int i = 0; i < count; i++) mask[i] = LLVMConstInt(nest->i32, (uint64_t)lanes[i], false);
  return LLVMBuildShuffleVector(nest->builder, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)),
                                LLVMConstVector(mask, (unsigned)count), "");
}

Val nest_splat(Nest *nest, Val scalar, int lanes) {
  if (lanes == 1) return scalar;
  if (LLVMIsConstant(scalar))
    return constant_splat(LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes), scalar);
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
  Val one = LLVMBuildInsertElement(nest->builder, LLVMGetPoison(type), scalar,
                                   LLVMConstNull(nest->i32), "");
  return LLVMBuildShuffleVector(nest->builder, one, LLVMGetPoison(type),
                                LLVMConstNull(LLVMVectorType(nest->i32, (unsigned)lanes)), "");
}

Val nest_lane(Nest *nest, Val vector, int lane) {
  if (nest_lanes(vector) == 1 && !is_vector(LLVMTypeOf(vector))) return vector;
  return LLVMBuildExtractElement(nest->builder, vector,
                                 LLVMConstInt(nest->i32, (uint64_t)lane, false), "");
}

Val nest_set_lane(Nest *nest, Val vector, Val scalar, int lane) {
  if (!is_vector(LLVMTypeOf(vector))) return scalar;
  return LLVMBuildInsertElement(nest->builder, vector, scalar,
                                LLVMConstInt(nest->i32, (uint64_t)lane, false), "");
}

// --- arithmetic

static Val contract(Val value) {
  if (LLVMCanValueUseFastMathFlags(value)) LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
  return value;
}

Val nest_add(Nest *nest, Val a, Val b) {
  return nest_is_float(a) ? contract(LLVMBuildFAdd(nest->builder, a, b, ""))
                          : LLVMBuildAdd(nest->builder, a, b, "");
}
Val nest_sub(Nest *nest, Val a, Val b) {
  return nest_is_float(a) ? contract(LLVMBuildFSub(nest->builder, a, b, ""))
                          : LLVMBuildSub(nest->builder, a, b, "");
}
Val nest_mul(Nest *nest, Val a, Val b) {
  return nest_is_float(a) ? contract(LLVMBuildFMul(nest->builder, a, b, ""))
                          : LLVMBuildMul(nest->builder, a, b, "");
}
Val nest_div(Nest *nest, Val a, Val b) { return LLVMBuildFDiv(nest->builder, a, b, ""); }

Val nest_fma(Nest *nest, Val a, Val b, Val c) {
  bool fused = nest_is_float(a) && target_has(nest->target, TARGET_FMA) &&
               (scalar_type(LLVMTypeOf(a)) == nest->f32 || target_has(nest->target, TARGET_DOUBLE));
  if (!fused) return nest_add(nest, nest_mul(nest, a, b), c);
  LLVMTypeRef type = LLVMTypeOf(a);
  return nest_intrinsic(nest, "llvm.fma", &type, 1, (Val[]){a, b, c}, 3);
}

Val nest_neg(Nest *nest, Val a) {
  return nest_is_float(a) ? LLVMBuildFNeg(nest->builder, a, "")
                          : LLVMBuildNeg(nest->builder, a, "");
}
Val nest_udiv(Nest *nest, Val a, Val b) { return LLVMBuildUDiv(nest->builder, a, b, ""); }
Val nest_urem(Nest *nest, Val a, Val b) { return LLVMBuildURem(nest->builder, a, b, ""); }

Val nest_compare(Nest *nest, LLVMIntPredicate predicate, Val a, Val b) {
  return LLVMBuildICmp(nest->builder, predicate, a, b, "");
}
Val nest_compare_float(Nest *nest, LLVMRealPredicate predicate, Val a, Val b) {
  return LLVMBuildFCmp(nest->builder, predicate, a, b, "");
}
Val nest_select(Nest *nest, Val condition, Val a, Val b) {
  return LLVMBuildSelect(nest->builder, condition, a, b, "");
}

Val nest_min(Nest *nest, Val a, Val b) {
  Val less = nest_is_float(a) ? nest_compare_float(nest, LLVMRealOLT, a, b)
                              : nest_compare(nest, LLVMIntSLT, a, b);
  return nest_select(nest, less, a, b);
}
Val nest_max(Nest *nest, Val a, Val b) {
  Val more = nest_is_float(a) ? nest_compare_float(nest, LLVMRealOGT, a, b)
                              : nest_compare(nest, LLVMIntSGT, a, b);
  return nest_select(nest, more, a, b);
}
Val nest_umin(Nest *nest, Val a, Val b) {
  return nest_select(nest, nest_compare(nest, LLVMIntULT, a, b), a, b);
}
Val nest_and(Nest *nest, Val a, Val b) { return LLVMBuildAnd(nest->builder, a, b, ""); }
Val nest_or(Nest *nest, Val a, Val b) { return LLVMBuildOr(nest->builder, a, b, ""); }
Val nest_xor(Nest *nest, Val a, Val b) { return LLVMBuildXor(nest->builder, a, b, ""); }
Val nest_shl(Nest *nest, Val a, Val b) { return LLVMBuildShl(nest->builder, a, b, ""); }
Val nest_ashr(Nest *nest, Val a, Val b) { return LLVMBuildAShr(nest->builder, a, b, ""); }
Val nest_lshr(Nest *nest, Val a, Val b) { return LLVMBuildLShr(nest->builder, a, b, ""); }

Val nest_extend(Nest *nest, Val value, LLVMTypeRef to, bool is_signed) {
  unsigned from_bits = LLVMGetIntTypeWidth(scalar_type(LLVMTypeOf(value))),
           to_bits = LLVMGetIntTypeWidth(to);
  LLVMTypeRef type = like(value, to);
  if (from_bits == to_bits) return value;
  if (to_bits < from_bits) return LLVMBuildTrunc(nest->builder, value, type, "");
  return is_signed ? LLVMBuildSExt(nest->builder, value, type, "")
                   : LLVMBuildZExt(nest->builder, value, type, "");
}

Val nest_to_float(Nest *nest, Val value, LLVMTypeRef to, bool is_signed) {
  LLVMTypeRef type = like(value, to);
  return is_signed ? LLVMBuildSIToFP(nest->builder, value, type, "")
                   : LLVMBuildUIToFP(nest->builder, value, type, "");
}

// Comparisons clamp first: the plain conversion of a value out of range is undefined, and the
// saturating intrinsic becomes long code on targets without the instruction.
Val nest_to_int(Nest *nest, Val value, LLVMTypeRef to, bool is_signed) {
  LLVMTypeRef type = like(value, to), from = LLVMTypeOf(value);
  int bits = (int)LLVMGetIntTypeWidth(to);
  double high = ldexp(1.0, is_signed ? bits - 1 : bits), low = is_signed ? -high : 0;
  Val too_high = nest_compare_float(nest, LLVMRealOGE, value, nest_real(from, high));
  Val inside = nest_compare_float(nest, LLVMRealOGE, value, nest_real(from, low));
  inside =
      nest_and(nest, inside, nest_compare_float(nest, LLVMRealOLT, value, nest_real(from, high)));
  Val safe = nest_select(nest, inside, value, nest_zero(from));
  Val converted = is_signed ? LLVMBuildFPToSI(nest->builder, safe, type, "")
                            : LLVMBuildFPToUI(nest->builder, safe, type, "");
  Val largest =
      is_signed ? nest_int(type, (int64_t)((UINT64_C(1) << (bits - 1)) - 1)) : nest_int(type, -1);
  Val result = nest_select(nest, too_high, largest, converted);
  if (!is_signed) return result;
  Val too_low = nest_compare_float(nest, LLVMRealOLT, value, nest_real(from, low));
  return nest_select(nest, too_low, nest_int(type, (int64_t)(UINT64_MAX << (bits - 1))), result);
}

Val nest_float_width(Nest *nest, Val value, LLVMTypeRef to) {
  LLVMTypeRef from = scalar_type(LLVMTypeOf(value)), type = like(value, to);
  if (from == to) return value;
  return to == nest->f64 ? LLVMBuildFPExt(nest->builder, value, type, "")
                         : LLVMBuildFPTrunc(nest->builder, value, type, "");
}

Val nest_bits(Nest *nest, Val value, LLVMTypeRef to) {
  return LLVMBuildBitCast(nest->builder, value, to, "");
}

Val nest_reduce_lanes(Nest *nest, Val vector, Val (*combine)(Nest *, Val, Val)) {
  int lanes = nest_lanes(vector), order[256];
  for (; lanes > 1; lanes /= 2) {
    assert(lanes % 2 == 0 && "vectors have a power of two of lanes");
    for (int i = 0; i < lanes / 2; i++) order[i] = i;
    Val low = nest_shuffle(nest, vector, NULL, order, lanes / 2);
    for (int i = 0; i < lanes / 2; i++) order[i] = lanes / 2 + i;
    vector = combine(nest, low, nest_shuffle(nest, vector, NULL, order, lanes / 2));
  }
  return is_vector(LLVMTypeOf(vector)) ? nest_lane(nest, vector, 0) : vector;
}

// --- calls

// Number of overload types that each intrinsic takes: a wrong list would crash LLVM.
static const struct {
  const char *name;
  int overloads;
} intrinsics[] = {
    {"llvm.fma", 1},
    {"llvm.sqrt", 1},
    {"llvm.floor", 1},
    {"llvm.ceil", 1},
    {"llvm.trunc", 1},
    {"llvm.roundeven", 1},
    {"llvm.fabs", 1},
    {"llvm.copysign", 1},
    {"llvm.rint", 1},
    {"llvm.masked.load", 2},
    {"llvm.masked.store", 2},
    {"llvm.ctpop", 1},
    {"llvm.ctlz", 1},
    {"llvm.cttz", 1},
    {"llvm.abs", 1},
    {"llvm.smin", 1},
    {"llvm.smax", 1},
    {"llvm.umin", 1},
    {"llvm.umax", 1},
    {"llvm.sadd.sat", 1},
    {"llvm.uadd.with.overflow", 1},
    {"llvm.umul.with.overflow", 1},
    {"llvm.prefetch", 1},
    {"llvm.arm.smlad", 0},
    {"llvm.arm.smuad", 0},
    {"llvm.arm.sxtb16", 0},
    {"llvm.arm.uxtb16", 0},
    {"llvm.arm.smlabb", 0},
    {"llvm.arm.smlatt", 0},
    {"llvm.arm.smulwt", 0},
    {"llvm.arm.ssat", 0},
    {"llvm.arm.smlald", 0},
    {"llvm.fptosi.sat", 2},
    {"llvm.x86.avx512.vpdpbusd.512", 0},
    {"llvm.x86.avx512.vpdpbusd.256", 0},
    {"llvm.x86.avx512.vpdpbusd.128", 0},
    {"llvm.x86.avx2.pmadd.wd", 0},
    {"llvm.x86.sse2.pmadd.wd", 0},
    {"llvm.x86.avx512.pmaddw.d.512", 0},
    {"llvm.x86.sse2.pmulhu.w", 0},
    {"llvm.x86.avx2.pmulhu.w", 0},
    {"llvm.x86.avx512.pmulhu.w.512", 0},
    {"llvm.x86.avx2.pmadd.ub.sw", 0},
    {"llvm.x86.avx2.permps", 0},
    {"llvm.x86.avx512.vpermi2var.qi.512", 0},
    {"llvm.aarch64.neon.tbl4", 1},
    {"llvm.aarch64.neon.tbx4", 1},
    {"llvm.aarch64.neon.sdot", 2},
    {"llvm.aarch64.neon.udot", 2},
    {"llvm.x86.avx.max.ps.256", 0},
    {"llvm.arm.mve.vmldava.predicated", 2},
    {"llvm.arm.mve.vmldava", 2},
    {"llvm.vector.reduce.add", 1},
    {"llvm.x86.avx512.cvtph2ps", 0},
};

Val nest_intrinsic(Nest *nest, const char *name, LLVMTypeRef *overloads, int overload_count,
                   Val *arguments, int count) {
  bool known = false;
  for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++)
    known |= !strcmp(intrinsics[i].name, name) && intrinsics[i].overloads == overload_count;
  assert(known && "intrinsic or its overload list is not in the table");
  (void)known;
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  assert(id && "LLVM does not know the intrinsic");
  Val function = LLVMGetIntrinsicDeclaration(nest->module, id, overloads, (size_t)overload_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(nest->context, id, overloads, (size_t)overload_count);
  return LLVMBuildCall2(nest->builder, type, function, arguments, (unsigned)count, "");
}

static Val checked(Nest *nest, const char *name, Val a, Val b, Val *overflow) {
  LLVMTypeRef type = LLVMTypeOf(a);
  Val both = nest_intrinsic(nest, name, &type, 1, (Val[]){a, b}, 2);
  Val flag = LLVMBuildExtractValue(nest->builder, both, 1, "");
  *overflow = *overflow ? nest_or(nest, *overflow, flag) : flag;
  return LLVMBuildExtractValue(nest->builder, both, 0, "");
}

Val nest_add_checked(Nest *nest, Val a, Val b, Val *overflow) {
  return checked(nest, "llvm.uadd.with.overflow", a, b, overflow);
}
Val nest_mul_checked(Nest *nest, Val a, Val b, Val *overflow) {
  return checked(nest, "llvm.umul.with.overflow", a, b, overflow);
}

static Val library_function(Nest *nest, const char *name, int lanes) {
  char text[128];
  int length = lanes == 1 ? snprintf(text, sizeof text, "%s", name)
                          : snprintf(text, sizeof text, "%sx%d", name, lanes);
  assert(length < (int)sizeof text && "name of a library function too long");
  (void)length;
  return LLVMGetNamedFunction(nest->module, text);
}

static Val vector_part(Nest *nest, Val vector, int from, int count) {
  int order[256];
  for (int i = 0; i < count; i++) order[i] = from + i;
  return count == 1 ? nest_lane(nest, vector, from)
                    : nest_shuffle(nest, vector, NULL, order, count);
}

static Val join_parts(Nest *nest, Val low, Val high) {
  int order[256], lanes = nest_lanes(low) + nest_lanes(high);
  if (lanes == 2) {
    Val pair = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(low), 2));
    return nest_set_lane(nest, nest_set_lane(nest, pair, low, 0), high, 1);
  }
  for (int i = 0; i < lanes; i++) order[i] = i;
  return nest_shuffle(nest, low, high, order, lanes);
}

Val nest_library(Nest *nest, const char *name, Val *arguments, int count) {
  int lanes = 1;
  for (int i = 0; i < count; i++)
    if (nest_lanes(arguments[i]) > lanes) lanes = nest_lanes(arguments[i]);
  Val function = library_function(nest, name, lanes);
  if (function) {
    Val call = LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(function), function, arguments,
                              (unsigned)count, "");
    return call;
  }
  assert(lanes > 1 && "the kernel library has no function of that name");
  Val low[8], high[8];
  for (int i = 0; i < count; i++) {
    bool scalar = nest_lanes(arguments[i]) == 1; // a parameter, the same for all lanes
    low[i] = scalar ? arguments[i] : vector_part(nest, arguments[i], 0, lanes / 2);
    high[i] = scalar ? arguments[i] : vector_part(nest, arguments[i], lanes / 2, lanes - lanes / 2);
  }
  return join_parts(nest, nest_library(nest, name, low, count),
                    nest_library(nest, name, high, count));
}

// --- memory

Val nest_byte_address(Nest *nest, Val pointer, Val offset) {
  return nest_address(nest, pointer, nest->i8, offset);
}

Val nest_address(Nest *nest, Val pointer, LLVMTypeRef element, Val offset) {
  int64_t constant;
  if (nest_constant(offset, &constant) && constant == 0) return pointer;
  return LLVMBuildInBoundsGEP2(nest->builder, scalar_type(element), pointer, &offset, 1, "");
}

static unsigned natural_alignment(LLVMTypeRef type) {
  switch ((int)LLVMGetTypeKind(type)) {
  case LLVMFloatTypeKind: return 4;
  case LLVMDoubleTypeKind: return 8;
  case LLVMIntegerTypeKind: return (LLVMGetIntTypeWidth(type) + 7) / 8;
  default: return 1;
  }
}

Val nest_load(Nest *nest, LLVMTypeRef type, Val address, int align) {
  Val load = LLVMBuildLoad2(nest->builder, type, address, "");
  LLVMSetAlignment(load, align ? (unsigned)align : natural_alignment(scalar_type(type)));
  return load;
}

void nest_store(Nest *nest, Val value, Val address, int align) {
  Val store = LLVMBuildStore(nest->builder, value, address);
  LLVMSetAlignment(store,
                   align ? (unsigned)align : natural_alignment(scalar_type(LLVMTypeOf(value))));
}

static Val lane_mask(Nest *nest, int lanes, Val count) {
  Val numbers[256];
  for (int i = 0; i < lanes; i++) numbers[i] = LLVMConstInt(nest->i32, (uint64_t)i, false);
  Val limit = nest_splat(nest, nest_extend(nest, count, nest->i32, false), lanes);
  return nest_compare(nest, LLVMIntULT, LLVMConstVector(numbers, (unsigned)lanes), limit);
}

static bool has_masked_memory(Nest *nest, LLVMTypeRef element) {
  if (!target_has(nest->target, TARGET_MASKED)) return false;
  bool wide = natural_alignment(element) >= 4;
  return wide || nest->target->vector_bits == 512;
}

Val nest_load_lanes(Nest *nest, LLVMTypeRef type, Val address, Val count) {
  LLVMTypeRef element = scalar_type(type);
  int lanes = is_vector(type) ? (int)LLVMGetVectorSize(type) : 1;
  if (lanes == 1) return nest_load(nest, type, address, 0);
  if (has_masked_memory(nest, element)) {
    Val arguments[] = {address, LLVMConstInt(nest->i32, natural_alignment(element), false),
                       lane_mask(nest, lanes, count), nest_zero(type)};
    return nest_intrinsic(nest, "llvm.masked.load", (LLVMTypeRef[]){type, nest->pointer}, 2,
                          arguments, 4);
  }
  int64_t known;
  if (nest_constant(count, &known)) {
    Val vector = nest_zero(type);
    for (int i = 0; i < known; i++)
      vector = nest_set_lane(
          nest, vector,
          nest_load(nest, element, nest_address(nest, address, element, nest_const(nest, i)), 0),
          i);
    return vector;
  }
  Val buffer = nest_local(nest, type, 1, 0);
  nest_store(nest, nest_zero(type), buffer, 0);
  FOR (nest, i, nest_const(nest, 0), count, 1)
    nest_store(nest, nest_load(nest, element, nest_address(nest, address, element, i), 0),
               nest_address(nest, buffer, element, i), 0);
  return nest_load(nest, type, buffer, 0);
}

void nest_store_lanes(Nest *nest, Val value, Val address, Val count) {
  LLVMTypeRef type = LLVMTypeOf(value), element = scalar_type(type);
  int lanes = nest_lanes(value);
  if (lanes == 1) {
    nest_store(nest, value, address, 0);
    return;
  }
  if (has_masked_memory(nest, element)) {
    Val arguments[] = {value, address, LLVMConstInt(nest->i32, natural_alignment(element), false),
                       lane_mask(nest, lanes, count)};
    nest_intrinsic(nest, "llvm.masked.store", (LLVMTypeRef[]){type, nest->pointer}, 2, arguments,
                   4);
    return;
  }
  int64_t known;
  if (nest_constant(count, &known)) {
    for (int i = 0; i < known; i++)
      nest_store(nest, nest_lane(nest, value, i),
                 nest_address(nest, address, element, nest_const(nest, i)), 0);
    return;
  }
  Val buffer = nest_local(nest, type, 1, 0);
  nest_store(nest, value, buffer, 0);
  FOR (nest, i, nest_const(nest, 0), count, 1)
    nest_store(nest, nest_load(nest, element, nest_address(nest, buffer, element, i), 0),
               nest_address(nest, address, element, i), 0);
}

Val nest_local(Nest *nest, LLVMTypeRef type, int64_t count, int align) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(nest->function);
  Val first = LLVMGetFirstInstruction(entry);
  if (first)
    LLVMPositionBuilderBefore(nest->builder, first);
  else
    LLVMPositionBuilderAtEnd(nest->builder, entry);
  Val memory =
      LLVMBuildAlloca(nest->builder, count == 1 ? type : LLVMArrayType2(type, (uint64_t)count), "");
  if (align) LLVMSetAlignment(memory, (unsigned)align);
  LLVMPositionBuilderAtEnd(nest->builder, here);
  return memory;
}

// Words, then the odd bytes. The module provides its own memcpy where LLVM makes calls of such
// loops.
void nest_copy(Nest *nest, Val to, Val from, Val bytes) {
  int64_t known;
  int lanes = target_lanes(nest->target, 8);
  if (nest_constant(bytes, &known) && known <= 64) lanes = lanes > known ? 1 : lanes;
  LLVMTypeRef type = nest_vector(nest->i8, lanes);
  Val whole =
      nest_mul(nest, nest_udiv(nest, bytes, nest_const(nest, lanes)), nest_const(nest, lanes));
  FOR (nest, i, nest_const(nest, 0), whole, lanes)
    nest_store(nest, nest_load(nest, type, nest_address(nest, from, nest->i8, i), 1),
               nest_address(nest, to, nest->i8, i), 1);
  if (lanes == 1) return;
  FOR (nest, i, whole, bytes, 1)
    nest_store(nest, nest_load(nest, nest->i8, nest_address(nest, from, nest->i8, i), 1),
               nest_address(nest, to, nest->i8, i), 1);
}
