// Support vector machines of ai.onnx.ml. The kernel between the input and all support vectors is
// one matrix; one product with constants gives the score of each pair of classes, another the
// votes.
#include <math.h>
#include <string.h>

#include "frontend/import_ml.h"

enum { SVM_CLASSES = 256, COUPLING_STEPS = 100 };

typedef struct Svm {
  OnnxNode *node;
  Value *x; // f32[n, features]
  int64_t features;
  const float *vectors, *coefficients, *rho;
  int vector_count, coefficient_count, rho_count; // vector_count 0: a linear model
} Svm;

static bool svm_begin(OnnxNode *node, int64_t vector_count, Svm *svm) {
  int vector_floats;
  *svm = (Svm){.node = node, .x = ml_features(node), .vector_count = (int)vector_count};
  if (!svm->x) return false;
  svm->vectors = onnx_floats(node, "support_vectors", &vector_floats);
  svm->coefficients = onnx_floats(node, "coefficients", &svm->coefficient_count);
  svm->rho = onnx_floats(node, "rho", &svm->rho_count);
  if (!dim_is_constant(svm->x->type.dims[1], &svm->features))
    return onnx_error(node, "the number of features must be static");
  if (!svm->coefficient_count || !svm->rho_count)
    return onnx_error(node, "%d coefficients, %d rho", svm->coefficient_count, svm->rho_count);
  if (vector_count < 0 || vector_count > INT32_MAX ||
      (vector_count && vector_floats != vector_count * svm->features))
    return onnx_error(node, "%d numbers for %lld support vectors of %lld features", vector_floats,
                      (long long)vector_count, (long long)svm->features);
  return true;
}

static Value *table(const Svm *svm, const Tensor *tensor, const char *what) {
  return build_constant_tensor(
      &svm->node->builder, tensor,
      arena_printf(svm->node->importer->arena, "%s.%s", svm->node->loc.node, what));
}

static Value *times_table(const Svm *svm, Value *x, const Tensor *tensor, Value *bias,
                          const char *what) {
  Value *constant = x ? table(svm, tensor, what) : NULL;
  return constant ? build_matmul(&svm->node->builder, x, constant, bias) : NULL;
}

// --- kernels

// The support vectors as columns, less `centre` (NULL: as they are).
static Tensor vector_columns(const Svm *svm, const float *centre) {
  Tensor columns = tensor_create(svm->node->importer->arena, F32, 2,
                                 (int64_t[]){svm->features, svm->vector_count});
  for (int64_t v = 0; v < svm->vector_count; v++)
    for (int64_t f = 0; f < svm->features; f++)
      ((float *)columns.data)[f * svm->vector_count + v] =
          svm->vectors[v * svm->features + f] - (centre ? centre[f] : 0);
  return columns;
}

// |x - v|^2 = |x|^2 + |v|^2 - 2 x v, around the mean of the vectors so that little cancels.
static Value *squared_distances(const Svm *svm) {
  OnnxNode *node = svm->node;
  float *centre = NEW_ARRAY(node->importer->arena, float, svm->features),
        *squares = NEW_ARRAY(node->importer->arena, float, svm->vector_count);
  for (int64_t f = 0; f < svm->features; f++) {
    double sum = 0;
    for (int64_t v = 0; v < svm->vector_count; v++)
      sum += (double)svm->vectors[v * svm->features + f];
    centre[f] = (float)(sum / svm->vector_count);
  }
  Tensor columns = vector_columns(svm, centre);
  for (int64_t v = 0; v < svm->vector_count; v++) {
    double sum = 0;
    for (int64_t f = 0; f < svm->features; f++) {
      double entry = (double)((const float *)columns.data)[f * svm->vector_count + v];
      sum += entry * entry;
    }
    squares[v] = (float)sum;
  }
  Value *x = onnx_binary(node, OP_SUB, svm->x, build_floats(&node->builder, centre, svm->features));
  Value *product = times_table(svm, x, &columns, NULL, "vectors");
  Value *own = onnx_reduce_one(node, OP_REDUCE_SQUARES, x, 1, true);
  Value *sum =
      onnx_binary(node, OP_ADD, own, build_floats(&node->builder, squares, svm->vector_count));
  Value *twice = onnx_binary(node, OP_MUL, product, onnx_scalar_like(node, product, 2));
  return onnx_unary(node, OP_RELU, onnx_binary(node, OP_SUB, sum, twice));
}

// [n, vectors]
static Value *kernel_matrix(const Svm *svm) {
  OnnxNode *node = svm->node;
  const char *kind = onnx_string(node, "kernel_type", "LINEAR");
  int count;
  const float *parameters = onnx_floats(node, "kernel_params", &count);
  double gamma = count > 0 ? (double)parameters[0] : 0,
         bias = count > 1 ? (double)parameters[1] : 0,
         degree = count > 2 ? (double)parameters[2] : 0;
  if (strcmp(kind, "RBF") == 0) {
    Value *distances = squared_distances(svm);
    return onnx_unary(
        node, OP_EXP,
        onnx_binary(node, OP_MUL, distances, onnx_scalar_like(node, distances, -gamma)));
  }
  Tensor columns = vector_columns(svm, NULL);
  Value *product = times_table(svm, svm->x, &columns, NULL, "vectors");
  if (strcmp(kind, "LINEAR") == 0) return product;
  Value *scaled = onnx_binary(node, OP_MUL, product, onnx_scalar_like(node, product, gamma));
  Value *moved = onnx_binary(node, OP_ADD, scaled, onnx_scalar_like(node, product, bias));
  if (strcmp(kind, "SIGMOID") == 0) return onnx_unary(node, OP_TANH, moved);
  if (strcmp(kind, "POLY") == 0)
    return onnx_binary(node, OP_POW, moved, onnx_scalar_like(node, moved, degree));
  return onnx_error(node, "kernel_type '%s'", kind), NULL;
}

// x * coefficients' + rho[0], one row of coefficients for each result.
static Value *linear_model(const Svm *svm, int64_t results) {
  if (svm->coefficient_count != results * svm->features)
    return onnx_error(svm->node, "%d coefficients for %lld features and %lld results",
                      svm->coefficient_count, (long long)svm->features, (long long)results),
           NULL;
  Tensor columns =
      tensor_create(svm->node->importer->arena, F32, 2, (int64_t[]){svm->features, results});
  for (int64_t r = 0; r < results; r++)
    for (int64_t f = 0; f < svm->features; f++)
      ((float *)columns.data)[f * results + r] = svm->coefficients[r * svm->features + f];
  Value *product = times_table(svm, svm->x, &columns, NULL, "coefficients");
  return onnx_binary(svm->node, OP_ADD, product,
                     onnx_scalar_like(svm->node, product, (double)svm->rho[0]));
}

bool import_svm_regressor(OnnxNode *node) {
  Svm svm;
  if (!svm_begin(node, onnx_int(node, "n_supports", 0), &svm)) return false;
  Value *y;
  if (svm.vector_count) {
    if (svm.coefficient_count != svm.vector_count)
      return onnx_error(node, "%d coefficients for %d support vectors", svm.coefficient_count,
                        svm.vector_count);
    Tensor column = tensor_create(node->importer->arena, F32, 2, (int64_t[]){svm.vector_count, 1});
    memcpy(column.data, svm.coefficients, column.bytes);
    y = times_table(&svm, kernel_matrix(&svm), &column, build_floats(&node->builder, svm.rho, 1),
                    "coefficients");
  } else
    y = linear_model(&svm, 1);
  if (onnx_int(node, "one_class", 0) && y) {
    Value *inside = onnx_binary(node, OP_LESS, onnx_scalar_like(node, y, 0), y),
          *one = onnx_scalar_like(node, y, 1), *other = onnx_scalar_like(node, y, -1);
    y = onnx_where(node, inside, one, other);
    return onnx_output(node, 0, y);
  }
  return onnx_output(node, 0, ml_post_transform(node, y));
}

// --- classes: pairs (i, j), i < j, in order

typedef struct Pairs {
  int64_t classes, count;
  const int64_t *first; // of the support vectors of each class; [classes]: their number
} Pairs;

static int64_t pair_of(const Pairs *pairs, int64_t i, int64_t j) {
  return i * pairs->classes - i * (i + 1) / 2 + j - i - 1;
}

// kernel [n, vectors] -> [n, pairs]; positive: the first class of the pair
static Value *pair_scores(const Svm *svm, const Pairs *pairs, Value *kernel) {
  OnnxNode *node = svm->node;
  Tensor weights =
      tensor_create(node->importer->arena, F32, 2, (int64_t[]){svm->vector_count, pairs->count});
  float *to = weights.data;
  for (int64_t i = 0; i < pairs->classes; i++)
    for (int64_t j = i + 1; j < pairs->classes; j++) {
      int64_t pair = pair_of(pairs, i, j);
      for (int64_t v = pairs->first[i]; v < pairs->first[i + 1]; v++)
        to[v * pairs->count + pair] = svm->coefficients[(j - 1) * svm->vector_count + v];
      for (int64_t v = pairs->first[j]; v < pairs->first[j + 1]; v++)
        to[v * pairs->count + pair] = svm->coefficients[i * svm->vector_count + v];
    }
  return times_table(svm, kernel, &weights, build_floats(&node->builder, svm->rho, pairs->count),
                     "coefficients");
}

// The class that wins most pairs, the first of equal ones.
static Value *voted_class(const Svm *svm, const Pairs *pairs, Value *scores) {
  OnnxNode *node = svm->node;
  Tensor votes =
      tensor_create(node->importer->arena, F32, 2, (int64_t[]){pairs->count, pairs->classes});
  float *lost = NEW_ARRAY(node->importer->arena, float, pairs->classes), *to = votes.data;
  for (int64_t i = 0; i < pairs->classes; i++)
    for (int64_t j = i + 1; j < pairs->classes; j++) {
      int64_t pair = pair_of(pairs, i, j);
      to[pair * pairs->classes + i] = 1;
      to[pair * pairs->classes + j] = -1;
      lost[j]++;
    }
  Value *wins = onnx_convert(
      node, onnx_binary(node, OP_LESS, onnx_scalar_like(node, scores, 0), scores), F32);
  Value *counts =
      times_table(svm, wins, &votes, build_floats(&node->builder, lost, pairs->classes), "votes");
  return ml_best_class(node, counts);
}

// --- probabilities: of pairs by a sigmoid, of classes by coupling those (Wu, Lin, Weng 2004)

// [n, k, k]: how probable class i is among i and j
static Value *pair_probabilities(const Svm *svm, const Pairs *pairs, Value *scores) {
  OnnxNode *node = svm->node;
  int a_count, b_count;
  const float *a = onnx_floats(node, "prob_a", &a_count),
              *b = onnx_floats(node, "prob_b", &b_count);
  int64_t k = pairs->classes;
  if (a_count != pairs->count || b_count != pairs->count)
    return onnx_error(node, "%d prob_a and %d prob_b for %lld pairs of classes", a_count, b_count,
                      (long long)pairs->count),
           NULL;
  Value *slope = onnx_binary(node, OP_MUL, scores, build_floats(&node->builder, a, a_count));
  Value *sum = onnx_binary(node, OP_ADD, slope, build_floats(&node->builder, b, b_count));
  Value *chance = onnx_unary(node, OP_SIGMOID, onnx_unary(node, OP_NEG, sum));
  Node *clip = chance ? build_begin(&node->builder, OP_CLIP, &chance, 1) : NULL;
  if (!clip) return NULL;
  node_set_float(clip, ATTR_LOW, 1e-7);
  node_set_float(clip, ATTR_HIGH, 1 - 1e-7);
  Tensor spread = tensor_create(node->importer->arena, F32, 2, (int64_t[]){pairs->count, k * k});
  float *to = spread.data, *constant = NEW_ARRAY(node->importer->arena, float, k *k);
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = i + 1; j < k; j++) {
      to[pair_of(pairs, i, j) * k * k + i * k + j] = 1;
      to[pair_of(pairs, i, j) * k * k + j * k + i] = -1;
      constant[j * k + i] = 1;
    }
  Value *flat = times_table(svm, build_end(&node->builder, clip), &spread,
                            build_floats(&node->builder, constant, k * k), "pairs");
  const Dim *class_dim = import_dim(node->importer, k);
  return flat ? build_reshape(&node->builder, flat, 3,
                              (const Dim *[]){flat->type.dims[0], class_dim, class_dim})
              : NULL;
}

// Q = diagonal(sum over j of r_ji^2) - r * r'
static Value *coupling_matrix(OnnxNode *node, Value *r, int64_t k) {
  Tensor identity = tensor_create(node->importer->arena, F32, 2, (int64_t[]){k, k});
  for (int64_t i = 0; i < k; i++) ((float *)identity.data)[i * (k + 1)] = 1;
  Value *turned = r ? build_transpose(&node->builder, r, (int64_t[]){0, 2, 1}) : NULL;
  Value *diagonal = onnx_binary(node, OP_MUL, onnx_reduce_one(node, OP_REDUCE_SQUARES, r, 1, true),
                                build_constant_tensor(&node->builder, &identity, NULL));
  return onnx_binary(node, OP_SUB, diagonal, onnx_binary(node, OP_MUL, r, turned));
}

static Value *column_of(OnnxNode *node, Value *x, int64_t at) {
  return x && !node->builder.failed
             ? build_slice_axis(&node->builder, x, x->type.rank - 1, import_dim(node->importer, at),
                                import_dim(node->importer, 1), 1)
             : NULL;
}

// One round over the classes; each changes its probability, and all are scaled to the sum 1.
static Value *coupling_round(OnnxNode *node, Value *q, Value *p, Value *qp, Value *pqp, int64_t k) {
  Value *one = onnx_scalar_like(node, p, 1);
  for (int64_t t = 0; t < k; t++) {
    Value *row =
        onnx_squeeze(node,
                     q && !node->builder.failed
                         ? build_slice_axis(&node->builder, q, 1, import_dim(node->importer, t),
                                            import_dim(node->importer, 1), 1)
                         : NULL,
                     (int64_t[]){1}, 1);
    Value *own = column_of(node, row, t), *mine = column_of(node, qp, t);
    Value *change = onnx_binary(node, OP_DIV, onnx_binary(node, OP_SUB, pqp, mine), own);
    Value *scale = onnx_binary(node, OP_ADD, change, one);
    Tensor unit = tensor_create(node->importer->arena, F32, 1, &k);
    ((float *)unit.data)[t] = 1;
    Value *step =
        onnx_binary(node, OP_MUL, change, build_constant_tensor(&node->builder, &unit, NULL));
    p = onnx_binary(node, OP_DIV, onnx_binary(node, OP_ADD, p, step), scale);
    Value *twice = onnx_binary(node, OP_ADD, mine, mine);
    Value *growth =
        onnx_binary(node, OP_MUL, change,
                    onnx_binary(node, OP_ADD, onnx_binary(node, OP_MUL, change, own), twice));
    pqp = onnx_binary(node, OP_DIV, onnx_binary(node, OP_ADD, pqp, growth),
                      onnx_binary(node, OP_MUL, scale, scale));
    qp = onnx_binary(node, OP_DIV,
                     onnx_binary(node, OP_ADD, qp, onnx_binary(node, OP_MUL, change, row)), scale);
  }
  return p;
}

// The loop's body: one step for the rows whose error is still large.
static bool coupling_body(OnnxNode *node, Graph *body, Type p_type, Type q_type, int64_t k) {
  graph_add_input(body, type_tensor(I64, 0, NULL), NULL);
  graph_add_input(body, type_tensor(BOOL, 0, NULL), NULL);
  Value *p = graph_add_input(body, p_type, NULL), *q = graph_add_input(body, q_type, NULL);
  OnnxNode inside = *node;
  inside.builder = builder_at_end(body, node->loc);
  Value *product = onnx_binary(&inside, OP_MUL, q, onnx_unsqueeze(&inside, p, (int64_t[]){1}, 1));
  Value *qp = onnx_reduce_one(&inside, OP_REDUCE_SUM, product, 2, false);
  Value *pqp =
      onnx_reduce_one(&inside, OP_REDUCE_SUM, onnx_binary(&inside, OP_MUL, p, qp), 1, true);
  Value *error =
      onnx_reduce_one(&inside, OP_REDUCE_MAX,
                      onnx_unary(&inside, OP_ABS, onnx_binary(&inside, OP_SUB, qp, pqp)), 1, true);
  Value *limit = onnx_scalar_like(&inside, p, 0.005 / (double)k);
  Value *done = onnx_binary(&inside, OP_LESS, error, limit);
  Value *changed = coupling_round(&inside, q, p, qp, pqp, k);
  Value *next = onnx_where(&inside, done, p, changed);
  Value *worst =
      error ? build_reduce(&inside.builder, OP_REDUCE_MAX, error, (int64_t[]){0, 1}, 2, false)
            : NULL;
  Value *goes_on = onnx_binary(&inside, OP_LESS_EQUAL, limit, worst);
  if (!next || !goes_on) return false;
  graph_add_output(body, goes_on);
  graph_add_output(body, next);
  graph_add_output(body, q);
  return true;
}

static Value *coupled(const Svm *svm, const Pairs *pairs, Value *scores) {
  OnnxNode *node = svm->node;
  int64_t k = pairs->classes;
  Value *r = pair_probabilities(svm, pairs, scores), *q = coupling_matrix(node, r, k);
  Value *equal = build_scalar(&node->builder, F32, 1 / (double)k);
  const Dim *dims[2] = {scores->type.dims[0], import_dim(node->importer, k)};
  Value *p = equal ? build_expand(&node->builder, equal, 2, dims) : NULL;
  Value *trips = onnx_integer(node, k > COUPLING_STEPS ? k : COUPLING_STEPS),
        *start = build_scalar(&node->builder, BOOL, 1);
  if (!q || !p || !trips || !start) return NULL;
  Node *loop = build_begin_results(&node->builder, OP_LOOP, (Value *[]){trips, start, p, q}, 4, 2);
  if (!loop || !coupling_body(node, node_add_region(loop, "body"), p->type, q->type, k))
    return NULL;
  return build_end(&node->builder, loop);
}

// --- results

static bool coefficients_positive(const Svm *svm) {
  for (int i = 0; i < svm->coefficient_count; i++)
    if (svm->coefficients[i] < 0) return false;
  return true;
}

// Of two classes with positive coefficients the second one wins at 1/2 already.
static Value *second_from_half(OnnxNode *node, Value *best, Value *scores) {
  Value *highest = onnx_reduce_one(node, OP_REDUCE_MAX, scores, 1, false);
  Value *enough = onnx_binary(node, OP_LESS_EQUAL, onnx_scalar_like(node, highest, 0.5), highest);
  Value *second = onnx_integer(node, 1);
  return onnx_where(node, enough, second, best);
}

static bool read_pairs(OnnxNode *node, const int64_t *per_class, int count, int classes,
                       Pairs *pairs) {
  int64_t *first = NEW_ARRAY(node->importer->arena, int64_t, count + 1);
  *pairs = (Pairs){.classes = classes, .count = (int64_t)classes * (classes - 1) / 2};
  for (int i = 0; i < count; i++) {
    if (per_class[i] < 0 || per_class[i] > INT32_MAX - first[i])
      return onnx_error(node, "vectors_per_class %lld", (long long)per_class[i]);
    first[i + 1] = first[i] + per_class[i];
  }
  pairs->first = first;
  return true;
}

static bool classify_vectors(const Svm *svm, const Pairs *pairs) {
  OnnxNode *node = svm->node;
  int64_t k = pairs->classes;
  if (k < 2 || svm->coefficient_count != (k - 1) * svm->vector_count ||
      svm->rho_count != pairs->count)
    return onnx_error(node, "%d coefficients and %d rho for %lld classes and %d support vectors",
                      svm->coefficient_count, svm->rho_count, (long long)k, svm->vector_count);
  int chances;
  bool coupling = onnx_floats(node, "prob_a", &chances) && chances > 0;
  Value *scores = pair_scores(svm, pairs, kernel_matrix(svm));
  if (!scores) return false;
  if (!ml_output_label(node, voted_class(svm, pairs, scores))) return false;
  Value *shown = coupling ? coupled(svm, pairs, scores) : scores;
  if (k == 2 && !coupling) {
    Value *other = onnx_unary(node, OP_NEG, scores);
    shown = other ? build_concat(&node->builder, (Value *[]){other, scores}, 2, 1) : NULL;
  }
  return onnx_output(node, 1, ml_post_transform(node, shown));
}

static bool classify_linear(const Svm *svm, int classes) {
  OnnxNode *node = svm->node;
  Value *scores = linear_model(svm, classes), *best = ml_best_class(node, scores);
  if (!best) return false;
  if (classes == 2 && coefficients_positive(svm)) best = second_from_half(node, best, scores);
  return ml_output_label(node, best) && onnx_output(node, 1, ml_post_transform(node, scores));
}

bool import_svm_classifier(OnnxNode *node) {
  Svm svm;
  Pairs pairs;
  int count, classes = ml_class_count(node);
  const int64_t *per_class = onnx_ints(node, "vectors_per_class", &count);
  if (node->builder.failed) return false;
  if (classes < 1 || classes > SVM_CLASSES || (count && count != classes))
    return onnx_error(node, "%d class labels, vectors_per_class has %d entries", classes, count);
  if (!read_pairs(node, per_class, count, classes, &pairs) ||
      !svm_begin(node, pairs.first[count], &svm))
    return false;
  return svm.vector_count ? classify_vectors(&svm, &pairs) : classify_linear(&svm, classes);
}
