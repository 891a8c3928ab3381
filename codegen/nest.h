// Nest: a thin layer over the LLVM C API in which kernels read like the loop nest they are.
//
// `FOR` is a loop of the generated program, `for` is a loop of the compiler (it unrolls). A bound,
// a stride, an index is a Val: a constant where the dim is known, an argument where it is not;
// LLVM's builder folds constants, so static shapes lose nothing. Only nest.c knows about basic
// blocks.
//
// Index arithmetic is done in `index`, the pointer-sized integer type. Lanes: a Val is a scalar or
// a vector of `lanes` elements; vector operations take operands of equal type.
#ifndef TENON_CODEGEN_NEST_H
#define TENON_CODEGEN_NEST_H

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stdint.h>

#include "ir/target.h"
#include "ir/type.h"

typedef LLVMValueRef Val;

// What matters of a function: cycles, bytes with cycles in view (-Os), or bytes alone (what runs
// once, or hardly ever).
typedef enum CodeSize { CODE_FAST, CODE_SHORT, CODE_SHORTEST } CodeSize;

typedef struct Nest {
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  Val function;         // being built
  CodeSize size, least; // of functions that begin from here on; of those that any kernel may share
  const Target *target;
  LLVMTypeRef f32, f64, i1, i8, i16, i32, i64, index, pointer, nothing;
  Arena *arena;
  LLVMBasicBlockRef failure; // of the function: returns the code in `failure_code`; NULL until used
  Val failure_code;
} Nest;

// A nest over `module` (of `context`) for `target`.
void nest_init(Nest *nest, LLVMContextRef context, LLVMModuleRef module, const Target *target,
               Arena *arena);
void nest_dispose(Nest *nest);

// --- types and constants
LLVMTypeRef nest_element_type(Nest *nest,
                              ElementType element); // how it lies in memory (f16: i16, bool: i8)
LLVMTypeRef nest_vector(LLVMTypeRef element, int lanes); // lanes 1: the element type itself
int nest_lanes(Val value);                               // 1 for scalars
bool nest_is_float(Val value);
Val nest_const(Nest *nest, int64_t value);     // index
Val nest_int(LLVMTypeRef type, int64_t value); // splat where type is a vector
Val nest_real(LLVMTypeRef type, double value); // likewise
Val nest_zero(LLVMTypeRef type);
bool nest_constant(Val value, int64_t *constant);  // is it a known integer?
Val nest_splat(Nest *nest, Val scalar, int lanes); // lanes 1: the scalar itself
Val nest_lane(Nest *nest, Val vector, int lane);
Val nest_set_lane(Nest *nest, Val vector, Val scalar, int lane);
Val nest_shuffle(Nest *nest, Val a, Val b, const int *lanes, int count);

// --- arithmetic; integer or float by the operands' type. Float: may contract a*b+c, never assumes
// the absence of NaN, infinities or signed zeros.
Val nest_add(Nest *nest, Val a, Val b);
Val nest_sub(Nest *nest, Val a, Val b);
Val nest_mul(Nest *nest, Val a, Val b);
Val nest_div(Nest *nest, Val a, Val b); // float
Val nest_fma(Nest *nest, Val a, Val b,
             Val c); // a * b + c, fused where the row has it; integers too
Val nest_neg(Nest *nest, Val a);
// Unsigned sum and product; *overflow (i1, NULL: nothing so far) becomes true where they do not
// fit.
Val nest_add_checked(Nest *nest, Val a, Val b, Val *overflow);
Val nest_mul_checked(Nest *nest, Val a, Val b, Val *overflow);
Val nest_udiv(Nest *nest, Val a, Val b); // unsigned (index arithmetic)
Val nest_urem(Nest *nest, Val a, Val b);
Val nest_min(Nest *nest, Val a, Val b); // signed integers; floats: a < b ? a : b (NaN gives b)
Val nest_max(Nest *nest, Val a, Val b); // likewise a > b ? a : b
Val nest_umin(Nest *nest, Val a, Val b);
Val nest_select(Nest *nest, Val condition, Val a, Val b);
Val nest_compare(Nest *nest, LLVMIntPredicate predicate, Val a, Val b);
Val nest_compare_float(Nest *nest, LLVMRealPredicate predicate, Val a, Val b);
Val nest_and(Nest *nest, Val a, Val b);
Val nest_or(Nest *nest, Val a, Val b);
Val nest_xor(Nest *nest, Val a, Val b);
Val nest_shl(Nest *nest, Val a, Val b);
Val nest_ashr(Nest *nest, Val a, Val b);
Val nest_lshr(Nest *nest, Val a, Val b);
// Conversions keep the lanes; `to` is a scalar type.
Val nest_extend(Nest *nest, Val value, LLVMTypeRef to, bool is_signed); // or truncates: by width
Val nest_to_float(Nest *nest, Val value, LLVMTypeRef to, bool is_signed);
Val nest_to_int(Nest *nest, Val value, LLVMTypeRef to, bool is_signed); // toward zero, saturating
Val nest_float_width(Nest *nest, Val value, LLVMTypeRef to);            // f32 <-> f64
Val nest_bits(Nest *nest, Val value, LLVMTypeRef to);                   // bit cast, whole type
// Combines the lanes of a vector into a scalar, pairwise.
Val nest_reduce_lanes(Nest *nest, Val vector, Val (*combine)(Nest *, Val, Val));
// An LLVM intrinsic by name with overload types; a wrong list is caught by an assert.
Val nest_intrinsic(Nest *nest, const char *name, LLVMTypeRef *overloads, int overload_count,
                   Val *arguments, int count);
// A function of runtime/kernels: "tenon_exp_f32" on 8 lanes is tenon_exp_f32x8. Vectors wider than
// any version are split; lane counts without a version go lane by lane.
Val nest_library(Nest *nest, const char *name, Val *arguments, int count);

// --- memory; `offset` counts elements of `element`
Val nest_address(Nest *nest, Val pointer, LLVMTypeRef element, Val offset);
Val nest_byte_address(Nest *nest, Val pointer, Val offset);          // the same for bytes
Val nest_load(Nest *nest, LLVMTypeRef type, Val address, int align); // align 0: of the element
void nest_store(Nest *nest, Val value, Val address, int align);
// The first `count` lanes (0 < count < lanes), the rest zero; other memory is not touched.
Val nest_load_lanes(Nest *nest, LLVMTypeRef type, Val address, Val count);
void nest_store_lanes(Nest *nest, Val value, Val address, Val count);
Val nest_local(Nest *nest, LLVMTypeRef type, int64_t count, int align); // stack, entry block
void nest_copy(Nest *nest, Val to, Val from, Val bytes);                // never a library call

// --- control
enum { MAX_CARRIED = 96 };
typedef struct Loop {
  Val index, low, high, step;
  LLVMBasicBlockRef header, body, exit;
  Val carried[MAX_CARRIED]; // phis; after nest_loop_end: the final values
  Val next[MAX_CARRIED];
  LLVMBasicBlockRef entry;
  int carried_count;
  int unroll; // turns that LLVM makes one; 1: it stays as it is, 0: LLVM decides
} Loop;
// for (index = low; index < high; index += step), possibly no turn (signed comparison).
Loop nest_loop_begin(Nest *nest, Val low, Val high, Val step);
// A value carried from turn to turn; to be declared before anything else of the body. Returns its
// number.
int nest_carry(Nest *nest, Loop *loop, Val initial);
void nest_carry_next(Loop *loop, int which, Val next);
void nest_loop_end(Nest *nest, Loop *loop);
// A loop that ends by a condition: between nest_while_begin and nest_while come nest_carry and what
// the condition needs; the index counts turns from 0. Ends with nest_loop_end.
Loop nest_while_begin(Nest *nest, LLVMTypeRef index);
void nest_while(Nest *nest, Loop *loop, Val condition);
// The loop variable of FOR(nest, i, ..) is the Val i, its Loop i_loop.
#define FOR(nest, name, low, high, step)                                                           \
  for (Loop name##_loop = nest_loop_begin((nest), (low), (high), nest_const((nest), (step))),      \
            *name##_once = &name##_loop;                                                           \
       name##_once; nest_loop_end((nest), &name##_loop), name##_once = NULL)                       \
    for (Val name = name##_loop.index; name; name = NULL)

typedef struct Branch {
  LLVMBasicBlockRef otherwise, join, then_end, else_end;
} Branch;
Branch nest_if(Nest *nest, Val condition);
void nest_else(Nest *nest, Branch *branch);
void nest_end_if(Nest *nest, Branch *branch);
// Behind nest_end_if of a branch with both sides: the one's value or the other's.
Val nest_merge(Nest *nest, const Branch *branch, Val then, Val otherwise);
// Leaves the kernel's function with `code` if the condition holds (only in fallible kernels).
void nest_fail_if(Nest *nest, Val condition, int code);

// --- functions
// An internal function `name`; the builder moves into it. nounwind, with the row's cpu and
// features. Returns the function; parameters by LLVMGetParam.
Val nest_function_begin(Nest *nest, const char *name, LLVMTypeRef result, LLVMTypeRef *parameters,
                        int count);
void nest_function_end(Nest *nest, Val result); // result NULL: void
// Attributes of parameter `index` (1-based; 0: result, -1: function).
void nest_attribute(Nest *nest, Val function, int index, const char *name, uint64_t value);
void nest_string_attribute(Nest *nest, Val function, const char *name, const char *value);

#endif
