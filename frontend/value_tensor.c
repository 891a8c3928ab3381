// Values of files as tensors and lists of tensors, and back.
#include "frontend/value_file.h"

static bool list_of_value(Arena *arena, Diag *diag, const char *path, const FileValue *value,
                          Tensor *list) {
  Tensor *items = NEW_ARRAY(arena, Tensor, value->count);
  for (int i = 0; i < value->count; i++)
    if (!onnx_value_tensor(arena, diag, path, &value->items[i], &items[i])) return false;
  ListKind kind = value->kind == VALUE_SEQUENCE ? LIST_SEQUENCE : LIST_OPTIONAL;
  *list = tensor_list(arena, kind, value->count ? items[0].element : F32, items, value->count);
  list->name = value->name;
  return true;
}

bool onnx_value_tensor(Arena *arena, Diag *diag, const char *path, const FileValue *value,
                       Tensor *tensor) {
  switch (value->kind) {
  case VALUE_TENSOR:
    *tensor = value->tensor;
    return true;
  case VALUE_SEQUENCE:
  case VALUE_OPTIONAL:
    return list_of_value(arena, diag, path, value, tensor);
  case VALUE_MAP:
    break;
  }
  return diag_error(diag, loc_file(path), "a map cannot be given to a model");
}

FileValue onnx_value_of_tensor(Arena *arena, const Tensor *tensor) {
  FileValue value = {.kind = VALUE_TENSOR, .name = tensor->name, .tensor = *tensor};
  if (!tensor->list) return value;
  value.kind = tensor->list == LIST_SEQUENCE ? VALUE_SEQUENCE : VALUE_OPTIONAL;
  value.count = (int)tensor->dims[0];
  value.items = NEW_ARRAY(arena, FileValue, value.count);
  for (int i = 0; i < value.count; i++)
    value.items[i] = onnx_value_of_tensor(arena, &tensor_items(tensor)[i]);
  return value;
}
