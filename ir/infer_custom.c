// Types of custom operators: what their results are only the user knows.
#include "ir/external.h"
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

static bool check_operand(const Node *node, int index, bool is_attribute, Diag *diag) {
  const Value *operand = node->operands[index];
  if (is_attribute && !value_is_constant(operand))
    return refuse(node, diag, "operand %d, the value of an attribute, is not constant", index);
  if (operand && operand->type.quant)
    return refuse(node, diag, "operand %d is quantized: a function cannot know it", index);
  return true;
}

static bool check_operand_list(const Node *node, Diag *diag) {
  const char *const *names;
  int attributes = external_attributes(node, node_arena(node), &names),
      first = node->operand_count - attributes;
  if (first < 0)
    return refuse(node, diag, "%d attributes, but %d operands", attributes, node->operand_count);
  for (int i = 0; i < attributes; i++)
    if (!*names[i]) return refuse(node, diag, "attribute %d has no name", i);
  for (int i = 0; i < node->operand_count; i++)
    if (!check_operand(node, i, i >= first, diag)) return false;
  return true;
}

static bool check_scratch(const Node *node, Diag *diag) {
  if (!node_int(node, ATTR_SCRATCH)) return true;
  const Type *type = node->result_count ? &node->results[node->result_count - 1]->type : NULL;
  if (!type) return refuse(node, diag, "working memory is a result, and there is none");
  return (type->element == U8 && type->rank == 1) ||
         refuse(node, diag, "the working memory is %s, wanted u8[n]",
                type_text(node_arena(node), type));
}

bool infer_custom(Node *node, Diag *diag) {
  const char *symbol = node_string(node, ATTR_SYMBOL);
  if (!external_symbol_valid(symbol))
    return refuse(node, diag, "'%s' cannot be the name of a C function", symbol);
  for (int i = 0; i < node->result_count; i++) {
    const Type *type = &node->results[i]->type;
    if (type->kind == TYPE_NONE) return refuse(node, diag, "the type of result %d is not given", i);
    if (type->kind != TYPE_TENSOR || type->quant)
      return refuse(node, diag, "result %d is %s, wanted a plain tensor", i,
                    type_text(node_arena(node), type));
  }
  return check_operand_list(node, diag) && check_scratch(node, diag);
}
