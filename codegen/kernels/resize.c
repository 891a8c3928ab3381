// resize: for each element of the result, taps along the axes that change. With static dims they
// are tables, made by the pack function; else runtime/kernels/image.c computes them as the loops
// go.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/sample.h"
#include "ir/resize.h"
#include "runtime/kernels/image.h"

typedef struct Resize {
  Kernel *kernel;
  Nest *nest;
  Sample sample;
  bool tables, nearest, crops;
  bool active[MAX_RANK];
  int taps[MAX_RANK];
  int64_t first[MAX_RANK]; // of the axis in the tables, in taps
  int last;                // the last active axis; what follows is a row
  int shared;              // the axis that threads share; -1: none
} Resize;

// --- static dims: i32 indices of all active axes, then their weights

typedef struct ResizeTables {
  int count;
  ResizeAxis axes[MAX_RANK];
} ResizeTables;

static bool is_static(const Node *node) {
  return type_is_static(&node->operands[0]->type) && type_is_static(&node->results[0]->type);
}
static bool is_nearest(const Node *node) {
  return !strcmp(node_string(node, ATTR_MODE), "nearest");
}

static ResizeAxis axis_table(const Node *node, int axis, Arena *arena) {
  const Type *x = &node->operands[0]->type, *y = &node->results[0]->type;
  return resize_axis(node, axis, x->rank, type_dim(x, axis), type_dim(y, axis), arena);
}

static void write_indices(const PackedSegment *segment, unsigned char *out) {
  const ResizeTables *tables = segment->user;
  for (int k = 0; k < tables->count; k++) {
    const ResizeAxis *axis = &tables->axes[k];
    for (int64_t i = 0; i < axis->out * axis->taps; i++, out += 4) {
      int32_t index = axis->outside && axis->outside[i / axis->taps] ? -1 : (int32_t)axis->index[i];
      memcpy(out, &index, 4);
    }
  }
}

static bool has_wide_weights(const Node *node) {
  ElementType element = node->operands[0]->type.element;
  return !element_is_float(element) || element == F64;
}

static void write_weights(const PackedSegment *segment, unsigned char *out) {
  const ResizeTables *tables = segment->user;
  bool wide = has_wide_weights(segment->node);
  for (int k = 0; k < tables->count; k++) {
    const ResizeAxis *axis = &tables->axes[k];
    for (int64_t i = 0; i < axis->out * axis->taps; i++, out += wide ? 8 : 4) {
      float narrow = (float)axis->weight[i];
      if (wide)
        memcpy(out, &axis->weight[i], 8);
      else
        memcpy(out, &narrow, 4);
    }
  }
}

bool pack_resize(Pack *pack) {
  const Node *node = pack->node;
  if (!is_static(node)) return true;
  ResizeTables *tables = NEW(pack->arena, ResizeTables);
  int64_t entries = 0;
  for (int i = 0; i < node->results[0]->type.rank; i++) {
    ResizeAxis axis = axis_table(node, i, pack->arena);
    if (axis.in > INT32_MAX)
      return diag_error(pack->diag, node->loc, "an axis of %lld elements is too long to resize",
                        (long long)axis.in);
    if (axis.identity) continue;
    entries += axis.out * axis.taps;
    tables->axes[tables->count++] = axis;
  }
  size_t weight_bytes = has_wide_weights(node) ? 8 : 4;
  if (!entries) return true;
  pack_add(pack, (size_t)entries * 4, 4, NULL, write_indices, tables);
  if (!is_nearest(node))
    pack_add(pack, (size_t)entries * weight_bytes, 8, NULL, write_weights, tables);
  return true;
}

static void describe_static(Resize *r) {
  const Node *node = r->kernel->node;
  int64_t entries = 0;
  for (int i = 0; i < r->sample.y->rank; i++) {
    ResizeAxis axis = axis_table(node, i, r->kernel->arena);
    r->active[i] = !axis.identity;
    if (axis.identity) continue;
    r->taps[i] = axis.taps;
    r->first[i] = entries;
    entries += axis.out * axis.taps;
    r->last = i;
  }
}

// --- dims known at run time

static double given_scale(const Node *node, int axis, int rank) {
  int count;
  const double *scales = node_floats(node, ATTR_SCALES, &count);
  return count == rank ? scales[axis] : 0;
}

static bool describe_symbolic(Resize *r) {
  const Node *node = r->kernel->node;
  const Type *x = r->sample.x->type, *y = r->sample.y->type;
  const char *coordinates = node_string(node, ATTR_COORDINATES);
  bool moves = r->crops || !strcmp(coordinates, "tf_half_pixel_for_nn");
  for (int i = 0; i < x->rank; i++) {
    double scale = given_scale(node, i, x->rank);
    r->active[i] = moves || x->dims[i] != y->dims[i] || (scale != 0 && scale != 1);
    if (!r->active[i]) continue;
    r->last = i;
    bool cubic = !strcmp(node_string(node, ATTR_MODE), "cubic");
    r->taps[i] = r->nearest ? 1 : cubic ? 4 : 2;
    if (!node_int(node, ATTR_ANTIALIAS) || r->nearest || scale >= 1) continue;
    if (scale == 0)
      return diag_error(r->kernel->diag, node->loc,
                        "resize with antialias wants scales, or dims that are known");
    double radius = (cubic ? 2 : 1) / scale;
    if (radius > 1 << 16)
      return diag_error(r->kernel->diag, node->loc, "resize with antialias by less than 1/65536");
    r->taps[i] = 2 * ((int)radius + (radius > (int)radius));
  }
  return true;
}

static int choice(const char *text, const char *const *names) {
  int i = 0;
  while (strcmp(text, names[i])) i++;
  return i;
}

static Val real(const Resize *r, double value) { return nest_real(r->nest->f64, value); }

// Lets runtime/kernels/image.c fill local tables for element `at` of the result's axis.
static void compute_taps(const Resize *r, int axis, Val at, TapAxis *taps) {
  static const char *const coordinates[] = {IMAGE_COORDINATES}, *const nearest[] = {IMAGE_NEAREST};
  Nest *nest = r->nest;
  const Node *node = r->kernel->node;
  int rank = r->sample.x->rank, count;
  const double *roi = node_floats(node, ATTR_ROI, &count);
  bool has_roi = count == 2 * rank;
  double scale = given_scale(node, axis, rank);
  bool cubic = !strcmp(node_string(node, ATTR_MODE), "cubic");
  double stretch = node_int(node, ATTR_ANTIALIAS) && scale > 0 && scale < 1 ? scale : 1;
  Val in = r->sample.x->dims[axis], out = r->sample.y->dims[axis];
  Val quotient = nest_div(nest, nest_to_float(nest, out, nest->f64, false),
                          nest_to_float(nest, in, nest->f64, false));
  Val arguments[] = {
      taps->index,
      taps->weight,
      nest_int(nest->i32, r->taps[axis]),
      scale > 0 ? real(r, scale) : quotient,
      in,
      out,
      at,
      nest_int(nest->i32, choice(node_string(node, ATTR_COORDINATES), coordinates)),
      nest_int(nest->i32, r->nearest ? choice(node_string(node, ATTR_NEAREST), nearest) : -1),
      nest_int(nest->i32, cubic),
      real(r, node_float(node, ATTR_CUBIC)),
      nest_int(nest->i32, node_int(node, ATTR_EXCLUDE_OUTSIDE) != 0),
      real(r, stretch),
      real(r, has_roi ? roi[axis] : 0),
      real(r, has_roi ? roi[axis + rank] : 1)};
  nest_library(nest, "tenon_resize_taps", arguments, sizeof arguments / sizeof *arguments);
}

// --- the nest

static TapAxis taps_of(const Resize *r, int axis, Val at, TapAxis *local) {
  Nest *nest = r->nest;
  if (!r->tables) {
    compute_taps(r, axis, at, local);
    return *local;
  }
  bool wide = sample_type(nest, r->sample.x->element) == nest->f64;
  Val first = nest_add(nest, nest_const(nest, r->first[axis]),
                       nest_mul(nest, at, nest_const(nest, r->taps[axis])));
  return (TapAxis){.taps = r->taps[axis],
                   .index = nest_address(nest, r->kernel->packed[0], nest->i32, first),
                   .weight = r->nearest ? NULL
                                        : nest_address(nest, r->kernel->packed[1],
                                                       wide ? nest->f64 : nest->f32, first),
                   .weight_element = wide ? F64 : F32,
                   .stride = r->sample.x->strides[axis]};
}

static Val first_index(const Resize *r, const TapAxis *axis) {
  return nest_load(r->nest, r->nest->i32, axis->index, 4);
}

// VALUE in all elements of a row.
static void fill_row(const Resize *r, const Sample *row) {
  double value = node_float(r->kernel->node, ATTR_VALUE);
  Val bits = raw_constant(r->kernel, row->y->element, value);
  move_fill(r->kernel, row->y->element, row->y->pointer, row->to, bits, row->inner);
}

static void emit_row(const Resize *r, const Sample *row) {
  Nest *nest = r->nest;
  Val zero = nest_int(nest->i32, 0), outside = NULL;
  for (int i = 0; r->crops && i < row->axis_count; i++) {
    Val here = nest_compare(nest, LLVMIntSLT, first_index(r, &row->axes[i]), zero);
    outside = outside ? nest_or(nest, outside, here) : here;
  }
  Branch branch;
  if (outside) {
    branch = nest_if(nest, outside);
    fill_row(r, row);
    nest_else(nest, &branch);
  }
  if (r->nearest) {
    Val from = row->from;
    for (int i = 0; i < row->axis_count; i++) {
      Val index = nest_extend(nest, first_index(r, &row->axes[i]), nest->index, true);
      from = nest_add(nest, from, nest_mul(nest, index, row->axes[i].stride));
    }
    move_run(r->kernel, row->y->element, row->y->pointer, row->to, row->x->pointer, from,
             row->inner);
  } else {
    sample_row(row);
  }
  if (outside) nest_end_if(nest, &branch);
}

static void emit_axis(const Resize *r, int axis, Sample row) {
  Nest *nest = r->nest;
  if (axis > r->last) {
    emit_row(r, &row);
    return;
  }
  TapAxis local = {.taps = r->taps[axis], .weight_element = F64, .stride = row.x->strides[axis]};
  if (r->active[axis] && !r->tables) {
    local.index = nest_local(nest, nest->i32, r->taps[axis], 4);
    local.weight = nest_local(nest, nest->f64, r->taps[axis], 8);
  }
  bool split = axis == r->shared;
  FOR (nest, at, split ? r->kernel->begin : nest_const(nest, 0),
       split ? r->kernel->end : row.y->dims[axis], 1) {
    Sample next = row;
    next.to = nest_add(nest, row.to, nest_mul(nest, at, row.y->strides[axis]));
    if (r->active[axis])
      next.axes[next.axis_count++] = taps_of(r, axis, at, &local);
    else
      next.from = nest_add(nest, row.from, nest_mul(nest, at, row.x->strides[axis]));
    emit_axis(r, axis + 1, next);
  }
}

bool lower_resize(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Val zero = nest_const(nest, 0);
  Resize r = {.kernel = kernel,
              .nest = nest,
              .tables = is_static(node),
              .nearest = is_nearest(node),
              .last = -1,
              .shared = -1,
              .crops = !strcmp(node_string(node, ATTR_COORDINATES), "tf_crop_and_resize"),
              .sample = {.kernel = kernel,
                         .x = &kernel->operands[0],
                         .y = &kernel->results[0],
                         .from = zero,
                         .to = zero}};
  if (r.tables)
    describe_static(&r);
  else if (!describe_symbolic(&r))
    return false;
  const View *y = r.sample.y;
  r.sample.inner = move_product_value(nest, y, r.last + 1, y->rank);
  for (int i = 0; i <= r.last && r.shared < 0 && element_info[y->element].bits >= 8; i++)
    if (!dim_is(y->type->dims[i], 1)) r.shared = i;
  if (r.shared >= 0) kernel_split(kernel, y->type->dims[r.shared]);
  emit_axis(&r, 0, r.sample);
  return true;
}
