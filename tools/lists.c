// Sequences of maps as tensors whose columns have keys, and back; shapes of lists as text.
#include "tools/values.h"

#include <inttypes.h>
#include <string.h>

#include "ir/move.h"

// --- maps

static bool key_equal(const Tensor *keys, int64_t index, const Tensor *others, int64_t other) {
  if (keys->element != others->element) return false;
  if (keys->element == I64)
    return element_load_int(I64, keys->data, index) == element_load_int(I64, others->data, other);
  const TensorString *a = (TensorString *)keys->data + index,
                     *b = (TensorString *)others->data + other;
  return a->length == b->length && (!a->length || !memcmp(a->data, b->data, a->length));
}

// Values of one map in the order of the keys.
static bool row_of_map(const FileValue *map, const PortInfo *port, Tensor *tensor, int64_t row) {
  int64_t count = port->keys.dims[0];
  for (int64_t k = 0; k < count; k++) {
    int found = 0;
    while (found < map->count && !key_equal(&port->keys, k, &map->tensor, found)) found++;
    if (found == map->count) return false;
    const Tensor *value = &map->items[found].tensor;
    if (map->items[found].kind != VALUE_TENSOR || value->element != tensor->element ||
        tensor_count(value) != 1)
      return false;
    copy_elements(tensor->element, tensor->data, row * count + k, value->data, 0, 1);
  }
  return map->count == count;
}

bool tensor_of_maps(Tool *tool, const char *path, const FileValue *value, const PortInfo *port,
                    Tensor *tensor) {
  int64_t dims[2] = {value->count, port->keys.dims[0]};
  *tensor = tensor_create(tool->arena, port->element, 2, dims);
  for (int i = 0; i < value->count; i++)
    if (value->items[i].kind != VALUE_MAP || !row_of_map(&value->items[i], port, tensor, i))
      return diag_error(&tool->diag, loc_file(path),
                        "item %d is no map from the %lld keys of '%s' to values of %s", i,
                        (long long)dims[1], port->name, element_info[port->element].text);
  if (port->rank != 1 || value->count != 1) return true;
  tensor->rank = 1; // of one row
  tensor->dims[0] = dims[1];
  return true;
}

FileValue maps_of_tensor(Arena *arena, const Tensor *tensor, const Tensor *keys) {
  int64_t columns = keys->dims[0], rows = columns ? tensor_count(tensor) / columns : 0;
  size_t size = (size_t)element_info[tensor->element].bits / 8;
  FileValue maps = {.kind = VALUE_SEQUENCE,
                    .name = tensor->name,
                    .count = (int)rows,
                    .items = NEW_ARRAY(arena, FileValue, rows)};
  for (int64_t r = 0; r < rows; r++) {
    FileValue *map = &maps.items[r];
    *map = (FileValue){.kind = VALUE_MAP,
                       .tensor = *keys,
                       .count = (int)columns,
                       .items = NEW_ARRAY(arena, FileValue, columns)};
    for (int64_t k = 0; k < columns; k++)
      map->items[k].tensor =
          (Tensor){.element = tensor->element,
                   .bytes = size,
                   .data = (char *)tensor->data + (size_t)(r * columns + k) * size};
  }
  return maps;
}

ValueKind kind_of_type(const Type *type) {
  return type->kind == TYPE_SEQUENCE   ? VALUE_SEQUENCE
         : type->kind == TYPE_OPTIONAL ? VALUE_OPTIONAL
                                       : VALUE_TENSOR;
}

static const char *items_text(Arena *arena, const Tensor *list) {
  const char *text = list->list == LIST_SEQUENCE ? "sequence(" : "optional(";
  for (int64_t i = 0; i < list->dims[0]; i++)
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "",
                        tensor_shape_text(arena, &tensor_items(list)[i]));
  return arena_printf(arena, "%s)", text);
}

const char *tensor_shape_text(Arena *arena, const Tensor *tensor) {
  if (tensor->list) return items_text(arena, tensor);
  const char *text = arena_printf(arena, "%s[", element_info[tensor->element].text);
  for (int i = 0; i < tensor->rank; i++)
    text = arena_printf(arena, "%s%s%" PRId64, text, i ? "," : "", tensor->dims[i]);
  return arena_printf(arena, "%s]", text);
}
