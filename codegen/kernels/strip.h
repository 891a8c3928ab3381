// Strips: lines of elements in whole vectors, what is left one by one; and sums along them.
#ifndef TENON_CODEGEN_KERNELS_STRIP_H
#define TENON_CODEGEN_KERNELS_STRIP_H

#include "codegen/kernel.h"

typedef Val (*Combine)(Nest *nest, Val a, Val b);

// True if low and high are known and the range is empty.
bool strip_is_empty(Val low, Val high);
// low + the largest multiple of `step` elements that fits into [low, high).
Val strip_whole(Nest *nest, Val low, Val high, int64_t step);

// Calls body for [low, high): a loop with `lanes` elements a turn, then one with single elements.
typedef void StripBody(void *user, Val at, int lanes);
void strip_each(Nest *nest, Val low, Val high, int lanes, StripBody *body, void *user);
// As strip_each, in blocks: a loop over blocks of `vectors` vectors comes first.
typedef void StripBlock(void *user, Val at, int vectors, int lanes);
void strip_blocks(Nest *nest, Val low, Val high, int vectors, int lanes, StripBlock *block,
                  void *user);

// Combines term(at) over [low, high) into a scalar: four vectors side by side, so that neither
// latency nor rounding of one long chain counts (one where the code is to be short). `start`
// (scalar) must be neutral.
typedef Val StripTerm(void *user, Val at, int lanes);
Val strip_reduce(Nest *nest, Val low, Val high, int lanes, Val start, Combine combine,
                 StripTerm *term, void *user);

// Maximum and minimum that keep a NaN; unsigned ones; maximum of floats that takes no NaN.
Val combine_max_nan(Nest *nest, Val sum, Val x);
Val combine_min_nan(Nest *nest, Val sum, Val x);
Val combine_umax(Nest *nest, Val sum, Val x);
Val combine_umin(Nest *nest, Val sum, Val x);
Val combine_max(Nest *nest, Val sum, Val x); // x > sum ? x : sum
Val combine_min(Nest *nest, Val sum, Val x);
// The one for elements of this type.
Combine combine_extreme(ElementType element, bool maximum);
// The value that combine_extreme never chooses over another one, in arithmetic form.
Val extreme_start(Nest *nest, ElementType element, bool maximum);

// The product of dims [from, end) of a type, and its value.
const Dim *view_extent_dim(Kernel *kernel, const Type *type, int from, int end);
Val view_extent(Kernel *kernel, const Type *type, int from, int end);

// Maths on values in arithmetic form, f32 or f64 by their type; the instruction where the row has
// it.
Val maths(Kernel *kernel, const char *name, Val x); // tenon_<name>_f32 or _f64
Val maths_sqrt(Kernel *kernel, Val x);
Val maths_abs(Nest *nest, Val x);
Val maths_pow(Kernel *kernel, Val x, double exponent); // x >= 0

// f32 arithmetic in f64 where that is cheap: the type of long sums.
LLVMTypeRef long_sum_type(Kernel *kernel, ElementType element);

// accumulator (i32, any lanes) to codes of `to`: clamp(zero + (acc * m + 2^(s-1)) >> s), in the
// element's type.
Val emit_requantize(Nest *nest, Val accumulator, double real_scale, const Type *to);

#endif
