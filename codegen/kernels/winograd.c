// The transforms of Winograd's convolution (ir/winograd.h), vectors along the channels.
//
//   for each tile: for each vector of channels: load the tile, transform its columns and then its
//   rows, store each element where the matrix product of that element wants it (input), or add up
//   to block * block results and let the epilogue run on them (output).
#include <math.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pixels.h"
#include "ir/winograd.h"

enum { MAX_ELEMENTS = WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE };

typedef struct Transform {
  Kernel *kernel;
  Nest *nest;
  WinogradMatrix matrix;
  int block, tile, lanes;
  int64_t down, across, tiles, channels; // tiles of a column and a row, of all images
  const View *image, *elements;          // [n, h, w, c] and [t * t, tiles, c]
} Transform;

// --- transforms of one line in registers

static Val scaled_sum(Nest *nest, Val sum, double factor, Val x) {
  if (factor == 0) return sum;
  if (!sum)
    return factor == 1    ? x
           : factor == -1 ? nest_neg(nest, x)
                          : nest_mul(nest, x, nest_real(LLVMTypeOf(x), factor));
  if (factor == 1) return nest_add(nest, sum, x);
  if (factor == -1) return nest_sub(nest, sum, x);
  return nest_fma(nest, x, nest_real(LLVMTypeOf(x), factor), sum);
}

static double entry(const WinogradMatrix *m, int row, int column) {
  return m->values[row * m->columns + column];
}

// Two rows that differ in signs only share their sums: those of equal and those of opposite sign.
static bool rows_pair(const WinogradMatrix *m, int row) {
  if (row + 1 >= m->rows) return false;
  for (int k = 0; k < m->columns; k++)
    if (fabs(entry(m, row, k)) != fabs(entry(m, row + 1, k))) return false;
  return true;
}

static bool columns_pair(const WinogradMatrix *m, int column) {
  if (column + 1 >= m->columns) return false;
  for (int r = 0; r < m->rows; r++)
    if (fabs(entry(m, r, column)) != fabs(entry(m, r, column + 1))) return false;
  return true;
}

static void emit_row_pair(Nest *nest, const WinogradMatrix *m, int row, const Val *in, Val *out) {
  Val same = NULL, opposite = NULL;
  for (int k = 0; k < m->columns; k++) {
    double factor = entry(m, row, k);
    if (factor == entry(m, row + 1, k))
      same = scaled_sum(nest, same, factor, in[k]);
    else
      opposite = scaled_sum(nest, opposite, factor, in[k]);
  }
  out[row] = nest_add(nest, same, opposite);
  out[row + 1] = nest_sub(nest, same, opposite);
}

// out[rows] = matrix * in[columns].
static void emit_line(Nest *nest, const WinogradMatrix *m, const Val *in, Val *out) {
  Val sums[WINOGRAD_MAX_TILE], differences[WINOGRAD_MAX_TILE];
  bool paired[WINOGRAD_MAX_TILE] = {false};
  for (int k = 0; k < m->columns; k++)
    if (m->rows < m->columns && columns_pair(m, k)) {
      sums[k] = nest_add(nest, in[k], in[k + 1]);
      differences[k] = nest_sub(nest, in[k], in[k + 1]);
      paired[k++] = true;
    }
  for (int r = 0; r < m->rows; r++) {
    if (m->rows == m->columns && rows_pair(m, r)) {
      emit_row_pair(nest, m, r++, in, out);
      continue;
    }
    out[r] = NULL;
    for (int k = 0; k < m->columns; k++) {
      bool same = paired[k] && entry(m, r, k) == entry(m, r, k + 1);
      Val x = !paired[k] ? in[k] : same ? sums[k] : differences[k];
      out[r] = scaled_sum(nest, out[r], entry(m, r, k), x);
      k += paired[k];
    }
  }
}

// out = matrix * in * matrix', both row-major.
static void emit_square(Nest *nest, const WinogradMatrix *m, const Val *in, Val *out) {
  Val half[MAX_ELEMENTS];
  for (int j = 0; j < m->columns; j++) {
    Val column[WINOGRAD_MAX_TILE], result[WINOGRAD_MAX_TILE];
    for (int i = 0; i < m->columns; i++) column[i] = in[i * m->columns + j];
    emit_line(nest, m, column, result);
    for (int i = 0; i < m->rows; i++) half[i * m->columns + j] = result[i];
  }
  for (int i = 0; i < m->rows; i++) emit_line(nest, m, half + i * m->columns, out + i * m->rows);
}

// --- both

static Transform describe(Kernel *kernel, const View *image, const View *elements,
                          WinogradStep step) {
  Transform t = {.kernel = kernel, .nest = kernel->nest, .image = image, .elements = elements};
  int count;
  const Dim *const *sizes = node_dims(kernel->node, ATTR_SIZES, &count);
  int64_t height = 1, width = 1;
  dim_is_constant(sizes[count - 2], &height);
  dim_is_constant(sizes[count - 1], &width);
  t.block = (int)node_int(kernel->node, ATTR_BLOCK);
  t.tile = t.block + 2;
  t.matrix = winograd_matrix(t.block, step);
  t.lanes = target_lanes(kernel->target, 32);
  t.down = winograd_tiles(height, t.block);
  t.across = winograd_tiles(width, t.block);
  t.tiles = type_dim(elements->type, 1);
  t.channels = type_dim(elements->type, 2);
  return t;
}

static Val offset_address(Transform *t, Val base, Val offset) {
  return nest_address(t->nest, base, t->nest->f32, offset);
}

static Val load(Transform *t, Val address, Val count) {
  LLVMTypeRef type = nest_vector(t->nest->f32, t->lanes);
  return count ? nest_load_lanes(t->nest, type, address, count)
               : nest_load(t->nest, type, address, 4);
}

static void store(Transform *t, Val value, Val address, Val count) {
  if (count)
    nest_store_lanes(t->nest, value, address, count);
  else
    nest_store(t->nest, value, address, 4);
}

// Where element 0 of tile `number` lies; the next one is `tiles * channels` on.
static Val element_address(Transform *t, Val number) {
  return offset_address(t, t->elements->pointer,
                        nest_mul(t->nest, number, nest_const(t->nest, t->channels)));
}

typedef void Channels(Transform *t, const void *tile, Val channel, Val count);

static void each_channels(Transform *t, Channels *body, const void *tile) {
  Nest *nest = t->nest;
  int64_t whole = t->channels / t->lanes * t->lanes;
  FOR (nest, channel, nest_const(nest, 0), nest_const(nest, whole), t->lanes)
    body(t, tile, channel, NULL);
  if (whole < t->channels)
    body(t, tile, nest_const(nest, whole), nest_const(nest, t->channels - whole));
}

typedef struct Place {
  Val image, row, column, number; // of a tile
} Place;

// Units are rows of tiles. `body` emits the tile.
static void each_tile(Transform *t, void (*body)(Transform *t, const Place *place)) {
  Nest *nest = t->nest;
  DimTable *dims = t->kernel->node->graph->module->dims;
  kernel_split(t->kernel, dim_constant(dims, t->tiles / t->across));
  FOR (nest, line, t->kernel->begin, t->kernel->end, 1) {
    Val image = nest_udiv(nest, line, nest_const(nest, t->down)),
        row = nest_urem(nest, line, nest_const(nest, t->down));
    FOR (nest, column, nest_const(nest, 0), nest_const(nest, t->across), 1) {
      Val number = nest_add(nest, nest_mul(nest, line, nest_const(nest, t->across)), column);
      Place place = {image, row, column, number};
      body(t, &place);
    }
  }
}

// --- input

typedef struct InputTile {
  Val pixels[MAX_ELEMENTS], to; // address of channel 0
} InputTile;

static void input_channels(Transform *t, const void *tile, Val channel, Val count) {
  Nest *nest = t->nest;
  const InputTile *in = tile;
  int elements = t->tile * t->tile;
  Val values[MAX_ELEMENTS], results[MAX_ELEMENTS], to = offset_address(t, in->to, channel);
  for (int k = 0; k < elements; k++)
    values[k] = load(t, offset_address(t, in->pixels[k], channel), count);
  emit_square(nest, &t->matrix, values, results);
  for (int k = 0; k < elements; k++)
    store(t, results[k], offset_address(t, to, nest_const(nest, k * t->tiles * t->channels)),
          count);
}

static Val is_below(Nest *nest, Val index, Val size) {
  return nest_compare(nest, LLVMIntULT, index, size);
}

// Pixels outside the image are a line of zeros.
static void border_pixels(Transform *t, Val top, Val left, Val line, Val *pixels) {
  Nest *nest = t->nest;
  for (int i = 0; i < t->tile; i++)
    for (int j = 0; j < t->tile; j++) {
      Val h = nest_add(nest, top, nest_const(nest, i)),
          w = nest_add(nest, left, nest_const(nest, j));
      Val inside = nest_and(nest, is_below(nest, h, t->image->dims[1]),
                            is_below(nest, w, t->image->dims[2]));
      pixels[i * t->tile + j] = nest_select(nest, inside, pixels[i * t->tile + j], line);
    }
}

static Val all_inside(Transform *t, Val first, int axis) {
  Nest *nest = t->nest;
  Val last = nest_add(nest, first, nest_const(nest, t->tile - 1));
  return nest_and(nest, nest_compare(nest, LLVMIntSGE, first, nest_const(nest, 0)),
                  nest_compare(nest, LLVMIntSLT, last, t->image->dims[axis]));
}

static void input_tile(Transform *t, const Place *place) {
  Nest *nest = t->nest;
  const Val *strides = t->image->strides;
  Val block = nest_const(nest, t->block);
  Val top = nest_sub(nest, nest_mul(nest, place->row, block),
                     nest_const(nest, node_ints_at(t->kernel->node, ATTR_PADS, 0, 0)));
  Val left = nest_sub(nest, nest_mul(nest, place->column, block),
                      nest_const(nest, node_ints_at(t->kernel->node, ATTR_PADS, 1, 0)));
  Val offset = nest_add(nest, nest_mul(nest, top, strides[1]), nest_mul(nest, left, strides[2]));
  Val origin = offset_address(t, t->image->pointer,
                              nest_add(nest, offset, nest_mul(nest, place->image, strides[0])));
  InputTile tile = {.to = element_address(t, place->number)};
  for (int i = 0; i < t->tile; i++)
    for (int j = 0; j < t->tile; j++) {
      Val at = nest_add(nest, nest_mul(nest, strides[1], nest_const(nest, i)),
                        nest_mul(nest, strides[2], nest_const(nest, j)));
      tile.pixels[i * t->tile + j] = offset_address(t, origin, at);
    }
  Branch branch = nest_if(nest, nest_and(nest, all_inside(t, top, 1), all_inside(t, left, 2)));
  each_channels(t, input_channels, &tile);
  nest_else(nest, &branch);
  Pixels outside = {.nest = nest, .x = t->image};
  border_pixels(t, top, left, pixels_line(&outside, t->channels, 0), tile.pixels);
  each_channels(t, input_channels, &tile);
  nest_end_if(nest, &branch);
}

bool lower_winograd_input(Kernel *kernel) {
  Transform t = describe(kernel, &kernel->operands[0], &kernel->results[0], WINOGRAD_INPUT_STEP);
  each_tile(&t, input_tile);
  return true;
}

// --- output

typedef struct OutputTile {
  const Place *place;
  Val from;          // element 0
  Val rows, columns; // results of this tile that exist
  Val results;       // [block * block][lanes]
} OutputTile;

// The epilogue's code stands once, in a loop over the results.
static void output_channels(Transform *t, const void *tile, Val channel, Val count) {
  Nest *nest = t->nest;
  const OutputTile *out = tile;
  Val values[MAX_ELEMENTS], results[MAX_ELEMENTS], from = offset_address(t, out->from, channel),
                                                   block = nest_const(nest, t->block);
  for (int k = 0; k < t->tile * t->tile; k++)
    values[k] =
        load(t, offset_address(t, from, nest_const(nest, k * t->tiles * t->channels)), count);
  emit_square(nest, &t->matrix, values, results);
  for (int k = 0; k < t->block * t->block; k++)
    nest_store(nest, results[k], offset_address(t, out->results, nest_const(nest, k * t->lanes)),
               4);
  FOR (nest, i, nest_const(nest, 0), out->rows, 1) {
    FOR (nest, j, nest_const(nest, 0), out->columns, 1) {
      Val coordinates[MAX_RANK] = {
          out->place->image, nest_add(nest, nest_mul(nest, out->place->row, block), i),
          nest_add(nest, nest_mul(nest, out->place->column, block), j), channel};
      Val number = nest_add(nest, nest_mul(nest, i, block), j);
      Val value = load(
          t, offset_address(t, out->results, nest_mul(nest, number, nest_const(nest, t->lanes))),
          NULL);
      value = kernel_epilogue(t->kernel, value, coordinates, count);
      store(t, value, offset_address(t, t->image->pointer, view_at(nest, t->image, coordinates)),
            count);
    }
  }
}

static void output_tile(Transform *t, const Place *place) {
  Nest *nest = t->nest;
  Val block = nest_const(nest, t->block);
  OutputTile tile = {.place = place, .from = element_address(t, place->number)};
  tile.rows =
      nest_umin(nest, block, nest_sub(nest, t->image->dims[1], nest_mul(nest, place->row, block)));
  tile.columns = nest_umin(nest, block,
                           nest_sub(nest, t->image->dims[2], nest_mul(nest, place->column, block)));
  tile.results = nest_local(nest, nest->f32, (int64_t)t->block * t->block * t->lanes, 64);
  each_channels(t, output_channels, &tile);
}

bool lower_winograd_output(Kernel *kernel) {
  Transform t = describe(kernel, &kernel->results[0], &kernel->operands[0], WINOGRAD_OUTPUT_STEP);
  each_tile(&t, output_tile);
  return true;
}
