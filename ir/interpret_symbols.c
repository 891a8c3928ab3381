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

static bool check_kind(const Value *input, const Tensor *tensor, Diag *diag) {
  const Module *module = input->graph->module;
  InputName name = input_name(input);
  Loc loc = loc_file(module->source);
  if (input->type.kind != TYPE_TENSOR)
    return diag_error(diag, loc, "%s is %s: only tensors can be run", name.text,
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
    for (int k = 0; k < inputs[i].rank; k++)
      if (!check_dim(graph->inputs[i], k, inputs[i].dims[k], symbols, diag)) return false;
  return true;
}

bool bind_symbols(const Graph *graph, const Tensor *inputs, int64_t *symbols, Diag *diag) {
  for (int i = 0; i < symbol_count(graph); i++) symbols[i] = -1;
  return bind_inputs(graph, inputs, symbols, diag);
}
