// Tensor: concrete data with a shape, as it exists while something runs: inputs, outputs,
// calibration samples, the interpreter's values. Dense, row-major, little-endian, sub-byte types
// packed. Data belongs to an arena or to a mapping. Sequences and optionals are lists of tensors.
#ifndef TENON_IR_TENSOR_H
#define TENON_IR_TENSOR_H

#include "ir/type.h"

typedef struct TensorString {
  const char *data;
  size_t length;
} TensorString; // one element of a STR tensor

typedef enum ListKind { LIST_NONE, LIST_SEQUENCE, LIST_OPTIONAL } ListKind;

typedef struct Tensor {
  ElementType element;
  int rank;
  int64_t dims[MAX_RANK];
  void *data;
  size_t bytes;
  const char *name; // may be NULL
  ListKind
      list; // else data is an array of dims[0] Tensors (rank 1), which may be lists in their turn
} Tensor;

// Zeroed data in `arena`. The size must have been checked (tensor_checked_bytes) if it is
// untrusted.
Tensor tensor_create(Arena *arena, ElementType element, int rank, const int64_t *dims);
// Elements and bytes of a shape; false on a negative dim or overflow.
bool tensor_checked_bytes(ElementType element, int rank, const int64_t *dims, int64_t *count,
                          int64_t *bytes);
int64_t tensor_count(const Tensor *tensor);
// A copy, with the bytes of its strings and all that is in a list.
Tensor tensor_copy(Arena *arena, const Tensor *tensor);
// The same in one block of memory of the caller's: how many bytes it takes, and the copy.
size_t tensor_block_bytes(const Tensor *tensor);
Tensor tensor_copy_to(void *block, const Tensor *tensor);
Tensor tensor_list(Arena *arena, ListKind kind, ElementType element, const Tensor *items,
                   int64_t count);
static inline Tensor *tensor_items(const Tensor *list) { return (Tensor *)list->data; }

typedef struct TensorError {
  double absolute;   // worst |a - b|
  double relative;   // worst |a - b| relative to the largest finite |b|
  int64_t where;     // element (of a list: item) with the worst absolute error; -1: none
  int64_t different; // number of elements that are not identical (NaN equals NaN)
} TensorError;
// Compares values (not bits). False if element type or shape differ.
bool tensor_compare(const Tensor *found, const Tensor *wanted, TensorError *error);

#endif
