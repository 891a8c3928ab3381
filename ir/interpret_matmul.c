// matmul: batched, with broadcast batch dims; f32 products are summed in double, integers exactly.
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_product.h"

typedef struct MatMul {
  Product product;
  Factor a, b; // b as [.., k, n]
  int64_t rows, inner, columns;
  int64_t a_row, a_inner, b_inner, b_column; // strides
} MatMul;

// One matrix of b in [k][n] order, so that the innermost loop runs along columns.
#define DEFINE_MULTIPLY(name, T, field, store)                                                     \
  static void name(const MatMul *m, int64_t a_at, int64_t b_at, int64_t at, T *matrix, T *sums) {  \
    const T *a = m->a.field + a_at, *b = m->b.field + b_at;                                        \
    for (int64_t k = 0; k < m->inner; k++)                                                         \
      for (int64_t n = 0; n < m->columns; n++)                                                     \
        matrix[k * m->columns + n] = b[k * m->b_inner + n * m->b_column];                          \
    for (int64_t i = 0; i < m->rows; i++) {                                                        \
      memset(sums, 0, (size_t)m->columns * sizeof *sums);                                          \
      for (int64_t k = 0; k < m->inner; k++) {                                                     \
        T factor = a[i * m->a_row + k * m->a_inner];                                               \
        const T *row = matrix + k * m->columns;                                                    \
        for (int64_t n = 0; n < m->columns; n++) sums[n] += factor * row[n];                       \
      }                                                                                            \
      store;                                                                                       \
    }                                                                                              \
  }
DEFINE_MULTIPLY(multiply_floats, double, floats,
                product_store_floats(&m->product, at + i * m->columns, 0, m->columns, sums))
DEFINE_MULTIPLY(multiply_ints, uint64_t, ints,
                product_store_ints(&m->product, at + i * m->columns, i, 0, m->columns, sums))

static bool check_inner(Evaluation *evaluation, const MatMul *m, const Tensor *b, bool transposed) {
  int64_t other = b->dims[b->rank - 2 + transposed];
  if (m->inner == other) return true;
  return diag_error(evaluation->run->diag, evaluation->node->loc,
                    "matmul: inner dimensions %lld and %lld differ", (long long)m->inner,
                    (long long)other);
}

// Offset of batch `number` of the result in an operand whose batch dims broadcast; -1 (reported):
// they do not.
static int64_t batch_offset(Evaluation *evaluation, const Tensor *operand, int64_t number) {
  const Tensor *result = &evaluation->results[0];
  int64_t strides[MAX_RANK], offset = 0;
  dense_strides(operand->rank, operand->dims, strides);
  for (int i = result->rank - 3, k = operand->rank - 3; i >= 0; i--, k--) {
    int64_t index = number % result->dims[i];
    number /= result->dims[i];
    if (k < 0 || operand->dims[k] == 1) continue;
    if (operand->dims[k] != result->dims[i]) {
      diag_error(evaluation->run->diag, evaluation->node->loc,
                 "matmul: batch dim %d = %lld, wanted %lld or 1", k, (long long)operand->dims[k],
                 (long long)result->dims[i]);
      return -1;
    }
    offset += index * strides[k];
  }
  return offset;
}

bool interpret_matmul(Evaluation *evaluation) {
  const Tensor *a = &evaluation->operands[0], *b = &evaluation->operands[1],
               *y = &evaluation->results[0];
  bool ta = node_int(evaluation->node, ATTR_TRANSPOSE_A) != 0,
       tb = node_int(evaluation->node, ATTR_TRANSPOSE_B) != 0;
  MatMul m = {.rows = y->dims[y->rank - 2],
              .columns = y->dims[y->rank - 1],
              .inner = a->dims[a->rank - 1 - ta]};
  if (!check_inner(evaluation, &m, b, tb) || !product_start(&m.product, evaluation)) return false;
  m.a = product_factor(&m.product, 0);
  m.b = product_factor(&m.product, 1);
  m.a_row = ta ? 1 : m.inner;
  m.a_inner = ta ? m.rows : 1;
  m.b_inner = tb ? 1 : m.columns;
  m.b_column = tb ? m.inner : 1;
  int64_t batches = 1;
  for (int i = 0; i < y->rank - 2; i++) batches *= y->dims[i];
  void *matrix = NEW_ARRAY(evaluation->run->arena, double, m.inner *m.columns);
  void *sums = NEW_ARRAY(evaluation->run->arena, double, m.columns);
  for (int64_t i = 0; i < batches; i++) {
    int64_t a_at = batch_offset(evaluation, a, i), b_at = batch_offset(evaluation, b, i);
    if (a_at < 0 || b_at < 0) return false;
    if (m.product.integer)
      multiply_ints(&m, a_at, b_at, i * m.rows * m.columns, matrix, sums);
    else
      multiply_floats(&m, a_at, b_at, i * m.rows * m.columns, matrix, sums);
  }
  return true;
}
