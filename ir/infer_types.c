// Helpers of the inference rules of arithmetic ops.
#include "ir/infer_types.h"

#include <math.h>

#include "ir/quant.h"

const char *element_text(ElementType element) { return element_info[element].text; }

const Dim *broadcast_dim(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b || dim_is(b, 1)) return a;
  if (dim_is(a, 1)) return b;
  bool a_known = dim_is_constant(a, NULL), b_known = dim_is_constant(b, NULL);
  if (a_known && b_known) return NULL;
  if (a_known) return a;
  if (b_known) return b;
  if (dim_low(a) > 1) return a;
  return dim_low(b) > 1 ? b : dim_max(table, a, b);
}

bool broadcast_shape(const Node *node, Diag *diag, Type *result, const Type *with) {
  Arena *arena = node_arena(node);
  Type wide = result->rank >= with->rank ? *result : *with,
       narrow = result->rank >= with->rank ? *with : *result;
  int lead = wide.rank - narrow.rank;
  for (int i = 0; i < narrow.rank; i++) {
    const Dim *dim = broadcast_dim(node_dim_table(node), wide.dims[lead + i], narrow.dims[i]);
    if (!dim)
      return refuse(node, diag, "shapes %s and %s do not broadcast: %s and %s differ",
                    type_shape_text(arena, result), type_shape_text(arena, with),
                    dim_text(arena, result->dims[result->rank - narrow.rank + i]),
                    dim_text(arena, with->dims[with->rank - narrow.rank + i]));
    wide.dims[lead + i] = dim;
  }
  result->rank = wide.rank;
  for (int i = 0; i < wide.rank; i++) result->dims[i] = wide.dims[i];
  return true;
}

const Type *requested_type(const Node *node, int result) {
  const Type *type = &node->results[result]->type;
  return type->kind == TYPE_TENSOR ? type : NULL;
}

bool set_result(Node *node, Diag *diag, int index, Type computed) {
  const Type *request = requested_type(node, index);
  if (request &&
      (request->element != computed.element || !quant_equal(request->quant, computed.quant))) {
    Type wanted = computed;
    wanted.element = request->element;
    wanted.quant = request->quant;
    return refuse(node, diag, "result %d is %s, not %s", index,
                  type_text(node_arena(node), &computed), type_text(node_arena(node), &wanted));
  }
  node->results[index]->type = computed;
  return true;
}

const Type *requested_product(const Node *node) {
  const Graph *epilogue = node_epilogue(node);
  return epilogue ? &epilogue->inputs[0]->type : requested_type(node, 0);
}

bool set_product_result(Node *node, Diag *diag, Type own) {
  const Graph *epilogue = node_epilogue(node);
  if (!epilogue) {
    node->results[0]->type = own;
    return true;
  }
  const Type *input = &epilogue->inputs[0]->type;
  if (!type_equal(input, &own))
    return refuse(node, diag, "the epilogue takes %s, the op gives %s",
                  type_text(node_arena(node), input), type_text(node_arena(node), &own));
  if (epilogue->output_count != 1)
    return refuse(node, diag, "the epilogue has %d results", epilogue->output_count);
  int own_count = node_own_operands(node);
  for (int i = 1; i < epilogue->input_count; i++) {
    const Value *operand = node->operands[own_count + i - 1];
    if (!operand || !type_equal(&operand->type, &epilogue->inputs[i]->type))
      return refuse(node, diag, "operand %d does not have the type of the epilogue's input %d",
                    own_count + i - 1, i);
  }
  node->results[0]->type = epilogue->outputs[0]->type;
  return true;
}

bool refuse_element(const Node *node, Diag *diag, int operand) {
  return refuse(node, diag, "not defined on %s (operand %d)",
                element_text(node->operands[operand]->type.element), operand);
}

bool refuse_quantized(const Node *node, Diag *diag, int operand) {
  return refuse(node, diag, "not defined on quantized values (operand %d is %s)", operand,
                type_text(node_arena(node), &node->operands[operand]->type));
}

bool check_quant(const Node *node, Diag *diag, const Type *type) {
  const Quant *quant = type->quant;
  bool integer = element_is_integer(type->element);
  if (element_info[type->element].bits > 32 || type->element == U32)
    return refuse(node, diag, "%s cannot be quantized", element_text(type->element));
  if (quant->axis >= type->rank)
    return refuse(node, diag, "quantization axis %d of rank %d", quant->axis, type->rank);
  if (quant->axis < 0 ? quant->count != 1
                      : quant->count != 1 && !dim_is(type->dims[quant->axis], quant->count))
    return refuse(node, diag, "%d scales for %s", quant->count,
                  type_shape_text(node_arena(node), type));
  int32_t low = 0, high = 0;
  if (integer) quant_range(type->element, &low, &high);
  for (int i = 0; i < quant->count; i++) {
    if (!(quant->scale[i] > 0) || isinf(quant->scale[i]))
      return refuse(node, diag, "scale %g is not above 0", (double)quant->scale[i]);
    if (quant->zero[i] < low || quant->zero[i] > high)
      return refuse(node, diag, "zero point %d lies outside %s", quant->zero[i],
                    element_text(type->element));
  }
  return true;
}

bool is_quantized_tensor(const Type *type) {
  return type->quant && type->quant->count == 1 && element_is_integer(type->element) &&
         element_info[type->element].bits <= 16;
}

static bool check_list(const Node *node, Diag *diag, AttributeId id, int wanted, int64_t low) {
  int count;
  const int64_t *values = node_ints(node, id, &count);
  const char *text = attribute_info[id].text;
  if (count != 0 && count != wanted)
    return refuse(node, diag, "%s has %d entries, wanted %d", text, count, wanted);
  for (int i = 0; i < count; i++)
    if (values[i] < low || values[i] > INT32_MAX)
      return refuse(node, diag, "%s[%d] = %lld", text, i, (long long)values[i]);
  return true;
}

bool check_window(const Node *node, Diag *diag, int spatial) {
  return check_list(node, diag, ATTR_STRIDES, spatial, 1) &&
         check_list(node, diag, ATTR_DILATIONS, spatial, 1) &&
         check_list(node, diag, ATTR_PADS, 2 * spatial, INT32_MIN);
}

const Dim *window_dim(const Node *node, const Dim *x, const Dim *kernel, int spatial_axis) {
  DimTable *table = node_dim_table(node);
  int pads;
  node_ints(node, ATTR_PADS, &pads);
  int64_t pad = node_ints_at(node, ATTR_PADS, spatial_axis, 0) +
                node_ints_at(node, ATTR_PADS, pads / 2 + spatial_axis, 0);
  int64_t stride = node_ints_at(node, ATTR_STRIDES, spatial_axis, 1);
  int64_t dilation = node_ints_at(node, ATTR_DILATIONS, spatial_axis, 1);
  const Dim *reach = dim_mul_int(table, dim_add_int(table, kernel, -1), dilation);
  const Dim *room = dim_add_int(table, dim_sub(table, x, reach), pad - 1);
  return dim_add_int(table, dim_floordiv(table, room, dim_constant(table, stride)), 1);
}
