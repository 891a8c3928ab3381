// Products with compressed weights: sparse streams, codebooks, or both (ir/weight_matrix.h).
//
//   for each row k of the weights (an input, or a channel under a tap):
//     x = that input for a tile of result rows (or pixels)
//     for each entry of the row: sums[column of the entry] += x * value of the entry
//
// The sums of a block of columns lie on the stack, a vector of tile rows for each column. So an
// entry is decoded once for a whole tile, zeros among the weights cost nothing, and with one row a
// whole row of weights is skipped where the input is zero (which after a relu is often the case).
// Sums run over k in ascending order, as the interpreter's do.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/fields.h"
#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/pixels.h"
#include "ir/weight_matrix.h"

enum { MAX_ROWS = 16, HOSTED_SUMS = 32 << 10, BARE_SUMS = 2 << 10, PERMUTED_LANES = 8 };

typedef struct Streams {
  Kernel *kernel;
  Nest *nest;
  StreamShape shape;
  WeightMatrix matrix;
  const View *x, *bias, *y;
  Val counts, gaps, entries, table, starts;
  Val tables[4];    // the table in registers, eight values each; NULL: lookups in memory
  Val sums;         // [block][rows]
  Val block, width; // number of this block of columns, its columns
  int rows;         // of the largest tile
  Pixels pixels;    // convolutions
  int64_t channels;
  Val batch;
} Streams;

// --- what pack and lower agree on

static const Storage *storage_of(const Node *node) {
  return &value_constant(node->operands[1])->storage;
}

static void shape_of(const Node *node, WeightMatrix *matrix, StreamShape *shape) {
  bool fits = weight_matrix(node, matrix, NULL) && stream_shape(storage_of(node), matrix, shape);
  assert(fits && "place chooses this kernel only for storage that has streams");
  (void)fits;
}

static bool pack_streams(Pack *pack) {
  WeightMatrix matrix;
  StreamShape shape;
  shape_of(pack->node, &matrix, &shape);
  return fields_add_streams(pack, &matrix, &shape);
}

bool pack_matmul_sparse(Pack *pack) { return pack_streams(pack); }
bool pack_matmul_codebook(Pack *pack) { return pack_streams(pack); }
bool pack_conv_sparse(Pack *pack) { return pack_streams(pack); }
bool pack_conv_codebook(Pack *pack) { return pack_streams(pack); }

// --- entries

static Val table_value(Streams *s, Val index) {
  Nest *nest = s->nest;
  return nest_load(
      nest, nest->f32,
      nest_address(nest, s->table, nest->f32, nest_extend(nest, index, nest->index, false)), 4);
}

static Val entry_value(Streams *s, Val entry) {
  Nest *nest = s->nest;
  if (s->shape.index_bits)
    return table_value(s, fields_load(s->nest, s->entries, entry, s->shape.index_bits));
  return nest_load(nest, nest->f32, nest_address(nest, s->entries, nest->f32, entry), 4);
}

// Eight indices from field `at` on, as <8 x i32>.
static Val load_eight(Streams *s, Val at) {
  Nest *nest = s->nest;
  int bits = s->shape.index_bits;
  Val bit = nest_mul(nest, at, nest_const(nest, bits));
  Val address = nest_address(nest, s->entries, nest->i8, nest_lshr(nest, bit, nest_const(nest, 3)));
  Val raw =
      nest_lshr(nest, nest_load(nest, nest->i64, address, 1),
                nest_extend(nest, nest_and(nest, bit, nest_const(nest, 7)), nest->i64, false));
  Val shifts[PERMUTED_LANES];
  for (int i = 0; i < PERMUTED_LANES; i++) shifts[i] = nest_int(nest->i64, i * bits);
  Val fields = nest_lshr(nest, nest_splat(nest, raw, PERMUTED_LANES),
                         LLVMConstVector(shifts, PERMUTED_LANES));
  return nest_and(nest, nest_extend(nest, fields, nest->i32, false),
                  nest_int(nest_vector(nest->i32, PERMUTED_LANES), (1 << bits) - 1));
}

// Lookups in registers: a permutation chooses among eight values, a comparison among the eights.
static Val permuted(Streams *s, Val index) {
  Nest *nest = s->nest;
  Val found = NULL;
  for (int i = 0; i < 1 << s->shape.index_bits; i += PERMUTED_LANES) {
    Val part = nest_intrinsic(nest, "llvm.x86.avx2.permps", NULL, 0,
                              (Val[]){s->tables[i / PERMUTED_LANES], index}, 2);
    Val above = nest_compare(nest, LLVMIntUGE, index, nest_int(LLVMTypeOf(index), i));
    found = found ? nest_select(nest, above, part, found) : part;
  }
  return found;
}

// --- rows of the weights

static Val sum_address(Streams *s, Val column, int rows) {
  return nest_address(s->nest, s->sums, s->nest->f32,
                      nest_mul(s->nest, column, nest_const(s->nest, rows)));
}

static void add_product(Streams *s, Val column, int rows, Val x, Val value) {
  Nest *nest = s->nest;
  Val address = sum_address(s, column, rows);
  Val sum = nest_load(nest, nest_vector(nest->f32, rows), address, 4);
  nest_store(nest, nest_fma(nest, x, nest_splat(nest, value, rows), sum), address, 4);
}

static void add_sparse_row(Streams *s, int rows, Val x, Val entry, Val count) {
  Nest *nest = s->nest;
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), count, nest_const(nest, 1));
  int next = nest_carry(nest, &loop, nest_const(nest, 0)); // first column that the entry can be
  Val at = nest_add(nest, entry, loop.index);
  Val gap =
      nest_extend(nest, fields_load(s->nest, s->gaps, at, s->shape.gap_bits), nest->index, false);
  Val column = nest_add(nest, loop.carried[next], gap);
  add_product(s, column, rows, x, entry_value(s, at));
  nest_carry_next(&loop, next, nest_add(nest, column, nest_const(nest, 1)));
  nest_loop_end(nest, &loop);
}

static void add_codebook_row(Streams *s, int rows, Val x, Val entry) {
  Nest *nest = s->nest;
  Val whole = nest_const(nest, 0);
  if (rows == 1 && s->tables[0]) {
    whole = nest_mul(nest, nest_udiv(nest, s->width, nest_const(nest, PERMUTED_LANES)),
                     nest_const(nest, PERMUTED_LANES));
    Val all = nest_splat(nest, x, PERMUTED_LANES);
    FOR (nest, column, nest_const(nest, 0), whole, PERMUTED_LANES) {
      Val value = permuted(s, load_eight(s, nest_add(nest, entry, column))),
          address = sum_address(s, column, 1);
      Val sum = nest_load(nest, LLVMTypeOf(value), address, 4);
      nest_store(nest, nest_fma(nest, all, value, sum), address, 4);
    }
  }
  FOR (nest, column, whole, s->width, 1)
    add_product(s, column, rows, x, entry_value(s, nest_add(nest, entry, column)));
}

// One row of the weights: `inputs` point to it for each row of the tile, `at` elements on. Returns
// the number of the next row's first entry.
static Val add_row(Streams *s, int rows, const Val *inputs, Val at, Val row, Val entry) {
  Nest *nest = s->nest;
  Val x = nest_zero(nest_vector(nest->f32, rows));
  for (int r = 0; r < rows; r++) {
    Val one =
        nest_float_width(nest, kernel_load(s->kernel, s->x->element, inputs[r], at, 1), nest->f32);
    x = rows == 1 ? one : nest_set_lane(nest, x, one, r);
  }
  Val count = s->width;
  if (s->shape.gap_bits) {
    Val number = nest_add(nest, nest_mul(nest, s->block, nest_const(nest, s->matrix.rows)), row);
    count = nest_extend(nest, fields_load(s->nest, s->counts, number, s->shape.count_bits),
                        nest->index, false);
  }
  Branch branch;
  if (rows == 1)
    branch = nest_if(nest, nest_compare_float(nest, LLVMRealUNE, x, nest_real(nest->f32, 0)));
  if (s->shape.gap_bits)
    add_sparse_row(s, rows, x, entry, count);
  else
    add_codebook_row(s, rows, x, entry);
  if (rows == 1) nest_end_if(nest, &branch);
  return nest_add(nest, entry, count);
}

// --- sums of one block

static Val first_column(Streams *s) {
  return nest_mul(s->nest, s->block, nest_const(s->nest, s->shape.block));
}

static void start_sums(Streams *s, int rows) {
  Nest *nest = s->nest;
  Val first = first_column(s);
  FOR (nest, column, nest_const(nest, 0), s->width, 1) {
    Val start = nest_real(nest->f32, 0);
    if (s->bias)
      start = nest_float_width(nest,
                               kernel_load(s->kernel, s->bias->element, s->bias->pointer,
                                           nest_add(nest, first, column), 1),
                               nest->f32);
    nest_store(nest, nest_splat(nest, start, rows), sum_address(s, column, rows), 4);
  }
}

static Val load_sums(Streams *s, Val column, int rows, int row, int lanes) {
  Nest *nest = s->nest;
  if (rows == 1)
    return nest_load(nest, nest_vector(nest->f32, lanes), sum_address(s, column, 1), 4);
  Val sums = nest_zero(nest_vector(nest->f32, lanes));
  for (int i = 0; i < lanes; i++) {
    Val address = sum_address(s, nest_add(nest, column, nest_const(nest, i)), rows);
    Val one = nest_load(nest, nest->f32,
                        nest_address(nest, address, nest->f32, nest_const(nest, row)), 4);
    sums = lanes == 1 ? one : nest_set_lane(nest, sums, one, i);
  }
  return sums;
}

static void store_sums(Streams *s, Val from, Val to, int lanes, int rows,
                       Val (*coordinates)[MAX_RANK]) {
  Nest *nest = s->nest;
  int last = s->y->rank - 1;
  FOR (nest, column, from, to, lanes) {
    for (int r = 0; r < rows; r++) {
      coordinates[r][last] = nest_add(nest, first_column(s), column);
      Val value =
          kernel_epilogue(s->kernel, load_sums(s, column, rows, r, lanes), coordinates[r], NULL);
      kernel_store(s->kernel, s->y->element, value, s->y->pointer,
                   view_at(nest, s->y, coordinates[r]));
    }
  }
}

static void finish_sums(Streams *s, int rows, Val (*coordinates)[MAX_RANK]) {
  Nest *nest = s->nest;
  int lanes = target_lanes(s->kernel->target, 32);
  Val whole =
      nest_mul(nest, nest_udiv(nest, s->width, nest_const(nest, lanes)), nest_const(nest, lanes));
  store_sums(s, nest_const(nest, 0), whole, lanes, rows, coordinates);
  if (lanes > 1) store_sums(s, whole, s->width, 1, rows, coordinates);
}

typedef Val (*AccumulateRows)(Streams *s, int rows, const void *tile, Val entry);

// One tile of rows: all blocks of columns.
static void emit_tile(Streams *s, int rows, const void *tile, AccumulateRows accumulate,
                      Val (*coordinates)[MAX_RANK]) {
  Nest *nest = s->nest;
  FOR (nest, block, nest_const(nest, 0), nest_const(nest, s->shape.blocks), 1) {
    s->block = block;
    s->width = nest_const(nest, s->shape.block);
    Val entry = nest_const(nest, 0);
    if (s->shape.blocks > 1) {
      s->width = nest_umin(nest, s->width,
                           nest_sub(nest, nest_const(nest, s->matrix.columns), first_column(s)));
      entry = nest_extend(
          nest, nest_load(nest, nest->i32, nest_address(nest, s->starts, nest->i32, block), 4),
          nest->index, false);
    }
    start_sums(s, rows);
    accumulate(s, rows, tile, entry);
    finish_sums(s, rows, coordinates);
  }
}

// --- set-up

// Rows of a tile: a vector of them, as far as the stack may hold the sums.
static int tile_rows(const Streams *s, Val count) {
  const Target *target = s->kernel->target;
  int64_t known,
      room = (target_has(target, TARGET_HOSTED) ? HOSTED_SUMS : BARE_SUMS) / 4 / s->shape.block;
  int lanes = target_lanes(target, 32), rows = lanes > 1 ? lanes : 4;
  if (rows > MAX_ROWS) rows = MAX_ROWS;
  while (rows > 1 && rows > room) rows /= 2;
  if (nest_constant(count, &known) && known < rows) rows = known > 0 ? (int)known : 1;
  return rows;
}

static void load_tables(Streams *s) {
  const Target *target = s->kernel->target;
  bool permutes = !strcmp(target->family, "x86_64") && target->vector_bits >= 256;
  if (!permutes || s->shape.gap_bits || s->rows > 1 || s->shape.index_bits < 3 ||
      s->shape.index_bits > 5)
    return;
  for (int i = 0; i < 1 << s->shape.index_bits; i += PERMUTED_LANES)
    s->tables[i / PERMUTED_LANES] =
        nest_load(s->nest, nest_vector(s->nest->f32, PERMUTED_LANES),
                  nest_address(s->nest, s->table, s->nest->f32, nest_const(s->nest, i)), 4);
}

static Streams describe(Kernel *kernel) {
  Streams s = {
      .kernel = kernel, .nest = kernel->nest, .x = &kernel->operands[0], .y = &kernel->results[0]};
  shape_of(kernel->node, &s.matrix, &s.shape);
  if (node_own_operands(kernel->node) > 2 && node_operand(kernel->node, 2))
    s.bias = &kernel->operands[2];
  int next = 0;
  if (s.shape.gap_bits) {
    s.counts = kernel->packed[next++];
    s.gaps = kernel->packed[next++];
  }
  s.entries = kernel->packed[next++];
  if (s.shape.index_bits) s.table = kernel->packed[next++];
  if (s.shape.blocks > 1) s.starts = kernel->packed[next++];
  assert(next == kernel->packed_count && "pack and lower agree");
  return s;
}

static void prepare(Streams *s, Val count) {
  s->rows = tile_rows(s, count);
  s->sums = nest_local(s->nest, s->nest->f32, s->shape.block * s->rows, 16);
  load_tables(s);
}

// Units of `rows` rows each, the last with fewer: `tile` emits one.
static void emit_tiles(Streams *s, Val begin, Val end,
                       void (*tile)(Streams *s, Val row, int rows)) {
  Nest *nest = s->nest;
  Val tiles = nest_udiv(nest, nest_sub(nest, end, begin), nest_const(nest, s->rows));
  Val whole = nest_add(nest, begin, nest_mul(nest, tiles, nest_const(nest, s->rows)));
  FOR (nest, row, begin, whole, s->rows) tile(s, row, s->rows);
  int64_t from, to;
  if (nest_constant(whole, &from) && nest_constant(end, &to)) {
    if (from < to) tile(s, whole, (int)(to - from));
    return;
  }
  if (s->rows > 1)
    FOR (nest, row, whole, end, 1) tile(s, row, 1);
}

// --- matrix products: leading axes are rows too

static Val accumulate_matmul(Streams *s, int rows, const void *tile, Val entry) {
  Nest *nest = s->nest;
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, s->matrix.rows),
                              nest_const(nest, 1));
  int next = nest_carry(nest, &loop, entry);
  nest_carry_next(&loop, next, add_row(s, rows, tile, loop.index, loop.index, loop.carried[next]));
  nest_loop_end(nest, &loop);
  return loop.carried[next];
}

static void matmul_tile(Streams *s, Val row, int rows) {
  Nest *nest = s->nest;
  Val inputs[MAX_ROWS], coordinates[MAX_ROWS][MAX_RANK];
  for (int r = 0; r < rows; r++) {
    Val own = nest_add(nest, row, nest_const(nest, r)), rest = own;
    inputs[r] = nest_address(nest, s->x->pointer, nest_element_type(nest, s->x->element),
                             nest_mul(nest, own, nest_const(nest, s->matrix.rows)));
    for (int axis = s->y->rank - 2; axis > 0; axis--) {
      coordinates[r][axis] = nest_urem(nest, rest, s->y->dims[axis]);
      rest = nest_udiv(nest, rest, s->y->dims[axis]);
    }
    coordinates[r][0] = rest;
  }
  emit_tile(s, rows, inputs, accumulate_matmul, coordinates);
}

static bool lower_matmul_streams(Kernel *kernel) {
  Streams s = describe(kernel);
  Nest *nest = s.nest;
  DimTable *dims = kernel->node->graph->module->dims;
  const Dim *count = dim_constant(dims, 1);
  for (int i = 0; i < s.y->rank - 1; i++) count = dim_mul(dims, count, s.y->type->dims[i]);
  Val all = kernel_dim(kernel, count);
  s.rows = tile_rows(&s, all);
  kernel_split(kernel, dim_ceildiv(dims, count, dim_constant(dims, s.rows)));
  prepare(&s, all);
  Val rows = nest_const(nest, s.rows);
  emit_tiles(&s, nest_mul(nest, kernel->begin, rows),
             nest_umin(nest, nest_mul(nest, kernel->end, rows), all), matmul_tile);
  return true;
}

bool lower_matmul_sparse(Kernel *kernel) { return lower_matmul_streams(kernel); }
bool lower_matmul_codebook(Kernel *kernel) { return lower_matmul_streams(kernel); }

// --- convolutions: rows are pixels, rows of the weights are channels under taps

typedef struct Taps {
  const Pixel *pixels;
  Val at[WINDOW_AXES];
} Taps;

static Val accumulate_channels(Streams *s, int rows, Taps *taps, Val tap, Val entry) {
  Nest *nest = s->nest;
  Val inputs[MAX_ROWS];
  for (int r = 0; r < rows; r++) inputs[r] = pixels_tap(&s->pixels, &taps->pixels[r], taps->at);
  Val first = nest_mul(nest, tap, nest_const(nest, s->channels));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, s->channels),
                              nest_const(nest, 1));
  int next = nest_carry(nest, &loop, entry);
  nest_carry_next(
      &loop, next,
      add_row(s, rows, inputs, loop.index, nest_add(nest, first, loop.index), loop.carried[next]));
  nest_loop_end(nest, &loop);
  return loop.carried[next];
}

static Val accumulate_axis(Streams *s, int rows, Taps *taps, int axis, Val tap, Val entry) {
  Nest *nest = s->nest;
  if (axis == WINDOW_AXES) return accumulate_channels(s, rows, taps, tap, entry);
  Val size = nest_const(nest, s->pixels.window.kernel[axis]);
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), size, nest_const(nest, 1));
  int next = nest_carry(nest, &loop, entry);
  taps->at[axis] = loop.index;
  Val number = nest_add(nest, nest_mul(nest, tap, size), loop.index);
  nest_carry_next(&loop, next,
                  accumulate_axis(s, rows, taps, axis + 1, number, loop.carried[next]));
  nest_loop_end(nest, &loop);
  return loop.carried[next];
}

static Val accumulate_conv(Streams *s, int rows, const void *tile, Val entry) {
  Taps taps = {.pixels = tile};
  return accumulate_axis(s, rows, &taps, 0, nest_const(s->nest, 0), entry);
}

static void conv_tile(Streams *s, Val pixel, int rows) {
  Pixel pixels[MAX_ROWS];
  Val coordinates[MAX_ROWS][MAX_RANK];
  int skip = WINDOW_AXES - s->pixels.window.rank;
  pixels[0] = pixels_at(&s->pixels, pixel);
  for (int r = 1; r < rows; r++) pixels[r] = pixels_next(&s->pixels, pixels[r - 1]);
  for (int r = 0; r < rows; r++) {
    coordinates[r][0] = s->batch;
    for (int axis = skip; axis < WINDOW_AXES; axis++)
      coordinates[r][1 + axis - skip] = pixels[r].at[axis];
  }
  emit_tile(s, rows, pixels, accumulate_conv, coordinates);
}

static void describe_conv(Streams *s) {
  Nest *nest = s->nest;
  const Type *w = &s->kernel->node->operands[1]->type;
  int64_t sizes[MAX_RANK];
  for (int i = 0; i < s->x->rank - 2; i++) sizes[i] = type_dim(w, 1 + i);
  s->channels = type_dim(w, w->rank - 1);
  s->pixels.nest = nest;
  s->pixels.x = s->x;
  s->pixels.window = kernel_window(s->kernel, s->x, s->y, sizes);
  s->pixels.count = nest_const(nest, 1);
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    s->pixels.count = nest_mul(nest, s->pixels.count, s->pixels.window.output[axis]);
}

static bool lower_conv_streams(Kernel *kernel) {
  Streams s = describe(kernel);
  Nest *nest = s.nest;
  describe_conv(&s);
  DimTable *dims = kernel->node->graph->module->dims;
  bool single = dim_is(s.y->type->dims[0], 1);
  const Dim *count = dim_constant(dims, 1);
  for (int i = 1; i < s.y->rank - 1; i++) count = dim_mul(dims, count, s.y->type->dims[i]);
  s.rows = tile_rows(&s, s.pixels.count);
  kernel_split(kernel,
               single ? dim_ceildiv(dims, count, dim_constant(dims, s.rows)) : s.y->type->dims[0]);
  prepare(&s, s.pixels.count);
  if (pixels_padded(&s.pixels)) s.pixels.zeros = pixels_line(&s.pixels, s.channels, 0);
  Val zero = nest_const(nest, 0), rows = nest_const(nest, s.rows);
  if (single) {
    s.batch = s.pixels.offset = zero;
    Val end = nest_umin(nest, nest_mul(nest, kernel->end, rows), s.pixels.count);
    emit_tiles(&s, nest_mul(nest, kernel->begin, rows), end, conv_tile);
    return true;
  }
  FOR (nest, image, kernel->begin, kernel->end, 1) {
    s.batch = image;
    s.pixels.offset = nest_mul(nest, image, s.x->strides[0]);
    emit_tiles(&s, zero, s.pixels.count, conv_tile);
  }
  return true;
}

bool lower_conv_sparse(Kernel *kernel) { return lower_conv_streams(kernel); }
bool lower_conv_codebook(Kernel *kernel) { return lower_conv_streams(kernel); }
