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
