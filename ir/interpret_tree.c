// tree_ensemble: every row of x walks down every tree.
#include "ir/interpret_ops.h"
#include "ir/tree.h"

#include <math.h>
#include <string.h>

static int64_t column(const Tensor *nodes, int64_t node, int which) {
  return element_load_int(nodes->element, nodes->data, node * TREE_COLUMNS + which);
}

static bool compare(TreeComparison comparison, double x, double threshold) {
  switch (comparison) {
  case TREE_LESS_EQUAL: return x <= threshold;
  case TREE_LESS: return x < threshold;
  case TREE_GREATER_EQUAL: return x >= threshold;
  case TREE_GREATER: return x > threshold;
  case TREE_EQUAL: return x == threshold;
  case TREE_NOT_EQUAL: return x != threshold;
  case TREE_COMPARISON_COUNT: break;
  }
  return false;
}

// The leaf that a row reaches; false (reported): a node looks at a feature that x lacks.
static bool find_leaf(const Evaluation *e, int64_t row, int64_t at, int64_t *leaf) {
  const Tensor *x = &e->operands[0], *nodes = &e->operands[1], *thresholds = &e->operands[2];
  while (at >= 0) {
    int64_t feature = column(nodes, at, TREE_FEATURE);
    if (feature >= x->dims[1])
      return diag_error(e->run->diag, e->node->loc, "a tree looks at feature %lld of %lld",
                        (long long)feature, (long long)x->dims[1]);
    double value = element_load(x->element, x->data, row * x->dims[1] + feature);
    double threshold = element_load(thresholds->element, thresholds->data, at);
    bool yes = compare((TreeComparison)column(nodes, at, TREE_COMPARISON), value, threshold) ||
               (isnan(value) && column(nodes, at, TREE_MISSING_TRUE));
    at = column(nodes, at, yes ? TREE_TRUE : TREE_FALSE);
  }
  *leaf = -(at + 1);
  return true;
}

typedef enum Aggregate { SUM, AVERAGE, MINIMUM, MAXIMUM } Aggregate;

static Aggregate aggregate_of(const Node *node) {
  const char *name = node_string(node, ATTR_AGGREGATE);
  return !strcmp(name, "average") ? AVERAGE
         : !strcmp(name, "min")   ? MINIMUM
         : !strcmp(name, "max")   ? MAXIMUM
                                  : SUM;
}

// Adds a leaf's entries to the scores of one row. `seen`: targets that have got an entry.
static void add_leaf(const Evaluation *e, Aggregate aggregate, int64_t leaf, double *scores,
                     bool *seen) {
  const Tensor *leaves = &e->operands[4], *targets = &e->operands[5], *weights = &e->operands[6];
  int64_t first = element_load_int(leaves->element, leaves->data, 2 * leaf);
  int64_t end = element_load_int(leaves->element, leaves->data, 2 * leaf + 1);
  for (int64_t k = first; k < end; k++) {
    int64_t target = element_load_int(targets->element, targets->data, k);
    double weight = element_load(weights->element, weights->data, k);
    if (aggregate == SUM || aggregate == AVERAGE)
      scores[target] += weight;
    else if (!seen[target])
      scores[target] = weight;
    else
      scores[target] =
          aggregate == MINIMUM ? fmin(scores[target], weight) : fmax(scores[target], weight);
    seen[target] = true;
  }
}

bool interpret_tree_ensemble(Evaluation *e) {
  const Tensor *x = &e->operands[0], *roots = &e->operands[3];
  Tensor *y = &e->results[0];
  Aggregate aggregate = aggregate_of(e->node);
  int64_t targets = y->dims[1], trees = tensor_count(roots);
  double *scores = NEW_ARRAY(e->run->arena, double, targets);
  bool *seen = NEW_ARRAY(e->run->arena, bool, targets);
  for (int64_t row = 0; row < x->dims[0]; row++) {
    memset(scores, 0, (size_t)targets * sizeof *scores);
    memset(seen, 0, (size_t)targets * sizeof *seen);
    for (int64_t t = 0; t < trees; t++) {
      int64_t leaf = 0;
      if (!find_leaf(e, row, element_load_int(roots->element, roots->data, t), &leaf)) return false;
      add_leaf(e, aggregate, leaf, scores, seen);
    }
    for (int64_t k = 0; k < targets; k++)
      element_store(y->element, y->data, row * targets + k,
                    aggregate == AVERAGE && trees ? scores[k] / (double)trees : scores[k]);
  }
  return true;
}
