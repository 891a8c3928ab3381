// Tree ensembles of ai.onnx.ml: the parallel lists of the file become the tables of tree_ensemble.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/import_ml.h"
#include "ir/tree.h"

enum { MAX_TREE_NODES = 1 << 26 };

typedef struct TreeNode {
  int64_t tree, id; // key
  int64_t feature, true_id, false_id;
  double value;
  int comparison; // -1: a leaf
  bool missing_true, is_child, visited;
  int index;       // in the table: node, or leaf
  int first, last; // leaf: entries
} TreeNode;

typedef struct TreeEntry {
  int64_t tree, id, target;
  double weight;
  int order;
} TreeEntry;

typedef struct Trees {
  TreeNode *nodes; // sorted by tree and id
  int node_count;
  TreeEntry *entries; // sorted like the leaves
  int entry_count;
} Trees;

static int compare_keys(int64_t tree_a, int64_t id_a, int64_t tree_b, int64_t id_b) {
  if (tree_a != tree_b) return tree_a < tree_b ? -1 : 1;
  return id_a < id_b ? -1 : id_a > id_b;
}

static int compare_nodes(const void *a, const void *b) {
  const TreeNode *x = a, *y = b;
  return compare_keys(x->tree, x->id, y->tree, y->id);
}

static int compare_entries(const void *a, const void *b) {
  const TreeEntry *x = a, *y = b;
  int order = compare_keys(x->tree, x->id, y->tree, y->id);
  return order ? order : x->order - y->order;
}

static TreeNode *find_node(const Trees *trees, int64_t tree, int64_t id) {
  TreeNode key = {.tree = tree, .id = id};
  return bsearch(&key, trees->nodes, (size_t)trees->node_count, sizeof key, compare_nodes);
}

static bool comparison_of(const char *mode, int *comparison) {
  static const struct {
    const char *name;
    int comparison;
  } modes[] = {{"BRANCH_LEQ", TREE_LESS_EQUAL},
               {"BRANCH_LT", TREE_LESS},
               {"BRANCH_GTE", TREE_GREATER_EQUAL},
               {"BRANCH_GT", TREE_GREATER},
               {"BRANCH_EQ", TREE_EQUAL},
               {"BRANCH_NEQ", TREE_NOT_EQUAL},
               {"LEAF", -1}};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(mode, modes[i].name) == 0) return *comparison = modes[i].comparison, true;
  return false;
}

// Numbers that are a list of floats or, for doubles, a tensor.
static bool read_numbers(OnnxNode *node, const char *name, int count, double **numbers) {
  int given;
  Tensor tensor;
  *numbers = NEW_ARRAY(node->importer->arena, double, count + 1);
  const float *floats = onnx_floats(node, name, &given);
  if (floats) {
    if (given != count)
      return onnx_error(node, "attribute '%s' has %d entries, wanted %d", name, given, count);
    for (int i = 0; i < count; i++) (*numbers)[i] = (double)floats[i];
    return true;
  }
  const char *as_tensor = arena_printf(node->importer->arena, "%s_as_tensor", name);
  if (!onnx_tensor_attribute(node, as_tensor, &tensor))
    return node->builder.failed ? false : onnx_error(node, "attribute '%s' is missing", name);
  if (tensor_count(&tensor) != count)
    return onnx_error(node, "attribute '%s' has %lld entries, wanted %d", as_tensor,
                      (long long)tensor_count(&tensor), count);
  for (int i = 0; i < count; i++) (*numbers)[i] = element_load(tensor.element, tensor.data, i);
  return true;
}

static bool read_list(OnnxNode *node, const char *name, int wanted, const int64_t **values) {
  int count;
  *values = onnx_ints(node, name, &count);
  if (!*values)
    return node->builder.failed ? false : onnx_error(node, "attribute '%s' is missing", name);
  return count == wanted ||
         onnx_error(node, "attribute '%s' has %d entries, wanted %d", name, count, wanted);
}

static bool read_nodes(OnnxNode *node, Trees *trees) {
  int count, mode_count, missing_count;
  const int64_t *tree_ids = onnx_ints(node, "nodes_treeids", &count), *ids, *features, *true_ids,
                *false_ids;
  double *values;
  if (!tree_ids || count < 1 || count > MAX_TREE_NODES)
    return onnx_error(node, "attribute 'nodes_treeids' is missing");
  const char *const *modes = onnx_strings(node, "nodes_modes", &mode_count);
  const int64_t *missing = onnx_ints(node, "nodes_missing_value_tracks_true", &missing_count);
  if (!read_list(node, "nodes_nodeids", count, &ids) ||
      !read_list(node, "nodes_featureids", count, &features) ||
      !read_list(node, "nodes_truenodeids", count, &true_ids) ||
      !read_list(node, "nodes_falsenodeids", count, &false_ids) ||
      !read_numbers(node, "nodes_values", count, &values))
    return false;
  if (!modes || mode_count != count)
    return onnx_error(node, "attribute 'nodes_modes' has %d entries, wanted %d", mode_count, count);
  trees->nodes = NEW_ARRAY(node->importer->arena, TreeNode, count);
  trees->node_count = count;
  for (int i = 0; i < count; i++) {
    trees->nodes[i] =
        (TreeNode){.tree = tree_ids[i],
                   .id = ids[i],
                   .feature = features[i],
                   .true_id = true_ids[i],
                   .false_id = false_ids[i],
                   .value = values[i],
                   .missing_true = missing && missing_count == count && missing[i] != 0};
    if (!comparison_of(modes[i], &trees->nodes[i].comparison))
      return onnx_error(node, "node mode '%s'", modes[i]);
  }
  qsort(trees->nodes, (size_t)count, sizeof(TreeNode), compare_nodes);
  for (int i = 1; i < count; i++)
    if (compare_nodes(&trees->nodes[i - 1], &trees->nodes[i]) == 0)
      return onnx_error(node, "tree %lld has node %lld twice", (long long)trees->nodes[i].tree,
                        (long long)trees->nodes[i].id);
  return true;
}

static bool read_entries(OnnxNode *node, const char *prefix, Trees *trees) {
  Arena *arena = node->importer->arena;
  int count;
  const int64_t *tree_ids = onnx_ints(node, arena_printf(arena, "%s_treeids", prefix), &count),
                *ids, *targets;
  double *weights;
  if (!tree_ids || !read_list(node, arena_printf(arena, "%s_nodeids", prefix), count, &ids) ||
      !read_list(node, arena_printf(arena, "%s_ids", prefix), count, &targets) ||
      !read_numbers(node, arena_printf(arena, "%s_weights", prefix), count, &weights))
    return node->builder.failed || tree_ids
               ? false
               : onnx_error(node, "attribute '%s_treeids' is missing", prefix);
  trees->entries = NEW_ARRAY(arena, TreeEntry, count + 1);
  trees->entry_count = count;
  for (int i = 0; i < count; i++)
    trees->entries[i] = (TreeEntry){tree_ids[i], ids[i], targets[i], weights[i], i};
  qsort(trees->entries, (size_t)count, sizeof(TreeEntry), compare_entries);
  for (int i = 0; i < count;) {
    int end = i;
    while (end < count && trees->entries[end].tree == trees->entries[i].tree &&
           trees->entries[end].id == trees->entries[i].id)
      end++;
    TreeNode *leaf = find_node(trees, trees->entries[i].tree, trees->entries[i].id);
    if (!leaf || leaf->comparison >= 0)
      return onnx_error(node, "weights for node %lld of tree %lld, which is no leaf",
                        (long long)trees->entries[i].id, (long long)trees->entries[i].tree);
    leaf->first = i;
    leaf->last = end;
    i = end;
  }
  return true;
}

// --- numbering: parents before their children

typedef struct Tables {
  int32_t *nodes, *roots, *leaves;
  double *thresholds;
  int node_count, root_count, leaf_count;
} Tables;

static bool mark_children(OnnxNode *node, Trees *trees) {
  for (int i = 0; i < trees->node_count; i++) {
    TreeNode *parent = &trees->nodes[i];
    if (parent->comparison < 0) continue;
    TreeNode *children[2] = {find_node(trees, parent->tree, parent->true_id),
                             find_node(trees, parent->tree, parent->false_id)};
    for (int k = 0; k < 2; k++) {
      if (!children[k] || children[k] == parent)
        return onnx_error(node, "node %lld of tree %lld leads to node %lld, which does not exist",
                          (long long)parent->id, (long long)parent->tree,
                          (long long)(k ? parent->false_id : parent->true_id));
      children[k]->is_child = true;
    }
  }
  return true;
}

static int32_t child_code(const TreeNode *child) {
  return child->comparison < 0 ? ~child->index : child->index;
}

static bool number_tree(OnnxNode *node, Trees *trees, TreeNode *root, TreeNode **stack,
                        TreeNode **order, int *ordered, Tables *tables) {
  int depth = 0;
  stack[depth++] = root;
  while (depth) {
    TreeNode *at = stack[--depth];
    if (at->visited)
      return onnx_error(node, "node %lld of tree %lld is reached twice", (long long)at->id,
                        (long long)at->tree);
    at->visited = true;
    at->index = at->comparison < 0 ? tables->leaf_count++ : tables->node_count++;
    order[(*ordered)++] = at;
    if (at->comparison < 0) continue;
    stack[depth++] = find_node(trees, at->tree, at->false_id);
    stack[depth++] = find_node(trees, at->tree, at->true_id);
  }
  return true;
}

static void fill_tables(Trees *trees, TreeNode *const *order, int ordered, Tables *tables) {
  for (int i = 0; i < ordered; i++) {
    const TreeNode *at = order[i];
    if (at->comparison < 0) {
      tables->leaves[2 * at->index] = at->first;
      tables->leaves[2 * at->index + 1] = at->last;
      continue;
    }
    int32_t *row = tables->nodes + TREE_COLUMNS * at->index;
    row[TREE_FEATURE] = (int32_t)at->feature;
    row[TREE_COMPARISON] = at->comparison;
    row[TREE_TRUE] = child_code(find_node(trees, at->tree, at->true_id));
    row[TREE_FALSE] = child_code(find_node(trees, at->tree, at->false_id));
    row[TREE_MISSING_TRUE] = at->missing_true;
    tables->thresholds[at->index] = at->value;
  }
}

static bool number_trees(OnnxNode *node, Trees *trees, Tables *tables) {
  Arena *arena = node->importer->arena;
  int count = trees->node_count, ordered = 0;
  TreeNode **stack = NEW_ARRAY(arena, TreeNode *, 2 * (size_t)count + 2),
           **order = NEW_ARRAY(arena, TreeNode *, count);
  *tables = (Tables){.nodes = NEW_ARRAY(arena, int32_t, (size_t)TREE_COLUMNS *(size_t)count),
                     .roots = NEW_ARRAY(arena, int32_t, count),
                     .leaves = NEW_ARRAY(arena, int32_t, 2 * (size_t)count),
                     .thresholds = NEW_ARRAY(arena, double, count)};
  if (!mark_children(node, trees)) return false;
  for (int i = 0; i < count; i++) {
    if (trees->nodes[i].feature < 0 || trees->nodes[i].feature > INT32_MAX)
      return onnx_error(node, "feature %lld", (long long)trees->nodes[i].feature);
    if (trees->nodes[i].is_child) continue;
    if (!number_tree(node, trees, &trees->nodes[i], stack, order, &ordered, tables)) return false;
    tables->roots[tables->root_count++] = child_code(&trees->nodes[i]);
  }
  if (ordered != count) return onnx_error(node, "the trees have a cycle");
  fill_tables(trees, order, ordered, tables);
  return true;
}

// --- the op

static Value *integer_table(OnnxNode *node, int32_t *values, int rank, int64_t rows,
                            int64_t columns, const char *name) {
  Type type = type_static(node->importer->dims, I32, rank, (int64_t[]){rows, columns});
  return build_constant(&node->builder, type, values,
                        arena_printf(node->importer->arena, "%s.%s", node->loc.node, name));
}

static Value *number_table(OnnxNode *node, ElementType element, const double *values, int64_t count,
                           const char *name) {
  Tensor tensor = tensor_create(node->importer->arena, element, 1, &count);
  for (int64_t i = 0; i < count; i++) element_store(element, tensor.data, i, values[i]);
  return build_constant_tensor(&node->builder, &tensor,
                               arena_printf(node->importer->arena, "%s.%s", node->loc.node, name));
}

static Value *build_trees(OnnxNode *node, Value *x, Trees *trees, int64_t targets,
                          const char *aggregate) {
  Arena *arena = node->importer->arena;
  Tables tables;
  if (!number_trees(node, trees, &tables)) return NULL;
  int32_t *target_table = NEW_ARRAY(arena, int32_t, trees->entry_count + 1);
  double *weights = NEW_ARRAY(arena, double, trees->entry_count + 1);
  for (int i = 0; i < trees->entry_count; i++) {
    if (trees->entries[i].target < 0 || trees->entries[i].target >= targets)
      return onnx_error(node, "target %lld of %lld", (long long)trees->entries[i].target,
                        (long long)targets),
             NULL;
    target_table[i] = (int32_t)trees->entries[i].target;
    weights[i] = trees->entries[i].weight;
  }
  ElementType element = x->type.element, result = element == F64 ? F64 : F32;
  Value *operands[7] = {
      x,
      integer_table(node, tables.nodes, 2, tables.node_count, TREE_COLUMNS, "nodes"),
      number_table(node, element, tables.thresholds, tables.node_count, "thresholds"),
      integer_table(node, tables.roots, 1, tables.root_count, 0, "roots"),
      integer_table(node, tables.leaves, 2, tables.leaf_count, 2, "leaves"),
      integer_table(node, target_table, 1, trees->entry_count, 0, "targets"),
      number_table(node, result, weights, trees->entry_count, "weights")};
  Node *ensemble = build_begin(&node->builder, OP_TREE_ENSEMBLE, operands, 7);
  if (!ensemble) return NULL;
  node_set_int(ensemble, ATTR_TARGETS, targets);
  node_set_string(ensemble, ATTR_AGGREGATE, aggregate);
  return build_end(&node->builder, ensemble);
}

// Trees compare floats; integer features become floats first.
static Value *tree_input(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return NULL;
  Value *x = onnx_input(node, 0);
  if (x->type.rank == 1) x = onnx_unsqueeze(node, x, (int64_t[]){0}, 1);
  if (!x || x->type.rank != 2)
    return x ? (onnx_error(node, "input of rank %d, wanted 2", x->type.rank), NULL) : NULL;
  return element_is_float(x->type.element) ? x : onnx_convert(node, x, F32);
}

static Value *add_base(OnnxNode *node, Value *scores) {
  int count;
  Tensor tensor;
  Value *base = NULL;
  const float *floats = onnx_floats(node, "base_values", &count);
  if (floats && count)
    base = build_floats(&node->builder, floats, count);
  else if (onnx_tensor_attribute(node, "base_values_as_tensor", &tensor))
    base = build_constant_tensor(&node->builder, &tensor, NULL);
  if (!base || !scores) return scores;
  return onnx_binary(node, OP_ADD, scores, onnx_convert(node, base, scores->type.element));
}

static const char *aggregate_name(OnnxNode *node) {
  const char *name = onnx_string(node, "aggregate_function", "SUM");
  return strcmp(name, "AVERAGE") == 0 ? "average"
         : strcmp(name, "MIN") == 0   ? "min"
         : strcmp(name, "MAX") == 0   ? "max"
                                      : "sum";
}

bool import_tree_regressor(OnnxNode *node) {
  Trees trees = {0};
  Value *x = tree_input(node);
  int64_t targets = onnx_int(node, "n_targets", 1);
  if (!x || !read_nodes(node, &trees) || !read_entries(node, "target", &trees)) return false;
  if (targets < 1 || targets > 1 << 20)
    return onnx_error(node, "n_targets %lld", (long long)targets);
  Value *scores = add_base(node, build_trees(node, x, &trees, targets, aggregate_name(node)));
  return onnx_output(node, 0, ml_post_transform(node, scores));
}

// All weights speak of one class: the score of that class decides, and the other one follows.
static bool is_binary(const Trees *trees, int classes, bool *all_positive) {
  *all_positive = true;
  for (int i = 0; i < trees->entry_count; i++) {
    if (trees->entries[i].weight < 0) *all_positive = false;
    if (trees->entries[i].target != trees->entries[0].target) return false;
  }
  return classes == 2 && trees->entry_count > 0;
}

bool import_tree_classifier(OnnxNode *node) {
  Trees trees = {0};
  bool all_positive;
  Value *x = tree_input(node);
  int classes = ml_class_count(node);
  if (!x || !read_nodes(node, &trees) || !read_entries(node, "class", &trees)) return false;
  if (classes < 1) return onnx_error(node, "there are no class labels");
  bool binary = is_binary(&trees, classes, &all_positive);
  for (int i = 0; binary && i < trees.entry_count; i++) trees.entries[i].target = 0;
  Value *scores = add_base(node, build_trees(node, x, &trees, binary ? 1 : classes, "sum"));
  return scores && ml_classify(node, scores,
                               !binary        ? SCORE_EACH
                               : all_positive ? SCORE_SHARE
                                              : SCORE_MARGIN);
}

// --- TreeEnsemble of version 5: interior nodes and leaves apart, all in tensors

static bool tensor_ints(OnnxNode *node, const char *name, int *count, int64_t **values) {
  int given;
  const int64_t *list = onnx_ints(node, name, &given);
  if (!list)
    return node->builder.failed ? false : onnx_error(node, "attribute '%s' is missing", name);
  *count = given;
  *values = NEW_ARRAY(node->importer->arena, int64_t, given + 1);
  memcpy(*values, list, (size_t)given * sizeof **values);
  return true;
}

typedef struct EnsembleLists {
  int64_t *features, *true_ids, *true_leaf, *false_ids, *false_leaf, *targets, *roots;
  int nodes, leaves, root_count;
  Tensor modes, splits, weights, members;
  bool has_members;
  int member_at; // next element of members
} EnsembleLists;

static bool read_ensemble(OnnxNode *node, EnsembleLists *lists) {
  int counts[5];
  if (!tensor_ints(node, "nodes_featureids", &lists->nodes, &lists->features) ||
      !tensor_ints(node, "nodes_truenodeids", &counts[0], &lists->true_ids) ||
      !tensor_ints(node, "nodes_trueleafs", &counts[1], &lists->true_leaf) ||
      !tensor_ints(node, "nodes_falsenodeids", &counts[2], &lists->false_ids) ||
      !tensor_ints(node, "nodes_falseleafs", &counts[3], &lists->false_leaf) ||
      !tensor_ints(node, "leaf_targetids", &lists->leaves, &lists->targets) ||
      !tensor_ints(node, "tree_roots", &lists->root_count, &lists->roots))
    return false;
  if (!onnx_tensor_attribute(node, "nodes_modes", &lists->modes) ||
      !onnx_tensor_attribute(node, "nodes_splits", &lists->splits) ||
      !onnx_tensor_attribute(node, "leaf_weights", &lists->weights))
    return node->builder.failed
               ? false
               : onnx_error(node, "nodes_modes, nodes_splits or leaf_weights is missing");
  lists->has_members = onnx_tensor_attribute(node, "membership_values", &lists->members);
  for (int i = 0; i < 4; i++)
    if (counts[i] != lists->nodes) return onnx_error(node, "the lists of nodes differ in length");
  if (tensor_count(&lists->modes) != lists->nodes || tensor_count(&lists->splits) != lists->nodes ||
      tensor_count(&lists->weights) != lists->leaves)
    return onnx_error(node, "the tensors of nodes or leaves differ in length from their lists");
  return true;
}

enum { MODE_MEMBER = 6 };

// Where a node leads to, in the numbering of both: nodes, then leaves.
static bool ensemble_child(OnnxNode *node, const EnsembleLists *lists, int at, int64_t given,
                           bool leaf, int64_t *id) {
  int64_t count = leaf ? lists->leaves : lists->nodes;
  if (given < 0 || given >= count)
    return onnx_error(node, "node %d leads to %s %lld, which does not exist", at,
                      leaf ? "leaf" : "node", (long long)given);
  *id = leaf ? given + lists->nodes : given;
  return true;
}

// A node that asks for membership becomes a chain of comparisons for equality. Nodes get the ids
// 0 .., leaves follow, links of chains come last.
static bool ensemble_nodes(OnnxNode *node, EnsembleLists *lists, Trees *trees) {
  static const int comparisons[] = {TREE_LESS_EQUAL, TREE_LESS,  TREE_GREATER_EQUAL,
                                    TREE_GREATER,    TREE_EQUAL, TREE_NOT_EQUAL};
  int members = lists->has_members ? (int)tensor_count(&lists->members) : 0, count = 0;
  int64_t next = lists->nodes + lists->leaves;
  trees->nodes =
      NEW_ARRAY(node->importer->arena, TreeNode, lists->nodes + lists->leaves + members + 1);
  for (int i = 0; i < lists->nodes; i++) {
    int mode = (int)element_load_int(lists->modes.element, lists->modes.data, i);
    TreeNode at = {.id = i,
                   .feature = lists->features[i],
                   .value = element_load(lists->splits.element, lists->splits.data, i)};
    if (!ensemble_child(node, lists, i, lists->true_ids[i], lists->true_leaf[i] != 0,
                        &at.true_id) ||
        !ensemble_child(node, lists, i, lists->false_ids[i], lists->false_leaf[i] != 0,
                        &at.false_id))
      return false;
    if (mode < 0 || mode > MODE_MEMBER) return onnx_error(node, "node mode %d", mode);
    at.comparison = mode == MODE_MEMBER ? TREE_EQUAL : comparisons[mode];
    while (mode == MODE_MEMBER) {
      if (lists->member_at >= members) return onnx_error(node, "membership_values ends too early");
      at.value = element_load(lists->members.element, lists->members.data, lists->member_at++);
      bool last =
          lists->member_at >= members ||
          isnan(element_load(lists->members.element, lists->members.data, lists->member_at));
      TreeNode link = at;
      if (last) break;
      link.false_id = next;
      trees->nodes[count++] = link;
      at.id = next++;
    }
    if (mode == MODE_MEMBER) lists->member_at++; // the NaN between the sets
    trees->nodes[count++] = at;
  }
  for (int i = 0; i < lists->leaves; i++)
    trees->nodes[count++] = (TreeNode){.id = lists->nodes + i, .comparison = -1};
  trees->node_count = count;
  return true;
}

// Leaves may be shared by the file: each reference gets a copy of its own, as the op's trees are
// trees.
static bool unshare_leaves(OnnxNode *node, const EnsembleLists *lists, Trees *trees) {
  int count = trees->node_count, capacity = 2 * count + 2;
  TreeNode *nodes = arena_grow(node->importer->arena, trees->nodes, (size_t)count,
                               (size_t)capacity * 2, sizeof *nodes);
  bool *used = NEW_ARRAY(node->importer->arena, bool, lists->leaves + 1);
  int64_t next = (int64_t)count + lists->nodes + lists->leaves;
  trees->entries = NEW_ARRAY(node->importer->arena, TreeEntry, 2 * capacity);
  trees->entry_count = 0;
  int total = count;
  for (int i = 0; i < count; i++) {
    if (nodes[i].comparison < 0) continue;
    int64_t *children[2] = {&nodes[i].true_id, &nodes[i].false_id};
    for (int k = 0; k < 2; k++) {
      int64_t leaf = *children[k] - lists->nodes;
      if (leaf < 0 || leaf >= lists->leaves) continue;
      int64_t id = *children[k];
      if (used[leaf]) {
        id = *children[k] = next++;
        nodes[total++] = (TreeNode){.id = id, .comparison = -1};
      }
      used[leaf] = true;
      trees->entries[trees->entry_count] = (TreeEntry){
          0, id, lists->targets[leaf],
          element_load(lists->weights.element, lists->weights.data, leaf), trees->entry_count};
      trees->entry_count++;
    }
  }
  int kept = 0; // leaves that nobody leads to are no trees
  for (int i = 0; i < total; i++) {
    int64_t leaf = nodes[i].id - lists->nodes;
    if (nodes[i].comparison < 0 && leaf >= 0 && leaf < lists->leaves && !used[leaf]) continue;
    nodes[kept++] = nodes[i];
  }
  trees->nodes = nodes;
  trees->node_count = kept;
  return true;
}

bool import_tree_ensemble(OnnxNode *node) {
  static const char *const aggregates[] = {"average", "sum", "min", "max"};
  Trees trees = {0};
  EnsembleLists lists = {0};
  Value *x = tree_input(node);
  int64_t targets = onnx_int(node, "n_targets", 0),
          aggregate = onnx_int(node, "aggregate_function", 1);
  if (!x || !read_ensemble(node, &lists) || !ensemble_nodes(node, &lists, &trees) ||
      !unshare_leaves(node, &lists, &trees))
    return false;
  if (targets < 1 || targets > 1 << 20 || aggregate < 0 || aggregate > 3)
    return onnx_error(node, "n_targets %lld, aggregate_function %lld", (long long)targets,
                      (long long)aggregate);
  qsort(trees.nodes, (size_t)trees.node_count, sizeof(TreeNode), compare_nodes);
  qsort(trees.entries, (size_t)trees.entry_count, sizeof(TreeEntry), compare_entries);
  for (int i = 0; i < trees.entry_count; i++) {
    TreeNode *leaf = find_node(&trees, 0, trees.entries[i].id);
    leaf->first = i;
    leaf->last = i + 1;
  }
  Value *scores = build_trees(node, x, &trees, targets, aggregates[aggregate]);
  return onnx_output(node, 0,
                     ml_post_transform_number(node, scores, onnx_int(node, "post_transform", 0)));
}
