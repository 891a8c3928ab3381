// Checks that inference rules share.
#include "ir/infer_checks.h"

#include <stdarg.h>

bool refuse(const Node *node, Diag *diag, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(node_arena(node), format, arguments);
  va_end(arguments);
  return diag_error(diag, node->loc, "%s: %s", op_info[node->op].text, text);
}

const Type *tensor_operand(const Node *node, int index, Diag *diag) {
  const Value *value = node_operand(node, index);
  if (value && value->type.kind == TYPE_TENSOR) return &value->type;
  if (!value)
    refuse(node, diag, "operand %d is absent", index);
  else
    refuse(node, diag, "operand %d is no tensor", index);
  return NULL;
}

const Type *index_operand(const Node *node, int index, Diag *diag) {
  const Type *type = tensor_operand(node, index, diag);
  if (!type || type->element == I32 || type->element == I64) return type;
  refuse(node, diag, "operand %d has element type %s, not i32 or i64", index,
         element_info[type->element].text);
  return NULL;
}

bool check_axis(const Node *node, Diag *diag, int64_t axis, int rank, int *from_front) {
  if (axis < -rank || axis >= rank)
    return refuse(node, diag, "axis %lld of rank %d", (long long)axis, rank);
  *from_front = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

bool dims_differ(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b) return false;
  if (dim_low(a) > dim_high(b) || dim_low(b) > dim_high(a)) return true;
  int64_t difference;
  return dim_is_constant(dim_sub(table, a, b), &difference) && difference != 0;
}

bool check_equal_dims(const Node *node, Diag *diag, const char *what, const Dim *a, const Dim *b) {
  if (!dims_differ(node_dim_table(node), a, b)) return true;
  return refuse(node, diag, "%s: %s and %s differ", what, dim_text(node_arena(node), a),
                dim_text(node_arena(node), b));
}

const Dim *dim_known(const Dim *a, const Dim *b) { return dim_is_constant(b, NULL) ? b : a; }

bool check_sizes(const Node *node, Diag *diag, const Dim *const *sizes, int count) {
  if (count > MAX_RANK) return refuse(node, diag, "rank %d exceeds %d", count, MAX_RANK);
  for (int i = 0; i < count; i++)
    if (dim_high(sizes[i]) < 0)
      return refuse(node, diag, "size %s of axis %d is negative",
                    dim_text(node_arena(node), sizes[i]), i);
  return true;
}

const Quant *quant_on_axis(Arena *arena, const Quant *quant, int axis) {
  if (!quant || quant->axis < 0 || quant->axis == axis) return quant;
  Quant *moved = NEW(arena, Quant);
  *moved = *quant;
  moved->axis = axis;
  return moved;
}

bool check_quant_per_tensor(const Node *node, Diag *diag, const Type *type) {
  if (!type->quant || type->quant->axis < 0) return true;
  return refuse(node, diag, "the operand is quantized along axis %d, not as a whole",
                type->quant->axis);
}

const Dim *infer_run_dim(const Node *node, int result, int axis, int rank, int64_t low,
                         int64_t high) {
  const Type *given = &node->results[result]->type;
  if (given->kind == TYPE_TENSOR && given->rank == rank && dim_symbol_name(given->dims[axis]))
    return given->dims[axis];
  const char *name = arena_printf(node_arena(node), "%s_%d", op_info[node->op].text, node->id);
  return dim_fresh_symbol(node_dim_table(node), name, low < 0 ? 0 : low, high);
}
