// Multiplications of an op, from its shapes.
#include "tools/work.h"

static int64_t product(const int64_t *dims, int from, int to) {
  int64_t result = 1;
  for (int i = from; i < to; i++) result *= dims[i];
  return result;
}

void work_dims(const Value *value, const int64_t *symbols, int64_t *dims) {
  for (int i = 0; i < value->type.rank; i++) dims[i] = dim_evaluate(value->type.dims[i], symbols);
}

int64_t work_macs(const Node *node, const int64_t *symbols) {
  int64_t a[MAX_RANK], b[MAX_RANK], y[MAX_RANK];
  bool factors = node_has_trait(node, ACCUMULATES) && node_own_operands(node) > 1;
  bool counted = factors || node->op == OP_LSTM || node->op == OP_GRU || node->op == OP_RNN;
  if (!counted || !node->results[0]) return 0;
  work_dims(node->operands[0], symbols, a);
  work_dims(node->operands[1], symbols, b);
  work_dims(node->results[0], symbols, y);
  int rank_a = node->operands[0]->type.rank, rank_b = node->operands[1]->type.rank,
      rank_y = node->results[0]->type.rank;
  if (node->op == OP_MATMUL) {
    bool transposed = node_int(node, ATTR_TRANSPOSE_A) && rank_a > 1;
    return product(y, 0, rank_y) * a[transposed ? rank_a - 2 : rank_a - 1];
  }
  if (node->op == OP_CONV) return product(y, 0, rank_y) * product(b, 1, rank_b);
  if (node->op == OP_CONV_TRANSPOSE) return product(a, 0, rank_a) * product(b, 1, rank_b);
  int64_t recurrent[MAX_RANK]; // x [t, b, i], w [d, gates * h, i], r [d, gates * h, h]
  work_dims(node->operands[2], symbols, recurrent);
  return a[0] * a[1] * (product(b, 0, 3) + product(recurrent, 0, 3));
}
