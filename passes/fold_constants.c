// fold_constants - computes what depends on constants only: op(constants) -> constant.
// The reference interpreter does it, so the values are the meaning of the op by definition. A
// result that is much larger than its operands (expand, tile, range) stays an op: bytes cost more
// than time. Dequantized constants stay quantized, for integer kernels. The operands go at once if
// nobody else reads them: all weights twice would be a lot of memory. Needs: nothing. Leaves:
// nothing.
#include "ir/builder.h"
#include "ir/constant_data.h"
#include "ir/interpret.h"
#include "passes/rewrite.h"

static bool operands_are_constant(const Node *node) {
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i] && !value_is_constant(node->operands[i])) return false;
  return true;
}

static bool dims_are_constant(const Node *node) {
  for (int i = 0; i < node->attribute_count; i++) {
    const Attribute *attribute = &node->attributes[i];
    if (attribute_info[attribute->id].kind != KIND_DIMS) continue;
    for (int k = 0; k < attribute->count; k++)
      if (!dim_is_constant(attribute->dims[k], NULL)) return false;
  }
  return true;
}

static bool results_are_small(const Node *node, int64_t limit) {
  int64_t operands = 0, results = 0;
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) operands += (int64_t)value_constant(node->operands[i])->bytes;
  for (int i = 0; i < node->result_count; i++) {
    const Type *type = &node->results[i]->type;
    int64_t bytes;
    if (!type_is_static(type) || type->element == STR || !type_max_bytes(type, &bytes))
      return false;
    if (__builtin_add_overflow(results, bytes, &results)) return false;
  }
  return results <= limit || results <= 2 * operands;
}

// Weights: undoing their quantization at run time would take time and memory each run, but before
// that fuse_qdq may make use of their codes.
static bool is_foldable(const Node *node, int64_t limit, bool dequantize) {
  if (node->op == OP_CONST || node->op == OP_COPY || node->op == OP_PACK ||
      !node_has_trait(node, PURE) || node_has_trait(node, EXTERNAL))
    return false;
  if (!operands_are_constant(node) || !dims_are_constant(node)) return false;
  return node->op == OP_DEQUANTIZE ? dequantize : results_are_small(node, limit);
}

// False: the op fails on these values (an index out of range); then it does so at run time.
static bool evaluate(const Node *node, Tensor *results, PassContext *context) {
  Diag quiet;
  diag_init(&quiet, context->scratch, NULL);
  Tensor *operands = NEW_ARRAY(context->scratch, Tensor, node->operand_count + 1);
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) value_tensor(node->operands[i], &operands[i]);
  // The same bytes: weights may be large.
  if (node_has_trait(node, VIEW) && node->operand_count == 1) {
    results[0] = operands[0];
    return true;
  }
  return interpret_node(node, operands, results, module_data(context->module), &quiet);
}

static bool replace_by_constants(Node *node, const Tensor *results) {
  Builder builder = builder_before(node);
  for (int i = 0; i < node->result_count; i++) {
    Value *old = node->results[i];
    if (value_is_unused(old)) continue;
    Value *constant = build_constant(&builder, old->type, results[i].data, old->name);
    if (!constant) return false;
    value_replace(old, constant);
  }
  rewrite_remove(node);
  return true;
}

bool pass_fold_constants(Graph *graph, PassContext *context) {
  int64_t limit = pass_option_int(context, "limit");
  bool dequantize = pass_option_bool(context, "dequantize");
  FOR_EACH_NODE (node, graph) {
    if (!is_foldable(node, limit, dequantize)) continue;
    Tensor *results = NEW_ARRAY(context->scratch, Tensor, node->result_count + 1);
    if (!evaluate(node, results, context)) continue;
    if (!replace_by_constants(node, results)) return false;
    context->changed++;
    module_trim(context->module, TRIM_GROWTH);
  }
  return true;
}
