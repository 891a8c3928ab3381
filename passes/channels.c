// Follows channels through a graph, one number a channel: concatenation is concatenation of
// numbers, a residual addition makes numbers one, flattening repeats them.
#include "passes/channels.h"

#include <assert.h>
#include <string.h>

// --- numbers

int channel_root(const Channels *channels, int id) {
  while (channels->parent[id] != id)
    id = channels->parent[id] = channels->parent[channels->parent[id]];
  return id;
}

static int new_channel(Channels *c) {
  if (c->count == c->capacity) {
    int capacity = c->capacity ? 2 * c->capacity : 256;
    c->parent =
        arena_grow(c->arena, c->parent, (size_t)c->count, (size_t)capacity, sizeof *c->parent);
    c->locked =
        arena_grow(c->arena, c->locked, (size_t)c->count, (size_t)capacity, sizeof *c->locked);
    c->capacity = capacity;
  }
  c->parent[c->count] = c->count;
  c->locked[c->count] = false;
  return c->count++;
}

static void unite(Channels *c, int a, int b) {
  a = channel_root(c, a);
  b = channel_root(c, b);
  if (a == b) return;
  int low = a < b ? a : b,
      high = a < b ? b : a; // the smaller number stays: no dependence on the order of unions
  c->parent[high] = low;
  c->locked[low] |= c->locked[high];
}

static void lock(Channels *c, const ChannelAxis *axis) {
  if (axis->axis < 0) return;
  for (int64_t i = 0; i < axis->count; i++) c->locked[channel_root(c, axis->ids[i])] = true;
}

const ChannelAxis *channels_of(const Channels *channels, const Value *value) {
  return &channels->of_value[value->id];
}

static void lock_operands(Channels *c, const Node *node) {
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) lock(c, channels_of(c, node->operands[i]));
}

static ChannelAxis fresh(Channels *c, int axis, int64_t count) {
  ChannelAxis made = {axis, count, NEW_ARRAY(c->arena, int, count)};
  for (int64_t i = 0; i < count; i++) made.ids[i] = new_channel(c);
  return made;
}

static void set_result(Channels *c, const Node *node, ChannelAxis axis) {
  c->of_value[node->results[0]->id] = axis;
}

static int last_axis(const Value *value) { return value->type.rank - 1; }

// --- products

static bool has_constant_weights(const Node *node) {
  if (node->op != OP_CONV && node->op != OP_MATMUL) return false;
  const Value *bias = node_operand(node, 2);
  return node->region_count == 0 && value_is_constant(node->operands[1]) &&
         (!bias || value_is_constant(bias)) && value_has_one_use(node->operands[1]) &&
         node->operands[1]->type.element == F32 && !node->operands[1]->type.quant &&
         value_constant(node->operands[1])->storage.count == 0;
}

bool channels_is_producer(const Node *node) {
  if (!has_constant_weights(node)) return false;
  if (node->op == OP_CONV) return node_int(node, ATTR_GROUP) == 1;
  return node->operands[1]->type.rank == 2 && node->operands[0]->type.rank >= 2 &&
         !node_int(node, ATTR_TRANSPOSE_A);
}

bool channels_is_depthwise(const Node *node) {
  if (!has_constant_weights(node) || node->op != OP_CONV) return false;
  const Type *w = &node->operands[1]->type;
  return node_int(node, ATTR_GROUP) > 1 && type_dim(w, 0) == node_int(node, ATTR_GROUP) &&
         type_dim(w, w->rank - 1) == 1;
}

int channels_output_axis(const Node *node) {
  return node->op == OP_CONV ? 0 : node_int(node, ATTR_TRANSPOSE_B) ? 0 : 1;
}

int channels_input_axis(const Node *node) {
  return node->op == OP_CONV                ? node->operands[1]->type.rank - 1
         : node_int(node, ATTR_TRANSPOSE_B) ? 1
                                            : 0;
}

static void follow_product(Channels *c, const Node *node) {
  const ChannelAxis *x = channels_of(c, node->operands[0]);
  if (channels_is_depthwise(node)) {
    if (x->axis == last_axis(node->operands[0]))
      set_result(c, node, (ChannelAxis){last_axis(node->results[0]), x->count, x->ids});
    else
      lock(c, x);
    return;
  }
  if (!channels_is_producer(node)) {
    lock_operands(c, node);
    return;
  }
  if (x->axis != last_axis(node->operands[0])) lock(c, x);
  set_result(c, node,
             fresh(c, last_axis(node->results[0]),
                   type_dim(&node->operands[1]->type, channels_output_axis(node))));
}

// --- pointwise ops: aligned at the last axis, as broadcasting does

static bool has_dim_one(const Value *value, int axis) {
  return axis < 0 || dim_is(value->type.dims[axis], 1);
}

static void follow_pointwise(Channels *c, const Node *node) {
  const Value *result = node->results[0];
  ChannelAxis found = {.axis = -1};
  bool agree = node->region_count == 0 && node->result_count == 1;
  for (int i = 0; i < node->operand_count && agree; i++) {
    const Value *operand = node->operands[i];
    const ChannelAxis *own = operand ? channels_of(c, operand) : NULL;
    if (!own || own->axis < 0) continue;
    int axis = own->axis + result->type.rank - operand->type.rank;
    if (result->type.dims[axis] != operand->type.dims[own->axis])
      agree = false; // one channel for all
    else if (found.axis < 0)
      found = (ChannelAxis){axis, own->count, own->ids};
    else if (found.axis != axis || found.count != own->count)
      agree = false;
    else
      for (int64_t k = 0; k < own->count; k++) unite(c, found.ids[k], own->ids[k]);
  }
  for (int i = 0; i < node->operand_count && agree && found.axis >= 0; i++) {
    const Value *operand = node->operands[i];
    if (!operand || value_is_constant(operand) || channels_of(c, operand)->axis >= 0) continue;
    if (!has_dim_one(operand, found.axis - (result->type.rank - operand->type.rank))) agree = false;
  }
  if (agree)
    set_result(c, node, found);
  else
    lock_operands(c, node);
}

// --- movement

static bool reduces_axis(const Node *node, int axis, int *before) {
  int count;
  const int64_t *axes = node_ints(node, ATTR_AXES, &count);
  *before = 0;
  if (!count) return true;
  for (int i = 0; i < count; i++) {
    int64_t reduced = axes[i] < 0 ? axes[i] + node->operands[0]->type.rank : axes[i];
    if (reduced == axis) return true;
    *before += reduced < axis;
  }
  return false;
}

static void follow_reduction(Channels *c, const Node *node) {
  ChannelAxis x = *channels_of(c, node->operands[0]);
  int before;
  if (x.axis < 0 || reduces_axis(node, x.axis, &before)) {
    lock_operands(c, node);
    return;
  }
  if (!node_int(node, ATTR_KEEP_DIMS)) x.axis -= before;
  set_result(c, node, x);
}

static int64_t product_of(const Type *type, int first, int end) {
  int64_t product = 1, dim;
  for (int i = first; i < end; i++) {
    if (!dim_is_constant(type->dims[i], &dim)) return -1;
    product *= dim;
  }
  return product;
}

// Axis `to` of the result that consists of whole axes first .. end of the operand, `axis` among
// them.
static bool find_reshaped(const Type *old, const Type *new, int axis, int *to, int *first,
                          int *end) {
  int same = 0;
  while (same < old->rank && same < new->rank && old->dims[same] == new->dims[same] && same < axis)
    same++;
  for (*to = same; *to < new->rank; (*to)++)
    for (*first = same; *first <= axis; (*first)++)
      for (*end = axis + 1; *end <= old->rank; (*end)++) {
        int64_t before = product_of(old, same, *first), dim = product_of(old, *first, *end);
        if (before < 0 || dim < 0 || before != product_of(new, same, *to)) continue;
        if (dim == product_of(new, *to, *to + 1)) return true;
      }
  return false;
}

static void follow_reshape(Channels *c, const Node *node) {
  const ChannelAxis *x = channels_of(c, node->operands[0]);
  const Type *old = &node->operands[0]->type;
  int to, first, end;
  if (x->axis < 0) return;
  if (!find_reshaped(old, &node->results[0]->type, x->axis, &to, &first, &end)) {
    lock(c, x);
    return;
  }
  int64_t count = product_of(old, first, end), inner = product_of(old, x->axis + 1, end);
  ChannelAxis result = {to, count, NEW_ARRAY(c->arena, int, count)};
  for (int64_t i = 0; i < count; i++) result.ids[i] = x->ids[i / inner % x->count];
  set_result(c, node, result);
}

static void follow_transpose(Channels *c, const Node *node) {
  ChannelAxis x = *channels_of(c, node->operands[0]);
  int count, axis = -1;
  const int64_t *perm = node_ints(node, ATTR_PERM, &count);
  for (int i = 0; i < node->operands[0]->type.rank && x.axis >= 0; i++)
    if ((count ? perm[i] : node->operands[0]->type.rank - 1 - i) == x.axis) axis = i;
  x.axis = axis;
  set_result(c, node, x);
}

static void follow_concat(Channels *c, const Node *node) {
  int axis = (int)node_int(node, ATTR_AXIS);
  if (axis < 0) axis += node->results[0]->type.rank;
  int64_t total;
  bool along = dim_is_constant(node->results[0]->type.dims[axis], &total);
  for (int i = 0; i < node->operand_count; i++) {
    const ChannelAxis *own = channels_of(c, node->operands[i]);
    if (own->axis >= 0 && own->axis != axis) along = false;
  }
  if (!along) {
    lock_operands(c, node);
    return;
  }
  ChannelAxis result = {axis, total, NEW_ARRAY(c->arena, int, total)};
  int64_t at = 0, dim = 0;
  for (int i = 0; i < node->operand_count; i++) {
    ChannelAxis own = *channels_of(c, node->operands[i]);
    if (own.axis < 0) {
      bool known = dim_is_constant(node->operands[i]->type.dims[axis], &dim);
      assert(known && "parts of a constant dim are constant");
      (void)known;
      own = fresh(c, axis, dim);
      lock(c, &own);
    }
    memcpy(result.ids + at, own.ids, (size_t)own.count * sizeof *own.ids);
    at += own.count;
  }
  set_result(c, node, result);
}

static void follow_pool(Channels *c, const Node *node) {
  const ChannelAxis *x = channels_of(c, node->operands[0]);
  if (x->axis == last_axis(node->operands[0]))
    set_result(c, node, *x);
  else
    lock(c, x);
}

static bool is_kind(const Node *node, const char *stem) {
  return !strcmp(op_info[node->op].stem, stem);
}

static void follow(Channels *c, const Node *node) {
  if (node->op == OP_CONV || node->op == OP_MATMUL)
    follow_product(c, node);
  else if (node_has_trait(node, POINTWISE))
    follow_pointwise(c, node);
  else if (is_kind(node, "pool"))
    follow_pool(c, node);
  else if (is_kind(node, "reduce"))
    follow_reduction(c, node);
  else if (node->op == OP_RESHAPE)
    follow_reshape(c, node);
  else if (node->op == OP_TRANSPOSE)
    follow_transpose(c, node);
  else if (node->op == OP_CONCAT)
    follow_concat(c, node);
  else
    lock_operands(c, node);
}

Channels channels_find(Graph *graph, Arena *arena) {
  Channels channels = {.arena = arena,
                       .of_value = NEW_ARRAY(arena, ChannelAxis, graph->module->next_value_id)};
  for (int i = 0; i < graph->module->next_value_id; i++) channels.of_value[i].axis = -1;
  FOR_EACH_NODE (node, graph) follow(&channels, node);
  for (int i = 0; i < graph->output_count; i++)
    lock(&channels, channels_of(&channels, graph->outputs[i]));
  channels.removed = NEW_ARRAY(arena, bool, channels.count + 1);
  return channels;
}
