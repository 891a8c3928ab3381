// Requantization of 32-bit sums in registers, and the tables that pack functions make for it.
#ifndef TENON_CODEGEN_KERNELS_REQUANTIZE_H
#define TENON_CODEGEN_KERNELS_REQUANTIZE_H

#include "codegen/kernel.h"
#include "ir/quant.h"

// q = clamp(zero + ((sum * multiplier + 2^(shift-1)) >> shift)) on lanes, multiplier and shift per lane.
// high_only: every shift is at least 33, so the high half of the product is enough; `shift` then is
// shift - 33, else the shift itself.
Val requantize_emit(Nest *nest, Val sum, Val multiplier, Val shift, bool high_only, int32_t zero, int32_t low, int32_t high);

// Per output channel: bias (zero points folded in), multiplier, shift as requantize_emit wants it.
typedef struct ChannelTable {
  int32_t bias, multiplier, shift;
} ChannelTable;

#endif
