// Ops that make or order indices: one_hot, range, top_k.
#include "ir/interpret_ops.h"
#include "ir/move.h"

#include <math.h>
#include <stdlib.h>

bool interpret_one_hot(Evaluation *e) {
  const Tensor *indices = &e->operands[0], *values = &e->operands[1];
  Tensor *y = &e->results[0];
  int64_t axis_attribute = node_int(e->node, ATTR_AXIS);
  int axis = (int)(axis_attribute < 0 ? axis_attribute + y->rank : axis_attribute);
  int64_t depth = y->dims[axis], inner = dims_product(y, axis + 1, y->rank),
          count = tensor_count(y);
  if (!check_count(e, 1, 2)) return false;
  for (int64_t i = 0; i < count; i++) {
    int64_t outer = i / inner / depth, at = i / inner % depth;
    int64_t index = element_load_int(indices->element, indices->data, outer * inner + i % inner);
    copy_elements(y->element, y->data, i, values->data, index == at, 1);
  }
  return true;
}

bool interpret_range(Evaluation *e) {
  const Tensor *start = &e->operands[0], *delta = &e->operands[1];
  Tensor *y = &e->results[0];
  ElementType element = y->element;
  if (!check_count(e, 0, 1) || !check_count(e, 1, 1)) return false;
  for (int64_t i = 0; i < y->dims[0]; i++) {
    if (element == F64) {
      element_store(element, y->data, i,
                    element_load(element, start->data, 0) +
                        (double)i * element_load(element, delta->data, 0));
    } else if (element_is_float(element)) { // arithmetic in f32
      float step = (float)i * (float)element_load(element, delta->data, 0);
      element_store(element, y->data, i,
                    (double)((float)element_load(element, start->data, 0) + step));
    } else {
      uint64_t step = (uint64_t)i * (uint64_t)element_load_int(element, delta->data, 0);
      element_store_int(element, y->data, i,
                        (int64_t)((uint64_t)element_load_int(element, start->data, 0) + step));
    }
  }
  return true;
}

// An element and where it stands; equal ones keep their order.
typedef struct Candidate {
  bool is_real;
  double real;
  int64_t integer; // biased for u64, so that signed comparison orders it
  int64_t index;
} Candidate;

// NaN counts as greater than everything else.
static int ascending(const Candidate *a, const Candidate *b) {
  if (!a->is_real) return (a->integer > b->integer) - (a->integer < b->integer);
  if (isnan(a->real) || isnan(b->real)) return !!isnan(a->real) - !!isnan(b->real);
  return (a->real > b->real) - (a->real < b->real);
}

static int smallest_first(const void *left, const void *right) {
  const Candidate *a = left, *b = right;
  int order = ascending(a, b);
  return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int largest_first(const void *left, const void *right) {
  const Candidate *a = left, *b = right;
  int order = ascending(b, a);
  return order ? order : (a->index > b->index) - (a->index < b->index);
}

static Candidate load_candidate(const Tensor *x, int64_t at, int64_t index) {
  Candidate candidate = {.is_real = element_is_float(x->element), .index = index};
  if (candidate.is_real)
    candidate.real = element_load(x->element, x->data, at);
  else
    candidate.integer = element_load_int(x->element, x->data, at);
  if (x->element == U64) candidate.integer = (int64_t)((uint64_t)candidate.integer ^ 1ull << 63);
  return candidate;
}

bool interpret_top_k(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  Tensor *values = &e->results[0], *places = &e->results[1];
  int axis = evaluation_axis(e, x->rank);
  int64_t size = x->dims[axis], wanted = values->dims[axis];
  if (wanted > size)
    return diag_error(e->run->diag, e->node->loc, "top_k: %lld of %lld elements along axis %d",
                      (long long)wanted, (long long)size, axis);
  bool largest = node_int(e->node, ATTR_LARGEST) != 0;
  int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
  Candidate *row = NEW_ARRAY(e->run->arena, Candidate, size);
  for (int64_t r = 0; r < outer * inner; r++) {
    int64_t from = r / inner * size * inner + r % inner,
            to = r / inner * wanted * inner + r % inner;
    for (int64_t i = 0; i < size; i++) row[i] = load_candidate(x, from + i * inner, i);
    qsort(row, (size_t)size, sizeof *row, largest ? largest_first : smallest_first);
    for (int64_t i = 0; i < wanted; i++) {
      copy_elements(x->element, values->data, to + i * inner, x->data, from + row[i].index * inner,
                    1);
      element_store_int(I64, places->data, to + i * inner, row[i].index);
    }
  }
  return true;
}
