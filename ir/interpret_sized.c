// Ops whose data decides a dim of the results: nonzero, unique, non_max_suppression.
#include <stdlib.h>

#include "ir/interpret_ops.h"
#include "ir/move.h"

// A result that has its dims by now gets zeroed memory.
static void *give_data(Evaluation *e, int result) {
  Tensor *tensor = &e->results[result];
  int64_t count = 0, bytes = 0;
  bool fits = tensor_checked_bytes(tensor->element, tensor->rank, tensor->dims, &count, &bytes);
  if (!fits) return NULL; // reported by give_all
  tensor->bytes = (size_t)bytes;
  return tensor->data = arena_alloc(e->run->arena, (size_t)bytes + 1);
}

static bool too_large(const Evaluation *e) {
  return diag_error(e->run->diag, e->node->loc, "%s: the result is too large",
                    op_info[e->node->op].text);
}

static bool is_zero(const Tensor *x, int64_t at) {
  return element_is_float(x->element) ? element_load(x->element, x->data, at) == 0
                                      : element_load_int(x->element, x->data, at) == 0;
}

bool interpret_nonzero(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  Tensor *y = &e->results[0];
  int64_t count = tensor_count(x), found = 0, index[MAX_RANK] = {0};
  for (int64_t i = 0; i < count; i++) found += !is_zero(x, i);
  y->dims[1] = found;
  int64_t *out = give_data(e, 0);
  if (!out) return too_large(e);
  for (int64_t i = 0, column = 0; i < count; i++, next_index(x->rank, x->dims, index)) {
    if (is_zero(x, i)) continue;
    for (int axis = 0; axis < x->rank; axis++) out[axis * found + column] = index[axis];
    column++;
  }
  return true;
}

// Only the frame's own symbols are behind run->symbols, so binding new ones is the node's to do.
bool interpret_measure(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  int64_t *symbols = (int64_t *)(uintptr_t)e->run->symbols;
  int count;
  const Dim *const *dims = node_dims(e->node, ATTR_DIMS, &count);
  for (int i = 0; i < count; i++) {
    int64_t size = element_load_int(x->element, x->data, i);
    if (size < 0 || size > dim_high(dims[i]))
      return diag_error(e->run->diag, e->node->loc, "%lld is no size: %s is at most %lld",
                        (long long)size, dim_symbol_name(dims[i]), (long long)dim_high(dims[i]));
    symbols[dim_terms(dims[i])[0].atoms[0]->index] = size;
  }
  copy_elements(x->element, e->results[0].data, 0, x->data, 0, tensor_count(x));
  return true;
}

// --- unique

typedef struct Slices {
  const Tensor *x;
  int64_t outer, size, inner;
} Slices;

// NaN comes last and equals itself; -0 equals 0.
static int compare_reals(double a, double b) {
  if (a != a || b != b) return (a != a) - (b != b);
  return (a > b) - (a < b);
}

static int compare_elements(const Tensor *x, int64_t i, int64_t k) {
  if (element_is_float(x->element))
    return compare_reals(element_load(x->element, x->data, i),
                         element_load(x->element, x->data, k));
  int64_t a = element_load_int(x->element, x->data, i),
          b = element_load_int(x->element, x->data, k);
  if (x->element == U64) return ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b);
  return (a > b) - (a < b);
}

static int compare_slices(const Slices *s, int64_t a, int64_t b) {
  for (int64_t o = 0; o < s->outer; o++)
    for (int64_t i = 0; i < s->inner; i++) {
      int order = compare_elements(s->x, (o * s->size + a) * s->inner + i,
                                   (o * s->size + b) * s->inner + i);
      if (order) return order;
    }
  return 0;
}

typedef struct SliceRef {
  const Slices *slices;
  int64_t index;
} SliceRef;

static int slice_order(const void *left, const void *right) {
  const SliceRef *a = left, *b = right;
  int order = compare_slices(a->slices, a->index, b->index);
  return order ? order : (a->index > b->index) - (a->index < b->index);
}

// Which of the different slices each one is, and how many these are.
static int64_t number_slices(Evaluation *e, const Slices *s, bool sorted, int64_t *number) {
  SliceRef *order = NEW_ARRAY(e->run->arena, SliceRef, s->size + 1);
  for (int64_t i = 0; i < s->size; i++) order[i] = (SliceRef){s, i};
  qsort(order, (size_t)s->size, sizeof *order, slice_order);
  int64_t count = 0;
  for (int64_t i = 0; i < s->size; i++) {
    if (!i || compare_slices(s, order[i - 1].index, order[i].index)) count++;
    number[order[i].index] = count - 1;
  }
  if (sorted) return count;
  int64_t *by_occurrence = NEW_ARRAY(e->run->arena, int64_t, count + 1), seen = 0; // 1-based
  for (int64_t i = 0; i < s->size; i++) {
    int64_t *renumbered = &by_occurrence[number[i]];
    if (!*renumbered) *renumbered = ++seen;
    number[i] = *renumbered - 1;
  }
  return count;
}

bool interpret_unique(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  int axis = evaluation_axis(e, x->rank);
  Slices s = {x, dims_product(x, 0, axis), x->dims[axis], dims_product(x, axis + 1, x->rank)};
  int64_t *number = e->results[2].data;
  int64_t count = number_slices(e, &s, node_int(e->node, ATTR_SORTED) != 0, number);
  e->results[0].dims[axis] = e->results[1].dims[0] = e->results[3].dims[0] = count;
  int64_t *first = give_data(e, 1), *counts = give_data(e, 3);
  void *values = give_data(e, 0);
  if (!first || !counts || !values) return too_large(e);
  for (int64_t i = 0; i < s.size; i++) {
    int64_t at = number[i];
    if (counts[at]++) continue;
    first[at] = i;
    for (int64_t o = 0; o < s.outer; o++)
      copy_elements(x->element, values, (o * count + at) * s.inner, x->data,
                    (o * s.size + i) * s.inner, s.inner);
  }
  return true;
}

// --- non_max_suppression; in f32, in the order of operations of runtime/kernels/select.c

typedef struct Area {
  float x0, y0, x1, y1;
} Area;

static float least(float a, float b) { return a < b ? a : b; }
static float most(float a, float b) { return a > b ? a : b; }

static Area area_of(const float *box, bool center) {
  if (center) {
    float w = box[2] / 2, h = box[3] / 2;
    return (Area){box[0] - w, box[1] - h, box[0] + w, box[1] + h};
  }
  return (Area){least(box[1], box[3]), least(box[0], box[2]), most(box[1], box[3]),
                most(box[0], box[2])};
}

static bool overlap(Area a, Area b, float threshold) {
  float x0 = most(a.x0, b.x0), x1 = least(a.x1, b.x1), y0 = most(a.y0, b.y0),
        y1 = least(a.y1, b.y1);
  if (x1 <= x0 || y1 <= y0) return false;
  float shared = (x1 - x0) * (y1 - y0);
  float area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  float both = area_a + area_b - shared;
  if (shared <= 0 || area_a <= 0 || area_b <= 0 || both <= 0) return false;
  return shared / both > threshold;
}

typedef struct Scored {
  float score;
  int64_t box;
} Scored;

static int best_first(const void *left, const void *right) {
  const Scored *a = left, *b = right;
  if (a->score != b->score) return a->score < b->score ? 1 : -1;
  return (a->box > b->box) - (a->box < b->box);
}

typedef struct Suppression {
  int64_t most;
  float overlap, score;
  bool has_score, center;
} Suppression;

// The boxes of one class of one image; returns how many were chosen.
static int64_t choose_boxes(Evaluation *e, const Suppression *s, const float *boxes,
                            const float *scores, int64_t count, int64_t *chosen) {
  Scored *order = NEW_ARRAY(e->run->arena, Scored, count + 1);
  int64_t candidates = 0, found = 0;
  for (int64_t i = 0; i < count; i++)
    if (scores[i] == scores[i] && (!s->has_score || scores[i] > s->score))
      order[candidates++] = (Scored){scores[i], i};
  qsort(order, (size_t)candidates, sizeof *order, best_first);
  for (int64_t i = 0; i < candidates && found < s->most; i++) {
    Area area = area_of(boxes + 4 * order[i].box, s->center);
    bool free = true;
    for (int64_t k = 0; k < found && free; k++)
      free = !overlap(area, area_of(boxes + 4 * chosen[k], s->center), s->overlap);
    if (free) chosen[found++] = order[i].box;
  }
  return found;
}

static float float_operand(const Evaluation *e, int index) {
  bool present = index < e->operand_count && e->operands[index].data;
  return present ? *(const float *)e->operands[index].data : 0;
}

bool interpret_non_max_suppression(Evaluation *e) {
  const Tensor *boxes = &e->operands[0], *scores = &e->operands[1];
  int64_t images = boxes->dims[0], classes = scores->dims[1], count = boxes->dims[1], found = 0;
  if (scores->dims[0] != images || scores->dims[2] != count || boxes->dims[2] != 4)
    return diag_error(e->run->diag, e->node->loc, "boxes and scores have different dims");
  Suppression s = {.overlap = float_operand(e, 3), .score = float_operand(e, 4)};
  s.has_score = e->operand_count > 4 && e->operands[4].data;
  s.center = node_int(e->node, ATTR_CENTER_BOX) != 0;
  if (e->operand_count > 2 && e->operands[2].data) s.most = *(const int64_t *)e->operands[2].data;
  int64_t *chosen = NEW_ARRAY(e->run->arena, int64_t, images *classes *count + 1);
  int64_t *each = NEW_ARRAY(e->run->arena, int64_t, images *classes + 1);
  for (int64_t i = 0; i < images * classes; i++) {
    each[i] = choose_boxes(e, &s, (const float *)boxes->data + i / classes * count * 4,
                           (const float *)scores->data + i * count, count, chosen + found);
    found += each[i];
  }
  e->results[0].dims[0] = found;
  int64_t *out = give_data(e, 0);
  if (!out) return too_large(e);
  for (int64_t i = 0; i < images * classes; i++)
    for (int64_t k = 0; k < each[i]; k++) {
      *out++ = i / classes;
      *out++ = i % classes;
      *out++ = *chosen++;
    }
  return true;
}
