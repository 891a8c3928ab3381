// reshape, transpose, slice, expand, tile, concat: each says how its axes run through its operand.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

bool lower_reshape(Kernel *kernel) {
  const View *from = &kernel->operands[0], *to = &kernel->results[0];
  nest_copy(kernel->nest, to->pointer, from->pointer, kernel_bytes(kernel, to));
  return true;
}

bool lower_bit_cast(Kernel *kernel) { return lower_reshape(kernel); }
bool lower_map_values(Kernel *kernel) { return lower_reshape(kernel); }
bool lower_zip_map(Kernel *kernel) { return lower_reshape(kernel); }

bool lower_transpose(Kernel *kernel) {
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  Move move = move_begin(kernel, y, x);
  move.split = true;
  const Dim *from[MAX_RANK], *to[MAX_RANK];
  move_strides(kernel, x->type, from);
  move_strides(kernel, y->type, to);
  for (int i = 0; i < y->rank; i++) {
    int64_t axis = node_ints_at(kernel->node, ATTR_PERM, i, i);
    move_axis(&move, y->type->dims[i], to[i], from[axis < 0 ? axis + x->rank : axis]);
  }
  move_emit(&move);
  return true;
}

bool lower_slice(Kernel *kernel) {
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  DimTable *dims = move_dims(kernel);
  Move move = move_begin(kernel, y, x);
  move.split = true;
  const Dim *from[MAX_RANK], *to[MAX_RANK], *base = dim_constant(dims, 0);
  move_strides(kernel, x->type, from);
  move_strides(kernel, y->type, to);
  int count;
  const Dim *const *starts = node_dims(kernel->node, ATTR_STARTS, &count);
  for (int i = 0; i < y->rank; i++) {
    int64_t step = node_ints_at(kernel->node, ATTR_STEPS, i, 1);
    base = dim_add(dims, base, dim_mul(dims, starts[i], from[i]));
    move_axis(&move, y->type->dims[i], to[i], dim_mul_int(dims, from[i], step));
  }
  move.from_base = kernel_dim(kernel, base);
  move_emit(&move);
  return true;
}

bool lower_expand(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  DimTable *dims = move_dims(kernel);
  Move move = move_begin(kernel, y, x);
  move.split = true;
  const Dim *from[MAX_RANK], *to[MAX_RANK];
  move_strides(kernel, x->type, from);
  move_strides(kernel, y->type, to);
  for (int i = 0; i < y->rank; i++) {
    int own = i - (y->rank - x->rank);
    const Dim *size = own < 0 ? NULL : x->type->dims[own];
    if (!size || dim_is(size, 1)) {
      move_axis(&move, y->type->dims[i], to[i], dim_constant(dims, 0));
    } else if (size == y->type->dims[i] || dim_low(size) > 1) {
      move_axis(&move, y->type->dims[i], to[i], from[own]);
    } else { // only the run knows whether it is broadcast
      Val one = nest_compare(nest, LLVMIntEQ, x->dims[own], nest_const(nest, 1));
      move.axes[move.axis_count++] =
          (MoveAxis){.size = y->type->dims[i],
                     .to = to[i],
                     .from_value = nest_select(nest, one, nest_const(nest, 0), x->strides[own])};
    }
  }
  move_emit(&move);
  return true;
}

bool lower_tile(Kernel *kernel) {
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  DimTable *dims = move_dims(kernel);
  Move move = move_begin(kernel, y, x);
  move.split = true;
  const Dim *from[MAX_RANK], *to[MAX_RANK];
  move_strides(kernel, x->type, from);
  move_strides(kernel, y->type, to);
  int count;
  const Dim *const *repeats = node_dims(kernel->node, ATTR_SIZES, &count);
  for (int i = 0; i < y->rank; i++) {
    move_axis(&move, repeats[i], dim_mul(dims, to[i], x->type->dims[i]), dim_constant(dims, 0));
    move_axis(&move, x->type->dims[i], to[i], from[i]);
  }
  move_emit(&move);
  return true;
}

// [outer][axis * inner]: each operand is a block of every row.
bool lower_concat(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *y = &kernel->results[0];
  int axis = move_attribute_axis(kernel, y->rank);
  const Dim *outer = move_product(kernel, y->type, 0, axis);
  bool split = !dim_is(outer, 1) && element_info[y->element].bits >= 8;
  if (split) kernel_split(kernel, outer);
  Val inner = move_product_value(nest, y, axis + 1, y->rank),
      width = nest_mul(nest, y->dims[axis], inner);
  Val low = split ? kernel->begin : nest_const(nest, 0),
      high = split ? kernel->end : kernel_dim(kernel, outer);
  FOR (nest, row, low, high, 1) {
    Val done = nest_mul(nest, row, width);
    for (int i = 0; i < kernel->operand_count; i++) {
      const View *x = &kernel->operands[i];
      Val block = nest_mul(nest, x->dims[axis], inner);
      move_run(kernel, y->element, y->pointer, done, x->pointer, nest_mul(nest, row, block), block);
      done = nest_add(nest, done, block);
    }
  }
  return true;
}
