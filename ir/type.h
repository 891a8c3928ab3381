// Type: what a value is. A tensor type has an element type, dims and, for quantized values, the
// quantization parameters. Types are plain values; dims and quantization are interned or shared.
#ifndef TENON_IR_TYPE_H
#define TENON_IR_TYPE_H

#include "ir/dim.h"
#include "ir/element.h"

enum { MAX_RANK = 8 };

typedef enum TypeKind { TYPE_NONE, TYPE_TENSOR, TYPE_SEQUENCE, TYPE_OPTIONAL } TypeKind;

// real = scale[i] * (q - zero[i]); i = index along `axis`, or 0 for the whole tensor (axis -1).
typedef struct Quant {
  int axis;  // -1: per tensor
  int count; // of scales: 1, or the size of the axis
  const float *scale;
  const int32_t *zero;
} Quant;

// Tensors in a sequence or optional may differ: a dim that is not the same in all is NULL there, a
// rank ANY_RANK. NO_RANK: there is none so far.
enum { ANY_RANK = -1, NO_RANK = -2 };

typedef struct Type {
  TypeKind kind;
  ElementType element; // tensor
  int rank;            // tensor
  const Dim *dims[MAX_RANK];
  const Quant *quant;       // NULL: plain values
  const struct Type *inner; // sequence, optional
} Type;

Type type_tensor(ElementType element, int rank, const Dim *const *dims);
Type type_static(DimTable *table, ElementType element, int rank, const int64_t *dims);
static inline Type type_with_element(Type type, ElementType element) {
  type.element = element;
  type.quant = NULL;
  return type;
}

// A sequence or an optional of `inner`, a tensor (as it is, in a list) or a sequence.
Type type_list(Arena *arena, TypeKind kind, Type inner);
static inline bool type_is_list(const Type *type) {
  return type->kind == TYPE_SEQUENCE || type->kind == TYPE_OPTIONAL;
}
// The tensor type of a list's elements, also of an optional sequence.
const Type *type_element(const Type *list);
// The narrowest type of a list that holds what both can hold; false: their element types or kinds
// differ.
bool type_join(Arena *arena, const Type *a, const Type *b, Type *joined);
bool type_includes(const Type *wide,
                   const Type *narrow);             // every value of the one is one of the other
bool type_equal(const Type *a, const Type *b);      // the same dims and quantization too
bool type_same_shape(const Type *a, const Type *b); // rank and dims
bool quant_equal(const Quant *a, const Quant *b);
bool type_is_static(const Type *type);                    // all dims are constants
const Dim *type_count(DimTable *table, const Type *type); // number of elements
// Number of elements / packed bytes at the upper bounds; false if unbounded or too large.
bool type_max_count(const Type *type, int64_t *count);
bool type_max_bytes(const Type *type, int64_t *bytes);
// Dim of a static type; asserts that it is constant.
int64_t type_dim(const Type *type, int axis);
// "f32[1,N,3] quant(scale=0.5, zero=128)".
const char *type_text(Arena *arena, const Type *type);
const char *type_shape_text(Arena *arena, const Type *type); // "[1,N,3]"

#endif
