// Between element types and quantized types: cast, quantize, dequantize, requantize.
#include <math.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/quant.h"

// --- cast

static bool is_float8(ElementType e) { return element_is_float(e) && element_info[e].bits == 8; }

static void cast_float(Tensor *to, int64_t index, double value, bool saturate) {
  if (is_float8(to->element) && to->element != F8E8M0)
    ((uint8_t *)to->data)[index] = small_float_from_double(to->element, value, saturate);
  else if (to->element == BOOL)
    ((uint8_t *)to->data)[index] = value != 0;
  else if (element_is_integer(to->element) && element_info[to->element].bits < 8)
    element_store_int(to->element, to->data, index,
                      element_load_int(F64, &value, 0)); // low bits, as ONNX's own
  else
    element_store(to->element, to->data, index, value);
}

// Integers wider than a double's mantissa go to f32 in one rounding.
static double integer_value(int64_t value, ElementType from, ElementType to) {
  if (to == F32) return from == U64 ? (double)(float)(uint64_t)value : (double)(float)value;
  return from == U64 ? (double)(uint64_t)value : (double)value;
}

bool interpret_cast(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  Tensor *y = &evaluation->results[0];
  bool saturate = node_int(evaluation->node, ATTR_SATURATE) != 0;
  for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
    if (element_is_float(x->element)) {
      cast_float(y, i, element_load(x->element, x->data, i), saturate);
      continue;
    }
    int64_t value = element_load_int(x->element, x->data, i);
    if (element_is_float(y->element))
      cast_float(y, i, integer_value(value, x->element, y->element), saturate);
    else
      element_store_int(y->element, y->data, i, value);
  }
  return true;
}

bool interpret_bit_cast(Evaluation *evaluation) { return interpret_copy(evaluation); }

// --- quantization: element i belongs to scale (i / inner) % count

typedef struct ScaleIndex {
  int64_t inner, count;
} ScaleIndex;

static ScaleIndex scale_index(const Tensor *tensor, const Quant *quant) {
  if (quant->count == 1) return (ScaleIndex){1, 1};
  AxisView view = axis_view(tensor, quant->axis);
  return (ScaleIndex){view.inner, view.length};
}

static int64_t scale_of(ScaleIndex index, int64_t element) {
  return element / index.inner % index.count;
}

// f32 arithmetic, as the generated code does it: the quotient is rounded to f32 first.
static int64_t quantize_value(float x, float scale, int32_t zero, int32_t low, int32_t high) {
  float code = rintf(x / scale);
  if (isnan(code)) return zero;
  double wide = (double)code + zero;
  return wide < low ? low : wide > high ? high : (int64_t)wide;
}

bool interpret_quantize(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  Tensor *y = &evaluation->results[0];
  const Quant *quant = evaluation->node->results[0]->type.quant;
  ScaleIndex index = scale_index(y, quant);
  int32_t low = 0, high = 0;
  if (element_is_integer(y->element)) quant_range(y->element, &low, &high);
  for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
    int64_t c = scale_of(index, i);
    float value = (float)element_load(x->element, x->data, i);
    if (element_is_float(y->element))
      cast_float(y, i, (double)(value / quant->scale[c]), true);
    else
      element_store_int(y->element, y->data, i,
                        quantize_value(value, quant->scale[c], quant->zero[c], low, high));
  }
  return true;
}

bool interpret_dequantize(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  Tensor *y = &evaluation->results[0];
  const Quant *quant = operand_type(evaluation, 0)->quant;
  ScaleIndex index = scale_index(x, quant);
  for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
    int64_t c = scale_of(index, i);
    float code = element_is_float(x->element)
                     ? (float)element_load(x->element, x->data, i)
                     : (float)(element_load_int(x->element, x->data, i) - quant->zero[c]);
    double value = y->element == F64 ? (double)code * (double)quant->scale[c]
                                     : (double)(code * quant->scale[c]);
    store_doubles(y, i, 1, 1, &value);
  }
  return true;
}

bool interpret_requantize(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  Tensor *y = &evaluation->results[0];
  const Quant *from = operand_type(evaluation, 0)->quant,
              *to = evaluation->node->results[0]->type.quant;
  ScaleIndex index = scale_index(x, from);
  int32_t low, high;
  quant_range(y->element, &low, &high);
  Requantization *by = NEW_ARRAY(evaluation->run->arena, Requantization, from->count);
  for (int c = 0; c < from->count; c++)
    by[c] = requantization_of((double)from->scale[c] / (double)to->scale[0]);
  for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
    int64_t c = scale_of(index, i);
    int64_t value = element_load_int(x->element, x->data, i) - quant_zero(from, c);
    element_store_int(y->element, y->data, i,
                      requantize((int32_t)(uint32_t)value, by[c], to->zero[0], low, high));
  }
  return true;
}
