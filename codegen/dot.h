// Dot-accumulate: sums of products of 8-bit integers in 32-bit lanes, by whatever instruction the
// target row has. One interface for vpdpbusd, pmaddwd, sdot, smlad and plain multiplication.
//
// A step takes `group` consecutive k of one row of x and of `lanes` columns of w:
//   sum[lane] += sum over i < group of x[i] * w[lane][i]
#ifndef TENON_CODEGEN_DOT_H
#define TENON_CODEGEN_DOT_H

#include "codegen/nest.h"

typedef struct Dot {
  DotKind kind;
  int group; // consecutive k of one step; weights are packed [k / group][column][group]
  int lanes; // 32-bit sums of a vector
  // What is added to x inside the kernel so that the instruction's signedness fits; pack functions
  // take offset * (sum of the column's weights) off the bias.
  int x_offset;
} Dot;

// x_element: I8 or U8.
Dot dot_of(const Target *target, ElementType x_element);

// A prepared group of x for one row, and of w for one vector of columns.
typedef struct DotOperand {
  Val value[2];
} DotOperand;

DotOperand dot_load_x(Nest *nest, const Dot *dot, ElementType x_element, Val address);
// The same with only `count` (0 < count < group) bytes in memory; the rest counts as zero weights'
// partners.
DotOperand dot_load_x_part(Nest *nest, const Dot *dot, ElementType x_element, Val address,
                           int count);
// The same from codes already widened to 16 bits (DOT_MADD only): a broadcast load, nothing else.
DotOperand dot_load_x_wide(Nest *nest, const Dot *dot, Val address);
DotOperand dot_load_w(Nest *nest, const Dot *dot, Val address);
Val dot_step(Nest *nest, const Dot *dot, Val sum, DotOperand x, DotOperand w);

#endif
