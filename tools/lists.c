// Values of files as tensors and lists of tensors, and back.
#include "tools/values.h"

#include <inttypes.h>

static bool list_of_value(Tool *tool, const char *path, const FileValue *value, Tensor *list) {
  Tensor *items = NEW_ARRAY(tool->arena, Tensor, value->count);
  for (int i = 0; i < value->count; i++)
    if (!tensor_of_value(tool, path, &value->items[i], &items[i])) return false;
  ListKind kind = value->kind == VALUE_SEQUENCE ? LIST_SEQUENCE : LIST_OPTIONAL;
  *list = tensor_list(tool->arena, kind, value->count ? items[0].element : F32, items, value->count);
  list->name = value->name;
  return true;
}

bool tensor_of_value(Tool *tool, const char *path, const FileValue *value, Tensor *tensor) {
  switch (value->kind) {
  case VALUE_TENSOR: *tensor = value->tensor; return true;
  case VALUE_SEQUENCE:
  case VALUE_OPTIONAL: return list_of_value(tool, path, value, tensor);
  case VALUE_MAP: break;
  }
  return diag_error(&tool->diag, loc_file(path), "a map cannot be given to a model");
}

FileValue value_of_tensor(Arena *arena, const Tensor *tensor) {
  FileValue value = {.kind = VALUE_TENSOR, .name = tensor->name, .tensor = *tensor};
  if (!tensor->list) return value;
  value.kind = tensor->list == LIST_SEQUENCE ? VALUE_SEQUENCE : VALUE_OPTIONAL;
  value.count = (int)tensor->dims[0];
  value.items = NEW_ARRAY(arena, FileValue, value.count);
  for (int i = 0; i < value.count; i++) value.items[i] = value_of_tensor(arena, &tensor_items(tensor)[i]);
  return value;
}

ValueKind kind_of_type(const Type *type) {
  return type->kind == TYPE_SEQUENCE ? VALUE_SEQUENCE : type->kind == TYPE_OPTIONAL ? VALUE_OPTIONAL : VALUE_TENSOR;
}

static const char *items_text(Arena *arena, const Tensor *list) {
  const char *text = list->list == LIST_SEQUENCE ? "sequence(" : "optional(";
  for (int64_t i = 0; i < list->dims[0]; i++)
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", tensor_shape_text(arena, &tensor_items(list)[i]));
  return arena_printf(arena, "%s)", text);
}

const char *tensor_shape_text(Arena *arena, const Tensor *tensor) {
  if (tensor->list) return items_text(arena, tensor);
  const char *text = arena_printf(arena, "%s[", element_info[tensor->element].text);
  for (int i = 0; i < tensor->rank; i++)
    text = arena_printf(arena, "%s%s%" PRId64, text, i ? "," : "", tensor->dims[i]);
  return arena_printf(arena, "%s]", text);
}
