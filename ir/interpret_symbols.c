// Symbols of dims bound to the dims of concrete tensors.
#include "ir/interpret_symbols.h"

#include <stdlib.h>

void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) machine_failed("out of memory (%zu bytes wanted)", bytes);
  return memory;
}

bool dim_is_bound(const Dim *dim, const int64_t *symbols) {
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    for (int k = 0; k < term->atom_count; k++) {
      const Atom *atom = term->atoms[k];
      if (atom->kind == ATOM_SYMBOL
              ? symbols[atom->index] < 0
              : !dim_is_bound(atom->left, symbols) || !dim_is_bound(atom->right, symbols))
        return false;
    }
  }
  return true;
}

static int64_t dim_under(const Dim *dim, const int64_t *symbols) {
  int64_t value;
  if (dim_is_constant(dim, &value)) return value;
  return dim_is_bound(dim, symbols) ? dim_evaluate(dim, symbols) : -1;
}

void type_evaluate(const Type *type, const int64_t *symbols, int64_t *dims) {
  for (int i = 0; i < type->rank; i++) dims[i] = dim_under(type->dims[i], symbols);
}

int symbol_count(const Graph *graph) { return dim_symbol_count(graph->module->dims); }

int64_t *unbound_symbols(const Graph *graph) {
  int count = symbol_count(graph);
  int64_t *symbols = allocate((size_t)count * sizeof *symbols);
  for (int i = 0; i < count; i++) symbols[i] = -1;
  return symbols;
}

// coefficient * symbol + constant, with the symbol not bound yet: solved for the symbol.
static void bind_linear(const Dim *dim, int64_t value, int64_t *symbols) {
  int count = dim_term_count(dim);
  const DimTerm *terms = dim_terms(dim);
  if (count < 1 || count > 2 || terms[0].atom_count != 1 || terms[0].atoms[0]->kind != ATOM_SYMBOL)
    return;
  if (count == 2 && terms[1].atom_count != 0) return;
  int64_t rest = value - (count == 2 ? terms[1].coefficient : 0),
          coefficient = terms[0].coefficient;
  int64_t *symbol = &symbols[terms[0].atoms[0]->index];
  if (*symbol < 0 && coefficient > 0 && rest >= 0 && rest % coefficient == 0)
    *symbol = rest / coefficient;
}

void bind_dims(const Type *type, const Tensor *tensor, int64_t *symbols, bool lone) {
  for (int i = 0; i < type->rank && i < tensor->rank; i++)
    if (tensor->dims[i] >= 0 && (dim_symbol_name(type->dims[i]) != NULL) == lone)
      bind_linear(type->dims[i], tensor->dims[i], symbols);
}

typedef struct InputName {
  char text[80];
} InputName;

static InputName input_name(const Value *input) {
  InputName name;
  if (input->name)
    snprintf(name.text, sizeof name.text, "input '%s'", input->name);
  else
    snprintf(name.text, sizeof name.text, "input %d", input->index);
  return name;
}

static bool check_dim(const Value *input, int axis, int64_t found, const int64_t *symbols,
                      Diag *diag) {
  const Module *module = input->graph->module;
  const Dim *dim = input->type.dims[axis];
  InputName input_text = input_name(input);
  const char *name = input_text.text;
  Loc loc = loc_file(module->source);
  if (!dim_is_bound(dim, symbols))
    return diag_error(diag, loc, "%s: dim %d is %s, whose symbols no input has as a dim of its own",
                      name, axis, dim_text(module->arena, dim));
  int64_t wanted = dim_under(dim, symbols);
  if (found != wanted && dim_is_constant(dim, NULL))
    return diag_error(diag, loc, "%s has dim %d = %lld, wanted %lld", name, axis, (long long)found,
                      (long long)wanted);
  if (found != wanted)
    return diag_error(diag, loc, "%s has dim %d = %lld, wanted %s = %lld", name, axis,
                      (long long)found, dim_text(module->arena, dim), (long long)wanted);
  if (found < dim_low(dim) || found > dim_high(dim)) {
    if (dim_high(dim) == DIM_UNBOUNDED)
      return diag_error(diag, loc, "%s has dim %d = %lld, but %s is at least %lld", name, axis,
                        (long long)found, dim_text(module->arena, dim), (long long)dim_low(dim));
    return diag_error(diag, loc, "%s has dim %d = %lld, but %s lies in %lld to %lld", name, axis,
                      (long long)found, dim_text(module->arena, dim), (long long)dim_low(dim),
                      (long long)dim_high(dim));
  }
  return true;
}

// What a list says of its elements holds for those that are in it.
static bool items_fit(const Type *type, const Tensor *list) {
  for (int64_t i = 0; i < list->dims[0]; i++) {
    const Tensor *item = &tensor_items(list)[i];
    if (type_is_list(type->inner)) {
      if (item->list != LIST_SEQUENCE || !items_fit(type->inner, item)) return false;
    } else if (!tensor_fits_element(type->inner, item)) {
      return false;
    }
  }
  return true;
}

bool tensor_fits_element(const Type *type, const Tensor *item) {
  if (item->list || item->element != type->element) return false;
  if (type->rank == ANY_RANK) return true;
  int64_t wanted;
  if (item->rank != type->rank) return false;
  for (int i = 0; i < type->rank; i++)
    if (type->dims[i] && dim_is_constant(type->dims[i], &wanted) && item->dims[i] != wanted)
      return false;
  return true;
}

static bool check_list(const Value *input, const Tensor *list, Diag *diag) {
  const Type *type = &input->type;
  ListKind kind = type->kind == TYPE_SEQUENCE ? LIST_SEQUENCE : LIST_OPTIONAL;
  if (list->list == kind && (kind == LIST_SEQUENCE || list->dims[0] <= 1) && items_fit(type, list))
    return true;
  return diag_error(diag, loc_file(input->graph->module->source), "%s is no %s",
                    input_name(input).text, type_text(input->graph->module->arena, type));
}

static bool check_kind(const Value *input, const Tensor *tensor, Diag *diag) {
  const Module *module = input->graph->module;
  InputName name = input_name(input);
  Loc loc = loc_file(module->source);
  if (type_is_list(&input->type)) return check_list(input, tensor, diag);
  if (tensor->list)
    return diag_error(diag, loc, "%s is a list, wanted %s", name.text,
                      type_text(module->arena, &input->type));
  if (tensor->element != input->type.element)
    return diag_error(diag, loc, "%s has element type %s, wanted %s", name.text,
                      element_info[tensor->element].text, element_info[input->type.element].text);
  if (tensor->rank != input->type.rank)
    return diag_error(diag, loc, "%s has rank %d, wanted %s", name.text, tensor->rank,
                      type_shape_text(module->arena, &input->type));
  return true;
}

bool bind_inputs(const Graph *graph, const Tensor *inputs, int64_t *symbols, Diag *diag) {
  bool fits = true;
  for (int i = 0; i < graph->input_count; i++)
    fits &= check_kind(graph->inputs[i], &inputs[i], diag);
  if (!fits) return false;
  for (int lone = 1; lone >= 0; lone--)
    for (int i = 0; i < graph->input_count; i++)
      bind_dims(&graph->inputs[i]->type, &inputs[i], symbols, lone);
  for (int i = 0; i < graph->input_count; i++)
    for (int k = 0; k < graph->inputs[i]->type.rank; k++)
      if (!check_dim(graph->inputs[i], k, inputs[i].dims[k], symbols, diag)) return false;
  return true;
}

bool bind_symbols(const Graph *graph, const Tensor *inputs, int64_t *symbols, Diag *diag) {
  for (int i = 0; i < symbol_count(graph); i++) symbols[i] = -1;
  return bind_inputs(graph, inputs, symbols, diag);
}
