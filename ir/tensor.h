// Tensor: concrete data with a shape, as it exists while something runs: inputs, outputs,
// calibration samples, the interpreter's values. Dense, row-major, little-endian, sub-byte types
// packed. Data belongs to an arena or to a mapping.
#ifndef TENON_IR_TENSOR_H
#define TENON_IR_TENSOR_H

#include "ir/type.h"

typedef struct TensorString {
  const char *data;
  size_t length;
} TensorString; // one element of a STR tensor

typedef struct Tensor {
  ElementType element;
  int rank;
  int64_t dims[MAX_RANK];
  void *data;
  size_t bytes;
  const char *name; // may be NULL
} Tensor;

// Zeroed data in `arena`. The size must have been checked (tensor_checked_bytes) if it is untrusted.
Tensor tensor_create(Arena *arena, ElementType element, int rank, const int64_t *dims);
// Elements and bytes of a shape; false on a negative dim or overflow.
bool tensor_checked_bytes(ElementType element, int rank, const int64_t *dims, int64_t *count,
                          int64_t *bytes);
int64_t tensor_count(const Tensor *tensor);
Tensor tensor_copy(Arena *arena, const Tensor *tensor);

typedef struct TensorError {
  double absolute;   // worst |a - b|
  double relative;   // worst |a - b| relative to the largest finite |b|
  int64_t where;     // element with the worst absolute error; -1: none
  int64_t different; // number of elements that are not identical (NaN equals NaN)
} TensorError;
// Compares values (not bits). False if element type or shape differ.
bool tensor_compare(const Tensor *found, const Tensor *wanted, TensorError *error);

#endif
