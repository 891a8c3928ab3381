// Structured pruning: whole output channels of convolutions, or columns of matrix products, leave
// the graph together with everything that only they need: their biases, per-channel constants, and
// the rows of the weights that would read them. Shapes shrink. Channels tied by an addition go
// together or not at all; channels that are outputs of the model, or that an op needs whole, stay.
//
// A channel's score is the squared norm of its weights relative to the mean of its layer, averaged
// over the products that make it.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/builder.h"
#include "ir/constant_data.h"
#include "passes/channels.h"
#include "passes/compress.h"
#include "passes/prune.h"
#include "passes/report.h"

typedef struct Occurrence { // a channel as an output of a layer
  int layer;
  struct Occurrence *next;
} Occurrence;

typedef struct Candidate {
  int root;
  double score;
} Candidate;

typedef struct Pruner {
  PassContext *context;
  Channels channels;
  LayerList layers;
  int64_t *remaining;   // outputs of a layer that stay
  Occurrence **made_by; // by root
  double *score;        // sum over occurrences, by root
  int *makers;
  bool *candidate; // by root: every product that makes it is of the kind to prune
  bool *touched;   // layers that got smaller
  bool filters;
  int values; // that channels were found for
} Pruner;

static bool is_maker(const Layer *layer) { return channels_is_producer(layer->user); }

static bool is_wanted(const Pruner *p, const Layer *layer) {
  return is_maker(layer) && (layer->user->op == OP_CONV) == p->filters;
}

static double *squared_norms(Pruner *p, const Layer *layer, int64_t *outputs) {
  *outputs = layer->matrix.columns;
  double *norms = NEW_ARRAY(p->context->scratch, double, *outputs);
  for (int64_t row = 0; row < layer->matrix.rows; row++)
    for (int64_t column = 0; column < *outputs; column++) {
      double value = (double)weight_at(&layer->matrix, row, column);
      norms[column] += value * value;
    }
  return norms;
}

static void score_layer(Pruner *p, int index) {
  const Layer *layer = &p->layers.items[index];
  const ChannelAxis *out = channels_of(&p->channels, layer->user->results[0]);
  if (!is_maker(layer) || out->axis < 0) return;
  p->remaining[index] = out->count;
  int64_t outputs;
  double *norms = layer->matrix.rows ? squared_norms(p, layer, &outputs) : NULL, mean = 0;
  for (int64_t i = 0; norms && i < outputs; i++) mean += norms[i] / (double)outputs;
  for (int64_t i = 0; i < out->count; i++) {
    int root = channel_root(&p->channels, out->ids[i]);
    Occurrence *occurrence = NEW(p->context->scratch, Occurrence);
    *occurrence = (Occurrence){index, p->made_by[root]};
    p->made_by[root] = occurrence;
    p->score[root] += norms && mean > 0 ? norms[i] / mean : 0;
    p->makers[root]++;
    if (!is_wanted(p, layer) || !norms) p->candidate[root] = false;
  }
}

static bool try_remove(Pruner *p, int root) {
  for (Occurrence *o = p->made_by[root]; o; o = o->next) p->remaining[o->layer]--;
  bool empty = false;
  for (Occurrence *o = p->made_by[root]; o; o = o->next) empty |= p->remaining[o->layer] < 1;
  if (!empty) return p->channels.removed[root] = true;
  for (Occurrence *o = p->made_by[root]; o; o = o->next) p->remaining[o->layer]++;
  return false;
}

static int by_score(const void *a, const void *b) {
  const Candidate *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return x->root - y->root;
}

// Removes the lowest of the candidates until `wanted` are gone.
static void remove_lowest(Pruner *p, Candidate *candidates, int count, int64_t wanted) {
  qsort(candidates, (size_t)count, sizeof *candidates, by_score);
  for (int i = 0; i < count && wanted > 0; i++)
    if (!p->channels.removed[candidates[i].root]) wanted -= try_remove(p, candidates[i].root);
}

static bool is_candidate(const Pruner *p, int root) {
  return p->channels.parent[root] == root && !p->channels.locked[root] && p->candidate[root] &&
         p->makers[root];
}

static double mean_score(const Pruner *p, int root) { return p->score[root] / p->makers[root]; }

static void choose_global(Pruner *p, double sparsity) {
  Candidate *candidates = NEW_ARRAY(p->context->scratch, Candidate, p->channels.count + 1);
  int count = 0;
  for (int root = 0; root < p->channels.count; root++)
    if (is_candidate(p, root)) candidates[count++] = (Candidate){root, mean_score(p, root)};
  remove_lowest(p, candidates, count, (int64_t)floor(sparsity * count));
}

static void choose_by_layer(Pruner *p, const Graph *graph, double sparsity) {
  for (int i = 0; i < p->layers.count; i++) {
    const Layer *layer = &p->layers.items[i];
    if (layer->user->graph != graph || !is_wanted(p, layer)) continue;
    const ChannelAxis *out = channels_of(&p->channels, layer->user->results[0]);
    Candidate *candidates = NEW_ARRAY(p->context->scratch, Candidate, out->count + 1);
    int count = 0;
    for (int64_t k = 0; k < out->count; k++) {
      int root = channel_root(&p->channels, out->ids[k]);
      if (is_candidate(p, root) && !p->channels.removed[root])
        candidates[count++] = (Candidate){root, mean_score(p, root)};
    }
    int64_t gone = out->count - p->remaining[i];
    remove_lowest(p, candidates, count, (int64_t)floor(sparsity * (double)out->count) - gone);
  }
}

// --- the rewrite

typedef struct Kept {
  const int64_t *items;
  int64_t count, all;
} Kept;

static Kept kept_of(Pruner *p, const Value *value, int *axis) {
  const ChannelAxis *own = channels_of(&p->channels, value);
  Kept kept = {.all = own->count};
  *axis = own->axis;
  if (own->axis < 0) return kept;
  int64_t *items = NEW_ARRAY(p->context->module->arena, int64_t, own->count + 1);
  for (int64_t i = 0; i < own->count; i++)
    if (!p->channels.removed[channel_root(&p->channels, own->ids[i])]) items[kept.count++] = i;
  kept.items = items;
  return kept;
}

// Operand `index` of the node keeps the entries `kept` along `axis`; a constant that others read
// too is copied.
static bool slice_constant(Pruner *p, Node *node, int index, int axis, Kept kept) {
  Value *value = node->operands[index];
  const Type *type = &value->type;
  if (kept.count == kept.all || axis < 0 || dim_is(type->dims[axis], 1)) return true;
  Constant *constant = value_constant(value);
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; i++) outer *= type_dim(type, i);
  for (int i = axis + 1; i < type->rank; i++) inner *= type_dim(type, i);
  size_t row = (size_t)inner * (size_t)element_info[type->element].bits / 8;
  char *data = arena_alloc(module_data(p->context->module), (size_t)(outer * kept.count) * row);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < kept.count; i++)
      memcpy(data + (size_t)(o * kept.count + i) * row,
             (const char *)constant->data + (size_t)(o * kept.all + kept.items[i]) * row, row);
  Type shrunk = *type;
  shrunk.dims[axis] = dim_constant(p->context->module->dims, kept.count);
  if (!value_has_one_use(value)) {
    Builder builder = builder_before(node);
    Value *copy = build_constant(&builder, shrunk, data, constant->name);
    if (!copy) return false;
    node_set_operand(node, index, copy);
    return true;
  }
  value->type = shrunk;
  constant->data = data;
  constant->bytes = (size_t)(outer * kept.count) * row;
  constant->hash = 0;
  return true;
}

static Layer *layer_of(Pruner *p, const Node *node) {
  for (int i = 0; i < p->layers.count; i++)
    if (p->layers.items[i].user == node) return &p->layers.items[i];
  return NULL;
}

static bool shrink_product(Pruner *p, Node *node) {
  int in_axis, out_axis;
  Kept in = kept_of(p, node->operands[0], &in_axis), out = kept_of(p, node->results[0], &out_axis);
  if (in.count == in.all && out.count == out.all) return true;
  Layer *layer = layer_of(p, node);
  Layer own = {.constant_node = node->operands[1]->definition,
               .user = node,
               .constant = value_constant(node->operands[1]),
               .type = &node->operands[1]->type};
  if (layer)
    p->touched[layer - p->layers.items] = true;
  else
    layer = &own; // not asked for (`only`), but it reads what has gone
  int64_t bytes = (int64_t)layer->constant->bytes;
  compress_note(p->context, layer,
                layer->constant->record ? layer->constant->record->sqnr : INFINITY);
  if (out.count < out.all) {
    layer->constant->record->kept = out.items;
    layer->constant->record->kept_count = (int)out.count;
  }
  bool depthwise = channels_is_depthwise(node);
  if (depthwise) node_set_int(node, ATTR_GROUP, out.count);
  if (!slice_constant(p, node, 1, channels_output_axis(node), out)) return false;
  if (!depthwise && in_axis >= 0 && !slice_constant(p, node, 1, channels_input_axis(node), in))
    return false;
  if (node_operand(node, 2) && !slice_constant(p, node, 2, 0, out)) return false;
  type_max_count(layer->type, &layer->count);
  compress_report(p->context, layer, bytes, (int64_t)layer->constant->bytes, 0, NAN);
  return true;
}

static bool shrink_pointwise(Pruner *p, Node *node) {
  int axis;
  Kept kept = kept_of(p, node->results[0], &axis);
  for (int i = 0; i < node->operand_count; i++) {
    const Value *operand = node->operands[i];
    if (!operand || !value_is_constant(operand)) continue;
    int own = axis - (node->results[0]->type.rank - operand->type.rank);
    if (axis >= 0 && own >= 0 && !slice_constant(p, node, i, own, kept)) return false;
  }
  return true;
}

static void shrink_reshape(Pruner *p, Node *node) {
  int axis, count;
  Kept kept = kept_of(p, node->results[0], &axis);
  if (axis < 0 || kept.count == kept.all) return;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count), *changed[MAX_RANK];
  memcpy(changed, sizes, (size_t)count * sizeof *sizes);
  changed[axis] = dim_constant(node->graph->module->dims, kept.count);
  node_set_dims(node, ATTR_SIZES, changed, count);
}

static bool rewrite(Pruner *p, Graph *graph) {
  FOR_EACH_NODE (node, graph) {
    bool touched = false;
    int axis;
    for (int i = 0; i < node->operand_count + node->result_count; i++) {
      const Value *value =
          i < node->operand_count ? node->operands[i] : node->results[i - node->operand_count];
      if (!value || value->id >= p->values) continue;
      Kept kept = kept_of(p, value, &axis);
      touched |= axis >= 0 && kept.count < kept.all;
    }
    if (!touched) continue;
    if (node->op == OP_CONV || node->op == OP_MATMUL) {
      if (!shrink_product(p, node)) return false;
    } else if (node_has_trait(node, POINTWISE)) {
      if (!shrink_pointwise(p, node)) return false;
    } else if (node->op == OP_RESHAPE)
      shrink_reshape(p, node);
    if (!op_info[node->op].infer(node, p->context->diag)) return false;
  }
  return true;
}

static void report_untouched(Pruner *p, const Graph *graph) {
  for (int i = 0; i < p->layers.count; i++) {
    const Layer *layer = &p->layers.items[i];
    if (layer->user->graph != graph || !is_wanted(p, layer)) continue;
    const ChannelAxis *out = channels_of(&p->channels, layer->user->results[0]);
    if (out->axis < 0 || p->touched[i]) continue;
    bool locked = true;
    for (int64_t k = 0; k < out->count; k++)
      locked &= p->channels.locked[channel_root(&p->channels, out->ids[k])];
    compress_refuse(p->context, layer,
                    locked ? "its outputs leave the model, or an op needs all of them"
                           : "its outputs are among the strongest");
  }
}

bool prune_channels(Graph *graph, PassContext *context, double sparsity, bool global,
                    bool filters) {
  Pruner p = {.context = context,
              .filters = filters,
              .values = graph->module->next_value_id,
              .channels = channels_find(graph, context->scratch)};
  int count = p.channels.count + 1;
  p.layers = compress_layers(graph, context);
  p.remaining = NEW_ARRAY(context->scratch, int64_t, p.layers.count + 1);
  p.touched = NEW_ARRAY(context->scratch, bool, p.layers.count + 1);
  p.made_by = NEW_ARRAY(context->scratch, Occurrence *, count);
  p.score = NEW_ARRAY(context->scratch, double, count);
  p.makers = NEW_ARRAY(context->scratch, int, count);
  p.candidate = NEW_ARRAY(context->scratch, bool, count);
  memset(p.candidate, true, (size_t)count);
  for (int i = 0; i < p.layers.count; i++)
    if (p.layers.items[i].user->graph == graph) score_layer(&p, i);
  if (global)
    choose_global(&p, sparsity);
  else
    choose_by_layer(&p, graph, sparsity);
  if (!rewrite(&p, graph)) return false;
  report_untouched(&p, graph);
  return true;
}
