// scatter_elements, scatter_nd: a copy of the data in which elements are replaced by, or combined
// with, updates.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

typedef struct Scatter {
  Kernel *kernel;
  const View *data, *indices, *updates, *y;
  const char *reduction;
  int axis;
} Scatter;

static Scatter begin_scatter(Kernel *kernel) {
  Scatter s = {kernel,
               &kernel->operands[0],
               &kernel->operands[1],
               &kernel->operands[2],
               &kernel->results[0],
               node_string(kernel->node, ATTR_REDUCTION),
               0};
  nest_copy(kernel->nest, s.y->pointer, s.data->pointer, kernel_bytes(kernel, s.y));
  return s;
}

static bool replaces(const Scatter *s) { return !strcmp(s->reduction, "none"); }

static Val extreme(const Scatter *s, bool least, Val old, Val update) {
  Nest *nest = s->kernel->nest;
  if (nest_is_float(old)) {
    Val better = nest_compare_float(nest, least ? LLVMRealOLT : LLVMRealOGT, update, old);
    Val keeps =
        nest_or(nest, better, nest_compare_float(nest, LLVMRealUNO, update, update)); // NaN wins
    return nest_select(nest, keeps, update, old);
  }
  bool is_signed = element_is_signed(s->y->element);
  LLVMIntPredicate predicate =
      least ? (is_signed ? LLVMIntSLT : LLVMIntULT) : (is_signed ? LLVMIntSGT : LLVMIntUGT);
  return nest_select(nest, nest_compare(nest, predicate, update, old), update, old);
}

static Val combine(const Scatter *s, Val old, Val update) {
  Nest *nest = s->kernel->nest;
  bool logical = s->y->element == BOOL;
  if (!strcmp(s->reduction, "add"))
    return logical ? nest_or(nest, old, update) : nest_add(nest, old, update);
  if (!strcmp(s->reduction, "mul")) return nest_mul(nest, old, update);
  return extreme(s, !strcmp(s->reduction, "min"), old, update);
}

// `count` neighbours at `to` of the result take those at `from` of the updates.
static void update_run(const Scatter *s, Val to, Val from, Val count) {
  Kernel *kernel = s->kernel;
  Nest *nest = kernel->nest;
  ElementType element = s->y->element;
  if (replaces(s)) {
    move_run(kernel, element, s->y->pointer, to, s->updates->pointer, from, count);
    return;
  }
  int lanes = raw_lanes(kernel, element);
  Val whole =
      nest_mul(nest, nest_udiv(nest, count, nest_const(nest, lanes)), nest_const(nest, lanes));
  for (int step = lanes; step >= 1; step = step > 1 ? 1 : 0) {
    Val low = step == lanes ? nest_const(nest, 0) : whole, high = step == lanes ? whole : count;
    FOR (nest, i, low, high, step) {
      Val old = kernel_load(kernel, element, s->y->pointer, nest_add(nest, to, i), step);
      Val update = kernel_load(kernel, element, s->updates->pointer, nest_add(nest, from, i), step);
      kernel_store(kernel, element, combine(s, old, update), s->y->pointer, nest_add(nest, to, i));
    }
  }
}

static void scatter_axes(const Scatter *s, int axis, Val base, Val at, Val update) {
  Nest *nest = s->kernel->nest;
  if (axis == s->indices->rank) {
    Val index = move_index(s->kernel, s->indices, at, s->y->dims[s->axis]);
    update_run(s, nest_add(nest, base, nest_mul(nest, index, s->y->strides[s->axis])), update,
               nest_const(nest, 1));
    return;
  }
  FOR (nest, i, nest_const(nest, 0), s->indices->dims[axis], 1) {
    Val next =
        axis == s->axis ? base : nest_add(nest, base, nest_mul(nest, i, s->y->strides[axis]));
    scatter_axes(s, axis + 1, next,
                 nest_add(nest, at, nest_mul(nest, i, s->indices->strides[axis])),
                 nest_add(nest, update, nest_mul(nest, i, s->updates->strides[axis])));
  }
}

bool lower_scatter_elements(Kernel *kernel) {
  Scatter s = begin_scatter(kernel);
  s.axis = move_attribute_axis(kernel, s.y->rank);
  Val zero = nest_const(kernel->nest, 0);
  scatter_axes(&s, 0, zero, zero, zero);
  return true;
}

bool lower_scatter_nd(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Scatter s = begin_scatter(kernel);
  int last = s.indices->rank - 1, length = (int)type_dim(s.indices->type, last);
  Val tuples = move_product_value(nest, s.indices, 0, last),
      block = move_product_value(nest, s.y, length, s.y->rank);
  FOR (nest, t, nest_const(nest, 0), tuples, 1) {
    Val to = nest_const(nest, 0);
    for (int k = 0; k < length; k++) {
      Val at = nest_add(nest, nest_mul(nest, t, nest_const(nest, length)), nest_const(nest, k));
      to = nest_add(
          nest, to,
          nest_mul(nest, move_index(kernel, s.indices, at, s.y->dims[k]), s.y->strides[k]));
    }
    update_run(&s, to, nest_mul(nest, t, block), block);
  }
  return true;
}
