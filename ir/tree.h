// Tree ensembles: the encoding of operand `nodes` of tree_ensemble, one row of columns per node.
#ifndef TENON_IR_TREE_H
#define TENON_IR_TREE_H

// How a feature is compared with the threshold; NaN compares as in C unless the node says that a
// missing value takes the true branch.
typedef enum TreeComparison {
  TREE_LESS_EQUAL,
  TREE_LESS,
  TREE_GREATER_EQUAL,
  TREE_GREATER,
  TREE_EQUAL,
  TREE_NOT_EQUAL,
  TREE_COMPARISON_COUNT
} TreeComparison;

enum { TREE_FEATURE, TREE_COMPARISON, TREE_TRUE, TREE_FALSE, TREE_MISSING_TRUE, TREE_COLUMNS };

#endif
