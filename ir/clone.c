// Deep copies of graphs and modules. Data of constants is shared (it is read-only, and the copy
// holds it); everything else is made anew, so that the copy may be changed and kept alone.
#include "ir/clone.h"

#include <string.h>

#include "ir/constant_data.h"

typedef struct Cloner {
  Module *to;
  bool same_dims; // both modules use one table
  Value **map;    // by the original's value id
  Arena *scratch;
} Cloner;

static const char *copy_text(const Cloner *c, const char *text) {
  return text ? arena_strdup(c->to->arena, text) : NULL;
}

static const Dim *clone_dim(const Cloner *c, const Dim *dim) {
  return c->same_dims || !dim ? dim : dim_substitute(c->to->dims, dim, NULL, NULL);
}

static void *copy_array(const Cloner *c, const void *items, int count, size_t bytes) {
  return arena_grow(c->to->arena, items, (size_t)count, (size_t)count, bytes);
}

static const Quant *clone_quant(const Cloner *c, const Quant *quant) {
  if (!quant) return NULL;
  Quant *copy = NEW(c->to->arena, Quant);
  *copy = *quant;
  copy->scale = copy_array(c, quant->scale, quant->count, sizeof *quant->scale);
  copy->zero = copy_array(c, quant->zero, quant->count, sizeof *quant->zero);
  return copy;
}

static Type clone_type(const Cloner *c, const Type *type) {
  Type copy = *type;
  for (int i = 0; i < type->rank; i++) copy.dims[i] = clone_dim(c, type->dims[i]);
  copy.quant = clone_quant(c, type->quant);
  if (!type->inner) return copy;
  Type *inner = NEW(c->to->arena, Type);
  *inner = clone_type(c, type->inner);
  copy.inner = inner;
  return copy;
}

static Loc clone_loc(const Cloner *c, Loc loc) {
  return (Loc){copy_text(c, loc.file), loc.line, copy_text(c, loc.node), copy_text(c, loc.op_type)};
}

static void clone_value(Cloner *c, const Value *from, Value *to) {
  to->type = clone_type(c, &from->type);
  to->name = copy_text(c, from->name);
  to->placement = from->placement; // alias: see resolve_placements
  c->map[from->id] = to;
}

static void clone_attributes(const Cloner *c, Node *to, const Node *from) {
  for (int i = 0; i < from->attribute_count; i++) {
    const Attribute *a = &from->attributes[i];
    switch (attribute_info[a->id].kind) {
    case KIND_INT: node_set_int(to, a->id, a->int_value); break;
    case KIND_FLOAT: node_set_float(to, a->id, a->float_value); break;
    case KIND_STRING: node_set_string(to, a->id, a->string_value); break;
    case KIND_INTS: node_set_ints(to, a->id, a->ints, a->count); break;
    case KIND_FLOATS: node_set_floats(to, a->id, a->floats, a->count); break;
    case KIND_DIMS: {
      const Dim **dims = NEW_ARRAY(c->scratch, const Dim *, a->count);
      for (int k = 0; k < a->count; k++) dims[k] = clone_dim(c, a->dims[k]);
      node_set_dims(to, a->id, dims, a->count);
      break;
    }
    }
  }
}

static CompressionRecord *clone_record(const Cloner *c, const CompressionRecord *record) {
  if (!record) return NULL;
  CompressionRecord *copy = NEW(c->to->arena, CompressionRecord);
  *copy = *record;
  copy->kept = copy_array(c, record->kept, record->kept_count, sizeof *record->kept);
  copy->history = copy_text(c, record->history);
  return copy;
}

static Constant *clone_constant(const Cloner *c, const Constant *constant) {
  if (!constant) return NULL;
  Constant *copy = NEW(c->to->arena, Constant);
  *copy = *constant;
  copy->name = module_constant_name(c->to, constant->name);
  for (int i = 0; i < copy->storage.count; i++) {
    Stage *stage = &copy->storage.stages[i];
    stage->centroids = copy_array(c, stage->centroids, stage->centroid_count, sizeof(float));
  }
  copy->record = clone_record(c, constant->record);
  return copy;
}

static void clone_nodes(Cloner *c, Graph *to, const Graph *from);

static void clone_inputs(Cloner *c, Graph *to, const Graph *from) {
  for (int i = 0; i < from->input_count; i++)
    clone_value(c, from->inputs[i], graph_add_input(to, (Type){0}, NULL));
}

static void clone_graph(Cloner *c, Graph *to, const Graph *from) {
  clone_inputs(c, to, from);
  clone_nodes(c, to, from);
  for (int i = 0; i < from->output_count; i++) graph_add_output(to, c->map[from->outputs[i]->id]);
  to->placed = from->placed;
  to->workspace_bytes = from->workspace_bytes;
  to->fast_bytes = from->fast_bytes;
  OpenPlace *open = copy_array(c, from->open, from->open_count, sizeof *from->open);
  for (int i = 0; i < from->open_count; i++) {
    open[i].bytes = clone_dim(c, open[i].bytes);
    open[i].below = copy_array(c, open[i].below, open[i].below_count, sizeof *open[i].below);
  }
  to->open = open;
  to->open_count = from->open_count;
  to->late_count = from->late_count;
}

static void clone_node(Cloner *c, Graph *to, const Node *from) {
  Value **operands = NEW_ARRAY(c->scratch, Value *, from->operand_count);
  for (int i = 0; i < from->operand_count; i++)
    operands[i] = from->operands[i] ? c->map[from->operands[i]->id] : NULL;
  Node *node = node_create(to, from->op, clone_loc(c, from->loc), operands, from->operand_count,
                           from->result_count);
  graph_append(to, node);
  clone_attributes(c, node, from);
  for (int i = 0; i < from->result_count; i++) clone_value(c, from->results[i], node->results[i]);
  for (int i = 0; i < from->region_count; i++)
    clone_graph(c, node_add_region(node, from->regions[i]->name), from->regions[i]);
  node->constant = clone_constant(c, from->constant);
}

static void clone_nodes(Cloner *c, Graph *to, const Graph *from) {
  for (const Node *node = from->first; node; node = node->next) clone_node(c, to, node);
}

// Aliases may point forward, so they are set when all values exist; one that points out of the
// cloned graph stays only where the original is still there (the same module).
static void resolve_placements(const Cloner *c, int count, bool same_module) {
  for (int id = 0; id < count; id++) {
    Value *value = c->map[id], *alias = value ? value->placement.alias : NULL;
    if (!alias) continue;
    Value *copy = c->map[alias->id];
    if (copy || !same_module) value->placement.alias = copy;
  }
}

static Cloner cloner_create(Module *to, const Module *from) {
  Arena *scratch = arena_create();
  if (!to->externals) to->externals = from->externals;
  constant_data_share(to, from);
  return (Cloner){to, to->dims == from->dims, NEW_ARRAY(scratch, Value *, from->next_value_id),
                  scratch};
}

Graph *graph_clone(Module *to, const Graph *graph) {
  int ids = graph->module->next_value_id;
  Cloner c = cloner_create(to, graph->module);
  Graph *copy = graph_create(to, graph->name);
  clone_graph(&c, copy, graph);
  resolve_placements(&c, ids, to == graph->module);
  arena_destroy(c.scratch);
  return copy;
}

void graph_clone_body(Graph *to, const Graph *graph, Value *const *inputs, Value **outputs) {
  int ids = graph->module->next_value_id;
  Cloner c = cloner_create(to->module, graph->module);
  for (int i = 0; i < graph->input_count; i++) c.map[graph->inputs[i]->id] = inputs[i];
  clone_nodes(&c, to, graph);
  for (int i = 0; i < graph->input_count; i++) c.map[graph->inputs[i]->id] = NULL;
  resolve_placements(&c, ids, to->module == graph->module);
  for (int i = 0; i < graph->input_count; i++) c.map[graph->inputs[i]->id] = inputs[i];
  for (int i = 0; i < graph->output_count; i++) outputs[i] = c.map[graph->outputs[i]->id];
  arena_destroy(c.scratch);
}

static void copy_symbols(DimTable *to, const DimTable *from) {
  for (int i = 0; i < dim_symbol_count(from); i++) {
    const Atom *symbol = dim_symbol_at(from, i);
    dim_symbol_range(to, dim_symbol(to, symbol->name), symbol->low, symbol->high);
  }
}

Module *module_clone(Arena *arena, Diag *diag, const Module *module) {
  Module *copy = module_create(arena, diag, module->name);
  copy_symbols(copy->dims, module->dims);
  copy->producer = module->producer ? arena_strdup(arena, module->producer) : NULL;
  copy->source = module->source ? arena_strdup(arena, module->source) : NULL;
  copy->main = graph_clone(copy, module->main);
  return copy;
}
