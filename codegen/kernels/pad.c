// pad: per axis what comes before, the operand, and what comes after. All axes behind the last
// padded one are a run.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

typedef struct PadAxis {
  Val begin, inside, total; // elements of padding in front, of the operand, of the result
  Val first, size;          // of the operand: what cropping leaves
} PadAxis;

typedef struct Padding {
  Kernel *kernel;
  Nest *nest;
  const View *x, *y;
  const char *mode;
  Val value; // constant mode
  PadAxis axes[MAX_RANK];
  int last;  // the last padded axis
  Val inner; // elements behind it
} Padding;

static PadAxis pad_axis(const Padding *p, int axis) {
  Nest *nest = p->nest;
  int64_t before = node_ints_at(p->kernel->node, ATTR_PADS, axis, 0);
  int64_t after = node_ints_at(p->kernel->node, ATTR_PADS, axis + p->x->rank, 0);
  int64_t first = before < 0 ? -before : 0, cut = first + (after < 0 ? -after : 0);
  Val zero = nest_const(nest, 0);
  PadAxis a = {.total = p->y->dims[axis], .first = nest_const(nest, first)};
  a.begin = nest_min(nest, nest_const(nest, before > 0 ? before : 0), a.total);
  a.size = nest_sub(nest, p->x->dims[axis], nest_const(nest, cut));
  a.inside = nest_min(nest, nest_max(nest, a.size, zero), nest_sub(nest, a.total, a.begin));
  return a;
}

// Where index `at` of the result is read, counted from `first`.
static Val source_of(const Padding *p, const PadAxis *a, Val at) {
  Nest *nest = p->nest;
  Val zero = nest_const(nest, 0), one = nest_const(nest, 1), last = nest_sub(nest, a->size, one);
  Val distance = nest_sub(nest, at, a->begin);
  if (!strcmp(p->mode, "edge")) return nest_max(nest, nest_min(nest, distance, last), zero);
  bool wraps = !strcmp(p->mode, "wrap");
  Val period = nest_max(nest, wraps ? a->size : nest_mul(nest, last, nest_const(nest, 2)), one);
  Val phase = LLVMBuildSRem(nest->builder, distance, period, "");
  phase = nest_select(nest, nest_compare(nest, LLVMIntSLT, phase, zero),
                      nest_add(nest, phase, period), phase);
  Val reflected = nest_select(nest, nest_compare(nest, LLVMIntSLT, phase, a->size), phase,
                              nest_sub(nest, period, phase));
  return wraps ? phase : reflected;
}

static void emit_axis(const Padding *p, int axis, Val to, Val from);

// Index `at` of the result's axis is index `source` of the operand's.
static void emit_slab(const Padding *p, int axis, Val to, Val from, Val at, Val source) {
  Nest *nest = p->nest;
  Val index = nest_add(nest, source, p->axes[axis].first);
  emit_axis(p, axis + 1, nest_add(nest, to, nest_mul(nest, at, p->y->strides[axis])),
            nest_add(nest, from, nest_mul(nest, index, p->x->strides[axis])));
}

// Indices [low, high) of the axis that are padding.
static void emit_border(const Padding *p, int axis, Val to, Val from, Val low, Val high) {
  Nest *nest = p->nest;
  if (p->value) {
    Val stride = p->y->strides[axis];
    move_fill(p->kernel, p->y->element, p->y->pointer,
              nest_add(nest, to, nest_mul(nest, low, stride)), p->value,
              nest_mul(nest, nest_sub(nest, high, low), stride));
    return;
  }
  FOR (nest, at, low, high, 1) emit_slab(p, axis, to, from, at, source_of(p, &p->axes[axis], at));
}

static void emit_inside(const Padding *p, int axis, Val to, Val from, Val low, Val high) {
  Nest *nest = p->nest;
  const PadAxis *a = &p->axes[axis];
  if (axis < p->last) {
    FOR (nest, at, low, high, 1) emit_slab(p, axis, to, from, at, nest_sub(nest, at, a->begin));
    return;
  }
  Val index = nest_add(nest, nest_sub(nest, low, a->begin), a->first);
  move_run(p->kernel, p->y->element, p->y->pointer,
           nest_add(nest, to, nest_mul(nest, low, p->inner)), p->x->pointer,
           nest_add(nest, from, nest_mul(nest, index, p->inner)),
           nest_mul(nest, nest_sub(nest, high, low), p->inner));
}

static void emit_axis(const Padding *p, int axis, Val to, Val from) {
  Nest *nest = p->nest;
  if (axis > p->last) { // one row of a border
    move_run(p->kernel, p->y->element, p->y->pointer, to, p->x->pointer, from, p->inner);
    return;
  }
  const PadAxis *a = &p->axes[axis];
  Val end = nest_add(nest, a->begin, a->inside);
  emit_border(p, axis, to, from, nest_const(nest, 0), a->begin);
  emit_inside(p, axis, to, from, a->begin, end);
  emit_border(p, axis, to, from, end, a->total);
}

// The outermost axis in three parts for whoever has indices [begin, end) of it.
static void emit_shared(const Padding *p, Val low, Val high) {
  Nest *nest = p->nest;
  const PadAxis *a = &p->axes[0];
  Val zero = nest_const(nest, 0), end = nest_add(nest, a->begin, a->inside);
  Val first = nest_max(nest, nest_min(nest, a->begin, high), low),
      last = nest_max(nest, nest_min(nest, end, high), first);
  emit_border(p, 0, zero, zero, low, first);
  emit_inside(p, 0, zero, zero, first, last);
  emit_border(p, 0, zero, zero, last, high);
}

bool lower_pad(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Padding p = {.kernel = kernel,
               .nest = nest,
               .x = &kernel->operands[0],
               .y = &kernel->results[0],
               .mode = node_string(kernel->node, ATTR_MODE),
               .last = -1};
  Val zero = nest_const(nest, 0);
  for (int i = 0; i < p.x->rank; i++) {
    p.axes[i] = pad_axis(&p, i);
    if (node_ints_at(kernel->node, ATTR_PADS, i, 0) ||
        node_ints_at(kernel->node, ATTR_PADS, i + p.x->rank, 0))
      p.last = i;
  }
  p.inner = move_product_value(nest, p.y, p.last + 1, p.y->rank);
  bool has_value = kernel->operand_count > 1 && kernel->operands[1].pointer;
  if (!strcmp(p.mode, "constant"))
    p.value = has_value ? raw_load(kernel, p.y->element, kernel->operands[1].pointer, zero, 1)
                        : raw_zero(kernel, p.y->type);
  if (p.last > 0 && element_info[p.y->element].bits >= 8) {
    kernel_split(kernel, p.y->type->dims[0]);
    emit_shared(&p, kernel->begin, kernel->end);
  } else {
    emit_axis(&p, 0, zero, zero);
  }
  return true;
}
