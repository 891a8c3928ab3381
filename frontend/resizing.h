// What Resize asks for, per axis of the input as it is in the file. Numbers that only a run knows
// are values (import_resize_run.c).
#ifndef TENON_FRONTEND_RESIZING_H
#define TENON_FRONTEND_RESIZING_H

#include "frontend/import.h"

typedef struct Resizing {
  int rank;
  const Dim *sizes[MAX_RANK];
  double scales[MAX_RANK], roi[2 * MAX_RANK];
  bool has_scales, has_roi;
  Value *run_scales[MAX_RANK], *run_roi[2 * MAX_RANK]; // f64 of rank 0; NULL: the number counts
  bool by_run;
  int64_t axes[MAX_RANK]; // those that the lists speak of
  int axis_count;
} Resizing;

// False (reported): not given, of another length, or in a subgraph.
bool resize_run_scales(OnnxNode *node, const Type *x, int index, Resizing *resizing);
bool resize_run_roi(OnnxNode *node, int index, Resizing *resizing);
// One scale for all axes: the largest that keeps within all sizes, or the smallest beyond.
bool resize_run_aspect(OnnxNode *node, const Type *x, bool larger, Resizing *resizing);
// floor(dim * scale), the product in f32; NULL: reported.
const Dim *resize_run_size(OnnxNode *node, const Dim *dim, Value *scale);
// The result, of elementwise operations and gathers.
Value *resize_by_run(OnnxNode *node, Value *x, const Resizing *resizing, const char *coordinates);

#endif
