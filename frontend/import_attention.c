// Attention and what surrounds it in transformers.
#include <math.h>
#include <string.h>

#include "frontend/import_attention.h"

typedef struct Heads {
  Value *q, *k, *v; // [batch, heads, sequence, size]
  int64_t q_heads, kv_heads;
  bool packed; // the file has [batch, sequence, heads * size]
} Heads;

static const Dim *one(OnnxNode *node) { return import_dim(node->importer, 1); }

Value *attention_split_heads(OnnxNode *node, Value *x, int64_t heads) {
  DimTable *table = node->importer->dims;
  const Dim *count = import_dim(node->importer, heads);
  const Dim *dims[4] = {x->type.dims[0], x->type.dims[1], count,
                        dim_floordiv(table, x->type.dims[2], count)};
  Value *split = build_reshape(&node->builder, x, 4, dims);
  return split ? build_transpose(&node->builder, split, (int64_t[]){0, 2, 1, 3}) : NULL;
}

Value *attention_join_heads(OnnxNode *node, Value *x) {
  Value *moved = x ? build_transpose(&node->builder, x, (int64_t[]){0, 2, 1, 3}) : NULL;
  if (!moved) return NULL;
  const Dim *dims[3] = {moved->type.dims[0], moved->type.dims[1],
                        dim_mul(node->importer->dims, moved->type.dims[2], moved->type.dims[3])};
  return build_reshape(&node->builder, moved, 3, dims);
}

static bool find_heads(OnnxNode *node, Heads *heads) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *inputs[3] = {onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2)};
  int rank = inputs[0]->type.rank;
  for (int i = 0; i < 3; i++)
    if (inputs[i]->type.rank != rank || (rank != 3 && rank != 4))
      return onnx_error(node, "Q, K and V must all have rank 3 or 4");
  heads->packed = rank == 3;
  heads->q_heads = onnx_int(node, "q_num_heads", 0);
  heads->kv_heads = onnx_int(node, "kv_num_heads", 0);
  if (rank == 3) {
    if (heads->q_heads < 1 || heads->kv_heads < 1)
      return onnx_error(node, "q_num_heads and kv_num_heads are missing");
    heads->q = attention_split_heads(node, inputs[0], heads->q_heads);
    heads->k = attention_split_heads(node, inputs[1], heads->kv_heads);
    heads->v = attention_split_heads(node, inputs[2], heads->kv_heads);
    return heads->q && heads->k && heads->v;
  }
  heads->q = inputs[0];
  heads->k = inputs[1];
  heads->v = inputs[2];
  if (!dim_is_constant(heads->q->type.dims[1], &heads->q_heads) ||
      !dim_is_constant(heads->k->type.dims[1], &heads->kv_heads))
    return onnx_error(node, "the number of heads must be static");
  return true;
}

// Each head of keys or values serves several heads of queries.
Value *attention_repeat_heads(OnnxNode *node, Value *x, int64_t times) {
  if (!x || times == 1) return x;
  const Dim *const *d = x->type.dims;
  const Dim *repeats = import_dim(node->importer, times);
  Value *column =
      build_reshape(&node->builder, x, 5, (const Dim *[]){d[0], d[1], one(node), d[2], d[3]});
  Value *wide = column ? build_expand(&node->builder, column, 5,
                                      (const Dim *[]){d[0], d[1], repeats, d[2], d[3]})
                       : NULL;
  return wide ? build_reshape(
                    &node->builder, wide, 4,
                    (const Dim *[]){d[0], dim_mul(node->importer->dims, d[1], repeats), d[2], d[3]})
              : NULL;
}

// --- masks: what is allowed becomes 0, what is not -infinity

Value *attention_both(OnnxNode *node, Value *a, Value *b) {
  return !a ? b : !b ? a : onnx_binary(node, OP_AND, a, b);
}

Value *attention_bias_of(OnnxNode *node, Value *allowed, ElementType element) {
  Value *zero = build_scalar(&node->builder, element, 0),
        *never = build_scalar(&node->builder, element, -INFINITY);
  return onnx_where(node, allowed, zero, never);
}

// The mask of the file; what is missing at its end is masked.
static Value *mask_bias(OnnxNode *node, const Dim *keys, ElementType element) {
  Value *mask = onnx_input(node, 3);
  if (mask->type.rank < 1) return onnx_error(node, "the mask is a scalar"), NULL;
  int rank = mask->type.rank;
  const Dim *zero = import_dim(node->importer, 0), *pads[2 * MAX_RANK];
  mask = mask->type.element == BOOL ? attention_bias_of(node, mask, element)
                                    : onnx_convert(node, mask, element);
  if (!mask) return NULL;
  DimTable *table = node->importer->dims;
  const Dim *missing = dim_sub(table, keys, mask->type.dims[rank - 1]);
  if (dim_is(missing, 0)) return mask;
  for (int i = 0; i < 2 * rank; i++) pads[i] = zero;
  pads[2 * rank - 1] = dim_max(table, missing, zero);
  Value *never = build_scalar(&node->builder, element, -INFINITY);
  return never ? onnx_pad(node, mask, pads, "constant", never) : NULL;
}

// Query i stands at position i + offset and may see key j as far as causality and windows allow.
static Value *position_mask(OnnxNode *node, const Heads *heads, const Dim *keys, Value *lengths,
                            Value *past) {
  int64_t left = onnx_int(node, "left_window_size", -1),
          right = onnx_int(node, "right_window_size", -1);
  bool causal = onnx_int(node, "is_causal", 0) != 0;
  Value *allowed = NULL;
  Value *columns = causal || left >= 0 || right >= 0 || lengths ? onnx_positions(node, keys) : NULL;
  if (lengths) allowed = onnx_binary(node, OP_LESS, columns, lengths);
  if (!causal && left < 0 && right < 0) return allowed;
  const Dim *queries = heads->q->type.dims[2];
  Value *rows = onnx_unsqueeze(node, onnx_positions(node, queries), (int64_t[]){1}, 1);
  if (past)
    rows = onnx_binary(node, OP_ADD, rows, onnx_dim_scalar(node, past->type.dims[2]));
  else if (lengths)
    rows = onnx_binary(node, OP_ADD, rows,
                       onnx_binary(node, OP_SUB, lengths, onnx_dim_scalar(node, queries)));
  Value *distance = onnx_binary(node, OP_SUB, rows, columns);
  if (causal)
    allowed = attention_both(node, allowed,
                             onnx_binary(node, OP_LESS_EQUAL, onnx_integer(node, 0), distance));
  if (left >= 0)
    allowed = attention_both(node, allowed,
                             onnx_binary(node, OP_LESS_EQUAL, distance, onnx_integer(node, left)));
  if (right >= 0)
    allowed = attention_both(
        node, allowed, onnx_binary(node, OP_LESS_EQUAL, onnx_integer(node, -right), distance));
  return allowed;
}

// Numbers of valid keys per batch as [batch, 1, 1, 1].
static Value *key_lengths(OnnxNode *node) {
  Value *lengths = onnx_input(node, 6);
  if (!lengths) return NULL;
  if (lengths->type.rank != 1) return onnx_error(node, "nonpad_kv_seqlen must have rank 1"), NULL;
  return onnx_unsqueeze(node, onnx_convert(node, lengths, I64), (int64_t[]){1, 2, 3}, 3);
}

static Value *attention_bias(OnnxNode *node, const Heads *heads, const Dim *keys, Value *past) {
  ElementType element = heads->q->type.element;
  Value *mask = onnx_has_input(node, 3) ? mask_bias(node, keys, element) : NULL;
  Value *allowed = position_mask(node, heads, keys, key_lengths(node), past);
  Value *positional = allowed ? attention_bias_of(node, allowed, element) : NULL;
  if (!mask || !positional) return mask ? mask : positional;
  return onnx_binary(node, OP_ADD, mask, positional);
}

// --- the sum

// Rows that may see nothing have probability 0 everywhere.
static Value *guarded_softmax(OnnxNode *node, Value *scores, Value *bias) {
  if (!scores) return NULL;
  int64_t precision = onnx_int(node, "softmax_precision", 0);
  ElementType element = scores->type.element,
              wide = precision ? onnx_number_type(precision) : element;
  if (wide == ELEMENT_NONE)
    return onnx_error(node, "softmax_precision %lld", (long long)precision), NULL;
  Value *x = onnx_convert(node, scores, wide);
  Node *softmax = x ? build_begin(&node->builder, OP_SOFTMAX, &x, 1) : NULL;
  if (!softmax) return NULL;
  Value *result = onnx_convert(node, build_end(&node->builder, softmax), element);
  if (!bias || !result) return result;
  Value *best = onnx_reduce_one(node, OP_REDUCE_MAX, bias, bias->type.rank - 1, true);
  Value *masked = onnx_binary(node, OP_EQUAL, best, onnx_scalar_like(node, bias, -INFINITY));
  Value *zero = onnx_scalar_like(node, result, 0);
  return onnx_where(node, masked, zero, result);
}

// The square root of the scale, by default size^-1/2, for queries and for keys: a number, or of a
// size that only a run knows the formula.
static Value *half_scale(OnnxNode *node, const Value *queries) {
  int64_t size;
  double scale = onnx_float(node, "scale", 0);
  bool known = dim_is_constant(queries->type.dims[3], &size);
  if (scale == 0 && known) scale = size > 0 ? 1 / sqrt((double)size) : 1;
  if (scale != 0) return onnx_scalar_like(node, queries, sqrt(scale));
  DimTable *table = node->importer->dims;
  const Dim *positive = dim_max(table, queries->type.dims[3], import_dim(node->importer, 1));
  Value *root = onnx_convert(node, onnx_dim_scalar(node, positive), F64);
  root = onnx_unary(node, OP_SQRT, onnx_unary(node, OP_SQRT, root));
  return onnx_convert(node, onnx_unary(node, OP_RECIPROCAL, root), queries->type.element);
}

Value *attention_scores(OnnxNode *node, Value *queries, Value *k) {
  Value *half = queries && k ? half_scale(node, queries) : NULL;
  Value *q = onnx_binary(node, OP_MUL, queries, half);
  Value *keys = onnx_binary(node, OP_MUL, k, onnx_convert(node, half, k ? k->type.element : F32));
  Node *matmul = q && keys ? build_begin(&node->builder, OP_MATMUL, (Value *[]){q, keys}, 2) : NULL;
  if (!matmul) return NULL;
  node_set_int(matmul, ATTR_TRANSPOSE_B, 1);
  return build_end(&node->builder, matmul);
}

Value *attention_soft_cap(OnnxNode *node, Value *x) {
  double cap = onnx_float(node, "softcap", 0);
  if (!x || cap <= 0) return x;
  Value *ratio =
      onnx_unary(node, OP_TANH, onnx_binary(node, OP_DIV, x, onnx_scalar_like(node, x, cap)));
  return onnx_binary(node, OP_MUL, ratio, onnx_scalar_like(node, x, cap));
}

// With a cache, the keys and values that were seen before come first.
Value *attention_with_past(OnnxNode *node, Value *past, Value *x) {
  return past && x ? build_concat(&node->builder, (Value *[]){past, x}, 2, 2) : x;
}

// Everything between the operands and the result is f32 at least, so that a result of 16 bits is
// rounded once.
bool import_attention(OnnxNode *node) {
  Heads heads;
  if (!find_heads(node, &heads)) return false;
  if (heads.kv_heads < 1 || heads.q_heads % heads.kv_heads != 0)
    return onnx_error(node, "%lld heads of queries, %lld of keys", (long long)heads.q_heads,
                      (long long)heads.kv_heads);
  Value *past = onnx_input(node, 4), *k = attention_with_past(node, past, heads.k),
        *v = attention_with_past(node, onnx_input(node, 5), heads.v);
  if (past && past->type.rank != 4)
    return onnx_error(node, "past_key has rank %d, wanted 4", past->type.rank);
  if (!k || !v || !onnx_output(node, 1, k) || !onnx_output(node, 2, v)) return false;
  ElementType element = heads.q->type.element, wide = element == F64 ? F64 : F32;
  heads.q = onnx_convert(node, heads.q, wide);
  k = onnx_convert(node, k, wide);
  v = onnx_convert(node, v, wide);
  if (!heads.q || !k || !v) return false;
  Value *bias = attention_bias(node, &heads, k->type.dims[2], past);
  if (node->builder.failed) return false;
  int64_t times = heads.q_heads / heads.kv_heads;
  Value *raw = attention_scores(node, heads.q, attention_repeat_heads(node, k, times));
  Value *capped = attention_soft_cap(node, raw);
  Value *biased = bias ? onnx_binary(node, OP_ADD, capped, bias) : capped;
  Value *weights = guarded_softmax(node, biased, bias);
  Value *values = attention_repeat_heads(node, v, times);
  Value *result = weights && values ? build_matmul(&node->builder, weights, values, NULL) : NULL;
  Value *stages[] = {raw, capped, biased, weights};
  int64_t mode = onnx_int(node, "qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) return onnx_error(node, "qk_matmul_output_mode %lld", (long long)mode);
  if (onnx_wants_output(node, 3) &&
      !onnx_output(node, 3, onnx_convert(node, stages[mode], element)))
    return false;
  result = onnx_convert(node, result, element);
  return onnx_output(node, 0, heads.packed ? attention_join_heads(node, result) : result);
}

// --- flexible attention: subgraphs change the scores and the probabilities

// What the subgraph `name` makes of x; x itself where there is none.
static Value *modified(OnnxNode *node, const char *name, Value *x) {
  if (!x || node->builder.failed || !onnx_attribute(node, name)) return x;
  const Onnx__GraphProto *graph = onnx_graph(node, name);
  Item input = {.value = x}, *inputs[1] = {&input}, output = {0};
  if (!graph) return NULL;
  if (graph->n_input != 1 || graph->n_output != 1)
    return onnx_error(node, "%s has %zu inputs and %zu outputs, wanted one of each", name,
                      graph->n_input, graph->n_output),
           NULL;
  if (!import_inline_graph(node, graph, inputs, &output, 1)) return NULL;
  if (!output.value || !type_equal(&output.value->type, &x->type))
    return onnx_error(node, "%s does not give the type it is given, %s", name,
                      type_text(node->importer->arena, &x->type)),
           NULL;
  return output.value;
}

bool import_flex_attention(OnnxNode *node) {
  Heads heads;
  if (!find_heads(node, &heads)) return false;
  ElementType element = heads.v->type.element;
  int64_t precision = onnx_int(node, "softmax_precision", 0);
  ElementType wide = precision ? onnx_number_type(precision) : element == F64 ? F64 : F32;
  if (heads.packed || heads.kv_heads < 1 || heads.q_heads % heads.kv_heads != 0 ||
      wide == ELEMENT_NONE)
    return onnx_error(node, "%lld heads of queries, %lld of keys; softmax_precision %lld",
                      (long long)heads.q_heads, (long long)heads.kv_heads, (long long)precision);
  int64_t times = heads.q_heads / heads.kv_heads;
  Value *scores = attention_scores(node, heads.q, attention_repeat_heads(node, heads.k, times));
  scores = modified(node, "score_mod", onnx_convert(node, scores, wide));
  Value *weights = modified(node, "prob_mod", scores ? onnx_unary(node, OP_SOFTMAX, scores) : NULL);
  Value *values = onnx_convert(node, attention_repeat_heads(node, heads.v, times), wide);
  Value *result = weights && values ? build_matmul(&node->builder, weights, values, NULL) : NULL;
  return onnx_output(node, 0, onnx_convert(node, result, element));
}

// --- caches and gates

// update goes to positions write[batch] .. of the cache; circular: modulo its length.
bool import_tensor_scatter(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *cache = onnx_input(node, 0), *update = onnx_input(node, 1), *start = onnx_input(node, 2);
  int axis, rank = cache->type.rank;
  if (!onnx_axis(node, onnx_int(node, "axis", -2), rank, &axis)) return false;
  if (update->type.rank != rank || axis == 0)
    return onnx_error(node, "an update of rank %d for a cache of rank %d at axis %d",
                      update->type.rank, rank, axis);
  if (start && start->type.rank != 1)
    return onnx_error(node, "positions of rank %d, wanted 1", start->type.rank);
  Value *index = onnx_align(node, onnx_positions(node, update->type.dims[axis]), axis, rank);
  if (start) {
    int64_t axes[MAX_RANK];
    for (int i = 1; i < rank; i++) axes[i - 1] = i;
    index = onnx_binary(
        node, OP_ADD, onnx_unsqueeze(node, onnx_convert(node, start, I64), axes, rank - 1), index);
  }
  if (index && strcmp(onnx_string(node, "mode", "linear"), "circular") == 0)
    index = onnx_binary(node, OP_MOD, index, onnx_dim_scalar(node, cache->type.dims[axis]));
  Value *wide = index ? build_expand(&node->builder, index, rank, update->type.dims) : NULL;
  Node *scatter =
      wide ? build_begin(&node->builder, OP_SCATTER_ELEMENTS, (Value *[]){cache, wide, update}, 3)
           : NULL;
  if (!scatter) return false;
  node_set_int(scatter, ATTR_AXIS, axis);
  return onnx_output(node, 0, build_end(&node->builder, scatter));
}

// swish(a) * b
bool import_swiglu(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *a = onnx_input(node, 0);
  Node *swish = build_begin(&node->builder, OP_SWISH, &a, 1);
  node_set_float(swish, ATTR_ALPHA, onnx_float(node, "alpha", 1));
  return onnx_output(
      node, 0, onnx_binary(node, OP_MUL, build_end(&node->builder, swish), onnx_input(node, 1)));
}
