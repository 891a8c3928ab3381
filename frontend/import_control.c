// If. A branch whose condition is known is inlined.
#include <string.h>

#include "frontend/import_region.h"

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
  return region_define_captures(region, scope) && region_import(region, scope, graph) ? scope
                                                                                      : NULL;
}

// Is the output a value from outside, or a constant?
static bool hands_output_on(const Onnx__GraphProto *branch, const char *name) {
  for (size_t i = 0; i < branch->n_node; i++)
    for (size_t k = 0; k < branch->node[i]->n_output; k++)
      if (strcmp(branch->node[i]->output[k], name) == 0)
        return !strcmp(branch->node[i]->op_type, "Identity") ||
               !strcmp(branch->node[i]->op_type, "Constant");
  return true;
}

// In the place of a value whose rank is another than the wanted one: a row that is not there.
static Value *refused_value(const Region *region, const Scope *scope, const Value *given,
                            const Type *wanted) {
  Importer *importer = region->node->importer;
  Builder builder = builder_at_end(scope->graph, region->node->loc);
  const Dim *behind = dim_add_int(importer->dims, type_count(importer->dims, &given->type), 1),
            *dims[MAX_RANK];
  Tensor one = tensor_create(importer->arena, given->type.element, 1, (int64_t[]){1});
  if (one.element == STR) *(TensorString *)one.data = (TensorString){"", 0};
  Value *table = build_constant_tensor(&builder, &one, NULL),
        *row = build_shape(&builder, &behind, 1);
  row = row ? build_reshape(&builder, row, 0, NULL) : NULL;
  Node *gather = table && row ? build_begin(&builder, OP_GATHER, (Value *[]){table, row}, 2) : NULL;
  Value *element = build_end(&builder, gather);
  for (int i = 0; i < wanted->rank; i++)
    dims[i] = dim_is_constant(wanted->dims[i], NULL) ? wanted->dims[i] : import_dim(importer, 1);
  return element ? build_expand(&builder, element, wanted->rank, dims) : NULL;
}

static bool is_single(const Type *type) {
  for (int i = 0; i < type->rank; i++)
    if (!dim_is(type->dims[i], 1)) return false;
  return true;
}

// Branches of different ranks: what follows knows one of them, that of the branch which hands a
// value on. A run that takes the other one ends with an error, as it does behind this node
// elsewhere. One element is the same in any rank.
static bool agree_on_rank(const Region *region, Scope *const scopes[2],
                          const Onnx__GraphProto *const graphs[2], size_t index, Value *values[2]) {
  static const char *const names[2] = {"then", "else"};
  bool on[2];
  if (values[0]->type.rank == values[1]->type.rank ||
      values[0]->type.element != values[1]->type.element)
    return true;
  for (int k = 0; k < 2; k++) on[k] = hands_output_on(graphs[k], graphs[k]->output[index]->name);
  if (on[0] == on[1]) return true; // reported as a difference of types
  int other = on[0];
  const Type *wanted = &values[!other]->type;
  if (is_single(&values[0]->type) && is_single(&values[1]->type)) {
    Builder builder = builder_at_end(scopes[other]->graph, region->node->loc);
    values[other] = build_reshape(&builder, values[other], wanted->rank, wanted->dims);
    return values[other] != NULL;
  }
  diag_warning(region->node->importer->diag, region->node->loc,
               "a run that takes the %s branch ends with an error: output %zu has rank %d there, "
               "and %d in the other one",
               names[other], index, values[other]->type.rank, values[!other]->type.rank);
  values[other] = refused_value(region, scopes[other], values[other], wanted);
  return values[other] != NULL;
}

// Output `index` of both branches. An optional on one side makes one of the other; a list that one
// side leaves empty has the other's type.
static bool branch_output(const Region *region, Scope *const scopes[2],
                          const Onnx__GraphProto *const graphs[2], size_t index, bool agree) {
  Importer *importer = region->node->importer;
  const Item *items[2];
  Value *values[2] = {NULL};
  for (int k = 0; k < 2; k++)
    if (!(items[k] = region_item(region, scopes[k], graphs[k]->output[index]->name))) return false;
  bool optional = item_is_optional(items[0]) || item_is_optional(items[1]);
  bool tensors = items[0]->value && items[1]->value && !optional;
  for (int k = 0; k < 2 && tensors; k++) values[k] = items[k]->value;
  if (tensors && agree && !agree_on_rank(region, scopes, graphs, index, values)) return false;
  int first =
      !items[0]->value && !items[0]->list && !items[0]->element_count; // the one that has elements
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

// agree: ranks that differ become those of the branch that hands values on.
static bool build_if(OnnxNode *node, Value *condition, const Onnx__GraphProto *then,
                     const Onnx__GraphProto *otherwise, bool agree) {
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
  if (!owner) return false;
  const Onnx__GraphProto *const graphs[2] = {then, otherwise};
  Scope *const scopes[2] = {import_branch(&region, owner, "then", then),
                            import_branch(&region, owner, "else", otherwise)};
  bool good = scopes[0] && scopes[1];
  for (size_t i = 0; good && i < then->n_output; i++)
    good = branch_output(&region, scopes, graphs, i, agree);
  if (!good) {
    region_drop_operands(owner);
    return false;
  }
  if (!build_end(&node->builder, owner)) return note_open_condition(node, condition);
  for (int i = 0; i < node->output_count; i++)
    if (!onnx_output_any(node, i, owner->results[i])) return false;
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
  if (!known && condition->type.rank > 1) // exporters compare a result of [1, 1] with a number
    condition = onnx_of_shape(node, condition, "the conditions", 0, NULL);
  if (!condition) return false;
  if (!known) {
    Attempt attempt;
    attempt_begin(node, &attempt);
    if (attempt_end(node, &attempt, build_if(node, condition, then, otherwise, false))) return true;
    if (importer->options->value_of_input && import_constant_value(importer, condition, &decided))
      known = &decided;
  }
  if (known && tensor_count(known) == 1)
    return inline_branch(node, element_load_int(BOOL, known->data, 0) ? then : otherwise);
  if (squeezes(then) && hands_on(otherwise)) return inline_branch(node, then);
  return build_if(node, condition, then, otherwise, true);
}
