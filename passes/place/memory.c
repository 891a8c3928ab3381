// The memory plan: lifetimes -> sharing -> offsets -> placements.
#include "passes/place/place.h"

enum { DEFAULT_ALIGNMENT = 64, LARGEST_WORKSPACE_BITS = 46 };

// The caller's memory is known by the number of the input or output, which takes the offset's
// place.
static void number_callers(MemoryPlan *plan) {
  const Graph *graph = plan->graph;
  for (int i = 0; i < graph->input_count; i++) {
    Group *group = plan_group(plan, graph->inputs[i]);
    if (group->kind == PLACE_INPUT) group->offset = i;
  }
  for (int i = 0; i < graph->output_count; i++) {
    Group *group = plan_group(plan, graph->outputs[i]);
    if (group->kind == PLACE_OUTPUT) group->offset = i;
  }
}

static void write_placements(const MemoryPlan *plan) {
  for (int i = 0; i < plan->member_count; i++) {
    Value *value = plan->members[i].value;
    const Group *group = &plan->groups[plan->members[i].group];
    if (group->holder == value)
      value->placement = (Placement){.kind = group->kind, .offset = group->offset};
    else
      value->placement = (Placement){.kind = PLACE_ALIAS, .alias = group->holder};
  }
}

static bool check_total(const MemoryPlan *plan) {
  int64_t sum = 0;
  for (int i = 0; i < plan->group_count; i++)
    if (plan->groups[i].first_member >= 0 &&
        __builtin_add_overflow(sum, plan->groups[i].bytes, &sum))
      sum = INT64_MAX;
  if (sum < INT64_C(1) << LARGEST_WORKSPACE_BITS) return true;
  return diag_error(plan->context->diag, loc_file(plan->context->module->source),
                    "the values need %lld bytes", (long long)sum);
}

static const Node *makes_text(const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next) {
    if (node_has_trait(node, MAKES_TEXT)) return node;
    for (int i = 0; i < node->region_count; i++) {
      const Node *inner = makes_text(node->regions[i]);
      if (inner) return inner;
    }
  }
  return NULL;
}

// Bytes of new strings come from where late places come from: there is one more of these, which no
// value has.
static bool plan_text(MemoryPlan *plan) {
  const Node *node = makes_text(plan->graph);
  if (node && plan->context->io_workspace)
    return diag_error(plan->context->diag, node->loc,
                      "%s makes strings, whose bytes have no bound: not with --io=workspace",
                      op_info[node->op].text);
  plan->graph->late_count += node != NULL;
  return true;
}

bool place_memory(Graph *graph, PassContext *context, bool reuse) {
  MemoryPlan plan = {.context = context, .graph = graph, .reuse = reuse};
  if (!plan_lifetimes(&plan) || !check_total(&plan)) return false;
  plan_find_late(&plan);
  plan_sharing(&plan);
  int alignment = context->target ? target_alignment(context->target) : DEFAULT_ALIGNMENT;
  plan_open(&plan, alignment);
  graph->workspace_bytes = plan_offsets(&plan, alignment);
  if (!plan_text(&plan)) return false;
  number_callers(&plan);
  write_placements(&plan);
  return true;
}
