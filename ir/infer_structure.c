// Types of constants, shape values and copies.
#include "ir/infer_list.h"
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

bool infer_const(Node *node, Diag *diag) {
  const Type *type = requested_type(node, 0);
  if (!type || !node->constant) return refuse(node, diag, "a constant needs a type and values");
  int64_t bytes;
  if (!type_is_static(type) || !type_max_bytes(type, &bytes))
    return refuse(node, diag, "a constant cannot be %s", type_text(node_arena(node), type));
  if (node->constant->bytes != (size_t)bytes)
    return refuse(node, diag, "%zu bytes of values, wanted %lld for %s", node->constant->bytes,
                  (long long)bytes, type_text(node_arena(node), type));
  return !type->quant || check_quant(node, diag, type);
}

bool infer_shape(Node *node, Diag *diag) {
  int count;
  node_dims(node, ATTR_DIMS, &count);
  int64_t length = count;
  return set_result(node, diag, 0, type_static(node_dim_table(node), I64, 1, &length));
}

bool infer_pack(Node *node, Diag *diag) { return infer_copy(node, diag); }

bool infer_copy(Node *node, Diag *diag) {
  if (node->operands[0] && type_is_list(&node->operands[0]->type))
    return set_list(node, diag, node->operands[0]->type);
  const Type *x = tensor_operand(node, 0, diag);
  return x && set_result(node, diag, 0, *x);
}
