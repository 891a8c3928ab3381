// Custom operators: a node becomes a call of the user's function. What its outputs are the options
// say, or the file's own declarations (value_info, outputs); nothing is guessed.
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"
#include "ir/external.h"

const CustomOperator *import_find_custom(const Importer *importer, const char *domain,
                                         const char *type) {
  for (int i = 0; i < importer->options->custom_count; i++) {
    const CustomOperator *custom = &importer->options->customs[i];
    if (strcmp(custom->type, type) != 0 || strcmp(custom->domain, domain) != 0) continue;
    importer->custom_used[i] = true;
    return custom;
  }
  return NULL;
}

void import_warn_unused_customs(const Importer *importer) {
  for (int i = 0; i < importer->options->custom_count; i++) {
    const CustomOperator *custom = &importer->options->customs[i];
    if (importer->custom_used[i]) continue;
    diag_warning(importer->diag, loc_file(importer->module->source),
                 "--custom: no node is a %s%s%s", custom->domain, *custom->domain ? ":" : "",
                 custom->type);
  }
}

// --- dims: of the operands and inputs, everything else is unknown to a run

static bool type_mentions(const Type *type, const Atom *symbol) {
  for (int i = 0; type->kind == TYPE_TENSOR && i < type->rank; i++)
    if (dim_mentions(type->dims[i], symbol)) return true;
  return false;
}

static bool is_known(const OnnxNode *node, const Dim *symbol) {
  const Atom *atom = dim_terms(symbol)[0].atoms[0];
  const Graph *main = node->importer->module->main;
  for (int i = 0; i < node->input_count; i++)
    if (onnx_has_input(node, i) && type_mentions(&node->inputs[i]->value->type, atom)) return true;
  for (int i = 0; i < main->input_count; i++)
    if (type_mentions(&main->inputs[i]->type, atom)) return true;
  return false;
}

static const Onnx__ValueInfoProto *find_info(const char *name, size_t count,
                                             Onnx__ValueInfoProto *const *infos) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(infos[i]->name, name) == 0) return infos[i];
  return NULL;
}

// What the file declares of a name that the node sees; NULL: nothing.
static const Onnx__TypeProto *declaration(const OnnxNode *node, const char *name) {
  const Onnx__ValueInfoProto *info = NULL;
  for (const Scope *scope = node->scope; scope && !info; scope = scope->parent) {
    const Onnx__GraphProto *graph = scope->subgraph;
    if (graph) {
      info = find_info(name, graph->n_value_info, graph->value_info);
      if (!info) info = find_info(name, graph->n_output, graph->output);
      if (!info) info = find_info(name, graph->n_input, graph->input);
    } else if (scope->call) {
      info =
          find_info(name, scope->call->function->n_value_info, scope->call->function->value_info);
    } else {
      info = import_declared(node->importer, name);
    }
  }
  return info && info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
             ? info->type
             : NULL;
}

// Where `name` is declared with the symbol as a dim: what that dim is of the value, which --shape
// or its node may know better. NULL: nowhere there.
static const Dim *dim_of_value(OnnxNode *node, const Onnx__TypeProto *proto, const char *name,
                               const Value *value, const Dim *symbol) {
  Type declared;
  if (!proto || value->type.kind != TYPE_TENSOR ||
      !import_proto_type(node->importer, name, proto, &declared))
    return NULL;
  for (int i = 0; i < declared.rank && declared.rank == value->type.rank; i++)
    if (declared.dims[i] == symbol) return value->type.dims[i];
  return NULL;
}

// What a symbol of an output is for this run: itself, or a dim of a value that is declared with it.
// NULL: unknown.
static const Dim *find_dim(OnnxNode *node, const Dim *symbol) {
  Importer *importer = node->importer;
  const Graph *main = importer->module->main;
  if (!dim_symbol_name(symbol) || is_known(node, symbol)) return symbol;
  const Dim *found = NULL;
  for (int i = 0; i < node->input_count && !found; i++) {
    const char *name = node->proto->input[i];
    if (onnx_has_input(node, i))
      found = dim_of_value(node, declaration(node, name), name, node->inputs[i]->value, symbol);
  }
  for (int i = 0; i < main->input_count && !found; i++) {
    const Onnx__ValueInfoProto *info = import_declared(importer, main->inputs[i]->name);
    if (info) found = dim_of_value(node, info->type, info->name, main->inputs[i], symbol);
  }
  return found;
}

// --- types as the options write them: "f32[N,in0.1]", "bool[in0]", "in0"

typedef struct Text {
  OnnxNode *node;
  const char *at;
  const char *unknown; // a dim that nothing decides
  bool wrong;          // a dim that no operand has
} Text;

// "in2" or "in2.1": operand 2, its dim 1 (-1: not said). False: it is something else.
static bool parse_operand_name(const char *name, int *operand, int *axis) {
  char *end;
  if (strncmp(name, "in", 2) != 0 || name[2] < '0' || name[2] > '9') return false;
  long number = strtol(name + 2, &end, 10), dim = -1;
  if (*end == '.') dim = strtol(end + 1, &end, 10);
  if (*end || number > 1 << 20 || dim >= MAX_RANK) return false;
  *operand = (int)number;
  *axis = (int)dim;
  return true;
}

static const Type *operand_type(const Text *text, int operand) {
  return onnx_has_input(text->node, operand) ? &text->node->inputs[operand]->value->type : NULL;
}

static const Dim *replace_symbol(void *user, const Atom *symbol) {
  Text *text = user;
  int operand, axis;
  const Dim *dim;
  if (parse_operand_name(symbol->name, &operand, &axis)) {
    const Type *type = operand_type(text, operand);
    if (type && axis >= 0 && axis < type->rank) return type->dims[axis];
    text->wrong = true;
  } else {
    dim = find_dim(text->node, import_named_dim(text->node->importer, symbol->name));
    if (dim) return dim;
    text->unknown = symbol->name;
  }
  return import_dim(text->node->importer, 1);
}

// A dim, or all dims of an operand.
static bool parse_dims(Text *text, Type *type) {
  Importer *importer = text->node->importer;
  const Dim *parsed = dim_parse(dim_table_create(importer->arena), &text->at);
  const char *name = parsed ? dim_symbol_name(parsed) : NULL;
  int operand, axis;
  if (name && parse_operand_name(name, &operand, &axis) && axis < 0) {
    const Type *all = operand_type(text, operand);
    if (!all || type->rank + all->rank > MAX_RANK) return false;
    for (int i = 0; i < all->rank; i++) type->dims[type->rank++] = all->dims[i];
    return true;
  }
  if (!parsed || type->rank == MAX_RANK) return false;
  type->dims[type->rank++] = dim_substitute(importer->dims, parsed, replace_symbol, text);
  return !text->wrong;
}

static bool parse_type_text(Text *text, Type *type) {
  int operand, axis;
  if (parse_operand_name(text->at, &operand, &axis) && axis < 0) {
    const Type *same = operand_type(text, operand);
    if (same) *type = *same;
    return same != NULL;
  }
  size_t length = strcspn(text->at, "[");
  *type = (Type){.kind = TYPE_TENSOR, .element = element_parse(text->at, length)};
  text->at += length;
  if (type->element == ELEMENT_NONE || !*text->at) return type->element != ELEMENT_NONE;
  if (text->at[1] == ']') return !text->at[2];
  do {
    text->at++;
    if (!parse_dims(text, type)) return false;
  } while (*text->at == ',');
  return strcmp(text->at, "]") == 0;
}

static bool unknown_dim(OnnxNode *node, const char *what, const char *dim) {
  return onnx_error(node,
                    "%s has a dim '%s', which no input has: --dim %s=.. or output=TYPE of --custom "
                    "says what it is",
                    what, dim, dim);
}

static bool given_type(OnnxNode *node, const CustomOperator *custom, int index, Type *type) {
  Text text = {.node = node, .at = custom->outputs[index]};
  const char *what = arena_printf(node->importer->arena, "output=%s", custom->outputs[index]);
  if (!parse_type_text(&text, type))
    return onnx_error(
        node, "%s of --custom: wanted a type such as f32[N,4], in0 or u8[in0.0,2*in1.1]", what);
  return !text.unknown || unknown_dim(node, what, text.unknown);
}

// --- the node

static bool output_type(OnnxNode *node, const CustomOperator *custom, int index, Type *type) {
  Importer *importer = node->importer;
  if (index < custom->output_count) return given_type(node, custom, index, type);
  const char *name = onnx_wants_output(node, index) ? node->proto->output[index] : "";
  const Onnx__TypeProto *proto = *name ? declaration(node, name) : NULL;
  if (proto && !import_proto_type(importer, name, proto, type)) return false;
  if (!proto || type->rank < 0)
    return onnx_error(node,
                      "the file does not say the type of output %d ('%s') of this custom operator: "
                      "--custom '%s%s%s=%s{output=TYPE}' does",
                      index, name, custom->domain, *custom->domain ? ":" : "", custom->type,
                      custom->symbol);
  for (int i = 0; i < type->rank; i++) {
    const Dim *found = find_dim(node, type->dims[i]);
    if (!found)
      return unknown_dim(node, arena_printf(importer->arena, "output '%s'", name),
                         dim_symbol_name(type->dims[i]));
    type->dims[i] = found;
  }
  return true;
}

static bool workspace_type(OnnxNode *node, const CustomOperator *custom, Type *type) {
  Text text = {.node = node, .at = custom->workspace};
  *type = (Type){.kind = TYPE_TENSOR, .element = U8};
  if (!parse_dims(&text, type) || *text.at || type->rank != 1)
    return onnx_error(node,
                      "workspace=%s of --custom: wanted a number of bytes, such as 4096 or 4*in0.1",
                      custom->workspace);
  return !text.unknown ||
         unknown_dim(node, arena_printf(node->importer->arena, "workspace=%s", custom->workspace),
                     text.unknown);
}

typedef struct Operands {
  Value **items;
  int count, capacity;
  const char *names; // of the attributes among them
} Operands;

static bool add_inputs(OnnxNode *node, Operands *operands) {
  for (int i = 0; i < node->input_count; i++) {
    const Item *item = node->inputs[i];
    if (item && (item->list || item->is_sequence || item->map_keys))
      return onnx_unsupported(node, "a custom operator gets tensors only");
    ARENA_PUSH(node->importer->arena, operands->items, operands->count, operands->capacity,
               onnx_input(node, i));
  }
  return true;
}

#define KIND(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

static Tensor strings_tensor(Importer *importer, int rank, const ProtobufCBinaryData *texts,
                             size_t count) {
  Tensor tensor = tensor_create(importer->arena, STR, rank, (int64_t[]){(int64_t)count});
  for (size_t i = 0; i < count; i++)
    ((TensorString *)tensor.data)[i] = (TensorString){(const char *)texts[i].data, texts[i].len};
  return tensor;
}

static Tensor numbers_tensor(Importer *importer, ElementType element, int rank, const void *values,
                             size_t count) {
  Tensor tensor = tensor_create(importer->arena, element, rank, (int64_t[]){(int64_t)count});
  if (count) memcpy(tensor.data, values, tensor.bytes);
  return tensor;
}

// False: it is of a kind that is no data, or a damaged tensor (both reported).
static bool attribute_tensor(OnnxNode *node, const Onnx__AttributeProto *a, Tensor *tensor) {
  Importer *importer = node->importer;
  int kind = (int)a->type;
  if (kind == KIND(UNDEFINED)) // IR version 1
    kind = a->has_f       ? KIND(FLOAT)
           : a->has_i     ? KIND(INT)
           : a->has_s     ? KIND(STRING)
           : a->t         ? KIND(TENSOR)
           : a->n_floats  ? KIND(FLOATS)
           : a->n_strings ? KIND(STRINGS)
                          : KIND(INTS);
  switch (kind) {
  case KIND(FLOAT): *tensor = numbers_tensor(importer, F32, 0, &a->f, 1); return true;
  case KIND(INT): *tensor = numbers_tensor(importer, I64, 0, &a->i, 1); return true;
  case KIND(STRING): *tensor = strings_tensor(importer, 0, &a->s, 1); return true;
  case KIND(FLOATS):
    *tensor = numbers_tensor(importer, F32, 1, a->floats, a->n_floats);
    return true;
  case KIND(INTS): *tensor = numbers_tensor(importer, I64, 1, a->ints, a->n_ints); return true;
  case KIND(STRINGS): *tensor = strings_tensor(importer, 1, a->strings, a->n_strings); return true;
  case KIND(TENSOR):
    if (a->t) return onnx_tensor_bytes(importer->file, a->t, tensor);
    break;
  default: break;
  }
  return onnx_error(node,
                    "attribute '%s' of a custom operator is neither numbers, strings nor a tensor",
                    a->name);
}

static bool add_attribute(OnnxNode *node, const char *name, Operands *operands) {
  Importer *importer = node->importer;
  const Onnx__AttributeProto *attribute = onnx_attribute(node, name);
  Tensor tensor;
  if (!attribute)
    return true; // an attribute of the function around it, which the call does not give
  if (strchr(name, ','))
    return onnx_error(node, "attribute '%s' of a custom operator has a comma in its name", name);
  if (!attribute_tensor(node, attribute, &tensor)) return false;
  const char *constant =
      arena_printf(importer->arena, "%s.%s", node->loc.node ? node->loc.node : "custom", name);
  Value *value = build_constant_tensor(&node->builder, &tensor, constant);
  if (!value) return false;
  ARENA_PUSH(importer->arena, operands->items, operands->count, operands->capacity, value);
  operands->names =
      *operands->names ? arena_printf(importer->arena, "%s,%s", operands->names, name) : name;
  return true;
}

static bool set_outputs(OnnxNode *node, const CustomOperator *custom, Node *call) {
  for (int i = 0; i < node->output_count; i++)
    if (!output_type(node, custom, i, &call->results[i]->type)) return false;
  if (custom->workspace && !workspace_type(node, custom, &call->results[node->output_count]->type))
    return false;
  build_end(&node->builder, call);
  for (int i = 0; i < node->output_count; i++)
    if (!onnx_output(node, i, call->results[i])) return false;
  return !node->builder.failed;
}

bool import_custom(OnnxNode *node, const CustomOperator *custom) {
  Operands operands = {.names = ""};
  if (custom->output_count > node->output_count)
    return onnx_error(node, "--custom gives the types of %d outputs, the node has %d",
                      custom->output_count, node->output_count);
  if (!add_inputs(node, &operands)) return false;
  for (size_t i = 0; i < node->proto->n_attribute; i++)
    if (!add_attribute(node, node->proto->attribute[i]->name, &operands)) return false;
  int results = node->output_count + (custom->workspace != NULL);
  Node *call = build_begin_results(&node->builder, custom->pure ? OP_CUSTOM_PURE : OP_CUSTOM,
                                   operands.items, operands.count, results);
  if (!call) return false;
  node_set_string(call, ATTR_SYMBOL, custom->symbol);
  if (*operands.names) node_set_string(call, ATTR_ATTRIBUTES, operands.names);
  if (custom->workspace) node_set_int(call, ATTR_SCRATCH, 1);
  if (set_outputs(node, custom, call)) return true;
  for (int i = call->operand_count - 1; i >= 0; i--)
    node_set_operand(call, i, NULL); // it is in no graph
  return false;
}
