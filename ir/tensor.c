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
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++) count *= tensor->dims[i];
  return count;
}

Tensor tensor_copy(Arena *arena, const Tensor *tensor) {
  Tensor copy = *tensor;
  copy.data = arena_alloc(arena, tensor->bytes);
  if (tensor->bytes) memcpy(copy.data, tensor->data, tensor->bytes);
  return copy;
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
  if (found->element != wanted->element || found->rank != wanted->rank) return false;
  for (int i = 0; i < found->rank; i++)
    if (found->dims[i] != wanted->dims[i]) return false;
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
  error->relative = error->absolute == 0 ? 0 : largest > 0 ? error->absolute / largest : error->absolute;
  return true;
}
