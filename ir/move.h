// Moving elements of any type: the core of the interpreter's movement ops.
#ifndef TENON_IR_MOVE_H
#define TENON_IR_MOVE_H

#include "ir/interpret.h"

// Copies `count` elements; indices count elements, also of packed types.
void copy_elements(ElementType element, void *to, int64_t to_index, const void *from,
                   int64_t from_index, int64_t count);

// Distances between neighbours along each axis, in elements, row-major.
void tensor_strides(const Tensor *tensor, int64_t strides[MAX_RANK]);
// Product of dims [first, end).
int64_t dims_product(const Tensor *tensor, int first, int end);
// The next index tuple in row-major order; false after the last one.
bool next_index(int rank, const int64_t *dims, int64_t *index);

#define MOVE_NOTHING INT64_MIN
// to[i0, i1, ..] = from[offsets[0][i0] + offsets[1][i1] + ..]; where one of the offsets is
// MOVE_NOTHING the element stays as it is.
void move_elements(Tensor *to, const Tensor *from, int64_t *const *offsets);

// The index counted from the front; reports what lies outside [-size, size) of `axis`.
bool check_index(const Evaluation *evaluation, int64_t index, int64_t size, int axis,
                 int64_t *from_front);
// Reports an operand whose number of elements is not the one that the others ask for: what types
// with symbols cannot prove, every run checks.
bool check_count(const Evaluation *evaluation, int operand, int64_t wanted);
// The axis of attribute AXIS in [0, rank).
int evaluation_axis(const Evaluation *evaluation, int rank);
// The value of a dim under the run's symbols.
int64_t evaluation_dim(const Evaluation *evaluation, const Dim *dim);

#endif
