// One emitter for full tiles and edges: an edge is a tile with smaller numbers.
#include "codegen/kernels/product.h"

#include <assert.h>

#include "ir/product_tile.h"

void tile_shape(const Target *target, ElementType element, int *rows, int *vectors) {
  ProductTile shape = product_tile(target, element);
  *rows = shape.rows;
  *vectors = shape.vectors;
}

static Val column_at(Nest *nest, const TileColumns *columns, const Tile *tile, int vector) {
  return nest_add(nest, columns->first, nest_const(nest, (int64_t)vector * tile->lanes));
}

static Val partial_of(const TileColumns *columns, const Tile *tile, int vector) {
  return vector == tile->vectors - 1 ? columns->partial : NULL;
}

Val tile_load_columns(Kernel *kernel, const Tile *tile, ElementType element, Val pointer,
                      Val offset, Val partial) {
  Nest *nest = kernel->nest;
  if (!partial || tile->lanes == 1) {
    Val value = kernel_load(kernel, element, pointer, offset, tile->lanes);
    return nest_float_width(nest, value, tile->element);
  }
  if (element == F32 || element == F64) {
    LLVMTypeRef type = nest_element_type(nest, element);
    Val value = nest_load_lanes(nest, nest_vector(type, tile->lanes),
                                nest_address(nest, pointer, type, offset), partial);
    return nest_float_width(nest, value, tile->element);
  }
  Val vector = nest_zero(nest_vector(tile->element, tile->lanes));
  for (int i = 0; i < tile->lanes; i++) { // lanes past the end read the last element again
    Val lane = nest_umin(nest, nest_const(nest, i), nest_sub(nest, partial, nest_const(nest, 1)));
    Val value = kernel_load(kernel, element, pointer, nest_add(nest, offset, lane), 1);
    vector = nest_set_lane(nest, vector, nest_float_width(nest, value, tile->element), i);
  }
  return vector;
}

void tile_start(Kernel *kernel, Tile *tile, const View *bias, const TileColumns *columns) {
  Nest *nest = kernel->nest;
  for (int v = 0; v < tile->vectors; v++) {
    Val start = nest_zero(nest_vector(tile->element, tile->lanes));
    if (bias && bias->pointer)
      start = tile_load_columns(kernel, tile, bias->element, bias->pointer,
                                column_at(nest, columns, tile, v), partial_of(columns, tile, v));
    for (int r = 0; r < tile->rows; r++) tile->sum[r][v] = start;
  }
}

static void multiply_add(Kernel *kernel, Tile *tile, const Val *rows, Val a_offset,
                         ElementType a_element, Val b, Val b_offset, ElementType b_element,
                         Val b_partial) {
  Nest *nest = kernel->nest;
  Val columns[MAX_TILE_VECTORS];
  for (int v = 0; v < tile->vectors; v++) {
    Val at = nest_add(nest, b_offset, nest_const(nest, (int64_t)v * tile->lanes));
    columns[v] = tile_load_columns(kernel, tile, b_element, b, at,
                                   v == tile->vectors - 1 ? b_partial : NULL);
  }
  for (int r = 0; r < tile->rows; r++) {
    Val a =
        nest_float_width(nest, kernel_load(kernel, a_element, rows[r], a_offset, 1), tile->element);
    Val all = nest_splat(nest, a, tile->lanes);
    for (int v = 0; v < tile->vectors; v++)
      tile->sum[r][v] = nest_fma(nest, all, columns[v], tile->sum[r][v]);
  }
}

void tile_carry(Nest *nest, Tile *tile, Loop *loop) {
  assert(loop->carried_count == 0 && "sums come first");
  for (int r = 0; r < tile->rows; r++)
    for (int v = 0; v < tile->vectors; v++)
      tile->sum[r][v] = loop->carried[nest_carry(nest, loop, tile->sum[r][v])];
}

void tile_carry_next(Tile *tile, Loop *loop) {
  for (int r = 0; r < tile->rows; r++)
    for (int v = 0; v < tile->vectors; v++) {
      int which = r * tile->vectors + v;
      nest_carry_next(loop, which, tile->sum[r][v]);
      if (loop->header) tile->sum[r][v] = loop->carried[which];
    }
}

enum { UNROLL_ALL = 8 }; // short reductions (RGB images) have no loop at all

void tile_accumulate(Kernel *kernel, Tile *tile, const Val *rows, Val a_stride,
                     ElementType a_element, Val b, Val b_stride, ElementType b_element, Val count,
                     Val b_partial) {
  Nest *nest = kernel->nest;
  int64_t known;
  if (nest_constant(count, &known) && known <= UNROLL_ALL) {
    for (int64_t k = 0; k < known; k++)
      multiply_add(kernel, tile, rows, nest_mul(nest, nest_const(nest, k), a_stride), a_element, b,
                   nest_mul(nest, nest_const(nest, k), b_stride), b_element, b_partial);
    return;
  }
  FOR (nest, k, nest_const(nest, 0), count, 1) {
    tile_carry(nest, tile, &k_loop);
    multiply_add(kernel, tile, rows, nest_mul(nest, k, a_stride), a_element, b,
                 nest_mul(nest, k, b_stride), b_element, b_partial);
    tile_carry_next(tile, &k_loop);
  }
}

void tile_store_columns(Kernel *kernel, const Tile *tile, ElementType element, Val value,
                        Val pointer, Val offset, Val partial) {
  Nest *nest = kernel->nest;
  if (!partial || tile->lanes == 1) {
    kernel_store(kernel, element, value, pointer, offset);
    return;
  }
  if (element == F32 || element == F64) {
    nest_store_lanes(nest, value,
                     nest_address(nest, pointer, nest_element_type(nest, element), offset),
                     partial);
    return;
  }
  for (int i = 0; i < tile->lanes; i++) {
    Branch branch = nest_if(nest, nest_compare(nest, LLVMIntULT, nest_const(nest, i), partial));
    kernel_store(kernel, element, nest_lane(nest, value, i), pointer,
                 nest_add(nest, offset, nest_const(nest, i)));
    nest_end_if(nest, &branch);
  }
}

void tile_store_row(Kernel *kernel, Tile *tile, int row, Val *coordinates,
                    const TileColumns *columns) {
  Nest *nest = kernel->nest;
  const View *result = &kernel->results[0];
  Val first = coordinates[result->rank - 1];
  for (int v = 0; v < tile->vectors; v++) {
    coordinates[result->rank - 1] =
        nest_add(nest, first, nest_const(nest, (int64_t)v * tile->lanes));
    Val partial = partial_of(columns, tile, v);
    Val value = kernel_epilogue(kernel, tile->sum[row][v], coordinates, partial);
    tile_store_columns(kernel, tile, result->element, value, result->pointer,
                       view_at(nest, result, coordinates), partial);
  }
  coordinates[result->rank - 1] = first;
}

RowTiles row_tiles(Val count, int most) {
  RowTiles tiles = {.count = count, .rows = most, .large = -1, .tiles = -1};
  int64_t known;
  if (!nest_constant(count, &known)) return tiles;
  if (known <= 0) return (RowTiles){count, 1, 0, 0};
  tiles.tiles = (known + most - 1) / most;
  tiles.rows = (int)((known + tiles.tiles - 1) / tiles.tiles);
  tiles.large = known - tiles.tiles * (tiles.rows - 1);
  return tiles;
}

const Dim *row_tiles_dim(const RowTiles *tiles, DimTable *dims, const Dim *count) {
  return dim_ceildiv(dims, count, dim_constant(dims, tiles->rows));
}

static void each_known(Nest *nest, const RowTiles *tiles, Val begin, Val end, RowTileBody *body,
                       void *user) {
  Val large = nest_const(nest, tiles->large), rows = nest_const(nest, tiles->rows);
  if (tiles->large > 0)
    FOR (nest, tile, begin, nest_min(nest, end, large), 1)
      body(user, nest_mul(nest, tile, rows), tiles->rows);
  if (tiles->large == tiles->tiles) return;
  FOR (nest, tile, tiles->large > 0 ? nest_max(nest, begin, large) : begin, end, 1)
    body(user, nest_add(nest, nest_mul(nest, tile, nest_const(nest, tiles->rows - 1)), large),
         tiles->rows - 1);
}

void row_tiles_each(Nest *nest, const RowTiles *tiles, Val begin, Val end, RowTileBody *body,
                    void *user) {
  if (tiles->tiles >= 0) {
    each_known(nest, tiles, begin, end, body, user);
    return;
  }
  Val rows = nest_const(nest, tiles->rows);
  Val first = nest_mul(nest, begin, rows),
      whole = nest_min(nest, end, nest_udiv(nest, tiles->count, rows));
  Val last = nest_min(nest, nest_mul(nest, end, rows), tiles->count);
  FOR (nest, tile, begin, whole, 1) body(user, nest_mul(nest, tile, rows), tiles->rows);
  if (tiles->rows == 1) return;
  Val rest = nest_max(nest, nest_mul(nest, whole, rows), first);
  FOR (nest, row, rest, last, 1) body(user, row, 1);
}
