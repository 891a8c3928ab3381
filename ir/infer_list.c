// Types of sequences and optionals. What their elements differ in is open in the type of the list;
// an element that is taken out has fresh symbols there, which the run binds.
#include "ir/infer_list.h"

#include "ir/infer_ops.h"

bool set_list(Node *node, Diag *diag, Type computed) {
  Type *given = &node->results[0]->type;
  if (given->kind == TYPE_NONE) return *given = computed, true;
  if (type_includes(given, &computed)) return true;
  return refuse(node, diag, "the result is %s, not %s", type_text(node_arena(node), &computed),
                type_text(node_arena(node), given));
}

const Type *list_operand(const Node *node, int index, TypeKind kind, Diag *diag) {
  const Value *value = node_operand(node, index);
  if (value && value->type.kind == kind) return &value->type;
  refuse(node, diag, "operand %d is %s, wanted %s", index,
         value ? type_text(node_arena(node), &value->type) : "absent",
         kind == TYPE_SEQUENCE ? "a sequence" : "an optional");
  return NULL;
}

const Dim *found_dim(const Node *node, int axis, int rank) {
  const Type *given = &node->results[0]->type;
  if (given->kind == TYPE_TENSOR && given->rank == rank && dim_symbol_name(given->dims[axis]))
    return given->dims[axis];
  const char *name = arena_printf(node_arena(node), "%s_%d", op_info[node->op].text, node->id);
  return dim_fresh_symbol(node_dim_table(node), name, 0, DIM_UNBOUNDED);
}

static bool check_position(const Node *node, int index, Diag *diag) {
  if (!node_operand(node, index)) return true;
  const Type *type = index_operand(node, index, diag);
  if (!type) return false;
  int64_t count;
  if (type_max_count(type, &count) && count == 1) return true;
  return refuse(node, diag, "the position is %s, wanted one number",
                type_text(node_arena(node), type));
}

static Type sequence_of(const Node *node, Type element) {
  return type_list(node_arena(node), TYPE_SEQUENCE, element);
}

bool infer_sequence(Node *node, Diag *diag) {
  if (!node->operand_count) {
    const Type *type = &node->results[0]->type;
    if (type->kind == TYPE_SEQUENCE) return true;
    return refuse(node, diag, "an empty sequence needs a type");
  }
  const Type *first = tensor_operand(node, 0, diag);
  if (!first) return false;
  Type joined = sequence_of(node, *first);
  for (int i = 1; i < node->operand_count; i++) {
    const Type *type = tensor_operand(node, i, diag);
    if (!type) return false;
    Type one = sequence_of(node, *type);
    if (!type_join(node_arena(node), &joined, &one, &joined))
      return refuse(node, diag, "operand %d is %s, operand 0 %s", i, element_text(type->element),
                    element_text(first->element));
  }
  return set_list(node, diag, joined);
}

bool infer_sequence_insert(Node *node, Diag *diag) {
  const Type *sequence = list_operand(node, 0, TYPE_SEQUENCE, diag),
             *x = sequence ? tensor_operand(node, 1, diag) : NULL;
  if (!x || !check_position(node, 2, diag)) return false;
  Type one = sequence_of(node, *x), joined;
  if (!type_join(node_arena(node), sequence, &one, &joined))
    return refuse(node, diag, "%s does not go into %s", type_text(node_arena(node), x),
                  type_text(node_arena(node), sequence));
  return set_list(node, diag, joined);
}

bool infer_sequence_erase(Node *node, Diag *diag) {
  const Type *sequence = list_operand(node, 0, TYPE_SEQUENCE, diag);
  return sequence && check_position(node, 1, diag) && set_list(node, diag, *sequence);
}

// An element on its own: what is open gets symbols. A rank that the list leaves open has to be
// asked for.
static bool set_element(Node *node, Diag *diag, const Type *element) {
  const Type *given = &node->results[0]->type;
  Type type = type_with_element(*element, element->element);
  if (type.rank == ANY_RANK && given->kind == TYPE_TENSOR) {
    type.rank = given->rank;
    for (int i = 0; i < type.rank; i++)
      type.dims[i] = dim_is_constant(given->dims[i], NULL) ? given->dims[i] : NULL;
  }
  if (type.rank < 0)
    return refuse(node, diag, "the rank of the elements of %s is not known",
                  type_text(node_arena(node), &node->operands[0]->type));
  for (int i = 0; i < type.rank; i++)
    if (!type.dims[i]) type.dims[i] = found_dim(node, i, type.rank);
  return set_result(node, diag, 0, type);
}

bool infer_sequence_at(Node *node, Diag *diag) {
  const Type *sequence = list_operand(node, 0, TYPE_SEQUENCE, diag);
  return sequence && check_position(node, 1, diag) && set_element(node, diag, sequence->inner);
}

bool infer_sequence_length(Node *node, Diag *diag) {
  return list_operand(node, 0, TYPE_SEQUENCE, diag) &&
         set_result(node, diag, 0, type_tensor(I64, 0, NULL));
}

bool infer_sequence_concat(Node *node, Diag *diag) {
  const Type *sequence = list_operand(node, 0, TYPE_SEQUENCE, diag),
             *given = requested_type(node, 0);
  if (!sequence) return false;
  bool stacks = node_int(node, ATTR_NEW_AXIS) != 0;
  Type type = *sequence->inner;
  if (type.rank == ANY_RANK && given) {
    type.rank = given->rank - stacks;
    for (int i = 0; i < type.rank; i++) type.dims[i] = NULL;
  }
  if (type.rank < 0)
    return refuse(node, diag, "the rank of the elements of %s is not known",
                  type_text(node_arena(node), &node->operands[0]->type));
  int axis, rank = type.rank + stacks;
  if (rank > MAX_RANK) return refuse(node, diag, "a result of rank %d", rank);
  if (!check_axis(node, diag, node_int(node, ATTR_AXIS), rank, &axis)) return false;
  for (int i = rank - 1; stacks && i > axis; i--) type.dims[i] = type.dims[i - 1];
  type.rank = rank;
  type.dims[axis] = NULL;
  for (int i = 0; i < rank; i++)
    if (!type.dims[i]) type.dims[i] = found_dim(node, i, rank);
  return set_result(node, diag, 0, type);
}

bool infer_sequence_split(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  int axis;
  if (!x || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis)) return false;
  const Type *sizes = node_operand(node, 1) ? index_operand(node, 1, diag) : NULL;
  if (node_operand(node, 1) && !sizes) return false;
  if (sizes && sizes->rank > 1)
    return refuse(node, diag, "the sizes are %s", type_text(node_arena(node), sizes));
  Type part = *x;
  part.dims[axis] = sizes ? NULL : dim_constant(node_dim_table(node), 1);
  if (!sizes && !node_int(node, ATTR_KEEP_DIMS)) {
    part.rank--;
    for (int i = axis; i < part.rank; i++) part.dims[i] = part.dims[i + 1];
  }
  return set_list(node, diag, sequence_of(node, part));
}

// --- optionals

bool infer_optional(Node *node, Diag *diag) {
  const Value *x = node_operand(node, 0);
  const Type *given = &node->results[0]->type;
  if (!x)
    return given->kind == TYPE_OPTIONAL ||
           refuse(node, diag, "an optional without element needs a type");
  if (x->type.kind == TYPE_OPTIONAL) return refuse(node, diag, "an optional of an optional");
  return set_list(node, diag, type_list(node_arena(node), TYPE_OPTIONAL, x->type));
}

bool infer_optional_has(Node *node, Diag *diag) {
  return list_operand(node, 0, TYPE_OPTIONAL, diag) &&
         set_result(node, diag, 0, type_tensor(BOOL, 0, NULL));
}

bool infer_optional_get(Node *node, Diag *diag) {
  const Type *optional = list_operand(node, 0, TYPE_OPTIONAL, diag);
  if (!optional) return false;
  return type_is_list(optional->inner) ? set_list(node, diag, *optional->inner)
                                       : set_element(node, diag, optional->inner);
}
