// LSTM, GRU, RNN.
#include <math.h>
#include <string.h>
#include <strings.h>

#include "frontend/import.h"

enum { MAX_STEPS = 8 };

// Which activations take parameters: the lists give these only, in order.
static bool takes_alpha(const char *name) {
  static const char *const names[] = {"LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid",
                                      "Elu",       "Affine"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

static bool takes_beta(const char *name) {
  return strcasecmp(name, "ScaledTanh") == 0 || strcasecmp(name, "HardSigmoid") == 0 ||
         strcasecmp(name, "Affine") == 0;
}

static void set_activations(OnnxNode *node, Node *recurrent) {
  int count, alpha_count, beta_count, alpha = 0, beta = 0;
  const char *const *names = onnx_strings(node, "activations", &count);
  const float *alphas = onnx_floats(node, "activation_alpha", &alpha_count),
              *betas = onnx_floats(node, "activation_beta", &beta_count);
  if (!names || count == 0 || count > 2 * MAX_STEPS) return;
  const char *text = names[0];
  double scales[4 * MAX_STEPS];
  for (int i = 0; i < count; i++) {
    if (i) text = arena_printf(node->importer->arena, "%s,%s", text, names[i]);
    bool has_alpha = alphas && takes_alpha(names[i]) && alpha < alpha_count;
    bool has_beta = betas && takes_beta(names[i]) && beta < beta_count;
    scales[2 * i] = has_alpha ? (double)alphas[alpha++] : NAN;
    scales[2 * i + 1] = has_beta ? (double)betas[beta++] : NAN;
  }
  node_set_string(recurrent, ATTR_ACTIVATIONS, text);
  node_set_floats(recurrent, ATTR_SCALES, scales, 2 * count);
}

// layout 1 has the batch first: [b, t, i] and [b, d, h].
static Value *batch_second(OnnxNode *node, Value *x, bool layout) {
  return x && layout && x->type.rank == 3 ? build_transpose(&node->builder, x, (int64_t[]){1, 0, 2})
                                          : x;
}

static bool recurrent_outputs(OnnxNode *node, Node *recurrent, bool layout) {
  Value *y = build_end(&node->builder, recurrent);
  if (!y) return false;
  if (layout && onnx_wants_output(node, 0))
    y = build_transpose(&node->builder, y, (int64_t[]){2, 0, 1, 3});
  if (!onnx_output(node, 0, y)) return false;
  for (int i = 1; i < recurrent->result_count; i++)
    if (onnx_wants_output(node, i) &&
        !onnx_output(node, i, batch_second(node, recurrent->results[i], layout)))
      return false;
  return true;
}

// operands: as many as the op may have, NULL: absent.
static bool build_recurrent(OnnxNode *node, OpCode op, Value **operands) {
  int64_t order = onnx_int(node, "layout", 0), hidden = onnx_int(node, "hidden_size", 0);
  if (order < 0 || order > 1 || hidden < 0)
    return onnx_error(node, "layout %lld, hidden_size %lld", (long long)order, (long long)hidden);
  bool layout = order != 0;
  int count = op_info[op].max_operands;
  operands[0] = batch_second(node, operands[0], layout);
  operands[5] = batch_second(node, operands[5], layout);
  if (op == OP_LSTM) operands[6] = batch_second(node, operands[6], layout);
  while (count > 3 && !operands[count - 1]) count--;
  Node *recurrent = build_begin(&node->builder, op, operands, count);
  if (!recurrent) return false;
  node_set_int(recurrent, ATTR_HIDDEN, onnx_int(node, "hidden_size", 0));
  node_set_string(recurrent, ATTR_DIRECTION, onnx_string(node, "direction", "forward"));
  node_set_float(recurrent, ATTR_CLIP, onnx_float(node, "clip", 0));
  set_activations(node, recurrent);
  if (op == OP_LSTM)
    node_set_int(recurrent, ATTR_INPUT_FORGET, onnx_int(node, "input_forget", 0) != 0);
  if (op == OP_GRU)
    node_set_int(recurrent, ATTR_LINEAR_BEFORE, onnx_int(node, "linear_before_reset", 0) != 0);
  return recurrent_outputs(node, recurrent, layout);
}

bool import_recurrent(OnnxNode *node) {
  Value *operands[8];
  OpCode op = (OpCode)node->row->argument;
  if (!onnx_need_inputs(node, 3)) return false;
  for (int i = 0; i < op_info[op].max_operands; i++) operands[i] = onnx_input(node, i);
  return build_recurrent(node, op, operands);
}

// Weights as codes [directions, inputs, gates], scales and zero points per direction or column: the
// real weights in the order of LSTM.
static Value *real_weights(OnnxNode *node, int input, int scale_input) {
  Value *codes = onnx_input(node, input), *scale = onnx_input(node, scale_input),
        *zero = onnx_input(node, scale_input + 1);
  Tensor folded;
  if (codes->type.rank != 3) return onnx_error(node, "weights of rank %d", codes->type.rank), NULL;
  int64_t axes[2] = {1, 2};
  int missing = scale->type.rank == 1 ? 2 : 1;
  if (zero->type.rank != scale->type.rank || scale->type.rank < 1 || scale->type.rank > 2)
    return onnx_error(node, "scales of rank %d, zero points of rank %d", scale->type.rank,
                      zero->type.rank),
           NULL;
  Value *centred = onnx_binary(node, OP_SUB, onnx_convert(node, codes, F32),
                               onnx_convert(node, onnx_unsqueeze(node, zero, axes, missing), F32));
  Value *real = onnx_binary(node, OP_MUL, centred, onnx_unsqueeze(node, scale, axes, missing));
  Value *turned = real ? build_transpose(&node->builder, real, (int64_t[]){0, 2, 1}) : NULL;
  if (!turned || !import_constant_value(node->importer, turned, &folded)) return turned;
  return build_constant_tensor(&node->builder, &folded, codes->name);
}

// com.microsoft: an LSTM with quantized weights. Its inputs stay real numbers here, which is nearer
// to the model before quantization than ONNX Runtime's codes of them are.
bool import_dynamic_quantize_lstm(
    OnnxNode *node) { // LSTM's, then scales and zero points of w and r
  Value *operands[8];
  if (!onnx_need_inputs(node, 3)) return false;
  for (int i = 8; i < 12; i++)
    if (!onnx_has_input(node, i)) return onnx_error(node, "input %d of 12 is missing", i);
  for (int i = 0; i < 8; i++) operands[i] = onnx_input(node, i);
  operands[1] = real_weights(node, 1, 8);
  operands[2] = real_weights(node, 2, 10);
  return operands[1] && operands[2] && build_recurrent(node, OP_LSTM, operands);
}
