// What subgraphs read from outside, and their regions.
#include "frontend/import_region.h"

#include <stdlib.h>

// --- captures

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

bool region_begin(OnnxNode *node, Region *region, const Onnx__GraphProto *a,
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

bool region_define_captures(const Region *region, Scope *scope) {
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

Scope *region_scope(const Region *region, Node *owner, const char *name) {
  Importer *importer = region->node->importer;
  Scope *scope = scope_create(importer, NULL, node_add_region(owner, name));
  scope->call = region->node->scope->call;
  scope->outer = region->node->scope;
  return scope;
}

Value *region_input(const Region *region, Scope *scope, const Onnx__GraphProto *graph, size_t index,
                    Type type) {
  Importer *importer = region->node->importer;
  const char *name = index < graph->n_input ? graph->input[index]->name : "";
  Value *value =
      graph_add_input(scope->graph, type, *name ? arena_strdup(importer->arena, name) : NULL);
  Item *item = *name ? scope_define(importer, scope, name) : NULL;
  if (item) *item = item_of_value(value);
  return value;
}

Item *region_item(const Region *region, Scope *scope, const char *name) {
  Item *item = scope_find(scope, name);
  if (!item)
    return onnx_error(region->node, "the subgraph does not define its output '%s'", name), NULL;
  if (item->poisoned) return NULL;
  if (item->initializer && !import_initializer(region->node->importer, scope, item, name))
    return NULL;
  return item;
}

Value *region_output(const Region *region, Scope *scope, const char *name) {
  const Item *item = region_item(region, scope, name);
  if (item && !item->value) onnx_unsupported(region->node, "a subgraph whose output is no tensor");
  return item ? item->value : NULL;
}

bool region_import(const Region *region, Scope *scope, const Onnx__GraphProto *graph) {
  Importer *importer = region->node->importer;
  importer->depth++;
  bool good = import_graph_body(importer, scope, graph);
  importer->depth--;
  return good;
}

void region_drop_operands(Node *node) {
  for (int i = 0; i < node->operand_count; i++) node_set_operand(node, i, NULL);
}

void attempt_begin(OnnxNode *node, Attempt *attempt) {
  Importer *importer = node->importer;
  *attempt = (Attempt){.diag = importer->diag, .unsupported = importer->unsupported_count};
  attempt->quiet = *importer->diag;
  attempt->quiet.errors = attempt->quiet.warnings = 0;
  attempt->quiet.first_error = NULL;
  attempt->quiet.stream = open_memstream(&attempt->text, &attempt->text_size);
  if (!attempt->quiet.stream) machine_failed("out of memory");
  importer->diag = importer->module->diag = &attempt->quiet;
}

bool attempt_end(OnnxNode *node, Attempt *attempt, bool good) {
  Importer *importer = node->importer;
  importer->diag = importer->module->diag = attempt->diag;
  fclose(attempt->quiet.stream);
  if (good) {
    attempt->diag->warnings += attempt->quiet.warnings;
    attempt->diag->errors += attempt->quiet.errors; // warnings, with -Werror
    if (attempt->diag->stream) fputs(attempt->text, attempt->diag->stream);
  }
  free(attempt->text);
  if (good) return true;
  node->builder.failed = false;
  importer->unsupported_count = attempt->unsupported;
  for (int i = 0; i < node->output_count; i++) node->outputs[i] = (Item){0};
  return false;
}

bool onnx_output_any(OnnxNode *node, int index, Value *value) {
  return value && type_is_list(&value->type) ? onnx_output_list(node, index, value)
                                             : onnx_output(node, index, value);
}

bool item_is_optional(const Item *item) {
  return item->is_optional || (item->list && item->list->type.kind == TYPE_OPTIONAL);
}
