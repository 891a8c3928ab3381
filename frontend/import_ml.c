// Classical models of ai.onnx.ml without trees: linear models, scalers, encoders.
#include "frontend/import_ml.h"

#include <math.h>
#include <string.h>

// --- post transforms and labels

static Value *softmax_last(OnnxNode *node, Value *x) {
  Node *softmax = x ? build_begin(&node->builder, OP_SOFTMAX, &x, 1) : NULL;
  if (!softmax) return NULL;
  node_set_int(softmax, ATTR_AXIS, x->type.rank - 1);
  return build_end(&node->builder, softmax);
}

// Softmax over the scores that are not 0; those stay 0. All 0: 1/2 each.
static Value *softmax_without_zeros(OnnxNode *node, Value *x) {
  int axis = x->type.rank - 1;
  Value *zero = onnx_scalar_like(node, x, 0);
  Value *is_zero = onnx_binary(node, OP_EQUAL, x, zero);
  Value *shifted =
      onnx_binary(node, OP_SUB, x, onnx_reduce_one(node, OP_REDUCE_MAX, x, axis, true));
  Value *powers = onnx_unary(node, OP_EXP, shifted);
  Value *kept = onnx_where(node, is_zero, zero, powers);
  Value *sum = onnx_reduce_one(node, OP_REDUCE_SUM, kept, axis, true);
  Value *nothing = onnx_binary(node, OP_EQUAL, sum, zero), *half = onnx_scalar_like(node, x, 0.5);
  Value *shares = onnx_binary(node, OP_DIV, kept, sum);
  return onnx_where(node, nothing, half, shares);
}

static Value *affine(OnnxNode *node, Value *x, double factor, double term) {
  Value *scaled = onnx_binary(node, OP_MUL, x, onnx_scalar_like(node, x, factor));
  return onnx_binary(node, OP_ADD, scaled, onnx_scalar_like(node, scaled, term));
}

// sqrt(2) * the inverse of erf at 2 x - 1, by the formula of Winitzki that ONNX Runtime uses.
static Value *probit(OnnxNode *node, Value *x) {
  Value *at = affine(node, x, 2, -1);
  Value *log = onnx_unary(node, OP_LOG, affine(node, onnx_binary(node, OP_MUL, at, at), -1, 1));
  Value *v = affine(node, log, 0.5, 2 / (acos(-1) * 0.147));
  Value *root = onnx_unary(
      node, OP_SQRT,
      onnx_binary(node, OP_SUB, onnx_binary(node, OP_MUL, v, v), affine(node, log, 1 / 0.147, 0)));
  Value *size = onnx_unary(node, OP_SQRT, onnx_binary(node, OP_SUB, root, v));
  Value *sign = onnx_unary(node, OP_SIGN, at);
  return affine(node, onnx_binary(node, OP_MUL, sign, size), sqrt(2), 0);
}

Value *ml_post_transform_number(OnnxNode *node, Value *scores, int64_t transform) {
  if (!scores || node->builder.failed) return NULL;
  switch (transform) {
  case POST_NONE: return scores;
  case POST_SOFTMAX: return softmax_last(node, scores);
  case POST_LOGISTIC: return onnx_unary(node, OP_SIGMOID, scores);
  case POST_SOFTMAX_ZERO: return softmax_without_zeros(node, scores);
  default: return probit(node, scores);
  }
}

static PostTransform post_transform(OnnxNode *node) {
  static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const char *name = onnx_string(node, "post_transform", "NONE");
  for (int i = 0; i < 5; i++)
    if (strcmp(name, names[i]) == 0) return (PostTransform)i;
  return POST_PROBIT;
}

Value *ml_post_transform(OnnxNode *node, Value *scores) {
  return ml_post_transform_number(node, scores, post_transform(node));
}

// Labels as a constant vector: integers or strings; NULL: none.
static Value *class_labels(OnnxNode *node, int *count) {
  const int64_t *integers = onnx_ints(node, "classlabels_int64s", count);
  if (!integers || !*count) integers = onnx_ints(node, "classlabels_ints", count);
  if (integers && *count) return build_ints(&node->builder, integers, *count);
  const char *const *texts = onnx_strings(node, "classlabels_strings", count);
  if (!texts) return NULL;
  int64_t size = *count;
  Tensor tensor = tensor_create(node->importer->arena, STR, 1, &size);
  TensorString *strings = tensor.data;
  for (int i = 0; i < *count; i++) strings[i] = (TensorString){texts[i], strlen(texts[i])};
  return build_constant_tensor(&node->builder, &tensor,
                               arena_printf(node->importer->arena, "%s.labels", node->loc.node));
}

int ml_class_count(OnnxNode *node) {
  int count;
  if (onnx_ints(node, "classlabels_int64s", &count) && count) return count;
  if (onnx_ints(node, "classlabels_ints", &count) && count) return count;
  return onnx_strings(node, "classlabels_strings", &count) ? count : 0;
}

// Rows of labels by index.
bool ml_output_label(OnnxNode *node, Value *index) {
  int count;
  Value *labels = class_labels(node, &count);
  if (!labels || !index)
    return labels && !node->builder.failed ? false : onnx_error(node, "there are no class labels");
  return onnx_output(node, 0, onnx_gather(node, labels, index, 0, false));
}

// The scores of both classes from that of the second one: complements of 1 or of 0.
static Value *both_scores(OnnxNode *node, Value *score, bool of_one) {
  PostTransform transform = post_transform(node);
  of_one &= transform != POST_LOGISTIC;
  Value *other = of_one ? onnx_binary(node, OP_SUB, onnx_scalar_like(node, score, 1), score)
                        : onnx_unary(node, OP_NEG, score);
  Value *both = other ? build_concat(&node->builder, (Value *[]){other, score}, 2, 1) : NULL;
  return of_one ? both : ml_post_transform_number(node, both, transform);
}

static bool classify_binary(OnnxNode *node, Value *score, BinaryScore kind) {
  Value *bound = onnx_scalar_like(node, score, kind == SCORE_SHARE ? 0.5 : 0);
  Value *wins = onnx_convert(node, onnx_binary(node, OP_LESS, bound, score), I64);
  return ml_output_label(node, onnx_squeeze(node, wins, (int64_t[]){1}, 1)) &&
         onnx_output(node, 1,
                     onnx_convert(node, both_scores(node, score, kind != SCORE_MARGIN), F32));
}

Value *ml_best_class(OnnxNode *node, Value *scores) {
  Node *best = scores ? build_begin(&node->builder, OP_ARG_MAX, &scores, 1) : NULL;
  if (!best) return NULL;
  node_set_int(best, ATTR_AXIS, 1);
  node_set_int(best, ATTR_KEEP_DIMS, 0);
  return build_end(&node->builder, best);
}

bool ml_classify(OnnxNode *node, Value *scores, BinaryScore kind) {
  if (kind != SCORE_EACH) return classify_binary(node, scores, kind);
  return ml_output_label(node, ml_best_class(node, scores)) &&
         onnx_output(node, 1, onnx_convert(node, ml_post_transform(node, scores), F32));
}

// --- linear models

Value *ml_features(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return NULL;
  Value *x = onnx_input(node, 0);
  if (x->type.rank == 1) x = onnx_unsqueeze(node, x, (int64_t[]){0}, 1);
  if (x && x->type.rank != 2)
    return onnx_error(node, "input of rank %d, wanted 2", x->type.rank), NULL;
  return onnx_convert(node, x, F32);
}

// x * coefficients' + intercepts, with one row of coefficients per target.
static Value *linear_scores(OnnxNode *node, Value *x, int64_t targets) {
  int count, intercept_count;
  const float *coefficients = onnx_floats(node, "coefficients", &count),
              *intercepts = onnx_floats(node, "intercepts", &intercept_count);
  if (!coefficients || targets < 1 || count < targets || count % targets != 0)
    return onnx_error(node, "%d coefficients for %lld targets", count, (long long)targets), NULL;
  Tensor table =
      tensor_create(node->importer->arena, F32, 2, (int64_t[]){targets, count / targets});
  memcpy(table.data, coefficients, table.bytes);
  Value *weights =
      build_constant_tensor(&node->builder, &table,
                            arena_printf(node->importer->arena, "%s.coefficients", node->loc.node));
  Node *matmul = build_begin(&node->builder, OP_MATMUL, (Value *[]){x, weights}, 2);
  if (!matmul) return NULL;
  node_set_int(matmul, ATTR_TRANSPOSE_B, 1);
  Value *scores = build_end(&node->builder, matmul);
  if (!intercepts || !intercept_count) return scores;
  return onnx_binary(node, OP_ADD, scores,
                     build_floats(&node->builder, intercepts, intercept_count));
}

bool import_linear_regressor(OnnxNode *node) {
  Value *x = ml_features(node);
  return x &&
         onnx_output(node, 0,
                     ml_post_transform(node, linear_scores(node, x, onnx_int(node, "targets", 1))));
}

// One row of coefficients for two classes: the score of the second one.
bool import_linear_classifier(OnnxNode *node) {
  int intercepts, classes = ml_class_count(node);
  Value *x = ml_features(node);
  if (!x) return false;
  if (!onnx_floats(node, "intercepts", &intercepts) || !intercepts) intercepts = classes;
  bool binary = classes == 2 && intercepts == 1;
  Value *scores = linear_scores(node, x, binary ? 1 : classes);
  return scores && ml_classify(node, scores, binary ? SCORE_LINEAR : SCORE_EACH);
}

// --- features

static Value *float_list(OnnxNode *node, const char *name) {
  int count;
  const float *values = onnx_floats(node, name, &count);
  return values && count ? build_floats(&node->builder, values, count) : NULL;
}

bool import_scaler(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_convert(node, onnx_input(node, 0), F32), *offset = float_list(node, "offset"),
        *scale = float_list(node, "scale");
  if (offset) x = onnx_binary(node, OP_SUB, x, offset);
  if (scale) x = onnx_binary(node, OP_MUL, x, scale);
  return onnx_output(node, 0, x);
}

bool import_binarizer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  Value *above =
      onnx_binary(node, OP_LESS, onnx_scalar_like(node, x, onnx_float(node, "threshold", 0)), x);
  return onnx_output(node, 0, onnx_convert(node, above, x->type.element));
}

bool import_normalizer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_convert(node, onnx_input(node, 0), F32);
  const char *norm = onnx_string(node, "norm", "MAX");
  if (!x || x->type.rank < 1) return x && onnx_error(node, "the input is a scalar");
  int axis = x->type.rank - 1;
  Value *size = NULL;
  if (strcmp(norm, "MAX") == 0)
    size = onnx_reduce_one(node, OP_REDUCE_MAX, onnx_unary(node, OP_ABS, x), axis, true);
  else if (strcmp(norm, "L1") == 0)
    size = onnx_reduce_one(node, OP_REDUCE_L1, x, axis, true);
  else if (strcmp(norm, "L2") == 0)
    size = onnx_unary(node, OP_SQRT, onnx_reduce_one(node, OP_REDUCE_SQUARES, x, axis, true));
  else
    return onnx_error(node, "norm '%s'", norm);
  Value *zero = onnx_binary(node, OP_EQUAL, size, onnx_scalar_like(node, x, 0)),
        *one = onnx_scalar_like(node, x, 1);
  return onnx_output(node, 0, onnx_binary(node, OP_DIV, x, onnx_where(node, zero, one, size)));
}

// Elements equal to the replaced value (NaN: those that are NaN) become the imputed one.
bool import_imputer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *imputed, *missing;
  int count;
  const int64_t *integers = onnx_ints(node, "imputed_value_int64s", &count);
  if (element_is_float(x->type.element)) {
    double replaced = onnx_float(node, "replaced_value_float", 0);
    imputed = onnx_convert(node, float_list(node, "imputed_value_floats"), x->type.element);
    missing = isnan(replaced) ? onnx_unary(node, OP_IS_NAN, x)
                              : onnx_binary(node, OP_EQUAL, x, onnx_scalar_like(node, x, replaced));
  } else {
    int64_t replaced = onnx_int(node, "replaced_value_int64", 0);
    imputed = integers && count
                  ? onnx_convert(node, build_ints(&node->builder, integers, count), x->type.element)
                  : NULL;
    missing =
        onnx_binary(node, OP_EQUAL, x,
                    onnx_convert(node, build_ints(&node->builder, &replaced, 1), x->type.element));
  }
  if (!imputed) return node->builder.failed ? false : onnx_error(node, "no values to impute");
  return onnx_output(node, 0, onnx_where(node, missing, imputed, x));
}

// Columns of the last axis.
bool import_array_feature_extractor(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *indices = onnx_input(node, 1);
  if (x->type.rank < 1) return onnx_error(node, "the input is a scalar");
  const Dim *count = type_count(node->importer->dims, &indices->type);
  const Tensor *known = import_contents(node->importer, indices).tensor;
  for (int64_t i = 0; known && i < tensor_count(known); i++)
    if (element_load_int(known->element, known->data, i) < 0)
      return onnx_error(node, "index %lld",
                        (long long)element_load_int(known->element, known->data, i));
  if (!onnx_check_indices(node, 1, x->type.dims[x->type.rank - 1])) return false;
  if (x->type.rank == 1) x = onnx_unsqueeze(node, x, (int64_t[]){0}, 1);
  indices = build_reshape(&node->builder, indices, 1, &count);
  if (!x || !indices) return false;
  return onnx_output(node, 0, onnx_gather(node, x, indices, x->type.rank - 1, true));
}

bool import_feature_vectorizer(OnnxNode *node) {
  if (!onnx_need_inputs(node, node->input_count > 0 ? node->input_count : 1)) return false;
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, node->input_count);
  for (int i = 0; i < node->input_count; i++) {
    parts[i] = onnx_convert(node, onnx_input(node, i), F32);
    if (parts[i] && parts[i]->type.rank == 1)
      parts[i] = onnx_unsqueeze(node, parts[i], (int64_t[]){0}, 1);
    if (!parts[i] || parts[i]->type.rank != 2) return onnx_error(node, "input %d is no matrix", i);
  }
  return onnx_output(node, 0, build_concat(&node->builder, parts, node->input_count, 1));
}

// A sequence of maps with the same keys is a tensor, whose columns have these keys.
bool import_zip_map(OnnxNode *node) {
  int count;
  if (!onnx_need_inputs(node, 1)) return false;
  Value *keys = class_labels(node, &count);
  if (!keys || !count)
    return node->builder.failed ? false : onnx_error(node, "there are no class labels");
  Node *zip = build_begin(&node->builder, OP_ZIP_MAP, (Value *[]){onnx_input(node, 0), keys}, 2);
  return onnx_output(node, 0, build_end(&node->builder, zip));
}
