// Products of 8-bit codes: what lowering, packing and the shared tile agree on.
#ifndef TENON_CODEGEN_KERNELS_PRODUCT_INT8_H
#define TENON_CODEGEN_KERNELS_PRODUCT_INT8_H

#include "codegen/dot.h"
#include "codegen/kernels/channel_table.h"

enum { MAX_ROWS = 8, MAX_VECTORS = 4 };

// How a node is cut, from its types and target alone.
typedef struct Int8Shape {
  Dot dot;
  bool is_conv, gathers, widens;        // widens: gathers, as 16 bits
  int64_t group, inputs, outputs, taps; // groups; channels of one; output channels of one
  int64_t run, padded_run; // k of one run (a tap, or all gathered), filled up to whole groups
  int64_t runs;            // runs of one output channel
  int rows, vectors, width;
  int64_t columns; // of one group's panels: its outputs, filled up to whole vectors
} Int8Shape;

Int8Shape int8_shape(const Node *node, const Target *target);
// Where the table of channels begins, from the start of the packed weights.
int64_t int8_table_offset(const Int8Shape *shape);

// --- sums of a tile, in registers (product_int8_tile.c)

typedef struct Int8Sums {
  int rows, vectors;
  Val sum[MAX_ROWS][MAX_VECTORS];
} Int8Sums;

int64_t int8_sums_width(const Dot *dot, const Int8Sums *sums); // columns
// One group of each row times the group's columns at w.
void int8_sums_step(Nest *nest, const Dot *dot, Int8Sums *sums, const DotOperand *x, Val w);
void int8_sums_carry(Nest *nest, Int8Sums *sums, Loop *loop); // through the turns of a loop
void int8_sums_next(Int8Sums *sums, Loop *loop);

// A product of rows that lie one behind the other, each one run of whole groups: a function that
// all layers with the same tile call.
typedef struct Int8Tile {
  Dot dot;
  ElementType x;
  bool widened; // codes of x lie as 16 bits
  int rows, vectors;
  int64_t rest; // columns of the last panel where it is narrower; 0: none
  ChannelLayout layout;
} Int8Tile;

// y[rows][columns], from x[rows][k], weights and table as packed.
typedef struct Int8TileCall {
  Val x, weights, table, y, k, columns, rows;
} Int8TileCall;

void int8_tile_call(Nest *nest, const Int8Tile *tile, const Int8TileCall *call);

#endif
