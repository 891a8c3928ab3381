// Attributes of nodes: kept in the order of attributes.def, so that printing is stable.
#include <assert.h>
#include <string.h>

#include "ir/graph.h"

const Attribute *node_attribute(const Node *node, AttributeId id) {
  for (int i = 0; i < node->attribute_count; i++)
    if (node->attributes[i].id == id) return &node->attributes[i];
  return NULL;
}

static const AttributeSpec *spec_of(const Node *node, AttributeId id, AttributeKind kind) {
  const AttributeSpec *spec = op_attribute(node->op, id);
  assert(spec && attribute_info[id].kind == kind && "the op has no such attribute");
  (void)kind;
  return spec;
}

int64_t node_int(const Node *node, AttributeId id) {
  const AttributeSpec *spec = spec_of(node, id, KIND_INT);
  const Attribute *attribute = node_attribute(node, id);
  return attribute ? attribute->int_value : spec->int_default;
}

double node_float(const Node *node, AttributeId id) {
  const AttributeSpec *spec = spec_of(node, id, KIND_FLOAT);
  const Attribute *attribute = node_attribute(node, id);
  return attribute ? attribute->float_value : spec->float_default;
}

const char *node_string(const Node *node, AttributeId id) {
  const AttributeSpec *spec = spec_of(node, id, KIND_STRING);
  const Attribute *attribute = node_attribute(node, id);
  const char *text = attribute ? attribute->string_value : spec->string_default;
  return text ? text : "";
}

const int64_t *node_ints(const Node *node, AttributeId id, int *count) {
  spec_of(node, id, KIND_INTS);
  const Attribute *attribute = node_attribute(node, id);
  *count = attribute ? attribute->count : 0;
  return attribute ? attribute->ints : NULL;
}

int64_t node_ints_at(const Node *node, AttributeId id, int index, int64_t otherwise) {
  int count;
  const int64_t *values = node_ints(node, id, &count);
  return index < count ? values[index] : otherwise;
}

const double *node_floats(const Node *node, AttributeId id, int *count) {
  spec_of(node, id, KIND_FLOATS);
  const Attribute *attribute = node_attribute(node, id);
  *count = attribute ? attribute->count : 0;
  return attribute ? attribute->floats : NULL;
}

const Dim *const *node_dims(const Node *node, AttributeId id, int *count) {
  spec_of(node, id, KIND_DIMS);
  const Attribute *attribute = node_attribute(node, id);
  *count = attribute ? attribute->count : 0;
  return attribute ? attribute->dims : NULL;
}

static void set_attribute(Node *node, Attribute attribute) {
  for (int i = 0; i < node->attribute_count; i++) {
    if (node->attributes[i].id != attribute.id) continue;
    node->attributes[i] = attribute;
    return;
  }
  ARENA_PUSH(node->graph->module->arena, node->attributes, node->attribute_count,
             node->attribute_capacity, attribute);
  for (int i = node->attribute_count - 1; i > 0 && node->attributes[i - 1].id > attribute.id; i--) {
    node->attributes[i] = node->attributes[i - 1];
    node->attributes[i - 1] = attribute;
  }
}

void node_set_int(Node *node, AttributeId id, int64_t value) {
  if (!node) return;
  spec_of(node, id, KIND_INT);
  set_attribute(node, (Attribute){.id = id, .int_value = value});
}

void node_set_float(Node *node, AttributeId id, double value) {
  if (!node) return;
  spec_of(node, id, KIND_FLOAT);
  set_attribute(node, (Attribute){.id = id, .float_value = value});
}

void node_set_string(Node *node, AttributeId id, const char *value) {
  if (!node) return;
  spec_of(node, id, KIND_STRING);
  set_attribute(
      node, (Attribute){.id = id, .string_value = arena_strdup(node->graph->module->arena, value)});
}

void node_set_ints(Node *node, AttributeId id, const int64_t *values, int count) {
  if (!node) return;
  spec_of(node, id, KIND_INTS);
  Arena *arena = node->graph->module->arena;
  const int64_t *copy = arena_grow(arena, values, (size_t)count, (size_t)count, sizeof *values);
  set_attribute(node, (Attribute){.id = id, .count = count, .ints = copy});
}

void node_set_floats(Node *node, AttributeId id, const double *values, int count) {
  if (!node) return;
  spec_of(node, id, KIND_FLOATS);
  Arena *arena = node->graph->module->arena;
  const double *copy = arena_grow(arena, values, (size_t)count, (size_t)count, sizeof *values);
  set_attribute(node, (Attribute){.id = id, .count = count, .floats = copy});
}

void node_set_dims(Node *node, AttributeId id, const Dim *const *values, int count) {
  if (!node) return;
  spec_of(node, id, KIND_DIMS);
  Arena *arena = node->graph->module->arena;
  const Dim *const *copy = arena_grow(arena, values, (size_t)count, (size_t)count, sizeof *values);
  set_attribute(node, (Attribute){.id = id, .count = count, .dims = copy});
}

void node_copy_attributes(Node *to, const Node *from) {
  for (int i = 0; i < from->attribute_count; i++) set_attribute(to, from->attributes[i]);
}

void node_clear_attribute(Node *node, AttributeId id) {
  int kept = 0;
  for (int i = 0; i < node->attribute_count; i++)
    if (node->attributes[i].id != id) node->attributes[kept++] = node->attributes[i];
  node->attribute_count = kept;
}

bool attribute_equal(const Attribute *a, const Attribute *b) {
  if (a->id != b->id || a->count != b->count) return false;
  switch (attribute_info[a->id].kind) {
  case KIND_INT: return a->int_value == b->int_value;
  case KIND_FLOAT: return !memcmp(&a->float_value, &b->float_value, sizeof(double));
  case KIND_STRING: return !strcmp(a->string_value, b->string_value);
  case KIND_INTS: return !memcmp(a->ints, b->ints, (size_t)a->count * sizeof *a->ints);
  case KIND_FLOATS: return !memcmp(a->floats, b->floats, (size_t)a->count * sizeof *a->floats);
  case KIND_DIMS: return !memcmp(a->dims, b->dims, (size_t)a->count * sizeof *a->dims);
  }
  return false;
}
