// What the functions of importers.def ask an ONNX node for: operands, results, attributes.
#include <string.h>

#include "frontend/import.h"

// --- operands and results

bool onnx_has_input(const OnnxNode *node, int index) {
  return index < node->input_count && node->inputs[index] && node->inputs[index]->value;
}

Value *onnx_input(OnnxNode *node, int index) {
  return onnx_has_input(node, index) ? node->inputs[index]->value : NULL;
}

bool onnx_need_inputs(OnnxNode *node, int count) {
  for (int i = 0; i < count; i++) {
    if (onnx_has_input(node, i)) continue;
    if (i < node->input_count && node->inputs[i] &&
        (node->inputs[i]->list || node->inputs[i]->is_sequence || node->inputs[i]->is_optional ||
         node->inputs[i]->map_keys))
      return onnx_error(node, "input %d is not a tensor", i);
    return onnx_error(node, "input %d of %d is missing", i, count);
  }
  return true;
}

bool onnx_wants_output(const OnnxNode *node, int index) {
  return index < node->output_count && node->proto->output[index] && node->proto->output[index][0];
}

bool onnx_output(OnnxNode *node, int index, Value *value) {
  if (node->builder.failed || !value) return false;
  if (!onnx_wants_output(node, index)) return true;
  node->outputs[index].value = value;
  if (!value->name) value->name = arena_strdup(node->importer->arena, node->proto->output[index]);
  return true;
}

bool onnx_output_list(OnnxNode *node, int index, Value *list) {
  if (node->builder.failed || !list) return false;
  if (!onnx_wants_output(node, index)) return true;
  node->outputs[index].list = list;
  if (!list->name) list->name = arena_strdup(node->importer->arena, node->proto->output[index]);
  return true;
}

bool onnx_output_sequence(OnnxNode *node, int index, Value *const *elements, int count) {
  if (node->builder.failed) return false;
  if (!onnx_wants_output(node, index)) return true;
  Value **copy = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count; i++) copy[i] = elements[i];
  node->outputs[index] = (Item){.is_sequence = true, .elements = copy, .element_count = count};
  return true;
}

// --- attributes

// An attribute of a function body may name one of the call, or the function's default.
static const Onnx__AttributeProto *referred_attribute(const FunctionCall *call, const char *name) {
  for (size_t i = 0; i < call->node->n_attribute; i++) {
    const Onnx__AttributeProto *attribute = call->node->attribute[i];
    if (strcmp(attribute->name, name) != 0) continue;
    if (attribute->ref_attr_name && attribute->ref_attr_name[0])
      return call->outer ? referred_attribute(call->outer, attribute->ref_attr_name) : NULL;
    return attribute;
  }
  for (size_t i = 0; i < call->function->n_attribute_proto; i++)
    if (strcmp(call->function->attribute_proto[i]->name, name) == 0)
      return call->function->attribute_proto[i];
  return NULL;
}

const Onnx__AttributeProto *onnx_attribute(OnnxNode *node, const char *name) {
  for (size_t i = 0; i < node->proto->n_attribute; i++) {
    const Onnx__AttributeProto *attribute = node->proto->attribute[i];
    if (!attribute->name || strcmp(attribute->name, name) != 0) continue;
    if (attribute->ref_attr_name && attribute->ref_attr_name[0])
      return node->scope->call ? referred_attribute(node->scope->call, attribute->ref_attr_name)
                               : NULL;
    return attribute;
  }
  return NULL;
}

// Files of IR version 1 may leave the kind out; then the field that is filled tells.
static bool attribute_fits(OnnxNode *node, const Onnx__AttributeProto *attribute,
                           const char *kind_name, Onnx__AttributeProto__AttributeType kind,
                           bool filled) {
  if (attribute->type == kind) return true;
  if (attribute->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED && filled) return true;
  node->builder.failed = true;
  return onnx_error(node, "attribute '%s' is not %s", attribute->name, kind_name);
}

#define KIND(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

int64_t onnx_int(OnnxNode *node, const char *name, int64_t otherwise) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  if (!attribute || !attribute_fits(node, attribute, "an integer", KIND(INT), attribute->has_i))
    return otherwise;
  return attribute->i;
}

double onnx_float(OnnxNode *node, const char *name, double otherwise) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  if (!attribute || !attribute_fits(node, attribute, "a float", KIND(FLOAT), attribute->has_f))
    return otherwise;
  return (double)attribute->f;
}

const char *onnx_string(OnnxNode *node, const char *name, const char *otherwise) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  if (!attribute || !attribute_fits(node, attribute, "a string", KIND(STRING), attribute->has_s))
    return otherwise;
  return arena_strndup(node->importer->arena, (const char *)attribute->s.data, attribute->s.len);
}

const int64_t *onnx_ints(OnnxNode *node, const char *name, int *count) {
  static const int64_t none = 0;
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  *count = 0;
  if (!attribute || !attribute_fits(node, attribute, "a list of integers", KIND(INTS), true))
    return NULL;
  if (attribute->n_ints > INT32_MAX) return NULL;
  *count = (int)attribute->n_ints;
  return attribute->ints ? attribute->ints : &none;
}

const float *onnx_floats(OnnxNode *node, const char *name, int *count) {
  static const float none = 0;
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  *count = 0;
  if (!attribute || !attribute_fits(node, attribute, "a list of floats", KIND(FLOATS), true))
    return NULL;
  if (attribute->n_floats > INT32_MAX) return NULL;
  *count = (int)attribute->n_floats;
  return attribute->floats ? attribute->floats : &none;
}

const char *const *onnx_strings(OnnxNode *node, const char *name, int *count) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  *count = 0;
  if (!attribute || !attribute_fits(node, attribute, "a list of strings", KIND(STRINGS), true))
    return NULL;
  if (attribute->n_strings > INT32_MAX) return NULL;
  const char **texts = NEW_ARRAY(node->importer->arena, const char *, attribute->n_strings + 1);
  for (size_t i = 0; i < attribute->n_strings; i++)
    texts[i] = arena_strndup(node->importer->arena, (const char *)attribute->strings[i].data,
                             attribute->strings[i].len);
  *count = (int)attribute->n_strings;
  return texts;
}

bool onnx_tensor_attribute(OnnxNode *node, const char *name, Tensor *tensor) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  if (!attribute) return false;
  if (!attribute_fits(node, attribute, "a tensor", KIND(TENSOR), attribute->t != NULL))
    return false;
  if (attribute->t && onnx_tensor_bytes(node->importer->file, attribute->t, tensor)) return true;
  node->builder.failed = true;
  return attribute->t ? false : onnx_error(node, "attribute '%s' has no tensor", name);
}

const Onnx__GraphProto *onnx_graph(OnnxNode *node, const char *name) {
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  if (attribute && attribute_fits(node, attribute, "a graph", KIND(GRAPH), attribute->g != NULL) &&
      attribute->g)
    return attribute->g;
  if (!node->builder.failed) onnx_error(node, "attribute '%s' (a graph) is missing", name);
  node->builder.failed = true;
  return NULL;
}

bool onnx_axis(OnnxNode *node, int64_t axis, int rank, int *result) {
  if (axis < -rank || axis >= rank)
    return onnx_error(node, "axis %lld is outside of rank %d", (long long)axis, rank);
  *result = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

bool onnx_axes(OnnxNode *node, const int64_t *axes, int count, int rank, int64_t *result) {
  bool seen[2 * MAX_RANK] = {false};
  if (count > rank) return onnx_error(node, "%d axes for rank %d", count, rank);
  for (int i = 0; i < count; i++) {
    int axis;
    if (!onnx_axis(node, axes[i], rank, &axis)) return false;
    if (seen[axis]) return onnx_error(node, "axis %d is given twice", axis);
    seen[axis] = true;
    result[i] = axis;
  }
  return true;
}
