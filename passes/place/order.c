// Order: a topological order with a lower peak of live bytes. Two candidates are compared with the
// order as given: a greedy one (next is the node that frees the most, allocates the least) and a
// depth-first one from the outputs. Equal peaks keep the order as it is, since importers follow the
// author's order, which caches like. Nodes with effects stay in order among themselves.
#include <stdlib.h>

#include "ir/external.h"
#include "ir/sized.h"
#include "passes/place/place.h"

typedef struct OrderNode {
  Node *node;
  int waiting;       // operands from nodes that are not scheduled yet, and the node before it
  int before, after; // it has effects: the ones before and after it that have, by number; -1: none
} OrderNode;

typedef struct Order {
  Arena *scratch;
  OrderNode *nodes; // by Node.mark, the given order
  int count;
  int *remaining; // reads of a result to come, by Value.mark
  int64_t *bytes;
  int value_count;
} Order;

enum { GREEDY_LIMIT = 20000 };

static Order make_order(Graph *graph, Arena *scratch) {
  Order order = {.scratch = scratch,
                 .count = graph->node_count,
                 .nodes = NEW_ARRAY(scratch, OrderNode, graph->node_count + 1)};
  int values = graph->input_count, index = 0, effect = -1;
  FOR_EACH_NODE (node, graph) values += node->result_count;
  order.bytes = NEW_ARRAY(scratch, int64_t, values + 1);
  order.remaining = NEW_ARRAY(scratch, int, values + 1);
  for (int i = 0; i < graph->input_count; i++) graph->inputs[i]->mark = order.value_count++;
  FOR_EACH_NODE (node, graph) {
    order.nodes[index] = (OrderNode){.node = node, .before = -1, .after = -1};
    if (node_has_effects(node)) {
      order.nodes[index].before = effect;
      if (effect >= 0) order.nodes[effect].after = index;
      effect = index;
    }
    node->mark = index++;
    for (int i = 0; i < node->result_count; i++) {
      Value *result = node->results[i];
      bool counts = node->op != OP_CONST && !result->output_uses;
      result->mark = order.value_count++;
      // Views count as buffers of their own: an overestimate that is the same for every order.
      if (!counts || !type_max_bytes(&result->type, &order.bytes[result->mark]))
        order.bytes[result->mark] = 0;
    }
  }
  return order;
}

static void reset(Order *order) {
  for (int i = 0; i < order->count; i++) {
    const Node *node = order->nodes[i].node;
    order->nodes[i].waiting = order->nodes[i].before >= 0;
    for (int k = 0; k < node->operand_count; k++)
      if (node->operands[k] && node->operands[k]->definition) order->nodes[i].waiting++;
    for (int k = 0; k < node->result_count; k++)
      order->remaining[node->results[k]->mark] = node->results[k]->use_count;
  }
}

static int64_t allocated_by(const Order *order, const Node *node) {
  int64_t bytes = 0;
  for (int i = 0; i < node->result_count; i++) bytes += order->bytes[node->results[i]->mark];
  return bytes;
}

// Bytes of operands whose last reads are this node's. Not counting: only looking.
static int64_t freed_by(const Order *order, const Node *node) {
  int64_t bytes = 0;
  for (int i = 0; i < node->operand_count; i++) {
    const Value *operand = node->operands[i];
    if (!operand || !operand->definition) continue;
    int reads = 0;
    bool first = true;
    for (int k = 0; k < node->operand_count; k++) {
      if (node->operands[k] != operand) continue;
      reads++;
      first &= k >= i;
    }
    if (first && order->remaining[operand->mark] == reads) bytes += order->bytes[operand->mark];
  }
  return bytes;
}

static void count_reads(Order *order, const Node *node) {
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i] && node->operands[i]->definition)
      order->remaining[node->operands[i]->mark]--;
}

static int64_t peak_of(Order *order, const int *sequence) {
  int64_t live = 0, peak = 0;
  reset(order);
  for (int i = 0; i < order->count; i++) {
    const Node *node = order->nodes[sequence[i]].node;
    live += allocated_by(order, node);
    if (live > peak) peak = live;
    live -= freed_by(order, node);
    count_reads(order, node);
    for (int k = 0; k < node->result_count; k++)
      if (!order->remaining[node->results[k]->mark]) live -= order->bytes[node->results[k]->mark];
  }
  return peak;
}

static void release_users(Order *order, const Node *node, int *ready, int *ready_count) {
  int after = order->nodes[node->mark].after;
  if (after >= 0 && --order->nodes[after].waiting == 0) ready[(*ready_count)++] = after;
  for (int i = 0; i < node->result_count; i++)
    for (int k = 0; k < node->results[i]->use_count; k++) {
      int user = (int)node->results[i]->uses[k].user->mark;
      if (--order->nodes[user].waiting == 0) ready[(*ready_count)++] = user;
    }
}

static void greedy(Order *order, int *sequence) {
  int *ready = NEW_ARRAY(order->scratch, int, order->count + 1), ready_count = 0, done = 0;
  reset(order);
  for (int i = 0; i < order->count; i++)
    if (!order->nodes[i].waiting) ready[ready_count++] = i;
  while (ready_count) {
    int best = 0;
    int64_t best_growth = INT64_MAX;
    for (int i = 0; i < ready_count; i++) {
      const Node *node = order->nodes[ready[i]].node;
      int64_t growth =
          node->op == OP_CONST ? INT64_MIN : allocated_by(order, node) - freed_by(order, node);
      if (growth > best_growth || (growth == best_growth && ready[i] > ready[best])) continue;
      best = i;
      best_growth = growth;
    }
    int chosen = ready[best];
    ready[best] = ready[--ready_count];
    sequence[done++] = chosen;
    count_reads(order, order->nodes[chosen].node);
    release_users(order, order->nodes[chosen].node, ready, &ready_count);
  }
}

// The number of the node that has to come before `at` for its operand `index`, the last of them for
// the effects; -1: none.
static int dependence(const Order *order, int at, int index) {
  const Node *node = order->nodes[at].node;
  if (index == node->operand_count) return order->nodes[at].before;
  const Value *value = node->operands[index];
  return value && value->definition ? (int)value->definition->mark : -1;
}

// Operands first, deepest definition first; an explicit stack, since graphs are deep.
static void depth_first(Order *order, const Graph *graph, int *sequence) {
  int *stack = NEW_ARRAY(order->scratch, int, order->count + 1),
      *next = NEW_ARRAY(order->scratch, int, order->count + 1);
  int depth = 0, done = 0;
  for (int root = 0; root < graph->output_count + order->count; root++) {
    int start = root - graph->output_count;
    if (root < graph->output_count) {
      if (!graph->outputs[root]->definition) continue;
      start = (int)graph->outputs[root]->definition->mark;
    }
    if (next[start]) continue;
    stack[depth++] = start;
    next[start] = 1;
    while (depth) {
      int at = stack[depth - 1];
      const Node *node = order->nodes[at].node;
      int operand = next[at]++ - 1;
      if (operand > node->operand_count) {
        sequence[done++] = at;
        depth--;
        continue;
      }
      int needed = dependence(order, at, operand);
      if (needed < 0 || next[needed]) continue;
      next[needed] = 1;
      stack[depth++] = needed;
    }
  }
}

static void apply(const Order *order, const int *sequence) {
  for (int i = order->count - 2; i >= 0; i--)
    node_move_before(order->nodes[sequence[i + 1]].node, order->nodes[sequence[i]].node);
}

// Dims found by a node bind what uses them to come after it, and no operand says so.
static bool finds_dims(const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next)
    if (sized_finds_dims(node)) return true;
  return false;
}

void place_order(Graph *graph, Arena *scratch) {
  if (finds_dims(graph)) return;
  if (graph->node_count < 3 || graph->node_count > GREEDY_LIMIT) return;
  Order order = make_order(graph, scratch);
  int *given = NEW_ARRAY(scratch, int, order.count), *other = NEW_ARRAY(scratch, int, order.count),
      *best = given;
  for (int i = 0; i < order.count; i++) given[i] = i;
  int64_t peak = peak_of(&order, given);
  for (int candidate = 0; candidate < 2; candidate++) {
    if (candidate == 0)
      greedy(&order, other);
    else
      depth_first(&order, graph, other);
    int64_t found = peak_of(&order, other);
    if (found >= peak) continue;
    peak = found;
    best = other;
    other = NEW_ARRAY(scratch, int, order.count);
  }
  if (best != given) apply(&order, best);
}
