// Quantization arithmetic shared by interpreter, passes and code generation: one host function
// makes every multiplier and shift, so that all targets agree bit for bit.
#ifndef TENON_IR_QUANT_H
#define TENON_IR_QUANT_H

#include "ir/arena.h"
#include "ir/type.h"

// q = clamp(zero + ((acc * multiplier + 2^(shift-1)) >> shift)): one rounding, half up.
// 2^30 <= multiplier < 2^31 and 1 <= shift <= 62 (32 or more for scales below 1/2); scale 0 (or
// below 2^-32): multiplier 0, shift 32. The multiplier has REQUANTIZATION_BITS leading bits: as
// many as the product of three f32 scales is worth, so that scales chosen for a short multiplier
// give exactly that one.
enum { REQUANTIZATION_BITS = 21 };
typedef struct Requantization {
  int32_t multiplier;
  int shift;
} Requantization;

Requantization requantization_of(double real_scale); // 0 <= real_scale < 2^30
// The multiplier of a product's accumulator: scale_a * scale_b / scale_out, in double, in this
// order.
Requantization requantization_of_product(float scale_a, float scale_b, float scale_out);
// Whether the high half of every channel's product decides: all shifts of x times w to y are at
// least 33.
bool requantization_is_high(const Quant *x, const Quant *w, const Quant *y);
int32_t requantize(int32_t accumulator, Requantization by, int32_t zero, int32_t low, int32_t high);
// Bits below a code that a mean over a varying number of codes keeps until it is requantized.
enum { MEAN_FRACTION_BITS = 8 };

// Quantized addition in 32 bits: q = clamp(zero + (((a - za) * ma + (b - zb) * mb + 2^(shift-1)) >>
// shift)). The larger multiplier lies in [2^19, 2^20), so that nothing overflows with 8-bit
// operands.
typedef struct AddRequantization {
  int32_t multiplier_a, multiplier_b;
  int shift;
} AddRequantization;
AddRequantization add_requantization_of(double scale_a, double scale_b, double scale_out);

// Range of codes of an integer element type.
void quant_range(ElementType element, int32_t *low, int32_t *high);
const Quant *quant_per_tensor(Arena *arena, float scale, int32_t zero);
const Quant *quant_per_axis(Arena *arena, int axis, int count, const float *scale,
                            const int32_t *zero);
static inline float quant_scale(const Quant *quant, int64_t index) {
  return quant->scale[quant->count == 1 ? 0 : index];
}
static inline int32_t quant_zero(const Quant *quant, int64_t index) {
  return quant->zero[quant->count == 1 ? 0 : index];
}

#endif
