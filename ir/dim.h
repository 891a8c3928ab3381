// Dim: an interned, normalised integer expression; a dimension of a tensor type.
//
// A Dim is a sum of products: constant + sum of coefficient * atom * atom ..., where an atom is a
// symbol, a floordiv, a min or a max. Equal expressions are the same pointer, so `==` compares.
// Each carries a range that follows from the ranges of its symbols. Only dim_* look inside.
// Arithmetic saturates at the ends of int64_t: what is too large stays too large, and the checks
// of sizes (type_bytes) refuse it.
#ifndef TENON_IR_DIM_H
#define TENON_IR_DIM_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/arena.h"

typedef struct Dim Dim;
typedef struct DimTable DimTable;

#define DIM_UNBOUNDED INT64_MAX

// What an atom is; for walkers (printing, code generation).
typedef enum AtomKind { ATOM_SYMBOL, ATOM_FLOORDIV, ATOM_MIN, ATOM_MAX } AtomKind;

typedef struct Atom {
  AtomKind kind;
  int id;                  // order of creation in the table
  int index;               // symbol: its number among the symbols (dim_symbol_at)
  const char *name;        // symbol
  int64_t low, high;       // symbol: declared range (high = DIM_UNBOUNDED: none)
  const Dim *left, *right; // floordiv, min, max
} Atom;

// coefficient * atoms[0] * atoms[1] * ...; no atoms: the constant term.
typedef struct DimTerm {
  int64_t coefficient;
  int atom_count;
  const Atom *const *atoms;
} DimTerm;

DimTable *dim_table_create(Arena *arena);
int dim_symbol_count(const DimTable *table);
const Atom *dim_symbol_at(const DimTable *table, int index); // in order of creation

const Dim *dim_constant(DimTable *table, int64_t value);
// The symbol of that name, created at first use with range [0, unbounded].
const Dim *dim_symbol(DimTable *table, const char *name);
// A new symbol that no other has the name of ("base", "base_1", ...).
const Dim *dim_fresh_symbol(DimTable *table, const char *base, int64_t low, int64_t high);
// Narrows the declared range of a symbol; false if nothing is left or `symbol` is not a symbol.
// To be called before expressions of the symbol are made (ranges are computed at creation).
bool dim_symbol_range(DimTable *table, const Dim *symbol, int64_t low, int64_t high);

const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_floordiv(DimTable *table, const Dim *a, const Dim *b); // toward minus infinity
const Dim *dim_ceildiv(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_min(DimTable *table, const Dim *a, const Dim *b);
const Dim *dim_max(DimTable *table, const Dim *a, const Dim *b);
static inline const Dim *dim_add_int(DimTable *t, const Dim *a, int64_t b) {
  return dim_add(t, a, dim_constant(t, b));
}
static inline const Dim *dim_mul_int(DimTable *t, const Dim *a, int64_t b) {
  return dim_mul(t, a, dim_constant(t, b));
}

bool dim_is_constant(const Dim *dim, int64_t *value); // value may be NULL
int64_t dim_value(const Dim *dim);                    // asserts that it is constant
bool dim_is(const Dim *dim, int64_t value);
int64_t dim_low(const Dim *dim);
int64_t dim_high(const Dim *dim);            // DIM_UNBOUNDED: no upper bound
const char *dim_symbol_name(const Dim *dim); // NULL unless the dim is a lone symbol

int dim_term_count(const Dim *dim);
const DimTerm *dim_terms(const Dim *dim); // the constant term, if any, last

bool dim_mentions(const Dim *dim, const Atom *symbol); // is the symbol anywhere in the expression?

// Replaces each symbol s by replacement(user, s); a NULL result keeps the symbol. `to` may be
// another table: then kept symbols are looked up there by name.
const Dim *dim_substitute(DimTable *to, const Dim *dim,
                          const Dim *(*replacement)(void *user, const Atom *symbol), void *user);
// The value with symbol i of the table (dim_symbol_at) bound to values[i].
int64_t dim_evaluate(const Dim *dim, const int64_t *values);

// "N", "2*N+1", "div(H+1,2)", "min(N,8)"; readable by dim_parse.
const char *dim_text(Arena *arena, const Dim *dim);
// Parses what dim_text writes, from *text on; advances *text. NULL on a syntax error.
const Dim *dim_parse(DimTable *table, const char **text);

#endif
