// det: a call of runtime/kernels/det.c for each matrix.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

bool lower_det(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *y = &kernel->results[0], *rows = &kernel->results[1];
  LLVMTypeRef element = nest_element_type(nest, x->element);
  Val size = x->dims[x->rank - 1], area = nest_mul(nest, size, size);
  FOR (nest, matrix, nest_const(nest, 0), move_product_value(nest, x, 0, x->rank - 2), 1) {
    Val first = nest_mul(nest, matrix, area);
    Val arguments[] = {nest_address(nest, x->pointer, element, first),
                       nest_address(nest, rows->pointer, element, first),
                       nest_address(nest, y->pointer, element, matrix), size};
    nest_library(nest, x->element == F64 ? "tenon_det_f64" : "tenon_det_f32", arguments, 4);
  }
  return true;
}
