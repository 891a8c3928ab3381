// place - makes the decisions of the target: a kernel per node, the order of the nodes, and the
// memory of every value (docs/placement.md says what code generation may rely on).
// Needs: everything that changes nodes is done. Leaves: graph->placed, Value.placement everywhere
// outside of pointwise regions, attributes kernel_name and tile where they differ from the default.
#include "passes/place/place.h"

static bool for_each_function(Graph *graph, bool (*act)(Graph *graph, PassContext *context),
                              PassContext *context) {
  FOR_EACH_NODE (node, graph) {
    if (!is_control_flow(node)) continue;
    for (int i = 0; i < node->region_count; i++)
      if (!for_each_function(node->regions[i], act, context)) return false;
  }
  return act(graph, context);
}

static bool choose_kernels(Graph *graph, PassContext *context) {
  place_choose_kernels(graph, context);
  return true;
}

static bool order_nodes(Graph *graph, PassContext *context) {
  place_order(graph, context->scratch);
  return true;
}

bool pass_place(Graph *graph, PassContext *context) {
  if (!for_each_function(graph, place_split_operands, context)) return false;
  if (!for_each_function(graph, place_planes, context)) return false;
  if (!for_each_function(graph, choose_kernels, context)) return false;
  if (!for_each_function(graph, place_legalise_outputs, context)) return false;
  if (pass_option_bool(context, "order") && !for_each_function(graph, order_nodes, context))
    return false;
  if (!place_memory(graph, context, pass_option_bool(context, "reuse"))) return false;
  graph->placed = true;
  context->changed++;
  return true;
}
