// Bodies of pointwise ops between codes and numbers (docs/ir.md, "Quantized values").
#ifndef TENON_CODEGEN_POINTWISE_QUANTIZED_H
#define TENON_CODEGEN_POINTWISE_QUANTIZED_H

#include "codegen/kernel.h"

// Parameters of one scale, or of a vector of them; lanes as those of the operand. What an op does
// not use may be NULL.
typedef struct QuantLanes {
  Val scale;             // f32: of quantize, dequantize
  Val zero;              // i32: of the result (quantize), of the operand (dequantize, requantize)
  Val multiplier, shift; // i32: of requantize; shift as requantize_emit wants it
} QuantLanes;

// quantize, dequantize, requantize with the given parameters.
Val quantized_convert(Kernel *kernel, const Node *node, Val x, const QuantLanes *by);
// The same with the parameters of a tensor that is quantized as a whole.
Val quantized_convert_tensor(Kernel *kernel, const Node *node, Val x);
// add, sub, mul of codes.
Val quantized_binary(Kernel *kernel, const Node *node, Val a, Val b);
// Whether requantize's shifts are all at least 33, so that the high half of the product decides.
bool quantized_shifts_are_high(const Node *node);

#endif
