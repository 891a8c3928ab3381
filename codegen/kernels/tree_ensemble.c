// tree_ensemble: every row of x walks down every tree, without branches that depend on data.
//
// The pack function brings every node to one form, `x <= threshold, or x is NaN and the node says
// so`: other comparisons swap the children or take the next number below. Leaves come first in the
// table and lead to themselves, so that a walk may take too many steps: it takes as many as its
// tree is deep. Several trees walk side by side, since each step waits for the one before it.
#include "ir/tree.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/strip.h"

enum {
  MAX_SIDE = 8,
  NODE_WORDS = 3
}; // words of a node: 2 * feature + NaN is true, child if true, child if false
enum {
  PACKED_GROUPS,
  PACKED_NODES,
  PACKED_THRESHOLDS,
  PACKED_LEAVES,
  PACKED_TARGETS,
  PACKED_WEIGHTS
};
enum {
  OPERAND_NODES = 1,
  OPERAND_THRESHOLDS,
  OPERAND_ROOTS,
  OPERAND_LEAVES,
  OPERAND_TARGETS,
  OPERAND_WEIGHTS
};

static int side_by_side(const Target *target) {
  return target->vector_registers >= 16 ? MAX_SIDE : 1;
}

typedef enum Aggregate { SUM, AVERAGE, MINIMUM, MAXIMUM } Aggregate;

typedef struct Trees {
  Kernel *kernel;
  Nest *nest;
  const View *x, *y;
  Aggregate aggregate;
  int side; // trees that walk together
  int64_t trees, groups, targets;
  LLVMTypeRef feature, score; // arithmetic of x, of the weights
  Val row, x_row, y_row;
} Trees;

static Val word(const Trees *t, int segment, Val at) {
  Nest *nest = t->nest;
  Val value =
      nest_load(nest, nest->i32, nest_address(nest, t->kernel->packed[segment], nest->i32, at), 4);
  return nest_extend(nest, value, nest->index, true);
}

// One step of one walk: the number of the next node.
static Val next_node(const Trees *t, Val node) {
  Nest *nest = t->nest;
  Val at = nest_mul(nest, node, nest_const(nest, NODE_WORDS)), one = nest_const(nest, 1);
  Val head = word(t, PACKED_NODES, at), feature = nest_lshr(nest, head, one);
  if (!dim_is_constant(t->x->type->dims[1], NULL))
    feature = nest_umin(nest, feature, nest_sub(nest, t->x->dims[1], one));
  Val x =
      kernel_load(t->kernel, t->x->element, t->x->pointer, nest_add(nest, t->x_row, feature), 1);
  Val threshold =
      nest_load(nest, t->feature,
                nest_address(nest, t->kernel->packed[PACKED_THRESHOLDS], t->feature, node), 0);
  Val missing =
      nest_and(nest, nest_compare_float(nest, LLVMRealUNO, x, x),
               nest_compare(nest, LLVMIntNE, nest_and(nest, head, one), nest_const(nest, 0)));
  Val yes = nest_or(nest, nest_compare_float(nest, LLVMRealOLE, x, threshold), missing);
  return word(t, PACKED_NODES,
              nest_add(nest, at, nest_select(nest, yes, one, nest_const(nest, 2))));
}

// Steps of all trees of a group, from their roots to their leaves.
static void walk_group(const Trees *t, Val group, Val *leaves) {
  Nest *nest = t->nest;
  Val at = nest_mul(nest, group, nest_const(nest, t->side + 1));
  Val depth = word(t, PACKED_GROUPS, at);
  for (int i = 0; i < t->side; i++)
    leaves[i] = word(t, PACKED_GROUPS, nest_add(nest, at, nest_const(nest, i + 1)));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), depth, nest_const(nest, 1));
  for (int i = 0; i < t->side; i++) nest_carry(nest, &loop, leaves[i]);
  for (int i = 0; i < t->side; i++) nest_carry_next(&loop, i, next_node(t, loop.carried[i]));
  nest_loop_end(nest, &loop);
  for (int i = 0; i < t->side; i++) leaves[i] = loop.carried[i];
}

// A score that is NaN has not got an entry yet.
static Val combine_score(const Trees *t, Val score, Val weight) {
  Nest *nest = t->nest;
  if (t->aggregate == SUM || t->aggregate == AVERAGE) return nest_add(nest, score, weight);
  LLVMRealPredicate keeps = t->aggregate == MINIMUM ? LLVMRealOLE : LLVMRealOGE;
  Val kept = nest_or(nest, nest_compare_float(nest, keeps, score, weight),
                     nest_compare_float(nest, LLVMRealUNO, weight, weight));
  return nest_select(nest, kept, score, weight);
}

static Val weight_at(const Trees *t, Val entry) {
  Nest *nest = t->nest;
  return nest_load(nest, t->score,
                   nest_address(nest, t->kernel->packed[PACKED_WEIGHTS], t->score, entry), 0);
}

// Adds a leaf's entries to `score`, the only target, or to the scores in the result.
static Val add_leaf(const Trees *t, Val leaf, Val score) {
  Nest *nest = t->nest;
  Val two = nest_const(nest, 2), at = nest_mul(nest, leaf, two);
  Val first = word(t, PACKED_LEAVES, at),
      end = word(t, PACKED_LEAVES, nest_add(nest, at, nest_const(nest, 1)));
  Loop loop = nest_loop_begin(nest, first, end, nest_const(nest, 1));
  if (t->targets == 1) {
    int sum = nest_carry(nest, &loop, score);
    nest_carry_next(&loop, sum, combine_score(t, loop.carried[sum], weight_at(t, loop.index)));
    nest_loop_end(nest, &loop);
    return loop.carried[sum];
  }
  Val to = nest_add(nest, t->y_row, word(t, PACKED_TARGETS, loop.index));
  Val old = kernel_load(t->kernel, t->y->element, t->y->pointer, to, 1);
  kernel_store(t->kernel, t->y->element, combine_score(t, old, weight_at(t, loop.index)),
               t->y->pointer, to);
  nest_loop_end(nest, &loop);
  return score;
}

static Val finish_score(const Trees *t, Val score) {
  Nest *nest = t->nest;
  if (t->aggregate == SUM) return score;
  if (t->aggregate == AVERAGE)
    return t->trees ? nest_div(nest, score, nest_real(t->score, (double)t->trees)) : score;
  return nest_select(nest, nest_compare_float(nest, LLVMRealUNO, score, score),
                     nest_real(t->score, 0), score);
}

static void emit_row(Trees *t) {
  Nest *nest = t->nest;
  bool adds = t->aggregate == SUM || t->aggregate == AVERAGE;
  Val start = nest_real(t->score, adds ? 0 : NAN), leaves[MAX_SIDE],
      targets = nest_const(nest, t->targets);
  if (t->targets > 1)
    FOR (nest, i, nest_const(nest, 0), targets, 1)
      kernel_store(t->kernel, t->y->element, start, t->y->pointer, nest_add(nest, t->y_row, i));
  Loop loop =
      nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, t->groups), nest_const(nest, 1));
  int sum = nest_carry(nest, &loop, start);
  Val score = loop.carried[sum];
  walk_group(t, loop.index, leaves);
  for (int i = 0; i < t->side; i++) score = add_leaf(t, leaves[i], score);
  nest_carry_next(&loop, sum, score);
  nest_loop_end(nest, &loop);
  if (t->targets == 1) {
    kernel_store(t->kernel, t->y->element, finish_score(t, loop.carried[sum]), t->y->pointer,
                 t->y_row);
    return;
  }
  if (t->aggregate == SUM) return;
  FOR (nest, i, nest_const(nest, 0), targets, 1) {
    Val at = nest_add(nest, t->y_row, i),
        value = kernel_load(t->kernel, t->y->element, t->y->pointer, at, 1);
    kernel_store(t->kernel, t->y->element, finish_score(t, value), t->y->pointer, at);
  }
}

static Aggregate aggregate_of(const Node *node) {
  const char *name = node_string(node, ATTR_AGGREGATE);
  return !strcmp(name, "average") ? AVERAGE
         : !strcmp(name, "min")   ? MINIMUM
         : !strcmp(name, "max")   ? MAXIMUM
                                  : SUM;
}

bool lower_tree_ensemble(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Trees t = {.kernel = kernel,
             .nest = nest,
             .x = &kernel->operands[0],
             .y = &kernel->results[0],
             .aggregate = aggregate_of(node)};
  t.side = side_by_side(kernel->target);
  t.trees = type_dim(&node->operands[OPERAND_ROOTS]->type, 0);
  t.groups = (t.trees + t.side - 1) / t.side;
  t.targets = node_int(node, ATTR_TARGETS);
  t.feature = kernel_arithmetic_type(nest, t.x->element);
  t.score = kernel_arithmetic_type(nest, t.y->element);
  kernel_split(kernel, t.x->type->dims[0]);
  FOR (nest, row, kernel->begin, kernel->end, 1) {
    t.x_row = nest_mul(nest, row, t.x->strides[0]);
    t.y_row = nest_mul(nest, row, t.y->strides[0]);
    emit_row(&t);
  }
  return true;
}

// --- packing

typedef struct PackedNode {
  int32_t feature;
  bool nan_is_true;
  double threshold;
  int32_t yes, no; // final numbers
} PackedNode;

typedef struct TreeTables {
  const Node *node;
  bool wide; // x is f64
  int side;
  int64_t leaves, nodes, packed_nodes, entries, trees; // packed_nodes: without leaves
  int32_t *number;                                     // of each node in the packed table
  int32_t *depth;                                      // steps from each node to its deepest leaf
} TreeTables;

static int64_t table_int(const TreeTables *t, int operand, int64_t at) {
  const Value *value = t->node->operands[operand];
  return element_load_int(value->type.element, value_constant(value)->data, at);
}

static double table_real(const TreeTables *t, int operand, int64_t at) {
  const Value *value = t->node->operands[operand];
  return element_load(value->type.element, value_constant(value)->data, at);
}

static int64_t node_column(const TreeTables *t, int64_t node, int column) {
  return table_int(t, OPERAND_NODES, node * TREE_COLUMNS + column);
}

static bool tests_equality(const TreeTables *t, int64_t node) {
  int64_t comparison = node_column(t, node, TREE_COMPARISON);
  return comparison == TREE_EQUAL || comparison == TREE_NOT_EQUAL;
}

static int32_t child_number(const TreeTables *t, int64_t child) {
  return child < 0 ? (int32_t)(-(child + 1)) : t->number[child];
}
static int32_t child_depth(const TreeTables *t, int64_t child) {
  return child < 0 ? 0 : t->depth[child];
}

// Numbers: leaf l is l, then comes a leaf without entries, then the nodes. A test of equality takes
// two.
static void number_nodes(Arena *arena, TreeTables *t) {
  t->number = NEW_ARRAY(arena, int32_t, t->nodes);
  t->depth = NEW_ARRAY(arena, int32_t, t->nodes);
  for (int64_t i = 0; i < t->nodes; i++) {
    t->number[i] = (int32_t)(t->leaves + 1 + t->packed_nodes);
    t->packed_nodes += 1 + tests_equality(t, i);
  }
  for (int64_t i = t->nodes - 1; i >= 0; i--) { // children come after their parents
    int32_t yes = child_depth(t, node_column(t, i, TREE_TRUE)),
            no = child_depth(t, node_column(t, i, TREE_FALSE));
    t->depth[i] = (yes > no ? yes : no) + 1 + tests_equality(t, i);
  }
}

// x < t is x <= the number below t; below -inf there is none: never.
static double number_below(const TreeTables *t, double threshold) {
  if (threshold == -INFINITY) return NAN;
  return t->wide ? nextafter(threshold, -INFINITY)
                 : (double)nextafterf((float)threshold, -INFINITY);
}

// The one or two packed nodes of node i; returns how many.
static int pack_node(const TreeTables *t, int64_t i, PackedNode *out) {
  TreeComparison comparison = (TreeComparison)node_column(t, i, TREE_COMPARISON);
  int32_t feature = (int32_t)node_column(t, i, TREE_FEATURE);
  int32_t yes = child_number(t, node_column(t, i, TREE_TRUE)),
          no = child_number(t, node_column(t, i, TREE_FALSE));
  double threshold = table_real(t, OPERAND_THRESHOLDS, i), below = number_below(t, threshold);
  bool nan_yes = node_column(t, i, TREE_MISSING_TRUE) || comparison == TREE_NOT_EQUAL;
  if (isnan(threshold) && !tests_equality(t, i)) comparison = TREE_LESS_EQUAL; // never true
  int32_t self = t->number[i];
  switch (comparison) {
  case TREE_LESS_EQUAL: out[0] = (PackedNode){feature, nan_yes, threshold, yes, no}; return 1;
  case TREE_LESS: out[0] = (PackedNode){feature, nan_yes, below, yes, no}; return 1;
  case TREE_GREATER_EQUAL: out[0] = (PackedNode){feature, !nan_yes, below, no, yes}; return 1;
  case TREE_GREATER: out[0] = (PackedNode){feature, !nan_yes, threshold, no, yes}; return 1;
  case TREE_EQUAL: // x <= t, and then not x < t
    out[0] = (PackedNode){feature, nan_yes, threshold, self + 1, no};
    out[1] = (PackedNode){feature, false, below, no, yes};
    return 2;
  case TREE_NOT_EQUAL:
    out[0] = (PackedNode){feature, !nan_yes, threshold, self + 1, yes};
    out[1] = (PackedNode){feature, false, below, yes, no};
    return 2;
  case TREE_COMPARISON_COUNT: break;
  }
  assert(false && "inference has checked the comparisons");
  return 0;
}

static void put_word(unsigned char *out, int64_t at, int64_t value) {
  int32_t narrow = (int32_t)value;
  memcpy(out + at * 4, &narrow, 4);
}

static void put_real(unsigned char *out, int64_t at, double value, bool wide) {
  float narrow = (float)value;
  if (wide)
    memcpy(out + at * 8, &value, 8);
  else
    memcpy(out + at * 4, &narrow, 4);
}

static void write_groups(const PackedSegment *segment, unsigned char *out) {
  const TreeTables *t = segment->user;
  int64_t at = 0;
  for (int64_t first = 0; first < t->trees; first += t->side) {
    int64_t depth_at = at++, depth = 0;
    for (int64_t i = first; i < first + t->side; i++) {
      int64_t root = i < t->trees ? table_int(t, OPERAND_ROOTS, i) : -(t->leaves + 1);
      put_word(out, at++, child_number(t, root));
      if (child_depth(t, root) > depth) depth = child_depth(t, root);
    }
    put_word(out, depth_at, depth);
  }
}

static void write_nodes(const PackedSegment *segment, unsigned char *out) {
  const TreeTables *t = segment->user;
  for (int64_t i = 0; i <= t->leaves; i++)
    for (int child = 1; child < NODE_WORDS; child++) put_word(out, i * NODE_WORDS + child, i);
  for (int64_t i = 0; i < t->nodes; i++) {
    PackedNode nodes[2];
    for (int k = 0, count = pack_node(t, i, nodes); k < count; k++) {
      int64_t at = (t->number[i] + k) * (int64_t)NODE_WORDS;
      put_word(out, at, 2 * (int64_t)nodes[k].feature + nodes[k].nan_is_true);
      put_word(out, at + 1, nodes[k].yes);
      put_word(out, at + 2, nodes[k].no);
    }
  }
}

static void write_thresholds(const PackedSegment *segment, unsigned char *out) {
  const TreeTables *t = segment->user;
  for (int64_t i = 0; i < t->nodes; i++) {
    PackedNode nodes[2];
    for (int k = 0, count = pack_node(t, i, nodes); k < count; k++)
      put_real(out, t->number[i] + k, nodes[k].threshold, t->wide);
  }
}

static void write_leaves(const PackedSegment *segment,
                         unsigned char *out) { // the last one stays empty
  const TreeTables *t = segment->user;
  for (int64_t i = 0; i < 2 * t->leaves; i++) put_word(out, i, table_int(t, OPERAND_LEAVES, i));
}

static void write_targets(const PackedSegment *segment, unsigned char *out) {
  const TreeTables *t = segment->user;
  for (int64_t i = 0; i < t->entries; i++) put_word(out, i, table_int(t, OPERAND_TARGETS, i));
}

static void write_weights(const PackedSegment *segment, unsigned char *out) {
  const TreeTables *t = segment->user;
  bool wide = t->node->operands[OPERAND_WEIGHTS]->type.element == F64;
  for (int64_t i = 0; i < t->entries; i++)
    put_real(out, i, table_real(t, OPERAND_WEIGHTS, i), wide);
}

bool pack_tree_ensemble(Pack *pack) {
  const Node *node = pack->node;
  TreeTables *t = NEW(pack->arena, TreeTables);
  *t = (TreeTables){.node = node,
                    .wide = node->operands[0]->type.element == F64,
                    .side = side_by_side(pack->target),
                    .leaves = type_dim(&node->operands[OPERAND_LEAVES]->type, 0),
                    .nodes = type_dim(&node->operands[OPERAND_NODES]->type, 0),
                    .entries = type_dim(&node->operands[OPERAND_WEIGHTS]->type, 0),
                    .trees = type_dim(&node->operands[OPERAND_ROOTS]->type, 0)};
  if (t->leaves + 2 * t->nodes > INT32_MAX / 8)
    return diag_error(pack->diag, node->loc, "tree_ensemble: %lld nodes are too many",
                      (long long)t->nodes);
  number_nodes(pack->arena, t);
  int64_t all = t->leaves + 1 + t->packed_nodes, groups = (t->trees + t->side - 1) / t->side;
  bool wide_weights = node->operands[OPERAND_WEIGHTS]->type.element == F64;
  pack_add(pack, (size_t)(groups * (t->side + 1) * 4), 4, NULL, write_groups, t);
  pack_add(pack, (size_t)(all * NODE_WORDS * 4), 4, NULL, write_nodes, t);
  pack_add(pack, (size_t)(all * (t->wide ? 8 : 4)), t->wide ? 8 : 4, NULL, write_thresholds, t);
  pack_add(pack, (size_t)((t->leaves + 1) * 8), 4, NULL, write_leaves, t);
  pack_add(pack, (size_t)(t->entries * 4), 4, NULL, write_targets, t);
  pack_add(pack, (size_t)(t->entries * (wide_weights ? 8 : 4)), wide_weights ? 8 : 4, NULL,
           write_weights, t);
  return true;
}
