// grid_sample: taps at given points, computed by runtime/kernels/image.c, then weighted sums of
// rows.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "codegen/kernels/sample.h"
#include "runtime/kernels/image.h"

static int taps_of(const Node *node) {
  const char *mode = node_string(node, ATTR_MODE);
  return !strcmp(mode, "nearest") ? 1 : !strcmp(mode, "linear") ? 2 : 4;
}

static int padding_of(const Node *node) {
  static const char *const names[] = {IMAGE_PADDING};
  const char *padding = node_string(node, ATTR_PADDING_MODE);
  return !strcmp(padding, names[0]) ? 0 : !strcmp(padding, names[1]) ? 1 : 2;
}

// Point `point` of the grid; its coordinates stand in reverse order: x, y, z.
static void emit_point(const Sample *s, const View *grid, Val point) {
  Kernel *kernel = s->kernel;
  Nest *nest = kernel->nest;
  for (int i = 0; i < s->axis_count; i++) {
    const TapAxis *axis = &s->axes[i];
    Val at = nest_add(nest, nest_mul(nest, point, nest_const(nest, s->axis_count)),
                      nest_const(nest, s->axis_count - 1 - i));
    Val normal = kernel_load(kernel, grid->element, grid->pointer, at, 1);
    normal = nest_is_float(normal) ? nest_float_width(nest, normal, nest->f64)
                                   : nest_to_float(nest, normal, nest->f64, true);
    Val arguments[] = {axis->index,
                       axis->weight,
                       nest_int(nest->i32, axis->taps),
                       normal,
                       s->x->dims[1 + i],
                       nest_int(nest->i32, padding_of(kernel->node)),
                       nest_int(nest->i32, node_int(kernel->node, ATTR_ALIGN_CORNERS) != 0)};
    nest_library(nest, "tenon_grid_taps", arguments, sizeof arguments / sizeof *arguments);
  }
  sample_row(s);
}

bool lower_grid_sample(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  const Quant *quant = y->type->quant;
  int taps = taps_of(kernel->node), spatial = x->rank - 2;
  Sample s = {.kernel = kernel,
              .x = x,
              .y = y,
              .axis_count = spatial,
              .inner = y->dims[y->rank - 1],
              .has_holes = true,
              .hole = quant ? (double)quant->zero[0] : 0};
  for (int i = 0; i < spatial; i++)
    s.axes[i] = (TapAxis){taps, nest_local(nest, nest->i32, taps, 4),
                          nest_local(nest, nest->f64, taps, 8), F64, x->strides[1 + i]};
  Val points = move_product_value(nest, y, 1, y->rank - 1);
  FOR (nest, image, nest_const(nest, 0), y->dims[0], 1)
    FOR (nest, i, nest_const(nest, 0), points, 1) {
      Val point = nest_add(nest, nest_mul(nest, image, points), i);
      s.from = nest_mul(nest, image, x->strides[0]);
      s.to = nest_mul(nest, point, s.inner);
      emit_point(&s, &kernel->operands[1], point);
    }
  return true;
}
