// One step of an optimizer (ai.onnx.preview.training): elementwise arithmetic on each tensor.
#include <string.h>

#include "frontend/import.h"

// Inputs: rate, count, then all tensors, all gradients, and each further kind of state in turn.
typedef struct Training {
  OnnxNode *node;
  Value *rate, *count; // f32, f64; the count of updates as a number of the rate's type
  int tensors, states; // states: momentum and the like
} Training;

static bool training_begin(OnnxNode *node, int states, Training *training) {
  int operands = node->input_count - 2, kinds = 2 + states;
  *training = (Training){.node = node, .states = states, .tensors = operands / kinds};
  if (!onnx_need_inputs(node, node->input_count > 2 ? node->input_count : 3)) return false;
  if (operands % kinds != 0)
    return onnx_error(node, "%d inputs, wanted 2 and %d for each tensor", node->input_count, kinds);
  training->rate = onnx_input(node, 0);
  training->count = onnx_convert(node, onnx_input(node, 1), training->rate->type.element);
  return !node->builder.failed;
}

// Operand `kind` of tensor `index`: 0 the tensor, 1 its gradient, 2.. its state.
static Value *part(const Training *training, int kind, int index) {
  return onnx_input(training->node, 2 + kind * training->tensors + index);
}

// Result `kind`: 0 the tensor, 1.. its state.
static bool set_part(const Training *training, int kind, int index, Value *value) {
  return onnx_output(training->node, kind * training->tensors + index, value);
}

static Value *times(OnnxNode *node, Value *x, double factor) {
  return onnx_binary(node, OP_MUL, x, onnx_scalar_like(node, x, factor));
}

static Value *plus(OnnxNode *node, Value *x, double term) {
  return onnx_binary(node, OP_ADD, x, onnx_scalar_like(node, x, term));
}

// The gradient with that of norm_coefficient / 2 * |x|^2.
static Value *regularized(const Training *training, int index) {
  OnnxNode *node = training->node;
  return onnx_binary(node, OP_ADD,
                     times(node, part(training, 0, index), onnx_float(node, "norm_coefficient", 0)),
                     part(training, 1, index));
}

// count > 0 ? a : b
static Value *after_first(const Training *training, Value *a, Value *b) {
  OnnxNode *node = training->node;
  Value *later =
      onnx_binary(node, OP_LESS, onnx_scalar_like(node, training->count, 0), training->count);
  return onnx_where(node, later, a, b);
}

bool import_adagrad(OnnxNode *node) {
  Training training;
  if (!training_begin(node, 1, &training)) return false;
  Value *decay = plus(node, times(node, training.count, onnx_float(node, "decay_factor", 0)), 1);
  Value *rate = onnx_binary(node, OP_DIV, training.rate, decay);
  for (int i = 0; i < training.tensors; i++) {
    Value *gradient = regularized(&training, i);
    Value *squares = onnx_binary(node, OP_ADD, part(&training, 2, i),
                                 onnx_binary(node, OP_MUL, gradient, gradient));
    Value *divisor =
        plus(node, onnx_unary(node, OP_SQRT, squares), onnx_float(node, "epsilon", 1e-6f));
    Value *step = onnx_binary(node, OP_DIV, onnx_binary(node, OP_MUL, rate, gradient), divisor);
    if (!set_part(&training, 0, i, onnx_binary(node, OP_SUB, part(&training, 0, i), step)) ||
        !set_part(&training, 1, i, squares))
      return false;
  }
  return true;
}

// 1 - base^count
static Value *bias_correction(const Training *training, double base) {
  OnnxNode *node = training->node;
  Value *power =
      onnx_binary(node, OP_POW, onnx_scalar_like(node, training->count, base), training->count);
  return onnx_binary(node, OP_SUB, onnx_scalar_like(node, training->count, 1), power);
}

// factor * old + (1 - factor) * new
static Value *average(OnnxNode *node, Value *old, Value *new, double factor) {
  return onnx_binary(node, OP_ADD, times(node, old, factor), times(node, new, 1 - factor));
}

bool import_adam(OnnxNode *node) {
  Training training;
  if (!training_begin(node, 2, &training)) return false;
  double alpha = onnx_float(node, "alpha", 0.9f), beta = onnx_float(node, "beta", 0.999f);
  Value *corrected =
      onnx_binary(node, OP_DIV,
                  onnx_binary(node, OP_MUL, training.rate,
                              onnx_unary(node, OP_SQRT, bias_correction(&training, beta))),
                  bias_correction(&training, alpha));
  Value *rate = after_first(&training, corrected, training.rate);
  for (int i = 0; i < training.tensors; i++) {
    Value *gradient = regularized(&training, i);
    Value *mean = average(node, part(&training, 2, i), gradient, alpha);
    Value *squares =
        average(node, part(&training, 3, i), onnx_binary(node, OP_MUL, gradient, gradient), beta);
    Value *divisor =
        plus(node, onnx_unary(node, OP_SQRT, squares), onnx_float(node, "epsilon", 1e-6f));
    Value *step = onnx_binary(node, OP_DIV, onnx_binary(node, OP_MUL, rate, mean), divisor);
    Value *x = onnx_binary(node, OP_SUB, part(&training, 0, i), step);
    if (!set_part(&training, 0, i,
                  times(node, x, 1 - onnx_float(node, "norm_coefficient_post", 0))) ||
        !set_part(&training, 1, i, mean) || !set_part(&training, 2, i, squares))
      return false;
  }
  return true;
}

bool import_momentum(OnnxNode *node) {
  Training training;
  if (!training_begin(node, 1, &training)) return false;
  const char *mode = onnx_string(node, "mode", "");
  bool nesterov = strcmp(mode, "nesterov") == 0;
  if (!nesterov && strcmp(mode, "standard") != 0) return onnx_error(node, "mode '%s'", mode);
  double alpha = onnx_float(node, "alpha", 0);
  Value *beta =
      after_first(&training, onnx_scalar_like(node, training.rate, onnx_float(node, "beta", 0)),
                  onnx_scalar_like(node, training.rate, 1));
  for (int i = 0; i < training.tensors; i++) {
    Value *gradient = regularized(&training, i);
    Value *momentum = onnx_binary(node, OP_ADD, times(node, part(&training, 2, i), alpha),
                                  onnx_binary(node, OP_MUL, beta, gradient));
    Value *direction =
        nesterov ? onnx_binary(node, OP_ADD, gradient, times(node, momentum, alpha)) : momentum;
    Value *step = onnx_binary(node, OP_MUL, training.rate, direction);
    if (!set_part(&training, 0, i, onnx_binary(node, OP_SUB, part(&training, 0, i), step)) ||
        !set_part(&training, 1, i, momentum))
      return false;
  }
  return true;
}
