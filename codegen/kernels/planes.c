// Products with sparse weights, codebooks or both, output by output (passes/place/planes.c prepares
// them).
//
//   for each tile of positions (pixels along the padded lines, or rows of a matrix product):
//     for each output:
//       for each entry of the output's weights:
//         sums[vectors of positions] += value of the entry * x[where its channel and tap begin +
//         position]
//
// An entry is decoded once for a whole tile, its sums stay in registers, and zeros cost nothing: at
// the machine's peak of multiply-adds a product takes the time of its density. The sums of a block
// of outputs are then turned in registers, since results lie channels last. Sums run over k in
// ascending order, as the interpreter's do.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/fields.h"
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "codegen/kernels/pack.h"
#include "ir/weight_matrix.h"

enum { MAX_VECTORS = 16 };

typedef struct Planes {
  Kernel *kernel;
  Nest *nest;
  StreamShape shape;
  WeightMatrix matrix;
  Positions positions;
  int offset_bits; // of the table from rows to places; 0: row * plane
  const View *x, *bias, *y;
  Val counts, gaps, entries, table, offsets;
  int lanes, vectors, tile; // positions of a tile: lanes * vectors
  Val sums, turned;         // [lanes outputs][tile], and [tile][lanes outputs]
} Planes;

// --- what pack and lower agree on

static const Storage *storage_of(const Node *node) {
  return &value_constant(node->operands[1])->storage;
}

static void describe_weights(const Node *node, WeightMatrix *matrix, StreamShape *shape) {
  bool fits = weight_matrix(node, matrix, NULL);
  matrix->by_output = true;
  fits = fits && stream_shape(storage_of(node), matrix, shape) && shape->blocks == 1;
  assert(fits && "place chooses this kernel only for storage that has streams");
  (void)fits;
}

static int64_t channels_of(const Node *node) {
  const Type *w = &node->operands[1]->type;
  return type_dim(w, w->rank - 1);
}

static int offset_bits(const Node *node, const Positions *positions) {
  if (node->op == OP_MATMUL) return 0;
  return channels_of(node) * positions->plane > UINT16_MAX ? 32 : 16;
}

// Where row `row` of the weights, a channel under a tap, begins in the planes of an image.
static int64_t place_of_row(const Node *node, const Positions *positions, int64_t row) {
  const Type *w = &node->operands[1]->type;
  int64_t channels = channels_of(node), tap = row / channels, width = type_dim(w, w->rank - 2);
  int last = w->rank - 3;
  int64_t line = last > 0 ? tap / width * node_ints_at(node, ATTR_DILATIONS, 0, 1) : 0;
  int64_t at = tap % width * node_ints_at(node, ATTR_DILATIONS, last, 1);
  return row % channels * positions->plane + line * positions->pitch + at;
}

static void pack_offsets(Pack *pack, const WeightMatrix *matrix) {
  Positions positions = product_positions(pack->node, true);
  int bits = offset_bits(pack->node, &positions);
  if (!bits) return;
  uint16_t *narrow = NEW_ARRAY(pack->arena, uint16_t, matrix->rows);
  uint32_t *wide = NEW_ARRAY(pack->arena, uint32_t, matrix->rows);
  for (int64_t row = 0; row < matrix->rows; row++)
    narrow[row] = (uint16_t)(wide[row] = (uint32_t)place_of_row(pack->node, &positions, row));
  const char *what = arena_printf(pack->arena, "offsets-%lld-%lld", (long long)positions.plane,
                                  (long long)positions.pitch);
  fields_add(pack, what, bits == 16 ? (void *)narrow : wide, bits / 8, matrix->rows, bits);
  pack->segments[pack->count - 1].entropy = false;
}

static bool pack_planes(Pack *pack) {
  WeightMatrix matrix;
  StreamShape shape;
  describe_weights(pack->node, &matrix, &shape);
  if (!fields_add_streams(pack, &matrix, &shape)) return false;
  pack_offsets(pack, &matrix);
  return true;
}

bool pack_matmul_planes(Pack *pack) { return pack_planes(pack); }
bool pack_conv_planes(Pack *pack) { return pack_planes(pack); }

// --- entries

enum { GROUP = 4 }; // entries at a time

typedef struct Entries {
  Val rows[GROUP], values[GROUP];
} Entries;

// `count` entries from number `at` on. `row` is the first row of the weights that the first of them
// can be, and becomes that of the entry behind them.
static Entries load_entries(Planes *p, Val at, int count, Val *row) {
  Nest *nest = p->nest;
  Entries e;
  Val gaps[GROUP], indices[GROUP];
  if (p->shape.gap_bits) fields_load_group(nest, p->gaps, at, p->shape.gap_bits, count, gaps);
  if (p->shape.index_bits)
    fields_load_group(nest, p->entries, at, p->shape.index_bits, count, indices);
  for (int i = 0; i < count; i++) {
    Val number = p->shape.index_bits ? nest_extend(nest, indices[i], nest->index, false)
                                     : nest_add(nest, at, nest_const(nest, i));
    Val values = p->shape.index_bits ? p->table : p->entries;
    e.values[i] = nest_load(nest, nest->f32, nest_address(nest, values, nest->f32, number), 4);
    e.rows[i] = p->shape.gap_bits
                    ? nest_add(nest, *row, nest_extend(nest, gaps[i], nest->index, false))
                    : *row;
    *row = nest_add(nest, e.rows[i], nest_const(nest, 1));
  }
  return e;
}

static Val row_offset(Planes *p, Val row) {
  Nest *nest = p->nest;
  if (!p->offset_bits) return nest_mul(nest, row, nest_const(nest, p->positions.plane));
  LLVMTypeRef type = p->offset_bits == 16 ? nest->i16 : nest->i32;
  return nest_extend(
      nest, nest_load(nest, type, nest_address(nest, p->offsets, type, row), p->offset_bits / 8),
      nest->index, false);
}

// Entries of an output: all rows, or those that are not zero.
static Val count_of(Planes *p, Val output) {
  if (!p->shape.gap_bits) return nest_const(p->nest, p->matrix.rows);
  return nest_extend(p->nest, fields_load(p->nest, p->counts, output, p->shape.count_bits),
                     p->nest->index, false);
}

static Val whole_groups(Planes *p, Val count) {
  return nest_mul(p->nest, nest_udiv(p->nest, count, nest_const(p->nest, GROUP)),
                  nest_const(p->nest, GROUP));
}

static Val start_of(Planes *p, Val output) {
  Nest *nest = p->nest;
  if (!p->bias) return nest_real(nest->f32, 0);
  return nest_float_width(
      nest, kernel_load(p->kernel, p->bias->element, p->bias->pointer, output, 1), nest->f32);
}

// --- one output

// Adds entries [begin, end) of those that start at number `entry`, `count` at a time, to the sums
// of the tile at `base`.
static void add_entries(Planes *p, Val base, Val entry, Val begin, Val end, int count, Val *row,
                        Val *sums) {
  Nest *nest = p->nest;
  Loop loop = nest_loop_begin(nest, begin, end, nest_const(nest, count));
  int next = nest_carry(nest, &loop, *row), numbers[MAX_VECTORS];
  for (int v = 0; v < p->vectors; v++) numbers[v] = nest_carry(nest, &loop, sums[v]);
  Val first = loop.carried[next];
  Entries entries = load_entries(p, nest_add(nest, entry, loop.index), count, &first);
  for (int v = 0; v < p->vectors; v++) sums[v] = loop.carried[numbers[v]];
  for (int i = 0; i < count; i++) {
    Val value = nest_splat(nest, entries.values[i], p->lanes),
        x = nest_address(nest, base, nest->f32, row_offset(p, entries.rows[i]));
    for (int v = 0; v < p->vectors; v++) {
      Val address = nest_address(nest, x, nest->f32, nest_const(nest, v * p->lanes));
      sums[v] = nest_fma(nest, nest_load(nest, LLVMTypeOf(value), address, 4), value, sums[v]);
    }
  }
  nest_carry_next(&loop, next, first);
  for (int v = 0; v < p->vectors; v++) nest_carry_next(&loop, numbers[v], sums[v]);
  nest_loop_end(nest, &loop);
  *row = loop.carried[next];
  for (int v = 0; v < p->vectors; v++) sums[v] = loop.carried[numbers[v]];
}

// Sums of one output over the tile at `base`, its entries from number `entry` on, into row `row` of
// sums.
static void add_output(Planes *p, Val base, Val row, Val output, Val entry, Val count) {
  Nest *nest = p->nest;
  Val sums[MAX_VECTORS], first = nest_const(nest, 0), whole = whole_groups(p, count);
  for (int v = 0; v < p->vectors; v++) sums[v] = nest_splat(nest, start_of(p, output), p->lanes);
  add_entries(p, base, entry, nest_const(nest, 0), whole, GROUP, &first, sums);
  add_entries(p, base, entry, whole, count, 1, &first, sums);
  Val to = nest_address(nest, p->sums, nest->f32, nest_mul(nest, row, nest_const(nest, p->tile)));
  for (int v = 0; v < p->vectors; v++)
    nest_store(nest, sums[v], nest_address(nest, to, nest->f32, nest_const(nest, v * p->lanes)), 4);
}

// --- results of a block of outputs

static void turn_sums(Planes *p) {
  Nest *nest = p->nest;
  LLVMTypeRef type = nest_vector(nest->f32, p->lanes);
  FOR (nest, at, nest_const(nest, 0), nest_const(nest, p->tile), p->lanes) {
    Val vectors[MAX_TRANSPOSED];
    for (int i = 0; i < p->lanes; i++)
      vectors[i] = nest_load(
          nest, type,
          nest_address(nest, p->sums, nest->f32, nest_add(nest, at, nest_const(nest, i * p->tile))),
          4);
    transpose_registers(nest, vectors, p->lanes);
    Val to =
        nest_address(nest, p->turned, nest->f32, nest_mul(nest, at, nest_const(nest, p->lanes)));
    for (int i = 0; i < p->lanes; i++)
      nest_store(nest, vectors[i],
                 nest_address(nest, to, nest->f32, nest_const(nest, i * p->lanes)), 4);
  }
}

// Results of one position; the first `count` lanes are outputs (NULL: all).
static void store_position(Planes *p, Val row, Val *coordinates, Val count) {
  Nest *nest = p->nest;
  Val from =
      nest_address(nest, p->turned, nest->f32, nest_mul(nest, row, nest_const(nest, p->lanes)));
  Val value = kernel_epilogue(p->kernel, nest_load(nest, nest_vector(nest->f32, p->lanes), from, 4),
                              coordinates, count);
  Val to = nest_address(nest, p->y->pointer, nest->f32, view_at(nest, p->y, coordinates));
  if (count)
    nest_store_lanes(nest, value, to, count);
  else
    nest_store(nest, value, to, 4);
}

// Positions between the end of a line's results and its padded end are no results.
static void store_block(Planes *p, Val image, Val start, Val first, Val count) {
  Nest *nest = p->nest;
  int rank = p->y->rank;
  turn_sums(p);
  FOR (nest, row, nest_const(nest, 0), nest_const(nest, p->tile), 1) {
    Val position = nest_add(nest, start, row), pitch = nest_const(nest, p->positions.pitch);
    Val line = nest_udiv(nest, position, pitch),
        at = nest_sub(nest, position, nest_mul(nest, line, pitch));
    Val coordinates[MAX_RANK] = {image, line};
    coordinates[rank - 2] = at;
    coordinates[rank - 1] = first;
    if (p->positions.width == p->positions.pitch) {
      store_position(p, row, coordinates, count);
      continue;
    }
    Branch branch =
        nest_if(nest, nest_compare(nest, LLVMIntULT, at, nest_const(nest, p->positions.width)));
    store_position(p, row, coordinates, count);
    nest_end_if(nest, &branch);
  }
}

// `count` outputs from `first` on; returns the number of the next one's first entry.
static Val emit_block(Planes *p, Val image, Val start, Val base, Val first, int count, Val entry) {
  Nest *nest = p->nest;
  Loop loop =
      nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, count), nest_const(nest, 1));
  int next = nest_carry(nest, &loop, entry);
  Val output = nest_add(nest, first, loop.index), entries = count_of(p, output);
  add_output(p, base, loop.index, output, loop.carried[next], entries);
  nest_carry_next(&loop, next, nest_add(nest, loop.carried[next], entries));
  nest_loop_end(nest, &loop);
  store_block(p, image, start, first, count < p->lanes ? nest_const(nest, count) : NULL);
  return loop.carried[next];
}

static void emit_tile(Planes *p, Val image, Val start) {
  Nest *nest = p->nest;
  Val base = nest_address(nest, p->x->pointer, nest->f32, start);
  if (p->y->rank > 2)
    base = nest_address(nest, base, nest->f32, nest_mul(nest, image, p->x->strides[0]));
  int64_t whole = p->matrix.columns / p->lanes * p->lanes;
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, whole),
                              nest_const(nest, p->lanes));
  int next = nest_carry(nest, &loop, nest_const(nest, 0));
  nest_carry_next(&loop, next,
                  emit_block(p, image, start, base, loop.index, p->lanes, loop.carried[next]));
  nest_loop_end(nest, &loop);
  if (whole < p->matrix.columns)
    emit_block(p, image, start, base, nest_const(nest, whole), (int)(p->matrix.columns - whole),
               loop.carried[next]);
}

// --- all

static Planes describe(Kernel *kernel) {
  const Node *node = kernel->node;
  Planes p = {
      .kernel = kernel, .nest = kernel->nest, .x = &kernel->operands[0], .y = &kernel->results[0]};
  describe_weights(node, &p.matrix, &p.shape);
  p.positions = product_positions(node, true);
  p.offset_bits = offset_bits(node, &p.positions);
  if (node_own_operands(node) > 2 && node_operand(node, 2)) p.bias = &kernel->operands[2];
  p.lanes = target_lanes(kernel->target, 32);
  p.vectors = (int)node_ints_at(node, ATTR_TILE, 0, 1);
  p.tile = p.lanes * p.vectors;
  int next = 0;
  if (p.shape.gap_bits) {
    p.counts = kernel->packed[next++];
    p.gaps = kernel->packed[next++];
  }
  p.entries = kernel->packed[next++];
  if (p.shape.index_bits) p.table = kernel->packed[next++];
  if (p.offset_bits) p.offsets = kernel->packed[next++];
  assert(next == kernel->packed_count && "pack and lower agree");
  return p;
}

// Units are tiles of all images. The last tile of an image begins where it ends with the positions.
static bool lower_planes(Kernel *kernel) {
  Planes p = describe(kernel);
  Nest *nest = p.nest;
  int64_t images = p.y->rank > 2 ? type_dim(p.y->type, 0) : 1,
          tiles = (p.positions.count + p.tile - 1) / p.tile;
  kernel_split(kernel, dim_constant(kernel->node->graph->module->dims, images * tiles));
  p.sums = nest_local(nest, nest->f32, (int64_t)p.tile * p.lanes, 64);
  p.turned = nest_local(nest, nest->f32, (int64_t)p.tile * p.lanes, 64);
  FOR (nest, unit, kernel->begin, kernel->end, 1) {
    Val image = nest_udiv(nest, unit, nest_const(nest, tiles));
    Val tile = nest_sub(nest, unit, nest_mul(nest, image, nest_const(nest, tiles)));
    Val start = nest_umin(nest, nest_mul(nest, tile, nest_const(nest, p.tile)),
                          nest_const(nest, p.positions.count - p.tile));
    emit_tile(&p, image, start);
  }
  return true;
}

// --- one row of a matrix product

// Entries [begin, end), `count` at a time, each with a sum of its own: they need not wait for each
// other.
static void add_scalars(Planes *p, Val entry, Val begin, Val end, int count, Val *row, Val *sums) {
  Nest *nest = p->nest;
  Loop loop = nest_loop_begin(nest, begin, end, nest_const(nest, count));
  int next = nest_carry(nest, &loop, *row), numbers[GROUP];
  for (int i = 0; i < count; i++) numbers[i] = nest_carry(nest, &loop, sums[i]);
  Val first = loop.carried[next];
  Entries entries = load_entries(p, nest_add(nest, entry, loop.index), count, &first);
  for (int i = 0; i < count; i++) {
    Val x = nest_load(nest, nest->f32,
                      nest_address(nest, p->x->pointer, nest->f32, entries.rows[i]), 4);
    nest_carry_next(&loop, numbers[i],
                    nest_fma(nest, x, entries.values[i], loop.carried[numbers[i]]));
  }
  nest_carry_next(&loop, next, first);
  nest_loop_end(nest, &loop);
  *row = loop.carried[next];
  for (int i = 0; i < count; i++) sums[i] = loop.carried[numbers[i]];
}

static Val dot_product(Planes *p, Val output, Val entry, Val count) {
  Nest *nest = p->nest;
  Val zero = nest_real(nest->f32, 0), sums[GROUP] = {start_of(p, output), zero, zero, zero},
      row = nest_const(nest, 0);
  Val whole = whole_groups(p, count);
  add_scalars(p, entry, nest_const(nest, 0), whole, GROUP, &row, sums);
  add_scalars(p, entry, whole, count, 1, &row, sums);
  return nest_add(nest, nest_add(nest, sums[0], sums[1]), nest_add(nest, sums[2], sums[3]));
}

static Val dot_block(Planes *p, Val first, int count, Val entry) {
  Nest *nest = p->nest;
  Loop loop =
      nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, count), nest_const(nest, 1));
  int next = nest_carry(nest, &loop, entry);
  Val output = nest_add(nest, first, loop.index), entries = count_of(p, output);
  nest_store(nest, dot_product(p, output, loop.carried[next], entries),
             nest_address(nest, p->turned, nest->f32, loop.index), 4);
  nest_carry_next(&loop, next, nest_add(nest, loop.carried[next], entries));
  nest_loop_end(nest, &loop);
  Val coordinates[MAX_RANK] = {nest_const(nest, 0), first};
  store_position(p, nest_const(nest, 0), coordinates,
                 count < p->lanes ? nest_const(nest, count) : NULL);
  return loop.carried[next];
}

bool lower_matmul_dot(Kernel *kernel) {
  Planes p = describe(kernel);
  Nest *nest = p.nest;
  int64_t whole = p.matrix.columns / p.lanes * p.lanes;
  p.turned = nest_local(nest, nest->f32, p.lanes, 64);
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, whole),
                              nest_const(nest, p.lanes));
  int next = nest_carry(nest, &loop, nest_const(nest, 0));
  nest_carry_next(&loop, next, dot_block(&p, loop.index, p.lanes, loop.carried[next]));
  nest_loop_end(nest, &loop);
  if (whole < p.matrix.columns)
    dot_block(&p, nest_const(nest, whole), (int)(p.matrix.columns - whole), loop.carried[next]);
  return true;
}

bool lower_matmul_planes(Kernel *kernel) { return lower_planes(kernel); }
bool lower_conv_planes(Kernel *kernel) { return lower_planes(kernel); }
