// SequenceMap: a subgraph for each element of a sequence. It is the loop as which the standard
// defines it:
//
//   loop i < length: element.. = SequenceAt(sequence.., i); the subgraph; made.. =
//   SequenceInsert(made.., result..)
#include "frontend/import.h"

typedef struct Map {
  OnnxNode *node;
  const Onnx__GraphProto *body;
  Onnx__GraphProto *loop; // the loop's body
  Scope *scope;           // where the operands have names of which the subgraph has none
} Map;

static char *name_of(const Map *map, const char *what, int index) {
  return arena_printf(map->node->importer->arena, "sequence map: %s %d", what, index);
}

static void add_node(Map *map, const char *type, char *a, char *b, char *result) {
  Arena *arena = map->node->importer->arena;
  Onnx__NodeProto *made = NEW(arena, Onnx__NodeProto);
  onnx__node_proto__init(made);
  made->op_type = arena_strdup(arena, type);
  made->name = map->node->proto->name;
  made->n_input = b ? 2 : 1;
  made->input = NEW_ARRAY(arena, char *, 2);
  made->input[0] = a;
  made->input[1] = b;
  made->n_output = 1;
  made->output = NEW_ARRAY(arena, char *, 1);
  made->output[0] = result;
  map->loop->node[map->loop->n_node++] = made;
}

static void add_value(Map *map, Onnx__ValueInfoProto **list, size_t *count, char *name) {
  Onnx__ValueInfoProto *made = NEW(map->node->importer->arena, Onnx__ValueInfoProto);
  onnx__value_info_proto__init(made);
  made->name = name;
  list[(*count)++] = made;
}

static void make_loop(Map *map) {
  Arena *arena = map->node->importer->arena;
  int inputs = map->node->input_count, outputs = map->node->output_count;
  Onnx__GraphProto *loop = map->loop = NEW(arena, Onnx__GraphProto);
  onnx__graph_proto__init(loop);
  loop->node =
      NEW_ARRAY(arena, Onnx__NodeProto *, map->body->n_node + (size_t)(inputs + outputs) + 1);
  loop->input = NEW_ARRAY(arena, Onnx__ValueInfoProto *, outputs + 2);
  loop->output = NEW_ARRAY(arena, Onnx__ValueInfoProto *, outputs + 1);
  loop->initializer = map->body->initializer;
  loop->n_initializer = map->body->n_initializer;
  loop->sparse_initializer = map->body->sparse_initializer;
  loop->n_sparse_initializer = map->body->n_sparse_initializer;
  char *number = name_of(map, "number", 0), *condition = name_of(map, "condition", 0),
       *next = name_of(map, "condition", 1);
  add_value(map, loop->input, &loop->n_input, number);
  add_value(map, loop->input, &loop->n_input, condition);
  add_value(map, loop->output, &loop->n_output, next);
  add_node(map, "Identity", condition, NULL, next);
  for (int i = 0; i < inputs; i++) {
    bool tensor = map->node->inputs[i]->value != NULL;
    add_node(map, tensor ? "Identity" : "SequenceAt", name_of(map, "input", i),
             tensor ? NULL : number, map->body->input[i]->name);
  }
  for (size_t i = 0; i < map->body->n_node; i++) loop->node[loop->n_node++] = map->body->node[i];
  for (int i = 0; i < outputs; i++) {
    add_value(map, loop->input, &loop->n_input, name_of(map, "before", i));
    add_value(map, loop->output, &loop->n_output, name_of(map, "after", i));
    add_node(map, "SequenceInsert", name_of(map, "before", i), map->body->output[i]->name,
             name_of(map, "after", i));
  }
}

static bool check_map(const Map *map) {
  OnnxNode *node = map->node;
  if (node->input_count < 1 || !node->inputs[0] || node->inputs[0]->value)
    return onnx_error(node, "input 0 is not a sequence");
  if (map->body->n_input != (size_t)node->input_count ||
      map->body->n_output != (size_t)node->output_count)
    return onnx_error(node, "%d inputs and %d outputs, the body has %zu and %zu", node->input_count,
                      node->output_count, map->body->n_input, map->body->n_output);
  for (int i = 0; i < node->input_count; i++)
    if (!node->inputs[i]) return onnx_error(node, "input %d is missing", i);
  return true;
}

static bool empty_result(const Map *map, int index, Item *item) {
  const Onnx__TypeProto *declared = map->body->output[index]->type;
  OnnxNode *node = map->node;
  Type element;
  if (!declared || declared->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    return onnx_error(node, "the body does not say the type of its output %d", index);
  if (!import_proto_type(node->importer, map->body->output[index]->name, declared, &element))
    return false;
  element.rank = NO_RANK;
  Type *type = NEW(node->importer->arena, Type);
  *type = type_list(node->importer->arena, TYPE_SEQUENCE, element);
  *item = (Item){.is_sequence = true, .list_type = type};
  return true;
}

// Elements of the first sequence; the others must not have fewer, SequenceAt sees to it.
static Value *length_of(OnnxNode *node) {
  if (!node->inputs[0]->list) return onnx_integer(node, node->inputs[0]->element_count);
  return build_unary(&node->builder, OP_SEQUENCE_LENGTH, node->inputs[0]->list);
}

bool import_sequence_map(OnnxNode *node) {
  Importer *importer = node->importer;
  Map map = {.node = node, .body = onnx_graph(node, "body")};
  if (!map.body || !check_map(&map)) return false;
  map.scope = scope_create(importer, node->scope, node->scope->graph);
  for (int i = 0; i < node->input_count; i++) {
    Item *item = scope_define(importer, map.scope, name_of(&map, "input", i));
    *item = *node->inputs[i];
  }
  make_loop(&map);
  Onnx__AttributeProto body, *attributes[1] = {&body};
  onnx__attribute_proto__init(&body);
  body.name = arena_strdup(importer->arena, "body");
  body.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
  body.g = map.loop;
  Onnx__NodeProto proto = *node->proto;
  proto.attribute = attributes;
  proto.n_attribute = 1;
  Item trips = {.value = length_of(node)},
       *made = NEW_ARRAY(importer->arena, Item, node->output_count + 1);
  OnnxNode loop = *node;
  loop.proto = &proto;
  loop.scope = map.scope;
  loop.input_count = node->output_count + 2;
  loop.inputs = NEW_ARRAY(importer->arena, Item *, loop.input_count);
  loop.inputs[0] = &trips;
  for (int i = 0; i < node->output_count; i++) {
    if (!empty_result(&map, i, &made[i])) return false;
    loop.inputs[2 + i] = &made[i];
  }
  loop.builder = node->builder;
  bool good = trips.value && import_loop(&loop);
  node->builder.failed |= loop.builder.failed;
  return good;
}
