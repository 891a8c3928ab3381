// Rows of channels as weighted sums of rows of an image: what resize and grid_sample have in
// common.
#ifndef TENON_CODEGEN_KERNELS_SAMPLE_H
#define TENON_CODEGEN_KERNELS_SAMPLE_H

#include "codegen/kernel.h"

// Where the taps along one axis are: i32[taps] elements of the axis (negative: the hole), and their
// weights.
typedef struct TapAxis {
  int taps;
  Val index, weight;          // pointers
  ElementType weight_element; // F32, F64
  Val stride;                 // of the operand's axis, in elements
} TapAxis;

typedef struct Sample {
  Kernel *kernel;
  const View *x, *y;
  int axis_count;
  TapAxis axes[MAX_RANK];
  Val from, to;   // first element of the rows that index 0 of all axes means; of the result's row
  Val inner;      // elements of a row
  bool has_holes; // an index may be negative: such a tap has the value `hole`
  double hole;
} Sample;

// The type in which sums are made: f32 for floats up to 32 bits, f64 for all else.
LLVMTypeRef sample_type(Nest *nest, ElementType element);
// One row of the result.
void sample_row(const Sample *sample);
// `value` in sample_type, as the element of the result: integers cut off, quantized ones to nearest
// even.
void sample_store(const Sample *sample, Val value, Val offset);

#endif
