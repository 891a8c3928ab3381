// Elementwise operators: one operand, two with broadcasting, lists of operands.
#include <math.h>
#include <string.h>

#include "frontend/import.h"

// --- one operand

bool import_unary(OnnxNode *node) {
  return onnx_need_inputs(node, 1) &&
         onnx_output(node, 0, onnx_unary(node, (OpCode)node->row->argument, onnx_input(node, 0)));
}

// The float attributes have the same names in both tables, but for Shrink's lambd.
bool import_activation(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  OpCode op = (OpCode)node->row->argument;
  Value *x = onnx_input(node, 0);
  Node *result = build_begin(&node->builder, op, &x, 1);
  for (int i = 0; i < op_info[op].attribute_count; i++) {
    const AttributeSpec *spec = &op_info[op].attributes[i];
    const char *name =
        op == OP_SHRINK && spec->id == ATTR_ALPHA ? "lambd" : attribute_info[spec->id].text;
    double otherwise = spec->float_default;
    if (op == OP_SELU && node->version < 6) otherwise = spec->id == ATTR_ALPHA ? 1.6732 : 1.0507;
    if (attribute_info[spec->id].kind == KIND_FLOAT)
      node_set_float(result, spec->id, onnx_float(node, name, otherwise));
    if (attribute_info[spec->id].kind == KIND_STRING)
      node_set_string(result, spec->id, onnx_string(node, name, spec->string_default));
    if (attribute_info[spec->id].kind == KIND_INT)
      node_set_int(result, spec->id, onnx_int(node, name, spec->int_default));
  }
  return onnx_output(node, 0, build_end(&node->builder, result));
}

bool import_identity(OnnxNode *node) {
  if (node->input_count < 1 || !node->inputs[0]) return onnx_error(node, "input 0 is missing");
  if (!node->inputs[0]->value) {
    if (onnx_wants_output(node, 0)) node->outputs[0] = *node->inputs[0];
    return true;
  }
  return onnx_output(node, 0, onnx_input(node, 0));
}

static Value *to_text(OnnxNode *node, Value *x) {
  ElementType element = x->type.element;
  bool small = element_info[element].bits <= 8 && element_is_float(element);
  if (small) x = onnx_convert(node, x, F32);
  if (element_info[element].bits < 8) x = onnx_convert(node, x, small ? F32 : I32);
  return onnx_unary(node, OP_STRING_FORMAT, x);
}

static Value *from_text(OnnxNode *node, Value *x, ElementType element) {
  Node *parse = build_begin(&node->builder, OP_STRING_PARSE, &x, 1);
  if (!parse) return NULL;
  ElementType wide = element == U64 ? U64 : element_is_integer(element) ? I64 : F64;
  parse->results[0]->type = type_with_element(x->type, wide);
  return onnx_convert(node, build_end(&node->builder, parse), element);
}

Value *onnx_convert_text(OnnxNode *node, Value *x, ElementType element) {
  if (!x || x->type.element == element) return x;
  if (x->type.element == STR) return from_text(node, x, element);
  return element == STR ? to_text(node, x) : onnx_convert(node, x, element);
}

static bool cast_to(OnnxNode *node, ElementType element) {
  if (element == ELEMENT_NONE || element_info[element].class == CLASS_COMPLEX)
    return onnx_unsupported(node, "casting to this element type");
  if ((onnx_input(node, 0)->type.element == STR) != (element == STR))
    return onnx_output(node, 0, onnx_convert_text(node, onnx_input(node, 0), element));
  if (element == F8E8M0 && strcmp(onnx_string(node, "round_mode", "up"), "up") != 0)
    return onnx_unsupported(node, "round_mode other than up");
  Value *x = onnx_input(node, 0);
  if (x->type.element == element) return onnx_output(node, 0, x);
  Node *cast = build_begin(&node->builder, OP_CAST, &x, 1);
  if (!cast) return false;
  cast->results[0]->type = type_with_element(x->type, element);
  node_set_int(cast, ATTR_SATURATE, onnx_int(node, "saturate", 1));
  return onnx_output(node, 0, build_end(&node->builder, cast));
}

// The element type of the attribute `to`; before version 6 that was the name of the type.
static ElementType target_type(OnnxNode *node) {
  static const char *const names[] = {"UNDEFINED", "FLOAT",  "UINT8",  "INT8",   "UINT16",
                                      "INT16",     "INT32",  "INT64",  "STRING", "BOOL",
                                      "FLOAT16",   "DOUBLE", "UINT32", "UINT64"};
  int64_t code = 0;
  if (node->row->import == import_cast && node->version < 6) {
    const char *name = onnx_string(node, "to", "");
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
      if (strcmp(name, names[i]) == 0) code = i;
  } else
    code = onnx_int(node, "to", 0);
  return code > 0 && code < 1000 ? onnx_element_type((int32_t)code) : ELEMENT_NONE;
}

bool import_cast(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  ElementType element = target_type(node);
  return !node->builder.failed && cast_to(node, element);
}

bool import_bit_cast(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  ElementType element = target_type(node);
  if (node->builder.failed) return false;
  if (element == ELEMENT_NONE || element == STR || element_info[element].class == CLASS_COMPLEX)
    return onnx_unsupported(node, "this element type");
  if (x->type.element == element) return onnx_output(node, 0, x);
  Node *cast = build_begin(&node->builder, OP_BIT_CAST, &x, 1);
  if (!cast) return false;
  cast->results[0]->type = type_with_element(x->type, element);
  return onnx_output(node, 0, build_end(&node->builder, cast));
}

bool import_cast_like(OnnxNode *node) {
  return onnx_need_inputs(node, 2) && cast_to(node, onnx_input(node, 1)->type.element);
}

bool import_is_inf(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  Node *result = build_begin(&node->builder, OP_IS_INF, &x, 1);
  node_set_int(result, ATTR_DETECT_NEGATIVE, onnx_int(node, "detect_negative", 1));
  node_set_int(result, ATTR_DETECT_POSITIVE, onnx_int(node, "detect_positive", 1));
  return onnx_output(node, 0, build_end(&node->builder, result));
}

// --- bounds

// A bound of Clip as a value: an attribute before version 11, an operand since.
static Value *clip_bound(OnnxNode *node, const char *name, int index) {
  if (node->version >= 11) {
    Value *bound = onnx_input(node, index);
    return bound && bound->type.rank ? build_reshape(&node->builder, bound, 0, NULL) : bound;
  }
  return onnx_attribute(node, name)
             ? onnx_scalar_like(node, onnx_input(node, 0), onnx_float(node, name, 0))
             : NULL;
}

static bool constant_bound(OnnxNode *node, Value *bound, double *number) {
  Tensor tensor;
  if (!bound) return true;
  if (!element_is_float(bound->type.element) ||
      !import_constant_value(node->importer, bound, &tensor))
    return false;
  *number = element_load(tensor.element, tensor.data, 0);
  return !isnan(*number);
}

bool import_clip(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *low = clip_bound(node, "min", 1),
        *high = clip_bound(node, "max", 2);
  double low_number = -INFINITY, high_number = INFINITY;
  if (node->builder.failed) return false;
  if (!low && !high) return onnx_output(node, 0, x);
  if (element_is_float(x->type.element) && constant_bound(node, low, &low_number) &&
      constant_bound(node, high, &high_number)) {
    Node *clip = build_begin(&node->builder, OP_CLIP, &x, 1);
    node_set_float(clip, ATTR_LOW, low_number);
    node_set_float(clip, ATTR_HIGH, high_number);
    return onnx_output(node, 0, build_end(&node->builder, clip));
  }
  if (low) x = onnx_binary(node, OP_MAX, x, low);
  if (high) x = onnx_binary(node, OP_MIN, x, high);
  return onnx_output(node, 0, x);
}

// --- two operands

// Before version 7 broadcasting was asked for, and the smaller operand was aligned at an axis.
static Value *align_old_broadcast(OnnxNode *node, Value *a, Value *b) {
  if (node->version >= 7 || !onnx_int(node, "broadcast", 0) || !onnx_attribute(node, "axis"))
    return b;
  int axis;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), a->type.rank, &axis)) return NULL;
  int trailing = a->type.rank - axis - b->type.rank;
  if (trailing < 0) {
    onnx_error(node, "operand of rank %d does not fit at axis %d of rank %d", b->type.rank, axis,
               a->type.rank);
    return NULL;
  }
  int64_t axes[MAX_RANK];
  for (int i = 0; i < trailing; i++) axes[i] = b->type.rank + i;
  return onnx_unsqueeze(node, b, axes, trailing);
}

static bool two_operands(OnnxNode *node, Value **a, Value **b) {
  if (!onnx_need_inputs(node, 2)) return false;
  *a = onnx_input(node, 0);
  *b = align_old_broadcast(node, *a, onnx_input(node, 1));
  return *b != NULL;
}

bool import_binary(OnnxNode *node) {
  Value *a, *b;
  return two_operands(node, &a, &b) &&
         onnx_output(node, 0, onnx_binary(node, (OpCode)node->row->argument, a, b));
}

bool import_swapped(OnnxNode *node) { // a > b is b < a
  Value *a, *b;
  return two_operands(node, &a, &b) &&
         onnx_output(node, 0, onnx_binary(node, (OpCode)node->row->argument, b, a));
}

bool import_mod(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Node *mod =
      build_begin(&node->builder, OP_MOD, (Value *[]){onnx_input(node, 0), onnx_input(node, 1)}, 2);
  node_set_string(mod, ATTR_MODULO, onnx_int(node, "fmod", 0) ? "trunc" : "floor");
  return onnx_output(node, 0, build_end(&node->builder, mod));
}

bool import_bit_shift(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  bool left = strcmp(onnx_string(node, "direction", ""), "LEFT") == 0;
  Node *shift = build_begin(&node->builder, OP_BIT_SHIFT,
                            (Value *[]){onnx_input(node, 0), onnx_input(node, 1)}, 2);
  node_set_string(shift, ATTR_DIRECTION, left ? "left" : "right");
  return onnx_output(node, 0, build_end(&node->builder, shift));
}

// y = x < 0 ? slope * x : x; before version 7 a slope of one dim belonged to axis 1.
bool import_prelu(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *slope = onnx_input(node, 1);
  if (node->version < 7 && x->type.rank > 1) slope = onnx_align(node, slope, 1, x->type.rank);
  Value *negative = onnx_binary(node, OP_LESS, x, onnx_scalar_like(node, x, 0));
  Value *scaled = onnx_binary(node, OP_MUL, x, slope);
  return onnx_output(node, 0, onnx_where(node, negative, scaled, x));
}

bool import_where(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  return onnx_output(
      node, 0,
      build_where(&node->builder, onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2)));
}

// --- any number of operands

static Value *fold_operands(OnnxNode *node, OpCode op) {
  if (!onnx_need_inputs(node, node->input_count > 0 ? node->input_count : 1)) return NULL;
  Value *total = onnx_input(node, 0);
  for (int i = 1; i < node->input_count; i++)
    total = onnx_binary(node, op, total, onnx_input(node, i));
  return total;
}

bool import_variadic(OnnxNode *node) {
  return onnx_output(node, 0, fold_operands(node, (OpCode)node->row->argument));
}

bool import_mean(OnnxNode *node) {
  Value *sum = fold_operands(node, OP_ADD);
  return onnx_output(
      node, 0, onnx_binary(node, OP_DIV, sum, onnx_scalar_like(node, sum, node->input_count)));
}
