// Matrix products.
#include <string.h>

#include "frontend/import.h"

// numpy's rules: a vector on the left is a row, on the right a column, and its axis goes again.
bool import_matmul(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *a = onnx_input(node, 0), *b = onnx_input(node, 1);
  bool row = a->type.rank == 1, column = b->type.rank == 1;
  if (a->type.rank == 0 || b->type.rank == 0) return onnx_error(node, "an operand is a scalar");
  Value *by_codes = import_blocked_matmul(node, a, b);
  if (by_codes) return onnx_output(node, 0, by_codes);
  if (row) a = onnx_unsqueeze(node, a, (int64_t[]){0}, 1);
  if (column) b = onnx_unsqueeze(node, b, (int64_t[]){1}, 1);
  Value *product = a && b ? build_matmul(&node->builder, a, b, NULL) : NULL;
  if (!product) return false;
  int64_t axes[2];
  int count = 0;
  if (row) axes[count++] = product->type.rank - 2;
  if (column) axes[count++] = product->type.rank - 1;
  return onnx_output(node, 0, onnx_squeeze(node, product, axes, count));
}

// A row of n values that a matmul adds itself; NULL: C has to be added by an op of its own.
static Value *bias_row(OnnxNode *node, Value *c, const Dim *n) {
  int rank = c->type.rank;
  for (int i = 0; i < rank - 1; i++)
    if (!dim_is(c->type.dims[i], 1)) return NULL;
  if (rank == 0 || c->type.dims[rank - 1] != n) return NULL;
  return rank == 1 ? c : build_reshape(&node->builder, c, 1, &n);
}

// alpha * A' * B' + beta * C
Value *onnx_gemm_result(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return NULL;
  Value *a = onnx_input(node, 0), *b = onnx_input(node, 1), *c = onnx_input(node, 2);
  double alpha = onnx_float(node, "alpha", 1), beta = onnx_float(node, "beta", 1);
  bool transpose_a = onnx_int(node, "transA", 0) != 0,
       transpose_b = onnx_int(node, "transB", 0) != 0;
  if (a->type.rank != 2 || b->type.rank != 2)
    return onnx_error(node, "A has rank %d and B rank %d, wanted 2", a->type.rank, b->type.rank),
           NULL;
  Value *bias =
      c && alpha == 1 && beta == 1 ? bias_row(node, c, b->type.dims[transpose_b ? 0 : 1]) : NULL;
  Node *matmul = build_begin(&node->builder, OP_MATMUL, (Value *[]){a, b, bias}, bias ? 3 : 2);
  if (!matmul) return NULL;
  if (transpose_a) node_set_int(matmul, ATTR_TRANSPOSE_A, 1);
  if (transpose_b) node_set_int(matmul, ATTR_TRANSPOSE_B, 1);
  Value *result = build_end(&node->builder, matmul);
  if (alpha != 1) result = onnx_binary(node, OP_MUL, result, onnx_scalar_like(node, result, alpha));
  if (c && !bias && beta != 0) {
    if (beta != 1) c = onnx_binary(node, OP_MUL, c, onnx_scalar_like(node, c, beta));
    result = onnx_binary(node, OP_ADD, result, c);
  }
  return result;
}

bool import_gemm(OnnxNode *node) { return onnx_output(node, 0, onnx_gemm_result(node)); }

bool import_det(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  ElementType element = onnx_input(node, 0)->type.element;
  Value *x = onnx_convert(node, onnx_input(node, 0), element == F64 ? F64 : F32);
  return onnx_output(node, 0, onnx_convert(node, onnx_unary(node, OP_DET, x), element));
}
