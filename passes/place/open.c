// Places behind the planned part of the workspace, for values without a bound. Their plan is made
// like that of the others, at sample dims, and then kept as an order: what lay lower in the sample
// lies lower in each run, and a place begins where the last one of those below it ends that live at
// the same time. So places never overlap, whatever the dims are, and fit as well as in the sample
// where these are in proportion.
#include <stdlib.h>

#include "ir/sized.h"
#include "passes/place/place.h"

enum { SAMPLE_DIM = 16, SAMPLE_LIMIT = 1 << 20 };

// --- what a dim is at most, told by dims of the model's inputs

typedef struct Meanings {
  DimTable *table;
  const Dim **most; // by symbol; NULL: nobody knows before the run
} Meanings;

static const Dim *bound(const Meanings *m, const Dim *dim, bool upper);

static const Dim *bound_symbol(const Meanings *m, const Atom *symbol, bool upper) {
  const Dim *most = m->most[symbol->index];
  if (upper && !most && symbol->high != DIM_UNBOUNDED) return dim_constant(m->table, symbol->high);
  if (upper || !most) return upper ? most : dim_constant(m->table, symbol->low);
  bool is_input = dim_symbol_name(most) && dim_terms(most)[0].atoms[0] == symbol;
  return is_input ? most : dim_constant(m->table, symbol->low);
}

static const Dim *bound_atom(const Meanings *m, const Atom *atom, bool upper) {
  if (atom->kind == ATOM_SYMBOL) return bound_symbol(m, atom, upper);
  const Dim *left = bound(m, atom->left, upper);
  const Dim *right = bound(m, atom->right, atom->kind == ATOM_FLOORDIV ? !upper : upper);
  if (!left || !right) return NULL;
  if (atom->kind == ATOM_MIN) return dim_min(m->table, left, right);
  if (atom->kind == ATOM_MAX) return dim_max(m->table, left, right);
  return dim_floordiv(m->table, left, dim_max(m->table, right, dim_constant(m->table, 1)));
}

// Products are of dims, which are not negative.
static const Dim *bound(const Meanings *m, const Dim *dim, bool upper) {
  const Dim *sum = dim_constant(m->table, 0);
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    const Dim *product = dim_constant(m->table, term->coefficient);
    for (int k = 0; k < term->atom_count; k++) {
      const Dim *factor = bound_atom(m, term->atoms[k], term->coefficient > 0 ? upper : !upper);
      if (!factor) return NULL;
      product = dim_mul(m->table, product, factor);
    }
    sum = dim_add(m->table, sum, product);
  }
  return sum;
}

static const Dim *most_bytes(const Meanings *m, const Type *type) {
  const Dim *count = dim_constant(m->table, 1);
  for (int i = 0; i < type->rank; i++) {
    const Dim *dim = bound(m, type->dims[i], true);
    if (!dim) return NULL;
    count = dim_mul(m->table, count, dim);
  }
  int bits = element_info[type->element].bits;
  if (bits % 8 == 0) return dim_mul_int(m->table, count, bits / 8);
  return dim_ceildiv(m->table, dim_mul_int(m->table, count, bits), dim_constant(m->table, 8));
}

// --- symbols that nodes and regions bring

static void define(Meanings *m, const Dim *dim, const Dim *most) {
  if (dim_symbol_name(dim) && !m->most[dim_terms(dim)[0].atoms[0]->index])
    m->most[dim_terms(dim)[0].atoms[0]->index] = most;
}

static void define_type(Meanings *m, const Type *inner, const Type *outer, int skipped) {
  for (int i = 0, k = 0; i < inner->rank; i++, k++) {
    if (k == skipped) k++;
    define(m, inner->dims[i], bound(m, outer->dims[k], true));
  }
}

static void find_meanings(Meanings *m, const Graph *graph);

static void enter_branch(Meanings *m, const Node *node, const Graph *region) {
  for (int i = 0; i < region->input_count; i++)
    define_type(m, &region->inputs[i]->type, &node->operands[1 + i]->type, -1);
  find_meanings(m, region);
}

static void leave_branches(Meanings *m, const Node *node) {
  for (int i = 0; i < node->result_count; i++)
    for (int k = 0; k < node->results[i]->type.rank; k++) {
      const Dim *then = bound(m, node->regions[0]->outputs[i]->type.dims[k], true);
      const Dim *otherwise = bound(m, node->regions[1]->outputs[i]->type.dims[k], true);
      const Dim *most = then && otherwise ? dim_max(m->table, then, otherwise) : NULL;
      define(m, node->results[i]->type.dims[k], most);
    }
}

// A carried dim that is the same outside before and after is the same in each turn.
static void enter_loop(Meanings *m, const Node *node) {
  Carried carried = node_carried(node);
  const Graph *body = node->regions[0];
  for (int i = 0; i < carried.count; i++) {
    const Type *inner = &body->inputs[carried.input + i]->type,
               *outer = &node->operands[carried.operand + i]->type;
    for (int k = 0; k < inner->rank; k++)
      if (node->results[i]->type.dims[k] == outer->dims[k])
        define(m, inner->dims[k], bound(m, outer->dims[k], true));
  }
  for (int i = carried.count; node->op == OP_SCAN && i < node->operand_count; i++) {
    const Type *whole = &node->operands[i]->type;
    int64_t axis = node_ints_at(node, ATTR_SCAN_INPUT_AXES, i - carried.count, 0);
    define_type(m, &body->inputs[i]->type, whole, (int)(axis < 0 ? axis + whole->rank : axis));
  }
  find_meanings(m, body);
}

static void find_meanings(Meanings *m, const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next) {
    const Dim *found[MAX_SIZES];
    if (node_has_trait(node, SIZED)) {
      const Dim *limit = sized_limit(node);
      if (sized_dims(node, found) && limit) define(m, found[0], bound(m, limit, true));
    } else if (is_control_flow(node) && node->op == OP_IF) {
      for (int i = 0; i < 2; i++) enter_branch(m, node, node->regions[i]);
      leave_branches(m, node);
    } else if (is_control_flow(node)) {
      enter_loop(m, node);
    }
  }
}

static Meanings make_meanings(MemoryPlan *plan) {
  DimTable *table = plan->context->module->dims;
  int count = dim_symbol_count(table);
  Meanings m = {table, NEW_ARRAY(plan->context->scratch, const Dim *, count + 1)};
  for (int i = 0; i < plan->graph->input_count; i++) {
    const Type *type = &plan->graph->inputs[i]->type;
    for (int k = 0; k < type->rank; k++) define(&m, type->dims[k], type->dims[k]);
  }
  find_meanings(&m, plan->graph);
  plan->most = m.most;
  return m;
}

// Before anything is shared: late values share less.
void plan_find_late(MemoryPlan *plan) {
  bool any = false;
  for (int i = 0; i < plan->group_count; i++) any |= plan->groups[i].open;
  if (!any) return;
  Meanings meanings = make_meanings(plan);
  for (int i = 0; i < plan->group_count; i++) {
    Group *group = &plan->groups[i];
    group->late |= group->open && !most_bytes(&meanings, &group->holder->type);
  }
}

// --- the places

typedef struct Open {
  MemoryPlan *plan;
  OffsetItem *items;
  int count;
} Open;

static const Dim *group_bytes(const MemoryPlan *plan, const Group *group) {
  Meanings m = {plan->context->module->dims, plan->most};
  const Dim *most = dim_constant(m.table, 0);
  for (int i = group->first_member; i >= 0; i = plan->members[i].next) {
    const Dim *bytes = most_bytes(&m, &plan->members[i].value->type);
    if (bytes != most) most = dim_max(m.table, most, bytes);
  }
  return most;
}

static int64_t *sample_dims(const MemoryPlan *plan) {
  const DimTable *table = plan->context->module->dims;
  int count = dim_symbol_count(table);
  int64_t *sample = NEW_ARRAY(plan->context->scratch, int64_t, count + 1);
  for (int i = 0; i < count; i++) {
    const Atom *symbol = dim_symbol_at(table, i);
    sample[i] = symbol->low > SAMPLE_DIM ? symbol->low : SAMPLE_DIM;
    if (symbol->high != DIM_UNBOUNDED) sample[i] = symbol->high;
    if (sample[i] > SAMPLE_LIMIT) sample[i] = SAMPLE_LIMIT;
  }
  return sample;
}

static void collect(Open *open, int alignment) {
  MemoryPlan *plan = open->plan;
  const int64_t *sample = sample_dims(plan);
  for (int i = 0; i < plan->group_count; i++) {
    Group *group = &plan->groups[i];
    if (group->first_member < 0 || !group->open || group->kind != PLACE_WORKSPACE) continue;
    if (group->late) {
      group->kind = PLACE_LATE;
      group->offset = plan->graph->late_count++;
      continue;
    }
    group->open_bytes = group_bytes(plan, group);
    int64_t size = dim_evaluate(group->open_bytes, sample);
    if (size < 1) size = 1; // so that no two places that live together begin at one offset
    if (size > INT64_C(1) << 40) size = INT64_C(1) << 40;
    open->items[open->count++] =
        (OffsetItem){group, (size + alignment - 1) / alignment * alignment};
  }
}

static int by_sample_offset(const void *x, const void *y) {
  const OffsetItem *a = x, *b = y;
  if (a->group->offset != b->group->offset) return a->group->offset < b->group->offset ? -1 : 1;
  return (a->group->start > b->group->start) - (a->group->start < b->group->start);
}

// Is place k below place i through one that lies between them?
static bool is_below_another(const OpenPlace *places, const int *below, int count, int k) {
  for (int i = 0; i < count; i++)
    for (int j = 0; j < places[below[i]].below_count; j++)
      if (places[below[i]].below[j] == k) return true;
  return false;
}

static OpenPlace *order_places(const Open *open) {
  Arena *arena = open->plan->context->module->arena;
  OpenPlace *places = NEW_ARRAY(arena, OpenPlace, open->count);
  int *below = NEW_ARRAY(open->plan->context->scratch, int, open->count);
  for (int i = 0; i < open->count; i++) {
    int count = 0;
    for (int k = i - 1; k >= 0; k--) // the highest first: what lies below them follows from them
      if (plan_live_together(open->items[i].group, open->items[k].group) &&
          !is_below_another(places, below, count, k))
        below[count++] = k;
    int *kept = NEW_ARRAY(arena, int, count + 1);
    for (int k = 0; k < count; k++) kept[k] = below[count - 1 - k];
    places[i] = (OpenPlace){open->items[i].group->open_bytes, count, kept};
  }
  return places;
}

void plan_open(MemoryPlan *plan, int alignment) {
  Arena *scratch = plan->context->scratch;
  Open open = {.plan = plan, .items = NEW_ARRAY(scratch, OffsetItem, plan->group_count + 1)};
  plan->graph->open = NULL;
  plan->graph->open_count = plan->graph->late_count = 0;
  if (!plan->most) return; // every value has a bound
  collect(&open, alignment);
  plan_best_fit(plan, open.items, open.count);
  qsort(open.items, (size_t)open.count, sizeof *open.items, by_sample_offset);
  plan->graph->open = order_places(&open);
  plan->graph->open_count = open.count;
  for (int i = 0; i < open.count; i++) {
    open.items[i].group->offset = i;
    open.items[i].group->kind = PLACE_OPEN;
  }
}
