// top_k: a call of runtime/kernels/top_k.c for each row.
#include <stdio.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

static Val address(Nest *nest, const View *view, Val offset) {
  return nest_address(nest, view->pointer, nest_element_type(nest, view->element), offset);
}

bool lower_top_k(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *values = &kernel->results[0],
             *places = &kernel->results[1];
  int bits = element_info[x->element].bits;
  if (bits < 8 || (element_is_float(x->element) && bits < 16))
    return diag_error(kernel->diag, kernel->node->loc, "top_k of %s is not compiled",
                      element_info[x->element].text);
  int axis = move_attribute_axis(kernel, x->rank);
  Val zero = nest_const(nest, 0), outer = move_product_value(nest, x, 0, axis),
      inner = move_product_value(nest, x, axis + 1, x->rank);
  Val size = x->dims[axis], wanted = nest_min(nest, values->dims[axis], size);
  Val largest = nest_int(nest->i32, node_int(kernel->node, ATTR_LARGEST) != 0);
  char name[32];
  snprintf(name, sizeof name, "tenon_top_k_%s",
           x->element == BOOL ? "u8" : element_info[x->element].text);
  FOR (nest, row, zero, outer, 1)
    FOR (nest, column, zero, inner, 1) {
      Val from = nest_add(nest, nest_mul(nest, nest_mul(nest, row, size), inner), column);
      Val to =
          nest_add(nest, nest_mul(nest, nest_mul(nest, row, values->dims[axis]), inner), column);
      Val arguments[] = {address(nest, x, from),
                         address(nest, values, to),
                         address(nest, places, to),
                         size,
                         wanted,
                         inner,
                         largest};
      nest_library(nest, name, arguments, 7);
    }
  return true;
}
