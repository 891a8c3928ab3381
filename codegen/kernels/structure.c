// shape: dim expressions as data. copy: the same bytes elsewhere.
#include "codegen/kernels/lower.h"

bool lower_shape(Kernel *kernel) {
  Nest *nest = kernel->nest;
  int count;
  const Dim *const *dims = node_dims(kernel->node, ATTR_DIMS, &count);
  for (int i = 0; i < count; i++) {
    Val value = nest_extend(nest, kernel_dim(kernel, dims[i]), nest->i64, true);
    nest_store(nest, value,
               nest_address(nest, kernel->results[0].pointer, nest->i64, nest_const(nest, i)), 8);
  }
  return true;
}

Val kernel_bytes(Kernel *kernel, const View *view) {
  Nest *nest = kernel->nest;
  Val count = nest_const(nest, 1);
  for (int i = 0; i < view->rank; i++) count = nest_mul(nest, count, view->dims[i]);
  int bits = element_info[view->element].bits;
  if (bits >= 8) return nest_mul(nest, count, nest_const(nest, bits / 8));
  Val total = nest_add(nest, nest_mul(nest, count, nest_const(nest, bits)), nest_const(nest, 7));
  return nest_udiv(nest, total, nest_const(nest, 8));
}

bool lower_copy(Kernel *kernel) {
  const View *from = &kernel->operands[0], *to = &kernel->results[0];
  nest_copy(kernel->nest, to->pointer, from->pointer, kernel_bytes(kernel, to));
  return true;
}
