// Requantization of 32-bit sums in registers, and the tables that pack functions make for it.
#ifndef TENON_CODEGEN_KERNELS_REQUANTIZE_H
#define TENON_CODEGEN_KERNELS_REQUANTIZE_H

#include "codegen/kernel.h"
#include "ir/quant.h"

// q = clamp(zero + ((sum * multiplier + 2^(shift-1)) >> shift)) on lanes, multiplier and shift per
// lane. high_only: every shift is at least 33, so the high half of the product is enough; `shift`
// then is shift - 33, else the shift itself.
Val requantize_emit(Nest *nest, Val sum, Val multiplier, Val shift, bool high_only, int32_t zero,
                    int32_t low, int32_t high);

// q = clamp((floor(sum * multiplier / 2^12) + rounding) >> shift), the multiplier the upper 12 bits
// of `word`, positive; `rounding` has the zero point in it. All products are of 16 bits: no 64-bit
// multiplication.
Val requantize_emit_word(Nest *nest, Val sum, Val word, Val shift, Val rounding, int32_t low,
                         int32_t high);

#endif
