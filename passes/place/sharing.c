// Sharing: which values are the same memory. In execution order:
//   view          its result is its operand's memory
//   in place      a pointwise result is written over an operand of the same shape that dies there
//   branch        a region's input is the operand; its output is written into the op's result
//   loop          a carried value's region input is the op's result, which holds the state; it
//   starts in
//                 the operand's memory if that dies; a value that is only passed through is the
//                 operand
#include <assert.h>

#include "passes/place/place.h"

// --- groups

static bool is_loop_result_of(const Member *result, const Member *output) {
  const Node *loop = result->value->definition;
  if (!loop || !is_control_flow(loop) || output->value->graph->owner != loop) return false;
  int number = node_carried(loop).output + result->value->index;
  return output->value->graph->outputs[number] == output->value;
}

// May both members lie at one address? A body's output may end where its own loop result starts.
static bool members_fit(const Member *a, const Member *b) {
  if (a->end < b->start || b->end < a->start) return true;
  if (a->end == b->start) return is_loop_result_of(b, a);
  if (b->end == a->start) return is_loop_result_of(a, b);
  return false;
}

// May all members of `from` share memory with all of `into`, whose member `new` overwrites what
// ends there?
static bool groups_fit(const MemoryPlan *plan, const Group *from, const Group *into,
                       const Member *new) {
  for (int i = from->first_member; i >= 0; i = plan->members[i].next)
    for (int k = into->first_member; k >= 0; k = plan->members[k].next) {
      const Member *a = &plan->members[i], *b = &plan->members[k];
      bool handed_over = b == new && a->end <= new->start && a->start <= new->start;
      if (!handed_over && !members_fit(a, b)) return false;
    }
  return true;
}

// Everything that lies where `from` lay lies from now on where `into` lies.
static void merge(MemoryPlan *plan, Group *from, Group *into) {
  if (from == into) return;
  if (from->kind != PLACE_WORKSPACE) {
    assert((into->kind == PLACE_WORKSPACE || from->kind == into->kind) &&
           "two places for one value");
    into->kind = from->kind;
    into->holder = from->holder;
  }
  int number = (int)(into - plan->groups);
  for (int i = from->first_member; i >= 0; i = plan->members[i].next)
    plan->members[i].group = number;
  plan->members[into->last_member].next = from->first_member;
  into->last_member = from->last_member;
  if (from->bytes > into->bytes) into->bytes = from->bytes;
  into->open |= from->open;
  into->late |= from->late;
  if (from->start < into->start) into->start = from->start;
  if (from->end > into->end) into->end = from->end;
  from->first_member = from->last_member = -1;
}

static void share(MemoryPlan *plan, const Value *a, const Value *b) {
  merge(plan, plan_group(plan, a), plan_group(plan, b));
}

// --- in place

static bool may_overwrite(const MemoryPlan *plan, const Node *node, const Value *operand,
                          const Value *result) {
  const Group *from = plan_group(plan, operand), *into = plan_group(plan, result);
  if (from == into || from->kind != PLACE_WORKSPACE) return false;
  if (into->kind != PLACE_WORKSPACE && into->kind != PLACE_OUTPUT) return false;
  int bits = element_info[operand->type.element].bits;
  if (bits < 8 || bits != element_info[result->type.element].bits) return false;
  if (!type_same_shape(&operand->type, &result->type)) return false;
  for (int i = 0; i < node->operand_count; i++) { // the same memory, read at other elements
    const Value *other = node->operands[i];
    if (other && plan_group(plan, other) == from && !type_same_shape(&other->type, &result->type))
      return false;
  }
  for (int i = 0; i < node->result_count; i++) // another result took it already
    if (node->results[i] != result && plan_group(plan, node->results[i]) == from) return false;
  return groups_fit(plan, from, into, plan_member(plan, result));
}

static void share_in_place(MemoryPlan *plan, const Node *node) {
  if (!plan->reuse || !node_has_trait(node, POINTWISE | OVERWRITES)) return;
  for (int r = 0; r < node->result_count; r++)
    for (int i = 0; i < node->operand_count; i++) {
      const Value *operand = node->operands[i], *result = node->results[r];
      if (!operand || !may_overwrite(plan, node, operand, result)) continue;
      share(plan, operand, result);
      break;
    }
}

// --- control flow

static bool uses_group_once(const MemoryPlan *plan, const Node *node, int operand) {
  for (int i = 0; i < node->operand_count; i++)
    if (i != operand && node->operands[i] &&
        plan_group(plan, node->operands[i]) == plan_group(plan, node->operands[operand]))
      return false;
  return true;
}

// The initial value may lie where the state will: it is read once, before the first turn.
static void share_initial(MemoryPlan *plan, const Node *loop, int operand, const Value *result) {
  const Value *initial = loop->operands[operand];
  Group *from = plan_group(plan, initial), *into = plan_group(plan, result);
  if (!plan->reuse || from == into || from->kind != PLACE_WORKSPACE || from->late || into->late ||
      from->end > plan->node_end[loop->mark])
    return;
  if (from->bytes != into->bytes || !type_same_shape(&initial->type, &result->type)) return;
  if (from->start > (int)loop->mark || !uses_group_once(plan, loop, operand)) return;
  plan_member(plan, initial)->end = (int)loop->mark;
  merge(plan, from, into);
}

static void share_carried(MemoryPlan *plan, const Node *loop) {
  Carried carried = node_carried(loop);
  const Graph *body = loop->regions[0];
  for (int i = 0; i < carried.count; i++) {
    const Value *initial = loop->operands[carried.operand + i],
                *input = body->inputs[carried.input + i];
    if (loop_passes_through(loop, i)) {
      share(plan, input, loop->results[i]);
      share(plan, loop->results[i], initial);
      continue;
    }
    plan_member(plan, input)->start = (int)loop->mark;
    share(plan, input, loop->results[i]);
    Group *state = plan_group(plan, input);
    if (state->start > (int)loop->mark) state->start = (int)loop->mark;
    share_initial(plan, loop, carried.operand + i, loop->results[i]);
  }
}

static const Value *view_source(const Value *value) {
  while (value->definition && node_has_trait(value->definition, VIEW))
    value = value->definition->operands[0];
  return value;
}

// The branch writes its output into the op's result, unless it only hands on what is elsewhere.
static void share_branch_outputs(MemoryPlan *plan, const Node *node, const Graph *branch) {
  for (int i = 0; i < branch->output_count; i++) {
    const Value *output = branch->outputs[i], *source = view_source(output);
    if (!source->definition || source->definition->op == OP_CONST || output->output_uses != 1)
      continue;
    if (loop_passes_through(source->definition, source->index)) continue;
    bool claimed = false;
    for (int k = 0; k < i; k++) claimed |= view_source(branch->outputs[k]) == source;
    Group *from = plan_group(plan, output), *into = plan_group(plan, node->results[i]);
    if (claimed || from->kind != PLACE_WORKSPACE || from->late || into->late ||
        !type_same_shape(&output->type, &node->results[i]->type))
      continue;
    merge(plan, from, into);
  }
}

static void share_branches(MemoryPlan *plan, const Node *node) {
  for (int r = 0; r < node->region_count; r++) {
    const Graph *branch = node->regions[r];
    for (int i = 0; i < branch->input_count; i++)
      share(plan, branch->inputs[i], node->operands[1 + i]);
    share_branch_outputs(plan, node, branch);
  }
}

// The caller's memory is as large as the result: an operand that only a check makes as small is
// copied there.
static bool has_equal_count(const MemoryPlan *plan, const Node *view) {
  DimTable *table = plan->context->module->dims;
  return type_count(table, &view->operands[0]->type) == type_count(table, &view->results[0]->type);
}

static void share_nodes(MemoryPlan *plan, const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next) {
    if (node_has_trait(node, VIEW)) {
      Group *from = plan_group(plan, node->operands[0]), *into = plan_group(plan, node->results[0]);
      if (into->kind == PLACE_WORKSPACE)
        merge(plan, into, from);
      else if (has_equal_count(plan, node))
        merge(plan, from, into); // an output: the operand is written there
    } else if (is_control_flow(node)) {
      if (node->op == OP_IF)
        share_branches(plan, node);
      else
        share_carried(plan, node);
      for (int i = 0; i < node->region_count; i++) share_nodes(plan, node->regions[i]);
    } else {
      share_in_place(plan, node);
    }
  }
}

void plan_sharing(MemoryPlan *plan) { share_nodes(plan, plan->graph); }
