// Types of pointwise ops.
#include <string.h>

#include "ir/infer_ops.h"
#include "ir/infer_types.h"
#include "ir/quant.h"

// --- one operand

static bool unary_takes(OpCode op, ElementType element) {
  if (op == OP_NOT) return element == BOOL;
  if (op == OP_BIT_NOT) return element_is_integer(element);
  if (element_calculates(element)) return true;
  bool on_integers =
      op == OP_NEG || op == OP_ABS || op == OP_SIGN || op == OP_RELU || op == OP_CLIP;
  return on_integers && element_is_integer(element);
}

bool infer_unary(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  bool on_codes = node->op == OP_RELU || node->op == OP_CLIP;
  if (x->quant && (!on_codes || !is_quantized_tensor(x))) return refuse_quantized(node, diag, 0);
  if (!unary_takes(node->op, x->element)) return refuse_element(node, diag, 0);
  return set_result(node, diag, 0, *x);
}

bool infer_predicate(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  if (!element_is_float(x->element)) return refuse_element(node, diag, 0);
  return set_result(node, diag, 0, type_with_element(*x, BOOL));
}

bool infer_cast(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!request) return refuse(node, diag, "the result's element type is not given");
  ElementClass from = element_info[x->element].class, to = element_info[request->element].class;
  if (from == CLASS_COMPLEX || from == CLASS_STRING) return refuse_element(node, diag, 0);
  if (to == CLASS_COMPLEX || to == CLASS_STRING)
    return refuse(node, diag, "from %s to %s is not supported", element_text(x->element),
                  element_text(request->element));
  if (x->quant) return refuse_quantized(node, diag, 0);
  if (request->quant)
    return refuse(node, diag, "gives plain values; quantize gives quantized ones");
  return set_result(node, diag, 0, type_with_element(*x, request->element));
}

bool infer_bit_cast(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!request) return refuse(node, diag, "the result's element type is not given");
  if (x->quant || request->quant) return refuse(node, diag, "quantized values");
  if (x->element == STR || element_info[x->element].bits != element_info[request->element].bits)
    return refuse(node, diag, "from %s to %s, which differ in width", element_text(x->element),
                  element_text(request->element));
  return set_result(node, diag, 0, type_with_element(*x, request->element));
}

// --- two and three operands

static bool is_logical(OpCode op) { return op == OP_AND || op == OP_OR || op == OP_XOR; }
static bool is_bitwise(OpCode op) {
  return op == OP_BIT_AND || op == OP_BIT_OR || op == OP_BIT_XOR || op == OP_BIT_SHIFT;
}

static bool binary_takes(OpCode op, ElementType element) {
  if (is_logical(op)) return element == BOOL;
  if (is_bitwise(op)) return element_is_integer(element);
  return element_calculates(element) || element_is_integer(element);
}

static bool same_elements(const Node *node, Diag *diag, int first, int second) {
  const Type *a = &node->operands[first]->type, *b = &node->operands[second]->type;
  if (a->element == b->element) return true;
  return refuse(node, diag, "operand %d is %s, operand %d is %s", first, element_text(a->element),
                second, element_text(b->element));
}

// add, sub, mul rescale to the type asked for; min and max compare codes of one scale.
static bool infer_quantized_binary(Node *node, Diag *diag, Type result) {
  const Type *a = &node->operands[0]->type, *b = &node->operands[1]->type,
             *request = requested_type(node, 0);
  for (int i = 0; i < 2; i++) {
    const Type *operand = &node->operands[i]->type;
    if (!is_quantized_tensor(operand))
      return refuse(node, diag, "operand %d is %s, not quantized as a whole", i,
                    type_text(node_arena(node), operand));
  }
  if (node->op == OP_MIN || node->op == OP_MAX) {
    if (a->element != b->element || !quant_equal(a->quant, b->quant))
      return refuse(node, diag, "the operands are quantized differently");
    result.quant = a->quant;
    return set_result(node, diag, 0, result);
  }
  if (node->op != OP_ADD && node->op != OP_SUB && node->op != OP_MUL)
    return refuse_quantized(node, diag, 0);
  if (!request || !is_quantized_tensor(request))
    return refuse(node, diag, "quantized operands need a quantized result type");
  result.element = request->element;
  result.quant = request->quant;
  return check_quant(node, diag, &result) && set_result(node, diag, 0, result);
}

bool infer_binary(Node *node, Diag *diag) {
  const Type *a = tensor_operand(node, 0, diag), *b = tensor_operand(node, 1, diag);
  if (!a || !b) return false;
  Type result = type_with_element(*a, a->element);
  if (!broadcast_shape(node, diag, &result, b)) return false;
  if (a->quant || b->quant) return infer_quantized_binary(node, diag, result);
  if (!same_elements(node, diag, 0, 1)) return false;
  if (!binary_takes(node->op, a->element)) return refuse_element(node, diag, 0);
  return set_result(node, diag, 0, result);
}

bool infer_pow(Node *node, Diag *diag) {
  const Type *a = tensor_operand(node, 0, diag), *b = tensor_operand(node, 1, diag);
  if (!a || !b) return false;
  for (int i = 0; i < 2; i++) {
    const Type *x = &node->operands[i]->type;
    if (x->quant) return refuse_quantized(node, diag, i);
    if (!element_calculates(x->element) && !element_is_integer(x->element))
      return refuse_element(node, diag, i);
  }
  Type result = *a;
  return broadcast_shape(node, diag, &result, b) && set_result(node, diag, 0, result);
}

bool infer_compare(Node *node, Diag *diag) {
  const Type *a = tensor_operand(node, 0, diag), *b = tensor_operand(node, 1, diag);
  if (!a || !b || !same_elements(node, diag, 0, 1)) return false;
  if (!quant_equal(a->quant, b->quant))
    return refuse(node, diag, "the operands are quantized differently");
  ElementClass class = element_info[a->element].class;
  bool ordered = class != CLASS_STRING && class != CLASS_BOOLEAN;
  if (class == CLASS_COMPLEX || (node->op != OP_EQUAL && !ordered))
    return refuse_element(node, diag, 0);
  Type result = type_with_element(*a, BOOL);
  return broadcast_shape(node, diag, &result, b) && set_result(node, diag, 0, result);
}

bool infer_where(Node *node, Diag *diag) {
  const Type *condition = tensor_operand(node, 0, diag), *a = tensor_operand(node, 1, diag);
  const Type *b = tensor_operand(node, 2, diag);
  if (!condition || !a || !b || !same_elements(node, diag, 1, 2)) return false;
  if (condition->element != BOOL)
    return refuse(node, diag, "the condition is %s, wanted bool", element_text(condition->element));
  if (!quant_equal(a->quant, b->quant))
    return refuse(node, diag, "the operands are quantized differently");
  if (!check_quant_per_tensor(node, diag, a)) return false;
  Type result = *a;
  return broadcast_shape(node, diag, &result, b) &&
         broadcast_shape(node, diag, &result, condition) && set_result(node, diag, 0, result);
}

bool infer_fused(Node *node, Diag *diag) {
  if (node->region_count != 1)
    return refuse(node, diag, "has %d regions, wanted 1", node->region_count);
  const Graph *region = node->regions[0];
  if (region->input_count != node->operand_count || region->output_count != node->result_count)
    return refuse(node, diag, "%d operands and %d results, but the region has %d and %d",
                  node->operand_count, node->result_count, region->input_count,
                  region->output_count);
  for (int i = 0; i < node->operand_count; i++) {
    const Type *operand = tensor_operand(node, i, diag);
    if (!operand) return false;
    if (!type_equal(operand, &region->inputs[i]->type))
      return refuse(node, diag, "operand %d is %s, the region takes %s", i,
                    type_text(node_arena(node), operand),
                    type_text(node_arena(node), &region->inputs[i]->type));
  }
  for (int i = 0; i < node->result_count; i++)
    if (!set_result(node, diag, i, region->outputs[i]->type)) return false;
  return true;
}

// --- quantization

bool infer_quantize(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!request || !request->quant)
    return refuse(node, diag, "the result's quantized type is not given");
  if (x->quant) return refuse_quantized(node, diag, 0);
  if (!element_calculates(x->element) && x->element != I32) return refuse_element(node, diag, 0);
  Type result = *x;
  result.element = request->element;
  result.quant = request->quant;
  if (!element_is_float(result.element) && !element_is_integer(result.element))
    return refuse(node, diag, "to %s", element_text(result.element));
  return check_quant(node, diag, &result) && set_result(node, diag, 0, result);
}

bool infer_dequantize(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!x->quant)
    return refuse(node, diag, "the operand is %s, not quantized", type_text(node_arena(node), x));
  ElementType element = request ? request->element : F32;
  if (!element_calculates(element)) return refuse(node, diag, "to %s", element_text(element));
  return check_quant(node, diag, x) && set_result(node, diag, 0, type_with_element(*x, element));
}

bool infer_requantize(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!request || !request->quant)
    return refuse(node, diag, "the result's quantized type is not given");
  if (!x->quant || !element_is_integer(x->element))
    return refuse(node, diag, "the operand is not quantized");
  if (!element_is_integer(request->element) || request->quant->count != 1)
    return refuse(node, diag, "the result must be integers quantized as a whole");
  Type result = *x;
  result.element = request->element;
  result.quant = request->quant;
  return check_quant(node, diag, x) && check_quant(node, diag, &result) &&
         set_result(node, diag, 0, result);
}
