// Quantization arithmetic: the only place that makes multipliers and shifts.
#include "ir/quant.h"

#include <assert.h>
#include <math.h>

Requantization requantization_of(double real_scale) {
  assert(real_scale >= 0 && "scales are checked where they come from a file");
  if (!(real_scale >= 0x1p-32)) return (Requantization){0, 32};
  if (real_scale >= 0x1p30) return (Requantization){INT32_MAX, 1};
  int exponent;
  double fraction =
      frexp(real_scale, &exponent); // real_scale = fraction * 2^exponent, fraction in [1/2, 1)
  int64_t multiplier = llrint(ldexp(fraction, REQUANTIZATION_BITS)) << (31 - REQUANTIZATION_BITS);
  int shift = 31 - exponent;
  if (multiplier == INT64_C(1) << 31) {
    multiplier /= 2;
    shift -= 1;
  }
  if (shift < 1) return (Requantization){INT32_MAX, 1};
  if (shift > 62) return (Requantization){0, 32};
  return (Requantization){(int32_t)multiplier, shift};
}

Requantization requantization_of_product(float scale_a, float scale_b, float scale_out) {
  return requantization_of((double)scale_a * (double)scale_b / (double)scale_out);
}

bool requantization_is_high(const Quant *x, const Quant *w, const Quant *y) {
  for (int i = 0; i < w->count; i++)
    if (requantization_of_product(x->scale[0], w->scale[i], y->scale[0]).shift < 33) return false;
  return true;
}

static int32_t clamp(int64_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : (int32_t)value;
}

int32_t requantize(int32_t accumulator, Requantization by, int32_t zero, int32_t low,
                   int32_t high) {
  int64_t product = (int64_t)accumulator * by.multiplier + (INT64_C(1) << (by.shift - 1));
  return clamp(zero + (product >> by.shift), low, high);
}

AddRequantization add_requantization_of(double scale_a, double scale_b, double scale_out) {
  double a = scale_a / scale_out, b = scale_b / scale_out, larger = a > b ? a : b;
  int exponent;
  frexp(larger, &exponent); // larger = fraction * 2^exponent, fraction in [1/2, 1)
  int shift = 20 - exponent;
  if (lrint(ldexp(larger, shift)) == 1 << 20) shift -= 1;
  shift = shift < 1 ? 1 : shift > 30 ? 30 : shift;
  double limit = (1 << 20) - 1; // only reached by scales that no result could represent
  return (AddRequantization){(int32_t)fmin(rint(ldexp(a, shift)), limit),
                             (int32_t)fmin(rint(ldexp(b, shift)), limit), shift};
}

void quant_range(ElementType element, int32_t *low, int32_t *high) {
  assert(element_is_integer(element) && element_info[element].bits <= 32 && element != U32);
  int bits = element_info[element].bits;
  int64_t span = INT64_C(1) << (element_is_signed(element) ? bits - 1 : bits);
  *low = (int32_t)(element_is_signed(element) ? -span : 0);
  *high = (int32_t)(span - 1);
}

const Quant *quant_per_tensor(Arena *arena, float scale, int32_t zero) {
  return quant_per_axis(arena, -1, 1, &scale, &zero);
}

const Quant *quant_per_axis(Arena *arena, int axis, int count, const float *scale,
                            const int32_t *zero) {
  Quant *quant = NEW(arena, Quant);
  *quant =
      (Quant){axis, count, arena_grow(arena, scale, (size_t)count, (size_t)count, sizeof *scale),
              arena_grow(arena, zero, (size_t)count, (size_t)count, sizeof *zero)};
  return quant;
}
