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

bool import_nhwc_max_pool(OnnxNode *node) {
  Value *x = onnx_need_inputs(node, 1) ? onnx_channels_first(node, onnx_input(node, 0)) : NULL;
  return onnx_output(node, 0, onnx_channels_last(node, onnx_pool(node, OP_MAX_POOL, x)));
}

bool import_fused_gemm(OnnxNode *node) {
  return onnx_output(node, 0, activate(node, onnx_gemm_result(node)));
}

// transBatch: the first axis stands before the last one, [m, batch.., k].
static Value *batch_in_front(OnnxNode *node, Value *x, bool moved) {
  if (!x || !moved || x->type.rank < 3) return x;
  int64_t perm[MAX_RANK];
  int rank = x->type.rank;
  for (int i = 0; i < rank; i++) perm[i] = i < rank - 2 ? i + 1 : i == rank - 2 ? 0 : i;
  return build_transpose(&node->builder, x, perm);
}

// alpha * A' * B', then perhaps an activation.
bool import_fused_matmul(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *a = batch_in_front(node, onnx_input(node, 0), onnx_int(node, "transBatchA", 0) != 0),
        *b = batch_in_front(node, onnx_input(node, 1), onnx_int(node, "transBatchB", 0) != 0);
  if (!a || !b) return false;
  Node *matmul = build_begin(&node->builder, OP_MATMUL, (Value *[]){a, b}, 2);
  node_set_int(matmul, ATTR_TRANSPOSE_A, onnx_int(node, "transA", 0) != 0);
  node_set_int(matmul, ATTR_TRANSPOSE_B, onnx_int(node, "transB", 0) != 0);
  Value *y = build_end(&node->builder, matmul);
  double alpha = onnx_float(node, "alpha", 1);
  if (alpha != 1) y = onnx_binary(node, OP_MUL, y, onnx_scalar_like(node, y, alpha));
  return onnx_output(node, 0, activate(node, y));
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

// --- sums

bool import_bias_add(OnnxNode *node) { // x + bias + skip
  return onnx_need_inputs(node, 3) &&
         onnx_output(
             node, 0,
             onnx_binary(node, OP_ADD,
                         onnx_binary(node, OP_ADD, onnx_input(node, 0), onnx_input(node, 1)),
                         onnx_input(node, 2)));
}

// a * gelu(b) of the halves of x + bias
bool import_bias_split_gelu(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *sum = onnx_binary(node, OP_ADD, onnx_input(node, 0), onnx_input(node, 1)), *halves[2];
  if (!sum || sum->type.rank < 1) return sum && onnx_error(node, "the input is a scalar");
  int axis = sum->type.rank - 1;
  const Dim *half =
      dim_floordiv(node->importer->dims, sum->type.dims[axis], import_dim(node->importer, 2));
  for (int i = 0; i < 2; i++)
    if (!(halves[i] = build_slice_axis(&node->builder, sum, axis,
                                       dim_mul_int(node->importer->dims, half, i), half, 1)))
      return false;
  return onnx_output(node, 0,
                     onnx_binary(node, OP_MUL, halves[0], onnx_unary(node, OP_GELU, halves[1])));
}

// softmax(x + bias); the bias repeats along axes before `axis`, inside or outside of its own.
bool import_bias_softmax(OnnxNode *node) {
  int axis;
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *bias = onnx_input(node, 1);
  if (!onnx_axis(node, onnx_int(node, "axis", 1), x->type.rank, &axis)) return false;
  if (bias->type.rank != x->type.rank && onnx_int(node, "is_inner_broadcast", 1))
    return onnx_unsupported(node, "a bias of another rank");
  Value *sum = onnx_binary(node, OP_ADD, x, bias);
  const Dim *rest = import_dim(node->importer, 1), *dims[MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    if (i < axis)
      dims[i] = x->type.dims[i];
    else
      rest = dim_mul(node->importer->dims, rest, x->type.dims[i]);
  }
  dims[axis] = rest;
  Value *flat = sum ? build_reshape(&node->builder, sum, axis + 1, dims) : NULL;
  Value *soft = onnx_unary(node, OP_SOFTMAX, flat);
  return onnx_output(node, 0,
                     soft ? build_reshape(&node->builder, soft, x->type.rank, x->type.dims) : NULL);
}

// --- group normalisation, channels last unless said otherwise. Operands: x, gamma, beta, skip,
// bias

bool import_microsoft_group_norm(OnnxNode *node) { // argument 1: of a sum, which is result 1
  if (!onnx_need_inputs(node, node->row->argument ? 4 : 3)) return false;
  bool last = onnx_int(node, "channels_last", 1) != 0;
  Value *x = onnx_input(node, 0), *skip = onnx_input(node, 3), *bias = onnx_input(node, 4);
  x = last ? x : onnx_channels_last(node, x);
  if (x && skip && skip->type.rank == 2 && x->type.rank == 4)
    skip = onnx_unsqueeze(node, skip, (int64_t[]){1, 2}, 2);
  else if (skip && !last)
    skip = onnx_channels_last(node, skip);
  if (skip) x = onnx_binary(node, OP_ADD, x, skip);
  if (bias)
    x = onnx_binary(node, OP_ADD, x, onnx_convert(node, bias, onnx_input(node, 0)->type.element));
  if (!x) return false;
  Value *operands[3] = {x, onnx_convert(node, onnx_input(node, 1), x->type.element),
                        onnx_convert(node, onnx_input(node, 2), x->type.element)};
  if (node->builder.failed) return false;
  Node *norm = build_begin(&node->builder, OP_GROUP_NORM, operands, 3);
  node_set_int(norm, ATTR_GROUP, onnx_int(node, "groups", 1));
  node_set_float(norm, ATTR_EPSILON, onnx_float(node, "epsilon", 1e-5));
  Value *y = build_end(&node->builder, norm);
  if (onnx_int(node, "activation", 0)) y = onnx_unary(node, OP_SWISH, y);
  return onnx_output(node, 0, last ? y : onnx_channels_first(node, y)) &&
         onnx_output(node, 1, last ? x : onnx_channels_first(node, x));
}
