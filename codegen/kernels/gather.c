// gather, gather_elements, gather_nd: elements and rows picked by index.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

// As [outer, axis, inner] the result is [outer, index, inner].
bool lower_gather(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *indices = &kernel->operands[1], *y = &kernel->results[0];
  int axis = move_attribute_axis(kernel, x->rank);
  Val zero = nest_const(nest, 0), outer = move_product_value(nest, x, 0, axis),
      inner = move_product_value(nest, x, axis + 1, x->rank);
  Val count = move_product_value(nest, indices, 0, indices->rank);
  FOR (nest, row, zero, outer, 1)
    FOR (nest, i, zero, count, 1) {
      Val at = move_index(kernel, indices, i, x->dims[axis]);
      Val from = nest_mul(nest, nest_add(nest, nest_mul(nest, row, x->dims[axis]), at), inner);
      Val to = nest_mul(nest, nest_add(nest, nest_mul(nest, row, count), i), inner);
      move_run(kernel, y->element, y->pointer, to, x->pointer, from, inner);
    }
  return true;
}

// --- gather_elements

typedef struct Pick {
  Kernel *kernel;
  const View *x, *indices, *y;
  int axis; // of the index
} Pick;

static void pick_axes(const Pick *pick, int axis, Val base, Val at) {
  Nest *nest = pick->kernel->nest;
  if (axis == pick->indices->rank) {
    Val index = move_index(pick->kernel, pick->indices, at, pick->x->dims[pick->axis]);
    Val from = nest_add(nest, base, nest_mul(nest, index, pick->x->strides[pick->axis]));
    raw_store(pick->kernel, pick->y->element,
              raw_load(pick->kernel, pick->y->element, pick->x->pointer, from, 1), pick->y->pointer,
              at);
    return;
  }
  FOR (nest, i, nest_const(nest, 0), pick->indices->dims[axis], 1) {
    Val next =
        axis == pick->axis ? base : nest_add(nest, base, nest_mul(nest, i, pick->x->strides[axis]));
    pick_axes(pick, axis + 1, next,
              nest_add(nest, at, nest_mul(nest, i, pick->indices->strides[axis])));
  }
}

bool lower_gather_elements(Kernel *kernel) {
  Pick pick = {kernel, &kernel->operands[0], &kernel->operands[1], &kernel->results[0],
               move_attribute_axis(kernel, kernel->operands[0].rank)};
  Val zero = nest_const(kernel->nest, 0);
  pick_axes(&pick, 0, zero, zero);
  return true;
}

// --- gather_nd

bool lower_gather_nd(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *indices = &kernel->operands[1], *y = &kernel->results[0];
  int batch = (int)node_int(kernel->node, ATTR_BATCH_DIMS), last = indices->rank - 1;
  int length = (int)type_dim(indices->type, last);
  Val zero = nest_const(nest, 0), block = move_product_value(nest, x, batch + length, x->rank);
  Val batches = move_product_value(nest, indices, 0, batch),
      tuples = move_product_value(nest, indices, batch, last);
  Val image = move_product_value(nest, x, batch, x->rank);
  FOR (nest, b, zero, batches, 1)
    FOR (nest, t, zero, tuples, 1) {
      Val tuple = nest_add(nest, nest_mul(nest, b, tuples), t), from = nest_mul(nest, b, image);
      for (int k = 0; k < length; k++) {
        Val at =
            nest_add(nest, nest_mul(nest, tuple, nest_const(nest, length)), nest_const(nest, k));
        Val index = move_index(kernel, indices, at, x->dims[batch + k]);
        from = nest_add(nest, from, nest_mul(nest, index, x->strides[batch + k]));
      }
      move_run(kernel, y->element, y->pointer, nest_mul(nest, tuple, block), x->pointer, from,
               block);
    }
  return true;
}
