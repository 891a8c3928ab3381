// Values of files as tensors and lists of tensors, and back.
#include "frontend/value_file.h"
#include "ir/move.h"

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
  case VALUE_TENSOR: *tensor = value->tensor; return true;
  case VALUE_SEQUENCE:
  case VALUE_OPTIONAL: return list_of_value(arena, diag, path, value, tensor);
  case VALUE_MAP: break;
  }
  return diag_error(diag, loc_file(path), "a map cannot be given to a model");
}

bool onnx_value_map(Arena *arena, Diag *diag, const char *path, const FileValue *value,
                    Tensor *pair) {
  int64_t count = value->count;
  ElementType element = count ? value->items[0].tensor.element : F32;
  Tensor parts[2] = {value->tensor, tensor_create(arena, element, 1, &count)};
  for (int i = 0; i < value->count; i++) {
    const FileValue *item = &value->items[i];
    if (item->kind != VALUE_TENSOR || item->tensor.element != element ||
        tensor_count(&item->tensor) != 1)
      return diag_error(diag, loc_file(path), "value %d of the map is no scalar of %s", i,
                        element_info[element].text);
    copy_elements(element, parts[1].data, i, item->tensor.data, 0, 1);
  }
  *pair = tensor_list(arena, LIST_SEQUENCE, element, parts, 2);
  return true;
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
