// y[n, p, c] = epilogue(bias[c] + sum over taps of x[n, p * stride + tap, c] * w[c, tap]).
//
// One vector of channels and a tile of neighbouring output pixels: every input column is loaded
// once and multiplied by all weights that meet it in the tile. Weights are packed as
// [block][tap][lanes]. Tiles that hang over the left or right edge leave out the taps outside while
// code is generated; above and below, the range of taps is a loop bound. Where the channels do not
// fill the last vector, it starts earlier and computes some again.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/product.h"
#include "codegen/kernels/strip.h"
#include "codegen/kernels/window.h"

enum {
  CHUNK_BYTES = 256,
  LINE_BYTES = 64,
  WIDEST_TILE = 8,
  NARROW_TILE = 5,
  MAX_WIDTH = 64,
  COLUMN = WINDOW_AXES - 1
};

typedef struct Depthwise {
  Kernel *kernel;
  Nest *nest;
  const View *x, *w, *bias, *y;
  KernelWindow window;
  int lanes, tile, vectors; // vectors: of channels in one tile
  int64_t channels, blocks,
      chunk; // blocks: vectors of channels; chunk: of them run over a line together
  LLVMTypeRef element;
  Val first_block, end_block; // of the current chunk
  // of the current line of output pixels
  Val image, base, at[WINDOW_AXES], first[WINDOW_AXES], end[WINDOW_AXES];
} Depthwise;

static Val first_channel(const Depthwise *d, Val block) {
  Nest *nest = d->nest;
  Val channel = nest_mul(nest, block, nest_const(nest, d->lanes));
  if (d->channels % d->lanes == 0 || d->channels < d->lanes) return channel;
  return nest_umin(nest, channel, nest_const(nest, d->channels - d->lanes));
}

static Val weight_address(const Depthwise *d, Val block, const Val *tap) {
  Nest *nest = d->nest;
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    block =
        nest_add(nest, nest_mul(nest, block, nest_const(nest, d->window.kernel[axis])), tap[axis]);
  Val offset = nest_mul(nest, block, nest_const(nest, d->lanes));
  return nest_address(nest, d->kernel->packed[0], nest_element_type(nest, d->w->element), offset);
}

// Taps along the width for a tile that starts at output column `column`. If that is known, taps
// outside are left out; else all lie inside. `line`: offset of input column 0.
static void accumulate_columns(const Depthwise *d, Tile *tile, int vector, Val column, Val line,
                               Val weights, Val partial) {
  Nest *nest = d->nest;
  const KernelWindow *w = &d->window;
  int64_t stride = w->stride[COLUMN], dilation = w->dilation[COLUMN], taps = w->kernel[COLUMN],
          known, width = INT64_MAX;
  bool edges = nest_constant(column, &known) && nest_constant(w->input[COLUMN], &width);
  assert(taps <= MAX_WIDTH && "place keeps wider kernels away");
  int64_t first = edges ? known * stride - w->pad_begin[COLUMN] : 0,
          last = (tile->rows - 1) * stride + (taps - 1) * dilation;
  Val start = kernel_window_input(nest, w, COLUMN, column, nest_const(nest, 0)),
      weight[MAX_WIDTH] = {0};
  for (int64_t j = 0; j <= last; j++) {
    if (edges && (first + j < 0 || first + j >= width)) continue;
    Val x = NULL;
    for (int64_t k = 0; k < taps; k++) {
      int64_t from = j - k * dilation, row = from / stride;
      if (from < 0 || from % stride || row >= tile->rows) continue;
      if (!weight[k]) {
        Val value = kernel_load(d->kernel, d->w->element, weights, nest_const(nest, k * d->lanes),
                                d->lanes);
        weight[k] = nest_float_width(nest, value, d->element);
      }
      if (!x) {
        Val offset = nest_add(
            nest, line,
            nest_mul(nest, nest_add(nest, start, nest_const(nest, j)), w->input_stride[COLUMN]));
        x = tile_load_columns(d->kernel, tile, d->x->element, d->x->pointer, offset, partial);
      }
      tile->sum[row][vector] = nest_fma(nest, x, weight[k], tile->sum[row][vector]);
    }
  }
}

static void accumulate(const Depthwise *d, Tile *tile, int axis, Val column, Val line, Val block,
                       Val *tap, Val partial) {
  Nest *nest = d->nest;
  if (axis == COLUMN) {
    tap[COLUMN] = nest_const(nest, 0);
    for (int v = 0; v < tile->vectors; v++)
      accumulate_columns(
          d, tile, v, column, nest_add(nest, line, nest_const(nest, (int64_t)v * d->lanes)),
          weight_address(d, nest_add(nest, block, nest_const(nest, v)), tap), partial);
    return;
  }
  int count = tile->rows * tile->vectors;
  FOR (nest, t, d->first[axis], d->end[axis], 1) {
    for (int i = 0; i < count; i++) {
      Val *sum = &tile->sum[i / tile->vectors][i % tile->vectors];
      *sum = t_loop.carried[nest_carry(nest, &t_loop, *sum)];
    }
    tap[axis] = t;
    Val index = kernel_window_input(nest, &d->window, axis, d->at[axis], t);
    accumulate(d, tile, axis + 1, column,
               nest_add(nest, line, nest_mul(nest, index, d->window.input_stride[axis])), block,
               tap, partial);
    for (int i = 0; i < count; i++) {
      Val *sum = &tile->sum[i / tile->vectors][i % tile->vectors];
      nest_carry_next(&t_loop, i, *sum);
      if (t_loop.header) *sum = t_loop.carried[i];
    }
  }
}

static void store_tile(const Depthwise *d, Tile *tile, Val column, const TileColumns *columns) {
  Nest *nest = d->nest;
  int skip = WINDOW_AXES - d->window.rank;
  for (int r = 0; r < tile->rows; r++) {
    Val coordinates[MAX_RANK] = {d->image};
    for (int axis = skip; axis < COLUMN; axis++) coordinates[1 + axis - skip] = d->at[axis];
    coordinates[d->y->rank - 2] = nest_add(nest, column, nest_const(nest, r));
    coordinates[d->y->rank - 1] = columns->first;
    tile_store_row(d->kernel, tile, r, coordinates, columns);
  }
}

// `count` output pixels from `column`, for all channels of the chunk.
static void emit_tile(const Depthwise *d, Val column, int count) {
  Nest *nest = d->nest;
  Val partial = d->channels < d->lanes ? nest_const(nest, d->channels) : NULL, tap[WINDOW_AXES];
  FOR (nest, block, d->first_block, d->end_block, d->vectors) {
    Tile tile = {.rows = count, .vectors = d->vectors, .lanes = d->lanes, .element = d->element};
    TileColumns columns = {first_channel(d, block), partial};
    tile_start(d->kernel, &tile, d->bias, &columns);
    accumulate(d, &tile, 0, column, nest_add(nest, d->base, columns.first), block, tap, partial);
    store_tile(d, &tile, column, &columns);
  }
}

// --- a pixel whose taps along the width are known only at run time

static void accumulate_at_edge(const Depthwise *d, Tile *tile, int axis, Val line, Val block,
                               Val *tap, Val partial) {
  Nest *nest = d->nest;
  if (axis == WINDOW_AXES) {
    Val x = tile_load_columns(d->kernel, tile, d->x->element, d->x->pointer, line, partial);
    Val w = kernel_load(d->kernel, d->w->element, weight_address(d, block, tap),
                        nest_const(nest, 0), d->lanes);
    tile->sum[0][0] = nest_fma(nest, x, nest_float_width(nest, w, d->element), tile->sum[0][0]);
    return;
  }
  FOR (nest, t, d->first[axis], d->end[axis], 1) {
    tile->sum[0][0] = t_loop.carried[nest_carry(nest, &t_loop, tile->sum[0][0])];
    tap[axis] = t;
    Val index = kernel_window_input(nest, &d->window, axis, d->at[axis], t);
    accumulate_at_edge(d, tile, axis + 1,
                       nest_add(nest, line, nest_mul(nest, index, d->window.input_stride[axis])),
                       block, tap, partial);
    nest_carry_next(&t_loop, 0, tile->sum[0][0]);
    if (t_loop.header) tile->sum[0][0] = t_loop.carried[0];
  }
}

static void emit_edge(Depthwise *d, Val low, Val high) {
  Nest *nest = d->nest;
  if (strip_is_empty(low, high)) return;
  Val partial = d->channels < d->lanes ? nest_const(nest, d->channels) : NULL, tap[WINDOW_AXES];
  FOR (nest, column, low, high, 1) {
    d->at[COLUMN] = column;
    kernel_window_taps(nest, &d->window, COLUMN, column, &d->first[COLUMN], &d->end[COLUMN]);
    FOR (nest, block, d->first_block, d->end_block, 1) {
      Tile tile = {.rows = 1, .vectors = 1, .lanes = d->lanes, .element = d->element};
      TileColumns columns = {first_channel(d, block), partial};
      tile_start(d->kernel, &tile, d->bias, &columns);
      accumulate_at_edge(d, &tile, 0, nest_add(nest, d->base, columns.first), block, tap, partial);
      store_tile(d, &tile, column, &columns);
    }
  }
}

// --- lines

// Output columns [first, end) whose taps all lie inside the input.
static void inner_columns(const Depthwise *d, int64_t width, int64_t outputs, int64_t *first,
                          int64_t *end) {
  const KernelWindow *w = &d->window;
  int64_t stride = w->stride[COLUMN], pad = w->pad_begin[COLUMN],
          room = width - 1 - (w->kernel[COLUMN] - 1) * w->dilation[COLUMN] + pad;
  *first = (pad > 0 ? pad : 0) + stride - 1;
  *first = *first / stride < outputs ? *first / stride : outputs;
  *end = room < 0 ? 0 : room / stride + 1;
  *end = *end > outputs ? outputs : *end;
  if (*end < *first) *end = *first;
}

// Tiles from column 0 on; those in the middle are a loop, those that touch an edge are emitted
// each.
static void emit_known_line(Depthwise *d, int64_t width, int64_t outputs) {
  Nest *nest = d->nest;
  int64_t first, end, tile = d->tile, at = 0;
  inner_columns(d, width, outputs, &first, &end);
  for (; at < first && at < outputs; at += tile)
    emit_tile(d, nest_const(nest, at), (int)(outputs - at < tile ? outputs - at : tile));
  int64_t middle = end - at >= tile ? (end - at) / tile : 0;
  if (middle > 1) {
    FOR (nest, column, nest_const(nest, at), nest_const(nest, at + middle * tile), tile)
      emit_tile(d, column, (int)tile);
    at += middle * tile;
  }
  for (; at < outputs; at += tile)
    emit_tile(d, nest_const(nest, at), (int)(outputs - at < tile ? outputs - at : tile));
}

static void emit_symbolic_line(Depthwise *d) {
  Nest *nest = d->nest;
  const KernelWindow *w = &d->window;
  int64_t stride = w->stride[COLUMN], pad = w->pad_begin[COLUMN] > 0 ? w->pad_begin[COLUMN] : 0;
  Val outputs = w->output[COLUMN], zero = nest_const(nest, 0);
  Val first = nest_min(nest, nest_const(nest, (pad + stride - 1) / stride), outputs);
  Val room = nest_add(nest, w->input[COLUMN],
                      nest_const(nest, w->pad_begin[COLUMN] - 1 -
                                           (w->kernel[COLUMN] - 1) * w->dilation[COLUMN] + stride));
  Val end = nest_udiv(nest, nest_max(nest, room, zero), nest_const(nest, stride));
  end = nest_max(nest, nest_min(nest, end, outputs), first);
  emit_edge(d, zero, first);
  Val whole = strip_whole(nest, first, end, d->tile);
  FOR (nest, column, first, whole, d->tile) emit_tile(d, column, d->tile);
  if (d->tile > 1)
    FOR (nest, column, whole, end, 1) emit_tile(d, column, 1);
  emit_edge(d, end, outputs);
}

static void emit_line(Depthwise *d, Val line) {
  Nest *nest = d->nest;
  const KernelWindow *w = &d->window;
  Val layer = line;
  d->at[1] = w->rank > 1 ? nest_urem(nest, line, w->output[1]) : nest_const(nest, 0);
  if (w->rank > 1) layer = nest_udiv(nest, line, w->output[1]);
  d->at[0] = w->rank > 2 ? nest_urem(nest, layer, w->output[0]) : nest_const(nest, 0);
  d->image = w->rank > 2 ? nest_udiv(nest, layer, w->output[0]) : layer;
  d->base = nest_mul(nest, d->image, d->x->strides[0]);
  for (int axis = 0; axis < COLUMN; axis++)
    kernel_window_taps(nest, w, axis, d->at[axis], &d->first[axis], &d->end[axis]);
  int64_t width, outputs;
  if (nest_constant(w->input[COLUMN], &width) && nest_constant(w->output[COLUMN], &outputs))
    emit_known_line(d, width, outputs);
  else
    emit_symbolic_line(d);
}

// Pixels at a distance of a large power of two share few cache sets, so that a line is gone before
// its second half is wanted: then a tile takes the whole line at once. Measured, 7x7x1024 on AVX2:
// 33 us instead of 76.
static int vectors_of(const Depthwise *d, int64_t bytes) {
  bool conflicts = d->channels / d->lanes * bytes % 1024 == 0 && d->channels % (2 * d->lanes) == 0;
  return conflicts && bytes == LINE_BYTES / 2 ? 2 : 1;
}

// Tiles of equal size leave the fewest accumulators unused: 14 pixels are 2 x 7.
static int best_tile(const Depthwise *d) {
  int widest = d->vectors > 1 ? NARROW_TILE : d->lanes == 1 ? WIDEST_TILE / 2 : WIDEST_TILE;
  int64_t outputs;
  if (!nest_constant(d->window.output[COLUMN], &outputs) || outputs <= 0) return widest;
  int64_t tiles = (outputs + widest - 1) / widest;
  return (int)((outputs + tiles - 1) / tiles);
}

bool lower_depthwise(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Depthwise d = {.kernel = kernel,
                 .nest = nest,
                 .x = &kernel->operands[0],
                 .w = &kernel->operands[1],
                 .y = &kernel->results[0]};
  if (node_own_operands(kernel->node) > 2 && node_operand(kernel->node, 2))
    d.bias = &kernel->operands[2];
  int64_t sizes[MAX_RANK];
  for (int i = 0; i < d.x->rank - 2; i++) sizes[i] = type_dim(d.w->type, 1 + i);
  d.window = kernel_window(kernel, d.x, d.y, sizes);
  d.element = kernel_arithmetic_type(nest, d.y->element);
  d.lanes = target_lanes(kernel->target, node_own_type(kernel->node)->element == F64 ? 64 : 32);
  d.channels = type_dim(d.w->type, 0);
  d.blocks = (d.channels + d.lanes - 1) / d.lanes;
  int64_t bytes = d.lanes * (node_own_type(kernel->node)->element == F64 ? 8 : 4);
  d.vectors = vectors_of(&d, bytes);
  d.chunk = CHUNK_BYTES > bytes ? CHUNK_BYTES / bytes : 1;
  d.tile = (int)node_ints_at(kernel->node, ATTR_TILE, 0, best_tile(&d));
  kernel_split(kernel, view_extent_dim(kernel, d.y->type, 0, d.y->rank - 2));
  Val blocks = nest_const(nest, d.blocks);
  FOR (nest, chunk, nest_const(nest, 0), blocks, d.chunk) {
    d.first_block = chunk;
    d.end_block = nest_min(nest, nest_add(nest, chunk, nest_const(nest, d.chunk)), blocks);
    FOR (nest, line, kernel->begin, kernel->end, 1) emit_line(&d, line);
  }
  return true;
}

// --- packing: [block][tap][lanes]; the last block ends with the last channel

static void write_blocks(const PackedSegment *segment, unsigned char *out) {
  const Value *value = segment->node->operands[1];
  const Type *type = &value->type;
  const char *w = value_constant(value)->data;
  int64_t lanes = (int64_t)(intptr_t)segment->user, channels = type_dim(type, 0), taps = 1;
  for (int i = 1; i < type->rank - 1; i++) taps *= type_dim(type, i);
  size_t size = (size_t)element_info[type->element].bits / 8;
  for (int64_t block = 0; block * lanes < channels; block++) {
    int64_t first = block * lanes;
    if (channels >= lanes && first > channels - lanes) first = channels - lanes;
    for (int64_t tap = 0; tap < taps; tap++)
      for (int64_t lane = 0; lane < lanes && first + lane < channels; lane++)
        memcpy(out + (size_t)((block * taps + tap) * lanes + lane) * size,
               w + (size_t)((first + lane) * taps + tap) * size, size);
  }
}

bool pack_depthwise(Pack *pack) {
  const Node *node = pack->node;
  const Type *type = &node->operands[1]->type;
  int64_t lanes = target_lanes(pack->target, node_own_type(node)->element == F64 ? 64 : 32),
          taps = 1;
  for (int i = 1; i < type->rank - 1; i++) taps *= type_dim(type, i);
  int64_t bytes =
      (type_dim(type, 0) + lanes - 1) / lanes * lanes * taps * element_info[type->element].bits / 8;
  const char *key = arena_printf(pack->arena, "depthwise:%s:%lld",
                                 value_constant(node->operands[1])->name, (long long)lanes);
  pack_add(pack, (size_t)bytes, target_alignment(pack->target), key, write_blocks,
           (const void *)(intptr_t)lanes);
  return true;
}
