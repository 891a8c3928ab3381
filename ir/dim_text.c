// Dims as text, which dim_parse reads.
#include <stdio.h>
#include <stdlib.h>

#include "ir/dim.h"

static void print_dim(FILE *out, const Dim *dim);

static void print_atom(FILE *out, const Atom *atom) {
  if (atom->kind == ATOM_SYMBOL) {
    fputs(atom->name, out);
    return;
  }
  fputs(atom->kind == ATOM_FLOORDIV ? "div(" : atom->kind == ATOM_MIN ? "min(" : "max(", out);
  print_dim(out, atom->left);
  fputc(',', out);
  print_dim(out, atom->right);
  fputc(')', out);
}

static void print_dim(FILE *out, const Dim *dim) {
  if (!dim_term_count(dim)) fputc('0', out);
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    int64_t coefficient = term->coefficient;
    if (i && coefficient >= 0) fputc('+', out);
    if (!term->atom_count || (coefficient != 1 && coefficient != -1)) {
      fprintf(out, "%lld", (long long)coefficient);
      if (term->atom_count) fputc('*', out);
    } else if (coefficient == -1) {
      fputc('-', out);
    }
    for (int k = 0; k < term->atom_count; k++) {
      if (k) fputc('*', out);
      print_atom(out, term->atoms[k]);
    }
  }
}

const char *dim_text(Arena *arena, const Dim *dim) {
  char *buffer = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&buffer, &size);
  if (!out) machine_failed("out of memory");
  print_dim(out, dim);
  fclose(out);
  char *text = arena_strdup(arena, buffer);
  free(buffer);
  return text;
}
