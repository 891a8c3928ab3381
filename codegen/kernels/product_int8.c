// conv_int8, matmul_int8: products of 8-bit codes, summed in 32 bits, requantized in registers.
//
//   y[p, m] = requantize(bias'[m] + sum over k of x[p, k] * w[m, k]),  bias' = bias - zero_x * sum
//   of w[m]
//
// Panels of `width` output channels, the last one of a group only as wide as its vectors; within
// one [k / group][width][group], as the dot instruction of the row reads them. A tap outside the
// input reads a line of zero points. Where a tap has few channels (images, spectrograms), the taps
// of a pixel are gathered into a small buffer first, so that k is one run; weights of a matmul are
// such a run anyway. For pmaddwd all taps of a tile are gathered and widened to 16 bits on the way:
// then a row of a step is one broadcast load, where widening took two shuffles.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/product_int8.h"
#include "codegen/kernels/product_int8_gather.h"

typedef struct Product {
  Kernel *kernel;
  Nest *nest;
  Int8Shape shape;
  const View *x, *y;
  Pixels pixels;
  Val batch, group_index, k; // k: bytes of a row of a matmul
  ChannelTable table;
  Val buffer;    // gathered taps, rows * padded_run codes
  bool is_short; // flash is scarce: gathering is there once, as loops, and so is the tile
  Val spilled;   // sums of a tile; NULL: they stay in registers
} Product;

static Int8Gather gather_of(const Product *p) {
  return (Int8Gather){p->nest, &p->shape, p->x, &p->pixels, p->buffer, p->is_short};
}

// --- accumulation

// A turn of two by two multiplications is so short that its own counting is felt, and so long that
// LLVM takes two or four at once by chance.
static int run_unroll(const Nest *nest, const Dot *dot, int64_t turns) {
  if (dot->kind != DOT_SMLAD || nest->size >= CODE_SHORT) return 0;
  return turns % 4 == 0 ? 4 : turns % 2 == 0 ? 2 : 0;
}

// One run: rows point to its bytes, w to the panel's weights of it.
static void accumulate_run(Product *p, Int8Sums *sums, const Val *rows, Val w) {
  Nest *nest = p->nest;
  const Dot *dot = &p->shape.dot;
  int64_t length = p->shape.gathers ? p->shape.padded_run : p->shape.run,
          whole = length / dot->group * dot->group;
  FOR (nest, k, nest_const(nest, 0), nest_const(nest, whole), dot->group) {
    k_loop.unroll = run_unroll(nest, dot, whole / dot->group);
    int8_sums_carry(nest, sums, &k_loop);
    DotOperand x[MAX_ROWS];
    for (int r = 0; r < sums->rows; r++) {
      if (p->shape.widens)
        x[r] = dot_load_x_wide(nest, dot, nest_address(nest, rows[r], nest->i16, k));
      else
        x[r] = dot_load_x(nest, dot, p->x->element, nest_byte_address(nest, rows[r], k));
    }
    int8_sums_step(nest, dot, sums, x,
                   nest_byte_address(
                       nest, w, nest_mul(nest, k, nest_const(nest, int8_sums_width(dot, sums)))));
    int8_sums_next(sums, &k_loop);
  }
  if (whole == length) return;
  DotOperand x[MAX_ROWS];
  for (int r = 0; r < sums->rows; r++)
    x[r] = dot_load_x_part(nest, dot, p->x->element,
                           nest_byte_address(nest, rows[r], nest_const(nest, whole)),
                           (int)(length - whole));
  int8_sums_step(nest, dot, sums, x,
                 nest_byte_address(nest, w, nest_const(nest, whole * int8_sums_width(dot, sums))));
}

static void accumulate_taps(Product *p, Int8Sums *sums, const Pixel *pixels, Val w, Val *tap,
                            Val number, int axis) {
  Nest *nest = p->nest;
  const Dot *dot = &p->shape.dot;
  if (axis == WINDOW_AXES) {
    Val rows[MAX_ROWS];
    for (int r = 0; r < sums->rows; r++) rows[r] = pixels_tap(&p->pixels, &pixels[r], tap);
    accumulate_run(p, sums, rows,
                   nest_byte_address(nest, w,
                                     nest_mul(nest, number,
                                              nest_const(nest, p->shape.padded_run *
                                                                   int8_sums_width(dot, sums)))));
    return;
  }
  int64_t size = p->pixels.window.kernel[axis];
  FOR (nest, t, nest_const(nest, 0), nest_const(nest, size), 1) {
    int8_sums_carry(nest, sums, &t_loop);
    tap[axis] = t;
    accumulate_taps(p, sums, pixels, w, tap,
                    nest_add(nest, nest_mul(nest, number, nest_const(nest, size)), t), axis + 1);
    int8_sums_next(sums, &t_loop);
  }
}

// --- results

// Vectors of one row; `offset`: of its first channel in the result. Coordinates are only for an
// epilogue.
static void store_row(Product *p, const Val *sums, int vectors, Val offset, Val *coordinates,
                      Val block, Val partial) {
  Nest *nest = p->nest;
  const View *y = p->y;
  int lanes = p->shape.dot.lanes;
  Val first = coordinates ? coordinates[y->rank - 1] : NULL;
  for (int v = 0; v < vectors; v++) {
    Val value = sums[v], count = v == vectors - 1 ? partial : NULL,
        channel = nest_const(nest, (int64_t)v * lanes);
    if (p->table.layout.form != CHANNEL_SUMS) {
      value = channel_table_requantize(&p->table, value, block, vectors * lanes, v * lanes);
      value = nest_extend(nest, value, nest_element_type(nest, p->table.layout.element), true);
    }
    if (coordinates) {
      coordinates[y->rank - 1] = nest_add(nest, first, channel);
      value = kernel_epilogue(p->kernel, value, coordinates, count);
    }
    Val at = nest_add(nest, offset, channel);
    if (count && lanes > 1)
      nest_store_lanes(nest, value,
                       nest_address(nest, y->pointer, nest_element_type(nest, y->element), at),
                       count);
    else
      kernel_store(p->kernel, y->element, value, y->pointer, at);
  }
  if (coordinates) coordinates[y->rank - 1] = first;
}

// --- tiles

// Rows of a tile: pixels of a convolution, rows of a matrix; where their codes lie.
typedef struct Rows {
  Val number; // of the first
  int count;
  Pixel pixels[MAX_ROWS];
  Val pointers[MAX_ROWS]; // to the codes of one run; unset where every tap has its own
} Rows;

static Rows rows_at(Product *p, Val number, int count) {
  Nest *nest = p->nest;
  const Int8Shape *s = &p->shape;
  Rows rows = {.number = number, .count = count};
  if (s->is_conv) {
    rows.pixels[0] = pixels_at(&p->pixels, number);
    for (int r = 1; r < count; r++) rows.pixels[r] = pixels_next(&p->pixels, rows.pixels[r - 1]);
  }
  for (int r = 0; !s->is_conv && r < count; r++)
    rows.pointers[r] = nest_byte_address(
        nest, p->x->pointer, nest_mul(nest, nest_add(nest, number, nest_const(nest, r)), p->k));
  if (!s->gathers) return rows;
  Int8Gather gather = gather_of(p);
  if (p->is_short && s->is_conv) {
    int8_gather_rows(&gather, number, nest_const(nest, count), rows.pixels[0]);
    for (int r = 0; r < count; r++)
      rows.pointers[r] = nest_byte_address(nest, p->buffer, nest_const(nest, r * s->padded_run));
  } else
    int8_gather_tile(&gather, rows.pixels, count, rows.pointers);
  return rows;
}

// Coordinates of row `r` in the result; channels start at `channel`.
static void locate(Product *p, const Rows *rows, int r, Val channel, Val *coordinates) {
  Nest *nest = p->nest;
  for (int i = 0; i < p->y->rank; i++) coordinates[i] = nest_const(nest, 0);
  if (p->shape.is_conv) {
    coordinates[0] = p->batch;
    int skip = WINDOW_AXES - p->pixels.window.rank;
    for (int axis = skip; axis < WINDOW_AXES; axis++)
      coordinates[1 + axis - skip] = rows->pixels[r].at[axis];
  } else { // rows of all batches are one run: split the number into coordinates
    Val rest = nest_add(nest, rows->number, nest_const(nest, r));
    for (int i = p->y->rank - 2; i >= 0; i--) {
      coordinates[i] = i ? nest_urem(nest, rest, p->y->dims[i]) : rest;
      if (i) rest = nest_udiv(nest, rest, p->y->dims[i]);
    }
  }
  coordinates[p->y->rank - 1] = channel;
}

// Output channels of a tile: `vectors` of a panel; `partial`: lanes of the last one that exist,
// NULL: all.
typedef struct Columns {
  Val first, channel; // column among all panels, channel of the result
  int vectors;
  Val partial;
} Columns;

// Rows of the result follow each other without gaps.
static Val row_offset(Product *p, Val number, Val channel) {
  Nest *nest = p->nest;
  Val offset = nest_add(nest, nest_mul(nest, number, p->y->strides[p->y->rank - 2]), channel);
  return p->shape.is_conv ? nest_add(nest, offset, nest_mul(nest, p->batch, p->y->strides[0]))
                          : offset;
}

// Through memory, in a loop: a third of the code, and after a long sum the time does not matter.
static void store_tile_in_loop(Product *p, const Rows *rows, const Columns *columns,
                               const Int8Sums *sums, Val block) {
  Nest *nest = p->nest;
  int lanes = p->shape.dot.lanes;
  LLVMTypeRef type = nest_vector(nest->i32, lanes);
  for (int r = 0; r < sums->rows; r++)
    for (int v = 0; v < sums->vectors; v++)
      nest_store(nest, sums->sum[r][v],
                 nest_address(nest, p->spilled, nest->i32,
                              nest_const(nest, (r * (int64_t)sums->vectors + v) * lanes)),
                 0);
  FOR (nest, r, nest_const(nest, 0), nest_const(nest, sums->rows), 1) {
    Val row[MAX_VECTORS];
    for (int v = 0; v < sums->vectors; v++) {
      Val at = nest_mul(
          nest,
          nest_add(nest, nest_mul(nest, r, nest_const(nest, sums->vectors)), nest_const(nest, v)),
          nest_const(nest, lanes));
      row[v] = nest_load(nest, type, nest_address(nest, p->spilled, nest->i32, at), 0);
    }
    store_row(p, row, sums->vectors,
              row_offset(p, nest_add(nest, rows->number, r), columns->channel), NULL, block,
              columns->partial);
  }
}

static void store_tile(Product *p, const Rows *rows, const Columns *columns, const Int8Sums *sums,
                       Val block) {
  Nest *nest = p->nest;
  bool epilogue = node_epilogue(p->kernel->node) != NULL;
  if (p->spilled && sums->rows > 1) {
    store_tile_in_loop(p, rows, columns, sums, block);
    return;
  }
  for (int r = 0; r < sums->rows; r++) {
    Val coordinates[MAX_RANK];
    if (epilogue) locate(p, rows, r, columns->channel, coordinates);
    Val offset = row_offset(p, nest_add(nest, rows->number, nest_const(nest, r)), columns->channel);
    store_row(p, sums->sum[r], sums->vectors, offset, epilogue ? coordinates : NULL, block,
              columns->partial);
  }
}

static void emit_tile(Product *p, const Rows *rows, const Columns *columns) {
  Nest *nest = p->nest;
  const Int8Shape *s = &p->shape;
  Int8Sums sums = {.rows = rows->count, .vectors = columns->vectors};
  Val w =
      nest_byte_address(nest, p->kernel->packed[0],
                        nest_mul(nest, columns->first, nest_const(nest, s->runs * s->padded_run)));
  Val block = channel_table_block(&p->table, columns->first);
  int lanes = s->dot.lanes;
  for (int v = 0; v < sums.vectors; v++) {
    Val bias = channel_table_bias(&p->table, block, sums.vectors * lanes, v * lanes, lanes);
    for (int r = 0; r < sums.rows; r++) sums.sum[r][v] = bias;
  }
  Val tap[WINDOW_AXES];
  if (s->runs == 1 && (s->gathers || !s->is_conv))
    accumulate_run(p, &sums, rows->pointers, w);
  else
    accumulate_taps(p, &sums, rows->pixels, w, tap, nest_const(nest, 0), 0);
  store_tile(p, rows, columns, &sums, block);
}

// Whether the last tile repeats rows of the one before instead of being a tile of its own: it
// writes the same results again, from operands that are still what they were (an epilogue may
// work in place). Repeated rows are to be a small share of the work.
static bool overlaps(const Product *p, int64_t rows) {
  enum { LEAST_TILES = 32 };
  const Kernel *kernel = p->kernel;
  return p->is_short && !kernel->in_place && !node_epilogue(kernel->node) &&
         rows / p->shape.rows >= LEAST_TILES;
}

// Rows [begin, end) in tiles; body(rows) for each.
typedef void (*RowsBody)(Product *p, const Rows *rows, const Columns *columns);

// Tiles that read x itself are counted without a choice, in two runs of one loop (all whole tiles,
// then the last): LLVM then keeps their addresses in registers. With a buffer the choice is free.
static void for_overlapping_rows(Product *p, Val begin, Val end, RowsBody body,
                                 const Columns *columns) {
  Nest *nest = p->nest;
  int count = p->shape.rows;
  Val last = nest_sub(nest, end, nest_const(nest, count)), one = nest_const(nest, 1);
  FOR (nest, run, nest_const(nest, 0), p->shape.gathers ? one : nest_const(nest, 2), 1) {
    run_loop.unroll = 1;
    Val is_first = nest_compare(nest, LLVMIntEQ, run, nest_const(nest, 0)),
        to = p->shape.gathers ? end : nest_select(nest, is_first, last, end);
    FOR (nest, number, nest_select(nest, is_first, begin, last), to, count) {
      Rows rows = rows_at(p, p->shape.gathers ? nest_min(nest, number, last) : number, count);
      body(p, &rows, columns);
    }
  }
}

static void for_rows(Product *p, Val begin, Val end, RowsBody body, const Columns *columns) {
  Nest *nest = p->nest;
  int count = p->shape.rows;
  Val tiles = nest_udiv(nest, nest_sub(nest, end, begin), nest_const(nest, count));
  Val whole = nest_add(nest, begin, nest_mul(nest, tiles, nest_const(nest, count)));
  int64_t first, from, to;
  bool known =
      nest_constant(begin, &first) && nest_constant(whole, &from) && nest_constant(end, &to);
  if (known && from < to && overlaps(p, to - first)) {
    for_overlapping_rows(p, begin, end, body, columns);
    return;
  }
  FOR (nest, number, begin, whole, count) {
    Rows rows = rows_at(p, number, count);
    body(p, &rows, columns);
  }
  if (known) {
    if (from >= to) return;
    Rows rows = rows_at(p, whole, (int)(to - from));
    body(p, &rows, columns);
  } else if (count > 1) {
    FOR (nest, number, whole, end, 1) {
      Rows rows = rows_at(p, number, 1);
      body(p, &rows, columns);
    }
  }
}

// All panels of the group; `inner` for each: the tile of given rows, or all rows.
static void for_panels(Product *p, const Rows *rows, Val begin, Val end) {
  Nest *nest = p->nest;
  const Int8Shape *s = &p->shape;
  int64_t whole = s->outputs / s->width, rest = s->outputs % s->width;
  Val first_column = nest_mul(nest, p->group_index, nest_const(nest, s->columns));
  Val first_channel = nest_mul(nest, p->group_index, nest_const(nest, s->outputs));
  FOR (nest, panel, nest_const(nest, 0), nest_const(nest, whole), 1) {
    Val at = nest_mul(nest, panel, nest_const(nest, s->width));
    Columns columns = {nest_add(nest, first_column, at), nest_add(nest, first_channel, at),
                       s->vectors, NULL};
    if (rows)
      emit_tile(p, rows, &columns);
    else
      for_rows(p, begin, end, emit_tile, &columns);
  }
  if (!rest) return;
  int lanes = s->dot.lanes, vectors = (int)(rest + lanes - 1) / lanes,
      last = (int)rest - (vectors - 1) * lanes;
  Val at = nest_const(nest, whole * s->width);
  Columns columns = {nest_add(nest, first_column, at), nest_add(nest, first_channel, at), vectors,
                     last == lanes ? NULL : nest_const(nest, last)};
  if (rows)
    emit_tile(p, rows, &columns);
  else
    for_rows(p, begin, end, emit_tile, &columns);
}

static void emit_row_panels(Product *p, const Rows *rows, const Columns *columns) {
  (void)columns;
  for_panels(p, rows, NULL, NULL);
}

// What has been gathered serves all panels; otherwise the weights of a panel serve all rows.
static void emit_group(Product *p, Val begin, Val end) {
  if (p->shape.gathers)
    for_rows(p, begin, end, emit_row_panels, NULL);
  else
    for_panels(p, NULL, begin, end);
}

// --- rows one behind the other: the tile that layers share

// Runs of whole groups, in a buffer or in x itself; results without an epilogue. Without vectors a
// turn of the loop is a handful of instructions in a dozen registers: there the constants are worth
// more than the bytes (Cortex-M4: 1.6 against 2.4 instructions a multiplication).
static bool shares_tile(const Product *p) {
  const Int8Shape *s = &p->shape;
  int64_t count;
  if (s->dot.lanes == 1 || s->group != 1 || s->runs != 1 || node_epilogue(p->kernel->node))
    return false;
  if (nest_constant(p->pixels.count, &count) && count == 1)
    return false; // a single row has a tile of its own
  if (s->gathers) return true;
  return s->run == s->padded_run && (!s->is_conv || p->pixels.linear);
}

static Val packed_table(const Product *p) {
  return nest_byte_address(p->nest, p->kernel->packed[0],
                           nest_const(p->nest, int8_table_offset(&p->shape)));
}

static void call_tile(Product *p, Val x, Val first, Val count) {
  Nest *nest = p->nest;
  const Int8Shape *s = &p->shape;
  Int8Tile tile = {.dot = s->dot,
                   .x = p->x->element,
                   .widened = s->widens,
                   .rows = s->rows,
                   .vectors = s->vectors,
                   .rest = s->outputs % s->width,
                   .layout = p->table.layout};
  Val y = nest_address(nest, p->y->pointer, nest_element_type(nest, p->y->element),
                       row_offset(p, first, nest_const(nest, 0)));
  Int8TileCall call = {x,
                       p->kernel->packed[0],
                       packed_table(p),
                       y,
                       nest_const(nest, s->padded_run),
                       nest_const(nest, s->outputs),
                       count};
  int8_tile_call(nest, &tile, &call);
}

static void emit_shared(Product *p, Val begin, Val end) {
  Nest *nest = p->nest;
  const Int8Shape *s = &p->shape;
  if (!s->gathers) {
    Val image = s->is_conv ? p->pixels.offset : nest_const(nest, 0);
    call_tile(
        p,
        nest_byte_address(nest, p->x->pointer,
                          nest_add(nest, image, nest_mul(nest, begin, nest_const(nest, s->run)))),
        begin, nest_sub(nest, end, begin));
    return;
  }
  Int8Gather gather = gather_of(p);
  bool walks = s->is_conv && !p->pixels.linear;
  Pixel pixel = {{NULL}};
  if (walks) pixel = pixels_at(&p->pixels, begin);
  FOR (nest, number, begin, end, s->rows) {
    for (int axis = 0; walks && axis < WINDOW_AXES; axis++)
      pixel.at[axis] = number_loop.carried[nest_carry(nest, &number_loop, pixel.at[axis])];
    Val count = nest_min(nest, nest_const(nest, s->rows), nest_sub(nest, end, number));
    Pixel next = int8_gather_rows(&gather, number, count, pixel);
    for (int axis = 0; walks && axis < WINDOW_AXES; axis++)
      nest_carry_next(&number_loop, axis, next.at[axis]);
    call_tile(p, p->buffer, number, count);
  }
}

static void emit_image(Product *p, Val begin, Val end) {
  Nest *nest = p->nest;
  Val image = p->shape.is_conv ? nest_mul(nest, p->batch, p->x->strides[0]) : nest_const(nest, 0);
  FOR (nest, group, nest_const(nest, 0), nest_const(nest, p->shape.group), 1) {
    p->group_index = group;
    p->pixels.offset =
        nest_add(nest, image, nest_mul(nest, group, nest_const(nest, p->shape.inputs)));
    if (shares_tile(p))
      emit_shared(p, begin, end);
    else
      emit_group(p, begin, end);
  }
}

static const Dim *row_tiles(const Product *p) {
  DimTable *dims = p->kernel->node->graph->module->dims;
  const Dim *count = dim_constant(dims, 1);
  for (int i = p->shape.is_conv ? 1 : 0; i < p->y->rank - 1; i++)
    count = dim_mul(dims, count, p->y->type->dims[i]);
  return dim_ceildiv(dims, count, dim_constant(dims, p->shape.rows));
}

// What is counted along the rows: pixels of a convolution, rows of a matrix.
static void find_pixels(Product *p) {
  Nest *nest = p->nest;
  Kernel *kernel = p->kernel;
  p->pixels = (Pixels){.nest = nest, .x = p->x, .count = nest_const(nest, 1)};
  p->batch = nest_const(nest, 0);
  if (p->shape.is_conv) {
    int64_t sizes[MAX_RANK];
    for (int i = 0; i < p->x->rank - 2; i++) sizes[i] = type_dim(kernel->operands[1].type, 1 + i);
    p->pixels.window = kernel_window(kernel, p->x, p->y, sizes);
    for (int axis = 0; axis < WINDOW_AXES; axis++)
      p->pixels.count = nest_mul(nest, p->pixels.count, p->pixels.window.output[axis]);
    p->pixels.linear = pixels_are_linear(&p->pixels, kernel->node);
    if (pixels_padded(&p->pixels))
      p->pixels.zeros = pixels_line(&p->pixels, p->shape.inputs,
                                    p->x->type->quant ? p->x->type->quant->zero[0] : 0);
  } else {
    p->k = p->x->dims[p->x->rank - 1];
    for (int i = 0; i < p->y->rank - 1; i++)
      p->pixels.count = nest_mul(nest, p->pixels.count, p->y->dims[i]);
  }
}

static bool lower_product(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Product p = {.kernel = kernel,
               .nest = nest,
               .shape = int8_shape(node, kernel->target),
               .x = &kernel->operands[0],
               .y = &kernel->results[0]};
  ChannelLayout layout = channel_layout(node);
  p.is_short = p.shape.dot.lanes == 1 && !target_has(kernel->target, TARGET_HOSTED);
  find_pixels(&p);
  int64_t count;
  bool shared = shares_tile(&p);
  // What is left here widens codes, a vector a turn: where loops begin makes no difference to it.
  if (shared && p.shape.widens && nest->size == CODE_FAST)
    nest_attribute(nest, nest->function, (int)LLVMAttributeFunctionIndex, "optsize", 0);
  if (!shared && nest_constant(p.pixels.count, &count) && count < p.shape.rows)
    p.shape.rows = count > 0 ? (int)count : 1;
  if (!shared)
    p.table = channel_table_open(nest, &layout, packed_table(&p));
  else
    p.table.layout = layout;
  enum { LONG_SUM = 64 };
  bool is_long =
      p.shape.runs * p.shape.run >= LONG_SUM && target_has(kernel->target, TARGET_HOSTED);
  if (!shared && is_long && layout.form != CHANNEL_SUMS && p.shape.dot.lanes > 1 &&
      !node_epilogue(node))
    p.spilled =
        nest_local(nest, nest->i32, (int64_t)p.shape.rows * p.shape.width, p.shape.dot.lanes * 4);
  if (p.shape.gathers)
    p.buffer = nest_local(nest, p.shape.widens ? nest->i16 : nest->i8,
                          p.shape.rows * p.shape.padded_run, p.shape.widens ? 32 : 4);
  if (p.shape.is_conv && !dim_is(p.y->type->dims[0], 1)) {
    kernel_split(kernel, p.y->type->dims[0]);
    FOR (nest, image, kernel->begin, kernel->end, 1) {
      p.batch = image;
      emit_image(&p, nest_const(nest, 0), p.pixels.count);
    }
    return true;
  }
  kernel_split(kernel, row_tiles(&p));
  Val rows = nest_const(nest, p.shape.rows);
  emit_image(&p, nest_mul(nest, kernel->begin, rows),
             nest_umin(nest, nest_mul(nest, kernel->end, rows), p.pixels.count));
  return true;
}

bool lower_conv_int8(Kernel *kernel) { return lower_product(kernel); }
bool lower_matmul_int8(Kernel *kernel) { return lower_product(kernel); }
