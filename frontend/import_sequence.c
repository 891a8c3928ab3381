// Sequences and optionals that are known at compile time: lists of values, no run-time objects.
#include <string.h>

#include "frontend/import.h"

static const Item *sequence_input(OnnxNode *node, int index) {
  if (index < node->input_count && node->inputs[index] && node->inputs[index]->is_sequence)
    return node->inputs[index];
  onnx_error(node, "input %d is not a sequence", index);
  return NULL;
}

bool import_sequence_empty(OnnxNode *node) { return onnx_output_sequence(node, 0, NULL, 0); }

bool import_sequence_construct(OnnxNode *node) {
  if (!onnx_need_inputs(node, node->input_count)) return false;
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, node->input_count);
  for (int i = 0; i < node->input_count; i++) elements[i] = onnx_input(node, i);
  return onnx_output_sequence(node, 0, elements, node->input_count);
}

// A constant position; negative ones count from the end. `extra` 1 allows the end itself.
static bool sequence_position(OnnxNode *node, int index, const Item *sequence, int extra,
                              int *position) {
  int count, limit = sequence->element_count + extra;
  const int64_t *values = onnx_ints_input(node, index, &count);
  if (!values) return false;
  if (count != 1 || values[0] < -sequence->element_count || values[0] >= limit)
    return onnx_error(node, "position %lld in a sequence of %d", count ? (long long)values[0] : 0,
                      sequence->element_count);
  *position = (int)(values[0] < 0 ? values[0] + sequence->element_count : values[0]);
  return true;
}

bool import_sequence_at(OnnxNode *node) {
  int position;
  const Item *sequence = sequence_input(node, 0);
  return sequence && sequence_position(node, 1, sequence, 0, &position) &&
         onnx_output(node, 0, sequence->elements[position]);
}

bool import_sequence_insert(OnnxNode *node) {
  const Item *sequence = sequence_input(node, 0);
  if (!sequence) return false;
  int count = sequence->element_count, position = count;
  Value *value = onnx_input(node, 1);
  if (!value) return onnx_error(node, "input 1 is not a tensor");
  if (node->input_count > 2 && node->inputs[2] &&
      !sequence_position(node, 2, sequence, 1, &position))
    return false;
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, count + 1);
  for (int i = 0; i <= count; i++)
    elements[i] = i < position    ? sequence->elements[i]
                  : i == position ? value
                                  : sequence->elements[i - 1];
  return onnx_output_sequence(node, 0, elements, count + 1);
}

bool import_sequence_erase(OnnxNode *node) {
  const Item *sequence = sequence_input(node, 0);
  if (!sequence) return false;
  int count = sequence->element_count, position = count - 1;
  if (count == 0) return onnx_error(node, "the sequence is empty");
  if (node->input_count > 1 && node->inputs[1] &&
      !sequence_position(node, 1, sequence, 0, &position))
    return false;
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count - 1; i++) elements[i] = sequence->elements[i < position ? i : i + 1];
  return onnx_output_sequence(node, 0, elements, count - 1);
}

bool import_sequence_length(OnnxNode *node) {
  const Item *sequence = sequence_input(node, 0);
  if (!sequence) return false;
  int64_t count = sequence->element_count;
  Value *list = build_ints(&node->builder, &count, 1);
  return onnx_output(node, 0, list ? build_reshape(&node->builder, list, 0, NULL) : NULL);
}

bool import_concat_from_sequence(OnnxNode *node) {
  const Item *sequence = sequence_input(node, 0);
  bool new_axis = onnx_int(node, "new_axis", 0) != 0;
  if (!sequence) return false;
  if (sequence->element_count == 0) return onnx_error(node, "the sequence is empty");
  int axis, count = sequence->element_count;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), sequence->elements[0]->type.rank + new_axis,
                 &axis))
    return false;
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count; i++)
    parts[i] = new_axis ? onnx_unsqueeze(node, sequence->elements[i], (int64_t[]){axis}, 1)
                        : sequence->elements[i];
  return !node->builder.failed &&
         onnx_output(node, 0, build_concat(&node->builder, parts, count, axis));
}

// The sizes of the parts: given one by one, or all but the last equal.
static bool part_sizes(OnnxNode *node, const Type *x, int axis, int64_t **sizes, int *count) {
  int64_t total, size = 1;
  const int64_t *given = NULL;
  int given_count = 0;
  if (onnx_has_input(node, 1) && !(given = onnx_ints_input(node, 1, &given_count))) return false;
  if (given && onnx_input(node, 1)->type.rank == 1) {
    *sizes = NEW_ARRAY(node->importer->arena, int64_t, given_count + 1);
    memcpy(*sizes, given, sizeof(int64_t) * (size_t)given_count);
    *count = given_count;
    return true;
  }
  if (given) size = given[0];
  if (!dim_is_constant(x->dims[axis], &total) || size < 1 || total / size > 1 << 16)
    return onnx_error(node, "axis %d must have a static size", axis);
  *count = (int)((total + size - 1) / size);
  *sizes = NEW_ARRAY(node->importer->arena, int64_t, *count + 1);
  for (int i = 0; i < *count; i++)
    (*sizes)[i] = i == *count - 1 ? total - size * (*count - 1) : size;
  return true;
}

bool import_split_to_sequence(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis, count = 0;
  int64_t *sizes = NULL, start = 0;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis) ||
      !part_sizes(node, &x->type, axis, &sizes, &count))
    return false;
  bool drop = !onnx_has_input(node, 1) && !onnx_int(node, "keepdims", 1);
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count + 1);
  for (int i = 0; i < count; i++) {
    if (sizes[i] < 0 || sizes[i] > INT32_MAX)
      return onnx_error(node, "part of size %lld", (long long)sizes[i]);
    parts[i] = build_slice_axis(&node->builder, x, axis, import_dim(node->importer, start),
                                import_dim(node->importer, sizes[i]), 1);
    if (drop) parts[i] = onnx_squeeze(node, parts[i], (int64_t[]){axis}, 1);
    if (!parts[i]) return false;
    start += sizes[i];
  }
  return onnx_output_sequence(node, 0, parts, count);
}

// --- optionals: the element itself, or nothing

bool import_optional(OnnxNode *node) {
  if (!onnx_wants_output(node, 0)) return true;
  if (node->input_count > 0 && node->inputs[0])
    node->outputs[0] = *node->inputs[0];
  else
    node->outputs[0] = (Item){.is_optional = true};
  return true;
}

bool import_optional_has_element(OnnxNode *node) {
  const Item *item = node->input_count > 0 ? node->inputs[0] : NULL;
  return onnx_output(node, 0, build_scalar(&node->builder, BOOL, item && !item->is_optional));
}

bool import_optional_get_element(OnnxNode *node) {
  const Item *item = node->input_count > 0 ? node->inputs[0] : NULL;
  if (!item || item->is_optional) return onnx_error(node, "the optional has no element");
  if (onnx_wants_output(node, 0)) node->outputs[0] = *item;
  return true;
}
