// det: elimination with the largest element of each column as pivot.
#include <math.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

// The determinant of the n x n matrix, which becomes triangular.
static double eliminate(double *rows, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; k++) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; i++)
      if (fabs(rows[i * n + k]) > fabs(rows[pivot * n + k])) pivot = i;
    for (int64_t c = k; c < n && pivot != k; c++) {
      double other = rows[k * n + c];
      rows[k * n + c] = rows[pivot * n + c];
      rows[pivot * n + c] = other;
    }
    double divisor = rows[k * n + k];
    product *= pivot == k ? divisor : -divisor;
    for (int64_t i = k + 1; i < n && divisor != 0; i++) {
      double factor = rows[i * n + k] / divisor;
      for (int64_t c = k; c < n; c++) rows[i * n + c] -= factor * rows[k * n + c];
    }
  }
  return product;
}

bool interpret_det(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  int64_t n = x->dims[x->rank - 1], area = n * n;
  double *rows = NEW_ARRAY(evaluation->run->arena, double, area + 1);
  for (int64_t i = 0, count = tensor_count(&evaluation->results[0]); i < count; i++) {
    load_doubles(x, i * area, 1, area, rows);
    double product = eliminate(rows, n);
    store_doubles(&evaluation->results[0], i, 1, 1, &product);
    store_doubles(&evaluation->results[1], i * area, 1, area, rows);
  }
  return true;
}
