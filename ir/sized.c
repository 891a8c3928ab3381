// Which nodes find dims, and who needs these.
#include "ir/sized.h"

static int measured_dims(const Node *node, const Dim *found[MAX_SIZES]) {
  int count;
  const Dim *const *dims = node_dims(node, ATTR_DIMS, &count);
  for (int i = 0; i < count; i++) found[i] = dims[i];
  return count;
}

int sized_dims(const Node *node, const Dim *found[MAX_SIZES]) {
  if (node->op == OP_MEASURE) return measured_dims(node, found);
  int64_t axis = node->op == OP_UNIQUE ? node_int(node, ATTR_AXIS) : node->op == OP_NONZERO;
  const Type *type = &node->results[0]->type;
  found[0] = type->dims[axis < 0 ? axis + type->rank : axis];
  return 1;
}

static bool type_has_dim(const Type *type, const Dim *dim) {
  for (int i = 0; type->kind == TYPE_TENSOR && i < type->rank; i++)
    if (type->dims[i] == dim) return true;
  return false;
}

static bool is_dim_of_inputs(const Graph *graph, const Dim *dim) {
  for (int i = 0; i < graph->input_count; i++)
    if (type_has_dim(&graph->inputs[i]->type, dim)) return true;
  return false;
}

// The next dim that the node finds, from *at on; NULL: no more.
static const Dim *next_found(const Node *node, int *at) {
  if (node->op == OP_MEASURE) {
    const Dim *found[MAX_SIZES];
    return *at < measured_dims(node, found) ? found[(*at)++] : NULL;
  }
  for (; *at < node->result_count * MAX_RANK; ++*at) {
    const Type *type = &node->results[*at / MAX_RANK]->type;
    int axis = *at % MAX_RANK;
    if (type->kind != TYPE_TENSOR || axis >= type->rank) continue;
    const Dim *dim = type->dims[axis];
    if (!dim_symbol_name(dim) || is_dim_of_inputs(node->graph->module->main, dim)) continue;
    bool from_operand = false;
    for (int i = 0; i < node->operand_count; i++)
      if (node->operands[i] && type_has_dim(&node->operands[i]->type, dim)) from_operand = true;
    if (from_operand) continue;
    ++*at;
    return dim;
  }
  return NULL;
}

bool sized_finds_dims(const Node *node) {
  int at = 0;
  return node_has_trait(node, SIZED | OF_LISTS | REGIONS) && next_found(node, &at) != NULL;
}

static bool node_mentions(const Node *node, const Atom *symbol) {
  for (int i = 0; i < node->result_count; i++) {
    const Type *type = &node->results[i]->type;
    for (int k = 0; type->kind == TYPE_TENSOR && k < type->rank; k++)
      if (dim_mentions(type->dims[k], symbol)) return true;
  }
  for (int i = 0; i < node->attribute_count; i++) {
    const Attribute *a = &node->attributes[i];
    for (int k = 0; attribute_info[a->id].kind == KIND_DIMS && k < a->count; k++)
      if (dim_mentions(a->dims[k], symbol)) return true;
  }
  for (int i = 0; i < node->region_count; i++)
    for (const Node *inner = node->regions[i]->first; inner; inner = inner->next)
      if (node_mentions(inner, symbol)) return true;
  return false;
}

bool sized_dims_are_used(const Node *node) {
  int at = 0;
  for (const Dim *dim; (dim = next_found(node, &at));)
    for (const Node *later = node->next; later; later = later->next)
      if (node_mentions(later, dim_terms(dim)[0].atoms[0])) return true;
  return false;
}

static int64_t round_up(int64_t bytes, int64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

int64_t open_workspace_bytes(const Graph *graph, const int64_t *symbols, int64_t alignment) {
  int64_t base = round_up(graph->workspace_bytes, alignment), total = base;
  int64_t *ends = NEW_ARRAY(graph->module->arena, int64_t, graph->open_count + 1);
  for (int i = 0; i < graph->open_count; i++) {
    const OpenPlace *place = &graph->open[i];
    int64_t offset = base, bytes = dim_evaluate(place->bytes, symbols);
    for (int k = 0; k < place->below_count; k++)
      if (ends[place->below[k]] > offset) offset = ends[place->below[k]];
    ends[i] = offset + round_up(bytes < 0 ? 0 : bytes, alignment);
    if (ends[i] > total) total = ends[i];
  }
  return graph->open_count ? total : graph->workspace_bytes;
}
