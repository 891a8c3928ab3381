// matmul_blocked: products with codes of 2, 4 or 8 bits that have a scale for each block of a row.
//
// Codes stay packed in memory: a chunk of them is loaded as bytes, taken apart and made into
// vectors of f32, which all rows of x in the tile share. A block is summed in one accumulator for
// each vector of the chunk, and its scale is applied once.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"

enum { MAX_CHUNK = 32, MAX_ROWS = 4, MAX_VECTORS = 32 };

typedef struct Blocked {
  Kernel *kernel;
  Nest *nest;
  const View *x, *codes, *scales, *zeros, *y; // zeros NULL: attribute `value`
  int bits, lanes, chunk, vectors;            // a chunk is `vectors` vectors of `lanes`
  int64_t k, block;
  Val column;           // of the result
  int rows;             // of x in the tile
  Val x_rows[MAX_ROWS]; // their offsets
} Blocked;

// a[0] b[0] a[1] b[1] ..
static Val interleaved(Nest *nest, Val a, Val b) {
  int lanes[2 * MAX_CHUNK], count = nest_lanes(a);
  for (int i = 0; i < count; i++) {
    lanes[2 * i] = i;
    lanes[2 * i + 1] = count + i;
  }
  return nest_shuffle(nest, a, b, lanes, 2 * count);
}

// Codes at `at` (a multiple of the chunk) as bytes, one each.
static Val unpacked_chunk(const Blocked *b, Val at) {
  Nest *nest = b->nest;
  int per_byte = 8 / b->bits, bytes = b->chunk / per_byte;
  LLVMTypeRef type = nest_vector(nest->i8, bytes);
  Val offset = nest_udiv(nest, at, nest_const(nest, per_byte));
  Val raw = nest_load(nest, type, nest_address(nest, b->codes->pointer, nest->i8, offset), 1),
      parts[4];
  if (per_byte == 1) return raw;
  for (int i = 0; i < per_byte; i++)
    parts[i] = nest_and(nest, nest_lshr(nest, raw, nest_int(type, i * b->bits)),
                        nest_int(type, (1 << b->bits) - 1));
  if (per_byte == 2) return interleaved(nest, parts[0], parts[1]);
  return interleaved(nest, interleaved(nest, parts[0], parts[2]),
                     interleaved(nest, parts[1], parts[3]));
}

static void load_chunk(const Blocked *b, Val at, Val zero, Val *vectors) {
  Nest *nest = b->nest;
  Val codes = unpacked_chunk(b, at);
  for (int v = 0; v < b->vectors; v++) {
    int lanes[MAX_CHUNK];
    for (int i = 0; i < b->lanes; i++) lanes[i] = v * b->lanes + i;
    Val some = b->lanes == 1 ? nest_lane(nest, codes, v)
                             : nest_shuffle(nest, codes, codes, lanes, b->lanes);
    Val real = nest_to_float(nest, nest_extend(nest, some, nest->i32, false), nest->f32, true);
    vectors[v] = nest_sub(nest, real, nest_splat(nest, zero, b->lanes));
  }
}

static Val block_number(const Blocked *b, Val block) {
  return nest_add(b->nest, nest_mul(b->nest, b->column, b->codes->dims[1]), block);
}

static Val zero_of(const Blocked *b, Val number) {
  Nest *nest = b->nest;
  if (!b->zeros) return nest_real(nest->f32, node_float(b->kernel->node, ATTR_VALUE));
  Val zero = kernel_load(b->kernel, b->zeros->element, b->zeros->pointer, number, 1);
  return nest_is_float(zero)
             ? zero
             : nest_to_float(nest, nest_extend(nest, zero, nest->i32, false), nest->f32, true);
}

static Val scale_of(const Blocked *b, Val number) {
  return kernel_load(b->kernel, b->scales->element, b->scales->pointer, number, 1);
}

// One whole block: sums[row] += scale * sum of x * (code - zero).
static void add_block(const Blocked *b, Val block, Val *sums) {
  Nest *nest = b->nest;
  Val number = block_number(b, block), zero = zero_of(b, number), codes[MAX_VECTORS];
  Val first = nest_mul(nest, number, nest_const(nest, b->block)),
      x_first = nest_mul(nest, block, nest_const(nest, b->block));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, b->block),
                              nest_const(nest, b->chunk));
  for (int i = 0; i < b->rows * b->vectors; i++)
    nest_carry(nest, &loop, nest_zero(nest_vector(nest->f32, b->lanes)));
  load_chunk(b, nest_add(nest, first, loop.index), zero, codes);
  for (int r = 0; r < b->rows; r++)
    for (int v = 0; v < b->vectors; v++) {
      Val at = nest_add(nest, nest_add(nest, b->x_rows[r], x_first),
                        nest_add(nest, loop.index, nest_const(nest, v * b->lanes)));
      Val x = kernel_load(b->kernel, F32, b->x->pointer, at, b->lanes);
      nest_carry_next(&loop, r * b->vectors + v,
                      nest_fma(nest, x, codes[v], loop.carried[r * b->vectors + v]));
    }
  nest_loop_end(nest, &loop);
  Val scale = nest_splat(nest, scale_of(b, number), b->lanes);
  for (int r = 0; r < b->rows; r++) {
    Val sum = loop.carried[r * b->vectors];
    for (int v = 1; v < b->vectors; v++)
      sum = nest_add(nest, sum, loop.carried[r * b->vectors + v]);
    sums[r] = nest_fma(nest, sum, scale, sums[r]);
  }
}

// The last block, where x ends inside of it, one element after the other.
static void add_rest(const Blocked *b, Val *sums) {
  Nest *nest = b->nest;
  int64_t whole = b->k / b->block;
  if (whole * b->block == b->k) return;
  Val number = block_number(b, nest_const(nest, whole)), zero = zero_of(b, number),
      scale = scale_of(b, number);
  Val first = nest_mul(nest, number, nest_const(nest, b->block));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, b->k - whole * b->block),
                              nest_const(nest, 1));
  for (int r = 0; r < b->rows; r++) nest_carry(nest, &loop, sums[r]);
  Val code = kernel_load(b->kernel, b->codes->element, b->codes->pointer,
                         nest_add(nest, first, loop.index), 1);
  Val real = nest_sub(
      nest, nest_to_float(nest, nest_extend(nest, code, nest->i32, false), nest->f32, true), zero);
  Val weight = nest_mul(nest, real, scale),
      at = nest_add(nest, nest_const(nest, whole * b->block), loop.index);
  for (int r = 0; r < b->rows; r++) {
    Val x = kernel_load(b->kernel, F32, b->x->pointer, nest_add(nest, b->x_rows[r], at), 1);
    nest_carry_next(&loop, r, nest_fma(nest, x, weight, loop.carried[r]));
  }
  nest_loop_end(nest, &loop);
  for (int r = 0; r < b->rows; r++) sums[r] = loop.carried[r];
}

// b->rows rows from `row` on.
static void emit_tile(Blocked *b, Val row, int rows) {
  Nest *nest = b->nest;
  Val sums[MAX_ROWS];
  b->rows = rows;
  for (int r = 0; r < rows; r++)
    b->x_rows[r] = nest_mul(nest, nest_add(nest, row, nest_const(nest, r)), nest_const(nest, b->k));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, b->k / b->block),
                              nest_const(nest, 1));
  for (int r = 0; r < rows; r++)
    nest_carry(nest, &loop, nest_zero(nest_vector(nest->f32, b->lanes)));
  for (int r = 0; r < rows; r++) sums[r] = loop.carried[r];
  add_block(b, loop.index, sums);
  for (int r = 0; r < rows; r++) nest_carry_next(&loop, r, sums[r]);
  nest_loop_end(nest, &loop);
  for (int r = 0; r < rows; r++)
    sums[r] = b->lanes == 1 ? loop.carried[r] : nest_reduce_lanes(nest, loop.carried[r], nest_add);
  add_rest(b, sums);
  for (int r = 0; r < rows; r++) {
    Val at =
        nest_add(nest, nest_mul(nest, nest_add(nest, row, nest_const(nest, r)), b->codes->dims[0]),
                 b->column);
    kernel_store(b->kernel, F32, sums[r], b->y->pointer, at);
  }
}

bool lower_matmul_blocked(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Blocked b = {.kernel = kernel,
               .nest = nest,
               .x = &kernel->operands[0],
               .codes = &kernel->operands[1],
               .scales = &kernel->operands[2],
               .y = &kernel->results[0]};
  if (kernel->operand_count > 3 && kernel->operands[3].pointer) b.zeros = &kernel->operands[3];
  b.bits = element_info[b.codes->element].bits;
  b.k = type_dim(b.x->type, b.x->rank - 1);
  b.block = type_dim(b.codes->type, 2);
  b.chunk = b.block % MAX_CHUNK == 0 ? MAX_CHUNK : MAX_CHUNK / 2;
  b.lanes = target_lanes(kernel->target, 32);
  if (b.lanes > b.chunk) b.lanes = b.chunk;
  b.vectors = b.chunk / b.lanes;
  kernel_split(kernel, b.codes->type->dims[0]);
  // A tile's accumulators shall stay in registers.
  int rows = b.vectors * MAX_ROWS <= 16 ? MAX_ROWS : 1;
  Val zero = nest_const(nest, 0), count = view_extent(kernel, b.x->type, 0, b.x->rank - 1);
  if (dim_is(view_extent_dim(kernel, b.x->type, 0, b.x->rank - 1), 1)) rows = 1;
  FOR (nest, column, kernel->begin, kernel->end, 1) {
    b.column = column;
    Val whole = strip_whole(nest, zero, count, rows);
    if (rows > 1 && !strip_is_empty(zero, whole))
      FOR (nest, row, zero, whole, rows) emit_tile(&b, row, rows);
    Val rest = rows > 1 ? whole : zero;
    if (!strip_is_empty(rest, count))
      FOR (nest, row, rest, count, 1) emit_tile(&b, row, 1);
  }
  return true;
}
