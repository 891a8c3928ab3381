// Einsum: two operands at a time become one batched matrix product.
#include <ctype.h>
#include <string.h>

#include "frontend/import.h"

enum { ELLIPSIS = 128, LABELS = ELLIPSIS + MAX_RANK };

// A tensor whose axes have labels: letters, or ELLIPSIS + i for the i-th axis from the end of
// `...`.
typedef struct Term {
  Value *value;
  int labels[MAX_RANK + 1], count;
} Term;

static bool has_label(const Term *term, int label) {
  for (int i = 0; i < term->count; i++)
    if (term->labels[i] == label) return true;
  return false;
}

// Reads the labels up to `,`, `-` or the end. rank -1: an ellipsis stands for `dots` axes.
static bool read_labels(OnnxNode *node, const char **text, int rank, int dots, Term *term) {
  int letters = 0;
  const char *at;
  for (at = *text; *at && *at != ',' && *at != '-'; at++)
    letters += isalpha((unsigned char)*at) != 0;
  if (rank >= 0) dots = rank - letters;
  term->count = 0;
  for (; *text < at; (*text)++) {
    if (isspace((unsigned char)**text)) continue;
    if (isalpha((unsigned char)**text)) {
      if (term->count < MAX_RANK) term->labels[term->count++] = **text;
    } else if (strncmp(*text, "...", 3) == 0) {
      for (int i = dots - 1; i >= 0 && term->count < MAX_RANK; i--)
        term->labels[term->count++] = ELLIPSIS + i;
      *text += 2;
    } else
      return onnx_error(node, "the equation is not understood at '%s'", *text);
  }
  return rank < 0 || term->count == rank ||
         onnx_error(node, "%d labels for an operand of rank %d", term->count, rank);
}

static Value *permute(OnnxNode *node, Term *term, const int *order) {
  int64_t perm[MAX_RANK];
  int labels[MAX_RANK];
  for (int i = 0; i < term->count; i++) perm[i] = order[i], labels[i] = term->labels[order[i]];
  memcpy(term->labels, labels, sizeof(int) * (size_t)term->count);
  return term->value = term->value ? build_transpose(&node->builder, term->value, perm) : NULL;
}

// [.., n, n] -> [.., n]: of the two axes as one, every (n+1)-th element. Where only a run knows n,
// n more elements make it rows of n + 1, whose first column it is.
static Value *diagonal(OnnxNode *node, Value *x) {
  Importer *importer = node->importer;
  int last = x->type.rank - 2;
  const Dim *dims[MAX_RANK], *pads[2 * MAX_RANK], *n = x->type.dims[last + 1];
  const Dim *zero = import_dim(importer, 0), *one = import_dim(importer, 1);
  int64_t size;
  for (int i = 0; i < last; i++) dims[i] = x->type.dims[i];
  dims[last] = dim_mul(importer->dims, n, n);
  Value *flat = build_reshape(&node->builder, x, last + 1, dims);
  if (flat && dim_is_constant(n, &size))
    return build_slice_axis(&node->builder, flat, last, zero, n, size + 1);
  for (int i = 0; i < 2 * (last + 1); i++) pads[i] = zero;
  pads[2 * last + 1] = dims[last] = n;
  dims[last + 1] = dim_add(importer->dims, n, one);
  Value *more = flat ? onnx_pad(node, flat, pads, "constant", NULL) : NULL;
  Value *rows = more ? build_reshape(&node->builder, more, last + 2, dims) : NULL;
  Value *column = rows ? build_slice_axis(&node->builder, rows, last + 1, zero, one, 1) : NULL;
  return onnx_squeeze(node, column, (int64_t[]){last + 1}, 1);
}

// Two axes of one label keep their diagonal: they go last and become one.
static bool take_diagonals(OnnxNode *node, Term *term) {
  for (int i = 0; i < term->count; i++) {
    for (int k = i + 1; k < term->count; k++) {
      if (term->labels[i] != term->labels[k]) continue;
      int order[MAX_RANK], at = 0;
      for (int m = 0; m < term->count; m++)
        if (m != i && m != k) order[at++] = m;
      order[at++] = i;
      order[at] = k;
      if (!permute(node, term, order)) return false;
      term->value = diagonal(node, term->value);
      term->count--;
      if (!term->value) return false;
      i = -1;
      break;
    }
  }
  return true;
}

// Sums over the labels that nobody needs any more.
static bool sum_unneeded(OnnxNode *node, Term *term, const bool *needed) {
  int64_t axes[MAX_RANK];
  int count = 0, kept = 0;
  for (int i = 0; i < term->count; i++)
    if (!needed[term->labels[i]])
      axes[count++] = i;
    else
      term->labels[kept++] = term->labels[i];
  term->count = kept;
  if (count && term->value)
    term->value = build_reduce(&node->builder, OP_REDUCE_SUM, term->value, axes, count, false);
  return term->value != NULL;
}

static int find_label(const Term *term, int label) {
  for (int i = 0; i < term->count; i++)
    if (term->labels[i] == label) return i;
  return -1;
}

// The axes of some labels as one, in the order of `labels`; dims of size 1 are widened to `sizes`.
typedef struct Group {
  int labels[MAX_RANK], count;
  const Dim *sizes[MAX_RANK];
} Group;

static const Dim *group_size(OnnxNode *node, const Group *group) {
  const Dim *total = import_dim(node->importer, 1);
  for (int i = 0; i < group->count; i++)
    total = dim_mul(node->importer->dims, total, group->sizes[i]);
  return total;
}

// [batch, first, second], each flattened.
static Value *as_matrices(OnnxNode *node, Term *term, const Group *batch, const Group *first,
                          const Group *second) {
  const Group *groups[3] = {batch, first, second};
  int order[MAX_RANK], at = 0;
  const Dim *wide[MAX_RANK], *flat[3];
  for (int g = 0; g < 3; g++) {
    for (int i = 0; i < groups[g]->count; i++) {
      order[at] = find_label(term, groups[g]->labels[i]);
      wide[at++] = groups[g]->sizes[i];
    }
    flat[g] = group_size(node, groups[g]);
  }
  Value *moved = permute(node, term, order);
  if (!moved) return NULL;
  bool same = true;
  for (int i = 0; i < at; i++) same &= moved->type.dims[i] == wide[i];
  if (!same) moved = build_expand(&node->builder, moved, at, wide);
  return moved ? build_reshape(&node->builder, moved, 3, flat) : NULL;
}

static void add_to_group(Group *group, int label, const Dim *a, const Dim *b) {
  group->labels[group->count] = label;
  group->sizes[group->count++] = b && dim_is(a, 1) ? b : a;
}

// needed: by later operands or the result.
static bool multiply(OnnxNode *node, Term *a, Term *b, const bool *needed, Term *result) {
  Group batch = {.count = 0}, left = {.count = 0}, right = {.count = 0}, inner = {.count = 0};
  for (int i = 0; i < a->count; i++) {
    int other = find_label(b, a->labels[i]);
    const Dim *size = a->value->type.dims[i],
              *other_size = other >= 0 ? b->value->type.dims[other] : NULL;
    add_to_group(other < 0              ? &left
                 : needed[a->labels[i]] ? &batch
                                        : &inner,
                 a->labels[i], size, other_size);
  }
  for (int i = 0; i < b->count; i++)
    if (!has_label(a, b->labels[i]))
      add_to_group(&right, b->labels[i], b->value->type.dims[i], NULL);
  if (batch.count + left.count + right.count > MAX_RANK)
    return onnx_error(node, "a product of rank %d", batch.count + left.count + right.count);
  Value *x = as_matrices(node, a, &batch, &left, &inner),
        *y = as_matrices(node, b, &batch, &inner, &right);
  Value *product = x && y ? build_matmul(&node->builder, x, y, NULL) : NULL;
  const Group *groups[3] = {&batch, &left, &right};
  const Dim *dims[MAX_RANK];
  result->count = 0;
  for (int g = 0; g < 3; g++)
    for (int i = 0; i < groups[g]->count; i++) {
      dims[result->count] = groups[g]->sizes[i];
      result->labels[result->count++] = groups[g]->labels[i];
    }
  result->value = product ? build_reshape(&node->builder, product, result->count, dims) : NULL;
  return result->value != NULL;
}

// Without `->` the result has the labels that occur once, in alphabetical order, after the
// ellipsis.
static void implicit_output(const Term *terms, int count, int dots, Term *output) {
  output->count = 0;
  for (int i = dots - 1; i >= 0; i--) output->labels[output->count++] = ELLIPSIS + i;
  for (int label = 0; label < ELLIPSIS; label++) {
    int uses = 0;
    for (int i = 0; i < count; i++)
      for (int k = 0; k < terms[i].count; k++) uses += terms[i].labels[k] == label;
    if (uses == 1 && output->count < MAX_RANK) output->labels[output->count++] = label;
  }
}

static bool read_equation(OnnxNode *node, Term *terms, Term *output) {
  const char *text = onnx_string(node, "equation", "");
  int dots = 0;
  for (int i = 0; i < node->input_count; i++) {
    terms[i].value = onnx_input(node, i);
    if (!read_labels(node, &text, terms[i].value->type.rank, 0, &terms[i])) return false;
    int own = 0;
    for (int k = 0; k < terms[i].count; k++) own += terms[i].labels[k] >= ELLIPSIS;
    if (own > dots) dots = own;
    if (*text == ',' && i + 1 < node->input_count)
      text++;
    else if (i + 1 < node->input_count)
      return onnx_error(node, "the equation has too few operands");
  }
  if (strncmp(text, "->", 2) == 0) {
    text += 2;
    if (!read_labels(node, &text, -1, dots, output)) return false;
  } else
    implicit_output(terms, node->input_count, dots, output);
  return *text ? onnx_error(node, "the equation is not understood at '%s'", text) : true;
}

static void note_needed(const Term *terms, int first, int count, const Term *output, bool *needed) {
  memset(needed, 0, LABELS * sizeof *needed);
  for (int i = first; i < count; i++)
    for (int k = 0; k < terms[i].count; k++) needed[terms[i].labels[k]] = true;
  for (int k = 0; k < output->count; k++) needed[output->labels[k]] = true;
}

bool import_einsum(OnnxNode *node) {
  int count = node->input_count, order[MAX_RANK];
  bool needed[LABELS];
  if (!onnx_need_inputs(node, count > 0 ? count : 1)) return false;
  Term *terms = NEW_ARRAY(node->importer->arena, Term, count), output, total;
  if (!read_equation(node, terms, &output)) return false;
  for (int i = 0; i < count; i++)
    if (!take_diagonals(node, &terms[i])) return false;
  total = terms[0];
  for (int i = 1; i < count; i++) {
    Term product;
    note_needed(terms, i, count, &output, needed);
    if (!sum_unneeded(node, &total, needed)) return false;
    note_needed(terms, i + 1, count, &output, needed);
    for (int k = 0; k < total.count; k++) needed[total.labels[k]] = true;
    if (!sum_unneeded(node, &terms[i], needed)) return false;
    note_needed(terms, i + 1, count, &output, needed);
    if (!multiply(node, &total, &terms[i], needed, &product)) return false;
    total = product;
  }
  note_needed(terms, count, count, &output, needed);
  if (!sum_unneeded(node, &total, needed)) return false;
  for (int i = 0; i < output.count; i++) {
    order[i] = find_label(&total, output.labels[i]);
    if (order[i] < 0)
      return onnx_error(node, "the result has the label '%c', which no operand has",
                        output.labels[i]);
  }
  if (total.count != output.count) return onnx_error(node, "the result has a label twice");
  return onnx_output(node, 0, permute(node, &total, order));
}
