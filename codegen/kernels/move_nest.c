// Nests of strided copies: slices, transposes, broadcasts are all one.
//
// Axes that both sides run through as one are merged. If the innermost axis is a run on both sides
// it is copied by vectors; if the source has its run along another axis, the two make a transpose
// of square tiles in registers, or, where one side is a few elements (channels of an image), an
// interleaving of vectors.
#include <assert.h>

#include "codegen/kernels/movement.h"

enum {
  MAX_TILE = 8,
  MAX_INTERLEAVED = 8,
  SHARED_COLUMNS = 64,
  LINE_BYTES = 64,
  MAX_LINE_TILES = 4
};

Move move_begin(Kernel *kernel, const View *to, const View *from) {
  return (Move){.kernel = kernel, .element = to->element, .to = to->pointer, .from = from->pointer};
}

static bool continues(Move *move, const MoveAxis *outer, const Dim *size, const Dim *to,
                      const Dim *from) {
  DimTable *dims = move_dims(move->kernel);
  return !outer->from_value && outer->to == dim_mul(dims, size, to) &&
         outer->from == dim_mul(dims, size, from);
}

void move_axis(Move *move, const Dim *size, const Dim *to, const Dim *from) {
  if (dim_is(size, 1)) return;
  MoveAxis *last = move->axis_count ? &move->axes[move->axis_count - 1] : NULL;
  if (last && continues(move, last, size, to, from)) {
    *last = (MoveAxis){
        .size = dim_mul(move_dims(move->kernel), last->size, size), .to = to, .from = from};
    return;
  }
  assert(move->axis_count < MAX_MOVE_AXES && "more axes than a move has");
  move->axes[move->axis_count++] = (MoveAxis){.size = size, .to = to, .from = from};
}

static bool is_run(const MoveAxis *axis) {
  return !axis->from_value && dim_is(axis->to, 1) && dim_is(axis->from, 1);
}
static bool is_broadcast(const MoveAxis *axis) {
  return !axis->from_value && dim_is(axis->to, 1) && dim_is(axis->from, 0);
}

static Val from_stride(Move *move, const MoveAxis *axis) {
  return axis->from_value ? axis->from_value : kernel_dim(move->kernel, axis->from);
}

static void move_element(Move *move, Val to, Val from) {
  raw_store(move->kernel, move->element, raw_load(move->kernel, move->element, move->from, from, 1),
            move->to, to);
}

// --- the two innermost axes: `row` is the run of the result, `column` that of the source

typedef struct Core {
  Move *move;
  Nest *nest;
  const MoveAxis *row, *column;
  Val rows, columns, to_stride,
      from_stride; // distance of columns in the result, of rows in the source
  Val to, from;    // bases
  int side;        // of a tile
} Core;

static Val to_offset(const Core *c, Val row, Val column) {
  return nest_add(c->nest, c->to, nest_add(c->nest, row, nest_mul(c->nest, column, c->to_stride)));
}
static Val from_offset(const Core *c, Val row, Val column) {
  return nest_add(c->nest, c->from,
                  nest_add(c->nest, column, nest_mul(c->nest, row, c->from_stride)));
}

static Val plus(Nest *nest, Val value, int64_t constant) {
  return nest_add(nest, value, nest_const(nest, constant));
}

// In each step, blocks of `distance` lanes change places between rows that far apart.
void transpose_registers(Nest *nest, Val *rows, int side) {
  for (int distance = side / 2; distance >= 1; distance /= 2)
    for (int r = 0; r < side; r++) {
      if (r & distance) continue;
      int low[MAX_TRANSPOSED], high[MAX_TRANSPOSED];
      for (int i = 0; i < side; i++) {
        low[i] = i & distance ? side + i - distance : i;
        high[i] = i & distance ? side + i : i + distance;
      }
      Val a = rows[r], b = rows[r + distance];
      rows[r] = nest_shuffle(nest, a, b, low, side);
      rows[r + distance] = nest_shuffle(nest, a, b, high, side);
    }
}

static void emit_tile(const Core *c, Val row, Val column) {
  Kernel *kernel = c->move->kernel;
  Val vectors[MAX_TILE];
  for (int r = 0; r < c->side; r++)
    vectors[r] = raw_load(kernel, c->move->element, c->move->from,
                          from_offset(c, plus(c->nest, row, r), column), c->side);
  transpose_registers(c->nest, vectors, c->side);
  for (int r = 0; r < c->side; r++)
    raw_store(kernel, c->move->element, vectors[r], c->move->to,
              to_offset(c, row, plus(c->nest, column, r)));
}

static void emit_elements(const Core *c, Val row, Val row_end, Val column, Val column_end) {
  FOR (c->nest, k, column, column_end, 1)
    FOR (c->nest, i, row, row_end, 1)
      move_element(c->move, to_offset(c, i, k), from_offset(c, i, k));
}

// Columns [begin, end), `tiles` tiles side by side, as many as a cache line of the source has: with
// rows a power of two apart, a line would be gone before its second half is wanted. Returns where
// whole steps end.
static Val emit_tile_columns(const Core *c, Val begin, Val end, int tiles) {
  Nest *nest = c->nest;
  int width = c->side * tiles;
  Val side = nest_const(nest, c->side), step = nest_const(nest, width), zero = nest_const(nest, 0);
  Val rows = nest_mul(nest, nest_udiv(nest, c->rows, side), side);
  Val whole = nest_add(nest, begin,
                       nest_mul(nest, nest_udiv(nest, nest_sub(nest, end, begin), step), step));
  FOR (nest, column, begin, whole, width) {
    FOR (nest, row, zero, rows, c->side)
      for (int i = 0; i < tiles; i++) emit_tile(c, row, plus(nest, column, i * c->side));
    FOR (nest, row, rows, c->rows, 1)
      for (int i = 0; i < width; i++) {
        Val at = plus(nest, column, i);
        move_element(c->move, to_offset(c, row, at), from_offset(c, row, at));
      }
  }
  return whole;
}

static void emit_tiles(const Core *c, Val begin, Val end) {
  int tiles = LINE_BYTES * 8 / (c->side * element_info[c->move->element].bits);
  if (tiles > 1)
    begin = emit_tile_columns(c, begin, end, tiles > MAX_LINE_TILES ? MAX_LINE_TILES : tiles);
  begin = emit_tile_columns(c, begin, end, 1);
  emit_elements(c, nest_const(c->nest, 0), c->rows, begin, end);
}

// `count` vectors of `lanes` elements, joined.
static Val join(Nest *nest, Val *vectors, int count, int lanes) {
  int order[MAX_INTERLEAVED * 64];
  Val joined = vectors[0];
  for (int i = 1; i < count;
       i++) { // shuffles want operands of one type: the next part is widened first
    int width = nest_lanes(joined);
    for (int k = 0; k < width; k++) order[k] = k < lanes ? k : 0;
    Val part = width == lanes ? vectors[i] : nest_shuffle(nest, vectors[i], NULL, order, width);
    for (int k = 0; k < width; k++) order[k] = k;
    for (int k = 0; k < lanes; k++) order[width + k] = width + k;
    joined = nest_shuffle(nest, joined, part, order, width + lanes);
  }
  return joined;
}

// Few rows, whose elements alternate in the result: planes to pixels.
static void emit_interleave(const Core *c, int few, int lanes, Val begin, Val end) {
  Nest *nest = c->nest;
  Kernel *kernel = c->move->kernel;
  Val zero = nest_const(nest, 0), count = nest_sub(nest, end, begin);
  Val whole = nest_add(
      nest, begin,
      nest_mul(nest, nest_udiv(nest, count, nest_const(nest, lanes)), nest_const(nest, lanes)));
  FOR (nest, column, begin, whole, lanes) {
    Val planes[MAX_INTERLEAVED];
    int order[MAX_INTERLEAVED * 64];
    for (int r = 0; r < few; r++)
      planes[r] = raw_load(kernel, c->move->element, c->move->from,
                           from_offset(c, nest_const(nest, r), column), lanes);
    for (int i = 0; i < few * lanes; i++) order[i] = i % few * lanes + i / few;
    Val pixels = nest_shuffle(nest, join(nest, planes, few, lanes), NULL, order, few * lanes);
    raw_store(kernel, c->move->element, pixels, c->move->to, to_offset(c, zero, column));
  }
  emit_elements(c, zero, c->rows, whole, end);
}

// Few columns, whose elements alternate in the source: pixels to planes.
static void emit_deinterleave(const Core *c, int few, int lanes) {
  Nest *nest = c->nest;
  Kernel *kernel = c->move->kernel;
  Val zero = nest_const(nest, 0);
  Val whole =
      nest_mul(nest, nest_udiv(nest, c->rows, nest_const(nest, lanes)), nest_const(nest, lanes));
  FOR (nest, row, zero, whole, lanes) {
    int order[64];
    Val pixels =
        raw_load(kernel, c->move->element, c->move->from, from_offset(c, row, zero), few * lanes);
    for (int k = 0; k < few; k++) {
      for (int i = 0; i < lanes; i++) order[i] = i * few + k;
      raw_store(kernel, c->move->element, nest_shuffle(nest, pixels, NULL, order, lanes),
                c->move->to, to_offset(c, row, nest_const(nest, k)));
    }
  }
  emit_elements(c, whole, c->rows, zero, c->columns);
}

static int small_number(Val value) {
  int64_t known;
  return nest_constant(value, &known) && known <= MAX_INTERLEAVED ? (int)known : 0;
}

// A core register of 32 or 64 bits moves elements one by one.
static bool has_shuffles(const Kernel *kernel) { return kernel->target->vector_bits >= 128; }

static void emit_core(const Core *c, Val begin, Val end) {
  int lanes = has_shuffles(c->move->kernel) ? raw_lanes(c->move->kernel, c->move->element) : 1,
      rows = small_number(c->rows), columns = small_number(c->columns);
  lanes = lanes > 16 ? 16 : lanes;
  bool packs = lanes > 1 && rows > 1 && rows != c->side && dim_is(c->column->to, rows);
  bool unpacks = lanes > 1 && columns > 1 && columns != c->side && dim_is(c->row->from, columns);
  if (packs)
    emit_interleave(c, rows, lanes, begin, end);
  else if (unpacks)
    emit_deinterleave(c, columns, lanes);
  else if (c->side > 1)
    emit_tiles(c, begin, end);
  else
    emit_elements(c, nest_const(c->nest, 0), c->rows, begin, end);
}

// --- the nest

// The axis along which the source has its run, if the innermost one is not it; -1: none.
static int source_run(const Move *move) {
  const MoveAxis *last = &move->axes[move->axis_count - 1];
  if (last->from_value || !dim_is(last->to, 1) || is_run(last) || is_broadcast(last)) return -1;
  for (int i = 0; i < move->axis_count - 1; i++)
    if (!move->axes[i].from_value && dim_is(move->axes[i].from, 1)) return i;
  return -1;
}

static void emit_innermost(Move *move, Val low, Val high, Val to, Val from) {
  Nest *nest = move->kernel->nest;
  const MoveAxis *axis = &move->axes[move->axis_count - 1];
  Val count = nest_sub(nest, high, low);
  if (is_run(axis)) {
    move_run(move->kernel, move->element, move->to, nest_add(nest, to, low), move->from,
             nest_add(nest, from, low), count);
    return;
  }
  if (is_broadcast(axis)) {
    Val value = raw_load(move->kernel, move->element, move->from, from, 1);
    move_fill(move->kernel, move->element, move->to, nest_add(nest, to, low), value, count);
    return;
  }
  Val to_step = kernel_dim(move->kernel, axis->to), from_step = from_stride(move, axis);
  FOR (nest, i, low, high, 1)
    move_element(move, nest_add(nest, to, nest_mul(nest, i, to_step)),
                 nest_add(nest, from, nest_mul(nest, i, from_step)));
}

// `begin` .. `end`: the part of the outermost loop, or of the columns of a plain transpose.
static void emit_axes(Move *move, int index, int column, Val to, Val from, Val begin, Val end) {
  Kernel *kernel = move->kernel;
  Nest *nest = kernel->nest;
  const MoveAxis *axis = &move->axes[index];
  Val size = kernel_dim(kernel, axis->size), low = begin ? begin : nest_const(nest, 0),
      high = begin ? end : size;
  if (index == move->axis_count - 1) {
    if (column < 0) {
      emit_innermost(move, low, high, to, from);
      return;
    }
    const MoveAxis *other = &move->axes[column];
    int side = has_shuffles(kernel) ? raw_lanes(kernel, move->element) : 1;
    Core core = {.move = move,
                 .nest = nest,
                 .row = axis,
                 .column = other,
                 .rows = size,
                 .columns = kernel_dim(kernel, other->size),
                 .to_stride = kernel_dim(kernel, other->to),
                 .from_stride = kernel_dim(kernel, axis->from),
                 .to = to,
                 .from = from,
                 .side = side > MAX_TILE ? MAX_TILE : side};
    if (!begin)
      emit_core(&core, nest_const(nest, 0), core.columns);
    else
      emit_core(&core, begin, nest_min(nest, end, core.columns));
    return;
  }
  if (index == column) {
    emit_axes(move, index + 1, column, to, from, begin, end);
    return;
  }
  Val to_step = kernel_dim(kernel, axis->to), from_step = from_stride(move, axis);
  FOR (nest, i, low, high, 1)
    emit_axes(move, index + 1, column, nest_add(nest, to, nest_mul(nest, i, to_step)),
              nest_add(nest, from, nest_mul(nest, i, from_step)), NULL, NULL);
}

void move_emit(Move *move) {
  Kernel *kernel = move->kernel;
  Nest *nest = kernel->nest;
  Val to = move->to_base ? move->to_base : nest_const(nest, 0),
      from = move->from_base ? move->from_base : nest_const(nest, 0);
  if (move->axis_count == 0) {
    move_element(move, to, from);
    return;
  }
  int column = source_run(move), loops = move->axis_count - 1 - (column >= 0);
  bool plain = column == 0 && move->axis_count == 2;
  // Elements that share a byte cannot be written by two threads.
  if (!move->split || element_info[move->element].bits < 8 ||
      (!plain && (loops == 0 || column == 0))) {
    emit_axes(move, 0, column, to, from, NULL, NULL);
    return;
  }
  if (!plain) {
    kernel_split(kernel, move->axes[0].size);
    emit_axes(move, 0, column, to, from, kernel->begin, kernel->end);
    return;
  }
  DimTable *dims = move_dims(kernel);
  kernel_split(kernel, dim_ceildiv(dims, move->axes[0].size, dim_constant(dims, SHARED_COLUMNS)));
  Val each = nest_const(nest, SHARED_COLUMNS);
  emit_axes(move, 0, column, to, from, nest_mul(nest, kernel->begin, each),
            nest_mul(nest, kernel->end, each));
}
