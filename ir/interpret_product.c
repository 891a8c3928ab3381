// Factors, bias and results of products.
#include "ir/interpret_product.h"

#include "ir/move.h"

bool product_start(Product *product, Evaluation *evaluation) {
  Product p = {.evaluation = evaluation};
  const Tensor *result = &evaluation->results[0];
  p.integer = element_is_integer(evaluation->operands[0].element);
  if (operand_present(evaluation, 2)) {
    if (!check_count(evaluation, 2, result->dims[result->rank - 1])) return false;
    if (p.integer)
      p.int_bias = all_ints(evaluation, &evaluation->operands[2]);
    else
      p.float_bias = all_doubles(evaluation, &evaluation->operands[2]);
  }
  p.result = node_own_type(evaluation->node);
  p.a = operand_type(evaluation, 0)->quant;
  p.w = operand_type(evaluation, 1)->quant;
  bool codes = p.result->quant && element_info[p.result->element].bits <= 16;
  if (codes) quant_range(p.result->element, &p.low, &p.high);
  *product = p;
  return true;
}

Factor product_factor(Product *product, int index) {
  const Tensor *tensor = &product->evaluation->operands[index];
  if (!product->integer) return (Factor){.floats = all_doubles(product->evaluation, tensor)};
  int64_t *values = all_ints(product->evaluation, tensor);
  const Quant *quant = operand_type(product->evaluation, index)->quant;
  if (quant) {
    AxisView view = {1, 1, 1};
    if (quant->count > 1) view = axis_view(tensor, quant->axis);
    for (int64_t i = 0, n = tensor_count(tensor); i < n; i++)
      values[i] -= quant_zero(quant, i / view.inner % view.length);
  }
  return (Factor){.ints = (const uint64_t *)values};
}

void product_store_floats(const Product *product, int64_t at, int64_t channel, int64_t count,
                          const double *sums) {
  double values[RUN_LENGTH];
  for (int64_t done = 0; done < count;) {
    int64_t now = count - done < RUN_LENGTH ? count - done : RUN_LENGTH;
    for (int64_t i = 0; i < now; i++)
      values[i] =
          sums[done + i] + (product->float_bias ? product->float_bias[channel + done + i] : 0);
    store_doubles(&product->evaluation->results[0], at + done, 1, now, values);
    done += now;
  }
}

void product_store_ints(const Product *product, int64_t at, int64_t row, int64_t channel,
                        int64_t count, const uint64_t *sums) {
  Tensor *result = &product->evaluation->results[0];
  for (int64_t i = 0; i < count; i++) {
    uint64_t sum = sums[i] + (product->int_bias ? (uint64_t)product->int_bias[channel + i] : 0);
    int64_t value = (int64_t)sum;
    if (product->high) {
      const Quant *to = product->result->quant;
      Requantization by = requantization_of_product(
          quant_scale(product->a, row), quant_scale(product->w, channel + i), to->scale[0]);
      value = requantize((int32_t)(uint32_t)sum, by, to->zero[0], product->low, product->high);
    }
    element_store_int(result->element, result->data, at + i, value);
  }
}
