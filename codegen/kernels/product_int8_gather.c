// Taps of pixels, or rows of a matrix, one behind the other in a buffer: what an 8-bit product then
// reads as one run. 16-bit ones are widened on the way, vectors at a time.
#include "codegen/kernels/product_int8_gather.h"

static void gather_taps(const Int8Gather *g, const Pixel *pixel, Val to, Val *tap, Val number,
                        int axis) {
  Nest *nest = g->nest;
  if (axis == WINDOW_AXES) {
    Val from = pixels_tap(g->pixels, pixel, tap),
        at = nest_mul(nest, number, nest_const(nest, g->shape->inputs));
    for (int64_t i = 0; i < g->shape->inputs; i++) {
      Val byte = nest_load(nest, nest->i8, nest_byte_address(nest, from, nest_const(nest, i)), 1);
      nest_store(nest, byte, nest_byte_address(nest, to, nest_add(nest, at, nest_const(nest, i))),
                 1);
    }
    return;
  }
  int64_t size = g->pixels->window.kernel[axis];
  FOR (nest, t, nest_const(nest, 0), nest_const(nest, size), 1) {
    if (g->is_short && axis < WINDOW_AXES - 1) t_loop.unroll = 1;
    tap[axis] = t;
    gather_taps(g, pixel, to, tap,
                nest_add(nest, nest_mul(nest, number, nest_const(nest, size)), t), axis + 1);
  }
}

// `length` codes as 16 bits each.
static void widen_codes(const Int8Gather *g, Val from, Val to, int64_t length) {
  Nest *nest = g->nest;
  int64_t done = 0;
  for (int width = 16; width >= 1; width = width > 4 ? width / 2 : width > 1 ? 1 : 0) {
    int64_t end = done + (length - done) / width * width;
    if (end > done)
      FOR (nest, i, nest_const(nest, done), nest_const(nest, end), width) {
        Val codes =
            nest_load(nest, nest_vector(nest->i8, width), nest_byte_address(nest, from, i), 1);
        nest_store(nest, nest_extend(nest, codes, nest->i16, g->x->element == I8),
                   nest_address(nest, to, nest->i16, i), 2);
      }
    done = end;
  }
}

// One tap, or all taps along the width where they follow each other and none is outside.
static void widen_taps(const Int8Gather *g, const Pixel *pixel, Val to, bool whole_width) {
  Nest *nest = g->nest;
  const int64_t *size = g->pixels->window.kernel;
  int64_t length = g->shape->inputs * (whole_width ? size[2] : 1);
  FOR (nest, layer, nest_const(nest, 0), nest_const(nest, size[0]), 1)
    FOR (nest, line, nest_const(nest, 0), nest_const(nest, size[1]), 1)
      FOR (nest, column, nest_const(nest, 0), nest_const(nest, whole_width ? 1 : size[2]), 1) {
        Val tap[WINDOW_AXES] = {layer, line, column};
        Val number = nest_add(
            nest,
            nest_mul(nest, nest_add(nest, nest_mul(nest, layer, nest_const(nest, size[1])), line),
                     nest_const(nest, size[2])),
            column);
        Val from = whole_width ? pixels_tap_inside(g->pixels, pixel, tap)
                               : pixels_tap(g->pixels, pixel, tap);
        widen_codes(g, from,
                    nest_address(nest, to, nest->i16,
                                 nest_mul(nest, number, nest_const(nest, g->shape->inputs))),
                    length);
      }
}

static void widen_pixel(const Int8Gather *g, const Pixel *pixel, Val to) {
  Nest *nest = g->nest;
  const KernelWindow *window = &g->pixels->window;
  int64_t stride;
  bool adjacent = window->dilation[2] == 1 && nest_constant(window->input_stride[2], &stride) &&
                  stride == g->shape->inputs;
  if (!adjacent || window->kernel[2] == 1) {
    widen_taps(g, pixel, to, false);
    return;
  }
  Val inside = pixels_inside(g->pixels, pixel);
  if (!inside) {
    widen_taps(g, pixel, to, true);
    return;
  }
  Branch branch = nest_if(nest, inside);
  widen_taps(g, pixel, to, true);
  nest_else(nest, &branch);
  widen_taps(g, pixel, to, false);
  nest_end_if(nest, &branch);
}

// Rows whose codes follow each other without gaps are one run.
static void widen_rows(const Int8Gather *g, const Pixel *pixels, int rows, Val *pointers) {
  Nest *nest = g->nest;
  const Int8Shape *s = g->shape;
  bool follow = s->run == s->padded_run && s->group == 1 && (!s->is_conv || g->pixels->linear);
  for (int r = 0; r < rows; r++) {
    Val from = pointers[r],
        tap[WINDOW_AXES] = {nest_const(nest, 0), nest_const(nest, 0), nest_const(nest, 0)};
    if (s->is_conv && g->pixels->linear) from = pixels_tap_inside(g->pixels, &pixels[r], tap);
    pointers[r] = nest_address(nest, g->buffer, nest->i16, nest_const(nest, r * s->padded_run));
    if (follow && r > 0) continue;
    if (!from)
      widen_pixel(g, &pixels[r], pointers[r]);
    else
      widen_codes(g, from, pointers[r], follow ? rows * s->run : s->run);
    if (s->run < s->padded_run)
      nest_store(nest, nest_zero(nest->i16),
                 nest_address(nest, pointers[r], nest->i16, nest_const(nest, s->run)), 2);
  }
}

// Fills one row of the buffer; `from`: the row's codes where they are one run, else NULL.
static void gather_row(const Int8Gather *g, const Pixel *pixel, Val from, Val to) {
  Nest *nest = g->nest;
  const Int8Shape *s = g->shape;
  Val tap[WINDOW_AXES];
  LLVMTypeRef element = s->widens ? nest->i16 : nest->i8;
  if (from)
    widen_codes(g, from, to, s->run);
  else if (s->widens)
    widen_pixel(g, pixel, to);
  else
    gather_taps(g, pixel, to, tap, nest_const(nest, 0), 0);
  for (int64_t i = s->run; i < s->padded_run; i++) // meets zero weights, but must be defined
    nest_store(nest, nest_zero(element), nest_address(nest, to, element, nest_const(nest, i)), 1);
}

void int8_gather_tile(const Int8Gather *g, const Pixel *pixels, int rows, Val *pointers) {
  if (g->shape->widens) {
    widen_rows(g, pixels, rows, pointers);
    return;
  }
  for (int r = 0; r < rows; r++) {
    pointers[r] =
        nest_byte_address(g->nest, g->buffer, nest_const(g->nest, r * g->shape->padded_run));
    gather_row(g, &pixels[r], NULL, pointers[r]);
  }
}

Pixel int8_gather_rows(const Int8Gather *g, Val first, Val count, Pixel pixel) {
  Nest *nest = g->nest;
  const Int8Shape *s = g->shape;
  bool walks = s->is_conv && !g->pixels->linear;
  FOR (nest, r, nest_const(nest, 0), count, 1) {
    if (g->is_short) r_loop.unroll = 1;
    for (int axis = 0; walks && axis < WINDOW_AXES; axis++)
      pixel.at[axis] = r_loop.carried[nest_carry(nest, &r_loop, pixel.at[axis])];
    Val number = nest_add(nest, first, r), from = NULL;
    Val image = s->is_conv ? g->pixels->offset : nest_const(nest, 0);
    if (!walks)
      from = nest_byte_address(
          nest, g->x->pointer,
          nest_add(nest, image, nest_mul(nest, number, nest_const(nest, s->inputs))));
    gather_row(g, &pixel, from,
               nest_address(nest, g->buffer, s->widens ? nest->i16 : nest->i8,
                            nest_mul(nest, r, nest_const(nest, s->padded_run))));
    if (!walks) continue;
    Pixel next = pixels_next(g->pixels, pixel);
    for (int axis = 0; axis < WINDOW_AXES; axis++) {
      nest_carry_next(&r_loop, axis, next.at[axis]);
      pixel.at[axis] = r_loop.header ? r_loop.carried[axis] : next.at[axis];
    }
  }
  return pixel;
}
