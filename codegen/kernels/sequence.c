// trilu, reverse_sequence, one_hot, range: results that follow from positions.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

bool lower_trilu(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  bool upper = node_int(kernel->node, ATTR_UPPER) != 0;
  Val diagonal = nest_const(nest, node_int(kernel->node, ATTR_BLOCK)), zero = nest_const(nest, 0);
  Val matrices = move_product_value(nest, x, 0, x->rank - 2), rows = x->dims[x->rank - 2],
      columns = x->dims[x->rank - 1];
  Val empty = raw_zero(kernel, y->type);
  FOR (nest, matrix, zero, matrices, 1)
    FOR (nest, row, zero, rows, 1) {
      Val start = nest_mul(nest, nest_add(nest, nest_mul(nest, matrix, rows), row), columns);
      Val edge = nest_add(nest, nest_add(nest, row, diagonal), nest_const(nest, upper ? 0 : 1));
      edge = nest_max(nest, nest_min(nest, edge, columns),
                      zero); // columns in front of it are the lower part
      Val middle = nest_add(nest, start, edge), behind = nest_sub(nest, columns, edge);
      Val kept = upper ? middle : start, cleared = upper ? start : middle;
      move_run(kernel, y->element, y->pointer, kept, x->pointer, kept, upper ? behind : edge);
      move_fill(kernel, y->element, y->pointer, cleared, empty, upper ? edge : behind);
    }
  return true;
}

typedef struct Reversal {
  Kernel *kernel;
  const View *x, *lengths;
  int time, batch, last; // last: the inner of the two
  Val inner, index[MAX_RANK];
} Reversal;

static void reverse_axes(Reversal *r, int axis, Val base) {
  Kernel *kernel = r->kernel;
  Nest *nest = kernel->nest;
  if (axis <= r->last) {
    FOR (nest, i, nest_const(nest, 0), r->x->dims[axis], 1) {
      r->index[axis] = i;
      reverse_axes(r, axis + 1, nest_add(nest, base, nest_mul(nest, i, r->x->strides[axis])));
    }
    return;
  }
  Val at = r->index[r->time], one = nest_const(nest, 1), zero = nest_const(nest, 0);
  Val length = kernel_load(kernel, r->lengths->element, r->lengths->pointer, r->index[r->batch], 1);
  Val longest = nest_extend(nest, r->x->dims[r->time], LLVMTypeOf(length), false);
  move_check(kernel, nest_compare(nest, LLVMIntUGT, length, longest));
  length = nest_extend(nest, length, nest->index, true);
  length = nest_max(nest, nest_min(nest, length, r->x->dims[r->time]), zero);
  Val mirrored = nest_sub(nest, nest_sub(nest, length, one), at);
  Val from = nest_select(nest, nest_compare(nest, LLVMIntSLT, at, length), mirrored, at);
  Val shift = nest_mul(nest, nest_sub(nest, from, at), r->x->strides[r->time]);
  move_run(kernel, r->x->element, kernel->results[0].pointer, base, r->x->pointer,
           nest_add(nest, base, shift), r->inner);
}

bool lower_reverse_sequence(Kernel *kernel) {
  const View *x = &kernel->operands[0];
  int64_t batch = node_int(kernel->node, ATTR_BATCH_DIMS);
  Reversal r = {.kernel = kernel,
                .x = x,
                .lengths = &kernel->operands[1],
                .time = move_attribute_axis(kernel, x->rank),
                .batch = (int)(batch < 0 ? batch + x->rank : batch)};
  r.last = r.time > r.batch ? r.time : r.batch;
  r.inner = move_product_value(kernel->nest, x, r.last + 1, x->rank);
  reverse_axes(&r, 0, nest_const(kernel->nest, 0));
  return true;
}

// An index as i64: floats are cut off.
static Val whole_index(Kernel *kernel, const View *indices, Val offset) {
  Nest *nest = kernel->nest;
  Val value = kernel_load(kernel, indices->element, indices->pointer, offset, 1);
  if (nest_is_float(value)) return nest_to_int(nest, value, nest->i64, true);
  return nest_extend(nest, value, nest->i64, element_is_signed(indices->element));
}

// [outer][depth][inner]: all `off`, then one `on` for each index.
bool lower_one_hot(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *indices = &kernel->operands[0], *values = &kernel->operands[1],
             *y = &kernel->results[0];
  int axis = move_attribute_axis(kernel, y->rank);
  Val zero = nest_const(nest, 0), depth = y->dims[axis],
      inner = move_product_value(nest, y, axis + 1, y->rank);
  Val outer = move_product_value(nest, y, 0, axis);
  Val off = raw_load(kernel, y->element, values->pointer, zero, 1),
      on = raw_load(kernel, y->element, values->pointer, nest_const(nest, 1), 1);
  move_fill(kernel, y->element, y->pointer, zero, off, move_product_value(nest, y, 0, y->rank));
  FOR (nest, row, zero, outer, 1)
    FOR (nest, column, zero, inner, 1) {
      Val index = whole_index(kernel, indices, nest_add(nest, nest_mul(nest, row, inner), column));
      Val inside =
          nest_compare(nest, LLVMIntULT, index, nest_extend(nest, depth, nest->i64, false));
      Branch branch = nest_if(nest, inside);
      Val at =
          nest_add(nest, nest_mul(nest, row, depth), nest_extend(nest, index, nest->index, false));
      raw_store(kernel, y->element, on, y->pointer,
                nest_add(nest, nest_mul(nest, at, inner), column));
      nest_end_if(nest, &branch);
    }
  return true;
}

bool lower_range(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *y = &kernel->results[0];
  Val zero = nest_const(nest, 0);
  Val start = kernel_load(kernel, y->element, kernel->operands[0].pointer, zero, 1);
  Val delta = kernel_load(kernel, y->element, kernel->operands[1].pointer, zero, 1);
  FOR (nest, i, zero, y->dims[0], 1) {
    Val number = nest_is_float(start) ? nest_to_float(nest, i, LLVMTypeOf(start), true)
                                      : nest_extend(nest, i, LLVMTypeOf(start), true);
    Val step = LLVMBuildFreeze(nest->builder, nest_mul(nest, number, delta),
                               ""); // rounded, not contracted
    kernel_store(kernel, y->element, nest_add(nest, start, step), y->pointer, i);
  }
  return true;
}
