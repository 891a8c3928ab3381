// roi_align: samples placed by runtime/kernels/roi_align.c, vectors of channels summed or compared.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "runtime/tenon.h"

// One axis of a region: its cells, and the two pixels of the sample at hand.
typedef struct RoiAxis {
  Val start, size, samples, pixels; // of the cells; of the image
  Val index, weight;                // pointers to two
  Val stride;                       // of a pixel, in elements
} RoiAxis;

typedef struct Roi {
  Kernel *kernel;
  const View *x, *y;
  LLVMTypeRef type; // in which sums are made
  RoiAxis axes[2];
  Val place; // memory for two doubles
  Val image; // offset of the image
  Val cell[2];
  bool max;
} Roi;

static Val number(Kernel *kernel, const View *rois, Val roi, int which) {
  Nest *nest = kernel->nest;
  Val at = nest_add(nest, nest_mul(nest, roi, nest_const(nest, 4)), nest_const(nest, which));
  return nest_float_width(nest, kernel_load(kernel, rois->element, rois->pointer, at, 1),
                          nest->f64);
}

static void place_cells(Roi *r, const View *rois, Val roi, int axis) {
  Kernel *kernel = r->kernel;
  Nest *nest = kernel->nest;
  bool half_pixel = !strcmp(node_string(kernel->node, ATTR_COORDINATES), "half_pixel");
  int low = axis ? 0 : 1;
  Val arguments[] = {r->place,
                     number(kernel, rois, roi, low),
                     number(kernel, rois, roi, low + 2),
                     nest_real(nest->f64, node_float(kernel->node, ATTR_SCALE)),
                     r->y->dims[1 + axis],
                     nest_const(nest, node_int(kernel->node, ATTR_SAMPLES)),
                     nest_int(nest->i32, half_pixel)};
  r->axes[axis].samples = nest_library(nest, "tenon_roi_cells", arguments, 7);
  r->axes[axis].start = nest_load(nest, nest->f64, r->place, 0);
  r->axes[axis].size =
      nest_load(nest, nest->f64, nest_address(nest, r->place, nest->f64, nest_const(nest, 1)), 0);
}

static void place_tap(const Roi *r, int axis, Val sample) {
  const RoiAxis *a = &r->axes[axis];
  Val arguments[] = {a->index,      a->weight, a->start,   a->size,
                     r->cell[axis], sample,    a->samples, a->pixels};
  nest_library(r->kernel->nest, "tenon_roi_tap", arguments, 8);
}

static Val neighbour(const Roi *r, int which, Val channel, int lanes) {
  Nest *nest = r->kernel->nest;
  Val from = nest_add(nest, r->image, channel), weight = NULL;
  for (int axis = 0; axis < 2; axis++) {
    const RoiAxis *a = &r->axes[axis];
    Val side = nest_const(nest, axis ? which & 1 : which >> 1);
    Val index = nest_extend(
        nest, nest_load(nest, nest->i32, nest_address(nest, a->index, nest->i32, side), 0),
        nest->index, true);
    Val factor = nest_load(nest, nest->f64, nest_address(nest, a->weight, nest->f64, side), 0);
    from = nest_add(nest, from, nest_mul(nest, index, a->stride));
    weight = weight ? nest_mul(nest, weight, factor) : factor;
  }
  Val value = kernel_load(r->kernel, r->x->element, r->x->pointer, from, lanes);
  weight = nest_float_width(nest, weight, r->type);
  return nest_mul(nest, nest_splat(nest, weight, lanes), value);
}

// The sum or maximum over the samples of a cell, for `lanes` channels.
static Val all_samples(const Roi *r, Val channel, int lanes) {
  Nest *nest = r->kernel->nest;
  Val zero = nest_const(nest, 0), one = nest_const(nest, 1);
  Val initial = nest_splat(nest, nest_real(r->type, r->max ? -__builtin_inf() : 0), lanes);
  Loop rows = nest_loop_begin(nest, zero, r->axes[0].samples, one);
  int outer = nest_carry(nest, &rows, initial);
  place_tap(r, 0, rows.index);
  Loop columns = nest_loop_begin(nest, zero, r->axes[1].samples, one);
  int inner = nest_carry(nest, &columns, rows.carried[outer]);
  place_tap(r, 1, columns.index);
  Val result = columns.carried[inner];
  for (int k = 0; k < 4; k++) {
    Val value = neighbour(r, k, channel, lanes);
    result = r->max ? nest_max(nest, value, result) : nest_add(nest, result, value);
  }
  nest_carry_next(&columns, inner, result);
  nest_loop_end(nest, &columns);
  nest_carry_next(&rows, outer, columns.carried[inner]);
  nest_loop_end(nest, &rows);
  return rows.carried[outer];
}

static void store_channels(const Roi *r, Val to, Val channel, int lanes) {
  Nest *nest = r->kernel->nest;
  Val count = nest_mul(nest, r->axes[0].samples, r->axes[1].samples),
      value = all_samples(r, channel, lanes);
  Val none = nest_compare(nest, LLVMIntEQ, count, nest_const(nest, 0));
  Val divisor = nest_select(nest, none, nest_const(nest, 1), count);
  if (r->max)
    value = nest_select(nest, none, nest_zero(LLVMTypeOf(value)), value);
  else
    value = nest_div(nest, value,
                     nest_splat(nest, nest_to_float(nest, divisor, r->type, false), lanes));
  kernel_store(r->kernel, r->y->element, value, r->y->pointer, nest_add(nest, to, channel));
}

bool lower_roi_align(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *rois = &kernel->operands[1], *y = &kernel->results[0];
  Roi r = {.kernel = kernel,
           .x = x,
           .y = y,
           .type = kernel_arithmetic_type(nest, x->element),
           .place = nest_local(nest, nest->f64, 2, 8),
           .max = !strcmp(node_string(kernel->node, ATTR_MODE), "max")};
  for (int axis = 0; axis < 2; axis++)
    r.axes[axis] = (RoiAxis){.pixels = x->dims[1 + axis],
                             .index = nest_local(nest, nest->i32, 2, 4),
                             .weight = nest_local(nest, nest->f64, 2, 8),
                             .stride = x->strides[1 + axis]};
  int lanes = target_lanes(kernel->target, r.type == nest->f64 ? 64 : 32);
  Val zero = nest_const(nest, 0), channels = y->dims[3];
  Val whole =
      nest_mul(nest, nest_udiv(nest, channels, nest_const(nest, lanes)), nest_const(nest, lanes));
  FOR (nest, roi, zero, y->dims[0], 1) {
    r.image =
        nest_mul(nest, move_index(kernel, &kernel->operands[2], roi, x->dims[0]), x->strides[0]);
    for (int axis = 0; axis < 2; axis++) {
      if (!dim_low(x->type->dims[1 + axis]))
        nest_fail_if(nest, nest_compare(nest, LLVMIntEQ, r.axes[axis].pixels, zero), TENON_E_DIM);
      place_cells(&r, rois, roi, axis);
    }
    FOR (nest, row, zero, y->dims[1], 1)
      FOR (nest, column, zero, y->dims[2], 1) {
        Val cell = nest_add(
            nest, nest_mul(nest, nest_add(nest, nest_mul(nest, roi, y->dims[1]), row), y->dims[2]),
            column);
        r.cell[0] = row;
        r.cell[1] = column;
        Val to = nest_mul(nest, cell, channels);
        if (lanes > 1)
          FOR (nest, channel, zero, whole, lanes) store_channels(&r, to, channel, lanes);
        FOR (nest, channel, lanes > 1 ? whole : zero, channels, 1)
          store_channels(&r, to, channel, 1);
      }
  }
  return true;
}
