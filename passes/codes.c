#include "passes/codes.h"

#include "ir/builder.h"
#include "ir/quant.h"

bool codes_fit_centred(const Value *weights, int axis) {
  const Quant *quant = weights->type.quant;
  bool shifted = weights->type.element == U8;
  for (int i = 0; quant && i < quant->count; i++) shifted |= quant->zero[i] != 0;
  if (!shifted) return true;
  Tensor tensor;
  if (!value_tensor(weights, &tensor)) return false;
  int64_t inner = 1;
  for (int i = axis + 1; i < tensor.rank; i++) inner *= tensor.dims[i];
  for (int64_t i = 0, n = tensor_count(&tensor); i < n; i++) {
    int64_t code = element_load_int(tensor.element, tensor.data, i) -
                   (quant ? quant_zero(quant, i / inner % tensor.dims[axis]) : 0);
    if (code < INT8_MIN || code > INT8_MAX) return false;
  }
  return true;
}
