// simplify_control - control flow that is known at compile time.
//   if(true, x..) = then(x..), if(false, x..) = else(x..)
//   a constant operand that a region gets, and a loop hands on unchanged, becomes a constant of the
//   region, so that it can be folded and packed there
// Needs: fold_constants, to know conditions. Leaves: unused operands of control flow for dead_code.
#include "ir/clone.h"
#include "passes/rewrite.h"

static bool inline_branch(Node *node, PassContext *context) {
  double condition;
  if (node->op != OP_IF || !constant_scalar(node->operands[0], &condition)) return true;
  const Graph *branch = node->regions[condition != 0 ? 0 : 1];
  for (int i = 0; i < node->result_count; i++) // dims may agree at run time only
    if (!type_equal(&node->results[i]->type, &branch->outputs[i]->type)) return true;
  Value **outputs = NEW_ARRAY(context->scratch, Value *, branch->output_count + 1);
  Node *last = node->graph->last;
  graph_clone_body(node->graph, branch, node->operands + 1, outputs);
  while (last->next) node_move_before(node, last->next); // they were appended in order
  for (int i = 0; i < node->result_count; i++)
    if (!value_is_unused(node->results[i])) rewrite_value(node->results[i], outputs[i]);
  node_remove(node);
  context->changed++;
  return true;
}

// Is region input `input` the operand in every turn? In a branch always.
static bool is_invariant(const Node *node, int input, int operand) {
  if (node->op == OP_IF) return true;
  int first_output = node->op == OP_LOOP ? 1 : 0, first_input = node->op == OP_LOOP ? 2 : 0;
  if (input < first_input ||
      (node->op == OP_SCAN &&
       operand >= node->operand_count - (int)node_int(node, ATTR_SCAN_INPUTS)))
    return false;
  const Graph *body = node->regions[0];
  return body->outputs[first_output + input - first_input] == body->inputs[input];
}

static bool is_used_by_nodes(const Value *value) { return value->use_count > 0; }

static bool sink_constant(Graph *region, Value *input, const Value *operand, PassContext *context) {
  const Node *original = operand->definition;
  Builder builder = {.graph = region, .before = region->first, .loc = original->loc};
  Value *copy =
      build_constant(&builder, operand->type, original->constant->data, original->constant->name);
  if (!copy) return false;
  copy->definition->constant->storage = original->constant->storage;
  copy->definition->constant->record = original->constant->record;
  while (input->use_count) node_set_operand(input->uses[0].user, input->uses[0].index, copy);
  context->changed++;
  return true;
}

static bool sink_constants(Node *node, PassContext *context) {
  for (int r = 0; r < node->region_count; r++) {
    Graph *region = node->regions[r];
    for (int i = 0; i < region->input_count; i++) {
      int operand = node->operand_count - region->input_count + i;
      if (operand < 0 || !value_is_constant(node->operands[operand]) ||
          !is_used_by_nodes(region->inputs[i]))
        continue;
      if (!type_equal(&node->operands[operand]->type, &region->inputs[i]->type) ||
          !is_invariant(node, i, operand))
        continue;
      if (!sink_constant(region, region->inputs[i], node->operands[operand], context)) return false;
    }
  }
  return true;
}

bool pass_simplify_control(Graph *graph, PassContext *context) {
  FOR_EACH_NODE (node, graph) {
    if (!node->region_count || node_has_trait(node, POINTWISE | ACCUMULATES)) continue;
    if (!sink_constants(node, context) || !inline_branch(node, context)) return false;
  }
  return true;
}
