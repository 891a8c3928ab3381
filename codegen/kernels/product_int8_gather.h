// Gathering for products of 8-bit codes.
#ifndef TENON_CODEGEN_KERNELS_PRODUCT_INT8_GATHER_H
#define TENON_CODEGEN_KERNELS_PRODUCT_INT8_GATHER_H

#include "codegen/kernels/pixels.h"
#include "codegen/kernels/product_int8.h"

typedef struct Int8Gather {
  Nest *nest;
  const Int8Shape *shape;
  const View *x;
  const Pixels *pixels;
  Val buffer;    // of a tile: rows * padded_run codes, of 16 bits where the shape widens
  bool is_short; // as loops that stay loops
} Int8Gather;

// The rows of a tile, whose addresses are `pointers` then. Where codes are widened, pointers are
// those of rows that are one run already (else NULL).
void int8_gather_tile(const Int8Gather *g, const Pixel *pixels, int rows, Val *pointers);
// Rows [first, first + count) into the buffer, in a loop; `pixel` is the first one's. Returns the
// pixel behind them.
Pixel int8_gather_rows(const Int8Gather *g, Val first, Val count, Pixel pixel);

#endif
