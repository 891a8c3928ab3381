#include "codegen/list_call.h"

#include <string.h>

#include "codegen/describe.h"

int32_t type_of_element(ElementType element) { return describe_type_code(element); }

ElementType element_of_type(int32_t code) {
  for (int i = 0; i < ELEMENT_COUNT; i++)
    if (describe_type_code((ElementType)i) == code) return (ElementType)i;
  return ELEMENT_NONE;
}

// --- to the model

static tenon_tensor tensor_of(const Tensor *item, Arena *arena) {
  Tensor copy = tensor_copy(arena, item); // aligned
  size_t *dims = NEW_ARRAY(arena, size_t, item->rank + 1);
  for (int i = 0; i < item->rank; i++) dims[i] = (size_t)item->dims[i];
  return (tenon_tensor){copy.data, dims, item->rank, describe_type_code(item->element)};
}

static tenon_sequence *sequence_of(const Tensor *list, Arena *arena) {
  tenon_sequence *sequence = NEW(arena, tenon_sequence);
  tenon_tensor *items = NEW_ARRAY(arena, tenon_tensor, list->dims[0] + 1);
  for (int64_t i = 0; i < list->dims[0]; i++) items[i] = tensor_of(&tensor_items(list)[i], arena);
  *sequence = (tenon_sequence){items, (size_t)list->dims[0]};
  return sequence;
}

static bool items_are(const Tensor *list, ListKind kind, ElementType element) {
  if (list->list != kind) return false;
  for (int64_t i = 0; i < list->dims[0]; i++)
    if (tensor_items(list)[i].list || tensor_items(list)[i].element != element) return false;
  return true;
}

static bool fits(const tenon_value *value, const Tensor *list) {
  ElementType element = element_of_type(value->type);
  if (value->kind == TENON_SEQUENCE) return items_are(list, LIST_SEQUENCE, element);
  if (list->list != LIST_OPTIONAL || list->dims[0] > 1) return false;
  if (!list->dims[0] || value->kind == TENON_OPTIONAL)
    return items_are(list, LIST_OPTIONAL, element);
  return items_are(&tensor_items(list)[0], LIST_SEQUENCE, element);
}

bool list_to_word(const tenon_value *value, const Tensor *list, size_t *word, Arena *arena,
                  Diag *diag, Loc loc) {
  static const char *const names[] = {"a tensor", "a sequence", "an optional tensor",
                                      "an optional sequence"};
  if (!fits(value, list))
    return diag_error(diag, loc, "input is not %s of %s", names[value->kind],
                      element_info[element_of_type(value->type)].text);
  const void *pointer = NULL;
  const Tensor *element = tensor_items(list);
  if (value->kind == TENON_SEQUENCE) {
    pointer = sequence_of(list, arena);
  } else if (list->dims[0] && value->kind == TENON_OPTIONAL) {
    tenon_tensor *tensor = NEW(arena, tenon_tensor);
    *tensor = tensor_of(element, arena);
    pointer = tensor;
  } else if (list->dims[0]) {
    pointer = sequence_of(element, arena);
  }
  *word = (size_t)(uintptr_t)pointer;
  return true;
}

// --- from the model

static bool tensor_from(const tenon_tensor *item, Tensor *tensor, Arena *arena, Diag *diag,
                        Loc loc) {
  int64_t count, bytes;
  *tensor =
      (Tensor){.element = element_of_type(item->type), .rank = item->rank, .data = item->data};
  bool known = tensor->element != ELEMENT_NONE && item->rank >= 0 && item->rank <= MAX_RANK;
  for (int i = 0; known && i < item->rank; i++) tensor->dims[i] = (int64_t)item->dims[i];
  if (!known || !tensor_checked_bytes(tensor->element, tensor->rank, tensor->dims, &count, &bytes))
    return diag_error(diag, loc, "an element of the output is no tensor");
  tensor->bytes = (size_t)bytes;
  *tensor = tensor_copy(arena, tensor);
  return true;
}

static bool list_from(const tenon_tensor *items, size_t count, ListKind kind, Tensor *list,
                      Arena *arena, Diag *diag, Loc loc) {
  Tensor *copies = NEW_ARRAY(arena, Tensor, count + 1);
  for (size_t i = 0; i < count; i++)
    if (!tensor_from(&items[i], &copies[i], arena, diag, loc)) return false;
  *list =
      tensor_list(arena, kind, count ? copies[0].element : list->element, copies, (int64_t)count);
  return true;
}

bool list_from_word(const tenon_value *value, size_t word, Tensor *list, Arena *arena, Diag *diag,
                    Loc loc) {
  const void *pointer;
  memcpy(&pointer, &word, sizeof pointer);
  *list = (Tensor){.element = element_of_type(value->type)};
  if (value->kind != TENON_SEQUENCE && !pointer)
    return list_from(NULL, 0, LIST_OPTIONAL, list, arena, diag, loc);
  if (value->kind == TENON_OPTIONAL)
    return list_from(pointer, 1, LIST_OPTIONAL, list, arena, diag, loc);
  const tenon_sequence *sequence = pointer;
  if (!list_from(sequence->items, sequence->count, LIST_SEQUENCE, list, arena, diag, loc))
    return false;
  if (value->kind == TENON_OPTIONAL_SEQUENCE)
    *list = tensor_list(arena, LIST_OPTIONAL, list->element, list, 1);
  return true;
}
