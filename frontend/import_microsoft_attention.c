// Attention of the domain com.microsoft: with the projections inside (Attention, QAttention), with
// keys and values given (MultiHeadAttention), with a cache and grouped heads (GroupQueryAttention);
// and the embeddings before it.
#include <math.h>
#include <string.h>

#include "frontend/import_attention.h"

// --- masks

// 0 where `keep` is not 0, else mask_filter_value.
static Value *filtered(OnnxNode *node, Value *keep, ElementType element) {
  Value *zero = build_scalar(&node->builder, element, 0),
        *filter =
            build_scalar(&node->builder, element, onnx_float(node, "mask_filter_value", -10000));
  Value *flag = onnx_convert(node, keep, BOOL);
  return onnx_where(node, flag, zero, filter);
}

static const Dim *first_dim(Value *x) { return x->type.dims[0]; }

// Lengths of rows [batch], or ends and then starts [2 * batch], as [batch, 1, 1, keys].
static Value *mask_of_lengths(OnnxNode *node, Value *mask, const Dim *batch, const Dim *keys) {
  Importer *importer = node->importer;
  Value *lengths = onnx_convert(node, mask, I64), *columns = onnx_positions(node, keys);
  bool starts = first_dim(mask) != batch;
  if (starts && first_dim(mask) != dim_mul_int(importer->dims, batch, 2))
    return onnx_unsupported(node, "a mask of packed sequences"), NULL;
  Value *ends =
      starts ? build_slice_axis(&node->builder, lengths, 0, import_dim(importer, 0), batch, 1)
             : lengths;
  Value *keep =
      onnx_binary(node, OP_LESS, columns, onnx_unsqueeze(node, ends, (int64_t[]){1, 2, 3}, 3));
  if (!starts || !lengths) return keep;
  Value *begins = build_slice_axis(&node->builder, lengths, 0, batch, batch, 1);
  return onnx_binary(node, OP_AND, keep,
                     onnx_binary(node, OP_LESS_EQUAL,
                                 onnx_unsqueeze(node, begins, (int64_t[]){1, 2, 3}, 3), columns));
}

// What is added to scores because of operand `index`, a mask in one of its forms.
static Value *padding_bias(OnnxNode *node, int index, const Dim *batch, const Dim *keys,
                           ElementType element) {
  Value *mask = onnx_input(node, index);
  switch (mask->type.rank) {
  case 1: return filtered(node, mask_of_lengths(node, mask, batch, keys), element);
  case 2: return filtered(node, onnx_unsqueeze(node, mask, (int64_t[]){1, 2}, 2), element);
  case 3: return filtered(node, onnx_unsqueeze(node, mask, (int64_t[]){1}, 1), element);
  default: onnx_unsupported(node, "a mask of this rank"); return NULL;
  }
}

static Value *plus(OnnxNode *node, Value *a, Value *b) {
  return !a ? b : !b ? a : onnx_binary(node, OP_ADD, a, b);
}

// Each query sees the keys up to its own place at the end.
static Value *causal_bias(OnnxNode *node, const Dim *queries, const Dim *keys,
                          ElementType element) {
  Value *rows = onnx_unsqueeze(node, onnx_positions(node, queries), (int64_t[]){1}, 1);
  Value *place = onnx_binary(node, OP_ADD, rows,
                             onnx_dim_scalar(node, dim_sub(node->importer->dims, keys, queries)));
  return attention_bias_of(
      node, onnx_binary(node, OP_LESS_EQUAL, onnx_positions(node, keys), place), element);
}

static Value *weighted(OnnxNode *node, Value *scores, Value *values) {
  Value *weights = onnx_unary(node, OP_SOFTMAX, scores);
  return weights && values ? build_matmul(&node->builder, weights, values, NULL) : NULL;
}

// q, k, v: [batch, heads, sequence, size]
static bool attend(OnnxNode *node, Value *q, Value *k, Value *v, Value *bias) {
  if (!q || !k || !v) return false;
  const Dim *queries = q->type.dims[2], *keys = k->type.dims[2];
  if (onnx_int(node, "unidirectional", 0))
    bias = plus(node, bias, causal_bias(node, queries, keys, q->type.element));
  Value *scores = plus(node, attention_scores(node, q, k), bias);
  return onnx_output(node, 0, attention_join_heads(node, weighted(node, scores, v)));
}

// --- Attention, QAttention: input [batch, sequence, inputs] times weights [inputs, q + k + v]

static bool hidden_sizes(OnnxNode *node, const Dim *columns, int64_t *sizes) {
  int count;
  int64_t all;
  const int64_t *given = onnx_ints(node, "qkv_hidden_sizes", &count);
  if (!dim_is_constant(columns, &all))
    return onnx_error(node, "the weights must have a static shape");
  if (count && count != 3) return onnx_error(node, "qkv_hidden_sizes has %d entries", count);
  for (int i = 0; i < 3; i++) sizes[i] = count ? given[i] : all / 3;
  int64_t heads = onnx_int(node, "num_heads", 0);
  for (int i = 0; i < 3; i++)
    if (heads < 1 || sizes[i] < 1 || sizes[i] > all || sizes[i] % heads != 0)
      return onnx_error(node, "hidden size %lld for %lld heads", (long long)sizes[i],
                        (long long)heads);
  return sizes[0] + sizes[1] + sizes[2] == all ||
         onnx_error(node, "%lld columns of weights for hidden sizes of %lld", (long long)all,
                    (long long)(sizes[0] + sizes[1] + sizes[2]));
}

// The past [2, batch, heads, past, size] before keys and values; result 1 is both of them.
static bool join_past(OnnxNode *node, int index, Value **k, Value **v) {
  Value *past = onnx_input(node, index), **parts[2] = {k, v}, *present[2];
  Importer *importer = node->importer;
  if (past && past->type.rank != 5)
    return onnx_error(node, "past has rank %d, wanted 5", past->type.rank);
  for (int i = 0; i < 2; i++) {
    Value *before =
        past ? onnx_squeeze(node,
                            build_slice_axis(&node->builder, past, 0, import_dim(importer, i),
                                             import_dim(importer, 1), 1),
                            (int64_t[]){0}, 1)
             : NULL;
    *parts[i] = attention_with_past(node, before, *parts[i]);
    if (!*parts[i]) return false;
    if (!onnx_wants_output(node, 1)) continue;
    if (!(present[i] = onnx_unsqueeze(node, *parts[i], (int64_t[]){0}, 1))) return false;
  }
  return !onnx_wants_output(node, 1) ||
         onnx_output(node, 1, build_concat(&node->builder, present, 2, 0));
}

// `projected` [batch, sequence, q + k + v]; operands of the node: mask, past, attention bias (-1:
// none).
static bool project_and_attend(OnnxNode *node, Value *projected, int mask, int past, int more) {
  int64_t sizes[3], heads = onnx_int(node, "num_heads", 0), start = 0;
  Value *parts[3];
  if (!projected || !hidden_sizes(node, projected->type.dims[2], sizes)) return false;
  if (onnx_int(node, "do_rotary", 0)) return onnx_unsupported(node, "do_rotary");
  if (onnx_int(node, "past_present_share_buffer", 0))
    return onnx_unsupported(node, "past_present_share_buffer");
  for (int i = 0; i < 3; i++) {
    Value *part = build_slice_axis(&node->builder, projected, 2, import_dim(node->importer, start),
                                   import_dim(node->importer, sizes[i]), 1);
    if (!part || !(parts[i] = attention_split_heads(node, part, heads))) return false;
    start += sizes[i];
  }
  if (!join_past(node, past, &parts[1], &parts[2])) return false;
  Value *bias = onnx_has_input(node, mask)
                    ? padding_bias(node, mask, first_dim(projected), parts[1]->type.dims[2],
                                   projected->type.element)
                    : NULL;
  if (node->builder.failed || (onnx_has_input(node, mask) && !bias)) return false;
  if (more >= 0) bias = plus(node, bias, onnx_input(node, more));
  return attend(node, parts[0], parts[1], parts[2], bias);
}

static bool check_projection(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int rank = onnx_input(node, 0)->type.rank, weights = onnx_input(node, 1)->type.rank;
  return (rank == 3 && weights == 2) ||
         onnx_error(node, "input of rank %d, weights of rank %d, wanted 3 and 2", rank, weights);
}

bool import_microsoft_attention(OnnxNode *node) {
  if (!check_projection(node)) return false;
  Value *projected =
      build_matmul(&node->builder, onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2));
  return project_and_attend(node, projected, 3, 4, 5);
}

// input, weights, bias, scales of both, mask, zero points of both, past
bool import_quantized_attention(OnnxNode *node) {
  if (!check_projection(node) || !onnx_need_inputs(node, 5)) return false;
  Value *sum = onnx_matmul_integer(node, onnx_input(node, 0), onnx_input(node, 1),
                                   onnx_input(node, 6), onnx_input(node, 7));
  Value *scale = onnx_binary(node, OP_MUL, onnx_input(node, 3), onnx_input(node, 4));
  Value *real = onnx_binary(node, OP_MUL, onnx_convert(node, sum, F32), scale);
  return project_and_attend(node, onnx_binary(node, OP_ADD, real, onnx_input(node, 2)), 5, 8, -1);
}

// --- MultiHeadAttention

// Part `index` of [batch, sequence, heads, parts, size], as heads.
static Value *unpacked(OnnxNode *node, Value *x, int index) {
  Value *part = build_slice_axis(&node->builder, x, 3, import_dim(node->importer, index),
                                 import_dim(node->importer, 1), 1);
  Value *flat = onnx_squeeze(node, part, (int64_t[]){3}, 1);
  return flat ? build_transpose(&node->builder, flat, (int64_t[]){0, 2, 1, 3}) : NULL;
}

// The part of the bias for heads that begins at `*start`.
static Value *with_bias(OnnxNode *node, Value *x, const Dim **start) {
  Value *bias = onnx_input(node, 3);
  if (!bias || !x) return x;
  if (bias->type.rank != 1) return onnx_error(node, "bias of rank %d", bias->type.rank), NULL;
  DimTable *table = node->importer->dims;
  const Dim *size = dim_mul(table, x->type.dims[1], x->type.dims[3]);
  Value *mine = build_slice_axis(&node->builder, bias, 0, *start, size, 1);
  *start = dim_add(table, *start, size);
  Value *rows = mine ? build_reshape(&node->builder, mine, 3,
                                     (const Dim *[]){x->type.dims[1], import_dim(node->importer, 1),
                                                     x->type.dims[3]})
                     : NULL;
  return onnx_binary(node, OP_ADD, x, rows);
}

static bool multi_head_parts(OnnxNode *node, int64_t heads, Value **parts) {
  Value *q = onnx_input(node, 0), *k = onnx_input(node, 1), *v = onnx_input(node, 2);
  const Dim *start = import_dim(node->importer, 0);
  bool given = k && k->type.rank == 4; // heads already, projected before
  if (!k && q->type.rank == 5) {
    for (int i = 0; i < 3; i++) parts[i] = unpacked(node, q, i);
  } else if (k && k->type.rank == 5 && q->type.rank == 3) {
    parts[0] = attention_split_heads(node, q, heads);
    for (int i = 0; i < 2; i++) parts[1 + i] = unpacked(node, k, i);
  } else if (k && v && q->type.rank == 3 && (given || k->type.rank == 3) &&
             v->type.rank == k->type.rank) {
    parts[0] = attention_split_heads(node, q, heads);
    parts[1] = given ? k : attention_split_heads(node, k, heads);
    parts[2] = given ? v : attention_split_heads(node, v, heads);
  } else
    return onnx_error(node, "query, key and value of these ranks do not belong together");
  for (int i = 0; i < (given ? 1 : 3); i++) parts[i] = with_bias(node, parts[i], &start);
  return parts[0] && parts[1] && parts[2];
}

bool import_multi_head_attention(OnnxNode *node) {
  int64_t heads = onnx_int(node, "num_heads", 0);
  Value *parts[3];
  if (!onnx_need_inputs(node, 1)) return false;
  if (heads < 1 || heads > 1 << 20) return onnx_error(node, "num_heads %lld", (long long)heads);
  if (onnx_has_input(node, 8) || onnx_has_input(node, 9))
    return onnx_unsupported(node, "a shared cache or beams");
  if (!multi_head_parts(node, heads, parts)) return false;
  for (int i = 0; i < 2; i++) {
    Value *past = onnx_input(node, 6 + i);
    if (past && past->type.rank != 4)
      return onnx_error(node, "the past has rank %d, wanted 4", past->type.rank);
    parts[1 + i] = attention_with_past(node, past, parts[1 + i]);
    if (!parts[1 + i] || !onnx_output(node, 1 + i, parts[1 + i])) return false;
  }
  Value *bias = onnx_has_input(node, 4)
                    ? padding_bias(node, 4, first_dim(parts[0]), parts[1]->type.dims[2],
                                   parts[0]->type.element)
                    : NULL;
  if (node->builder.failed || (onnx_has_input(node, 4) && !bias)) return false;
  return attend(node, parts[0], parts[1], parts[2], plus(node, bias, onnx_input(node, 5)));
}

// --- GroupQueryAttention

typedef struct Grouped {
  OnnxNode *node;
  int64_t q_heads, kv_heads;
  Value *parts[3]; // [batch, sequence, heads, size]
  const Dim *batch, *tokens;
  Value *seen;      // tokens before these, i64[batch, 1]; NULL: none
  bool same_length; // all rows of the batch are as long as the past
} Grouped;

static bool grouped_parts(Grouped *g) {
  OnnxNode *node = g->node;
  Value *inputs[3] = {onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2)};
  int64_t heads[3] = {g->q_heads, g->kv_heads, g->kv_heads}, start = 0, columns;
  if (inputs[0]->type.rank != 3 || !dim_is_constant(inputs[0]->type.dims[2], &columns))
    return onnx_error(node, "the query must be [batch, sequence, static size]");
  g->batch = inputs[0]->type.dims[0];
  g->tokens = inputs[0]->type.dims[1];
  int64_t size = inputs[1] ? columns / g->q_heads : columns / (g->q_heads + 2 * g->kv_heads);
  for (int i = 0; i < 3; i++) {
    Value *x = inputs[i];
    if (!inputs[1]) {
      x = build_slice_axis(&node->builder, inputs[0], 2, import_dim(node->importer, start),
                           import_dim(node->importer, size * heads[i]), 1);
      start += size * heads[i];
    }
    if (!x || x->type.rank != 3)
      return !node->builder.failed && onnx_error(node, "key and value must have rank 3");
    g->parts[i] = build_reshape(&node->builder, x, 4,
                                (const Dim *[]){x->type.dims[0], x->type.dims[1],
                                                import_dim(node->importer, heads[i]),
                                                import_dim(node->importer, size)});
    if (!g->parts[i]) return false;
  }
  return true;
}

static bool grouped_begin(OnnxNode *node, Grouped *g) {
  *g = (Grouped){.node = node,
                 .q_heads = onnx_int(node, "num_heads", 0),
                 .kv_heads = onnx_int(node, "kv_num_heads", 0)};
  if (!onnx_need_inputs(node, 1)) return false;
  if (g->q_heads < 1 || g->kv_heads < 1 || g->q_heads > 1 << 20 || g->q_heads % g->kv_heads)
    return onnx_error(node, "%lld heads of queries, %lld of keys", (long long)g->q_heads,
                      (long long)g->kv_heads);
  for (int i = 12; i < node->input_count; i++)
    if (onnx_has_input(node, i))
      return onnx_unsupported(node, "a quantized cache, norms or lengths of queries");
  if (onnx_int(node, "sliding_window_cache", 0) || onnx_int(node, "qk_output", 0))
    return onnx_unsupported(node, "sliding_window_cache or qk_output");
  if (!grouped_parts(g)) return false;
  Value *past = onnx_input(node, 3), *lengths = onnx_input(node, 5);
  if (!past) return true;
  if (past->type.rank != 4 || !lengths || lengths->type.rank < 1)
    return onnx_error(node, "past_key must have rank 4, and seqlens_k be given");
  if (lengths->type.rank != 1) lengths = build_reshape(&node->builder, lengths, 1, &g->batch);
  const Dim *others = dim_add_int(node->importer->dims, g->tokens, -1); // seqlens_k is one less
  Value *seen =
      onnx_binary(node, OP_SUB, onnx_convert(node, lengths, I64), onnx_dim_scalar(node, others));
  g->seen = onnx_unsqueeze(node, seen, (int64_t[]){1}, 1);
  g->same_length = dim_is(g->batch, 1);
  return g->seen != NULL;
}

// Positions of the new tokens: i64[batch or 1, tokens].
static Value *token_positions(const Grouped *g) {
  Value *steps = onnx_unsqueeze(g->node, onnx_positions(g->node, g->tokens), (int64_t[]){0}, 1);
  return g->seen ? onnx_binary(g->node, OP_ADD, g->seen, steps) : steps;
}

// The past longer by the new tokens, each row's behind what it holds: [batch, heads, all, size].
static Value *extended(const Grouped *g, Value *past, Value *x) {
  OnnxNode *node = g->node;
  Importer *importer = node->importer;
  Value *fresh = build_transpose(&node->builder, x, (int64_t[]){0, 2, 1, 3});
  if (!past || !fresh) return fresh;
  if (past->type.rank != 4) return onnx_error(node, "the past has rank %d", past->type.rank), NULL;
  Value *joined = attention_with_past(node, past, fresh);
  if (!joined || g->same_length) return joined;
  Value *index = onnx_unsqueeze(node, token_positions(g), (int64_t[]){1, 3}, 2);
  const Dim *dims[4] = {g->batch, import_dim(importer, g->kv_heads), g->tokens,
                        fresh->type.dims[3]};
  Value *wide = index ? build_expand(&node->builder, index, 4, dims) : NULL;
  Node *scatter =
      wide ? build_begin(&node->builder, OP_SCATTER_ELEMENTS, (Value *[]){joined, wide, fresh}, 3)
           : NULL;
  if (!scatter) return NULL;
  node_set_int(scatter, ATTR_AXIS, 2);
  return build_end(&node->builder, scatter);
}

// Which keys each query sees: [batch or 1, 1, tokens, all].
static Value *visible(const Grouped *g, const Dim *all) {
  OnnxNode *node = g->node;
  int64_t window = onnx_int(node, "local_window_size", -1);
  if (!onnx_int(node, "causal", 1)) return NULL;
  Value *rows = onnx_unsqueeze(node, token_positions(g), (int64_t[]){1, 3}, 2);
  Value *columns = onnx_positions(node, all);
  Value *allowed = onnx_binary(node, OP_LESS_EQUAL, columns, rows);
  if (window < 0) return allowed;
  Value *first = onnx_binary(node, OP_SUB, rows, onnx_integer(node, window));
  return attention_both(node, allowed, onnx_binary(node, OP_LESS, first, columns));
}

// Softmax with one more score for each head that takes its share and gives nothing.
static Value *weights_with_sink(OnnxNode *node, Value *scores, int64_t heads) {
  Value *sink = onnx_input(node, 11);
  if (!scores || (!sink && !onnx_int(node, "smooth_softmax", 0)))
    return onnx_unary(node, OP_SOFTMAX, scores);
  const Dim *count = import_dim(node->importer, heads), *one = import_dim(node->importer, 1);
  const Dim *const *d = scores->type.dims;
  if (!sink)
    sink = onnx_scalar_like(node, scores, 0);
  else
    sink = build_reshape(&node->builder, sink, 3, (const Dim *[]){count, one, one});
  Value *column = sink
                      ? build_expand(&node->builder, onnx_convert(node, sink, scores->type.element),
                                     4, (const Dim *[]){d[0], d[1], d[2], one})
                      : NULL;
  Value *longer = column ? build_concat(&node->builder, (Value *[]){scores, column}, 2, 3) : NULL;
  Value *weights = onnx_unary(node, OP_SOFTMAX, longer);
  return weights
             ? build_slice_axis(&node->builder, weights, 3, import_dim(node->importer, 0), d[3], 1)
             : NULL;
}

bool import_group_query_attention(OnnxNode *node) {
  Grouped g;
  if (!grouped_begin(node, &g)) return false;
  Value *caches[2] = {onnx_input(node, 7), onnx_input(node, 8)};
  for (int i = 0; i < 2 && onnx_int(node, "do_rotary", 0); i++) {
    Value *ids = onnx_has_input(node, 9) ? onnx_input(node, 9) : token_positions(&g);
    int64_t half;
    if (!caches[0] || !caches[1] || caches[0]->type.rank != 2 ||
        !dim_is_constant(caches[0]->type.dims[1], &half))
      return onnx_error(node, "do_rotary without caches [positions, static size]");
    g.parts[i] = rotary_turn(node, g.parts[i], caches, ids, 2 * half,
                             onnx_int(node, "rotary_interleaved", 0) != 0);
    if (!g.parts[i]) return false;
  }
  Value *q = build_transpose(&node->builder, g.parts[0], (int64_t[]){0, 2, 1, 3});
  Value *k = extended(&g, onnx_input(node, 3), g.parts[1]),
        *v = extended(&g, onnx_input(node, 4), g.parts[2]);
  if (!q || !k || !v || !onnx_output(node, 1, k) || !onnx_output(node, 2, v)) return false;
  Value *allowed = visible(&g, k->type.dims[2]);
  Value *bias = allowed ? attention_bias_of(node, allowed, q->type.element) : NULL;
  if (node->builder.failed) return false;
  int64_t times = g.q_heads / g.kv_heads;
  Value *scores = attention_scores(node, q, attention_repeat_heads(node, k, times));
  scores = plus(node, attention_soft_cap(node, scores), plus(node, bias, onnx_input(node, 10)));
  Value *weights = weights_with_sink(node, scores, g.q_heads);
  Value *values = attention_repeat_heads(node, v, times);
  Value *y = weights && values ? build_matmul(&node->builder, weights, values, NULL) : NULL;
  return onnx_output(node, 0, attention_join_heads(node, y));
}

// --- EmbedLayerNormalization

// The number of words of each row: those that the mask keeps.
static Value *word_counts(OnnxNode *node, const Type *ids) {
  Value *mask = onnx_input(node, 7);
  if (mask) return onnx_reduce_one(node, OP_REDUCE_SUM, onnx_convert(node, mask, I32), 1, false);
  Value *zero = build_scalar(&node->builder, I32, 0);
  return zero ? build_expand(&node->builder, zero, 1, ids->dims) : NULL;
}

// ids, segment ids, tables of words, positions and segments, gamma, beta, mask, position ids
bool import_embed_layer_norm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *ids = onnx_input(node, 0), *gamma = onnx_input(node, 5), *beta = onnx_input(node, 6);
  if (!onnx_has_input(node, 2) || !onnx_has_input(node, 3) || !gamma || !beta ||
      (onnx_has_input(node, 1) && !onnx_has_input(node, 4)))
    return onnx_error(node, "a table of embeddings, gamma or beta is missing");
  if (ids->type.rank != 2) return onnx_error(node, "ids of rank %d, wanted 2", ids->type.rank);
  Value *places =
      onnx_has_input(node, 8) ? onnx_input(node, 8) : onnx_positions(node, ids->type.dims[1]);
  Value *sum = onnx_binary(node, OP_ADD, onnx_gather(node, onnx_input(node, 2), ids, 0, true),
                           onnx_gather(node, onnx_input(node, 3), places, 0, true));
  if (onnx_has_input(node, 1))
    sum = onnx_binary(node, OP_ADD, sum,
                      onnx_gather(node, onnx_input(node, 4), onnx_input(node, 1), 0, true));
  Node *norm =
      sum ? build_begin(&node->builder, OP_LAYER_NORM, (Value *[]){sum, gamma, beta}, 3) : NULL;
  if (!norm) return false;
  node_set_int(norm, ATTR_AXIS, 2);
  node_set_float(norm, ATTR_EPSILON, onnx_float(node, "epsilon", 1e-12));
  return onnx_output(node, 0, build_end(&node->builder, norm)) &&
         onnx_output(node, 1, word_counts(node, &ids->type)) && onnx_output(node, 2, sum);
}
