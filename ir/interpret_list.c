// Sequences and optionals: lists of tensors, made anew by each op.
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_symbols.h"
#include "ir/interpret_values.h"
#include "ir/move.h"

static const char *op_text(const Evaluation *e) { return op_info[e->node->op].text; }

static bool give_list(Evaluation *e, const Tensor *items, int64_t count) {
  Tensor *result = &e->results[0];
  *result = tensor_list(e->run->arena, result->list, result->element, items, count);
  return true;
}

bool interpret_sequence(Evaluation *e) { return give_list(e, e->operands, e->operand_count); }

// A position in 0 .. count - 1, or with `behind` 1 also count.
static bool position_of(Evaluation *e, int operand, int64_t count, int behind, int64_t *position) {
  const Tensor *at = &e->operands[operand];
  int64_t given = element_load_int(at->element, at->data, 0);
  *position = given < 0 ? given + count : given;
  if (*position >= 0 && *position < count + behind) return true;
  return diag_error(e->run->diag, e->node->loc, "%s: position %lld in a sequence of %lld",
                    op_text(e), (long long)given, (long long)count);
}

bool interpret_sequence_insert(Evaluation *e) {
  const Tensor *sequence = &e->operands[0];
  int64_t count = sequence->dims[0], at = count;
  if (operand_present(e, 2) && !position_of(e, 2, count, 1, &at)) return false;
  Tensor *items = NEW_ARRAY(e->run->arena, Tensor, count + 1);
  for (int64_t i = 0; i <= count; i++)
    items[i] = i == at ? e->operands[1] : tensor_items(sequence)[i - (i > at)];
  return give_list(e, items, count + 1);
}

bool interpret_sequence_erase(Evaluation *e) {
  const Tensor *sequence = &e->operands[0];
  int64_t count = sequence->dims[0], at = count - 1;
  if (operand_present(e, 1) && !position_of(e, 1, count, 0, &at)) return false;
  if (at < 0)
    return diag_error(e->run->diag, e->node->loc, "%s: the sequence is empty", op_text(e));
  Tensor *items = NEW_ARRAY(e->run->arena, Tensor, count);
  for (int64_t i = 0; i + 1 < count; i++) items[i] = tensor_items(sequence)[i + (i >= at)];
  return give_list(e, items, count - 1);
}

static bool give_element(Evaluation *e, const Tensor *item) {
  Tensor *result = &e->results[0];
  const Type *type = &e->node->results[0]->type;
  if (!item->list && !tensor_fits_element(type, item))
    return diag_error(e->run->diag, e->node->loc, "%s: the element has another shape than %s",
                      op_text(e), type_text(e->run->arena, type));
  *result = *item;
  return true;
}

bool interpret_sequence_at(Evaluation *e) {
  int64_t at;
  return position_of(e, 1, e->operands[0].dims[0], 0, &at) &&
         give_element(e, &tensor_items(&e->operands[0])[at]);
}

bool interpret_sequence_length(Evaluation *e) {
  *(int64_t *)e->results[0].data = e->operands[0].dims[0];
  return true;
}

// --- concat: dims of the result first, then the parts

static bool parts_shape(Evaluation *e, bool stacks, int axis, Tensor *shape) {
  const Tensor *sequence = &e->operands[0], *items = tensor_items(sequence);
  if (!sequence->dims[0])
    return diag_error(e->run->diag, e->node->loc, "%s: the sequence is empty", op_text(e));
  *shape = (Tensor){.element = items[0].element, .rank = items[0].rank + stacks};
  for (int i = 0; i < shape->rank; i++) {
    int from = i - (stacks && i > axis);
    shape->dims[i] = i == axis ? 0 : items[0].dims[from];
  }
  for (int64_t k = 0; k < sequence->dims[0]; k++) {
    bool fits = items[k].rank == items[0].rank;
    for (int i = 0; fits && i < items[0].rank; i++)
      fits = items[k].dims[i] == items[0].dims[i] || (!stacks && i == axis);
    if (!fits)
      return diag_error(e->run->diag, e->node->loc,
                        "%s: element %lld has another shape than element 0", op_text(e),
                        (long long)k);
    shape->dims[axis] += stacks ? 1 : items[k].dims[axis];
  }
  return true;
}

bool interpret_sequence_concat(Evaluation *e) {
  const Tensor *sequence = &e->operands[0], *items = tensor_items(sequence);
  bool stacks = node_int(e->node, ATTR_NEW_AXIS) != 0;
  int axis = (int)node_int(e->node, ATTR_AXIS), rank = e->node->results[0]->type.rank;
  if (axis < 0) axis += rank;
  Tensor shape;
  int64_t count, bytes;
  if (!parts_shape(e, stacks, axis, &shape)) return false;
  if (shape.rank != rank)
    return diag_error(e->run->diag, e->node->loc, "%s: elements of rank %d", op_text(e),
                      items[0].rank);
  if (!tensor_checked_bytes(shape.element, shape.rank, shape.dims, &count, &bytes))
    return diag_error(e->run->diag, e->node->loc, "%s: the result is too large", op_text(e));
  Tensor y = tensor_create(e->run->arena, shape.element, shape.rank, shape.dims);
  int64_t outer = dims_product(&y, 0, axis), inner = dims_product(&y, axis + 1, y.rank),
          whole = y.dims[axis] * inner, at = 0;
  for (int64_t k = 0; k < sequence->dims[0]; k++) {
    int64_t run = stacks ? inner : items[k].dims[axis] * inner;
    for (int64_t o = 0; o < outer; o++)
      copy_elements(y.element, y.data, o * whole + at, items[k].data, o * run, run);
    at += run;
  }
  return give_element(e, &y);
}

// --- split

// The sizes of the parts; false (reported): they do not make up the axis.
static bool part_sizes(Evaluation *e, int64_t total, int64_t **sizes, int64_t *count) {
  const Tensor *given = operand_present(e, 1) ? &e->operands[1] : NULL;
  int64_t size = given && !given->rank ? element_load_int(given->element, given->data, 0) : 1,
          sum = 0;
  bool listed = given && given->rank;
  if (size < 1)
    return diag_error(e->run->diag, e->node->loc, "%s: parts of size %lld", op_text(e),
                      (long long)size);
  *count = listed ? given->dims[0] : (total + size - 1) / size;
  *sizes = NEW_ARRAY(e->run->arena, int64_t, *count + 1);
  for (int64_t i = 0; i < *count; i++) {
    int64_t one = listed            ? element_load_int(given->element, given->data, i)
                  : i == *count - 1 ? total - sum
                                    : size;
    if (one < 0 || one > total - sum)
      return diag_error(e->run->diag, e->node->loc, "%s: part %lld of size %lld of %lld",
                        op_text(e), (long long)i, (long long)one, (long long)(total - sum));
    (*sizes)[i] = one;
    sum += one;
  }
  return sum == total || diag_error(e->run->diag, e->node->loc, "%s: the parts are %lld of %lld",
                                    op_text(e), (long long)sum, (long long)total);
}

bool interpret_sequence_split(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  int axis = (int)node_int(e->node, ATTR_AXIS);
  if (axis < 0) axis += x->rank;
  int64_t *sizes, count, start = 0;
  if (!part_sizes(e, x->dims[axis], &sizes, &count)) return false;
  bool drops = !operand_present(e, 1) && !node_int(e->node, ATTR_KEEP_DIMS);
  int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
  Tensor *parts = NEW_ARRAY(e->run->arena, Tensor, count);
  for (int64_t k = 0; k < count; k++) {
    int64_t dims[MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = sizes[k];
    parts[k] = tensor_create(e->run->arena, x->element, x->rank, dims);
    for (int64_t o = 0; o < outer; o++)
      copy_elements(x->element, parts[k].data, o * sizes[k] * inner, x->data,
                    (o * x->dims[axis] + start) * inner, sizes[k] * inner);
    start += sizes[k];
    if (!drops) continue;
    parts[k].rank--;
    for (int i = axis; i < parts[k].rank; i++) parts[k].dims[i] = parts[k].dims[i + 1];
  }
  return give_list(e, parts, count);
}

// --- optionals

bool interpret_optional(Evaluation *e) { return give_list(e, e->operands, operand_present(e, 0)); }

bool interpret_optional_has(Evaluation *e) {
  *(uint8_t *)e->results[0].data = e->operands[0].dims[0] != 0;
  return true;
}

bool interpret_optional_get(Evaluation *e) {
  const Tensor *optional = &e->operands[0];
  if (optional->dims[0]) return give_element(e, tensor_items(optional));
  return diag_error(e->run->diag, e->node->loc, "%s: there is no element", op_text(e));
}
