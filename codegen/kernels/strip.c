// Strips of elements and what reductions, normalisations and pools share.
#include "codegen/kernels/strip.h"

#include <math.h>
#include <stdio.h>

#include "ir/quant.h"

bool strip_is_empty(Val low, Val high) {
  int64_t l, h;
  return nest_constant(low, &l) && nest_constant(high, &h) && l >= h;
}

Val strip_whole(Nest *nest, Val low, Val high, int64_t step) {
  if (step == 1) return high;
  Val by = nest_const(nest, step);
  return nest_add(nest, low, nest_mul(nest, nest_udiv(nest, nest_sub(nest, high, low), by), by));
}

enum { NARROWEST = 4 }; // lanes of the vectors that shorten the rest of a line

void strip_each(Nest *nest, Val low, Val high, int lanes, StripBody *body, void *user) {
  bool halves = nest->size == CODE_FAST;
  for (; lanes >= 1; lanes = halves && lanes > NARROWEST ? lanes / 2 : lanes > 1 ? 1 : 0) {
    Val whole = strip_whole(nest, low, high, lanes);
    if (!strip_is_empty(low, whole))
      FOR (nest, i, low, whole, lanes) body(user, i, lanes);
    low = whole;
  }
}

void strip_blocks(Nest *nest, Val low, Val high, int vectors, int lanes, StripBlock *block,
                  void *user) {
  if (nest->size != CODE_FAST) vectors = 1;
  const struct {
    int vectors, lanes;
  } shapes[] = {{vectors, lanes}, {1, lanes}, {1, 1}};
  for (int i = 0; i < 3; i++) {
    if (i && shapes[i].vectors * shapes[i].lanes == shapes[i - 1].vectors * shapes[i - 1].lanes)
      continue;
    int64_t step = (int64_t)shapes[i].vectors * shapes[i].lanes;
    Val whole = strip_whole(nest, low, high, step);
    if (!strip_is_empty(low, whole))
      FOR (nest, at, low, whole, step) block(user, at, shapes[i].vectors, shapes[i].lanes);
    low = whole;
  }
}

enum { PARTIAL_SUMS = 4 };

// Combines into sums[0 .. count) over [low, high) in steps of count vectors.
static void reduce_run(Nest *nest, Val low, Val high, int lanes, int count, Val *sums,
                       Combine combine, StripTerm *term, void *user) {
  if (strip_is_empty(low, high)) return;
  Loop loop = nest_loop_begin(nest, low, high, nest_const(nest, (int64_t)count * lanes));
  for (int i = 0; i < count; i++) nest_carry(nest, &loop, sums[i]);
  for (int i = 0; i < count; i++) {
    Val at = nest_add(nest, loop.index, nest_const(nest, (int64_t)i * lanes));
    nest_carry_next(&loop, i, combine(nest, loop.carried[i], term(user, at, lanes)));
  }
  nest_loop_end(nest, &loop);
  for (int i = 0; i < count; i++) sums[i] = loop.carried[i];
}

// Vectors over [low, high), a multiple of `lanes`, into a scalar.
static Val reduce_vectors(Nest *nest, Val low, Val high, int lanes, Val start, Combine combine,
                          StripTerm *term, void *user) {
  int count = nest->size == CODE_FAST ? PARTIAL_SUMS : 1;
  Val sums[PARTIAL_SUMS], wide = strip_whole(nest, low, high, (int64_t)count * lanes);
  for (int i = 0; i < count; i++) sums[i] = nest_splat(nest, start, lanes);
  reduce_run(nest, low, wide, lanes, count, sums, combine, term, user);
  if (count > 1) {
    sums[0] = combine(nest, combine(nest, sums[0], sums[1]), combine(nest, sums[2], sums[3]));
    reduce_run(nest, wide, high, lanes, 1, sums, combine, term, user);
  }
  return nest_reduce_lanes(nest, sums[0], combine);
}

Val strip_reduce(Nest *nest, Val low, Val high, int lanes, Val start, Combine combine,
                 StripTerm *term, void *user) {
  Val total = start;
  if (lanes > 1) {
    Val whole = strip_whole(nest, low, high, lanes);
    if (!strip_is_empty(low, whole))
      total = reduce_vectors(nest, low, whole, lanes, start, combine, term, user);
    low = whole;
    int halves = nest->size == CODE_FAST ? lanes / 2 : 0;
    for (int narrow = halves; narrow >= NARROWEST; narrow /= 2) {
      whole = strip_whole(nest, low, high, narrow);
      if (strip_is_empty(low, whole)) continue;
      Val rest = nest_splat(nest, start, narrow);
      reduce_run(nest, low, whole, narrow, 1, &rest, combine, term, user);
      total = combine(nest, total, nest_reduce_lanes(nest, rest, combine));
      low = whole;
    }
  }
  reduce_run(nest, low, high, 1, 1, &total, combine, term, user);
  return total;
}

// --- extremes

Val combine_max(Nest *nest, Val sum, Val x) { return nest_max(nest, x, sum); }
Val combine_min(Nest *nest, Val sum, Val x) { return nest_min(nest, x, sum); }

Val combine_max_nan(Nest *nest, Val sum, Val x) {
  return nest_select(nest, nest_compare_float(nest, LLVMRealUNO, x, x), x, nest_max(nest, x, sum));
}
Val combine_min_nan(Nest *nest, Val sum, Val x) {
  return nest_select(nest, nest_compare_float(nest, LLVMRealUNO, x, x), x, nest_min(nest, x, sum));
}
Val combine_umax(Nest *nest, Val sum, Val x) {
  return nest_select(nest, nest_compare(nest, LLVMIntUGT, x, sum), x, sum);
}
Val combine_umin(Nest *nest, Val sum, Val x) {
  return nest_select(nest, nest_compare(nest, LLVMIntULT, x, sum), x, sum);
}

Combine combine_extreme(ElementType element, bool maximum) {
  if (element_is_float(element)) return maximum ? combine_max_nan : combine_min_nan;
  if (element_is_signed(element)) return maximum ? combine_max : combine_min;
  return maximum ? combine_umax : combine_umin;
}

Val extreme_start(Nest *nest, ElementType element, bool maximum) {
  LLVMTypeRef type = kernel_arithmetic_type(nest, element);
  if (element_is_float(element)) return nest_real(type, maximum ? -INFINITY : INFINITY);
  int bits = element_info[element].bits;
  uint64_t half = UINT64_C(1) << (bits - 1);
  if (element == BOOL) return nest_int(type, !maximum);
  if (element_is_signed(element))
    return nest_int(type, maximum ? -(int64_t)(half - 1) - 1 : (int64_t)(half - 1));
  return nest_int(type, maximum ? 0 : (int64_t)(half | (half - 1)));
}

// --- dims

const Dim *view_extent_dim(Kernel *kernel, const Type *type, int from, int end) {
  DimTable *dims = kernel->node->graph->module->dims;
  const Dim *product = dim_constant(dims, 1);
  for (int i = from; i < end; i++) product = dim_mul(dims, product, type->dims[i]);
  return product;
}

Val view_extent(Kernel *kernel, const Type *type, int from, int end) {
  return kernel_dim(kernel, view_extent_dim(kernel, type, from, end));
}

// --- maths

static bool is_double(Nest *nest, Val x) {
  return LLVMTypeOf(x) == nest_vector(nest->f64, nest_lanes(x));
}

Val maths(Kernel *kernel, const char *name, Val x) {
  char text[64];
  snprintf(text, sizeof text, "tenon_%s_%s", name, is_double(kernel->nest, x) ? "f64" : "f32");
  return nest_library(kernel->nest, text, &x, 1);
}

Val maths_sqrt(Kernel *kernel, Val x) {
  Nest *nest = kernel->nest;
  LLVMTypeRef type = LLVMTypeOf(x);
  bool has = target_has(nest->target, TARGET_FPU) &&
             (!is_double(nest, x) || target_has(nest->target, TARGET_DOUBLE));
  return has ? nest_intrinsic(nest, "llvm.sqrt", &type, 1, &x, 1) : maths(kernel, "sqrt", x);
}

Val maths_abs(Nest *nest, Val x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return nest_intrinsic(nest, "llvm.fabs", &type, 1, &x, 1);
}

Val maths_pow(Kernel *kernel, Val x, double exponent) {
  Nest *nest = kernel->nest;
  if (exponent == 1) return x;
  if (exponent == 2) return nest_mul(nest, x, x);
  if (exponent == 0.5) return maths_sqrt(kernel, x);
  if (exponent == 0.75) {
    Val root = maths_sqrt(kernel, x);
    return nest_mul(nest, root, maths_sqrt(kernel, root));
  }
  Val by = nest_real(LLVMTypeOf(x), exponent);
  return nest_library(nest, is_double(nest, x) ? "tenon_pow_f64" : "tenon_pow_f32", (Val[]){x, by},
                      2);
}

LLVMTypeRef long_sum_type(Kernel *kernel, ElementType element) {
  Nest *nest = kernel->nest;
  return element == F64 || target_has(kernel->target, TARGET_DOUBLE) ? nest->f64 : nest->f32;
}

// --- integers

Val emit_requantize(Nest *nest, Val accumulator, double real_scale, const Type *to) {
  Requantization by = requantization_of(real_scale);
  int32_t low, high;
  quant_range(to->element, &low, &high);
  LLVMTypeRef wide = nest_vector(nest->i64, nest_lanes(accumulator));
  Val product = nest_mul(nest, nest_extend(nest, accumulator, nest->i64, true),
                         nest_int(wide, by.multiplier));
  Val rounded = nest_add(nest, product, nest_int(wide, INT64_C(1) << (by.shift - 1)));
  Val code = nest_add(nest, nest_ashr(nest, rounded, nest_int(wide, by.shift)),
                      nest_int(wide, to->quant->zero[0]));
  code = nest_min(nest, nest_max(nest, code, nest_int(wide, low)), nest_int(wide, high));
  return nest_extend(nest, code, kernel_arithmetic_type(nest, to->element), true);
}
