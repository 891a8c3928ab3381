// The arithmetic of resize along one axis: which elements of the operand make an element of the
// result, with which weights. For the interpreter and for code generation with static dims.
#ifndef TENON_IR_RESIZE_H
#define TENON_IR_RESIZE_H

#include "ir/graph.h"

typedef struct ResizeAxis {
  int64_t in, out;
  int taps;
  const int64_t *index; // [out][taps], inside [0, in)
  const double *weight; // [out][taps]
  const bool *outside;  // [out]: the extrapolation value (tf_crop_and_resize); NULL: none
  bool identity;        // out == in and every element is itself
} ResizeAxis;

// Checks the string attributes; false: reported.
bool resize_check(const Node *node, Diag *diag);
// Tables of one axis, in `arena`; in > 0 unless out is 0.
ResizeAxis resize_axis(const Node *node, int axis, int rank, int64_t in, int64_t out, Arena *arena);

#endif
