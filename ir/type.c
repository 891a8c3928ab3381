// Types and their text.
#include "ir/type.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/number.h"

Type type_tensor(ElementType element, int rank, const Dim *const *dims) {
  assert(rank >= 0 && rank <= MAX_RANK && "rank is checked where it comes from a file");
  Type type = {.kind = TYPE_TENSOR, .element = element, .rank = rank};
  for (int i = 0; i < rank; i++) type.dims[i] = dims[i];
  return type;
}

Type type_static(DimTable *table, ElementType element, int rank, const int64_t *dims) {
  const Dim *interned[MAX_RANK] = {0};
  assert(rank >= 0 && rank <= MAX_RANK && "rank is checked where it comes from a file");
  for (int i = 0; i < rank; i++) interned[i] = dim_constant(table, dims[i]);
  return type_tensor(element, rank, interned);
}

bool quant_equal(const Quant *a, const Quant *b) {
  if (a == b) return true;
  if (!a || !b || a->axis != b->axis || a->count != b->count) return false;
  return !memcmp(a->scale, b->scale, (size_t)a->count * sizeof *a->scale) &&
         !memcmp(a->zero, b->zero, (size_t)a->count * sizeof *a->zero);
}

bool type_same_shape(const Type *a, const Type *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->dims[i] != b->dims[i]) return false;
  return true;
}

bool type_equal(const Type *a, const Type *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == TYPE_TENSOR)
    return a->element == b->element && type_same_shape(a, b) && quant_equal(a->quant, b->quant);
  return a->kind == TYPE_NONE || type_equal(a->inner, b->inner);
}

// --- lists

static Type listed(Type tensor) {
  tensor.quant = NULL;
  for (int i = 0; i < tensor.rank; i++)
    if (tensor.dims[i] && !dim_is_constant(tensor.dims[i], NULL)) tensor.dims[i] = NULL;
  return tensor;
}

Type type_list(Arena *arena, TypeKind kind, Type inner) {
  Type *kept = NEW(arena, Type);
  *kept = inner.kind == TYPE_TENSOR ? listed(inner) : inner;
  return (Type){.kind = kind, .inner = kept};
}

const Type *type_element(const Type *list) {
  while (type_is_list(list)) list = list->inner;
  return list;
}

static bool join_tensors(const Type *a, const Type *b, Type *joined) {
  if (a->element != b->element) return false;
  *joined = a->rank == NO_RANK ? *b : *a;
  if (a->rank == NO_RANK || b->rank == NO_RANK) return true;
  if (a->rank != b->rank) joined->rank = ANY_RANK;
  for (int i = 0; i < joined->rank; i++)
    if (a->dims[i] != b->dims[i]) joined->dims[i] = NULL;
  return true;
}

bool type_join(Arena *arena, const Type *a, const Type *b, Type *joined) {
  if (a->kind != b->kind) return false;
  if (a->kind == TYPE_TENSOR) return join_tensors(a, b, joined);
  Type inner;
  if (!type_is_list(a) || !type_join(arena, a->inner, b->inner, &inner)) return false;
  *joined = type_list(arena, a->kind, inner);
  return true;
}

static bool includes_tensor(const Type *wide, const Type *narrow) {
  if (wide->element != narrow->element) return false;
  if (narrow->rank == NO_RANK || wide->rank == ANY_RANK) return true;
  if (wide->rank != narrow->rank) return false;
  for (int i = 0; i < wide->rank; i++)
    if (wide->dims[i] && wide->dims[i] != narrow->dims[i]) return false;
  return true;
}

bool type_includes(const Type *wide, const Type *narrow) {
  if (wide->kind != narrow->kind) return false;
  if (wide->kind == TYPE_TENSOR) return includes_tensor(wide, narrow);
  return type_is_list(wide) && type_includes(wide->inner, narrow->inner);
}

bool type_is_static(const Type *type) {
  if (type->kind != TYPE_TENSOR) return false;
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i], NULL)) return false;
  return true;
}

const Dim *type_count(DimTable *table, const Type *type) {
  const Dim *count = dim_constant(table, 1);
  for (int i = 0; i < type->rank; i++) count = dim_mul(table, count, type->dims[i]);
  return count;
}

bool type_max_count(const Type *type, int64_t *count) {
  int64_t product = 1;
  bool empty = false;
  for (int i = 0; i < type->rank; i++) empty |= dim_high(type->dims[i]) <= 0;
  for (int i = 0; i < type->rank && !empty; i++) {
    int64_t high = dim_high(type->dims[i]);
    if (high == DIM_UNBOUNDED || __builtin_mul_overflow(product, high, &product)) return false;
  }
  *count = empty ? 0 : product;
  return true;
}

bool type_max_bytes(const Type *type, int64_t *bytes) {
  int64_t count;
  return type->kind == TYPE_TENSOR && type_max_count(type, &count) &&
         element_bytes(type->element, count, bytes);
}

int64_t type_dim(const Type *type, int axis) { return dim_value(type->dims[axis]); }

static void print_quant(FILE *out, const Quant *quant) {
  fputs(" quant(", out);
  if (quant->axis >= 0) fprintf(out, "axis=%d, ", quant->axis);
  fputs("scale=", out);
  if (quant->count != 1) fputc('[', out);
  for (int i = 0; i < quant->count; i++) {
    char buffer[NUMBER_TEXT];
    float_text(buffer, quant->scale[i]);
    fprintf(out, "%s%s", i ? ", " : "", buffer);
  }
  fputs(quant->count != 1 ? "], zero=[" : ", zero=", out);
  for (int i = 0; i < quant->count; i++) fprintf(out, "%s%d", i ? ", " : "", quant->zero[i]);
  fputs(quant->count != 1 ? "])" : ")", out);
}

static void print_shape(FILE *out, Arena *arena, const Type *type) {
  fputc('[', out);
  if (type->rank < 0) fputc(type->rank == ANY_RANK ? '*' : '-', out);
  for (int i = 0; i < type->rank; i++)
    fprintf(out, "%s%s", i ? "," : "", type->dims[i] ? dim_text(arena, type->dims[i]) : "?");
  fputc(']', out);
}

static void print_type(FILE *out, Arena *arena, const Type *type) {
  switch (type->kind) {
  case TYPE_NONE: fputs("none", out); return;
  case TYPE_TENSOR:
    fputs(element_info[type->element].text, out);
    print_shape(out, arena, type);
    if (type->quant) print_quant(out, type->quant);
    return;
  case TYPE_SEQUENCE:
  case TYPE_OPTIONAL:
    fputs(type->kind == TYPE_SEQUENCE ? "sequence(" : "optional(", out);
    print_type(out, arena, type->inner);
    fputc(')', out);
    return;
  }
}

static const char *text_of(Arena *arena, const Type *type,
                           void (*print)(FILE *, Arena *, const Type *)) {
  char *buffer = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&buffer, &size);
  if (!out) machine_failed("out of memory");
  print(out, arena, type);
  fclose(out);
  char *text = arena_strndup(arena, buffer, size);
  free(buffer);
  return text;
}

const char *type_text(Arena *arena, const Type *type) { return text_of(arena, type, print_type); }
const char *type_shape_text(Arena *arena, const Type *type) {
  return text_of(arena, type, print_shape);
}
