// If, Loop, Scan. A region of the IR captures nothing: what a subgraph reads from outside becomes
// an operand, constants are made anew inside. A branch whose condition is known is inlined.
#include <string.h>

#include "frontend/import.h"

enum { REGION_DEPTH = 50, UNROLL_LIMIT = 256, SHAPE_ROUNDS = 3 };

// --- captures

typedef struct Captures {
  char **names;
  int count, capacity;
} Captures;

static void note_name(Importer *importer, const Scope *defined, Scope *seen, char *name,
                      Captures *captures) {
  if (!name || !name[0] || scope_find(defined, name) || !scope_define(importer, seen, name)) return;
  ARENA_PUSH(importer->arena, captures->names, captures->count, captures->capacity, name);
}

static void find_captures(Importer *importer, Scope *outer, Scope *seen,
                          const Onnx__GraphProto *graph, int depth, Captures *captures) {
  if (depth > REGION_DEPTH) return;
  Scope *defined = scope_create(importer, outer, NULL);
  for (size_t i = 0; i < graph->n_input; i++)
    scope_define(importer, defined, graph->input[i]->name);
  for (size_t i = 0; i < graph->n_initializer; i++)
    scope_define(importer, defined, graph->initializer[i]->name);
  for (size_t i = 0; i < graph->n_sparse_initializer; i++)
    if (graph->sparse_initializer[i]->values)
      scope_define(importer, defined, graph->sparse_initializer[i]->values->name);
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *node = graph->node[i];
    for (size_t k = 0; k < node->n_input; k++)
      note_name(importer, defined, seen, node->input[k], captures);
    for (size_t k = 0; k < node->n_attribute; k++)
      if (node->attribute[k]->g)
        find_captures(importer, defined, seen, node->attribute[k]->g, depth + 1, captures);
    for (size_t k = 0; k < node->n_output; k++)
      if (node->output[k] && node->output[k][0]) scope_define(importer, defined, node->output[k]);
  }
  for (size_t i = 0; i < graph->n_output; i++)
    note_name(importer, defined, seen, graph->output[i]->name, captures);
}

char **import_captures(Importer *importer, const Scope *scope, const Onnx__GraphProto *graph,
                       char **names, int *count, int *capacity) {
  Captures captures = {names, *count, *capacity};
  Scope *seen = scope_create(importer, NULL, NULL);
  for (int i = 0; i < *count; i++) scope_define(importer, seen, names[i]);
  (void)scope;
  find_captures(importer, NULL, seen, graph, 0, &captures);
  *count = captures.count;
  *capacity = captures.capacity;
  return captures.names;
}

// --- regions

// What the subgraphs read from outside and must be given to: values that are not constants.
typedef struct Region {
  OnnxNode *node;
  Captures captures;
  Value **of_capture; // by capture; NULL: not an operand
  Value **values;     // the same without the NULLs
  int value_count;
} Region;

static bool find_values(Region *region) {
  OnnxNode *node = region->node;
  Importer *importer = node->importer;
  bool good = true;
  region->values = NEW_ARRAY(importer->arena, Value *, region->captures.count + 1);
  region->of_capture = NEW_ARRAY(importer->arena, Value *, region->captures.count + 1);
  for (int i = 0; i < region->captures.count; i++) {
    Item *item = scope_find(node->scope, region->captures.names[i]);
    if (!item) continue; // reported where it is read
    if (item->poisoned) good = false;
    Value *value = item->value && !value_is_constant(item->value) ? item->value : item->list;
    if (item->is_sequence && item->element_count)
      value = import_list(importer, &node->builder, item, TYPE_SEQUENCE, NULL);
    region->of_capture[i] = value;
    if (value) region->values[region->value_count++] = value;
  }
  return good;
}

static bool region_begin(OnnxNode *node, Region *region, const Onnx__GraphProto *a,
                         const Onnx__GraphProto *b) {
  Importer *importer = node->importer;
  Captures *captures = &region->captures;
  *region = (Region){.node = node};
  captures->names =
      import_captures(importer, node->scope, a, NULL, &captures->count, &captures->capacity);
  if (b)
    captures->names = import_captures(importer, node->scope, b, captures->names, &captures->count,
                                      &captures->capacity);
  if (importer->depth >= REGION_DEPTH)
    return onnx_error(node, "subgraphs nested deeper than %d", REGION_DEPTH);
  return find_values(region);
}

static Item item_of_value(Value *value) {
  bool list = type_is_list(&value->type);
  return (Item){.value = list ? NULL : value, .list = list ? value : NULL};
}

// The captured names as the region's scope sees them.
static bool define_captures(const Region *region, Scope *scope) {
  Importer *importer = region->node->importer;
  for (int i = 0; i < region->captures.count; i++) {
    const char *name = region->captures.names[i];
    const Item *outer = scope_find(region->node->scope, name);
    Item *item = outer ? scope_define(importer, scope, name) : NULL;
    if (!item) continue;
    *item = *outer;
    Tensor tensor;
    const Value *operand = region->of_capture[i];
    if (outer->value && value_tensor(outer->value, &tensor)) {
      Builder builder = builder_at_end(scope->graph, region->node->loc);
      item->value = build_constant_tensor(&builder, &tensor, name);
    }
    if (!operand) continue;
    Value *inner =
        graph_add_input(scope->graph, operand->type, arena_strdup(importer->arena, name));
    *item = item_of_value(inner);
    if (item->value) import_set_contents(importer, inner, import_contents(importer, operand));
  }
  return true;
}

static Scope *region_scope(const Region *region, Node *owner, const char *name) {
  Importer *importer = region->node->importer;
  Scope *scope = scope_create(importer, NULL, node_add_region(owner, name));
  scope->call = region->node->scope->call;
  scope->outer = region->node->scope;
  return scope;
}

static Value *define_region_input(const Region *region, Scope *scope, const Onnx__GraphProto *graph,
                                  size_t index, Type type) {
  Importer *importer = region->node->importer;
  const char *name = index < graph->n_input ? graph->input[index]->name : "";
  Value *value =
      graph_add_input(scope->graph, type, *name ? arena_strdup(importer->arena, name) : NULL);
  Item *item = *name ? scope_define(importer, scope, name) : NULL;
  if (item) *item = item_of_value(value);
  return value;
}

// NULL: reported, or its node has failed.
static Item *region_item(const Region *region, Scope *scope, const char *name) {
  Item *item = scope_find(scope, name);
  if (!item)
    return onnx_error(region->node, "the subgraph does not define its output '%s'", name), NULL;
  if (item->poisoned) return NULL;
  if (item->initializer && !import_initializer(region->node->importer, scope, item, name))
    return NULL;
  return item;
}

static Value *region_output(const Region *region, Scope *scope, const char *name) {
  const Item *item = region_item(region, scope, name);
  if (item && !item->value) onnx_unsupported(region->node, "a subgraph whose output is no tensor");
  return item ? item->value : NULL;
}

static bool import_body(const Region *region, Scope *scope, const Onnx__GraphProto *graph) {
  Importer *importer = region->node->importer;
  importer->depth++;
  bool good = import_graph_body(importer, scope, graph);
  importer->depth--;
  return good;
}

// A node that was not inserted and will not be: its operands must not list it as a user.
static void drop_operands(Node *node) {
  for (int i = 0; i < node->operand_count; i++) node_set_operand(node, i, NULL);
}

// An attempt without a word: what fails in it may succeed in another way.
typedef struct Attempt {
  Diag *diag, quiet;
  int unsupported;
} Attempt;

static void attempt_begin(OnnxNode *node, Attempt *attempt) {
  Importer *importer = node->importer;
  *attempt = (Attempt){.diag = importer->diag, .unsupported = importer->unsupported_count};
  diag_init(&attempt->quiet, importer->arena, NULL);
  importer->diag = importer->module->diag = &attempt->quiet;
}

static bool attempt_end(OnnxNode *node, const Attempt *attempt, bool good) {
  Importer *importer = node->importer;
  importer->diag = importer->module->diag = attempt->diag;
  if (good) return true;
  node->builder.failed = false;
  importer->unsupported_count = attempt->unsupported;
  for (int i = 0; i < node->output_count; i++) node->outputs[i] = (Item){0};
  return false;
}

static bool output_of_any_kind(OnnxNode *node, int index, Value *value) {
  return value && type_is_list(&value->type) ? onnx_output_list(node, index, value) : onnx_output(node, index, value);
}

// --- if

bool import_inline_graph(OnnxNode *node, const Onnx__GraphProto *graph, Item *const *inputs,
                         Item *outputs, int output_count) {
  Importer *importer = node->importer;
  if (importer->depth >= REGION_DEPTH)
    return onnx_error(node, "subgraphs nested deeper than %d", REGION_DEPTH);
  Scope *scope = scope_create(importer, node->scope, node->scope->graph);
  for (size_t i = 0; inputs && i < graph->n_input; i++) {
    Item *item = scope_define(importer, scope, graph->input[i]->name);
    if (!item)
      return onnx_error(node, "subgraph input '%s' is defined twice", graph->input[i]->name);
    *item = *inputs[i];
  }
  importer->depth++;
  bool good = import_graph_body(importer, scope, graph);
  importer->depth--;
  for (int i = 0; good && i < output_count; i++) {
    Item *item = (size_t)i < graph->n_output ? scope_find(scope, graph->output[i]->name) : NULL;
    if (!item) return onnx_error(node, "the subgraph does not define output %d", i);
    if (item->initializer && !import_initializer(importer, scope, item, graph->output[i]->name))
      return false;
    outputs[i] = *item;
    if (item->poisoned) good = false;
  }
  return good;
}

static bool inline_branch(OnnxNode *node, const Onnx__GraphProto *graph) {
  return import_inline_graph(node, graph, NULL, node->outputs, node->output_count);
}

// The branch's scope; NULL: failed.
static Scope *import_branch(const Region *region, Node *owner, const char *name,
                            const Onnx__GraphProto *graph) {
  Scope *scope = region_scope(region, owner, name);
  return define_captures(region, scope) && import_body(region, scope, graph) ? scope : NULL;
}

static bool is_optional_item(const Item *item) {
  return item->is_optional || (item->list && item->list->type.kind == TYPE_OPTIONAL);
}

// Output `index` of both branches. An optional on one side makes one of the other; a list that one
// side leaves empty has the other's type.
static bool branch_output(const Region *region, Scope *const scopes[2], const Onnx__GraphProto *const graphs[2],
                          size_t index) {
  Importer *importer = region->node->importer;
  const Item *items[2];
  Value *values[2] = {NULL};
  for (int k = 0; k < 2; k++)
    if (!(items[k] = region_item(region, scopes[k], graphs[k]->output[index]->name))) return false;
  bool optional = is_optional_item(items[0]) || is_optional_item(items[1]);
  bool tensors = items[0]->value && items[1]->value && !optional;
  for (int k = 0; k < 2 && tensors; k++) values[k] = items[k]->value;
  int first = !items[0]->value && !items[0]->list && !items[0]->element_count; // the one that has elements
  for (int turn = 0; turn < 2 && !tensors; turn++) {
    int k = turn ? !first : first;
    Builder builder = builder_at_end(scopes[k]->graph, region->node->loc);
    values[k] = import_list(importer, &builder, items[k], optional ? TYPE_OPTIONAL : TYPE_SEQUENCE,
                            turn ? &values[!k]->type : NULL);
    if (!values[k]) return false;
  }
  for (int k = 0; k < 2; k++) graph_add_output(scopes[k]->graph, values[k]);
  return true;
}

// Branches of different types often differ by a dim that would be known with fixed shapes.
static bool note_open_condition(OnnxNode *node, const Value *condition) {
  for (int depth = 0; depth < 16 && condition && condition->definition; depth++) {
    if (condition->definition->op == OP_SHAPE) {
      diag_note(
          node->importer->diag, node->loc,
          "the condition depends on dims that are not fixed; give them with --shape or --dim");
      break;
    }
    condition = node_operand(condition->definition, 0);
  }
  return false;
}

static bool build_if(OnnxNode *node, Value *condition, const Onnx__GraphProto *then,
                     const Onnx__GraphProto *otherwise) {
  Region region;
  if (!region_begin(node, &region, then, otherwise)) return false;
  if (then->n_output != otherwise->n_output || (size_t)node->output_count > then->n_output)
    return onnx_error(node, "the branches have %zu and %zu outputs", then->n_output,
                      otherwise->n_output);
  Value **operands = NEW_ARRAY(node->importer->arena, Value *, region.value_count + 1);
  operands[0] = condition;
  for (int i = 0; i < region.value_count; i++) operands[1 + i] = region.values[i];
  Node *owner = build_begin_results(&node->builder, OP_IF, operands, region.value_count + 1,
                                    (int)then->n_output);
  const Onnx__GraphProto *const graphs[2] = {then, otherwise};
  Scope *const scopes[2] = {import_branch(&region, owner, "then", then),
                            import_branch(&region, owner, "else", otherwise)};
  bool good = scopes[0] && scopes[1];
  for (size_t i = 0; good && i < then->n_output; i++) good = branch_output(&region, scopes, graphs, i);
  if (!good) {
    drop_operands(owner);
    return false;
  }
  if (!build_end(&node->builder, owner)) return note_open_condition(node, condition);
  for (int i = 0; i < node->output_count; i++)
    if (!output_of_any_kind(node, i, owner->results[i])) return false;
  return true;
}

// The only node but for constants; NULL: there are more, or none.
static const Onnx__NodeProto *only_node(const Onnx__GraphProto *graph) {
  const Onnx__NodeProto *found = NULL;
  for (size_t i = 0; i < graph->n_node; i++) {
    if (!strcmp(graph->node[i]->op_type, "Constant")) continue;
    if (found) return NULL;
    found = graph->node[i];
  }
  return found;
}

// How exporters write a squeeze of an axis that may have another size than 1. The ranks differ
// then, and only one of them fits what follows: the squeeze, which checks the size when the model
// runs.
static bool squeezes(const Onnx__GraphProto *branch) {
  const Onnx__NodeProto *only = only_node(branch);
  return only && !strcmp(only->op_type, "Squeeze");
}

static bool hands_on(const Onnx__GraphProto *branch) {
  const Onnx__NodeProto *only = only_node(branch);
  return !only || !strcmp(only->op_type, "Identity");
}

// Tried with both branches without a word first. A branch that only fits other dims (the other
// sampling rate's, say) is no error where the caller knows the value that decides: then the other
// one is the model.
bool import_if(OnnxNode *node) {
  const Onnx__GraphProto *then = onnx_graph(node, "then_branch"),
                         *otherwise = onnx_graph(node, "else_branch");
  if (!then || !otherwise || !onnx_need_inputs(node, 1)) return false;
  Importer *importer = node->importer;
  Value *condition = onnx_input(node, 0);
  if (condition->type.element != BOOL)
    return onnx_error(node, "the condition is %s, wanted bool",
                      element_info[condition->type.element].text);
  Tensor decided;
  const Tensor *known = import_contents(importer, condition).tensor;
  if (!known) {
    Attempt attempt;
    attempt_begin(node, &attempt);
    if (attempt_end(node, &attempt, build_if(node, condition, then, otherwise))) return true;
    if (importer->options->value_of_input && import_constant_value(importer, condition, &decided))
      known = &decided;
  }
  if (known && tensor_count(known) == 1)
    return inline_branch(node, element_load_int(BOOL, known->data, 0) ? then : otherwise);
  if (squeezes(then) && hands_on(otherwise)) return inline_branch(node, then);
  return build_if(node, condition, then, otherwise);
}

// --- loop

typedef struct Loop {
  Region region;
  const Onnx__GraphProto *body;
  Value *trips, *condition; // NULL: absent
  int carried, scanned;
  Value **initial; // of the carried values
  Type *types;     // of the same inside
} Loop;

static Value *initial_value(OnnxNode *node, int index) {
  const Item *item = index < node->input_count ? node->inputs[index] : NULL;
  if (!item) return onnx_error(node, "input %d is missing", index), NULL;
  if (item->value) return item->value;
  return import_list(node->importer, &node->builder, item, is_optional_item(item) ? TYPE_OPTIONAL : TYPE_SEQUENCE, NULL);
}

static bool loop_begin(OnnxNode *node, Loop *loop) {
  *loop = (Loop){.body = onnx_graph(node, "body")};
  if (!loop->body) return false;
  loop->trips = onnx_input(node, 0);
  loop->condition = onnx_input(node, 1);
  loop->carried = node->input_count > 2 ? node->input_count - 2 : 0;
  loop->scanned = (int)loop->body->n_output - 1 - loop->carried;
  if (loop->body->n_input != (size_t)loop->carried + 2 || loop->scanned < 0 ||
      node->output_count > loop->carried + loop->scanned)
    return onnx_error(node, "%d carried values, the body has %zu inputs and %zu outputs",
                      loop->carried, loop->body->n_input, loop->body->n_output);
  if (loop->trips && loop->trips->type.rank)
    loop->trips = build_reshape(&node->builder, loop->trips, 0, NULL);
  if (loop->condition && loop->condition->type.rank)
    loop->condition = build_reshape(&node->builder, loop->condition, 0, NULL);
  loop->types = NEW_ARRAY(node->importer->arena, Type, loop->carried + 1);
  loop->initial = NEW_ARRAY(node->importer->arena, Value *, loop->carried + 1);
  for (int i = 0; i < loop->carried; i++)
    if (!(loop->initial[i] = initial_value(node, 2 + i))) return false;
  for (int i = 0; i < loop->carried; i++) loop->types[i] = loop->initial[i]->type;
  return !node->builder.failed && region_begin(node, &loop->region, loop->body, NULL);
}

static Node *begin_loop(OnnxNode *node, const Loop *loop) {
  const Region *region = &loop->region;
  int count = 2 + loop->carried + region->value_count,
      results = loop->carried + region->value_count + loop->scanned;
  Value **operands = NEW_ARRAY(node->importer->arena, Value *, count);
  operands[0] = loop->trips;
  operands[1] = loop->condition;
  for (int i = 0; i < loop->carried; i++) operands[2 + i] = loop->initial[i];
  for (int i = 0; i < region->value_count; i++) operands[2 + loop->carried + i] = region->values[i];
  return build_begin_results(&node->builder, OP_LOOP, operands, count, results);
}

static Value *carried_list(const Region *region, Scope *scope, const char *name, const Type *type) {
  const Item *item = region_item(region, scope, name);
  Builder builder = builder_at_end(scope->graph, region->node->loc);
  return item ? import_list(region->node->importer, &builder, item, type->kind, type) : NULL;
}

// The body: outputs are the condition, what is carried, the captures again, what is collected.
static bool import_loop_body(const Loop *loop, Node *owner) {
  const Region *region = &loop->region;
  Scope *scope = region_scope(region, owner, "body");
  define_region_input(region, scope, loop->body, 0, type_tensor(I64, 0, NULL));
  define_region_input(region, scope, loop->body, 1, type_tensor(BOOL, 0, NULL));
  for (int i = 0; i < loop->carried; i++)
    define_region_input(region, scope, loop->body, (size_t)i + 2, loop->types[i]);
  if (!define_captures(region, scope) || !import_body(region, scope, loop->body)) return false;
  for (int i = 0; i <= loop->carried + loop->scanned; i++) {
    bool list = i > 0 && i <= loop->carried && type_is_list(&loop->types[i - 1]);
    const char *name = loop->body->output[i]->name;
    Value *value = list ? carried_list(region, scope, name, &loop->types[i - 1]) : region_output(region, scope, name);
    if (!value) return false;
    if (i == loop->carried + 1)
      for (int k = 0; k < region->value_count; k++)
        graph_add_output(scope->graph, scope->graph->inputs[2 + loop->carried + k]);
    graph_add_output(scope->graph, value);
  }
  for (int k = 0; loop->scanned == 0 && k < region->value_count; k++)
    graph_add_output(scope->graph, scope->graph->inputs[2 + loop->carried + k]);
  return true;
}

// Dims that change from iteration to iteration become symbols of the body. False: there are none.
static bool loosen_dims(OnnxNode *node, Loop *loop, const Node *owner) {
  bool changed = false;
  for (int i = 0; i < loop->carried; i++) {
    const Type *after = &owner->regions[0]->outputs[1 + i]->type;
    Type *before = &loop->types[i];
    Type joined;
    if (type_is_list(before) && !type_includes(before, after) &&
        type_join(node->importer->arena, before, after, &joined)) {
      *before = joined;
      changed = true;
    }
    if (after->kind != TYPE_TENSOR || after->rank != before->rank) continue;
    for (int k = 0; k < before->rank; k++) {
      if (after->dims[k] == before->dims[k] || dim_symbol_name(before->dims[k])) continue;
      before->dims[k] =
          dim_fresh_symbol(node->importer->dims, arena_printf(node->importer->arena, "loop_d%d", k),
                           0, DIM_UNBOUNDED);
      changed = true;
    }
  }
  return changed;
}

static bool loop_outputs(OnnxNode *node, const Loop *loop, const Node *owner) {
  for (int i = 0; i < node->output_count; i++) {
    int result = i < loop->carried ? i : i + loop->region.value_count;
    if (!output_of_any_kind(node, i, owner->results[result])) return false;
  }
  return true;
}

static bool build_loop(OnnxNode *node, Loop *loop) {
  for (int round = 0; round < SHAPE_ROUNDS; round++) {
    Node *owner = begin_loop(node, loop);
    if (!owner) return false;
    bool good = import_loop_body(loop, owner);
    if (good && (round == SHAPE_ROUNDS - 1 || !loosen_dims(node, loop, owner))) {
      build_end(&node->builder, owner);
      return !node->builder.failed && loop_outputs(node, loop, owner);
    }
    drop_operands(owner);
    if (!good) return false;
  }
  return false;
}

// --- loops whose number of iterations is known, without a loop

typedef struct Unrolled {
  Item *carried;
  Value **scanned; // scanned[iteration * loop->scanned + i]
} Unrolled;

static bool unroll_iteration(OnnxNode *node, const Loop *loop, int iteration, Unrolled *unrolled,
                             bool *goes_on) {
  Importer *importer = node->importer;
  const Onnx__GraphProto *body = loop->body;
  Scope *scope = scope_create(importer, node->scope, node->scope->graph);
  Tensor number = tensor_create(importer->arena, I64, 0, NULL);
  *(int64_t *)number.data = iteration;
  for (int i = 0; i < loop->carried + 2; i++) {
    Item *item = scope_define(importer, scope, body->input[i]->name);
    if (!item) return onnx_error(node, "body input '%s' is defined twice", body->input[i]->name);
    if (i == 0) item->value = build_constant_tensor(&node->builder, &number, NULL);
    if (i == 1) item->value = build_scalar(&node->builder, BOOL, 1);
    if (i >= 2) *item = unrolled->carried[i - 2];
  }
  importer->depth++;
  bool good = import_graph_body(importer, scope, body);
  importer->depth--;
  if (!good) return false;
  for (int i = 0; i <= loop->carried + loop->scanned; i++) {
    bool carried = i > 0 && i <= loop->carried;
    const Item *item = carried ? region_item(&loop->region, scope, body->output[i]->name) : NULL;
    Value *value = carried ? NULL : region_output(&loop->region, scope, body->output[i]->name);
    Tensor condition;
    if (!value && !item) return false;
    if (i == 0) {
      if (!import_constant_value(importer, value, &condition))
        return onnx_error(node,
                          "the shape of the result depends on data: the condition of the loop");
      *goes_on = element_load_int(BOOL, condition.data, 0) != 0;
    } else if (i <= loop->carried)
      unrolled->carried[i - 1] = *item;
    else
      unrolled->scanned[iteration * loop->scanned + i - loop->carried - 1] = value;
  }
  return true;
}

static bool copy_item(OnnxNode *node, int index, const Item *item) {
  if (onnx_wants_output(node, index)) node->outputs[index] = *item;
  return true;
}

static bool unroll_loop(OnnxNode *node, const Loop *loop, int iterations) {
  Importer *importer = node->importer;
  Unrolled unrolled = {NEW_ARRAY(importer->arena, Item, loop->carried + 1),
                       NEW_ARRAY(importer->arena, Value *, iterations * loop->scanned + 1)};
  for (int i = 0; i < loop->carried; i++) unrolled.carried[i] = *node->inputs[2 + i];
  bool goes_on = true;
  int done = 0;
  for (; done < iterations && goes_on; done++)
    if (!unroll_iteration(node, loop, done, &unrolled, &goes_on)) return false;
  for (int i = 0; i < loop->carried && i < node->output_count; i++)
    if (unrolled.carried[i].value ? !onnx_output(node, i, unrolled.carried[i].value) : !copy_item(node, i, &unrolled.carried[i]))
      return false;
  for (int i = 0; i < loop->scanned && loop->carried + i < node->output_count; i++) {
    Value **slices = NEW_ARRAY(importer->arena, Value *, done + 1);
    for (int k = 0; k < done; k++)
      slices[k] = onnx_unsqueeze(node, unrolled.scanned[k * loop->scanned + i], (int64_t[]){0}, 1);
    if (!onnx_output(node, loop->carried + i, build_concat(&node->builder, slices, done, 0)))
      return false;
  }
  return true;
}

// The number of iterations, if it is small and known, and nothing but it ends the loop at once; -1:
// no.
static int known_iterations(OnnxNode *node, const Loop *loop) {
  Tensor trips, condition;
  if (loop->condition && (!import_constant_value(node->importer, loop->condition, &condition) ||
                          !element_load_int(BOOL, condition.data, 0)))
    return -1;
  if (!loop->trips || !import_constant_value(node->importer, loop->trips, &trips) ||
      tensor_count(&trips) != 1)
    return -1;
  int64_t count = element_load_int(trips.element, trips.data, 0);
  return count > 0 && count <= UNROLL_LIMIT ? (int)count : -1;
}

static bool carries_known_list(const OnnxNode *node, const Loop *loop) {
  bool any = false;
  for (int i = 0; i < loop->carried; i++) any |= node->inputs[2 + i]->is_sequence;
  return any;
}

// Tried as a loop without a word first: slices by the iteration's number, say, only work unrolled.
// Lists that are known stay known where the loop is unrolled.
bool import_loop(OnnxNode *node) {
  Loop loop;
  Attempt attempt;
  if (!loop_begin(node, &loop)) return false;
  if (carries_known_list(node, &loop) && known_iterations(node, &loop) > 0) {
    attempt_begin(node, &attempt);
    if (attempt_end(node, &attempt, unroll_loop(node, &loop, known_iterations(node, &loop)))) return true;
  }
  attempt_begin(node, &attempt);
  if (attempt_end(node, &attempt, build_loop(node, &loop))) return true;
  int iterations = known_iterations(node, &loop);
  if (iterations > 0) return unroll_loop(node, &loop, iterations);
  for (int i = 0; i < loop.carried; i++) loop.types[i] = loop.initial[i]->type;
  return build_loop(node, &loop);
}

// --- scan

static bool scan_lists(OnnxNode *node, Node *owner, int scanned, int collected) {
  int64_t *directions = NEW_ARRAY(node->importer->arena, int64_t, scanned + collected + 1);
  int counts[4];
  const int64_t *in = onnx_ints(node, "scan_input_axes", &counts[0]),
                *out = onnx_ints(node, "scan_output_axes", &counts[1]);
  const int64_t *forward = onnx_ints(
                    node, node->version < 9 ? "directions" : "scan_input_directions", &counts[2]),
                *backward = onnx_ints(node, "scan_output_directions", &counts[3]);
  if ((in && counts[0] != scanned) || (out && counts[1] != collected) ||
      (forward && counts[2] != scanned) || (backward && counts[3] != collected))
    return onnx_error(
        node, "the lists of axes and directions do not fit %d scanned inputs and %d outputs",
        scanned, collected);
  for (int i = 0; i < scanned; i++) directions[i] = forward ? forward[i] != 0 : 0;
  for (int i = 0; i < collected; i++) directions[scanned + i] = backward ? backward[i] != 0 : 0;
  node_set_int(owner, ATTR_SCAN_INPUTS, scanned);
  if (in) node_set_ints(owner, ATTR_SCAN_INPUT_AXES, in, scanned);
  if (out) node_set_ints(owner, ATTR_SCAN_OUTPUT_AXES, out, collected);
  node_set_ints(owner, ATTR_SCAN_DIRECTIONS, directions, scanned + collected);
  return true;
}

// The type of a slice of a scanned operand.
static bool slice_type(OnnxNode *node, Node *owner, int index, const Type *whole, Type *slice) {
  int axis;
  if (!onnx_axis(node, node_ints_at(owner, ATTR_SCAN_INPUT_AXES, index, 0), whole->rank, &axis))
    return false;
  *slice = *whole;
  slice->rank--;
  for (int i = axis; i < slice->rank; i++) slice->dims[i] = whole->dims[i + 1];
  return true;
}

typedef struct Scan {
  const Onnx__GraphProto *body;
  Value **inputs; // states, then what is scanned
  int input_count, states, scanned, collected;
} Scan;

static bool scan_body(OnnxNode *node, const Region *region, Node *owner, const Scan *scan) {
  const Onnx__GraphProto *body = scan->body;
  Scope *scope = region_scope(region, owner, "body");
  for (int i = 0; i < scan->states; i++)
    define_region_input(region, scope, body, (size_t)i, scan->inputs[i]->type);
  if (!define_captures(region, scope)) return false;
  for (int i = scan->states; i < scan->input_count; i++) {
    Type slice;
    if (!slice_type(node, owner, i - scan->states, &scan->inputs[i]->type, &slice)) return false;
    define_region_input(region, scope, body, (size_t)i, slice);
  }
  if (!import_body(region, scope, body)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++) {
    for (int k = 0; i == scan->states && k < region->value_count; k++)
      graph_add_output(scope->graph, scope->graph->inputs[scan->states + k]);
    Value *value = region_output(region, scope, body->output[i]->name);
    if (!value) return false;
    graph_add_output(scope->graph, value);
  }
  for (int k = 0; scan->collected == 0 && k < region->value_count; k++)
    graph_add_output(scope->graph, scope->graph->inputs[scan->states + k]);
  return true;
}

// `first`: the first operand of the node that counts.
static bool scan_begin(OnnxNode *node, int first, Scan *scan) {
  int64_t scanned = onnx_int(node, "num_scan_inputs", 0);
  *scan = (Scan){.body = onnx_graph(node, "body"), .input_count = node->input_count - first};
  if (!scan->body) return false;
  if (scanned < 1 || scanned > scan->input_count)
    return onnx_error(node, "num_scan_inputs is %lld", (long long)scanned);
  scan->inputs = NEW_ARRAY(node->importer->arena, Value *, scan->input_count);
  for (int i = 0; i < scan->input_count; i++)
    if (!(scan->inputs[i] = onnx_input(node, first + i)))
      return onnx_error(node, "input %d of %d is missing", first + i, node->input_count);
  scan->scanned = (int)scanned;
  scan->states = scan->input_count - scan->scanned;
  scan->collected = (int)scan->body->n_output - scan->states;
  if (scan->body->n_input != (size_t)scan->input_count || scan->collected < 0 ||
      node->output_count > scan->states + scan->collected)
    return onnx_error(node, "%d inputs, the body has %zu inputs and %zu outputs", scan->input_count,
                      scan->body->n_input, scan->body->n_output);
  return true;
}

// results: states, then what was collected.
static bool build_scan(OnnxNode *node, const Scan *scan, Value **results) {
  Region region;
  if (!region_begin(node, &region, scan->body, NULL)) return false;
  int captured = region.value_count, count = scan->input_count + captured;
  Value **operands = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < scan->states; i++) operands[i] = scan->inputs[i];
  for (int i = 0; i < captured; i++) operands[scan->states + i] = region.values[i];
  for (int i = scan->states; i < scan->input_count; i++) operands[captured + i] = scan->inputs[i];
  Node *owner = build_begin_results(&node->builder, OP_SCAN, operands, count,
                                    scan->states + captured + scan->collected);
  if (!scan_lists(node, owner, scan->scanned, scan->collected)) return false;
  if (!scan_body(node, &region, owner, scan)) return false;
  if (!build_end(&node->builder, owner)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++)
    results[i] = owner->results[i < scan->states ? i : i + captured];
  return true;
}

// Version 8 scans each element of a batch, as far as its length says; the rest of the outputs is 0.
static bool scan_one(OnnxNode *node, const Scan *scan, int64_t at, int64_t length,
                     Value **results) {
  Importer *importer = node->importer;
  const Dim *longest = scan->inputs[scan->states]->type.dims[1];
  Scan one = *scan;
  one.inputs = NEW_ARRAY(importer->arena, Value *, scan->input_count);
  for (int i = 0; i < scan->input_count; i++) {
    Value *x = build_slice_axis(&node->builder, scan->inputs[i], 0, import_dim(importer, at),
                                import_dim(importer, 1), 1);
    x = onnx_squeeze(node, x, (int64_t[]){0}, 1);
    if (x && i >= scan->states && length >= 0)
      x = build_slice_axis(&node->builder, x, 0, import_dim(importer, 0),
                           import_dim(importer, length), 1);
    if (!(one.inputs[i] = x)) return false;
  }
  if (!build_scan(node, &one, results)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++) {
    int64_t size, pads[2 * MAX_RANK] = {0};
    if (i >= scan->states && length >= 0 && dim_is_constant(longest, &size) && size > length) {
      pads[results[i]->type.rank] = size - length;
      Node *pad = build_begin(&node->builder, OP_PAD, &results[i], 1);
      node_set_ints(pad, ATTR_PADS, pads, 2 * results[i]->type.rank);
      results[i] = build_end(&node->builder, pad);
    }
    results[i] = onnx_unsqueeze(node, results[i], (int64_t[]){0}, 1);
  }
  return !node->builder.failed;
}

static bool scan_batch(OnnxNode *node) {
  Scan scan;
  Importer *importer = node->importer;
  int64_t batch, longest, one_length = -1;
  if (!scan_begin(node, 1, &scan)) return false;
  for (int i = 0; i < scan.input_count; i++)
    if (scan.inputs[i]->type.rank < (i < scan.states ? 1 : 2))
      return onnx_error(node, "input %d has rank %d", i + 1, scan.inputs[i]->type.rank);
  const Type *x = &scan.inputs[scan.states]->type;
  if (!dim_is_constant(x->dims[0], &batch) || batch < 1 || batch > UNROLL_LIMIT)
    return onnx_unsupported(node, "a batch that is not static, or larger than 256");
  int count = 0, results = scan.states + scan.collected;
  const int64_t *lengths = NULL;
  if (onnx_has_input(node, 0) && !(lengths = onnx_ints_input(node, 0, &count))) return false;
  if (lengths && (count != batch || !dim_is_constant(x->dims[1], &longest)))
    return onnx_error(node, "%d lengths for a batch of %lld", count, (long long)batch);
  Value **parts = NEW_ARRAY(importer->arena, Value *, batch * results + 1);
  for (int64_t b = 0; b < batch; b++) {
    if (lengths) one_length = lengths[b];
    if (lengths && (one_length < 0 || one_length > longest))
      return onnx_error(node, "length %lld of %lld", (long long)one_length, (long long)longest);
    if (!scan_one(node, &scan, b, one_length, parts + b * results)) return false;
  }
  for (int i = 0; i < node->output_count; i++) {
    Value **column = NEW_ARRAY(importer->arena, Value *, batch);
    for (int64_t b = 0; b < batch; b++) column[b] = parts[b * results + i];
    if (!onnx_output(node, i, build_concat(&node->builder, column, (int)batch, 0))) return false;
  }
  return true;
}

bool import_scan(OnnxNode *node) {
  Scan scan;
  if (node->version < 9) return scan_batch(node);
  if (!scan_begin(node, 0, &scan)) return false;
  Value **results = NEW_ARRAY(node->importer->arena, Value *, scan.states + scan.collected);
  if (!build_scan(node, &scan, results)) return false;
  for (int i = 0; i < node->output_count; i++)
    if (!onnx_output(node, i, results[i])) return false;
  return true;
}
