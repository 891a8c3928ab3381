// LinearAttention: a state of one matrix per head, changed by each token and read by its query. The
// tokens are one scan; one token alone needs none.
#include <math.h>
#include <string.h>

#include "frontend/import.h"

typedef struct LinearAttention {
  OnnxNode *node;
  bool gates, corrects; // update_rule
  int64_t q_heads, heads;
  const Dim *batch, *tokens, *key_size, *value_size;
  double scale;
} LinearAttention;

// A token's operands, [batch, heads, size] each.
enum { QUERY, KEY, VALUE, DECAY, RATE, PARTS };

static bool rule_of(LinearAttention *l) {
  const char *rule = onnx_string(l->node, "update_rule", "gated_delta");
  l->gates = strncmp(rule, "gated", 5) == 0;
  l->corrects = strstr(rule, "delta") != NULL;
  if (strcmp(rule, "linear") != 0 && strcmp(rule, "gated") != 0 && strcmp(rule, "delta") != 0 &&
      strcmp(rule, "gated_delta") != 0)
    return onnx_error(l->node, "update_rule '%s'", rule);
  if (l->gates != onnx_has_input(l->node, 4) || l->corrects != onnx_has_input(l->node, 5))
    return onnx_error(l->node, "update_rule '%s' %s decay and %s beta", rule,
                      l->gates ? "needs" : "has no", l->corrects ? "needs" : "has no");
  return true;
}

static bool linear_begin(OnnxNode *node, LinearAttention *l) {
  *l = (LinearAttention){.node = node,
                         .q_heads = onnx_int(node, "q_num_heads", 0),
                         .heads = onnx_int(node, "kv_num_heads", 0),
                         .scale = onnx_float(node, "scale", 0)};
  if (!onnx_need_inputs(node, 3) || !rule_of(l)) return false;
  if (l->heads < 1 || l->heads > 1 << 20 || l->q_heads < 1 || l->q_heads > 1 << 20 ||
      l->q_heads % l->heads != 0)
    return onnx_error(node, "%lld heads of queries, %lld of keys", (long long)l->q_heads,
                      (long long)l->heads);
  for (int i = 0; i < 6; i++)
    if (i != 3 && onnx_has_input(node, i) && onnx_input(node, i)->type.rank != 3)
      return onnx_error(node, "input %d has rank %d, wanted 3", i, onnx_input(node, i)->type.rank);
  const Type *q = &onnx_input(node, 0)->type, *v = &onnx_input(node, 2)->type;
  DimTable *table = node->importer->dims;
  int64_t size;
  l->batch = q->dims[0];
  l->tokens = q->dims[1];
  l->key_size = dim_floordiv(table, q->dims[2], import_dim(node->importer, l->q_heads));
  l->value_size = dim_floordiv(table, v->dims[2], import_dim(node->importer, l->heads));
  if (l->scale == 0 && !dim_is_constant(l->key_size, &size))
    return onnx_error(node, "the size of a head must be static");
  if (l->scale == 0) l->scale = size > 0 ? 1 / sqrt((double)size) : 1;
  return true;
}

// [batch, tokens, heads * size] -> f32[batch, tokens, heads, size]
static Value *split(const LinearAttention *l, int input, int64_t heads) {
  Importer *importer = l->node->importer;
  Value *x = onnx_convert(l->node, onnx_input(l->node, input), F32);
  if (!x) return NULL;
  const Dim *count = import_dim(importer, heads);
  const Dim *dims[4] = {l->batch, l->tokens, count,
                        dim_floordiv(importer->dims, x->type.dims[2], count)};
  return build_reshape(&l->node->builder, x, 4, dims);
}

// The heads of the rate may be one that all share.
static int64_t rate_heads(const LinearAttention *l) {
  return dim_is(onnx_input(l->node, 5)->type.dims[2], 1) ? 1 : l->heads;
}

static Value *column(Builder *builder, Value *x) { // [b, h, d] -> [b, h, d, 1]
  const Dim *const *d = x->type.dims;
  const Dim *one = dim_constant(builder->graph->module->dims, 1);
  return build_reshape(builder, x, 4, (const Dim *[]){d[0], d[1], d[2], one});
}

static Value *row(Builder *builder, Value *x) { // [b, h, d] -> [b, h, 1, d]
  const Dim *const *d = x->type.dims;
  const Dim *one = dim_constant(builder->graph->module->dims, 1);
  return build_reshape(builder, x, 4, (const Dim *[]){d[0], d[1], one, d[2]});
}

// The state after a token. Each step is skipped once the builder has failed.
static Value *next_state(const LinearAttention *l, Builder *builder, Value *state,
                         Value *const *token) {
  Value *value = row(builder, token[VALUE]);
  if (l->gates && !builder->failed) {
    Value *gate = build_unary(builder, OP_EXP, column(builder, token[DECAY]));
    state = builder->failed ? NULL : build_binary(builder, OP_MUL, state, gate);
  }
  if (l->corrects && !builder->failed) {
    Value *found = build_matmul(builder, row(builder, token[KEY]), state, NULL);
    Value *rate = builder->failed ? NULL : column(builder, token[RATE]);
    Value *missing = builder->failed ? NULL : build_binary(builder, OP_SUB, value, found);
    value = builder->failed ? NULL : build_binary(builder, OP_MUL, missing, rate);
  }
  if (builder->failed) return NULL;
  Value *change = build_binary(builder, OP_MUL, column(builder, token[KEY]), value);
  return builder->failed ? NULL : build_binary(builder, OP_ADD, state, change);
}

// What the queries read: [b, q_heads, d] x [b, heads, d, v] -> [b, q_heads * v]
static Value *read_state(const LinearAttention *l, Builder *builder, Value *state, Value *query) {
  Importer *importer = l->node->importer;
  const Dim *each = import_dim(importer, l->q_heads / l->heads),
            *heads = import_dim(importer, l->heads);
  Value *grouped =
      build_reshape(builder, query, 4, (const Dim *[]){l->batch, heads, each, l->key_size});
  Value *read = grouped ? build_matmul(builder, grouped, state, NULL) : NULL;
  Value *factor = read ? build_scalar(builder, F32, l->scale) : NULL;
  Value *scaled = factor ? build_binary(builder, OP_MUL, read, factor) : NULL;
  const Dim *size = dim_mul_int(importer->dims, l->value_size, l->q_heads);
  return scaled ? build_reshape(builder, scaled, 2, (const Dim *[]){l->batch, size}) : NULL;
}

// results: the state at the end, [batch, tokens, q_heads * value_size]
static bool scan_tokens(const LinearAttention *l, Value *state, Value *const *parts, int count,
                        const int *kinds, Value **results) {
  OnnxNode *node = l->node;
  Value *operands[1 + PARTS] = {state};
  int64_t axes[PARTS], out_axis = 1, directions[PARTS + 1] = {0};
  for (int i = 0; i < count; i++) {
    operands[1 + i] = parts[i];
    axes[i] = 1;
  }
  Node *scan = build_begin_results(&node->builder, OP_SCAN, operands, 1 + count, 2);
  if (!scan) return false;
  node_set_int(scan, ATTR_SCAN_INPUTS, count);
  node_set_ints(scan, ATTR_SCAN_INPUT_AXES, axes, count);
  node_set_ints(scan, ATTR_SCAN_OUTPUT_AXES, &out_axis, 1);
  node_set_ints(scan, ATTR_SCAN_DIRECTIONS, directions, count + 1);
  Graph *body = node_add_region(scan, "body");
  Value *before = graph_add_input(body, state->type, NULL), *token[PARTS] = {NULL};
  for (int i = 0; i < count; i++) {
    const Dim *const *d = parts[i]->type.dims;
    Type type = type_tensor(F32, 3, (const Dim *[]){d[0], d[2], d[3]});
    token[kinds[i]] = graph_add_input(body, type, NULL);
  }
  Builder builder = builder_at_end(body, node->loc);
  Value *after = next_state(l, &builder, before, token);
  Value *read = after ? read_state(l, &builder, after, token[QUERY]) : NULL;
  if (!read) return false;
  graph_add_output(body, after);
  graph_add_output(body, read);
  if (!build_end(&node->builder, scan)) return false;
  results[0] = scan->results[0];
  results[1] = scan->results[1];
  return true;
}

static bool one_token(const LinearAttention *l, Value *state, Value *const *parts, int count,
                      const int *kinds, Value **results) {
  Builder *builder = &l->node->builder;
  Value *token[PARTS] = {NULL};
  for (int i = 0; i < count; i++)
    if (!(token[kinds[i]] = onnx_squeeze(l->node, parts[i], (int64_t[]){1}, 1))) return false;
  results[0] = next_state(l, builder, state, token);
  Value *read = results[0] ? read_state(l, builder, results[0], token[QUERY]) : NULL;
  results[1] = onnx_unsqueeze(l->node, read, (int64_t[]){1}, 1);
  return results[1] != NULL;
}

static Value *first_state(const LinearAttention *l) {
  OnnxNode *node = l->node;
  const Dim *dims[4] = {l->batch, import_dim(node->importer, l->heads), l->key_size, l->value_size};
  if (onnx_has_input(node, 3)) {
    Value *past = onnx_of_shape(node, onnx_input(node, 3), "the numbers of past_state", 4, dims);
    return onnx_convert(node, past, F32);
  }
  Value *zero = build_scalar(&node->builder, F32, 0);
  return zero ? build_expand(&node->builder, zero, 4, dims) : NULL;
}

bool import_linear_attention(OnnxNode *node) {
  LinearAttention l;
  if (!linear_begin(node, &l)) return false;
  Value *state = first_state(&l), *parts[PARTS], *results[2];
  if (!state) return false;
  int kinds[PARTS], count = 0;
  static const int inputs[PARTS] = {0, 1, 2, 4, 5};
  for (int i = 0; i < PARTS; i++) {
    if (!onnx_has_input(node, inputs[i])) continue;
    int64_t heads = i == QUERY ? l.q_heads : i == RATE ? rate_heads(&l) : l.heads;
    if (!(parts[count] = split(&l, inputs[i], heads))) return false;
    kinds[count++] = i;
  }
  bool good = dim_is(l.tokens, 1) ? one_token(&l, state, parts, count, kinds, results)
                                  : scan_tokens(&l, state, parts, count, kinds, results);
  if (!good) return false;
  ElementType kept = onnx_input(node, onnx_has_input(node, 3) ? 3 : 0)->type.element;
  return onnx_output(node, 0, onnx_convert(node, results[1], onnx_input(node, 0)->type.element)) &&
         onnx_output(node, 1, onnx_convert(node, results[0], kept));
}
