// What an ONNX node asks of its operands: lists of integers, as constants or as dims. What only a
// run knows is measured (docs/ir.md): its numbers become dims from there on.
#include "frontend/import.h"
#include "ir/sized.h"

enum {
  MEASURED_ELEMENTS = 256, // of a list: more are no shape
  SEARCH_DEPTH = 400       // nodes in a row, to the input that is to blame
};

// The first input of the model that the value depends on; NULL: none (random numbers, ...).
static const Value *input_behind(const Value *value, bool *seen, int depth) {
  if (seen[value->id] || depth == 0) return NULL;
  seen[value->id] = true;
  if (!value->definition) return value;
  for (int i = 0; i < value->definition->operand_count; i++) {
    const Value *operand = value->definition->operands[i];
    const Value *found = operand ? input_behind(operand, seen, depth - 1) : NULL;
    if (found) return found;
  }
  return NULL;
}

static void report_data(OnnxNode *node, int index) {
  Importer *importer = node->importer;
  const Value *value = node->inputs[index]->value;
  bool *seen = NEW_ARRAY(importer->arena, bool, importer->module->next_value_id);
  const Value *input = input_behind(value, seen, SEARCH_DEPTH);
  const char *name = node->proto->input[index];
  if (input && input->name)
    onnx_error(
        node, "the shape of the result depends on data: '%s' follows from the values of input '%s'",
        name, input->name);
  else
    onnx_error(node, "the shape of the result depends on data: the values of '%s'", name);
}

// Numbers that data decides become dims that the run measures, where the node stands: in a body
// anew in each turn. At most MAX_SIZES; false: the builder failed.
static bool measure(OnnxNode *node, Value *list, const int64_t *highs, const Dim **dims,
                    int64_t count) {
  for (int64_t i = 0; i < count; i++)
    dims[i] = dim_fresh_symbol(node->importer->dims, "size", 0, highs ? highs[i] : DIM_UNBOUNDED);
  Node *made = build_begin(&node->builder, OP_MEASURE, &list, 1);
  node_set_dims(made, ATTR_DIMS, dims, (int)count);
  return build_end(&node->builder, made) != NULL;
}

// The number of elements of a list that can be measured; -1: it cannot.
static int64_t measurable(const OnnxNode *node, const Value *list) {
  int64_t count;
  bool forbidden = node->importer->measures_no_body && node->builder.graph->owner;
  return forbidden || list->type.rank > 1 || !import_static_count(list, &count) ||
                 count > MEASURED_ELEMENTS
             ? -1
             : count;
}

const Dim *const *onnx_measured_dims(OnnxNode *node, Value *list, const int64_t *highs,
                                     int *count) {
  Importer *importer = node->importer;
  const Dim *const *known = import_dims(importer, list, count);
  int64_t elements = known ? 0 : measurable(node, list);
  if (known) return known;
  if (elements < 0) {
    onnx_error(node, "the shape of the result depends on data: on a list of unknown length");
    return NULL;
  }
  if (list->type.element != I32 && list->type.element != I64) list = onnx_convert(node, list, I64);
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, elements + 1);
  for (int64_t i = 0; list && i < elements; i += MAX_SIZES) {
    int64_t part = elements - i < MAX_SIZES ? elements - i : MAX_SIZES;
    Value *some = elements <= MAX_SIZES
                      ? list
                      : build_slice_axis(&node->builder, list, 0, import_dim(importer, i),
                                         import_dim(importer, part), 1);
    if (!some || !measure(node, some, highs ? highs + i : NULL, dims + i, part)) return NULL;
  }
  *count = (int)elements;
  return list ? dims : NULL;
}

Value *onnx_list_piece(Value *list, int64_t *index) {
  int64_t count;
  for (const Node *node = list->definition; node && node->op == OP_CONCAT && list->type.rank == 1;
       node = list->definition) {
    int i = 0;
    for (; i < node->operand_count; i++, *index -= count) {
      if (!import_static_count(node->operands[i], &count)) return list;
      if (*index < count) break;
    }
    if (i == node->operand_count) return list;
    list = node->operands[i];
  }
  return list;
}

// An element of a list of which not all are known. NULL: not known.
static const Dim *known_element(Importer *importer, Value *list, int64_t index) {
  int count;
  const Dim *const *dims = import_dims(importer, list, &count);
  if (dims) return index < count ? dims[index] : NULL;
  Value *piece = onnx_list_piece(list, &index);
  if (piece != list) return known_element(importer, piece, index);
  const Node *node = list->definition;
  int64_t whole, inner;
  bool same = node && node->operand_count > 0 &&
              (node->op == OP_RESHAPE ||
               (node->op == OP_CAST && element_is_integer(node->operands[0]->type.element)));
  return same && node->operands[0]->type.rank <= 1 && import_static_count(list, &whole) &&
                 import_static_count(node->operands[0], &inner) && whole == inner
             ? known_element(importer, node->operands[0], index)
             : NULL;
}

const Dim *onnx_known_element(OnnxNode *node, Value *list, int index) {
  return known_element(node->importer, list, index);
}

bool onnx_mixed_dims(OnnxNode *node, Value *list, Value *computed, const Dim **dims, int count) {
  int64_t *open = NEW_ARRAY(node->importer->arena, int64_t, count + 1);
  int open_count = 0, measured;
  for (int i = 0; i < count; i++) {
    dims[i] = known_element(node->importer, list, i);
    if (!dims[i]) open[open_count++] = i;
  }
  if (!open_count) return true;
  Value *some = computed;
  if (open_count < count && measurable(node, computed) >= 0) {
    some = onnx_gather(node, computed, build_ints(&node->builder, open, open_count), 0, true);
  }
  const Dim *const *found = some ? onnx_measured_dims(node, some, NULL, &measured) : NULL;
  for (int i = 0; found && i < open_count; i++) dims[open[i]] = found[i];
  return found != NULL;
}

const Dim *onnx_measured_dim(OnnxNode *node, Value *value) {
  int count;
  const Dim *const *dims = onnx_measured_dims(node, value, NULL, &count);
  return dims ? dims[0] : NULL;
}

const Dim *const *onnx_dims_input(OnnxNode *node, int index, int *count) {
  if (!onnx_has_input(node, index)) {
    onnx_error(node, "input %d is missing", index);
    return NULL;
  }
  Value *value = onnx_input(node, index);
  if (value->type.kind != TYPE_TENSOR || value->type.rank > 1 ||
      !element_is_integer(value->type.element)) {
    onnx_error(node, "input %d has type %s, wanted a list of integers", index,
               type_text(node->importer->arena, &value->type));
    return NULL;
  }
  const Dim *const *known = import_dims(node->importer, value, count);
  int64_t elements = known ? 0 : measurable(node, value);
  if (known) return known;
  if (elements < 0) return report_data(node, index), NULL;
  const Dim **dims = NEW_ARRAY(node->importer->arena, const Dim *, elements + 1);
  if (!onnx_mixed_dims(node, value, value, dims, (int)elements)) return NULL;
  import_set_contents(node->importer, value,
                      (Contents){.dims = dims, .count = (int)elements, .denominator = 1});
  *count = (int)elements;
  return dims;
}

const int64_t *onnx_ints_input(OnnxNode *node, int index, int *count) {
  const Dim *const *dims = onnx_dims_input(node, index, count);
  if (!dims) return NULL;
  int64_t *values = NEW_ARRAY(node->importer->arena, int64_t, *count + 1);
  for (int i = 0; i < *count; i++) {
    if (dim_is_constant(dims[i], &values[i])) continue;
    onnx_error(node, "input %d must be constant here, but it is %s", index,
               dim_text(node->importer->arena, dims[i]));
    return NULL;
  }
  return values;
}

bool onnx_ints_either(OnnxNode *node, const char *name, int index, const int64_t **values,
                      int *count) {
  *values = NULL;
  *count = 0;
  if (onnx_has_input(node, index)) {
    *values = onnx_ints_input(node, index, count);
    return *values != NULL;
  }
  *values = onnx_ints(node, name, count);
  return !node->builder.failed;
}

bool onnx_constant_input(OnnxNode *node, int index, Tensor *tensor) {
  return onnx_has_input(node, index) &&
         import_constant_value(node->importer, onnx_input(node, index), tensor);
}
