// Inputs and outputs of the model: their types, --dim and --shape, and cuts (--inputs, --outputs).
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"
#include "ir/external.h"
#include "ir/sized.h"

// --- numbers and ranges of the command line

// "4", "1..64", "1.." or "32..960"; *text moves behind it.
static bool parse_range(const char **text, int64_t *low, int64_t *high) {
  char *end;
  if (!isdigit((unsigned char)**text)) return false;
  *low = *high = strtoll(*text, &end, 10);
  if (strncmp(end, "..", 2) == 0) {
    end += 2;
    *high = isdigit((unsigned char)*end) ? strtoll(end, &end, 10) : DIM_UNBOUNDED;
  }
  *text = end;
  return *low <= *high;
}

bool frontend_parse_dim(Arena *arena, Diag *diag, const char *text, DimBinding *binding) {
  const char *equals = strchr(text, '=');
  const char *rest = equals ? equals + 1 : "";
  if (!equals || equals == text || !parse_range(&rest, &binding->low, &binding->high) || *rest)
    return diag_error(diag, (Loc){0}, "--dim '%s': wanted NAME=4 or NAME=1..64", text);
  binding->name = arena_strndup(arena, text, (size_t)(equals - text));
  return true;
}

// A symbol's name: letters, digits and `_`, not starting with a digit.
static const char *symbol_text(Arena *arena, const char *text) {
  char *clean = arena_printf(arena, "%s%s", isdigit((unsigned char)*text) ? "_" : "", text);
  for (char *at = clean; *at; at++)
    if (!isalnum((unsigned char)*at)) *at = '_';
  return *clean ? clean : "_";
}

const Dim *import_named_dim(Importer *importer, const char *name) {
  const FrontendOptions *options = importer->options;
  const char *clean = symbol_text(importer->arena, name);
  for (int i = 0; i < options->dim_count; i++) {
    const DimBinding *binding = &options->dims[i];
    if (strcmp(binding->name, name) != 0 && strcmp(binding->name, clean) != 0) continue;
    if (binding->low == binding->high) return import_dim(importer, binding->low);
    const Dim *symbol = dim_symbol(importer->dims, clean);
    dim_symbol_range(importer->dims, symbol, binding->low, binding->high);
    return symbol;
  }
  return dim_symbol(importer->dims, clean);
}

static const Dim *file_dim(Importer *importer, const char *tensor,
                           const Onnx__TensorShapeProto__Dimension *dim, int axis) {
  bool is_name = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
      dim->dim_value >= 0)
    return import_dim(importer, dim->dim_value);
  if (is_name && dim->dim_param[0] && strcmp(dim->dim_param, "?") != 0 &&
      strcmp(dim->dim_param, "-1") != 0)
    return import_named_dim(importer, dim->dim_param);
  return import_named_dim(importer, arena_printf(importer->arena, "%s_d%d", tensor, axis));
}

// --- --shape

static const char *shape_option(const Importer *importer, const char *tensor) {
  size_t length = strlen(tensor);
  for (int i = 0; i < importer->options->shape_count; i++) {
    const char *text = importer->options->shapes[i];
    if (strncmp(text, tensor, length) == 0 && text[length] == '=') return text + length + 1;
  }
  return NULL;
}

// One dim of --shape: "4", "1..64", "32..960:32", "N" or "?".
static bool shape_dim(Importer *importer, const char *tensor, int axis, const char **text,
                      const Dim **dim) {
  int64_t low, high, step = 1;
  const char *base = dim_symbol_name(*dim);
  if (**text == '?') return (*text)++, true;
  if (isalpha((unsigned char)**text) && **text != 'x') {
    const char *start = *text;
    while (isalnum((unsigned char)**text) || **text == '_') {
      if (**text == 'x') break;
      (*text)++;
    }
    *dim =
        import_named_dim(importer, arena_strndup(importer->arena, start, (size_t)(*text - start)));
    return true;
  }
  if (!parse_range(text, &low, &high)) return false;
  if (**text == ':') {
    char *end;
    step = strtoll(*text + 1, &end, 10);
    *text = end;
  }
  if (step < 1 || low % step != 0) return false;
  if (low == high) return *dim = import_dim(importer, low), true;
  if (!base)
    base = symbol_text(importer->arena, arena_printf(importer->arena, "%s_d%d", tensor, axis));
  if (step > 1) base = arena_printf(importer->arena, "%s_by%lld", base, (long long)step);
  const Dim *symbol = dim_symbol(importer->dims, base);
  dim_symbol_range(importer->dims, symbol, low / step, high == DIM_UNBOUNDED ? high : high / step);
  *dim = dim_mul_int(importer->dims, symbol, step);
  return true;
}

static bool apply_shape_option(Importer *importer, const char *tensor, Type *type) {
  const char *option = shape_option(importer, tensor), *text = option;
  Loc loc = {.file = importer->module->source, .node = tensor};
  if (!option) return true;
  int axis = 0;
  for (; *text; axis++) {
    if (axis) {
      if (*text != 'x') break;
      text++;
    }
    if (axis >= MAX_RANK) break;
    if (axis >= type->rank) type->dims[axis] = import_dim(importer, 1);
    if (!shape_dim(importer, tensor, axis, &text, &type->dims[axis])) break;
  }
  if (*text)
    return diag_error(importer->diag, loc, "--shape: '%s' is not understood at '%s'", option, text);
  if (type->rank >= 0 && axis != type->rank)
    return diag_error(importer->diag, loc, "--shape: '%s' has %d dims, the input has %d", option,
                      axis, type->rank);
  type->rank = axis;
  return true;
}

// --- inputs

static bool tensor_type(Importer *importer, const char *name, const Onnx__TypeProto__Tensor *tensor,
                        Type *type) {
  Loc loc = {.file = importer->module->source, .node = name};
  *type = (Type){
      .kind = TYPE_TENSOR, .element = onnx_element_type(tensor->elem_type), .rank = ANY_RANK};
  if (type->element == ELEMENT_NONE)
    return diag_error(importer->diag, loc, "'%s' has an element type that is not supported (%d)",
                      name, tensor->elem_type);
  if (!tensor->shape) return true;
  if (tensor->shape->n_dim > MAX_RANK)
    return diag_error(importer->diag, loc, "'%s' has rank %zu; at most %d is supported", name,
                      tensor->shape->n_dim, MAX_RANK);
  type->rank = (int)tensor->shape->n_dim;
  for (int i = 0; i < type->rank; i++)
    type->dims[i] = file_dim(importer, name, tensor->shape->dim[i], i);
  return true;
}

// --shape says more about a tensor, or about the elements of a list. What the user gives wins.
static bool declared_type(Importer *importer, const char *name, const Onnx__TypeProto *proto,
                          bool shaped, Type *type) {
  Loc loc = {.file = importer->module->source, .node = name};
  Type inner;
  const Onnx__TypeProto *element = NULL;
  if (proto && proto->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && proto->tensor_type)
    return tensor_type(importer, name, proto->tensor_type, type) &&
           (!shaped || apply_shape_option(importer, name, type));
  bool optional =
      proto && proto->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE && proto->optional_type;
  bool sequence =
      proto && proto->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE && proto->sequence_type;
  if (optional) element = proto->optional_type->elem_type;
  if (sequence) element = proto->sequence_type->elem_type;
  if (proto && proto->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE)
    return diag_error(importer->diag, loc,
                      "'%s' is a map: only inputs of the model and outputs of ZipMap may be maps",
                      name);
  if (!element || (!optional && element->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) ||
      element->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE)
    return diag_error(
        importer->diag, loc,
        "'%s' is neither a tensor, a sequence of tensors nor an optional of one of these", name);
  if (!declared_type(importer, name, element, shaped, &inner)) return false;
  *type = type_list(importer->arena, optional ? TYPE_OPTIONAL : TYPE_SEQUENCE, inner);
  return true;
}

bool import_proto_type(Importer *importer, const char *name, const Onnx__TypeProto *proto,
                       Type *type) {
  return declared_type(importer, name, proto, false, type);
}

// Items that are there tell the rank that the file leaves open.
static void join_items(Importer *importer, const Tensor *list, Type *joined, bool *any) {
  for (int64_t i = 0; i < list->dims[0]; i++) {
    const Tensor *item = &tensor_items(list)[i];
    if (item->list) {
      join_items(importer, item, joined, any);
      continue;
    }
    Type wide, one = type_static(importer->dims, item->element, item->rank, item->dims);
    Type a = type_list(importer->arena, TYPE_SEQUENCE, *any ? *joined : one),
         b = type_list(importer->arena, TYPE_SEQUENCE, one);
    if (type_join(importer->arena, &a, &b, &wide)) *joined = *wide.inner;
    *any = true;
  }
}

static void narrow_to_data(Importer *importer, const char *name, Type *type) {
  const FrontendOptions *options = importer->options;
  const Tensor *given =
      options->value_of_input ? options->value_of_input(options->user, name) : NULL;
  if (!given || !given->list || type_element(type)->rank != ANY_RANK) return;
  Type element = *type_element(type);
  bool any = false;
  join_items(importer, given, &element, &any);
  if (!any || element.element != type_element(type)->element) return;
  Type list = type_list(importer->arena,
                        type->inner->kind == TYPE_TENSOR ? type->kind : TYPE_SEQUENCE, element);
  *type = type->inner->kind == TYPE_TENSOR ? list : type_list(importer->arena, type->kind, list);
}

static bool file_type(Importer *importer, const char *name, const Onnx__TypeProto *proto,
                      Type *type) {
  Loc loc = {.file = importer->module->source, .node = name};
  if (!declared_type(importer, name, proto, true, type)) return false;
  if (type_is_list(type)) return narrow_to_data(importer, name, type), true;
  if (type->rank < 0)
    return diag_error(importer->diag, loc,
                      "input '%s' has no shape in the file: give it one with --shape %s=...", name,
                      name);
  return true;
}

static bool is_input_already(const Graph *graph, const char *name) {
  for (int i = 0; i < graph->input_count; i++)
    if (graph->inputs[i]->name && strcmp(graph->inputs[i]->name, name) == 0) return true;
  return false;
}

// One of the lists of a map.
static Value *map_list(Importer *importer, Scope *scope, const char *map, const char *part,
                       ElementType element, const Dim *count) {
  const char *name = arena_printf(importer->arena, "%s.%s", map, part);
  if (!is_input_already(scope->graph, name))
    return graph_add_input(scope->graph, type_tensor(element, 1, &count), name);
  diag_error(importer->diag, loc_file(importer->module->source), "input '%s' is defined twice",
             name);
  return NULL;
}

static bool is_scalar_type(const Onnx__TypeProto *type) {
  return type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type &&
         (!type->tensor_type->shape || type->tensor_type->shape->n_dim == 0 ||
          (type->tensor_type->shape->n_dim == 1 &&
           type->tensor_type->shape->dim[0]->dim_value <= 1));
}

// A map is two inputs, NAME.keys and NAME.values, of one length, the dim NAME_count.
static bool add_map(Importer *importer, Scope *scope, const Onnx__ValueInfoProto *info, bool cut) {
  const Onnx__TypeProto__Map *map = info->type->map_type;
  Loc loc = {.file = importer->module->source, .node = info->name};
  ElementType key = map ? onnx_element_type(map->key_type) : ELEMENT_NONE, value = ELEMENT_NONE;
  if (map && is_scalar_type(map->value_type))
    value = onnx_element_type(map->value_type->tensor_type->elem_type);
  if ((key != STR && key != I64) || (value != STR && !onnx_is_number(value)))
    return diag_error(importer->diag, loc,
                      "'%s' is not a map from strings or int64 to numbers or strings", info->name);
  Item *item = scope_define(importer, scope, info->name);
  if (!item) return diag_error(importer->diag, loc, "input '%s' is defined twice", info->name);
  const Dim *count =
      import_named_dim(importer, arena_printf(importer->arena, "%s_count", info->name));
  Value *keys = map_list(importer, scope, info->name, "keys", key, count),
        *values = keys ? map_list(importer, scope, info->name, "values", value, count) : NULL;
  Builder builder = builder_at_end(scope->graph, loc);
  *item = (Item){.map_keys = keys, .is_cut = cut};
  if (values) item->map_values = build_binary(&builder, OP_MAP_VALUES, values, keys);
  return item->map_values != NULL;
}

static bool add_input(Importer *importer, Scope *scope, const Onnx__ValueInfoProto *info,
                      bool cut) {
  Type type;
  if (!info->name[0])
    return diag_error(importer->diag, loc_file(importer->module->source),
                      "an input of the model has no name");
  if (info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE)
    return add_map(importer, scope, info, cut);
  if (!file_type(importer, info->name, info->type, &type)) return false;
  if (!import_check_size(importer, (Loc){.file = importer->module->source, .node = info->name},
                         info->name, &type))
    return false;
  Item *item = scope_define(importer, scope, info->name);
  if (!item)
    return diag_error(importer->diag, loc_file(importer->module->source),
                      "input '%s' is defined twice", info->name);
  Value *value = graph_add_input(scope->graph, type, arena_strdup(importer->arena, info->name));
  bool list = type_is_list(&type);
  *item = (Item){.value = list ? NULL : value, .list = list ? value : NULL, .is_cut = cut};
  return true;
}

// The first that says something of a name counts.
static void note_declared(Importer *importer, size_t count, Onnx__ValueInfoProto *const *infos) {
  for (size_t i = 0; i < count; i++) {
    Item *item = scope_define(importer, importer->declared, infos[i]->name);
    if (item) item->declared = infos[i];
  }
}

void import_note_declared(Importer *importer) {
  const Onnx__GraphProto *graph = importer->model->graph;
  importer->declared = scope_create(importer, NULL, NULL);
  note_declared(importer, graph->n_input, graph->input);
  note_declared(importer, graph->n_value_info, graph->value_info);
  note_declared(importer, graph->n_output, graph->output);
}

const Onnx__ValueInfoProto *import_declared(const Importer *importer, const char *name) {
  const Item *item = scope_find_here(importer->declared, name);
  return item ? item->declared : NULL;
}

static bool import_cut_inputs(Importer *importer, Scope *scope) {
  const FrontendOptions *options = importer->options;
  for (int i = 0; i < options->input_count; i++) {
    const Onnx__ValueInfoProto *info = import_declared(importer, options->inputs[i]);
    if (!info)
      return diag_error(importer->diag, loc_file(importer->module->source),
                        "--inputs: the file does not say the type of '%s'", options->inputs[i]);
    if (!add_input(importer, scope, info, true)) return false;
  }
  return true;
}

bool import_inputs(Importer *importer, Scope *scope) {
  const Onnx__GraphProto *graph = importer->model->graph;
  import_note_declared(importer);
  import_find_wanted(importer);
  if (importer->options->input_count) return import_cut_inputs(importer, scope);
  bool good = true;
  for (size_t i = 0; i < graph->n_input; i++) {
    const Item *item = scope_find_here(scope, graph->input[i]->name);
    if (item && (item->initializer || (item->value && value_is_constant(item->value))))
      continue; // IR version 3: a constant
    good &= add_input(importer, scope, graph->input[i], false);
  }
  return good;
}

// --- outputs

static bool is_output_already(const Graph *graph, const Value *value) {
  for (int i = 0; i < graph->output_count; i++)
    if (graph->outputs[i] == value) return true;
  return false;
}

bool import_check_declared(const Importer *importer, Loc loc, const char *name, const Type *type) {
  const Onnx__ValueInfoProto *info = import_declared(importer, name);
  const Onnx__TypeProto *declared = info ? info->type : NULL;
  if (!declared || declared->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
      !declared->tensor_type || !declared->tensor_type->elem_type)
    return true;
  ElementType element = onnx_element_type(declared->tensor_type->elem_type);
  if (element == type->element || element == ELEMENT_NONE) return true;
  return diag_error(importer->diag, loc, "output '%s' is declared as %s, but it is %s", name,
                    element_info[element].text, element_info[type->element].text);
}

// A list as the file declares it; without a declaration as it is.
static Value *list_output(Importer *importer, Scope *scope, const Item *item, const char *name,
                          Loc loc) {
  const Onnx__ValueInfoProto *info = import_declared(importer, name);
  TypeKind kind = item->is_optional || (item->list && item->list->type.kind == TYPE_OPTIONAL)
                      ? TYPE_OPTIONAL
                      : TYPE_SEQUENCE;
  Builder builder = builder_at_end(scope->graph, loc);
  Type declared = {.kind = kind};
  bool given = info && info->type && import_proto_type(importer, name, info->type, &declared);
  if (info && info->type && !given) return NULL;
  if (declared.kind == TYPE_TENSOR) {
    diag_error(importer->diag, loc, "output '%s' is declared as a tensor, but it is none", name);
    return NULL;
  }
  return import_list(importer, &builder, item, declared.kind, given ? &declared : NULL);
}

static bool is_declared_optional(const Importer *importer, const char *name) {
  const Onnx__ValueInfoProto *info = import_declared(importer, name);
  return info && info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
}

// An output carries its own name: what is an input or another output too is copied.
static bool add_output(Importer *importer, Scope *scope, const char *name) {
  Loc loc = {.file = importer->module->source, .node = name};
  Item *item = scope_find_here(scope, name);
  if (!item) return diag_error(importer->diag, loc, "output '%s' is not defined by any node", name);
  if (item->poisoned) return false;
  if (item->initializer && !import_initializer(importer, scope, item, name)) return false;
  if (item->map_keys)
    return diag_error(importer->diag, loc, "output '%s' is an input, which is a map", name);
  Value *value = item->value;
  if (!value || is_declared_optional(importer, name))
    value = list_output(importer, scope, item, name, loc);
  if (!value) return false;
  if (!type_is_list(&value->type) && !import_check_declared(importer, loc, name, &value->type))
    return false;
  bool same_name = value->name && strcmp(value->name, name) == 0;
  if (!value->definition || is_output_already(scope->graph, value)) {
    if (!value->definition || !same_name) {
      Builder builder = builder_at_end(scope->graph, loc);
      value = build_unary(&builder, OP_COPY, value);
      if (!value) return false;
    }
  }
  value->name = arena_strdup(importer->arena, name);
  graph_add_output(scope->graph, value);
  return true;
}

bool import_outputs(Importer *importer, Scope *scope) {
  const Onnx__GraphProto *graph = importer->model->graph;
  const FrontendOptions *options = importer->options;
  bool good = true;
  if (!options->output_count && graph->n_output == 0)
    return diag_error(importer->diag, loc_file(importer->module->source),
                      "the model has no outputs");
  for (int i = 0; i < options->output_count; i++)
    good &= add_output(importer, scope, options->outputs[i]);
  for (size_t i = 0; !options->output_count && i < graph->n_output; i++)
    good &= add_output(importer, scope, graph->output[i]->name);
  return good;
}

// --- cuts: only nodes that an output needs are imported

static bool name_in(char **names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

void import_find_wanted(Importer *importer) {
  const FrontendOptions *options = importer->options;
  const Onnx__GraphProto *graph = importer->model->graph;
  if (!options->input_count && !options->output_count) return;
  char **names = NULL;
  int count = 0, capacity = 0;
  importer->wanted = NEW_ARRAY(importer->arena, bool, graph->n_node + 1);
  for (int i = 0; i < options->output_count; i++)
    ARENA_PUSH(importer->arena, names, count, capacity, (char *)(uintptr_t)options->outputs[i]);
  for (size_t i = 0; !options->output_count && i < graph->n_output; i++)
    ARENA_PUSH(importer->arena, names, count, capacity, graph->output[i]->name);
  for (size_t i = graph->n_node; i-- > 0;) {
    const Onnx__NodeProto *node = graph->node[i];
    bool wanted = false;
    for (size_t k = 0; k < node->n_output; k++) {
      bool cut =
          name_in((char **)(uintptr_t)options->inputs, options->input_count, node->output[k]);
      wanted |= !cut && name_in(names, count, node->output[k]);
    }
    importer->wanted[i] = wanted;
    if (!wanted) continue;
    for (size_t k = 0; k < node->n_input; k++)
      if (!name_in(names, count, node->input[k]))
        ARENA_PUSH(importer->arena, names, count, capacity, node->input[k]);
    for (size_t k = 0; k < node->n_attribute; k++)
      if (node->attribute[k]->g)
        names = import_captures(importer, NULL, node->attribute[k]->g, names, &count, &capacity);
  }
}

bool import_wanted(const Importer *importer, const Scope *scope, const Onnx__NodeProto *node) {
  const Onnx__GraphProto *graph = importer->model->graph;
  if (!importer->wanted || scope->parent || scope->call || scope->graph != importer->module->main)
    return true;
  for (size_t i = 0; i < graph->n_node; i++)
    if (graph->node[i] == node) return importer->wanted[i];
  return true;
}

// --- what nothing reads

void import_remove_dead(Graph *graph) {
  for (Node *node = graph->last, *previous; node; node = previous) {
    previous = node->previous;
    bool used = !node_has_trait(node, PURE | SIZED | OF_LISTS) && node->op != OP_IF;
    used |= node_has_effects(node);
    if (node_has_trait(node, SIZED | OF_LISTS)) used = sized_dims_are_used(node);
    for (int i = 0; i < node->result_count; i++) used |= !value_is_unused(node->results[i]);
    for (int i = 0; i < node->region_count; i++) import_remove_dead(node->regions[i]);
    if (!used) node_remove(node);
  }
}
