// How interpret_* functions read and write tensors: runs of elements as double or int64_t (64-bit
// patterns for u64), and walks over broadcast shapes.
#ifndef TENON_IR_INTERPRET_VALUES_H
#define TENON_IR_INTERPRET_VALUES_H

#include "ir/interpret.h"

enum { RUN_LENGTH = 512, WALK_TENSORS = 4 };

void load_doubles(const Tensor *tensor, int64_t start, int64_t step, int64_t count, double *values);
void load_ints(const Tensor *tensor, int64_t start, int64_t step, int64_t count, int64_t *values);
// Floats: rounded once; f16 and bf16 over f32, as kernels compute them.
void store_doubles(Tensor *tensor, int64_t start, int64_t step, int64_t count,
                   const double *values);
// Integers: the low bits (two's complement).
void store_ints(Tensor *tensor, int64_t start, int64_t step, int64_t count, const int64_t *values);

// All elements, in scratch memory of the node.
double *all_doubles(Evaluation *evaluation, const Tensor *tensor);
int64_t *all_ints(Evaluation *evaluation, const Tensor *tensor);

// A stretch of elements along the innermost dim: tensor i's elements start[i] + k * step[i].
typedef struct Run {
  int64_t count; // at most RUN_LENGTH
  int64_t start[WALK_TENSORS], step[WALK_TENSORS];
} Run;

typedef struct Walk {
  int rank, tensors;
  int64_t dims[MAX_RANK], index[MAX_RANK], strides[WALK_TENSORS][MAX_RANK];
  int64_t inner; // position in the innermost dim
  bool done;
} Walk;

// Over the elements of shape[], tensor i moving by strides[i][] elements.
void walk_start(Walk *walk, int rank, const int64_t *dims, int tensors,
                const int64_t (*strides)[MAX_RANK]);
// Tensor 0: the result; tensors 1..: the node's first operands broadcast to it. False (reported):
// the shapes of this run do not broadcast.
bool walk_broadcast(Walk *walk, Evaluation *evaluation, int operands);
bool walk_next(Walk *walk, Run *run);

// Dense row-major strides, in elements.
void dense_strides(int rank, const int64_t *dims, int64_t *strides);
// The tensor as [outer, length, inner] around an axis (negative: from the end).
typedef struct AxisView {
  int64_t outer, length, inner;
} AxisView;
AxisView axis_view(const Tensor *tensor, int64_t axis);

static inline const Type *operand_type(const Evaluation *evaluation, int index) {
  return &evaluation->node->operands[index]->type;
}
static inline bool operand_present(const Evaluation *evaluation, int index) {
  return index < evaluation->operand_count && evaluation->operands[index].data;
}

#endif
