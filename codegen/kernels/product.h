// Register tiles: what matmul and conv share. A tile is `rows` x `vectors` accumulators that stay
// in registers over the whole reduction; the epilogue runs on them before they are stored.
#ifndef TENON_CODEGEN_KERNELS_PRODUCT_H
#define TENON_CODEGEN_KERNELS_PRODUCT_H

#include "codegen/kernel.h"

enum { MAX_TILE_ROWS = 16, MAX_TILE_VECTORS = 8 };

typedef struct Tile {
  int rows, vectors, lanes; // vectors * lanes columns
  LLVMTypeRef element;      // f32 or f64
  Val sum[MAX_TILE_ROWS][MAX_TILE_VECTORS];
} Tile;

// Starts each column's sum at the bias (packed, padded to whole panels; or the operand), or at
// zero. `columns` valid columns from `first`: only the last vector may be partial.
typedef struct TileColumns {
  Val first;   // number of the tile's first column in the result
  Val partial; // valid lanes of the last vector; NULL: all
} TileColumns;

void tile_start(Kernel *kernel, Tile *tile, const View *bias, const TileColumns *columns);
// sum += a[row][k] * b[k][column] for k < count. rows: pointers to a's first element of each row,
// a's elements `a_stride` apart; b: `b_stride` elements between consecutive k, columns adjacent.
// b_partial: lanes of the last vector that may be read (NULL: all).
void tile_accumulate(Kernel *kernel, Tile *tile, const Val *rows, Val a_stride,
                     ElementType a_element, Val b, Val b_stride, ElementType b_element, Val count,
                     Val b_partial);
// Carries the sums through a loop of the caller's: after its begin, and before its end.
void tile_carry(Nest *nest, Tile *tile, Loop *loop);
void tile_carry_next(Tile *tile, Loop *loop);
// `lanes` elements in the tile's arithmetic; the first *partial of them if that is not NULL.
Val tile_load_columns(Kernel *kernel, const Tile *tile, ElementType element, Val pointer,
                      Val offset, Val partial);
void tile_store_columns(Kernel *kernel, const Tile *tile, ElementType element, Val value,
                        Val pointer, Val offset, Val partial);
// Epilogue and store of row `row`: `coordinates` are those of its first column; result strides of
// the last axis are 1.
void tile_store_row(Kernel *kernel, Tile *tile, int row, Val *coordinates,
                    const TileColumns *columns);

// Rows cut into tiles of `rows` and of `rows` - 1, so that none is left with a few rows alone,
// whose sums would wait for each other. If the number of rows is not known, tiles of `rows` and
// then single rows.
typedef struct RowTiles {
  Val count;     // rows
  int rows;      // of the first tiles
  int64_t large; // tiles of `rows` rows; -1: not known
  int64_t tiles; // all; -1: not known
} RowTiles;

RowTiles row_tiles(Val count, int most);
const Dim *row_tiles_dim(const RowTiles *tiles, DimTable *dims,
                         const Dim *count); // number of tiles
// Calls body for the tiles begin .. end.
typedef void RowTileBody(void *user, Val row, int rows);
void row_tiles_each(Nest *nest, const RowTiles *tiles, Val begin, Val end, RowTileBody *body,
                    void *user);

// Rows of the tile and vectors per row that suit the target's registers.
void tile_shape(const Target *target, ElementType element, int *rows, int *vectors);

#endif
