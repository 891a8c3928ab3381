// y[n, p, m] = epilogue(bias[m] + sum over taps and c of x[n, p * stride + tap, c] * w[m, tap, c]).
//
// Direct, without an im2col buffer. A tile is `rows` neighbouring output pixels (across the ends of
// lines too) times a panel of output channels, whose weights were packed as [panel][tap][c][width].
// A tap outside the input reads a line of zeros, so every tile is a full one and edges cost nothing
// extra but a comparison per pixel and tap.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/pixels.h"
#include "codegen/kernels/product.h"
#include "ir/product_tile.h"

typedef struct Conv {
  Kernel *kernel;
  Nest *nest;
  const View *x, *w, *bias, *y;
  Pixels pixels;
  int64_t group, group_in, group_out; // groups, channels of one
  int rows, vectors, lanes, width;
  RowTiles tiles; // of the pixels of an image
  bool runs;      // tiles whose taps are all inside read those along the width as one run
  LLVMTypeRef element;
  Val batch, group_index;
} Conv;

static Val panel_weights(Conv *c, Val panel, const Val *tap) {
  Nest *nest = c->nest;
  Val index = panel;
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    index = nest_add(nest, nest_mul(nest, index, nest_const(nest, c->pixels.window.kernel[axis])),
                     tap[axis]);
  Val offset = nest_mul(nest, index, nest_const(nest, c->group_in * c->width));
  return nest_address(nest, c->kernel->packed[0], nest_element_type(nest, c->w->element), offset);
}

static void accumulate_taps(Conv *c, Tile *tile, const Pixel *pixels, Val panel, Val *tap,
                            int axis) {
  Nest *nest = c->nest;
  if (axis == WINDOW_AXES) {
    Val rows[MAX_TILE_ROWS];
    for (int r = 0; r < tile->rows; r++) rows[r] = pixels_tap(&c->pixels, &pixels[r], tap);
    tile_accumulate(c->kernel, tile, rows, nest_const(nest, 1), c->x->element,
                    panel_weights(c, panel, tap), nest_const(nest, c->width), c->w->element,
                    nest_const(nest, c->group_in), NULL);
    return;
  }
  FOR (nest, t, nest_const(nest, 0), nest_const(nest, c->pixels.window.kernel[axis]), 1) {
    tile_carry(nest, tile, &t_loop);
    tap[axis] = t;
    accumulate_taps(c, tile, pixels, panel, tap, axis + 1);
    tile_carry_next(tile, &t_loop);
  }
}

// All taps inside: those along the width are one run of channels, without gaps.
static void accumulate_runs(Conv *c, Tile *tile, const Pixel *pixels, Val panel, Val *tap,
                            int axis) {
  Nest *nest = c->nest;
  const KernelWindow *window = &c->pixels.window;
  if (axis == WINDOW_AXES - 1) {
    Val rows[MAX_TILE_ROWS];
    tap[axis] = nest_const(nest, 0);
    for (int r = 0; r < tile->rows; r++) rows[r] = pixels_tap_inside(&c->pixels, &pixels[r], tap);
    tile_accumulate(c->kernel, tile, rows, nest_const(nest, 1), c->x->element,
                    panel_weights(c, panel, tap), nest_const(nest, c->width), c->w->element,
                    nest_const(nest, window->kernel[axis] * c->group_in), NULL);
    return;
  }
  FOR (nest, t, nest_const(nest, 0), nest_const(nest, window->kernel[axis]), 1) {
    tile_carry(nest, tile, &t_loop);
    tap[axis] = t;
    accumulate_runs(c, tile, pixels, panel, tap, axis + 1);
    tile_carry_next(tile, &t_loop);
  }
}

// --- tiles

// Where a tile of a panel belongs.
typedef struct Place {
  Conv *conv;
  Val panel, channel;
  int vectors;
  Val partial;
} Place;

static void emit_sums(const Place *place, const Pixel *pixels, int rows, bool inside) {
  Conv *c = place->conv;
  Tile tile = {.rows = rows, .vectors = place->vectors, .lanes = c->lanes, .element = c->element};
  TileColumns columns = {place->channel, place->partial};
  Val tap[WINDOW_AXES];
  tile_start(c->kernel, &tile, c->bias, &columns);
  if (inside)
    accumulate_runs(c, &tile, pixels, place->panel, tap, 0);
  else
    accumulate_taps(c, &tile, pixels, place->panel, tap, 0);
  for (int r = 0; r < rows; r++) {
    Val coordinates[MAX_RANK] = {c->batch};
    int skip = WINDOW_AXES - c->pixels.window.rank;
    for (int axis = skip; axis < WINDOW_AXES; axis++)
      coordinates[1 + axis - skip] = pixels[r].at[axis];
    coordinates[c->y->rank - 1] = place->channel;
    tile_store_row(c->kernel, &tile, r, coordinates, &columns);
  }
}

static void emit_tile(void *user, Val pixel, int rows) {
  const Place *place = user;
  const Conv *c = place->conv;
  Nest *nest = c->nest;
  Pixel pixels[MAX_TILE_ROWS];
  pixels[0] = pixels_at(&c->pixels, pixel);
  for (int r = 1; r < rows; r++) pixels[r] = pixels_next(&c->pixels, pixels[r - 1]);
  Val inside = NULL;
  for (int r = 0; r < rows && c->runs && c->pixels.zeros; r++) {
    Val one = pixels_inside(&c->pixels, &pixels[r]);
    inside = inside ? nest_and(nest, inside, one) : one;
  }
  if (!inside) {
    emit_sums(place, pixels, rows, c->runs);
    return;
  }
  Branch branch = nest_if(nest, inside);
  emit_sums(place, pixels, rows, true);
  nest_else(nest, &branch);
  emit_sums(place, pixels, rows, false);
  nest_end_if(nest, &branch);
}

// All panels of one group for tiles begin .. end of one image.
static void emit_group(Conv *c, Val begin, Val end) {
  Nest *nest = c->nest;
  int64_t whole = c->group_out / c->width, rest = c->group_out % c->width,
          panels = whole + (rest > 0);
  Val first_panel = nest_mul(nest, c->group_index, nest_const(nest, panels));
  Val first_channel = nest_mul(nest, c->group_index, nest_const(nest, c->group_out));
  FOR (nest, panel, nest_const(nest, 0), nest_const(nest, whole), 1) {
    Val channel = nest_add(nest, first_channel, nest_mul(nest, panel, nest_const(nest, c->width)));
    Place place = {c, nest_add(nest, first_panel, panel), channel, c->vectors, NULL};
    row_tiles_each(nest, &c->tiles, begin, end, emit_tile, &place);
  }
  if (!rest) return;
  int vectors = (int)(rest + c->lanes - 1) / c->lanes, lanes = (int)rest - (vectors - 1) * c->lanes;
  Val channel = nest_add(nest, first_channel, nest_const(nest, whole * c->width));
  Place place = {c, nest_add(nest, first_panel, nest_const(nest, whole)), channel, vectors,
                 lanes == c->lanes ? NULL : nest_const(nest, lanes)};
  row_tiles_each(nest, &c->tiles, begin, end, emit_tile, &place);
}

static void emit_image(Conv *c, Val begin, Val end) {
  Val image = nest_mul(c->nest, c->batch, c->x->strides[0]);
  FOR (c->nest, group, nest_const(c->nest, 0), nest_const(c->nest, c->group), 1) {
    c->group_index = group;
    c->pixels.offset =
        nest_add(c->nest, image, nest_mul(c->nest, group, nest_const(c->nest, c->group_in)));
    emit_group(c, begin, end);
  }
}

static Conv describe(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Conv c = {.kernel = kernel,
            .nest = nest,
            .x = &kernel->operands[0],
            .w = &kernel->operands[1],
            .y = &kernel->results[0]};
  if (node_own_operands(kernel->node) > 2 && node_operand(kernel->node, 2))
    c.bias = &kernel->operands[2];
  int64_t sizes[MAX_RANK];
  for (int i = 0; i < c.x->rank - 2; i++) sizes[i] = type_dim(c.w->type, 1 + i);
  c.pixels.nest = nest;
  c.pixels.x = c.x;
  c.pixels.window = kernel_window(kernel, c.x, c.y, sizes);
  c.group = node_int(kernel->node, ATTR_GROUP);
  c.group_out = type_dim(c.w->type, 0) / c.group;
  c.group_in = type_dim(c.w->type, c.w->rank - 1);
  c.element = node_own_type(kernel->node)->element == F64 ? nest->f64 : nest->f32;
  tile_shape(kernel->target, node_own_type(kernel->node)->element, &c.rows, &c.vectors);
  c.lanes = target_lanes(kernel->target, node_own_type(kernel->node)->element == F64 ? 64 : 32);
  c.pixels.count = nest_const(nest, 1);
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    c.pixels.count = nest_mul(nest, c.pixels.count, c.pixels.window.output[axis]);
  return c;
}

static const Dim *pixel_tiles(const Conv *c) {
  DimTable *dims = c->kernel->node->graph->module->dims;
  const Dim *count = dim_constant(dims, 1);
  for (int i = 1; i < c->y->rank - 1; i++) count = dim_mul(dims, count, c->y->type->dims[i]);
  return row_tiles_dim(&c->tiles, dims, count);
}

enum { RUN_CHANNELS = 16 }; // with more of them, a comparison for each tap costs little

static bool reads_runs(const Conv *c) {
  const KernelWindow *window = &c->pixels.window;
  bool adjacent = c->group == 1 && window->dilation[WINDOW_AXES - 1] == 1 &&
                  window->kernel[WINDOW_AXES - 1] > 1;
  return adjacent && (!c->pixels.zeros || c->group_in < RUN_CHANNELS);
}

bool lower_conv_panels(Kernel *kernel) {
  Conv c = describe(kernel);
  Nest *nest = c.nest;
  c.vectors = (int)node_ints_at(kernel->node, ATTR_TILE, 0, c.vectors);
  c.rows = (int)node_ints_at(kernel->node, ATTR_TILE, 1, c.rows);
  c.width = c.vectors * c.lanes;
  c.tiles = row_tiles(c.pixels.count, c.rows);
  c.pixels.linear = pixels_are_linear(&c.pixels, kernel->node);
  if (pixels_padded(&c.pixels)) c.pixels.zeros = pixels_line(&c.pixels, c.group_in, 0);
  c.runs = reads_runs(&c);
  if (dim_is(c.y->type->dims[0], 1)) {
    kernel_split(kernel, pixel_tiles(&c));
    c.batch = nest_const(nest, 0);
    emit_image(&c, kernel->begin, kernel->end);
    return true;
  }
  kernel_split(kernel, c.y->type->dims[0]);
  FOR (nest, image, kernel->begin, kernel->end, 1) {
    c.batch = image;
    emit_image(&c, nest_const(nest, 0), kernel_dim(kernel, pixel_tiles(&c)));
  }
  return true;
}

// [group][panel][tap][c][width], the last panel of a group filled up with zeros.
static void write_panels(const PackedSegment *segment, unsigned char *out) {
  const Node *node = segment->node;
  const Type *type = &node->operands[1]->type;
  const char *w = value_constant(node->operands[1])->data;
  int64_t width = (int64_t)(intptr_t)segment->user, group = node_int(node, ATTR_GROUP);
  int64_t outputs = type_dim(type, 0), inputs = type_dim(type, type->rank - 1), taps = 1,
          each = outputs / group;
  for (int i = 1; i < type->rank - 1; i++) taps *= type_dim(type, i);
  int64_t panels = (each + width - 1) / width;
  size_t size = (size_t)element_info[type->element].bits / 8;
  int64_t first =
      segment->part / panels * each + segment->part % panels * width; // a part is a panel
  int64_t end = (segment->part / panels + 1) * each,
          last = first + width < end ? first + width : end;
  for (int64_t m = first; m < last; m++)
    for (int64_t k = 0; k < taps * inputs; k++)
      memcpy(out + (size_t)(k * width + m - first) * size,
             w + (size_t)(m * taps * inputs + k) * size, size);
}

bool pack_conv_panels(Pack *pack) {
  const Node *node = pack->node;
  const Type *type = &node->operands[1]->type;
  ProductTile tile = product_tile(pack->target, node_own_type(node)->element);
  int64_t width = node_ints_at(node, ATTR_TILE, 0, tile.vectors) * tile.lanes,
          group = node_int(node, ATTR_GROUP);
  int64_t each = type_dim(type, 0) / group, depth = 1;
  for (int i = 1; i < type->rank; i++) depth *= type_dim(type, i);
  int64_t panels = group * ((each + width - 1) / width),
          bytes = panels * width * depth * element_info[type->element].bits / 8;
  const char *key =
      arena_printf(pack->arena, "conv_panels:%s:%lld:%lld", value_constant(node->operands[1])->name,
                   (long long)width, (long long)group);
  pack_add(pack, (size_t)bytes, target_alignment(pack->target), key, write_panels,
           (const void *)(intptr_t)width)
      ->parts = panels;
  return true;
}
