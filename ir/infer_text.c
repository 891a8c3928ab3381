// Types of ops on strings.
#include <string.h>

#include "ir/infer_ops.h"
#include "ir/infer_types.h"

static const Type *string_operand(const Node *node, int index, Diag *diag) {
  const Type *type = tensor_operand(node, index, diag);
  if (!type || type->element == STR) return type;
  refuse(node, diag, "operand %d is %s, wanted strings", index, type_text(node_arena(node), type));
  return NULL;
}

bool infer_string_concat(Node *node, Diag *diag) {
  const Type *a = string_operand(node, 0, diag), *b = string_operand(node, 1, diag);
  if (!a || !b) return false;
  Type result = *a;
  return broadcast_shape(node, diag, &result, b) && set_result(node, diag, 0, result);
}

bool infer_string_case(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag);
  const char *mode = node_string(node, ATTR_MODE);
  if (!x) return false;
  if (strcmp(mode, "lower") && strcmp(mode, "upper"))
    return refuse(node, diag, "mode '%s' is none of lower, upper", mode);
  return set_result(node, diag, 0, *x);
}

bool infer_string_split(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag);
  if (!x) return false;
  if (x->rank == MAX_RANK) return refuse(node, diag, "the operand has rank %d", x->rank);
  Type parts = *x;
  parts.dims[parts.rank++] = infer_run_dim(node, 0, x->rank, x->rank + 1, 0, DIM_UNBOUNDED);
  node->results[0]->type = parts;
  node->results[1]->type = type_tensor(I64, x->rank, x->dims);
  return true;
}
