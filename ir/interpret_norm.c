// Normalisations. Statistics and results in double, rounded once.
#include <math.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

static bool factor_fits(Evaluation *evaluation, int index) {
  const Tensor *x = &evaluation->operands[0], *factor = &evaluation->operands[index];
  for (int k = 0; k < factor->rank; k++) {
    int64_t found = factor->dims[k], wanted = x->dims[x->rank - factor->rank + k];
    if (found != 1 && found != wanted)
      return diag_error(evaluation->run->diag, evaluation->node->loc,
                        "%s: operand %d has dim %d = %lld, wanted %lld",
                        op_info[evaluation->node->op].text, index, k, (long long)found,
                        (long long)wanted);
  }
  return true;
}

// Operand `index` broadcast to the last dims of x, `count` elements; *values NULL: absent.
static bool factor_over(Evaluation *evaluation, int index, int64_t count, double **values) {
  *values = NULL;
  if (!operand_present(evaluation, index)) return true;
  if (!factor_fits(evaluation, index)) return false;
  const Tensor *x = &evaluation->operands[0], *factor = &evaluation->operands[index];
  double *given = all_doubles(evaluation, factor);
  *values = NEW_ARRAY(evaluation->run->arena, double, count);
  int64_t strides[MAX_RANK];
  dense_strides(factor->rank, factor->dims, strides);
  for (int64_t i = 0; i < count; i++) {
    int64_t at = 0, rest = i;
    for (int k = factor->rank - 1, d = x->rank - 1; k >= 0; k--, d--) {
      if (factor->dims[k] != 1) at += rest % x->dims[d] * strides[k];
      rest /= x->dims[d];
    }
    (*values)[i] = given[at];
  }
  return true;
}

// x becomes (x - mean) / sqrt(variance + epsilon), or x / sqrt(mean(x^2) + epsilon).
static void normalise(double *x, int64_t count, double epsilon, bool centred) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; i++) sum += x[i];
  double mean = centred ? sum / (double)count : 0;
  for (int64_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
  double deviation = sqrt(squares / (double)count + epsilon);
  for (int64_t i = 0; i < count; i++) x[i] = (x[i] - mean) / deviation;
}

static double epsilon_of(const Node *node) { return (double)(float)node_float(node, ATTR_EPSILON); }

bool interpret_layer_norm(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  AxisView view = axis_view(x, node_int(evaluation->node, ATTR_AXIS));
  int64_t count = view.length * view.inner;
  double *scale, *bias;
  if (!factor_over(evaluation, 1, count, &scale) || !factor_over(evaluation, 2, count, &bias))
    return false;
  double *values = NEW_ARRAY(evaluation->run->arena, double, count);
  for (int64_t row = 0; row < view.outer && count; row++) {
    load_doubles(x, row * count, 1, count, values);
    normalise(values, count, epsilon_of(evaluation->node), evaluation->node->op == OP_LAYER_NORM);
    for (int64_t i = 0; i < count; i++)
      values[i] = values[i] * (scale ? scale[i] : 1) + (bias ? bias[i] : 0);
    store_doubles(&evaluation->results[0], row * count, 1, count, values);
  }
  return true;
}

bool interpret_group_norm(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  int64_t channels = x->dims[x->rank - 1], groups = node_int(evaluation->node, ATTR_GROUP),
          each = channels / groups;
  if (each * groups != channels)
    return diag_error(evaluation->run->diag, evaluation->node->loc,
                      "group_norm: %lld channels do not divide into %lld groups",
                      (long long)channels, (long long)groups);
  int64_t spatial = 1;
  for (int i = 1; i < x->rank - 1; i++) spatial *= x->dims[i];
  double *scale, *bias;
  if (!factor_over(evaluation, 1, channels, &scale) || !factor_over(evaluation, 2, channels, &bias))
    return false;
  double *values = NEW_ARRAY(evaluation->run->arena, double, spatial *each);
  for (int64_t i = 0; i < x->dims[0] * groups && spatial > 0 && each > 0; i++) {
    int64_t first = i % groups * each, base = i / groups * spatial * channels + first;
    for (int64_t s = 0; s < spatial; s++)
      load_doubles(x, base + s * channels, 1, each, values + s * each);
    normalise(values, spatial * each, epsilon_of(evaluation->node), true);
    for (int64_t k = 0; k < spatial * each; k++) {
      int64_t channel = first + k % each;
      values[k] = values[k] * (scale ? scale[channel] : 1) + (bias ? bias[channel] : 0);
    }
    for (int64_t s = 0; s < spatial; s++)
      store_doubles(&evaluation->results[0], base + s * channels, 1, each, values + s * each);
  }
  return true;
}

bool interpret_lrn(Evaluation *evaluation) {
  const Node *node = evaluation->node;
  const Tensor *x = &evaluation->operands[0];
  int64_t size = node_int(node, ATTR_BLOCK), channels = x->dims[x->rank - 1],
          count = tensor_count(x);
  int64_t before = (size - 1) / 2, after = size - 1 - before;
  double alpha = (double)(float)node_float(node, ATTR_ALPHA),
         beta = (double)(float)node_float(node, ATTR_BETA);
  double bias = (double)(float)node_float(node, ATTR_BIAS);
  double *values = NEW_ARRAY(evaluation->run->arena, double, channels);
  double *results = NEW_ARRAY(evaluation->run->arena, double, channels);
  for (int64_t at = 0; at < count; at += channels) {
    load_doubles(x, at, 1, channels, values);
    for (int64_t c = 0; c < channels; c++) {
      int64_t low = c < before ? 0 : c - before,
              high = channels - c > after ? c + after : channels - 1;
      double squares = 0;
      for (int64_t i = low; i <= high; i++) squares += values[i] * values[i];
      results[c] = values[c] / pow(bias + alpha / (double)size * squares, beta);
    }
    store_doubles(&evaluation->results[0], at, 1, channels, results);
  }
  return true;
}
