// Nodes, values, uses.
#include "ir/graph.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "ir/constant_data.h"
#include "ir/nameset.h"

Module *module_create(Arena *arena, Diag *diag, const char *name) {
  Module *module = NEW(arena, Module);
  module->arena = arena;
  constant_data_create(module);
  module->diag = diag;
  module->dims = dim_table_create(arena);
  module->name = arena_strdup(arena, name);
  module->constant_names = nameset_create(arena);
  module->main = graph_create(module, "main");
  return module;
}

Graph *graph_create(Module *module, const char *name) {
  Graph *graph = NEW(module->arena, Graph);
  graph->module = module;
  graph->name = arena_strdup(module->arena, name);
  return graph;
}

static Value *create_value(Graph *graph, const char *name) {
  Value *value = NEW(graph->module->arena, Value);
  value->graph = graph;
  value->id = graph->module->next_value_id++;
  value->name = name ? arena_strdup(graph->module->arena, name) : NULL;
  return value;
}

Value *graph_add_input(Graph *graph, Type type, const char *name) {
  Value *value = create_value(graph, name);
  value->type = type;
  value->index = graph->input_count;
  ARENA_PUSH(graph->module->arena, graph->inputs, graph->input_count, graph->input_capacity, value);
  return value;
}

void graph_remove_input(Graph *graph, int index) {
  assert(value_is_unused(graph->inputs[index]) && "input still in use");
  for (int i = index; i + 1 < graph->input_count; i++) {
    graph->inputs[i] = graph->inputs[i + 1];
    graph->inputs[i]->index = i;
  }
  graph->input_count--;
}

void graph_add_output(Graph *graph, Value *value) {
  value->output_uses++;
  ARENA_PUSH(graph->module->arena, graph->outputs, graph->output_count, graph->output_capacity,
             value);
}

void graph_set_output(Graph *graph, int index, Value *value) {
  graph->outputs[index]->output_uses--;
  graph->outputs[index] = value;
  value->output_uses++;
}

// --- uses

static void add_use(Value *value, Node *user, int index) {
  if (!value) return;
  Use use = {user, index};
  ARENA_PUSH(value->graph->module->arena, value->uses, value->use_count, value->use_capacity, use);
}

// The uses stay in order. A value that one node reads many times loses them from one end, so both
// ends are looked at first, and the shorter part moves.
static void remove_use(Value *value, int at) {
  if (at < value->use_count / 2) {
    memmove(&value->uses[1], &value->uses[0], (size_t)at * sizeof(Use));
    value->uses++;
    value->use_capacity--;
  } else {
    memmove(&value->uses[at], &value->uses[at + 1],
            (size_t)(value->use_count - at - 1) * sizeof(Use));
  }
  value->use_count--;
}

static void drop_use(Value *value, const Node *user, int index) {
  if (!value) return;
  for (int low = 0, high = value->use_count - 1; low <= high; low++, high--) {
    const Use *first = &value->uses[low], *last = &value->uses[high];
    bool at_low = first->user == user && first->index == index,
         at_high = last->user == user && last->index == index;
    if (!at_low && !at_high) continue;
    remove_use(value, at_low ? low : high);
    return;
  }
  assert(false && "use not found");
}

// --- nodes

Node *node_create(Graph *graph, OpCode op, Loc loc, Value *const *operands, int operand_count,
                  int result_count) {
  Arena *arena = graph->module->arena;
  Node *node = NEW(arena, Node);
  node->op = op;
  node->graph = graph;
  node->loc = loc;
  node->id = graph->module->next_node_id++;
  node->result_count = result_count;
  node->results = NEW_ARRAY(arena, Value *, result_count);
  for (int i = 0; i < result_count; i++) {
    Value *result = create_value(graph, NULL);
    result->definition = node;
    result->index = i;
    node->results[i] = result;
  }
  for (int i = 0; i < operand_count; i++) node_add_operand(node, operands[i]);
  return node;
}

static void link_between(Node *node, Node *previous, Node *next) {
  Graph *graph = node->graph;
  node->previous = previous;
  node->next = next;
  if (previous)
    previous->next = node;
  else
    graph->first = node;
  if (next)
    next->previous = node;
  else
    graph->last = node;
  graph->node_count++;
}

static void unlink_node(Node *node) {
  Graph *graph = node->graph;
  if (node->previous)
    node->previous->next = node->next;
  else
    graph->first = node->next;
  if (node->next)
    node->next->previous = node->previous;
  else
    graph->last = node->previous;
  node->previous = node->next = NULL;
  graph->node_count--;
}

void graph_append(Graph *graph, Node *node) {
  assert(node->graph == graph && "node of another graph");
  link_between(node, graph->last, NULL);
}

void graph_insert_before(Node *position, Node *node) {
  link_between(node, position->previous, position);
}
void graph_insert_after(Node *position, Node *node) {
  link_between(node, position, position->next);
}

void node_move_before(Node *position, Node *node) {
  if (position == node) return;
  unlink_node(node);
  graph_insert_before(position, node);
}

void node_remove(Node *node) {
  for (int i = 0; i < node->result_count; i++)
    assert(value_is_unused(node->results[i]) && "removed node is still in use");
  for (int i = 0; i < node->operand_count; i++) drop_use(node->operands[i], node, i);
  node->operand_count = 0;
  unlink_node(node);
}

void node_set_operand(Node *node, int index, Value *value) {
  assert(index < node->operand_count);
  drop_use(node->operands[index], node, index);
  node->operands[index] = value;
  add_use(value, node, index);
}

void node_add_operand(Node *node, Value *value) {
  ARENA_PUSH(node->graph->module->arena, node->operands, node->operand_count,
             node->operand_capacity, value);
  add_use(value, node, node->operand_count - 1);
}

void node_remove_operand(Node *node, int index) {
  drop_use(node->operands[index], node, index);
  for (int i = index; i + 1 < node->operand_count; i++) {
    Value *moved = node->operands[i + 1];
    drop_use(moved, node, i + 1);
    node->operands[i] = moved;
    add_use(moved, node, i);
  }
  node->operand_count--;
}

Graph *node_add_region(Node *node, const char *name) {
  Module *module = node->graph->module;
  Graph *region = graph_create(module, name);
  region->owner = node;
  node->regions = arena_grow(module->arena, node->regions, (size_t)node->region_count,
                             (size_t)node->region_count + 1, sizeof *node->regions);
  node->regions[node->region_count++] = region;
  return region;
}

Graph *node_epilogue(const Node *node) {
  return node_has_trait(node, ACCUMULATES) && node->region_count ? node->regions[0] : NULL;
}

const Type *node_own_type(const Node *node) {
  const Graph *epilogue = node_epilogue(node);
  return epilogue ? &epilogue->inputs[0]->type : &node->results[0]->type;
}

int node_own_operands(const Node *node) {
  const Graph *epilogue = node_epilogue(node);
  return epilogue ? node->operand_count - (epilogue->input_count - 1) : node->operand_count;
}

// --- values

void value_replace(Value *old, Value *replacement) {
  if (old == replacement) return;
  while (old->use_count) {
    Use use = old->uses[old->use_count - 1];
    node_set_operand(use.user, use.index, replacement);
  }
  for (int i = 0; old->output_uses && i < old->graph->output_count; i++)
    if (old->graph->outputs[i] == old) graph_set_output(old->graph, i, replacement);
  if (!replacement->name) replacement->name = old->name;
}

bool value_has_one_use(const Value *value) { return value->use_count == 1 && !value->output_uses; }
bool value_is_unused(const Value *value) { return !value->use_count && !value->output_uses; }
bool value_is_constant(const Value *value) {
  return value && value->definition && value->definition->op == OP_CONST;
}
const Value *value_keys(const Value *value) {
  const Node *node = value->definition;
  while (node && node->op == OP_COPY) node = node->operands[0]->definition;
  return node && node->op == OP_ZIP_MAP ? node->operands[1] : NULL;
}

const Value *value_map_keys(const Value *input) {
  const Graph *graph = input->graph;
  for (int i = 0; i < input->use_count; i++) {
    const Node *user = input->uses[i].user;
    if (user->op != OP_MAP_VALUES || user->operands[0] != input) continue;
    for (int k = 1; k < graph->input_count; k++)
      if (graph->inputs[k] == input && graph->inputs[k - 1] == user->operands[1])
        return user->operands[1];
  }
  return NULL;
}

Constant *value_constant(const Value *value) {
  return value_is_constant(value) ? value->definition->constant : NULL;
}

const char *module_constant_name(Module *module, const char *base) {
  char *clean = arena_strdup(module->arena, base && *base ? base : "constant");
  for (char *c = clean; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.') *c = '_';
  return nameset_add_unique(module->constant_names, clean);
}
