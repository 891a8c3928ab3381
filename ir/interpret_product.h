// What matmul and the convolutions share: factors as double or, for integers, as differences to
// their zero points; bias; and how an accumulator becomes a result.
#ifndef TENON_IR_INTERPRET_PRODUCT_H
#define TENON_IR_INTERPRET_PRODUCT_H

#include "ir/interpret_values.h"
#include "ir/quant.h"

// An operand: one of the two is set. Integers are kept modulo 2^64: the low bits of the sum are
// those of a sum in the accumulator's type.
typedef struct Factor {
  const double *floats;
  const uint64_t *ints;
} Factor;

typedef struct Product {
  Evaluation *evaluation;
  bool integer;
  const double *float_bias; // NULL: none
  const int64_t *int_bias;
  // Quantized results.
  const Type *result; // NULL quant: accumulators are stored as they are
  const Quant *a, *w;
  int32_t low, high;
} Product;

// False (reported): the bias does not have one value per output channel.
bool product_start(Product *product, Evaluation *evaluation);
// Operand `index` as a factor, zero points subtracted; with quantization along `axis` of the
// operand.
Factor product_factor(Product *product, int index);
// Stores `count` accumulators (sums[i] belongs to output channel channel + i and to row `row` of
// the first operand) at element `at` of the result.
void product_store_floats(const Product *product, int64_t at, int64_t channel, int64_t count,
                          const double *sums);
void product_store_ints(const Product *product, int64_t at, int64_t row, int64_t channel,
                        int64_t count, const uint64_t *sums);

#endif
