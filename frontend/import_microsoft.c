// Operators of the domain com.microsoft, which ONNX Runtime's optimisers and quantizer write.
#include <math.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/import_window.h"

// --- products with an activation

static Value *with_float(OnnxNode *node, OpCode op, Value *x, AttributeId id, double value) {
  Node *result = x ? build_begin(&node->builder, op, &x, 1) : NULL;
  if (!result) return NULL;
  node_set_float(result, id, value);
  return build_end(&node->builder, result);
}

// The attribute `activation` of the fused operators.
static Value *activate(OnnxNode *node, Value *x) {
  const char *name = onnx_string(node, "activation", "");
  int count;
  const float *numbers = onnx_floats(node, "activation_params", &count);
  double alpha = count > 0 ? (double)numbers[0] : onnx_float(node, "activation_alpha", 0.01);
  double beta = count > 1 ? (double)numbers[1] : onnx_float(node, "activation_beta", 0.5);
  if (!*name) return x;
  if (strcmp(name, "Relu") == 0) return onnx_unary(node, OP_RELU, x);
  if (strcmp(name, "Tanh") == 0) return onnx_unary(node, OP_TANH, x);
  if (strcmp(name, "Sigmoid") == 0) return onnx_unary(node, OP_SIGMOID, x);
  if (strcmp(name, "LeakyRelu") == 0) return with_float(node, OP_LEAKY_RELU, x, ATTR_ALPHA, alpha);
  Node *result = NULL;
  if (strcmp(name, "Clip") == 0 || strcmp(name, "HardSigmoid") == 0) {
    bool clip = name[0] == 'C';
    result = x ? build_begin(&node->builder, clip ? OP_CLIP : OP_HARD_SIGMOID, &x, 1) : NULL;
    if (!result) return NULL;
    node_set_float(result, clip ? ATTR_LOW : ATTR_ALPHA, alpha);
    node_set_float(result, clip ? ATTR_HIGH : ATTR_BETA, beta);
    return build_end(&node->builder, result);
  }
  onnx_unsupported(node, "this activation");
  return NULL;
}

bool import_fused_conv(OnnxNode *node) {
  Value *y = onnx_conv_result(node);
  if (y && onnx_has_input(node, 3)) y = onnx_binary(node, OP_ADD, y, onnx_input(node, 3));
  return onnx_output(node, 0, activate(node, y));
}

bool import_fused_gemm(OnnxNode *node) {
  return onnx_output(node, 0, activate(node, onnx_gemm_result(node)));
}

bool import_fused_matmul(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  if (onnx_int(node, "transBatchA", 0) || onnx_int(node, "transBatchB", 0))
    return onnx_unsupported(node, "transposed batches");
  Node *matmul = build_begin(&node->builder, OP_MATMUL,
                             (Value *[]){onnx_input(node, 0), onnx_input(node, 1)}, 2);
  node_set_int(matmul, ATTR_TRANSPOSE_A, onnx_int(node, "transA", 0) != 0);
  node_set_int(matmul, ATTR_TRANSPOSE_B, onnx_int(node, "transB", 0) != 0);
  Value *y = build_end(&node->builder, matmul);
  double alpha = onnx_float(node, "alpha", 1);
  return onnx_output(
      node, 0, alpha == 1 ? y : onnx_binary(node, OP_MUL, y, onnx_scalar_like(node, y, alpha)));
}

// --- activations with a bias before

bool import_bias_gelu(OnnxNode *node) { // argument 1: the tanh approximation
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  if (onnx_has_input(node, 1)) x = onnx_binary(node, OP_ADD, x, onnx_input(node, 1));
  Node *gelu = x ? build_begin(&node->builder, OP_GELU, &x, 1) : NULL;
  if (!gelu) return false;
  node_set_string(gelu, ATTR_APPROXIMATE, node->row->argument ? "tanh" : "none");
  return onnx_output(node, 0, build_end(&node->builder, gelu));
}

bool import_quick_gelu(OnnxNode *node) {
  return onnx_need_inputs(node, 1) &&
         onnx_output(node, 0,
                     with_float(node, OP_SWISH, onnx_input(node, 0), ATTR_ALPHA,
                                onnx_float(node, "alpha", 1.702f)));
}

// --- normalisation of a sum: input + skip (+ bias). Results: normalised, mean, deviation, the sum

static bool skip_norm(OnnxNode *node, OpCode op, Value *scale, Value *beta, Value *bias) {
  Value *sum = onnx_binary(node, OP_ADD, onnx_input(node, 0), onnx_input(node, 1));
  if (bias) sum = onnx_binary(node, OP_ADD, sum, bias);
  Node *norm =
      sum ? build_begin(&node->builder, op, (Value *[]){sum, scale, beta}, beta ? 3 : 2) : NULL;
  if (!norm) return false;
  node_set_int(norm, ATTR_AXIS, sum->type.rank - 1);
  node_set_float(norm, ATTR_EPSILON, onnx_float(node, "epsilon", 1e-12));
  return onnx_output(node, 0, build_end(&node->builder, norm)) && onnx_output(node, 3, sum);
}

bool import_skip_layer_norm(OnnxNode *node) {
  return onnx_need_inputs(node, 3) && skip_norm(node, OP_LAYER_NORM, onnx_input(node, 2),
                                                onnx_input(node, 3), onnx_input(node, 4));
}

bool import_skip_rms_norm(OnnxNode *node) {
  return onnx_need_inputs(node, 3) &&
         skip_norm(node, OP_RMS_NORM, onnx_input(node, 2), NULL, onnx_input(node, 3));
}

// --- quantized elementwise operators: real numbers between dequantizing and quantizing

static Value *real_input(OnnxNode *node, int index) { // codes, scale, zero point
  Value *codes = onnx_input(node, index), *scale = onnx_input(node, index + 1),
        *zero = onnx_input(node, index + 2);
  Value *real = onnx_convert(node, codes, F32);
  if (zero) real = onnx_binary(node, OP_SUB, real, onnx_convert(node, zero, F32));
  return onnx_binary(node, OP_MUL, real, scale);
}

static Value *quantized(OnnxNode *node, Value *real, int index,
                        ElementType otherwise) { // scale, zero point
  Value *scale = onnx_input(node, index), *zero = onnx_input(node, index + 1);
  ElementType element = zero ? zero->type.element : otherwise;
  if (element_info[element].bits != 8 || !element_is_integer(element))
    return onnx_error(node, "a result of %s", element_info[element].text), NULL;
  Value *code = onnx_unary(node, OP_ROUND, onnx_binary(node, OP_DIV, real, scale));
  if (zero) code = onnx_binary(node, OP_ADD, code, onnx_convert(node, zero, F32));
  Node *clip = code ? build_begin(&node->builder, OP_CLIP, &code, 1) : NULL;
  if (!clip) return NULL;
  node_set_float(clip, ATTR_LOW, element_is_signed(element) ? -128 : 0);
  node_set_float(clip, ATTR_HIGH, element_is_signed(element) ? 127 : 255);
  return onnx_convert(node, build_end(&node->builder, clip), element);
}

bool import_qlinear_binary(
    OnnxNode *node) { // a, scale, zero, b, scale, zero, scale of the result, zero
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3) || !onnx_has_input(node, 4) ||
      !onnx_has_input(node, 6))
    return onnx_error(node, "an input is missing");
  Value *sum =
      onnx_binary(node, (OpCode)node->row->argument, real_input(node, 0), real_input(node, 3));
  return onnx_output(node, 0, quantized(node, sum, 6, onnx_input(node, 0)->type.element));
}

bool import_qlinear_unary(OnnxNode *node) { // x, scale, zero, scale of the result, zero
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3))
    return onnx_error(node, "an input is missing");
  OpCode op = (OpCode)node->row->argument;
  Value *x = real_input(node, 0);
  Value *y = op == OP_LEAKY_RELU
                 ? with_float(node, op, x, ATTR_ALPHA, onnx_float(node, "alpha", 0.01))
                 : onnx_unary(node, op, x);
  return onnx_output(node, 0, quantized(node, y, 3, onnx_input(node, 0)->type.element));
}

bool import_qlinear_global_pool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3))
    return onnx_error(node, "an input is missing");
  Value *x = real_input(node, 0);
  bool last = onnx_int(node, "channels_last", 0) != 0;
  if (!x || x->type.rank < 3)
    return x && onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  int64_t axes[MAX_RANK];
  for (int i = 2; i < x->type.rank; i++) axes[i - 2] = last ? i - 1 : i;
  Value *mean = build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, x->type.rank - 2, true);
  return onnx_output(node, 0, quantized(node, mean, 3, onnx_input(node, 0)->type.element));
}

bool import_qlinear_concat(
    OnnxNode *node) { // scale, zero of the result, then codes, scale, zero each
  int count = (node->input_count - 2) / 3, axis;
  if (count < 1 || !onnx_has_input(node, 0) || !onnx_has_input(node, 2))
    return onnx_error(node, "an input is missing");
  if (!onnx_axis(node, onnx_int(node, "axis", 0), onnx_input(node, 2)->type.rank, &axis))
    return false;
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count; i++) {
    if (!onnx_has_input(node, 2 + 3 * i) || !onnx_has_input(node, 3 + 3 * i))
      return onnx_error(node, "input %d is missing", 2 + 3 * i);
    if (!(parts[i] = real_input(node, 2 + 3 * i))) return false;
  }
  return onnx_output(node, 0,
                     quantized(node, build_concat(&node->builder, parts, count, axis), 0, U8));
}

// (a - zero) * (b - zero) * scales + bias
bool import_matmul_integer_to_float(
    OnnxNode *node) { // a, b, scale a, scale b, zero a, zero b, bias
  if (!onnx_need_inputs(node, 4)) return false;
  Value *operands[2];
  for (int i = 0; i < 2; i++) {
    operands[i] = onnx_convert(node, onnx_input(node, i), I32);
    Value *zero = onnx_input(node, 4 + i);
    if (zero) operands[i] = onnx_binary(node, OP_SUB, operands[i], onnx_convert(node, zero, I32));
    if (!operands[i]) return false;
  }
  Value *sum =
      onnx_convert(node, build_matmul(&node->builder, operands[0], operands[1], NULL), F32);
  Value *y = onnx_binary(node, OP_MUL, sum,
                         onnx_binary(node, OP_MUL, onnx_input(node, 2), onnx_input(node, 3)));
  if (onnx_has_input(node, 6)) y = onnx_binary(node, OP_ADD, y, onnx_input(node, 6));
  return onnx_output(node, 0, y);
}
