// Places behind the planned part of the workspace: their offsets, from the dims of a run. Sizes
// come from outside, so that every sum and product is checked.
#include "codegen/internal.h"
#include "codegen/known_atoms.h"

typedef struct Sizes {
  Compiled *compiled;
  Frame *frame;
  Val overflow; // some size does not fit, or is no size; NULL: none so far
  KnownAtoms atoms;
} Sizes;

static void note(Sizes *s, Val wrong) {
  s->overflow = s->overflow ? nest_or(s->frame->nest, s->overflow, wrong) : wrong;
}

static Val add(Sizes *s, Val a, Val b) {
  return nest_add_checked(s->frame->nest, a, b, &s->overflow);
}

static Val size_of(Sizes *s, const Dim *dim);

static Val compute_atom(Sizes *s, const Atom *atom) {
  Nest *nest = s->frame->nest;
  Val left = size_of(s, atom->left), right = size_of(s, atom->right);
  Val more = nest_compare(nest, LLVMIntUGT, left, right);
  if (atom->kind == ATOM_MIN) return nest_select(nest, more, right, left);
  if (atom->kind == ATOM_MAX) return nest_select(nest, more, left, right);
  Val none = nest_compare(nest, LLVMIntEQ, right, nest_const(nest, 0));
  note(s, none);
  return nest_udiv(nest, left, nest_select(nest, none, nest_const(nest, 1), right));
}

static Val atom_size(Sizes *s, const Atom *atom) {
  if (atom->kind == ATOM_SYMBOL) return s->frame->symbols[atom->index];
  Val size = known_atom(&s->atoms, atom);
  return size ? size : known_atom_add(&s->atoms, s->compiled->arena, atom, compute_atom(s, atom));
}

static Val term_size(Sizes *s, const DimTerm *term) {
  Nest *nest = s->frame->nest;
  uint64_t magnitude =
      term->coefficient < 0 ? -(uint64_t)term->coefficient : (uint64_t)term->coefficient;
  if (nest->target->pointer_bits == 32 && magnitude > UINT32_MAX) note(s, nest_int(nest->i1, 1));
  Val product = nest_const(nest, (int64_t)magnitude);
  for (int i = 0; i < term->atom_count; i++)
    product = nest_mul_checked(nest, product, atom_size(s, term->atoms[i]), &s->overflow);
  return product;
}

// A dim that is less than nothing is no size. Inside of max() it may be: there it counts as
// nothing.
static Val size_of(Sizes *s, const Dim *dim) {
  Nest *nest = s->frame->nest;
  Val sum = nest_const(nest, 0), less = NULL;
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    Val size = term_size(s, term);
    if (term->coefficient >= 0)
      sum = add(s, sum, size);
    else
      less = less ? add(s, less, size) : size;
  }
  if (!less) return sum;
  Val below = nest_compare(nest, LLVMIntULT, sum, less);
  return nest_select(nest, below, nest_const(nest, 0), nest_sub(nest, sum, less));
}

Val emit_checked_bytes(Compiled *compiled, Frame *frame, const Type *type, Val *overflow) {
  DimTable *dims = compiled->module->dims;
  Sizes s = {.compiled = compiled, .frame = frame, .overflow = *overflow};
  int bits = element_info[type->element].bits;
  const Dim *count = type_count(dims, type), *bytes = dim_mul_int(dims, count, bits / 8);
  if (bits % 8) bytes = dim_ceildiv(dims, dim_mul_int(dims, count, bits), dim_constant(dims, 8));
  Val result = size_of(&s, bytes);
  *overflow = s.overflow;
  return result;
}

static Val rounded_up(Sizes *s, Val bytes) {
  Nest *nest = s->frame->nest;
  int64_t align = target_alignment(nest->target);
  return nest_and(nest, add(s, bytes, nest_const(nest, align - 1)), nest_const(nest, -align));
}

static Val most(Nest *nest, Val a, Val b) {
  return nest_select(nest, nest_compare(nest, LLVMIntUGT, a, b), a, b);
}

Val emit_open_places(Compiled *compiled, Frame *frame, Val *too_large) {
  const Graph *graph = compiled->module->main;
  Nest *nest = frame->nest;
  int64_t align = target_alignment(nest->target);
  Sizes s = {.compiled = compiled, .frame = frame};
  Val base = nest_const(nest, (graph->workspace_bytes + align - 1) / align * align), total = base;
  frame->open = NEW_ARRAY(compiled->arena, Val, graph->open_count + 1);
  Val *ends = NEW_ARRAY(compiled->arena, Val, graph->open_count + 1);
  for (int i = 0; i < graph->open_count; i++) {
    const OpenPlace *place = &graph->open[i];
    Val offset = base;
    for (int k = 0; k < place->below_count; k++) offset = most(nest, offset, ends[place->below[k]]);
    frame->open[i] = offset;
    ends[i] = add(&s, offset, rounded_up(&s, size_of(&s, place->bytes)));
    total = most(nest, total, ends[i]);
  }
  *too_large = s.overflow;
  return graph->open_count ? total : nest_const(nest, graph->workspace_bytes);
}
