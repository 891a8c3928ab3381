// Types of if, loop and scan.
//
// A region's inputs may have symbols of their own as dims. Outside such a symbol means the dim of
// the operand it is bound to, as long as it is the same in every iteration; a dim that the region
// makes anew each time is a fresh symbol outside. A result type that is set already keeps the
// symbols that it has there, so that inferring again changes nothing.
#include "ir/builder.h"
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"

#include <string.h>

enum { MAX_BINDINGS = 256 };

// Symbols of a region and what they mean outside; NULL: differs from iteration to iteration.
typedef struct Bindings {
  DimTable *table;
  int count;
  const Dim *symbols[MAX_BINDINGS], *dims[MAX_BINDINGS];
  bool varies; // set when a substitution met a NULL
} Bindings;

static int find_binding(const Bindings *bindings, const Dim *symbol) {
  for (int i = 0; i < bindings->count; i++)
    if (bindings->symbols[i] == symbol) return i;
  return -1;
}

static const Dim *bound_dim(void *user, const Atom *symbol) {
  Bindings *bindings = user;
  int index = find_binding(bindings, dim_symbol(bindings->table, symbol->name));
  if (index >= 0 && !bindings->dims[index]) bindings->varies = true;
  return index < 0 ? NULL : bindings->dims[index];
}

// What a region's dim means outside; NULL: no single value.
static const Dim *outer_dim(Bindings *bindings, const Dim *dim) {
  bindings->varies = false;
  const Dim *outer = dim_substitute(bindings->table, dim, bound_dim, bindings);
  return bindings->varies ? NULL : outer;
}

static bool check_same_kind(const Node *node, Diag *diag, const char *what, int index,
                            const Type *found, const Type *wanted) {
  if (found->kind == TYPE_TENSOR && wanted->kind == TYPE_TENSOR &&
      found->element == wanted->element && found->rank == wanted->rank &&
      quant_equal(found->quant, wanted->quant))
    return true;
  if (type_is_list(wanted) && type_includes(wanted, found)) return true;
  return refuse(node, diag, "%s %d is %s, wanted %s", what, index,
                type_text(node_arena(node), found), type_text(node_arena(node), wanted));
}

// Input `index` of the region takes a value with type `outer`.
static bool bind_input(const Node *node, Diag *diag, Bindings *bindings, const Graph *region,
                       int index, const Type *outer) {
  const Type *inner = &region->inputs[index]->type;
  if (!check_same_kind(node, diag, "what goes to region input", index, outer, inner)) return false;
  for (int i = 0; i < inner->rank; i++) {
    const Dim *dim = inner->dims[i];
    if (dim == outer->dims[i]) continue;
    if (dim_symbol_name(dim) && find_binding(bindings, dim) < 0) {
      if (bindings->count == MAX_BINDINGS)
        return refuse(node, diag, "more than %d symbols", MAX_BINDINGS);
      bindings->symbols[bindings->count] = dim;
      bindings->dims[bindings->count++] = outer->dims[i];
    } else if (!dim_symbol_name(dim) && dims_differ(bindings->table, dim, outer->dims[i])) {
      return refuse(node, diag, "what goes to region input %d has shape %s, wanted %s", index,
                    type_shape_text(node_arena(node), outer),
                    type_shape_text(node_arena(node), inner));
    }
  }
  return true;
}

// Whatever kind it is; NULL (reported): it is absent.
static const Type *any_operand(const Node *node, int index, Diag *diag) {
  const Value *value = node_operand(node, index);
  if (value && type_is_list(&value->type)) return &value->type;
  return tensor_operand(node, index, diag);
}

static bool check_region(const Node *node, Diag *diag, int which, int inputs, int outputs) {
  if (which >= node->region_count) return refuse(node, diag, "region %d is missing", which);
  const Graph *region = node->regions[which];
  if (region->input_count == inputs && (outputs < 0 || region->output_count == outputs))
    return true;
  return refuse(node, diag, "region '%s' has %d inputs and %d outputs, wanted %d and %d",
                region->name, region->input_count, region->output_count, inputs,
                outputs < 0 ? region->output_count : outputs);
}

static bool is_condition(const Type *type) {
  return type->kind == TYPE_TENSOR && type->element == BOOL && type->rank <= 1;
}

// --- if

static bool bind_branch(const Node *node, Diag *diag, int which, Bindings *bindings) {
  *bindings = (Bindings){.table = node_dim_table(node)};
  if (!check_region(node, diag, which, node->operand_count - 1, node->result_count)) return false;
  for (int i = 1; i < node->operand_count; i++) {
    const Type *operand = any_operand(node, i, diag);
    if (!operand || !bind_input(node, diag, bindings, node->regions[which], i - 1, operand))
      return false;
  }
  return true;
}

static bool join_branches(Node *node, Diag *diag, Bindings bindings[2], int result) {
  const Type *then = &node->regions[0]->outputs[result]->type;
  const Type *otherwise = &node->regions[1]->outputs[result]->type;
  Type *given = &node->results[result]->type, joined;
  if (type_is_list(then) && type_join(node_arena(node), then, otherwise, &joined)) {
    if (!type_is_list(given) || !type_includes(given, &joined)) *given = joined;
    return true;
  }
  if (!check_same_kind(node, diag, "in the else branch, result", result, otherwise, then))
    return false;
  Type type = *then;
  for (int i = 0; i < type.rank; i++) {
    const Dim *a = outer_dim(&bindings[0], then->dims[i]),
              *b = outer_dim(&bindings[1], otherwise->dims[i]);
    if (a == b) {
      type.dims[i] = a;
      continue;
    }
    int64_t low = dim_low(a) < dim_low(b) ? dim_low(a) : dim_low(b);
    int64_t high = dim_high(a) > dim_high(b) ? dim_high(a) : dim_high(b);
    type.dims[i] = infer_run_dim(node, result, i, type.rank, low, high);
  }
  node->results[result]->type = type;
  return true;
}

bool infer_if(Node *node, Diag *diag) {
  const Type *condition = tensor_operand(node, 0, diag);
  if (!condition) return false;
  if (!is_condition(condition))
    return refuse(node, diag, "the condition is %s, not one bool",
                  type_text(node_arena(node), condition));
  Bindings bindings[2];
  if (!bind_branch(node, diag, 0, &bindings[0]) || !bind_branch(node, diag, 1, &bindings[1]))
    return false;
  for (int i = 0; i < node->result_count; i++)
    if (!join_branches(node, diag, bindings, i)) return false;
  return true;
}

// --- what is carried from iteration to iteration

typedef struct Carried {
  int count, first_operand, first_input, first_output;
} Carried;

// Which bound symbols are the same in every iteration: optimistic at first, then until nothing
// changes.
static void find_varying(const Node *node, Bindings *bindings, const Carried *carried) {
  const Graph *region = node->regions[0];
  for (bool changed = true; changed;) {
    changed = false;
    for (int i = 0; i < carried->count; i++) {
      const Type *in = &region->inputs[carried->first_input + i]->type;
      const Type *out = &region->outputs[carried->first_output + i]->type;
      const Type *outer = &node->operands[carried->first_operand + i]->type;
      for (int k = 0; k < in->rank; k++) {
        int index = find_binding(bindings, in->dims[k]);
        if (index < 0 || !bindings->dims[index] ||
            outer_dim(bindings, out->dims[k]) == outer->dims[k])
          continue;
        bindings->dims[index] = NULL;
        changed = true;
      }
    }
  }
}

static bool infer_carried(Node *node, Diag *diag, Bindings *bindings, const Carried *carried) {
  const Graph *region = node->regions[0];
  for (int i = 0; i < carried->count; i++) {
    const Type *in = &region->inputs[carried->first_input + i]->type;
    const Type *out = &region->outputs[carried->first_output + i]->type;
    if (!check_same_kind(node, diag, "region output", carried->first_output + i, out, in))
      return false;
    for (int k = 0; k < in->rank; k++)
      if (find_binding(bindings, in->dims[k]) < 0 &&
          dims_differ(bindings->table, in->dims[k], out->dims[k]))
        return refuse(node, diag, "carried value %d changes its shape from %s to %s", i,
                      type_shape_text(node_arena(node), in),
                      type_shape_text(node_arena(node), out));
  }
  find_varying(node, bindings, carried);
  for (int i = 0; i < carried->count; i++) {
    Type type = region->inputs[carried->first_input + i]->type;
    for (int k = 0; k < type.rank; k++) {
      const Dim *dim = outer_dim(bindings, type.dims[k]);
      type.dims[k] = dim ? dim : infer_run_dim(node, i, k, type.rank, 0, DIM_UNBOUNDED);
    }
    node->results[i]->type = type;
  }
  return true;
}

// The type of results that stack what an output gives in each iteration.
static bool infer_stacked(Node *node, Diag *diag, Bindings *bindings, int output, int result,
                          int64_t axis, const Dim *length) {
  const Type *slice = &node->regions[0]->outputs[output]->type;
  if (slice->kind != TYPE_TENSOR || slice->rank == MAX_RANK)
    return refuse(node, diag, "region output %d, %s, cannot be stacked", output,
                  type_text(node_arena(node), slice));
  int at, rank = slice->rank + 1;
  if (!check_axis(node, diag, axis, rank, &at)) return false;
  Type type = type_tensor(slice->element, 0, NULL);
  type.rank = rank;
  for (int i = 0, from = 0; i < rank; i++) {
    const Dim *dim = i == at ? length : outer_dim(bindings, slice->dims[from++]);
    type.dims[i] = dim ? dim : infer_run_dim(node, result, i, rank, 0, DIM_UNBOUNDED);
  }
  type.quant = slice->quant ? quant_on_axis(node_arena(node), slice->quant,
                                            slice->quant->axis + (slice->quant->axis >= at))
                            : NULL;
  node->results[result]->type = type;
  return true;
}

// --- loop

static bool is_always_true(const Value *value) {
  Tensor tensor;
  return value_tensor(value, &tensor) && tensor_count(&tensor) == 1 &&
         element_load_int(BOOL, tensor.data, 0);
}

// Nothing but the trip count ends the loop: the condition is true at first and stays so.
static bool runs_to_the_end(const Node *node) {
  const Value *first = node_operand(node, 1), *next = node->regions[0]->outputs[0];
  if (first && !is_always_true(first)) return false;
  return is_always_true(next) || next == node->regions[0]->inputs[1];
}

// The number of iterations at most as a dim, if it is known: a constant or a dim of the model.
static const Dim *trip_count(const Node *node) {
  const Value *value = node_operand(node, 0);
  Tensor tensor;
  while (value && value->definition && value->definition->op == OP_RESHAPE)
    value = value->definition->operands[0];
  if (!value) return NULL;
  DimTable *table = node_dim_table(node);
  const Dim *zero = dim_constant(table, 0);
  if (value_tensor(value, &tensor) && tensor_count(&tensor) == 1)
    return dim_max(table, zero,
                   dim_constant(table, element_load_int(tensor.element, tensor.data, 0)));
  if (!value->definition || value->definition->op != OP_SHAPE) return NULL;
  int count;
  const Dim *const *dims = node_dims(value->definition, ATTR_DIMS, &count);
  return count == 1 ? dim_max(table, zero, dims[0]) : NULL;
}

static bool check_loop(const Node *node, Diag *diag, int carried) {
  if (!check_region(node, diag, 0, carried + 2, node->result_count + 1)) return false;
  const Graph *region = node->regions[0];
  const Type *trips = node_operand(node, 0) ? &node->operands[0]->type : NULL;
  const Type *condition = node_operand(node, 1) ? &node->operands[1]->type : NULL;
  const Type *number = &region->inputs[0]->type;
  if ((trips && (trips->kind != TYPE_TENSOR || trips->element != I64 || trips->rank > 1)) ||
      number->kind != TYPE_TENSOR || number->element != I64 || number->rank > 1)
    return refuse(node, diag, "trip count and iteration number must be one i64");
  if ((condition && !is_condition(condition)) || !is_condition(&region->inputs[1]->type) ||
      !is_condition(&region->outputs[0]->type))
    return refuse(node, diag, "conditions must be one bool");
  if (node->result_count < carried)
    return refuse(node, diag, "%d results for %d carried values", node->result_count, carried);
  return true;
}

// Is the length of the result a symbol already? It stays, also when the trip count is found later.
static bool has_symbol(const Node *node, int result, int rank) {
  const Type *given = &node->results[result]->type;
  return given->kind == TYPE_TENSOR && given->rank == rank && dim_symbol_name(given->dims[0]);
}

bool infer_loop(Node *node, Diag *diag) {
  int count = node->operand_count - 2;
  if (!check_loop(node, diag, count)) return false;
  Bindings bindings = {.table = node_dim_table(node)};
  for (int i = 0; i < count; i++) {
    const Type *operand = any_operand(node, 2 + i, diag);
    if (!operand || !bind_input(node, diag, &bindings, node->regions[0], 2 + i, operand))
      return false;
  }
  Carried carried = {count, 2, 2, 1};
  if (!infer_carried(node, diag, &bindings, &carried)) return false;
  const Dim *trips = trip_count(node);
  for (int i = count; i < node->result_count; i++) {
    int rank = node->regions[0]->outputs[i + 1]->type.rank + 1;
    bool found = trips && runs_to_the_end(node) && !has_symbol(node, i, rank);
    const Dim *length =
        found ? trips : infer_run_dim(node, i, 0, rank, 0, trips ? dim_high(trips) : DIM_UNBOUNDED);
    if (!infer_stacked(node, diag, &bindings, i + 1, i, 0, length)) return false;
  }
  return true;
}

// --- scan

// Binds a scanned operand without its scan axis; `length` becomes the known one of the lengths.
static bool bind_scanned(const Node *node, Diag *diag, Bindings *bindings, int states, int index,
                         const Dim **length) {
  const Type *x = tensor_operand(node, states + index, diag);
  int axis;
  if (!x ||
      !check_axis(node, diag, node_ints_at(node, ATTR_SCAN_INPUT_AXES, index, 0), x->rank, &axis))
    return false;
  if (*length && !check_equal_dims(node, diag, "scanned lengths", *length, x->dims[axis]))
    return false;
  *length = *length ? dim_known(*length, x->dims[axis]) : x->dims[axis];
  if (!check_quant_per_tensor(node, diag, x)) return false;
  Type slice = *x;
  slice.rank = x->rank - 1;
  for (int i = axis; i < slice.rank; i++) slice.dims[i] = x->dims[i + 1];
  return bind_input(node, diag, bindings, node->regions[0], states + index, &slice);
}

bool infer_scan(Node *node, Diag *diag) {
  int64_t scanned = node_int(node, ATTR_SCAN_INPUTS);
  if (scanned < 1 || scanned > node->operand_count)
    return refuse(node, diag, "%lld scanned inputs of %d", (long long)scanned, node->operand_count);
  int states = node->operand_count - (int)scanned;
  if (!check_region(node, diag, 0, node->operand_count, node->result_count)) return false;
  if (node->result_count < states)
    return refuse(node, diag, "%d results for %d states", node->result_count, states);
  Bindings bindings = {.table = node_dim_table(node)};
  for (int i = 0; i < states; i++) {
    const Type *operand = any_operand(node, i, diag);
    if (!operand || !bind_input(node, diag, &bindings, node->regions[0], i, operand)) return false;
  }
  const Dim *length = NULL;
  for (int i = 0; i < scanned; i++)
    if (!bind_scanned(node, diag, &bindings, states, i, &length)) return false;
  Carried carried = {states, 0, 0, 0};
  if (!infer_carried(node, diag, &bindings, &carried)) return false;
  for (int i = states; i < node->result_count; i++) {
    int64_t axis = node_ints_at(node, ATTR_SCAN_OUTPUT_AXES, i - states, 0);
    if (!infer_stacked(node, diag, &bindings, i, i, axis, length)) return false;
  }
  return true;
}
