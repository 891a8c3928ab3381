// det: elimination with the largest element of each column as pivot, in place in a copy of the
// matrix.
#include <stddef.h>

// matrix: n rows of n; rows: room for as many; result: one element.
#define DETERMINANT(name, type)                                                                    \
  static inline type magnitude_##name(type x) { return x < 0 ? -x : x; }                           \
  void tenon_det_##name(const type *matrix, type *rows, type *result, size_t n) {                  \
    for (size_t i = 0; i < n * n; i++) rows[i] = matrix[i];                                        \
    type product = 1;                                                                              \
    for (size_t k = 0; k < n; k++) {                                                               \
      size_t pivot = k;                                                                            \
      for (size_t i = k + 1; i < n; i++)                                                           \
        if (magnitude_##name(rows[i * n + k]) > magnitude_##name(rows[pivot * n + k])) pivot = i;  \
      type divisor = rows[pivot * n + k];                                                          \
      if (pivot != k) {                                                                            \
        product = -product;                                                                        \
        for (size_t c = k; c < n; c++) {                                                           \
          type other = rows[k * n + c];                                                            \
          rows[k * n + c] = rows[pivot * n + c];                                                   \
          rows[pivot * n + c] = other;                                                             \
        }                                                                                          \
      }                                                                                            \
      product *= divisor;                                                                          \
      if (divisor == 0) continue; /* so is the whole column below */                               \
      for (size_t i = k + 1; i < n; i++) {                                                         \
        type factor = rows[i * n + k] / divisor;                                                   \
        for (size_t c = k; c < n; c++) rows[i * n + c] -= factor * rows[k * n + c];                \
      }                                                                                            \
    }                                                                                              \
    *result = product;                                                                             \
  }

DETERMINANT(f32, float)
DETERMINANT(f64, double)
