// What code has computed already of the parts that dims share. Written out as trees, dims that
// build on each other layer by layer would grow exponentially.
#ifndef TENON_CODEGEN_KNOWN_ATOMS_H
#define TENON_CODEGEN_KNOWN_ATOMS_H

#include "codegen/nest.h"
#include "ir/dim.h"

typedef struct KnownAtoms {
  struct KnownAtom {
    const Atom *atom;
    Val value;
  } *items;
  int count, capacity;
} KnownAtoms;

// NULL: not computed yet.
static inline Val known_atom(const KnownAtoms *known, const Atom *atom) {
  for (int i = 0; i < known->count; i++)
    if (known->items[i].atom == atom) return known->items[i].value;
  return NULL;
}

static inline Val known_atom_add(KnownAtoms *known, Arena *arena, const Atom *atom, Val value) {
  struct KnownAtom made = {atom, value};
  ARENA_PUSH(arena, known->items, known->count, known->capacity, made);
  return value;
}

#endif
