// depthwise_int8: one filter of 8-bit codes per channel, summed in 32 bits, requantized in
// registers.
//
//   y[p, c] = requantize(bias'[c] + sum over taps of x[p + tap, c] * w[tap, c])
//
// Channels go in blocks, as wide as the target multiplies at once; the taps are unrolled. A pixel
// whose taps all lie inside reads them at constant distances from the first; at the border each tap
// has a pointer, to a line of zero points where it is outside. Only the sums are there twice, what
// comes before and after is one code for both. A pair of taps is one pmaddwd, an odd one at the end
// a product by itself; four channels on Cortex-M are two sign extensions and four 16-bit
// multiply-accumulates.
#include <assert.h>

#include "codegen/dot.h"
#include "codegen/kernels/channel_table.h"
#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/pixels.h"

enum { UNROLLED_TAPS = 32, KEPT_TAPS = 9, MAX_PARTS = 4 };

// How a node is cut, from its types and target alone: pack and lower agree by it.
typedef struct Shape {
  DotKind kind;
  int64_t channels, taps;
  int width;   // channels of a block
  int minimum; // narrowest block but one channel
} Shape;

static Shape shape_of(const Node *node, const Target *target) {
  const Type *w = &node->operands[1]->type;
  Shape s = {.kind = target->dot == DOT_VNNI ? DOT_MADD : target->dot,
             .channels = type_dim(w, 0),
             .taps = 1};
  for (int i = 1; i < w->rank - 1; i++) s.taps *= type_dim(w, i);
  int lanes = target_lanes(target, 32);
  s.width = s.kind == DOT_SMLAD ? 4 : s.kind == DOT_MADD || lanes == 1 ? lanes : 2 * lanes;
  s.minimum = s.width < 4 ? s.width : 4;
  return s;
}

// Where the table of channels begins, behind the filters.
static int64_t table_offset(const Shape *s) { return (s->channels * s->taps + 3) / 4 * 4; }

typedef struct Depthwise {
  Kernel *kernel;
  Nest *nest;
  Shape shape;
  const View *x, *y;
  Pixels pixels;
  Val batch;
  ChannelTable table;
  Val pointers; // addresses of the taps of a border pixel
  bool keeps;   // the addresses of a pixel's taps, inside or not, stay in registers:
  Val tap[KEPT_TAPS];
} Depthwise;

// Whether sums of a block are scalars, one a channel.
static bool in_parts(const Depthwise *d) { return d->shape.kind == DOT_SMLAD; }

// --- one block

typedef struct Sums {
  int width, parts; // parts: values, each of width / parts lanes
  Val part[MAX_PARTS];
} Sums;

static Val load_codes(Depthwise *d, Val address, int width) {
  return nest_load(d->nest, nest_vector(d->nest->i8, width), address, 1);
}

static bool x_signed(const Depthwise *d) { return d->x->element == I8; }

static void step_pair(Depthwise *d, Sums *sums, Val first, Val second, Val w) {
  Nest *nest = d->nest;
  Dot dot = {DOT_MADD, 2, sums->width, 0};
  int order[128];
  for (int i = 0; i < sums->width; i++) order[2 * i] = i, order[2 * i + 1] = sums->width + i;
  Val pairs = nest_shuffle(nest, first, second, order, 2 * sums->width);
  DotOperand x = {{nest_extend(nest, pairs, nest->i16, x_signed(d))}};
  sums->part[0] = dot_step(nest, &dot, sums->part[0], x, dot_load_w(nest, &dot, w));
}

static void step_halves(Depthwise *d, Sums *sums, Val address, Val w) {
  Nest *nest = d->nest;
  Dot dot = {DOT_SMLAD, 4, 1, 0};
  DotOperand x = dot_load_x(nest, &dot, d->x->element, address), by = dot_load_w(nest, &dot, w);
  for (int i = 0; i < 4; i++) { // value[0]: channels 0 and 2, value[1]: 1 and 3
    const char *name = i < 2 ? "llvm.arm.smlabb" : "llvm.arm.smlatt";
    sums->part[i] = nest_intrinsic(nest, name, NULL, 0,
                                   (Val[]){x.value[i & 1], by.value[i & 1], sums->part[i]}, 3);
  }
}

static void step_one(Depthwise *d, Sums *sums, Val address, Val w) {
  Nest *nest = d->nest;
  LLVMTypeRef between =
      sums->width > 1 ? nest->i16 : nest->i32; // a product of two codes fits into 16 bits
  Val x = nest_extend(nest, load_codes(d, address, sums->width), between, x_signed(d));
  Val product = nest_mul(nest, x, nest_extend(nest, load_codes(d, w, sums->width), between, true));
  sums->part[0] = nest_add(nest, sums->part[0], nest_extend(nest, product, nest->i32, true));
}

// Address of channel `channel` under tap number `tap`: at a constant distance from `first`, or by
// its pointer.
static Val tap_address(Depthwise *d, Val first, Val tap_number, int64_t tap, Val channel) {
  Nest *nest = d->nest;
  if (d->keeps && !first) return nest_byte_address(nest, d->tap[tap], channel);
  if (!first) {
    Val at = tap_number ? tap_number : nest_const(nest, tap);
    return nest_byte_address(
        nest, nest_load(nest, nest->pointer, nest_address(nest, d->pointers, nest->pointer, at), 0),
        channel);
  }
  Val offset = nest_const(nest, 0);
  for (int axis = WINDOW_AXES - 1; axis >= 0; axis--) {
    int64_t index = tap % d->pixels.window.kernel[axis];
    tap /= d->pixels.window.kernel[axis];
    offset = nest_add(nest, offset,
                      nest_mul(nest, nest_const(nest, index * d->pixels.window.dilation[axis]),
                               d->pixels.window.input_stride[axis]));
  }
  return nest_byte_address(nest, nest_byte_address(nest, first, channel), offset);
}

static void accumulate(Depthwise *d, Sums *sums, Val first, Val channel, Val w) {
  Nest *nest = d->nest;
  const Shape *s = &d->shape;
  bool pairs = s->kind == DOT_MADD && sums->width >= s->minimum && sums->width > 1;
  for (int64_t tap = 0, step; tap < s->taps; tap += step) {
    step = pairs && tap + 1 < s->taps ? 2 : 1;
    Val weights = nest_byte_address(nest, w, nest_const(nest, tap * sums->width)),
        address = tap_address(d, first, NULL, tap, channel);
    if (step == 2) {
      Val other = load_codes(d, tap_address(d, first, NULL, tap + 1, channel), sums->width);
      step_pair(d, sums, load_codes(d, address, sums->width), other, weights);
    } else if (sums->parts == 4)
      step_halves(d, sums, address, weights);
    else
      step_one(d, sums, address, weights);
  }
}

// Many taps: a loop, with a pointer each.
static void accumulate_loop(Depthwise *d, Sums *sums, Val channel, Val w) {
  Nest *nest = d->nest;
  FOR (nest, tap, nest_const(nest, 0), nest_const(nest, d->shape.taps), 1) {
    for (int i = 0; i < sums->parts; i++)
      sums->part[i] = tap_loop.carried[nest_carry(nest, &tap_loop, sums->part[i])];
    Val weights = nest_byte_address(nest, w, nest_mul(nest, tap, nest_const(nest, sums->width)));
    Val address = tap_address(d, NULL, tap, 0, channel);
    if (sums->parts == 4)
      step_halves(d, sums, address, weights);
    else
      step_one(d, sums, address, weights);
    for (int i = 0; i < sums->parts; i++) {
      nest_carry_next(&tap_loop, i, sums->part[i]);
      if (tap_loop.header) sums->part[i] = tap_loop.carried[i];
    }
  }
}

// --- results

static void store_block(Depthwise *d, Sums *sums, const Pixel *pixel, Val channel, Val block) {
  Nest *nest = d->nest;
  const View *y = d->y;
  int lanes = sums->width / sums->parts, skip = WINDOW_AXES - d->pixels.window.rank;
  Val coordinates[MAX_RANK] = {d->batch};
  for (int axis = skip; axis < WINDOW_AXES; axis++) coordinates[1 + axis - skip] = pixel->at[axis];
  for (int i = 0; i < sums->parts; i++) {
    Val value = sums->part[i];
    if (d->table.layout.form != CHANNEL_SUMS) {
      value = channel_table_requantize(&d->table, value, block, sums->width, i * lanes);
      value = nest_extend(nest, value, nest_element_type(nest, d->table.layout.element), true);
    }
    coordinates[y->rank - 1] = nest_add(nest, channel, nest_const(nest, (int64_t)i * lanes));
    value = kernel_epilogue(d->kernel, value, coordinates, NULL);
    kernel_store(d->kernel, y->element, value, y->pointer, view_at(nest, y, coordinates));
  }
}

// Adds the products of all taps. `inside` (NULL: always): whether `first` says where they are.
static void accumulate_pixel(Depthwise *d, Sums *sums, Val inside, Val first, Val channel, Val w) {
  Nest *nest = d->nest;
  if (!inside) {
    accumulate(d, sums, first, channel, w);
    return;
  }
  Sums border = *sums;
  Branch branch = nest_if(nest, inside);
  accumulate(d, sums, first, channel, w);
  nest_else(nest, &branch);
  accumulate(d, &border, NULL, channel, w);
  nest_end_if(nest, &branch);
  for (int i = 0; i < sums->parts; i++)
    sums->part[i] = nest_merge(nest, &branch, sums->part[i], border.part[i]);
}

static void emit_block(Depthwise *d, const Pixel *pixel, Val inside, Val first, Val channel,
                       int width) {
  Nest *nest = d->nest;
  Sums sums = {.width = width, .parts = in_parts(d) ? width : 1};
  Val w = nest_byte_address(nest, d->kernel->packed[0],
                            nest_mul(nest, channel, nest_const(nest, d->shape.taps)));
  Val block = channel_table_block(&d->table, channel);
  int lanes = width / sums.parts;
  for (int i = 0; i < sums.parts; i++)
    sums.part[i] = channel_table_bias(&d->table, block, width, i * lanes, lanes);
  if (d->shape.taps > UNROLLED_TAPS)
    accumulate_loop(d, &sums, channel, w);
  else
    accumulate_pixel(d, &sums, inside, first, channel, w);
  store_block(d, &sums, pixel, channel, block);
}

// --- pixels

static void emit_channels(Depthwise *d, const Pixel *pixel, Val inside, Val first) {
  Nest *nest = d->nest;
  int64_t done = 0;
  for (int width = d->shape.width; width >= 1; width = width > d->shape.minimum ? width / 2
                                                       : width > 1              ? 1
                                                                                : 0) {
    int64_t end = done + (d->shape.channels - done) / width * width;
    if (end > done)
      FOR (nest, channel, nest_const(nest, done), nest_const(nest, end), width)
        emit_block(d, pixel, inside, first, channel, width);
    done = end;
  }
}

static void point_taps(Depthwise *d, const Pixel *pixel) {
  Nest *nest = d->nest;
  Val tap[WINDOW_AXES];
  const int64_t *size = d->pixels.window.kernel;
  FOR (nest, i, nest_const(nest, 0), nest_const(nest, size[0]), 1)
    FOR (nest, r, nest_const(nest, 0), nest_const(nest, size[1]), 1)
      FOR (nest, c, nest_const(nest, 0), nest_const(nest, size[2]), 1) {
        tap[0] = i, tap[1] = r, tap[2] = c;
        Val number =
            nest_add(nest,
                     nest_mul(nest, nest_add(nest, nest_mul(nest, i, nest_const(nest, size[1])), r),
                              nest_const(nest, size[2])),
                     c);
        nest_store(nest, pixels_tap(&d->pixels, pixel, tap),
                   nest_address(nest, d->pointers, nest->pointer, number), 0);
      }
}

// Whether all taps lie inside; NULL: always.
static Val is_inside(Depthwise *d, const Pixel *pixel) {
  Nest *nest = d->nest;
  const KernelWindow *window = &d->pixels.window;
  Val inside = NULL;
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    if (!kernel_window_padded(window, axis)) continue;
    for (int end = 0; end < 2; end++) {
      Val tap = nest_const(nest, end ? window->kernel[axis] - 1 : 0);
      Val fits = nest_compare(nest, LLVMIntULT,
                              kernel_window_input(nest, window, axis, pixel->at[axis], tap),
                              window->input[axis]);
      inside = inside ? nest_and(nest, inside, fits) : fits;
    }
  }
  return inside;
}

static Val first_address(Depthwise *d, const Pixel *pixel) {
  Nest *nest = d->nest;
  const KernelWindow *window = &d->pixels.window;
  Val offset = d->pixels.offset;
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    Val index = kernel_window_input(nest, window, axis, pixel->at[axis], nest_const(nest, 0));
    offset = nest_add(nest, offset, nest_mul(nest, index, window->input_stride[axis]));
  }
  return nest_byte_address(nest, d->x->pointer, offset);
}

// Where there are registers for all addresses, inside and border share the code of the sums too.
static void keep_taps(Depthwise *d, const Pixel *pixel, Val inside) {
  Nest *nest = d->nest;
  Val zero = nest_const(nest, 0), known[KEPT_TAPS];
  Branch branch = nest_if(nest, inside);
  for (int64_t tap = 0; tap < d->shape.taps; tap++)
    known[tap] = tap_address(d, first_address(d, pixel), NULL, tap, zero);
  nest_else(nest, &branch);
  point_taps(d, pixel);
  for (int64_t tap = 0; tap < d->shape.taps; tap++)
    d->tap[tap] =
        nest_load(nest, nest->pointer,
                  nest_address(nest, d->pointers, nest->pointer, nest_const(nest, tap)), 0);
  nest_end_if(nest, &branch);
  for (int64_t tap = 0; tap < d->shape.taps; tap++)
    d->tap[tap] = nest_merge(nest, &branch, known[tap], d->tap[tap]);
}

static void emit_pixel(Depthwise *d, const Pixel *pixel) {
  Nest *nest = d->nest;
  bool unrolled = d->shape.taps <= UNROLLED_TAPS;
  Val inside = unrolled ? is_inside(d, pixel) : NULL;
  if (!inside) {
    if (!unrolled) point_taps(d, pixel);
    emit_channels(d, pixel, NULL, unrolled ? first_address(d, pixel) : NULL);
    return;
  }
  if (d->keeps) {
    keep_taps(d, pixel, inside);
    emit_channels(d, pixel, NULL, NULL);
    return;
  }
  if (d->shape.width == 1) { // a branch for every single channel would be felt
    Branch branch = nest_if(nest, inside);
    emit_channels(d, pixel, NULL, first_address(d, pixel));
    nest_else(nest, &branch);
    point_taps(d, pixel);
    emit_channels(d, pixel, NULL, NULL);
    nest_end_if(nest, &branch);
    return;
  }
  Branch border = nest_if(nest, nest_xor(nest, inside, nest_int(nest->i1, 1)));
  point_taps(d, pixel);
  nest_end_if(nest, &border);
  emit_channels(d, pixel, inside, first_address(d, pixel));
}

// Lines (depth and height as one number) [begin, end) of an image.
static void emit_lines(Depthwise *d, Val begin, Val end) {
  Nest *nest = d->nest;
  const KernelWindow *window = &d->pixels.window;
  d->pixels.offset = nest_mul(nest, d->batch, d->x->strides[0]);
  bool flat = window->rank < 3;
  FOR (nest, line, begin, end, 1) {
    Val depth = flat ? nest_const(nest, 0) : nest_udiv(nest, line, window->output[1]);
    Val row = flat ? line : nest_urem(nest, line, window->output[1]);
    FOR (nest, column, nest_const(nest, 0), window->output[2], 1) {
      Pixel pixel = {{depth, row, column}};
      emit_pixel(d, &pixel);
    }
  }
}

static void prepare_window(Depthwise *d) {
  int64_t sizes[MAX_RANK];
  for (int i = 0; i < d->x->rank - 2; i++) sizes[i] = type_dim(d->kernel->operands[1].type, 1 + i);
  d->pixels = (Pixels){.nest = d->nest, .x = d->x, .offset = nest_const(d->nest, 0)};
  d->pixels.window = kernel_window(d->kernel, d->x, d->y, sizes);
  if (pixels_padded(&d->pixels))
    d->pixels.zeros = pixels_line(&d->pixels, d->shape.channels,
                                  d->x->type->quant ? d->x->type->quant->zero[0] : 0);
}

bool lower_depthwise_int8(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Depthwise d = {.kernel = kernel,
                 .nest = nest,
                 .shape = shape_of(node, kernel->target),
                 .x = &kernel->operands[0],
                 .y = &kernel->results[0]};
  DimTable *dims = node->graph->module->dims;
  ChannelLayout layout = channel_layout(node);
  Val table = nest_byte_address(nest, kernel->packed[0], nest_const(nest, table_offset(&d.shape)));
  d.table = channel_table_open(nest, &layout, table);
  prepare_window(&d);
  if (d.pixels.zeros || d.shape.taps > UNROLLED_TAPS)
    d.pointers = nest_local(nest, nest->pointer, d.shape.taps, 0);
  d.keeps = d.pixels.zeros && d.shape.taps <= KEPT_TAPS && kernel->target->pointer_bits == 64;
  const Dim *lines = dim_constant(dims, 1);
  for (int i = 1; i < d.y->rank - 2; i++) lines = dim_mul(dims, lines, d.y->type->dims[i]);
  if (dim_is(d.y->type->dims[0], 1)) {
    d.batch = nest_const(nest, 0);
    kernel_split(kernel, lines);
    emit_lines(&d, kernel->begin, kernel->end);
    return true;
  }
  kernel_split(kernel, d.y->type->dims[0]);
  FOR (nest, image, kernel->begin, kernel->end, 1) {
    d.batch = image;
    emit_lines(&d, nest_const(nest, 0), kernel_dim(kernel, lines));
  }
  return true;
}

// --- packing: per block of channels [tap pair][channel][tap of the pair], a tap alone as
// [channel], and the table

typedef struct PackPlan {
  Shape shape;
  ChannelLayout layout;
} PackPlan;

// First channel and width of the block that `channel` belongs to.
static int block_of(const Shape *s, int64_t channel, int64_t *first) {
  int64_t done = 0;
  for (int width = s->width; width > 1; width = width > s->minimum ? width / 2 : 1) {
    int64_t end = done + (s->channels - done) / width * width;
    if (channel < end) {
      *first = done + (channel - done) / width * width;
      return width;
    }
    done = end;
  }
  *first = channel;
  return 1;
}

static void write_weights(const PackedSegment *segment, unsigned char *out) {
  const PackPlan *plan = segment->user;
  const Shape *s = &plan->shape;
  bool pairs = s->kind == DOT_MADD && s->taps <= UNROLLED_TAPS;
  int64_t paired = s->taps / 2 * 2;
  for (int64_t channel = 0; channel < s->channels; channel++) {
    int64_t first;
    int width = block_of(s, channel, &first);
    for (int64_t tap = 0; tap < s->taps; tap++) {
      int64_t at = pairs && width > 1 && tap < paired
                       ? (tap / 2 * width + channel - first) * 2 + tap % 2
                       : tap * width + channel - first;
      out[first * s->taps + at] = (unsigned char)product_weight(segment->node, channel, tap);
    }
  }
}

static void write_segment(const PackedSegment *segment, unsigned char *out) {
  const PackPlan *plan = segment->user;
  write_weights(segment, out);
  out += table_offset(&plan->shape);
  channel_table_write_header(segment->node, &plan->layout, out);
  for (int64_t channel = 0; channel < plan->shape.channels; channel++) {
    ChannelPlace place;
    place.width = block_of(&plan->shape, channel, &place.first);
    place.lane = channel - place.first;
    channel_table_write(segment->node, &plan->layout, 0, channel, place, out);
  }
}

bool pack_depthwise_int8(Pack *pack) {
  const Node *node = pack->node;
  PackPlan *plan = NEW(pack->arena, PackPlan);
  *plan = (PackPlan){shape_of(node, pack->target), channel_layout(node)};
  const Shape *s = &plan->shape;
  size_t bytes = (size_t)table_offset(s) + channel_table_bytes(&plan->layout, s->channels);
  pack_add(pack, bytes, 4, NULL, write_segment, plan);
  return true;
}
