// Quantization. With constant parameters a tensor's type carries them and quantize / dequantize are
// ops of their own, which the quantizing passes know; otherwise it is plain arithmetic.
#include <math.h>
#include <string.h>

#include "frontend/import.h"
#include "ir/quant.h"

// --- parameters

// Scale and zero point of an ONNX node, aligned with x where they are not per tensor.
typedef struct QuantOperands {
  Value *scale, *zero; // zero NULL: 0
  int axis;            // -1: per tensor
  int64_t block;       // elements of the axis that share a scale; 0: one scale each
} QuantOperands;

// A scalar, or a vector of one element: exporters write both for one parameter of the whole tensor.
static bool is_single(const Type *type) {
  return type->rank == 0 || (type->rank == 1 && dim_is(type->dims[0], 1));
}

// One scale for each block of the axis, and for each element of the other axes.
static bool check_blocks(OnnxNode *node, const Type *x, const Type *scale,
                         const QuantOperands *operands) {
  int64_t size, count;
  for (int i = 0; operands->block && scale->rank == x->rank && i < x->rank; i++) {
    if (!dim_is_constant(x->dims[i], &size) || !dim_is_constant(scale->dims[i], &count)) continue;
    bool blocked = i == operands->axis;
    int64_t block = blocked ? operands->block : 1;
    if (size / block + (size % block != 0) == count) continue;
    return onnx_error(
        node, "%lld scales for axis %d of size %lld%s", (long long)count, i, (long long)size,
        blocked ? arena_printf(node->importer->arena, " in blocks of %lld", (long long)block) : "");
  }
  return true;
}

static bool quant_operands(OnnxNode *node, const Type *x, Value *scale, Value *zero,
                           QuantOperands *operands) {
  *operands = (QuantOperands){scale, zero, -1, onnx_int(node, "block_size", 0)};
  int rank = scale->type.rank;
  if (!element_is_float(scale->type.element))
    return onnx_error(node, "the scale is %s", element_info[scale->type.element].text);
  if (zero && zero->type.element == F32) return onnx_error(node, "the zero point is f32");
  bool single = is_single(&scale->type) && (!zero || is_single(&zero->type));
  if (zero && zero->type.rank != rank && !single) { // both of one number, which the run checks
    operands->scale = onnx_of_shape(node, scale, "the scales", 0, NULL);
    operands->zero = onnx_of_shape(node, zero, "the zero points", 0, NULL);
    return operands->scale && operands->zero;
  }
  if (rank == 0 || (single && !operands->block)) return true;
  if (operands->block < 0) return onnx_error(node, "block_size %lld", (long long)operands->block);
  if (rank != 1 && (rank != x->rank || !operands->block))
    return onnx_error(node, "a scale of rank %d for an input of rank %d", rank, x->rank);
  return onnx_axis(node, onnx_int(node, "axis", 1), x->rank, &operands->axis) &&
         check_blocks(node, x, &scale->type, operands);
}

// The constant parameters of a quantized type; NULL: not constant, or of a kind that types do not
// have.
static const Quant *constant_quant(OnnxNode *node, const QuantOperands *operands,
                                   ElementType element) {
  Tensor scale, zero = {0};
  Importer *importer = node->importer;
  if (operands->block || !element_is_integer(element) || operands->scale->type.element != F32)
    return NULL;
  if (!import_constant_value(importer, operands->scale, &scale)) return NULL;
  if (operands->zero && !import_constant_value(importer, operands->zero, &zero)) return NULL;
  int count = (int)tensor_count(&scale);
  if (count < 1 || (operands->zero && tensor_count(&zero) != count)) return NULL;
  float *scales = NEW_ARRAY(importer->arena, float, count);
  int32_t *zeros = NEW_ARRAY(importer->arena, int32_t, count);
  for (int i = 0; i < count; i++) {
    scales[i] = (float)element_load(F32, scale.data, i);
    zeros[i] = operands->zero ? (int32_t)element_load_int(zero.element, zero.data, i) : 0;
    if (!(scales[i] > 0) || isinf(scales[i])) return NULL;
  }
  if (operands->axis < 0)
    return count == 1 ? quant_per_tensor(importer->arena, scales[0], zeros[0]) : NULL;
  return quant_per_axis(importer->arena, operands->axis, count, scales, zeros);
}

// A parameter as a tensor that broadcasts with x.
static Value *spread(OnnxNode *node, Value *parameter, const QuantOperands *operands,
                     const Type *x) {
  if (!parameter || node->builder.failed) return NULL;
  if (operands->axis < 0)
    return parameter->type.rank ? build_reshape(&node->builder, parameter, 0, NULL) : parameter;
  if (!operands->block) return onnx_align(node, parameter, operands->axis, x->rank);
  // [.., k, ..] -> [.., k, 1, ..] -> [.., k, block, ..] -> [.., k * block, ..] -> [.., size, ..]
  Importer *importer = node->importer;
  int axis = operands->axis, rank = parameter->type.rank;
  const Dim *dims[MAX_RANK], *wide[MAX_RANK], *whole[MAX_RANK];
  if (rank == MAX_RANK) return onnx_error(node, "a blocked scale of rank %d", rank), NULL;
  for (int i = 0, to = 0; i < rank; i++) {
    dims[to] = wide[to] = whole[i] = parameter->type.dims[i];
    to++;
    if (i != axis) continue;
    dims[to] = import_dim(importer, 1);
    wide[to++] = import_dim(importer, operands->block);
    whole[i] = dim_mul_int(importer->dims, whole[i], operands->block);
  }
  Value *column = build_reshape(&node->builder, parameter, rank + 1, dims);
  Value *repeated = column ? build_expand(&node->builder, column, rank + 1, wide) : NULL;
  Value *flat = repeated ? build_reshape(&node->builder, repeated, rank, whole) : NULL;
  if (!flat || flat->type.dims[axis] == x->dims[axis]) return flat;
  return build_slice_axis(&node->builder, flat, axis, import_dim(importer, 0), x->dims[axis], 1);
}

// --- who reads a quantized value: only what keeps the codes as they are may

static bool keeps_codes(const char *type) {
  static const char *const names[] = {"DequantizeLinear", "Reshape", "Transpose",
                                      "Flatten",          "Squeeze", "Unsqueeze",
                                      "Identity",         "MaxPool", "Slice"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(type, names[i]) == 0) return true;
  return false;
}

static bool readers_keep_codes(const Onnx__GraphProto *graph, const char *name, int depth) {
  if (depth == 0) return false;
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *reader = graph->node[i];
    for (size_t k = 0; k < reader->n_attribute; k++)
      if (reader->attribute[k]->g && !readers_keep_codes(reader->attribute[k]->g, name, depth - 1))
        return false;
    for (size_t k = 0; k < reader->n_input; k++) {
      if (!reader->input[k] || strcmp(reader->input[k], name) != 0) continue;
      if (k != 0 || !keeps_codes(reader->op_type)) return false;
      if (strcmp(reader->op_type, "DequantizeLinear") != 0 &&
          (reader->n_output == 0 || !readers_keep_codes(graph, reader->output[0], depth - 1)))
        return false;
    }
  }
  return true;
}

static bool may_be_quantized(const OnnxNode *node, const char *name) {
  const Importer *importer = node->importer;
  return node->scope->graph == importer->module->main && !node->scope->call &&
         !node->scope->parent && readers_keep_codes(importer->model->graph, name, 16);
}

// --- quantize

// saturate(round(x / scale) + zero)
static Value *quantize_by_arithmetic(OnnxNode *node, Value *x, const QuantOperands *operands,
                                     ElementType element) {
  Value *scale = spread(node, operands->scale, operands, &x->type),
        *zero = spread(node, operands->zero, operands, &x->type);
  if (!scale) return NULL;
  ElementType wide = x->type.element == F64 ? F64 : F32;
  Value *code =
      onnx_binary(node, OP_DIV, onnx_convert(node, x, wide), onnx_convert(node, scale, wide));
  if (element_is_integer(element)) {
    code = onnx_unary(node, OP_ROUND, code);
    if (zero) code = onnx_binary(node, OP_ADD, code, onnx_convert(node, zero, wide));
    int bits = element_info[element].bits;
    double high = element_is_signed(element) ? ldexp(1, bits - 1) - 1 : ldexp(1, bits) - 1;
    Node *clip = code ? build_begin(&node->builder, OP_CLIP, &code, 1) : NULL;
    if (!clip) return NULL;
    node_set_float(clip, ATTR_LOW, element_is_signed(element) ? -high - 1 : 0);
    node_set_float(clip, ATTR_HIGH, high);
    code = build_end(&node->builder, clip);
  } else if (zero)
    code = onnx_binary(node, OP_ADD, code, onnx_convert(node, zero, wide));
  return onnx_convert(node, code, element);
}

static Value *quantize(OnnxNode *node, Value *x, const QuantOperands *operands, ElementType element,
                       bool typed) {
  const Quant *quant =
      typed && x->type.element == F32 ? constant_quant(node, operands, element) : NULL;
  if (!quant || element_info[element].bits > 16)
    return quantize_by_arithmetic(node, x, operands, element);
  Node *result = build_begin(&node->builder, OP_QUANTIZE, &x, 1);
  if (!result) return NULL;
  result->results[0]->type = type_with_element(x->type, element);
  result->results[0]->type.quant = quant;
  return build_end(&node->builder, result);
}

bool import_quantize_linear(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *zero = onnx_input(node, 2);
  QuantOperands operands;
  if (!quant_operands(node, &x->type, onnx_input(node, 1), zero, &operands)) return false;
  int64_t code = onnx_int(node, "output_dtype", 0);
  ElementType element = zero ? zero->type.element : code ? onnx_number_type(code) : U8;
  if (element == ELEMENT_NONE) return onnx_unsupported(node, "this element type");
  bool typed = onnx_wants_output(node, 0) && may_be_quantized(node, node->proto->output[0]);
  return onnx_output(node, 0, quantize(node, x, &operands, element, typed));
}

// --- dequantize

// Codes that come straight from an input of the model, perhaps reshaped: the input gets the
// quantized type, if nobody reads it otherwise.
static bool quantize_input(OnnxNode *node, Value *x, const Quant *quant) {
  if (x->use_count != 0 || x->graph->owner) return false;
  Value *input = x;
  while (input->definition) {
    const Node *move = input->definition;
    if ((move->op != OP_RESHAPE && move->op != OP_TRANSPOSE) || quant->count != 1) return false;
    input = move->operands[0];
    if (input->use_count != 1) return false;
  }
  if (input->type.quant || !input->name || !may_be_quantized(node, input->name)) return false;
  for (Value *value = x; value; value = value->definition ? value->definition->operands[0] : NULL)
    value->type.quant = quant;
  return true;
}

// The operand with the quantized type, where that can be said without computing anything.
static Value *with_quant(OnnxNode *node, Value *x, const Quant *quant) {
  Tensor tensor;
  if (x->type.quant) return quant_equal(x->type.quant, quant) ? x : NULL;
  if (value_tensor(x, &tensor)) {
    Type type = x->type;
    type.quant = quant;
    return build_constant(&node->builder, type, tensor.data, x->name);
  }
  return quantize_input(node, x, quant) ? x : NULL;
}

static Value *dequantize(OnnxNode *node, Value *x, const QuantOperands *operands,
                         ElementType element) {
  const Quant *quant = element == F32 ? constant_quant(node, operands, x->type.element) : NULL;
  Value *codes = quant ? with_quant(node, x, quant) : NULL;
  if (codes) return onnx_unary(node, OP_DEQUANTIZE, codes);
  if (x->type.quant) return onnx_error(node, "the input was quantized with other parameters"), NULL;
  ElementType wide = operands->scale->type.element == F64 ? F64 : F32;
  Value *scale = spread(node, operands->scale, operands, &x->type),
        *zero = spread(node, operands->zero, operands, &x->type);
  Value *real = onnx_convert(node, x, wide);
  if (zero) real = onnx_binary(node, OP_SUB, real, onnx_convert(node, zero, wide));
  Value *result =
      onnx_convert(node, onnx_binary(node, OP_MUL, real, onnx_convert(node, scale, wide)), element);
  if (operands->block && operands->axis == 0)
    import_note_blocked(node, result, x, operands->scale, operands->zero, operands->block);
  return result;
}

bool import_dequantize_linear(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  QuantOperands operands;
  if (!quant_operands(node, &x->type, onnx_input(node, 1), onnx_input(node, 2), &operands))
    return false;
  if (element_is_float(x->type.element) && element_info[x->type.element].bits > 8)
    return onnx_error(node, "the input is %s", element_info[x->type.element].text);
  if (operands.zero && operands.zero->type.element != x->type.element)
    return onnx_error(node, "the input is %s, the zero point %s",
                      element_info[x->type.element].text,
                      element_info[operands.zero->type.element].text);
  int64_t code = onnx_int(node, "output_dtype", 0);
  ElementType element = code ? onnx_number_type(code) : operands.scale->type.element;
  if (element == ELEMENT_NONE) return onnx_unsupported(node, "this element type");
  return onnx_output(node, 0, dequantize(node, x, &operands, element));
}

// scale = (max(x, 0) - min(x, 0)) / 255, zero = saturate(round(-min / scale))
Value *onnx_dynamic_quantize(OnnxNode *node, Value *x, Value **scale_result, Value **zero_result) {
  Value *none = onnx_scalar_like(node, x, 0);
  if (!none) return NULL;
  int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  Value *high =
      onnx_binary(node, OP_MAX,
                  build_reduce(&node->builder, OP_REDUCE_MAX, x, axes, x->type.rank, false), none);
  Value *low =
      onnx_binary(node, OP_MIN,
                  build_reduce(&node->builder, OP_REDUCE_MIN, x, axes, x->type.rank, false), none);
  Value *scale = onnx_binary(node, OP_DIV, onnx_binary(node, OP_SUB, high, low),
                             onnx_scalar_like(node, x, 255));
  Value *zero =
      onnx_unary(node, OP_ROUND, onnx_unary(node, OP_NEG, onnx_binary(node, OP_DIV, low, scale)));
  Node *clip = zero ? build_begin(&node->builder, OP_CLIP, &zero, 1) : NULL;
  if (!clip) return NULL;
  node_set_float(clip, ATTR_LOW, 0);
  node_set_float(clip, ATTR_HIGH, 255);
  Value *code = onnx_convert(node, build_end(&node->builder, clip), U8);
  QuantOperands operands = {scale, code, -1, 0};
  *scale_result = scale;
  *zero_result = code;
  return code ? quantize(node, x, &operands, U8, false) : NULL;
}

bool import_dynamic_quantize_linear(OnnxNode *node) {
  Value *scale, *zero;
  if (!onnx_need_inputs(node, 1)) return false;
  Value *codes = onnx_dynamic_quantize(node, onnx_input(node, 0), &scale, &zero);
  return codes && onnx_output(node, 0, codes) && onnx_output(node, 1, scale) &&
         onnx_output(node, 2, zero);
}
