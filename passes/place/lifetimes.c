// Lifetimes: nodes are numbered in execution order, bodies within the time of their op.
//   a node        reads its operands and writes its results at one time
//   control flow  starts, then its bodies' nodes, then ends: operands live to its end; results that
//   are
//                 handed over at the end (branches, carried values) start there, scanned ones at
//                 its start
//   body          inputs start with the op, outputs live to its end
#include "passes/place/place.h"

// The first symbol without a bound in `dim`; NULL: none.
static const char *unbounded_symbol(const Dim *dim) {
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    for (int k = 0; k < term->atom_count; k++) {
      const Atom *atom = term->atoms[k];
      if (atom->kind == ATOM_SYMBOL && atom->high == DIM_UNBOUNDED) return atom->name;
      if (atom->kind == ATOM_SYMBOL) continue;
      const char *name = unbounded_symbol(atom->left);
      if (!name) name = unbounded_symbol(atom->right);
      if (name) return name;
    }
  }
  return NULL;
}

bool plan_refuse_unbounded(const MemoryPlan *plan, const Value *value) {
  Diag *diag = plan->context->diag;
  Loc loc = value->definition ? value->definition->loc : loc_file(plan->context->module->source);
  if (!loc.node) loc.node = value->name;
  const char *text = type_text(plan->context->scratch, &value->type);
  const char *name = value->name ? value->name : "result";
  if (value->type.kind != TYPE_TENSOR)
    return diag_error(diag, loc, "value '%s' is %s: with --io=workspace there are only tensors",
                      name, text);
  const char *symbol = NULL;
  for (int i = 0; i < value->type.rank && !symbol; i++)
    if (dim_high(value->type.dims[i]) == DIM_UNBOUNDED)
      symbol = unbounded_symbol(value->type.dims[i]);
  if (!symbol) return diag_error(diag, loc, "value '%s' is %s: too large", name, text);
  diag_error(diag, loc, "value '%s' is %s: its size has no bound", name, text);
  diag_note(diag, loc, "--dim %s=1..64 gives it a bound", symbol);
  return false;
}

// Without a bound, or with one that nobody means: exporters write min(1000000000, N) for N.
static bool is_open(const Type *type) {
  enum { MEANT_DIM = 1 << 28 };
  int64_t bytes;
  if (type_is_static(type)) return false;
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i], NULL) && dim_high(type->dims[i]) > MEANT_DIM) return true;
  return !type_max_bytes(type, &bytes);
}

static bool add_value(MemoryPlan *plan, Value *value, PlaceKind kind, int start) {
  int64_t bytes = 0;
  bool list = type_is_list(&value->type); // a pointer, to what the run makes
  bool callers = kind == PLACE_INPUT;     // of any size
  bool open = !callers && (list || is_open(&value->type));
  if (!callers && !open && !type_max_bytes(&value->type, &bytes))
    return plan_refuse_unbounded(plan, value);
  if (open && plan->context->io_workspace) return plan_refuse_unbounded(plan, value);
  if (open) kind = PLACE_WORKSPACE; // outputs too: the run says where they lie
  Arena *scratch = plan->context->scratch;
  Member member = {value, start, start, plan->group_count, -1};
  Group group = {.kind = kind,
                 .holder = value,
                 .bytes = bytes,
                 .open = open,
                 .late = open && list,
                 .start = start,
                 .end = start,
                 .first_member = plan->member_count,
                 .last_member = plan->member_count};
  value->mark = plan->member_count;
  value->placement = (Placement){0};
  ARENA_PUSH(scratch, plan->members, plan->member_count, plan->member_capacity, member);
  ARENA_PUSH(scratch, plan->groups, plan->group_count, plan->group_capacity, group);
  return true;
}

static int count_times(const Graph *graph) {
  int count = 2 * graph->node_count + 2;
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; is_control_flow(node) && i < node->region_count; i++)
      count += count_times(node->regions[i]);
  return count;
}

static bool add_inputs(MemoryPlan *plan, Graph *graph, PlaceKind kind) {
  for (int i = 0; i < graph->input_count; i++)
    if (!add_value(plan, graph->inputs[i], kind, plan->time_count)) return false;
  return true;
}

static bool add_nodes(MemoryPlan *plan, Graph *graph);

static bool add_bodies(MemoryPlan *plan, Node *node) {
  for (int i = 0; i < node->region_count; i++)
    if (!add_inputs(plan, node->regions[i], PLACE_WORKSPACE) || !add_nodes(plan, node->regions[i]))
      return false;
  return true;
}

static PlaceKind result_kind(const MemoryPlan *plan, const Value *result) {
  if (result->definition->op == OP_CONST) return PLACE_WEIGHTS;
  bool is_callers =
      result->graph == plan->graph && result->output_uses > 0 && !plan->context->io_workspace;
  return is_callers ? PLACE_OUTPUT : PLACE_WORKSPACE;
}

static bool add_nodes(MemoryPlan *plan, Graph *graph) {
  FOR_EACH_NODE (node, graph) {
    int start = plan->time_count++;
    node->mark = start;
    if (is_control_flow(node) && !add_bodies(plan, node)) return false;
    int end = is_control_flow(node) ? plan->time_count++ : start;
    plan->node_end[start] = end;
    bool scanned_from = is_control_flow(node) && node->op != OP_IF;
    for (int i = 0; i < node->result_count; i++) {
      bool scanned = scanned_from && i >= node_carried(node).count;
      if (!add_value(plan, node->results[i], result_kind(plan, node->results[i]),
                     scanned ? start : end))
        return false;
      plan_member(plan, node->results[i])->end = end;
    }
  }
  return true;
}

static int end_of_graph(const MemoryPlan *plan, const Graph *graph) {
  return graph->owner ? plan->node_end[graph->owner->mark] : plan->time_count;
}

static void find_end(MemoryPlan *plan, Member *member) {
  const Value *value = member->value;
  for (int i = 0; i < value->use_count; i++) {
    int end = plan->node_end[value->uses[i].user->mark];
    if (end > member->end) member->end = end;
  }
  if (value->output_uses) member->end = end_of_graph(plan, value->graph);
  Group *group = &plan->groups[member->group];
  group->start = member->start;
  group->end = member->end;
}

bool plan_lifetimes(MemoryPlan *plan) {
  plan->node_end = NEW_ARRAY(plan->context->scratch, int, count_times(plan->graph));
  if (!add_inputs(plan, plan->graph, plan->context->io_workspace ? PLACE_WORKSPACE : PLACE_INPUT))
    return false;
  plan->time_count = 1;
  if (!add_nodes(plan, plan->graph)) return false;
  for (int i = 0; i < plan->member_count; i++) find_end(plan, &plan->members[i]);
  return true;
}
