// Groups of pointwise nodes. A group becomes one node in the place of its last member: whatever it
// reads is defined before, and nobody reads its results earlier.
#include "passes/fuse.h"

#include <assert.h>

void fuse_number_nodes(Graph *graph) {
  int64_t number = 0;
  FOR_EACH_NODE (node, graph) node->mark = number++;
}

static bool is_plain(const Value *value) {
  return value && value->type.kind == TYPE_TENSOR && !value->type.quant &&
         value->type.element != STR && element_info[value->type.element].class != CLASS_COMPLEX &&
         element_info[value->type.element].bits >= 8;
}

bool fuse_is_candidate(const Node *node, const Type *shape) {
  if (!node_has_trait(node, POINTWISE) || node->region_count || node->result_count != 1)
    return false;
  for (int i = 0; i < node->operand_count; i++)
    if (!is_plain(node->operands[i])) return false;
  return is_plain(node->results[0]) && type_same_shape(&node->results[0]->type, shape);
}

bool fuse_is_member(const FuseGroup *group, const Node *node) {
  for (int i = 0; i < group->count; i++)
    if (group->members[i] == node) return true;
  return node == group->producer;
}

static bool reads_group(const FuseGroup *group, const Node *node) {
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i] && node->operands[i]->definition &&
        fuse_is_member(group, node->operands[i]->definition))
      return true;
  return false;
}

void fuse_grow(FuseGroup *group, const Node *from) {
  int steps = 0;
  for (Node *node = from->next; node && steps < LOOK_AHEAD && group->count < MAX_GROUP;
       node = node->next, steps++)
    if (fuse_is_candidate(node, group->shape) && reads_group(group, node))
      group->members[group->count++] = node;
}

static bool only_group_reads(const FuseGroup *group, const Value *value) {
  if (value->output_uses) return false;
  for (int i = 0; i < value->use_count; i++)
    if (!fuse_is_member(group, value->uses[i].user)) return false;
  return true;
}

static void insert_member(FuseGroup *group, Node *node) {
  int at = group->count++;
  for (; at > 0 && group->members[at - 1]->mark > node->mark; at--)
    group->members[at] = group->members[at - 1];
  group->members[at] = node;
}

void fuse_pull(FuseGroup *group) {
  for (int i = 0; i < group->count; i++) {
    const Node *member = group->members[i];
    for (int k = 0; k < member->operand_count && group->count < MAX_GROUP; k++) {
      Node *producer = member->operands[k]->definition;
      if (!producer || fuse_is_member(group, producer) ||
          !fuse_is_candidate(producer, group->shape))
        continue;
      if (!only_group_reads(group, member->operands[k])) continue;
      insert_member(group, producer);
      i = -1; // its operands come earlier
      break;
    }
  }
}

static bool goes_inside(const Value *value) {
  double number;
  return constant_scalar(value, &number);
}

static bool add_operand(FuseGroup *group, Value *value) {
  if ((value->definition && fuse_is_member(group, value->definition)) || goes_inside(value))
    return true;
  for (int i = 0; i < group->operand_count; i++)
    if (group->operands[i] == value) return true;
  if (group->operand_count == MAX_GROUP_OPERANDS) return false;
  group->operands[group->operand_count++] = value;
  return true;
}

static bool is_read_outside(const FuseGroup *group, const Value *value, int64_t last,
                            bool *too_early) {
  bool outside = value->output_uses > 0;
  for (int i = 0; i < value->use_count; i++) {
    const Node *user = value->uses[i].user;
    if (fuse_is_member(group, user)) continue;
    outside = true;
    if (user->mark <= last) *too_early = true;
  }
  return outside;
}

bool fuse_close(FuseGroup *group, int result_limit) {
  int64_t last = group->members[group->count - 1]->mark;
  bool too_early = false;
  group->operand_count = group->result_count = 0;
  if (group->producer && is_read_outside(group, group->producer->results[0], last, &too_early))
    return false;
  for (int i = 0; i < group->count; i++) {
    Node *member = group->members[i];
    for (int k = 0; k < member->operand_count; k++)
      if (!add_operand(group, member->operands[k])) return false;
    if (!is_read_outside(group, member->results[0], last, &too_early)) continue;
    if (group->result_count == result_limit) return false;
    group->results[group->result_count++] = member->results[0];
  }
  return !too_early && group->result_count > 0;
}

bool fuse_cut(FuseGroup *group, int least, int result_limit) {
  for (; group->count >= least; group->count--)
    if (group->count && fuse_close(group, result_limit)) return true;
  return false;
}

// --- regions

// Marks of values inside the group: where their copies are.
typedef struct Copies {
  const Value *from[MAX_GROUP + MAX_GROUP_OPERANDS + 1];
  Value *to[MAX_GROUP + MAX_GROUP_OPERANDS + 1];
  int count;
} Copies;

static void add_copy(Copies *copies, const Value *from, Value *to) {
  copies->from[copies->count] = from;
  copies->to[copies->count++] = to;
}

static Value *copy_of(Copies *copies, Builder *builder, Value *value) {
  for (int i = 0; i < copies->count; i++)
    if (copies->from[i] == value) return copies->to[i];
  assert(value_is_constant(value) && "read from outside, but no operand");
  const Constant *constant = value_constant(value);
  return build_constant(builder, value->type, constant->data, constant->name);
}

static void copy_member(Copies *copies, Builder *builder, const Node *member) {
  Value *operands[4];
  assert(member->operand_count <= 4 && "pointwise ops have few operands");
  for (int i = 0; i < member->operand_count; i++)
    operands[i] = copy_of(copies, builder, member->operands[i]);
  if (builder->failed) return;
  Node *copy =
      node_create(builder->graph, member->op, member->loc, operands, member->operand_count, 1);
  node_copy_attributes(copy, member);
  copy->results[0]->type = member->results[0]->type;
  copy->results[0]->name = member->results[0]->name;
  graph_append(builder->graph, copy);
  add_copy(copies, member->results[0], copy->results[0]);
}

bool fuse_fill_region(const FuseGroup *group, Graph *region) {
  Copies copies = {0};
  Builder builder = builder_at_end(region, group->members[0]->loc);
  if (group->producer) {
    const Value *result = group->producer->results[0];
    add_copy(&copies, result, graph_add_input(region, result->type, result->name));
  }
  for (int i = 0; i < group->operand_count; i++)
    add_copy(&copies, group->operands[i],
             graph_add_input(region, group->operands[i]->type, group->operands[i]->name));
  for (int i = 0; i < group->count; i++) copy_member(&copies, &builder, group->members[i]);
  for (int i = 0; i < group->result_count && !builder.failed; i++)
    graph_add_output(region, copy_of(&copies, &builder, group->results[i]));
  return !builder.failed;
}

void fuse_replace(const FuseGroup *group, Node *node) {
  node->mark = group->members[group->count - 1]->mark;
  for (int i = 0; i < group->result_count; i++) {
    node->results[i]->name = group->results[i]->name;
    value_replace(group->results[i], node->results[i]);
  }
  for (int i = group->count - 1; i >= 0; i--) node_remove(group->members[i]);
}
