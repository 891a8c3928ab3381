// string_match: one walk through the automaton for each string.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

bool lower_string_match(Kernel *kernel) {
  const View *x = &kernel->operands[0], *table = &kernel->operands[2];
  Val arguments[] = {x->pointer, kernel->operands[1].pointer, table->pointer, kernel->results[0].pointer,
                     move_product_value(kernel->nest, x, 0, x->rank), table->dims[1]};
  nest_library(kernel->nest, "tenon_text_match", arguments, 6);
  return true;
}
