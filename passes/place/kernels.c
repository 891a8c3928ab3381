// Kernel choice: the first rule that applies to a node names its kernel; without one the node gets
// the default kernel of its op, the row of codegen/kernels.def with the stem's name.
#include "passes/place/place.h"

enum { MAX_TILE = 8 };

// A new kernel for an op is one row here and one in codegen/kernels.def.
typedef struct KernelRule {
  OpCode op;
  bool (*applies)(const Node *node, const Target *target);
  const char *kernel;
  int (*tile)(const Node *node, const Target *target, int64_t tile[MAX_TILE]); // entries; NULL: no tile
} KernelRule;

static const KernelRule rules[] = {
    {OP_COUNT, NULL, NULL, NULL}, // the end
};

static const KernelRule *find_rule(const Node *node, const Target *target) {
  for (const KernelRule *rule = rules; rule->op != OP_COUNT; rule++)
    if (rule->op == node->op && rule->applies(node, target)) return rule;
  return NULL;
}

void place_choose_kernels(Graph *graph, const PassContext *context) {
  if (!context->target) return;
  FOR_EACH_NODE(node, graph) {
    const KernelRule *rule = find_rule(node, context->target);
    if (!rule || node_attribute(node, ATTR_KERNEL_NAME)) continue; // a hand-written choice stays
    node_set_string(node, ATTR_KERNEL_NAME, rule->kernel);
    int64_t tile[MAX_TILE];
    int count = rule->tile ? rule->tile(node, context->target, tile) : 0;
    if (count) node_set_ints(node, ATTR_TILE, tile, count);
  }
}
