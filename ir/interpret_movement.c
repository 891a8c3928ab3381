// The ops that move whole blocks of elements. Each fills a table of source offsets per result axis.
#include "ir/interpret_ops.h"
#include "ir/move.h"

#include <string.h>

static bool disagree(const Evaluation *e, const char *what) {
  return diag_error(e->run->diag, e->node->loc, "%s: %s", op_info[e->node->op].text, what);
}

// An empty table of offsets for each axis of the result.
static int64_t **offset_tables(const Evaluation *e) {
  const Tensor *result = &e->results[0];
  int64_t **offsets = NEW_ARRAY(e->run->arena, int64_t *, MAX_RANK);
  for (int i = 0; i < result->rank; i++)
    offsets[i] = NEW_ARRAY(e->run->arena, int64_t, result->dims[i]);
  return offsets;
}

bool interpret_reshape(Evaluation *e) {
  if (tensor_count(&e->operands[0]) != tensor_count(&e->results[0]))
    return disagree(e, "the number of elements differs");
  copy_elements(e->operands[0].element, e->results[0].data, 0, e->operands[0].data, 0,
                tensor_count(&e->results[0]));
  return true;
}

bool interpret_map_values(Evaluation *e) { return interpret_reshape(e); }

bool interpret_zip_map(Evaluation *e) { return interpret_reshape(e); }

// Weights larger than most of the memory may be read from a mapped file: what is behind goes out.
static void move_in_parts(Evaluation *e, int64_t **offsets) {
  enum { PART_BYTES = 16 << 20 };
  const Tensor *result = &e->results[0];
  int64_t rows = result->rank ? result->dims[0] : 1, bits = element_info[result->element].bits;
  if (result->bytes <= PART_BYTES || bits % 8) {
    move_elements(&e->results[0], &e->operands[0], offsets);
    return;
  }
  int64_t row_bytes = (int64_t)result->bytes / rows, *first = offsets[0];
  Tensor part = *result;
  for (int64_t row = 0; row < rows; row += part.dims[0]) {
    part.dims[0] = row_bytes < PART_BYTES ? PART_BYTES / row_bytes : 1;
    if (part.dims[0] > rows - row) part.dims[0] = rows - row;
    part.data = (char *)result->data + row * row_bytes;
    offsets[0] = first + row;
    move_elements(&part, &e->operands[0], offsets);
    arena_evict_mappings(e->node->graph->module->arena);
  }
}

bool interpret_transpose(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  int64_t strides[MAX_RANK], **offsets = offset_tables(e);
  tensor_strides(x, strides);
  for (int i = 0; i < x->rank; i++) {
    int64_t axis = node_ints_at(e->node, ATTR_PERM, i, i);
    for (int64_t k = 0; k < x->dims[axis]; k++) offsets[i][k] = k * strides[axis];
  }
  move_in_parts(e, offsets);
  return true;
}

bool interpret_concat(Evaluation *e) {
  Tensor *y = &e->results[0];
  int axis = evaluation_axis(e, y->rank);
  int64_t outer = dims_product(y, 0, axis), inner = dims_product(y, axis + 1, y->rank), done = 0;
  for (int i = 0; i < e->operand_count; i++) {
    const Tensor *x = &e->operands[i];
    for (int k = 0; k < y->rank; k++)
      if (k != axis && x->dims[k] != y->dims[k])
        return disagree(e, "shapes of the operands differ");
    int64_t block = x->dims[axis] * inner;
    if (done + x->dims[axis] > y->dims[axis]) return disagree(e, "operands exceed the result");
    for (int64_t o = 0; o < outer; o++)
      copy_elements(y->element, y->data, (o * y->dims[axis] + done) * inner, x->data, o * block,
                    block);
    done += x->dims[axis];
  }
  if (done != y->dims[axis]) return disagree(e, "operands do not fill the result");
  return true;
}

bool interpret_slice(Evaluation *e) {
  const Tensor *x = &e->operands[0], *y = &e->results[0];
  int64_t strides[MAX_RANK], **offsets = offset_tables(e);
  tensor_strides(x, strides);
  int count;
  const Dim *const *starts = node_dims(e->node, ATTR_STARTS, &count);
  for (int i = 0; i < x->rank; i++) {
    int64_t step = node_ints_at(e->node, ATTR_STEPS, i, 1), start = evaluation_dim(e, starts[i]);
    for (int64_t k = 0; k < y->dims[i]; k++) {
      int64_t distance, from;
      if (__builtin_mul_overflow(k, step, &distance) ||
          __builtin_add_overflow(start, distance, &from))
        return disagree(e, "a position exceeds 64 bits");
      if (from < 0 || from >= x->dims[i])
        return diag_error(e->run->diag, e->node->loc,
                          "slice: index %lld is outside [0, %lld] of axis %d", (long long)from,
                          (long long)(x->dims[i] - 1), i);
      offsets[i][k] = from * strides[i];
    }
  }
  move_elements(&e->results[0], x, offsets);
  return true;
}

// Where position `at` (may lie outside) of an axis of `size` elements is read; -1: padding.
static int64_t pad_source(const char *mode, int64_t at, int64_t size) {
  if (at >= 0 && at < size) return at;
  if (!strcmp(mode, "constant")) return -1;
  if (!strcmp(mode, "edge")) return at < 0 ? 0 : size - 1;
  int64_t period = !strcmp(mode, "wrap") ? size : size > 1 ? 2 * (size - 1) : 1;
  int64_t phase = (at % period + period) % period;
  return phase < size ? phase : period - phase; // the second case: reflected
}

static void fill_padding(const Evaluation *e) {
  Tensor *y = &e->results[0];
  const Quant *quant = e->node->results[0]->type.quant;
  bool has_value = e->operand_count > 1 && e->operands[1].data;
  if (!has_value && !quant) return; // zeroed already
  int64_t count = tensor_count(y);
  for (int64_t i = 0; i < count; i++)
    if (has_value)
      copy_elements(y->element, y->data, i, e->operands[1].data, 0, 1);
    else
      element_store_int(y->element, y->data, i, quant->zero[0]);
}

bool interpret_pad(Evaluation *e) {
  const Tensor *x = &e->operands[0], *y = &e->results[0];
  const char *mode = node_string(e->node, ATTR_MODE);
  int64_t strides[MAX_RANK], **offsets = offset_tables(e);
  tensor_strides(x, strides);
  for (int i = 0; i < x->rank; i++) {
    int64_t begin = node_ints_at(e->node, ATTR_PADS, i, 0);
    int64_t end = node_ints_at(e->node, ATTR_PADS, i + x->rank, 0);
    // Cropping comes first: reflections and edges are those of what remains.
    int64_t first = begin < 0 ? -begin : 0, size = x->dims[i] - first + (end < 0 ? end : 0);
    if (size <= 0 && y->dims[i] > 0 && strcmp(mode, "constant"))
      return disagree(e, "nothing to reflect or repeat along an empty axis");
    for (int64_t k = 0; k < y->dims[i]; k++) {
      int64_t from = pad_source(mode, k - (begin > 0 ? begin : 0), size);
      offsets[i][k] = from < 0 ? MOVE_NOTHING : (first + from) * strides[i];
    }
  }
  if (e->operand_count > 1 && e->operands[1].data && !check_count(e, 1, 1)) return false;
  if (!strcmp(mode, "constant")) fill_padding(e);
  move_elements(&e->results[0], x, offsets);
  return true;
}

bool interpret_expand(Evaluation *e) {
  const Tensor *x = &e->operands[0], *y = &e->results[0];
  int64_t strides[MAX_RANK], **offsets = offset_tables(e);
  tensor_strides(x, strides);
  int shift = y->rank - x->rank;
  for (int i = 0; i < x->rank; i++) {
    if (x->dims[i] != 1 && x->dims[i] != y->dims[i + shift])
      return disagree(e, "the operand does not broadcast to the sizes");
    for (int64_t k = 0; k < y->dims[i + shift]; k++)
      offsets[i + shift][k] = x->dims[i] == 1 ? 0 : k * strides[i];
  }
  move_elements(&e->results[0], x, offsets);
  return true;
}

bool interpret_tile(Evaluation *e) {
  const Tensor *x = &e->operands[0], *y = &e->results[0];
  int64_t strides[MAX_RANK], **offsets = offset_tables(e);
  tensor_strides(x, strides);
  for (int i = 0; i < x->rank; i++)
    for (int64_t k = 0; k < y->dims[i]; k++) offsets[i][k] = k % x->dims[i] * strides[i];
  move_elements(&e->results[0], x, offsets);
  return true;
}

bool interpret_trilu(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  Tensor *y = &e->results[0];
  bool upper = node_int(e->node, ATTR_UPPER) != 0;
  int64_t diagonal = node_int(e->node, ATTR_BLOCK), count = tensor_count(x);
  int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
  const Quant *quant = e->node->results[0]->type.quant;
  for (int64_t i = 0; i < count; i++) {
    int64_t row = i / columns % rows, column = i % columns;
    int64_t distance = column - row;
    if (upper ? distance >= diagonal : distance <= diagonal)
      copy_elements(y->element, y->data, i, x->data, i, 1);
    else if (quant)
      element_store_int(y->element, y->data, i, quant->zero[0]);
  }
  return true;
}

bool interpret_reverse_sequence(Evaluation *e) {
  const Tensor *x = &e->operands[0], *lengths = &e->operands[1];
  int time = evaluation_axis(e, x->rank);
  int64_t batch_axis = node_int(e->node, ATTR_BATCH_DIMS), strides[MAX_RANK], index[MAX_RANK] = {0};
  int batch = (int)(batch_axis < 0 ? batch_axis + x->rank : batch_axis);
  tensor_strides(x, strides);
  int64_t count = tensor_count(x);
  if (!check_count(e, 1, x->dims[batch])) return false;
  for (int64_t i = 0; i < count; i++, next_index(x->rank, x->dims, index)) {
    int64_t length = element_load_int(lengths->element, lengths->data, index[batch]);
    if (length < 0 || length > x->dims[time])
      return diag_error(e->run->diag, e->node->loc, "length %lld is outside [0, %lld] of axis %d",
                        (long long)length, (long long)x->dims[time], time);
    int64_t at = index[time], from = at < length ? length - 1 - at : at;
    copy_elements(x->element, e->results[0].data, i, x->data, i + (from - at) * strides[time], 1);
  }
  return true;
}
