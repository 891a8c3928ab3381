#include "frontend/inputs.h"

#include <string.h>

#include "frontend/proto.h"

static bool is_initializer(const Onnx__GraphProto *graph, const char *name) {
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (strcmp(graph->initializer[i]->name, name) == 0) return true;
  for (size_t i = 0; i < graph->n_sparse_initializer; i++)
    if (graph->sparse_initializer[i]->values &&
        strcmp(graph->sparse_initializer[i]->values->name, name) == 0)
      return true;
  return false;
}

static ValueKind kind_of(const Onnx__TypeProto *type) {
  if (!type || type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return VALUE_TENSOR;
  if (type->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE) return VALUE_SEQUENCE;
  if (type->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE) return VALUE_OPTIONAL;
  return type->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE ? VALUE_MAP : VALUE_TENSOR;
}

static FileInput describe(Arena *arena, const Onnx__ValueInfoProto *info) {
  FileInput input = {arena_strdup(arena, info->name), kind_of(info->type), ELEMENT_NONE, -1, {0}};
  if (!info->type || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
      !info->type->tensor_type)
    return input;
  const Onnx__TypeProto__Tensor *tensor = info->type->tensor_type;
  input.element = onnx_element_type(tensor->elem_type);
  if (!tensor->shape || tensor->shape->n_dim > MAX_RANK) return input;
  input.rank = (int)tensor->shape->n_dim;
  for (int i = 0; i < input.rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = tensor->shape->dim[i];
    bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
                 dim->dim_value > 0;
    input.dims[i] = known ? dim->dim_value : -1;
  }
  return input;
}

bool frontend_inputs(Arena *arena, Diag *diag, const char *path, FileInput **inputs, int *count) {
  OnnxFile *file;
  if (!onnx_file_open(arena, diag, path, NULL, &file)) return false;
  const Onnx__GraphProto *graph = file->model->graph;
  *inputs = NEW_ARRAY(arena, FileInput, graph->n_input);
  *count = 0;
  for (size_t i = 0; i < graph->n_input; i++)
    if (!is_initializer(graph, graph->input[i]->name))
      (*inputs)[(*count)++] = describe(arena, graph->input[i]);
  return true;
}

// --- external data

typedef struct Locations {
  Arena *arena;
  const char **items;
  int count, capacity;
} Locations;

static void add_tensor(Locations *locations, const Onnx__TensorProto *tensor) {
  if (tensor->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return;
  for (size_t i = 0; i < tensor->n_external_data; i++) {
    const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
    if (strcmp(entry->key, "location") != 0) continue;
    for (int k = 0; k < locations->count; k++)
      if (strcmp(locations->items[k], entry->value) == 0) return;
    ARENA_PUSH(locations->arena, locations->items, locations->count, locations->capacity,
               arena_strdup(locations->arena, entry->value));
    return;
  }
}

static void add_graph(Locations *locations, const Onnx__GraphProto *graph);

static void add_node(Locations *locations, const Onnx__NodeProto *node) {
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *attribute = node->attribute[i];
    if (attribute->t) add_tensor(locations, attribute->t);
    for (size_t k = 0; k < attribute->n_tensors; k++) add_tensor(locations, attribute->tensors[k]);
    if (attribute->g) add_graph(locations, attribute->g);
    for (size_t k = 0; k < attribute->n_graphs; k++) add_graph(locations, attribute->graphs[k]);
  }
}

// The depth of graphs in graphs is limited by the wire walker.
static void add_graph(Locations *locations, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++) add_tensor(locations, graph->initializer[i]);
  for (size_t i = 0; i < graph->n_node; i++) add_node(locations, graph->node[i]);
}

bool frontend_external_files(Arena *arena, Diag *diag, const char *path, const char ***items,
                             int *count) {
  OnnxFile *file;
  Locations locations = {.arena = arena};
  if (!onnx_file_open(arena, diag, path, NULL, &file)) return false;
  add_graph(&locations, file->model->graph);
  for (size_t i = 0; i < file->model->n_functions; i++)
    for (size_t k = 0; k < file->model->functions[i]->n_node; k++)
      add_node(&locations, file->model->functions[i]->node[k]);
  *items = locations.items;
  *count = locations.count;
  return true;
}
