// Normalisations. Batch normalisation becomes a multiplication and an addition with constants,
// channels last, so that it meets the convolution before it.
#include <string.h>

#include "frontend/import.h"

// x * scale + bias with vectors for axis 1.
static Value *scale_and_shift(OnnxNode *node, Value *x, Value *scale, Value *bias) {
  if (!x || node->builder.failed) return NULL;
  Value *last = onnx_channels_last(node, x);
  Value *scaled = onnx_binary(node, OP_MUL, last, scale);
  return onnx_channels_first(node, onnx_binary(node, OP_ADD, scaled, bias));
}

// 1 / sqrt(variance + epsilon)
static Value *inverse_deviation(OnnxNode *node, Value *variance, double epsilon) {
  Value *sum = onnx_binary(node, OP_ADD, variance, onnx_scalar_like(node, variance, epsilon));
  return onnx_unary(node, OP_RECIPROCAL, onnx_unary(node, OP_SQRT, sum));
}

// Mean and variance over all axes but 1.
static bool batch_statistics(OnnxNode *node, Value *x, Value **mean, Value **variance) {
  int64_t axes[MAX_RANK];
  int count = 0;
  for (int i = 0; i < x->type.rank; i++)
    if (i != 1) axes[count++] = i;
  Value *centre = build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, count, true);
  Value *deviation = onnx_binary(node, OP_SUB, x, centre);
  Value *squares = onnx_binary(node, OP_MUL, deviation, deviation);
  Value *spread =
      squares ? build_reduce(&node->builder, OP_REDUCE_MEAN, squares, axes, count, false) : NULL;
  *mean = centre ? build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, count, false) : NULL;
  *variance = spread;
  return *mean && *variance;
}

// running * momentum + current * (1 - momentum)
static Value *running(OnnxNode *node, Value *old, Value *current, double momentum) {
  current = onnx_convert(node, current, old->type.element);
  Value *kept = onnx_binary(node, OP_MUL, old, onnx_scalar_like(node, old, momentum));
  return onnx_binary(node, OP_ADD, kept,
                     onnx_binary(node, OP_MUL, current, onnx_scalar_like(node, old, 1 - momentum)));
}

// spatial = 0, before version 9: each activation has parameters of its own, [c, spatial..].
static bool batch_norm_each(OnnxNode *node) {
  Value *x = onnx_input(node, 0), *parts[4];
  for (int i = 0; i < 4; i++) {
    parts[i] =
        build_reshape(&node->builder, onnx_input(node, 1 + i), x->type.rank - 1, x->type.dims + 1);
    if (!parts[i]) return false;
  }
  Value *centred = onnx_binary(node, OP_SUB, x, parts[2]);
  Value *factor = onnx_binary(node, OP_MUL, parts[0],
                              inverse_deviation(node, parts[3], onnx_float(node, "epsilon", 1e-5)));
  return onnx_output(
      node, 0, onnx_binary(node, OP_ADD, onnx_binary(node, OP_MUL, centred, factor), parts[1]));
}

bool import_batch_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 5)) return false;
  Value *x = onnx_input(node, 0), *scale = onnx_input(node, 1), *bias = onnx_input(node, 2);
  Value *mean = onnx_input(node, 3), *variance = onnx_input(node, 4);
  if (x->type.rank < 2) return onnx_error(node, "input of rank %d, wanted 2 or more", x->type.rank);
  if (node->version < 9 && !onnx_int(node, "spatial", 1)) return batch_norm_each(node);
  for (int i = 1; i < 5; i++)
    if (onnx_input(node, i)->type.rank != 1)
      return onnx_error(node, "input %d has rank %d, wanted 1", i, onnx_input(node, i)->type.rank);
  if (node->version >= 14 && onnx_int(node, "training_mode", 0)) {
    double momentum = onnx_float(node, "momentum", 0.9);
    Value *old_mean = mean, *old_variance = variance;
    if (!batch_statistics(node, x, &mean, &variance)) return false;
    if (!onnx_output(node, 1, running(node, old_mean, mean, momentum)) ||
        !onnx_output(node, 2, running(node, old_variance, variance, momentum)))
      return false;
  }
  Value *factor = onnx_binary(node, OP_MUL, onnx_convert(node, scale, variance->type.element),
                              inverse_deviation(node, variance, onnx_float(node, "epsilon", 1e-5)));
  Value *shift = onnx_binary(
      node, OP_SUB, onnx_convert(node, bias, variance->type.element),
      onnx_binary(node, OP_MUL, onnx_convert(node, mean, variance->type.element), factor));
  return onnx_output(node, 0,
                     scale_and_shift(node, x, onnx_convert(node, factor, x->type.element),
                                     onnx_convert(node, shift, x->type.element)));
}

static bool build_group_norm(OnnxNode *node, Value *x, Value *scale, Value *bias, int64_t group) {
  Value *operands[3] = {onnx_channels_last(node, x), scale, bias};
  if (node->builder.failed || !scale || !bias) return false;
  Node *norm = build_begin(&node->builder, OP_GROUP_NORM, operands, 3);
  node_set_int(norm, ATTR_GROUP, group);
  node_set_float(norm, ATTR_EPSILON, onnx_float(node, "epsilon", 1e-5));
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, norm)));
}

static bool static_channels(OnnxNode *node, const Type *x, int64_t *channels) {
  if (x->rank < 3) return onnx_error(node, "input of rank %d, wanted 3 or more", x->rank);
  return (dim_is_constant(x->dims[1], channels) && *channels > 0) ||
         onnx_error(node, "the number of channels must be static and not 0");
}

bool import_instance_norm(OnnxNode *node) {
  int64_t channels;
  if (!onnx_need_inputs(node, 3) || !static_channels(node, &onnx_input(node, 0)->type, &channels))
    return false;
  return build_group_norm(node, onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2),
                          channels);
}

// Before version 21 scale and bias had one entry per group.
static Value *per_channel(OnnxNode *node, Value *x, int64_t groups, int64_t channels) {
  if (node->version >= 21) return x;
  int64_t sizes[2] = {groups, channels / groups};
  Type wide = type_static(node->importer->dims, x->type.element, 2, sizes);
  Value *column = onnx_unsqueeze(node, x, (int64_t[]){1}, 1);
  Value *expanded = column ? build_expand(&node->builder, column, 2, wide.dims) : NULL;
  return expanded ? build_reshape_static(&node->builder, expanded, 1, &channels) : NULL;
}

bool import_group_norm(OnnxNode *node) {
  int64_t channels, groups = onnx_int(node, "num_groups", 0);
  if (!onnx_need_inputs(node, 3) || !static_channels(node, &onnx_input(node, 0)->type, &channels))
    return false;
  if (groups < 1 || channels % groups != 0)
    return onnx_error(node, "%lld groups of %lld channels", (long long)groups, (long long)channels);
  Value *scale = onnx_input(node, 1), *bias = onnx_input(node, 2);
  if (scale->type.rank != 1 || bias->type.rank != 1)
    return onnx_error(node, "scale and bias must have rank 1");
  return build_group_norm(node, onnx_input(node, 0), per_channel(node, scale, groups, channels),
                          per_channel(node, bias, groups, channels), groups);
}

// The statistics as results of their own, computed apart from the normalisation.
static bool layer_statistics(OnnxNode *node, Value *x, int axis, double epsilon) {
  if (!onnx_wants_output(node, 1) && !onnx_wants_output(node, 2)) return true;
  int64_t axes[MAX_RANK];
  int count = 0;
  for (int i = axis; i < x->type.rank; i++) axes[count++] = i;
  Value *wide = element_info[x->type.element].bits < 32 ? onnx_convert(node, x, F32) : x;
  Value *mean = wide ? build_reduce(&node->builder, OP_REDUCE_MEAN, wide, axes, count, true) : NULL;
  Value *deviation = onnx_binary(node, OP_SUB, wide, mean);
  Value *squares = onnx_binary(node, OP_MUL, deviation, deviation);
  Value *variance =
      squares ? build_reduce(&node->builder, OP_REDUCE_MEAN, squares, axes, count, true) : NULL;
  return onnx_output(node, 1, mean) &&
         onnx_output(node, 2, inverse_deviation(node, variance, epsilon));
}

bool import_layer_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int axis;
  Value *x = onnx_input(node, 0), *bias = onnx_input(node, 2);
  double epsilon = onnx_float(node, "epsilon", 1e-5);
  if (!onnx_axis(node, onnx_int(node, "axis", -1), x->type.rank, &axis)) return false;
  Node *norm = build_begin(&node->builder, OP_LAYER_NORM, (Value *[]){x, onnx_input(node, 1), bias},
                           bias ? 3 : 2);
  node_set_int(norm, ATTR_AXIS, axis);
  node_set_float(norm, ATTR_EPSILON, epsilon);
  return onnx_output(node, 0, build_end(&node->builder, norm)) &&
         layer_statistics(node, x, axis, epsilon);
}

bool import_rms_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int axis;
  Value *x = onnx_input(node, 0);
  if (!onnx_axis(node, onnx_int(node, "axis", -1), x->type.rank, &axis)) return false;
  Node *norm = build_begin(&node->builder, OP_RMS_NORM, (Value *[]){x, onnx_input(node, 1)}, 2);
  node_set_int(norm, ATTR_AXIS, axis);
  node_set_float(norm, ATTR_EPSILON, onnx_float(node, "epsilon", 1e-5));
  return onnx_output(node, 0, build_end(&node->builder, norm));
}

bool import_lrn(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_channels_last(node, onnx_input(node, 0));
  int64_t size = onnx_int(node, "size", 0);
  if (size < 1 || size > INT32_MAX) return onnx_error(node, "size %lld", (long long)size);
  if (!x || x->type.rank < 3)
    return x && onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  Node *lrn = build_begin(&node->builder, OP_LRN, &x, 1);
  node_set_float(lrn, ATTR_ALPHA, onnx_float(node, "alpha", 1e-4));
  node_set_float(lrn, ATTR_BETA, onnx_float(node, "beta", 0.75));
  node_set_float(lrn, ATTR_BIAS, onnx_float(node, "bias", 1));
  node_set_int(lrn, ATTR_BLOCK, size);
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, lrn)));
}

// x / (norm of x along axis); a norm of 0 gives 0.
bool import_lp_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis;
  int64_t p = onnx_int(node, "p", 2);
  if (!onnx_axis(node, onnx_int(node, "axis", -1), x->type.rank, &axis)) return false;
  if (p != 1 && p != 2) return onnx_error(node, "p is %lld, wanted 1 or 2", (long long)p);
  Value *norm = onnx_reduce_one(node, p == 1 ? OP_REDUCE_L1 : OP_REDUCE_SQUARES, x, axis, true);
  if (p == 2) norm = onnx_unary(node, OP_SQRT, norm);
  Value *zero = onnx_binary(node, OP_EQUAL, norm, onnx_scalar_like(node, x, 0));
  Value *one = onnx_scalar_like(node, x, 1);
  Value *divisor = onnx_where(node, zero, one, norm);
  return onnx_output(node, 0, onnx_binary(node, OP_DIV, x, divisor));
}

// (x - mean) / (sqrt(mean(x^2) - mean^2) + 1e-9)
bool import_mean_variance_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int count;
  int64_t axes[MAX_RANK] = {0, 2, 3};
  const int64_t *given = onnx_ints(node, "axes", &count);
  if (!onnx_axes(node, given ? given : (int64_t[]){0, 2, 3}, given ? count : 3, x->type.rank, axes))
    return false;
  if (!given) count = 3;
  Value *mean = build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, count, true);
  Value *squares = onnx_binary(node, OP_MUL, x, x);
  Value *mean_squares =
      squares ? build_reduce(&node->builder, OP_REDUCE_MEAN, squares, axes, count, true) : NULL;
  Value *variance = onnx_binary(node, OP_SUB, mean_squares, onnx_binary(node, OP_MUL, mean, mean));
  Value *deviation = onnx_binary(node, OP_ADD, onnx_unary(node, OP_SQRT, variance),
                                 onnx_scalar_like(node, x, 1e-9));
  return onnx_output(node, 0,
                     onnx_binary(node, OP_DIV, onnx_binary(node, OP_SUB, x, mean), deviation));
}
