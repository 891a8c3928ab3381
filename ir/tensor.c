// Concrete tensors.
#include "ir/tensor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

bool tensor_checked_bytes(ElementType element, int rank, const int64_t *dims, int64_t *count,
                          int64_t *bytes) {
  int64_t product = 1;
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 0) return false;
    empty |= dims[i] == 0;
  }
  for (int i = 0; i < rank && !empty; i++)
    if (__builtin_mul_overflow(product, dims[i], &product)) return false;
  *count = empty ? 0 : product;
  return element_bytes(element, *count, bytes);
}

Tensor tensor_create(Arena *arena, ElementType element, int rank, const int64_t *dims) {
  Tensor tensor = {.element = element, .rank = rank};
  int64_t count = 0, bytes = 0;
  bool fits = tensor_checked_bytes(element, rank, dims, &count, &bytes);
  assert(fits && "sizes of untrusted tensors are checked before");
  if (!fits) machine_failed("out of memory (tensor too large)");
  for (int i = 0; i < rank; i++) tensor.dims[i] = dims[i];
  tensor.bytes = (size_t)bytes;
  tensor.data = arena_alloc(arena, tensor.bytes);
  return tensor;
}

int64_t tensor_count(const Tensor *tensor) {
  uint64_t count = 1; // dims beside an empty one may be anything
  for (int i = 0; i < tensor->rank; i++) count *= (uint64_t)tensor->dims[i];
  return (int64_t)count;
}

// --- copies: the data itself, then what it points to, each from a multiple of 16

static size_t rounded(size_t bytes) { return (bytes + 15) / 16 * 16; }

static size_t strings_bytes(const Tensor *tensor) {
  size_t bytes = 0;
  const TensorString *strings = tensor->data;
  for (size_t i = 0; i < tensor->bytes / sizeof *strings; i++) bytes += strings[i].length;
  return bytes;
}

size_t tensor_block_bytes(const Tensor *tensor) {
  size_t bytes = rounded(tensor->bytes);
  if (tensor->list)
    for (int64_t i = 0; i < tensor->dims[0]; i++)
      bytes += tensor_block_bytes(&tensor_items(tensor)[i]);
  else if (tensor->element == STR)
    bytes += rounded(strings_bytes(tensor));
  return bytes;
}

static void copy_strings(TensorString *strings, size_t count, char *to) {
  for (size_t i = 0; i < count; i++) {
    if (strings[i].length) memcpy(to, strings[i].data, strings[i].length);
    strings[i].data = to;
    to += strings[i].length;
  }
}

Tensor tensor_copy_to(void *block, const Tensor *tensor) {
  Tensor copy = *tensor;
  copy.data = block;
  if (tensor->bytes) memcpy(block, tensor->data, tensor->bytes);
  char *rest = (char *)block + rounded(tensor->bytes);
  for (int64_t i = 0; tensor->list && i < tensor->dims[0]; i++) {
    Tensor *item = &tensor_items(&copy)[i];
    size_t bytes = tensor_block_bytes(item);
    *item = tensor_copy_to(rest, item);
    rest += bytes;
  }
  if (!tensor->list && tensor->element == STR)
    copy_strings(copy.data, tensor->bytes / sizeof(TensorString), rest);
  return copy;
}

Tensor tensor_copy(Arena *arena, const Tensor *tensor) {
  return tensor_copy_to(arena_alloc(arena, tensor_block_bytes(tensor)), tensor);
}

Tensor tensor_list(Arena *arena, ListKind kind, ElementType element, const Tensor *items,
                   int64_t count) {
  Tensor list = {.list = kind, .element = element, .rank = 1, .dims = {count}};
  list.bytes = (size_t)count * sizeof *items;
  list.data = arena_alloc(arena, list.bytes);
  if (list.bytes) memcpy(list.data, items, list.bytes);
  return list;
}

static bool compare_lists(const Tensor *found, const Tensor *wanted, TensorError *error) {
  for (int64_t i = 0; i < found->dims[0]; i++) {
    TensorError one;
    if (!tensor_compare(&tensor_items(found)[i], &tensor_items(wanted)[i], &one)) return false;
    if (one.different && (error->where < 0 || one.absolute > error->absolute)) error->where = i;
    error->different += one.different;
    if (one.absolute > error->absolute) error->absolute = one.absolute;
    if (one.relative > error->relative) error->relative = one.relative;
  }
  return true;
}

static bool compare_strings(const Tensor *found, const Tensor *wanted, TensorError *error) {
  const TensorString *a = found->data, *b = wanted->data;
  for (int64_t i = 0, n = tensor_count(found); i < n; i++) {
    if (a[i].length == b[i].length && !memcmp(a[i].data, b[i].data, a[i].length)) continue;
    error->absolute = error->relative = 1;
    if (error->where < 0) error->where = i;
    error->different++;
  }
  return true;
}

bool tensor_compare(const Tensor *found, const Tensor *wanted, TensorError *error) {
  *error = (TensorError){0, 0, -1, 0};
  if (found->list != wanted->list || found->rank != wanted->rank) return false;
  if (!found->list && found->element != wanted->element) return false;
  for (int i = 0; i < found->rank; i++)
    if (found->dims[i] != wanted->dims[i]) return false;
  if (found->list) return compare_lists(found, wanted, error);
  if (found->element == STR) return compare_strings(found, wanted, error);
  int parts = element_info[found->element].class == CLASS_COMPLEX ? 2 : 1;
  ElementType element = found->element == C64 ? F32 : found->element == C128 ? F64 : found->element;
  double largest = 0;
  for (int64_t i = 0, n = tensor_count(found) * parts; i < n; i++) {
    double a = element_load(element, found->data, i), b = element_load(element, wanted->data, i);
    if (isfinite(b) && fabs(b) > largest) largest = fabs(b);
    if (a == b || (isnan(a) && isnan(b))) continue;
    double difference = isfinite(a) && isfinite(b) ? fabs(a - b) : INFINITY;
    error->different++;
    if (error->where >= 0 && !(difference > error->absolute)) continue;
    error->absolute = difference;
    error->where = i / parts;
  }
  error->relative = error->absolute == 0 ? 0
                    : largest > 0        ? error->absolute / largest
                                         : error->absolute;
  return true;
}
