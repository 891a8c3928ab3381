// Sequences and optionals. Those that are known at compile time are lists of values and cost
// nothing; as soon as one depends on the run (an input, a position that is data) it is a value of
// its own kind.
#include <string.h>

#include "frontend/import.h"

// The operand as a list that is known; NULL: it is not.
static const Item *known_sequence(const OnnxNode *node, int index) {
  const Item *item = index < node->input_count ? node->inputs[index] : NULL;
  return item && item->is_sequence ? item : NULL;
}

bool import_sequence_empty(OnnxNode *node) {
  ElementType element = onnx_element_type((int32_t)onnx_int(node, "dtype", 1));
  if (element == ELEMENT_NONE) return onnx_unsupported(node, "this element type");
  if (!onnx_output_sequence(node, 0, NULL, 0)) return false;
  Type *type = NEW(node->importer->arena, Type);
  *type = type_list(node->importer->arena, TYPE_SEQUENCE,
                    (Type){.kind = TYPE_TENSOR, .element = element, .rank = NO_RANK});
  if (onnx_wants_output(node, 0)) node->outputs[0].list_type = type;
  return true;
}

// A sequence has tensors of one element type.
static bool check_element(OnnxNode *node, int input, ElementType element) {
  ElementType found = onnx_input(node, input)->type.element;
  return found == element || onnx_error(node, "input %d is %s in a sequence of %s", input,
                                        element_info[found].text, element_info[element].text);
}

bool import_sequence_construct(OnnxNode *node) {
  if (!onnx_need_inputs(node, node->input_count)) return false;
  if (!node->input_count) return onnx_error(node, "there are no inputs");
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, node->input_count);
  for (int i = 0; i < node->input_count; i++) {
    elements[i] = onnx_input(node, i);
    if (!check_element(node, i, elements[0]->type.element)) return false;
  }
  return onnx_output_sequence(node, 0, elements, node->input_count);
}

// A position that is known; negative ones count from the end. `extra` 1 allows the end itself.
static bool check_position(OnnxNode *node, int64_t given, int count, int extra, int *position) {
  if (given < -count || given >= count + extra)
    return onnx_error(node, "position %lld in a sequence of %d", (long long)given, count);
  *position = (int)(given < 0 ? given + count : given);
  return true;
}

// Absent, or one number that is known?
static bool position_is_known(OnnxNode *node, int index, bool *present, int64_t *value) {
  *present = onnx_has_input(node, index);
  if (!*present) return true;
  const Tensor *tensor = import_contents(node->importer, onnx_input(node, index)).tensor;
  if (!tensor || tensor_count(tensor) != 1 || !element_is_integer(tensor->element)) return false;
  *value = element_load_int(tensor->element, tensor->data, 0);
  return true;
}

// sequence and the given operands by an op of the run; an absent last one is left out.
static Value *on_list(OnnxNode *node, OpCode op, int operands) {
  Value *values[3] = {onnx_list(node, 0, TYPE_SEQUENCE)};
  if (!values[0]) return NULL;
  int count = 1;
  for (; count < operands && onnx_has_input(node, count); count++)
    values[count] = onnx_input(node, count);
  return build_end(&node->builder, build_begin(&node->builder, op, values, count));
}

bool import_sequence_at(OnnxNode *node) {
  int64_t given;
  int position;
  bool present;
  const Item *sequence = known_sequence(node, 0);
  if (!onnx_has_input(node, 1)) return onnx_error(node, "the position is missing");
  if (!sequence || !position_is_known(node, 1, &present, &given))
    return onnx_output(node, 0, on_list(node, OP_SEQUENCE_AT, 2));
  return check_position(node, given, sequence->element_count, 0, &position) &&
         onnx_output(node, 0, sequence->elements[position]);
}

bool import_sequence_insert(OnnxNode *node) {
  const Item *sequence = known_sequence(node, 0);
  Value *value = onnx_input(node, 1);
  int64_t given = 0;
  bool present;
  if (!value) return onnx_error(node, "input 1 is not a tensor");
  if (!sequence || !position_is_known(node, 2, &present, &given))
    return onnx_output_list(node, 0, on_list(node, OP_SEQUENCE_INSERT, 3));
  int count = sequence->element_count, position = count;
  const Type *empty = sequence->list_type;
  ElementType element = count   ? sequence->elements[0]->type.element
                        : empty ? empty->inner->element
                                : value->type.element;
  if (!check_element(node, 1, element)) return false;
  if (present && !check_position(node, given, count, 1, &position)) return false;
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, count + 1);
  for (int i = 0; i <= count; i++)
    elements[i] = i < position    ? sequence->elements[i]
                  : i == position ? value
                                  : sequence->elements[i - 1];
  return onnx_output_sequence(node, 0, elements, count + 1);
}

bool import_sequence_erase(OnnxNode *node) {
  const Item *sequence = known_sequence(node, 0);
  int64_t given = 0;
  bool present;
  if (!sequence || !position_is_known(node, 1, &present, &given))
    return onnx_output_list(node, 0, on_list(node, OP_SEQUENCE_ERASE, 2));
  int count = sequence->element_count, position = count - 1;
  if (count == 0) return onnx_error(node, "the sequence is empty");
  if (present && !check_position(node, given, count, 0, &position)) return false;
  Value **elements = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count - 1; i++) elements[i] = sequence->elements[i < position ? i : i + 1];
  if (!onnx_output_sequence(node, 0, elements, count - 1)) return false;
  if (count > 1 || !onnx_wants_output(node, 0)) return true;
  Type *type = NEW(node->importer->arena, Type);
  *type = type_list(node->importer->arena, TYPE_SEQUENCE, sequence->elements[0]->type);
  node->outputs[0].list_type = type;
  return true;
}

bool import_sequence_length(OnnxNode *node) {
  const Item *sequence = known_sequence(node, 0);
  if (!sequence) return onnx_output(node, 0, on_list(node, OP_SEQUENCE_LENGTH, 1));
  return onnx_output(node, 0, onnx_integer(node, sequence->element_count));
}

bool import_concat_from_sequence(OnnxNode *node) {
  const Item *sequence = known_sequence(node, 0);
  int64_t given_axis = onnx_int(node, "axis", 0);
  bool new_axis = onnx_int(node, "new_axis", 0) != 0;
  if (!sequence) {
    Value *list = onnx_list(node, 0, TYPE_SEQUENCE);
    if (!list) return false;
    Node *concat = build_begin(&node->builder, OP_SEQUENCE_CONCAT, &list, 1);
    node_set_int(concat, ATTR_AXIS, given_axis);
    node_set_int(concat, ATTR_NEW_AXIS, new_axis);
    return onnx_output(node, 0, build_end(&node->builder, concat));
  }
  if (sequence->element_count == 0) return onnx_error(node, "the sequence is empty");
  int axis, count = sequence->element_count;
  if (!onnx_axis(node, given_axis, sequence->elements[0]->type.rank + new_axis, &axis))
    return false;
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count; i++) {
    int rank = sequence->elements[i]->type.rank, wanted = sequence->elements[0]->type.rank;
    if (rank != wanted)
      return onnx_error(node, "element %d of the sequence has rank %d, element 0 rank %d", i, rank,
                        wanted);
    parts[i] = new_axis ? onnx_unsqueeze(node, sequence->elements[i], (int64_t[]){axis}, 1)
                        : sequence->elements[i];
  }
  return !node->builder.failed &&
         onnx_output(node, 0, build_concat(&node->builder, parts, count, axis));
}

// --- split

// The sizes of the parts: given one by one, or all but the last equal.
static bool part_sizes(OnnxNode *node, const Tensor *given, int64_t total, int64_t **sizes,
                       int *count) {
  int64_t size = 1, sum = 0;
  if (given && given->rank == 1) {
    *count = (int)given->dims[0];
    *sizes = NEW_ARRAY(node->importer->arena, int64_t, *count + 1);
    for (int i = 0; i < *count; i++) {
      int64_t one = (*sizes)[i] = element_load_int(given->element, given->data, i);
      if (one < 0 || one > total - sum)
        return onnx_error(node, "part %d of size %lld of %lld", i, (long long)one,
                          (long long)total);
      sum += one;
    }
    return sum == total || onnx_error(node, "the parts have %lld elements, the axis %lld",
                                      (long long)sum, (long long)total);
  }
  if (given) size = element_load_int(given->element, given->data, 0);
  if (size < 1) return onnx_error(node, "parts of size %lld", (long long)size);
  *count = (int)(total / size + (total % size != 0));
  *sizes = NEW_ARRAY(node->importer->arena, int64_t, *count + 1);
  for (int i = 0; i < *count; i++)
    (*sizes)[i] = i == *count - 1 ? total - size * (*count - 1) : size;
  return true;
}

static bool split_known(OnnxNode *node, const Tensor *given, int axis, int64_t total) {
  Value *x = onnx_input(node, 0);
  int count = 0;
  int64_t *sizes = NULL, start = 0;
  if (!part_sizes(node, given, total, &sizes, &count)) return false;
  bool drop = !given && !onnx_int(node, "keepdims", 1);
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count + 1);
  for (int i = 0; i < count; i++) {
    parts[i] = build_slice_axis(&node->builder, x, axis, import_dim(node->importer, start),
                                import_dim(node->importer, sizes[i]), 1);
    if (drop) parts[i] = onnx_squeeze(node, parts[i], (int64_t[]){axis}, 1);
    if (!parts[i]) return false;
    start += sizes[i];
  }
  if (!onnx_output_sequence(node, 0, parts, count)) return false;
  if (count || !onnx_wants_output(node, 0)) return true;
  Type *type = NEW(node->importer->arena, Type);
  *type = type_list(node->importer->arena, TYPE_SEQUENCE,
                    (Type){.kind = TYPE_TENSOR, .element = x->type.element, .rank = NO_RANK});
  node->outputs[0].list_type = type;
  return true;
}

bool import_split_to_sequence(OnnxNode *node) {
  enum { MOST_PARTS = 1 << 12 }; // more are better a list of the run
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *sizes = onnx_input(node, 1);
  int axis;
  int64_t total;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis)) return false;
  const Tensor *given = sizes ? import_contents(node->importer, sizes).tensor : NULL;
  if (given && given->rank > 1) return onnx_error(node, "the sizes have rank %d", given->rank);
  if (sizes && !element_is_integer(sizes->type.element))
    return onnx_error(node, "the sizes are %s", element_info[sizes->type.element].text);
  bool known =
      dim_is_constant(x->type.dims[axis], &total) && total <= MOST_PARTS && (given || !sizes);
  if (known) return split_known(node, given, axis, total);
  Node *split =
      build_begin(&node->builder, OP_SEQUENCE_SPLIT, (Value *[]){x, sizes}, sizes ? 2 : 1);
  node_set_int(split, ATTR_AXIS, axis);
  node_set_int(split, ATTR_KEEP_DIMS, onnx_int(node, "keepdims", 1) != 0);
  return onnx_output_list(node, 0, build_end(&node->builder, split));
}

// --- optionals: one that is known is the element itself, or nothing

bool import_optional(OnnxNode *node) {
  if (!onnx_wants_output(node, 0)) return true;
  if (node->input_count > 0 && node->inputs[0]) return node->outputs[0] = *node->inputs[0], true;
  const Onnx__AttributeProto *attribute = onnx_attribute(node, "type");
  Type *type = NEW(node->importer->arena, Type), element;
  node->outputs[0] = (Item){.is_optional = true};
  if (!attribute || !attribute->tp) return true;
  if (!import_proto_type(node->importer, node->loc.node, attribute->tp, &element)) return false;
  *type = element.kind == TYPE_OPTIONAL ? element
                                        : type_list(node->importer->arena, TYPE_OPTIONAL, element);
  node->outputs[0].list_type = type;
  return true;
}

bool import_optional_has_element(OnnxNode *node) {
  const Item *item = node->input_count > 0 ? node->inputs[0] : NULL;
  if (item && item->list && item->list->type.kind == TYPE_OPTIONAL)
    return onnx_output(node, 0, build_unary(&node->builder, OP_OPTIONAL_HAS, item->list));
  return onnx_output(node, 0, build_scalar(&node->builder, BOOL, item && !item->is_optional));
}

bool import_optional_get_element(OnnxNode *node) {
  const Item *item = node->input_count > 0 ? node->inputs[0] : NULL;
  if (!item || item->is_optional) return onnx_error(node, "the optional has no element");
  if (!item->list || item->list->type.kind != TYPE_OPTIONAL) {
    if (onnx_wants_output(node, 0)) node->outputs[0] = *item;
    return true;
  }
  Value *element = build_unary(&node->builder, OP_OPTIONAL_GET, item->list);
  return type_is_list(item->list->type.inner) ? onnx_output_list(node, 0, element)
                                              : onnx_output(node, 0, element);
}
