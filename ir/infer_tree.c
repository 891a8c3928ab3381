// Type of tree_ensemble, and what must hold of constant trees.
#include "ir/builder.h"
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"
#include "ir/tree.h"

#include <string.h>

static bool check_table(const Node *node, Diag *diag, int index, const char *name,
                        ElementType element, int rank, const Type **type) {
  *type = tensor_operand(node, index, diag);
  if (!*type) return false;
  if ((*type)->element == element && (*type)->rank == rank) return true;
  return refuse(node, diag, "%s are %s, not %s of rank %d", name,
                type_text(node_arena(node), *type), element_info[element].text, rank);
}

static int64_t entry(const Tensor *table, int64_t row, int64_t column, int64_t columns) {
  return element_load_int(table->element, table->data, row * columns + column);
}

typedef struct Limits {
  int64_t nodes, leaves, entries, features, targets; // features -1: not known
} Limits;

static bool check_child(const Node *node, Diag *diag, const Limits *limits, int64_t parent,
                        int64_t child) {
  if (child < 0 ? -(child + 1) < limits->leaves : child > parent && child < limits->nodes)
    return true;
  return refuse(node, diag, "tree node %lld leads to %s %lld", (long long)parent,
                child < 0 ? "leaf" : "node", (long long)(child < 0 ? -(child + 1) : child));
}

static bool check_nodes(const Node *node, Diag *diag, const Limits *limits, const Tensor *nodes) {
  for (int64_t i = 0; i < limits->nodes; i++) {
    int64_t feature = entry(nodes, i, TREE_FEATURE, TREE_COLUMNS);
    int64_t comparison = entry(nodes, i, TREE_COMPARISON, TREE_COLUMNS);
    if (feature < 0 || (limits->features >= 0 && feature >= limits->features))
      return refuse(node, diag, "tree node %lld looks at feature %lld of %lld", (long long)i,
                    (long long)feature, (long long)limits->features);
    if (comparison < 0 || comparison >= TREE_COMPARISON_COUNT)
      return refuse(node, diag, "tree node %lld has comparison %lld", (long long)i,
                    (long long)comparison);
    if (!check_child(node, diag, limits, i, entry(nodes, i, TREE_TRUE, TREE_COLUMNS)) ||
        !check_child(node, diag, limits, i, entry(nodes, i, TREE_FALSE, TREE_COLUMNS)))
      return false;
  }
  return true;
}

static bool check_leaves(const Node *node, Diag *diag, const Limits *limits, const Tensor *leaves,
                         const Tensor *targets) {
  for (int64_t i = 0; i < limits->leaves; i++) {
    int64_t first = entry(leaves, i, 0, 2), end = entry(leaves, i, 1, 2);
    if (first < 0 || first > end || end > limits->entries)
      return refuse(node, diag, "tree leaf %lld has entries %lld to %lld of %lld", (long long)i,
                    (long long)first, (long long)end, (long long)limits->entries);
  }
  for (int64_t i = 0; i < limits->entries; i++) {
    int64_t target = entry(targets, i, 0, 1);
    if (target < 0 || target >= limits->targets)
      return refuse(node, diag, "tree entry %lld has target %lld of %lld", (long long)i,
                    (long long)target, (long long)limits->targets);
  }
  return true;
}

// Constant trees are checked here once, so that nobody need check each step of a walk.
static bool check_trees(const Node *node, Diag *diag, const Type *x) {
  for (int i = 1; i < node->operand_count; i++)
    if (!value_is_constant(node->operands[i]))
      return refuse(node, diag, "operand %d is not constant", i);
  Tensor nodes, roots, leaves, targets;
  value_tensor(node->operands[1], &nodes);
  value_tensor(node->operands[3], &roots);
  value_tensor(node->operands[4], &leaves);
  value_tensor(node->operands[5], &targets);
  Limits limits = {nodes.dims[0], leaves.dims[0], targets.dims[0], -1,
                   node_int(node, ATTR_TARGETS)};
  int64_t features;
  if (dim_is_constant(x->dims[1], &features)) limits.features = features;
  if (!check_nodes(node, diag, &limits, &nodes) ||
      !check_leaves(node, diag, &limits, &leaves, &targets))
    return false;
  for (int64_t i = 0; i < roots.dims[0]; i++)
    if (!check_child(node, diag, &limits, -1, entry(&roots, i, 0, 1))) return false;
  return true;
}

bool infer_tree_ensemble(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *nodes, *thresholds, *roots, *leaves, *targets,
             *weights;
  if (!x) return false;
  if (x->rank != 2 || !element_is_float(x->element))
    return refuse(node, diag, "x is %s, not floats of rank 2", type_text(node_arena(node), x));
  weights = tensor_operand(node, 6, diag);
  if (!weights || !check_table(node, diag, 1, "nodes", I32, 2, &nodes) ||
      !check_table(node, diag, 2, "thresholds", x->element, 1, &thresholds) ||
      !check_table(node, diag, 3, "roots", I32, 1, &roots) ||
      !check_table(node, diag, 4, "leaves", I32, 2, &leaves) ||
      !check_table(node, diag, 5, "targets", I32, 1, &targets))
    return false;
  if (!element_is_float(weights->element) || weights->rank != 1)
    return refuse(node, diag, "weights are %s, not floats of rank 1",
                  type_text(node_arena(node), weights));
  DimTable *table = node_dim_table(node);
  int64_t count = node_int(node, ATTR_TARGETS);
  if (count < 1) return refuse(node, diag, "%lld targets", (long long)count);
  if (!check_equal_dims(node, diag, "columns of nodes", nodes->dims[1],
                        dim_constant(table, TREE_COLUMNS)) ||
      !check_equal_dims(node, diag, "columns of leaves", leaves->dims[1], dim_constant(table, 2)) ||
      !check_equal_dims(node, diag, "nodes and thresholds", nodes->dims[0], thresholds->dims[0]) ||
      !check_equal_dims(node, diag, "targets and weights", targets->dims[0], weights->dims[0]))
    return false;
  const char *aggregate = node_string(node, ATTR_AGGREGATE);
  if (strcmp(aggregate, "sum") && strcmp(aggregate, "average") && strcmp(aggregate, "min") &&
      strcmp(aggregate, "max"))
    return refuse(node, diag, "aggregate '%s' is none of sum, average, min, max", aggregate);
  if (!check_trees(node, diag, x)) return false;
  node->results[0]->type =
      type_tensor(weights->element, 2, (const Dim *[]){x->dims[0], dim_constant(table, count)});
  return true;
}
