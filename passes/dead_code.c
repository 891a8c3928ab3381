// dead_code - deletes nodes whose results nobody uses, and operands that no region looks at.
// Nearly every op has no effect but its results, control flow included, and the dims that it finds;
// custom operators may have. Inputs and outputs of the model stay. Needs: nothing. Leaves: no node
// without a use.
#include "ir/external.h"
#include "ir/sized.h"
#include "passes/pass.h"

static bool is_dead(const Node *node) {
  for (int i = 0; i < node->result_count; i++)
    if (!value_is_unused(node->results[i])) return false;
  if (node_has_effects(node)) return false;
  return node_has_trait(node, PURE) ||
         (node_has_trait(node, REGIONS | SIZED | OF_LISTS) && !sized_dims_are_used(node));
}

// The first operand that is an input of the regions; they are the last ones of the node.
static int first_region_operand(const Node *node) {
  return node->operand_count - node->regions[0]->input_count;
}

// Only where operands and region inputs correspond one to one: if, fused, and epilogues but for
// their first input, the result of the op.
static int first_droppable_input(const Node *node) {
  if (node->op == OP_IF || node->op == OP_FUSED) return 0;
  return node_epilogue(node) ? 1 : -1;
}

static bool input_is_unused(const Node *node, int input) {
  for (int i = 0; i < node->region_count; i++)
    if (!value_is_unused(node->regions[i]->inputs[input])) return false;
  return true;
}

// fused needs at least one operand.
static void drop_unused_inputs(Node *node, PassContext *context) {
  if (!node->region_count) return;
  int first = first_droppable_input(node);
  if (first < 0) return;
  for (int input = node->regions[0]->input_count - 1; input >= first; input--) {
    if (!input_is_unused(node, input)) continue;
    if (node->op == OP_FUSED && node->operand_count == 1) return;
    node_remove_operand(node, first_region_operand(node) + input);
    for (int i = 0; i < node->region_count; i++) graph_remove_input(node->regions[i], input);
    context->changed++;
  }
}

bool pass_dead_code(Graph *graph, PassContext *context) {
  for (Node *node = graph->last, *previous; node; node = previous) {
    previous = node->previous;
    if (is_dead(node)) {
      node_remove(node);
      context->changed++;
    } else {
      drop_unused_inputs(node, context);
    }
  }
  return true;
}
