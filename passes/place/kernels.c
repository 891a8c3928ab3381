// Kernel choice: the first rule that applies to a node names its kernel; without one the node gets
// the default kernel of its op, the row of codegen/kernels.def with the stem's name.
#include "ir/product_tile.h"
#include "passes/place/place.h"

enum { MAX_TILE = 8 };

// A new kernel for an op is one row here and one in codegen/kernels.def.
typedef struct KernelRule {
  OpCode op;
  bool (*applies)(const Node *node, const Target *target);
  const char *kernel;
  int (*tile)(const Node *node, const Target *target, int64_t tile[MAX_TILE]); // entries; NULL: no tile
} KernelRule;

static bool is_float_result(const Node *node) {
  const Type *type = &node->results[0]->type;
  return !type->quant && (type->element == F32 || type->element == F64);
}

static bool has_float_weights(const Node *node) {
  const Value *weights = node->operands[1];
  return is_float_result(node) && value_is_constant(weights) && element_is_float(weights->type.element) &&
         element_info[weights->type.element].bits >= 8;
}

static bool is_panel_matmul(const Node *node, const Target *target) {
  (void)target;
  return has_float_weights(node) && node->operands[1]->type.rank == 2;
}

static bool is_panel_conv(const Node *node, const Target *target) {
  (void)target;
  return has_float_weights(node);
}

// Vectors per panel, rows per tile. One row alone (a matrix-vector product) takes wider panels: more
// sums in flight hide the latency of the multiply-add.
static int matmul_tile(const Node *node, const Target *target, int64_t tile[MAX_TILE]) {
  const Type *type = &node->results[0]->type;
  ProductTile shape = product_tile(target, type->element);
  tile[0] = shape.vectors;
  tile[1] = shape.rows;
  if (shape.lanes > 1 && dim_high(type->dims[type->rank - 2]) == 1) {
    tile[0] = 8;
    tile[1] = 1;
  }
  return 2;
}

static int conv_tile(const Node *node, const Target *target, int64_t tile[MAX_TILE]) {
  ProductTile shape = product_tile(target, node->results[0]->type.element);
  tile[0] = shape.vectors;
  tile[1] = shape.rows;
  return 2;
}

static const KernelRule rules[] = {
    {OP_MATMUL, is_panel_matmul, "matmul_panels", matmul_tile},
    {OP_CONV, is_panel_conv, "conv_panels", conv_tile},
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
