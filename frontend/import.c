// The importer's core: walks the nodes of the file, finds each one's function in importers.def,
// and collects what cannot be imported. A node that fails poisons its results only, so that the
// rest of the model is still looked at.
#include "frontend/import.h"

#include <assert.h>
#include <string.h>

enum { NEWEST_OPSET = 28, NEWEST_IR_VERSION = 20, CALL_DEPTH = 100, UNSUPPORTED_NAMES = 3 };

static const Operator operators[] = {
#define ONNX_OPERATOR(domain, type, low, function, argument)                                       \
  {domain, #type, low, import_##function, argument},
#include "frontend/importers.def"
};

// --- unsupported operators: one message per operator and reason

struct Unsupported {
  const char *domain, *type, *reason;
  int count;
  const char *nodes[UNSUPPORTED_NAMES];
  const char *types[UNSUPPORTED_NAMES];
};

static const char *plain_domain(const char *domain) {
  return domain && strcmp(domain, "ai.onnx") != 0 ? domain : "";
}

static const char *input_text(OnnxNode *node) {
  const char *text = "";
  for (int i = 0; i < node->input_count && i < 3; i++) {
    Value *value = onnx_input(node, i);
    if (value)
      text = arena_printf(node->importer->arena, "%s%s%s", text, *text ? ", " : "",
                          type_text(node->importer->arena, &value->type));
  }
  return text;
}

bool onnx_unsupported(OnnxNode *node, const char *reason) {
  Importer *importer = node->importer;
  const char *domain = plain_domain(node->proto->domain), *type = node->proto->op_type;
  Unsupported *entry = NULL;
  for (int i = 0; i < importer->unsupported_count && !entry; i++) {
    Unsupported *other = &importer->unsupported[i];
    if (strcmp(other->domain, domain) == 0 && strcmp(other->type, type) == 0 &&
        strcmp(other->reason, reason) == 0)
      entry = other;
  }
  if (!entry) {
    Unsupported new_entry = {.domain = domain, .type = type, .reason = reason};
    ARENA_PUSH(importer->arena, importer->unsupported, importer->unsupported_count,
               importer->unsupported_capacity, new_entry);
    entry = &importer->unsupported[importer->unsupported_count - 1];
  }
  if (entry->count < UNSUPPORTED_NAMES) {
    entry->nodes[entry->count] = node->loc.node;
    entry->types[entry->count] = input_text(node);
  }
  entry->count++;
  return false;
}

static void report_unsupported(Importer *importer) {
  for (int i = 0; i < importer->unsupported_count; i++) {
    const Unsupported *entry = &importer->unsupported[i];
    const char *text = arena_printf(
        importer->arena, "operator %s%s%s is not supported%s%s: %d node%s", entry->domain,
        *entry->domain ? "." : "", entry->type, *entry->reason ? ": " : "", entry->reason,
        entry->count, entry->count == 1 ? "" : "s");
    for (int k = 0; k < entry->count && k < UNSUPPORTED_NAMES; k++)
      text = arena_printf(importer->arena, "%s%s '%s' (%s)", text, k ? "," : ",", entry->nodes[k],
                          entry->types[k]);
    if (entry->count > UNSUPPORTED_NAMES) text = arena_printf(importer->arena, "%s, ...", text);
    diag_error(importer->diag, loc_file(importer->module->source), "%s", text);
  }
}

// --- operator sets and functions

static const Operator *find_operator(const char *domain, const char *type) {
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    if (strcmp(operators[i].type, type) == 0 && strcmp(operators[i].domain, domain) == 0)
      return &operators[i];
  return NULL;
}

static const char *refusal_reason(const char *domain, const char *type) {
  static const struct {
    const char *domain, *type, *reason;
  } refused[] = {
#define REFUSED(domain, type, reason) {domain, #type, reason},
#include "frontend/refused.def"
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (strcmp(refused[i].type, type) == 0 && strcmp(refused[i].domain, domain) == 0)
      return refused[i].reason;
  return "";
}

// 0: the domain is not imported by the model (or the function).
static int opset_version(const OnnxNode *node, const char *domain) {
  const Onnx__ModelProto *model = node->importer->model;
  const Onnx__FunctionProto *function = node->scope->call ? node->scope->call->function : NULL;
  for (size_t i = 0; function && i < function->n_opset_import; i++)
    if (strcmp(plain_domain(function->opset_import[i]->domain), domain) == 0)
      return (int)function->opset_import[i]->version;
  for (size_t i = 0; i < model->n_opset_import; i++)
    if (strcmp(plain_domain(model->opset_import[i]->domain), domain) == 0)
      return (int)model->opset_import[i]->version;
  return 0;
}

static const Onnx__FunctionProto *find_function(const Importer *importer,
                                                const Onnx__NodeProto *node) {
  for (size_t i = 0; i < importer->model->n_functions; i++) {
    const Onnx__FunctionProto *function = importer->model->functions[i];
    if (strcmp(function->name, node->op_type) == 0 &&
        strcmp(plain_domain(function->domain), plain_domain(node->domain)) == 0 &&
        (!function->overload || !node->overload || strcmp(function->overload, node->overload) == 0))
      return function;
  }
  return NULL;
}

// The function's nodes take the place of the call.
static bool inline_function(OnnxNode *node, const Onnx__FunctionProto *function) {
  Importer *importer = node->importer;
  if (importer->depth >= CALL_DEPTH)
    return onnx_error(node, "functions call each other deeper than %d", CALL_DEPTH);
  Scope *scope = scope_create(importer, NULL, node->scope->graph);
  FunctionCall *call = NEW(importer->arena, FunctionCall);
  *call = (FunctionCall){function, node->proto, node->scope->call};
  scope->call = call;
  if ((size_t)node->input_count > function->n_input)
    return onnx_error(node, "%d inputs for a function with %zu", node->input_count,
                      function->n_input);
  for (size_t i = 0; i < function->n_input; i++) {
    Item *item = scope_define(importer, scope, function->input[i]);
    if (!item) return onnx_error(node, "function input '%s' is defined twice", function->input[i]);
    bool given = i < (size_t)node->input_count && node->inputs[i];
    *item = given ? *node->inputs[i] : (Item){.is_optional = true};
  }
  if (!import_count_inlined(node, function->n_node)) return false;
  importer->depth++;
  bool good = import_nodes(importer, scope, function->n_node, function->node);
  importer->depth--;
  for (int i = 0; i < node->output_count; i++) {
    if (!onnx_wants_output(node, i)) continue;
    Item *item = (size_t)i < function->n_output ? scope_find(scope, function->output[i]) : NULL;
    if (!item) return onnx_error(node, "the function does not define output %d", i);
    node->outputs[i] = *item;
  }
  return good;
}

// --- nodes

// False: an input is not defined or its node has failed.
static bool find_inputs(OnnxNode *node) {
  bool good = true;
  for (size_t i = 0; i < node->proto->n_input; i++) {
    const char *name = node->proto->input[i];
    if (!name || !name[0]) continue;
    Item *item = scope_find(node->scope, name);
    if (!item) {
      good = onnx_error(node, "input '%s' is not defined (nodes must come after what they read)",
                        name);
      continue;
    }
    if (item->initializer && !import_initializer(node->importer, node->scope, item, name))
      item->poisoned = true;
    if (item->poisoned) good = false;
    node->inputs[i] = item;
  }
  return good;
}

static bool outputs_complete(OnnxNode *node) {
  for (int i = 0; i < node->output_count; i++) {
    const Item *item = &node->outputs[i];
    if (!onnx_wants_output(node, i) || item->value || item->list || item->is_sequence ||
        item->is_optional || item->map_keys || item->poisoned)
      continue;
    return onnx_unsupported(node, arena_printf(node->importer->arena, "output %d", i));
  }
  return true;
}

static bool run_importer(OnnxNode *node) {
  if (!import_check_signature(node) || !import_check_elements(node) || !node->row->import(node) ||
      node->builder.failed)
    return false;
  return outputs_complete(node) && import_check_outputs(node);
}

// What is known already makes constants of the results.
static void fold_outputs(OnnxNode *node) {
  for (int i = 0; i < node->output_count; i++) {
    Item *item = &node->outputs[i];
    if (!item->value || item->value->type.kind != TYPE_TENSOR) continue;
    if (!element_is_float(item->value->type.element))
      item->value = import_folded(node->importer, &node->builder, item->value);
  }
}

static bool check_output(OnnxNode *node, const char *name, const Value *value) {
  const Importer *importer = node->importer;
  const Scope *scope = node->scope;
  if (scope_shadows(scope, name))
    return onnx_error(node, "output '%s' is defined twice: the graph around has that name too",
                      name);
  bool own = !scope->parent && !scope->call && scope->graph == importer->module->main;
  if (!own || !value || value->type.kind != TYPE_TENSOR) return true;
  return import_check_declared(importer, node->loc, name, &value->type);
}

// Names that are defined already are the user's cuts (--inputs) in the model's own graph.
static void define_outputs(OnnxNode *node, bool good) {
  for (int i = 0; i < node->output_count; i++) {
    if (!onnx_wants_output(node, i)) continue;
    const char *name = node->proto->output[i];
    Item *item = scope_define(node->importer, node->scope, name);
    if (!item) {
      const Item *before = scope_find_here(node->scope, name);
      if (before->is_cut) continue;
      onnx_error(node, "output '%s' is defined twice", name);
      continue;
    }
    *item = node->outputs[i];
    if (!good || !check_output(node, name, item->value)) *item = (Item){.poisoned = true};
  }
}

static Loc node_loc(const Importer *importer, const Onnx__NodeProto *proto) {
  const char *name = proto->name && proto->name[0] ? proto->name : NULL;
  for (size_t i = 0; i < proto->n_output && !name; i++)
    if (proto->output[i] && proto->output[i][0]) name = proto->output[i];
  return (Loc){.file = importer->module->source, .node = name, .op_type = proto->op_type};
}

static bool import_one(OnnxNode *node) {
  const char *domain = plain_domain(node->proto->domain);
  const Onnx__FunctionProto *function = find_function(node->importer, node->proto);
  const CustomOperator *custom = import_find_custom(node->importer, domain, node->proto->op_type);
  if (custom)
    return find_inputs(node) && import_check_attributes(node) && import_custom(node, custom);
  node->row = find_operator(domain, node->proto->op_type);
  if (!node->row && !function) {
    find_inputs(node);
    return onnx_unsupported(node, refusal_reason(domain, node->proto->op_type));
  }
  if (!find_inputs(node) || !import_check_attributes(node)) return false;
  if (function) return inline_function(node, function);
  node->version = opset_version(node, domain);
  if (!node->version)
    return onnx_error(node, "the model imports no operator set of domain '%s'",
                      *domain ? domain : "ai.onnx");
  if (node->version < node->row->low)
    return onnx_unsupported(node, arena_printf(node->importer->arena,
                                               "operator set version %d is older than %d",
                                               node->version, node->row->low));
  return run_importer(node);
}

static bool import_node(Importer *importer, Scope *scope, const Onnx__NodeProto *proto) {
  OnnxNode node = {
      .importer = importer, .scope = scope, .proto = proto, .loc = node_loc(importer, proto)};
  if (proto->n_input > 1 << 20 || proto->n_output > 1 << 20)
    return onnx_error(&node, "too many inputs or outputs");
  node.input_count = (int)proto->n_input;
  node.output_count = (int)proto->n_output;
  node.inputs = NEW_ARRAY(importer->arena, Item *, node.input_count + 1);
  node.outputs = NEW_ARRAY(importer->arena, Item, node.output_count + 1);
  node.builder = builder_at_end(scope->graph, node.loc);
  const Node *last = scope->graph->last;
  bool good = import_one(&node);
  if (good) {
    import_note_contents(importer, scope->graph, last);
    fold_outputs(&node);
  }
  define_outputs(&node, good);
  return good;
}

bool import_nodes(Importer *importer, Scope *scope, size_t count, Onnx__NodeProto *const *nodes) {
  bool good = true;
  for (size_t i = 0; i < count; i++)
    if (import_wanted(importer, scope, nodes[i])) good &= import_node(importer, scope, nodes[i]);
  return good;
}

// --- graphs

static bool define_initializer(Importer *importer, Scope *scope, const char *name, Item **item) {
  *item = scope_define(importer, scope, name);
  if (*item) return true;
  return diag_error(importer->diag, loc_file(importer->module->source),
                    "initializer '%s' is defined twice", name);
}

bool import_initializers(Importer *importer, Scope *scope, const Onnx__GraphProto *graph) {
  bool good = true;
  for (size_t i = 0; i < graph->n_initializer; i++) {
    Item *item;
    if (define_initializer(importer, scope, graph->initializer[i]->name, &item))
      item->initializer = graph->initializer[i];
    else
      good = false;
  }
  for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
    Item *item;
    Tensor tensor;
    const Onnx__SparseTensorProto *sparse = graph->sparse_initializer[i];
    const char *name = sparse->values ? sparse->values->name : "";
    if (!define_initializer(importer, scope, name, &item) ||
        !onnx_sparse_tensor_bytes(importer->file, sparse, &tensor)) {
      good = false;
      continue;
    }
    Builder builder =
        builder_at_end(scope->graph, (Loc){.file = importer->module->source, .node = name});
    item->value = build_constant_tensor(&builder, &tensor, name);
  }
  return good;
}

bool import_graph_body(Importer *importer, Scope *scope, const Onnx__GraphProto *graph) {
  scope->subgraph = graph;
  bool good = import_initializers(importer, scope, graph);
  return import_nodes(importer, scope, graph->n_node, graph->node) && good;
}

// --- the model

static const char *file_stem(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  return arena_strndup(arena, name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

static bool same_function(const Onnx__FunctionProto *a, const Onnx__FunctionProto *b) {
  return strcmp(a->name, b->name) == 0 &&
         strcmp(plain_domain(a->domain), plain_domain(b->domain)) == 0 &&
         strcmp(a->overload, b->overload) == 0;
}

static bool check_model(const Importer *importer) {
  const Onnx__ModelProto *model = importer->model;
  Loc loc = loc_file(importer->module->source);
  if (model->ir_version > NEWEST_IR_VERSION)
    return diag_error(importer->diag, loc, "IR version %lld is newer than %d",
                      (long long)model->ir_version, NEWEST_IR_VERSION);
  for (size_t i = 0; i < model->n_functions && i < 1000; i++)
    for (size_t k = 0; k < i; k++)
      if (same_function(model->functions[i], model->functions[k]))
        return diag_error(importer->diag, loc, "function '%s' is defined twice",
                          model->functions[i]->name);
  for (size_t i = 0; i < model->n_opset_import; i++) {
    int64_t version = model->opset_import[i]->version;
    if (version < 1 || version > INT32_MAX)
      return diag_error(importer->diag, loc, "operator set version %lld", (long long)version);
    if (!*plain_domain(model->opset_import[i]->domain) && version > NEWEST_OPSET)
      return diag_error(importer->diag, loc,
                        "operator set version %lld is newer than %d, the newest that is known",
                        (long long)version, NEWEST_OPSET);
    for (size_t k = 0; k < i && i < 1000; k++)
      if (model->opset_import[k]->version != version &&
          strcmp(plain_domain(model->opset_import[i]->domain),
                 plain_domain(model->opset_import[k]->domain)) == 0)
        return diag_error(importer->diag, loc,
                          "the operator set of domain '%s' is imported in two versions",
                          model->opset_import[i]->domain);
  }
  return true;
}

static bool import_model(Importer *importer) {
  Scope *scope = scope_create(importer, NULL, importer->module->main);
  const Onnx__GraphProto *graph = importer->model->graph;
  bool good = check_model(importer) && import_initializers(importer, scope, graph);
  good = good && import_inputs(importer, scope);
  if (!good) return false;
  good = import_nodes(importer, scope, graph->n_node, graph->node);
  report_unsupported(importer);
  return import_outputs(importer, scope) && good;
}

Module *frontend_load(Arena *arena, Diag *diag, const char *path, const FrontendOptions *options) {
  static const FrontendOptions none;
  OnnxFile *file;
  int errors = diag->errors;
  if (!onnx_file_open(arena, diag, path, NULL, &file)) return NULL;
  Module *module = module_create(arena, diag, file_stem(arena, path));
  module->source = arena_strdup(arena, path);
  if (file->model->producer_name && file->model->producer_name[0])
    module->producer = file->model->producer_name;
  Importer importer = {.arena = arena,
                       .diag = diag,
                       .file = file,
                       .model = file->model,
                       .module = module,
                       .dims = module->dims,
                       .options = options ? options : &none};
  importer.custom_used = NEW_ARRAY(arena, bool, importer.options->custom_count + 1);
  bool good = import_model(&importer);
  assert((good || diag->errors > errors) && "a failure was not reported");
  if (!good || diag->errors > errors) return NULL;
  import_remove_dead(module->main);
  import_warn_unused_customs(&importer);
  return module;
}

bool frontend_input_names(Arena *arena, Diag *diag, const char *path, const char *const **names,
                          int *count) {
  OnnxFile *file;
  if (!onnx_file_open(arena, diag, path, NULL, &file)) return false;
  Importer importer = {.arena = arena, .diag = diag};
  const Onnx__GraphProto *graph = file->model->graph;
  Scope *constants = scope_create(&importer, NULL, NULL);
  for (size_t i = 0; i < graph->n_initializer; i++)
    scope_define(&importer, constants, graph->initializer[i]->name);
  const char **list = NEW_ARRAY(arena, const char *, graph->n_input + 1);
  *count = 0;
  for (size_t i = 0; i < graph->n_input; i++)
    if (!scope_find_here(constants, graph->input[i]->name))
      list[(*count)++] = arena_strdup(arena, graph->input[i]->name);
  *names = list;
  return true;
}
