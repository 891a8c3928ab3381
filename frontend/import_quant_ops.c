// Integer products: QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger.
#include <math.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/import_window.h"

// x - zero in 32 bits; a vector of zero points belongs to `axis`.
static Value *centred(OnnxNode *node, Value *x, Value *zero, int axis) {
  Value *wide = onnx_convert(node, x, I32);
  if (!zero) return wide;
  Value *aligned = zero->type.rank == 1 && dim_is(zero->type.dims[0], 1)
                       ? build_reshape(&node->builder, zero, 0, NULL)
                       : onnx_align(node, zero, axis, x->type.rank);
  return onnx_binary(node, OP_SUB, wide, onnx_convert(node, aligned, I32));
}

// The convolution of centred operands as a sum of integers.
static Value *integer_conv(OnnxNode *node, Value *x, Value *w, Value *x_zero, Value *w_zero,
                           Value *bias) {
  Window window;
  int64_t kernel[MAX_RANK], group = onnx_int(node, "group", 1);
  if (x->type.rank < 3 || w->type.rank != x->type.rank)
    return onnx_error(node, "input of rank %d, weights of rank %d", x->type.rank, w->type.rank),
           NULL;
  for (int i = 2; i < w->type.rank; i++)
    if (!dim_is_constant(w->type.dims[i], &kernel[i - 2]))
      return onnx_error(node, "the weights must have a static shape"), NULL;
  if (!onnx_window(node, x->type.rank - 2, kernel, &window)) return NULL;
  if (group < 1 || group > INT32_MAX) return onnx_error(node, "group %lld", (long long)group), NULL;
  Value *a = centred(node, x, x_zero, 1), *b = centred(node, w, w_zero, 0);
  if (a) a = onnx_auto_pad(node, a, &window, NULL);
  return a && b ? onnx_build_conv(node, a, b, bias, &window, group) : NULL;
}

bool import_conv_integer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  return onnx_output(node, 0,
                     integer_conv(node, onnx_input(node, 0), onnx_input(node, 1),
                                  onnx_input(node, 2), onnx_input(node, 3), NULL));
}

// A zero point per row of a matrix operand is a column, per column of the other a row.
static Value *centred_matrix(OnnxNode *node, Value *x, Value *zero, bool rows) {
  if (!zero || zero->type.rank != 1 || dim_is(zero->type.dims[0], 1))
    return centred(node, x, zero, 0);
  return centred(node, x, zero, rows ? x->type.rank - 2 : x->type.rank - 1);
}

Value *onnx_matmul_integer(OnnxNode *node, Value *a, Value *b, Value *a_zero, Value *b_zero) {
  if (!a || !b) return NULL;
  if (a->type.rank < 1 || b->type.rank < 1) return onnx_error(node, "an operand is a scalar"), NULL;
  bool row = a->type.rank == 1, column = b->type.rank == 1;
  if (row) a = onnx_unsqueeze(node, a, (int64_t[]){0}, 1);
  if (column) b = onnx_unsqueeze(node, b, (int64_t[]){1}, 1);
  if (!a || !b) return NULL;
  Value *left = centred_matrix(node, a, a_zero, true),
        *right = centred_matrix(node, b, b_zero, false);
  Value *product = left && right ? build_matmul(&node->builder, left, right, NULL) : NULL;
  if (!product) return NULL;
  int64_t axes[2];
  int count = 0;
  if (row) axes[count++] = product->type.rank - 2;
  if (column) axes[count++] = product->type.rank - 1;
  return onnx_squeeze(node, product, axes, count);
}

bool import_matmul_integer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  return onnx_output(node, 0,
                     onnx_matmul_integer(node, onnx_input(node, 0), onnx_input(node, 1),
                                         onnx_input(node, 2), onnx_input(node, 3)));
}

// saturate(round(sum * factor) + zero), factor = scale a * scale b / scale y
static Value *rescale(OnnxNode *node, Value *sum, Value *factor, Value *zero) {
  ElementType element = zero->type.element;
  if (!element_is_integer(element) || element_info[element].bits > 16)
    return onnx_error(node, "a result of %s", element_info[element].text), NULL;
  Value *real = onnx_binary(node, OP_MUL, onnx_convert(node, sum, F32), factor);
  if (zero->type.rank == 1 && dim_is(zero->type.dims[0], 1))
    zero = build_reshape(&node->builder, zero, 0, NULL);
  Value *code =
      onnx_binary(node, OP_ADD, onnx_unary(node, OP_ROUND, real), onnx_convert(node, zero, F32));
  Node *clip = code ? build_begin(&node->builder, OP_CLIP, &code, 1) : NULL;
  if (!clip) return NULL;
  int bits = element_info[element].bits;
  node_set_float(clip, ATTR_LOW, element_is_signed(element) ? -ldexp(1, bits - 1) : 0);
  node_set_float(clip, ATTR_HIGH,
                 element_is_signed(element) ? ldexp(1, bits - 1) - 1 : ldexp(1, bits) - 1);
  return onnx_convert(node, build_end(&node->builder, clip), element);
}

static Value *scale_factor(OnnxNode *node, Value *a, Value *b, Value *y) {
  Value *product =
      onnx_binary(node, OP_MUL, onnx_convert(node, a, F32), onnx_convert(node, b, F32));
  return onnx_binary(node, OP_DIV, product, onnx_convert(node, y, F32));
}

// x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias
bool import_qlinear_conv(OnnxNode *node) {
  if (!onnx_need_inputs(node, 8)) return false;
  bool last = onnx_int(node, "channels_last", 0) != 0; // only com.microsoft has it
  Value *x = onnx_input(node, 0), *w = onnx_input(node, 3);
  if (last && !(x = onnx_channels_first(node, x))) return false;
  Value *sum =
      integer_conv(node, x, w, onnx_input(node, 2), onnx_input(node, 5), onnx_input(node, 8));
  Value *factor = scale_factor(node, onnx_input(node, 1), onnx_input(node, 4), onnx_input(node, 6));
  if (!sum || !factor) return false;
  if (factor->type.rank == 1 && !dim_is(factor->type.dims[0], 1))
    factor = onnx_align(node, factor, 1, sum->type.rank);
  Value *y = rescale(node, sum, factor, onnx_input(node, 7));
  return onnx_output(node, 0, last ? onnx_channels_last(node, y) : y);
}

// a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
bool import_qlinear_matmul(OnnxNode *node) {
  if (!onnx_need_inputs(node, 8)) return false;
  Value *sum = onnx_matmul_integer(node, onnx_input(node, 0), onnx_input(node, 3),
                                   onnx_input(node, 2), onnx_input(node, 5));
  Value *factor = scale_factor(node, onnx_input(node, 1), onnx_input(node, 4), onnx_input(node, 6));
  if (!sum || !factor) return false;
  return onnx_output(node, 0, rescale(node, sum, factor, onnx_input(node, 7)));
}
