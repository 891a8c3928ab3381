// matmul_blocked: w[n, j] = (code - zero) * scale of its block, then x * w'.
#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/move.h"

bool interpret_matmul_blocked(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *codes = &evaluation->operands[1],
               *scales = &evaluation->operands[2];
  const Tensor *zeros = operand_present(evaluation, 3) ? &evaluation->operands[3] : NULL;
  int64_t k = x->dims[x->rank - 1], n = codes->dims[0], blocks = codes->dims[1],
          block = codes->dims[2], rows = dims_product(x, 0, x->rank - 1);
  double *weights = NEW_ARRAY(evaluation->run->arena, double, k + 1),
         *row = NEW_ARRAY(evaluation->run->arena, double, k + 1);
  for (int64_t column = 0; column < n; column++) {
    for (int64_t j = 0; j < k; j++) {
      int64_t number = column * blocks + j / block, at = number * block + j % block;
      double zero = !zeros ? node_float(evaluation->node, ATTR_VALUE)
                    : element_is_float(zeros->element)
                        ? element_load(zeros->element, zeros->data, number)
                        : (double)element_load_int(zeros->element, zeros->data, number);
      weights[j] = ((double)element_load_int(codes->element, codes->data, at) - zero) *
                   element_load(scales->element, scales->data, number);
    }
    for (int64_t i = 0; i < rows; i++) {
      double sum = 0;
      load_doubles(x, i * k, 1, k, row);
      for (int64_t j = 0; j < k; j++) sum += row[j] * weights[j];
      store_doubles(&evaluation->results[0], i * n + column, 1, 1, &sum);
    }
  }
  return true;
}
