// Scales and biases of output channels chosen so that both fit into one word
// (ir/product_channels.h): a third of the bytes, and a requantization by 16-bit products. A scale
// moves by what its multiplier's last bit is worth, a bias by a fraction of a code; where that
// would be felt, the layer stays as it was.
#include <math.h>
#include <stdlib.h>

#include "passes/quantize.h"

static const double felt = 1.0 / 16; // of a code

static double multiplier_unit(double largest, double *limit) {
  int exponent;
  *limit = ldexp(1, CHANNEL_MULTIPLIER_BITS);
  frexp(largest, &exponent);
  double unit = ldexp(1, exponent - CHANNEL_MULTIPLIER_BITS);
  return ceil(largest / unit) < *limit ? unit : 2 * unit;
}

// A channel beside one of far larger scale has few bits. Its weights lose little, or count for
// little.
static bool is_harmless(double multiplier, double wanted, double unit, int64_t depth) {
  const double input_codes = 128;
  if (multiplier <= wanted * (1 + 1.0 / 16)) return true;
  return multiplier * unit / 2 * input_codes * (double)depth <= felt;
}

void quantize_shorten_scales(float *scales, int64_t channels, int64_t depth, float x_scale,
                             float y_scale, Arena *scratch) {
  double to_result = (double)x_scale / (double)y_scale, largest = 0, limit;
  for (int64_t c = 0; c < channels; c++) largest = fmax(largest, (double)scales[c] * to_result);
  if (!(largest > 0x1p-30 && largest < 0.5)) return;
  double unit = multiplier_unit(largest, &limit);
  float *shorter = NEW_ARRAY(scratch, float, channels + 1);
  for (int64_t c = 0; c < channels; c++) {
    double wanted = (double)scales[c] * to_result / unit, multiplier = fmax(ceil(wanted), 1);
    if (multiplier >= limit || !is_harmless(multiplier, wanted, unit, depth)) return;
    shorter[c] = (float)(multiplier * unit / to_result);
  }
  for (int64_t c = 0; c < channels; c++) scales[c] = shorter[c];
}

// Of a bias and what kernels may make of it.
static int64_t largest_folded(int64_t bias, int64_t weights, int32_t zero, ElementType x) {
  int64_t offset = x == I8 ? 128 : -128, plain = bias - zero * weights,
          moved = plain - offset * weights;
  return llabs(plain) > llabs(moved) ? llabs(plain) : llabs(moved);
}

static int64_t round_folded(int64_t bias, int64_t weights, int32_t zero, int shift) {
  int64_t folded = bias - zero * weights, half = shift ? INT64_C(1) << (shift - 1) : 0;
  return ((folded + half) >> shift) * (INT64_C(1) << shift) + zero * weights;
}

void quantize_shorten_biases(int32_t *biases, const int64_t *weights, int64_t channels,
                             const Type *x, double largest_scale) {
  enum { MOST_SHIFT = 7 }; // of 128 times the weights these bits are zero
  int32_t zero = x->quant->zero[0];
  for (int shift = 0; shift <= MOST_SHIFT && ldexp(largest_scale, shift) <= felt; shift++) {
    int64_t largest = 0;
    for (int64_t c = 0; c < channels; c++) {
      int64_t folded = largest_folded(round_folded(biases[c], weights[c], zero, shift), weights[c],
                                      zero, x->element);
      if (folded > largest) largest = folded;
    }
    if (largest >> shift >= 1 << (CHANNEL_BIAS_BITS - 1)) continue;
    for (int64_t c = 0; c < channels; c++)
      biases[c] = (int32_t)round_folded(biases[c], weights[c], zero, shift);
    return;
  }
}
