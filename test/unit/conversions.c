// Conversions and quantization of runtime/kernels/vector against definitions: a format's numbers by
// its formula, rounding by search among them.
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

int lanes_that_differ(void); // Inputs/conversions_native.c: vectors against single lanes

typedef struct {
  const char *name;
  int mantissa, bias, bits;
  uint32_t largest, overflow, nan; // codes without sign
  bool fnuz;                       // one NaN, where -0 would be
} Format;

#define FORMATS(X)                                                                                 \
  X(f16, uint16_t, 10, 15, 16, 0x7bff, 0x7c00, 0x7e00, false)                                      \
  X(bf16, uint16_t, 7, 127, 16, 0x7f7f, 0x7f80, 0x7fc0, false)                                     \
  X(f8e4m3fn, uint8_t, 3, 7, 8, 0x7e, 0x7f, 0x7f, false)                                           \
  X(f8e4m3fnuz, uint8_t, 3, 8, 8, 0x7f, 0x80, 0x80, true)                                          \
  X(f8e5m2, uint8_t, 2, 15, 8, 0x7b, 0x7c, 0x7e, false)                                            \
  X(f8e5m2fnuz, uint8_t, 2, 16, 8, 0x7f, 0x80, 0x80, true)                                         \
  X(f4e2m1, uint8_t, 1, 1, 4, 7, 7, 8, false)

#define X(name, type, ...) float tenon_##name##_to_f32(type stored);
FORMATS(X)
#undef X
uint16_t tenon_f32_to_f16(float x);
uint16_t tenon_f32_to_bf16(float x);
uint8_t tenon_f32_to_f8e4m3fn(float x);
uint8_t tenon_f32_to_f8e4m3fn_unsaturated(float x);
uint8_t tenon_f32_to_f8e4m3fnuz(float x);
uint8_t tenon_f32_to_f8e4m3fnuz_unsaturated(float x);
uint8_t tenon_f32_to_f8e5m2(float x);
uint8_t tenon_f32_to_f8e5m2_unsaturated(float x);
uint8_t tenon_f32_to_f8e5m2fnuz(float x);
uint8_t tenon_f32_to_f8e5m2fnuz_unsaturated(float x);
uint8_t tenon_f32_to_f4e2m1(float x);
uint8_t tenon_f32_to_f8e8m0(float x);
uint8_t tenon_f32_to_f8e8m0_unsaturated(float x);
uint8_t tenon_f32_to_f8e8m0_down(float x);
uint8_t tenon_f32_to_f8e8m0_down_unsaturated(float x);
uint8_t tenon_f32_to_f8e8m0_nearest(float x);
uint8_t tenon_f32_to_f8e8m0_nearest_unsaturated(float x);
float tenon_f8e8m0_to_f32(uint8_t stored);
int8_t tenon_f32_to_i8(float x);
uint8_t tenon_f32_to_u8(float x);
int32_t tenon_f32_to_i32(float x);
uint32_t tenon_f64_to_u32(double x);
int64_t tenon_f32_to_i64(float x);
uint64_t tenon_f64_to_u64(double x);
int32_t tenon_requantize(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t);
int32_t tenon_requantize_float(int32_t, float, int32_t, int32_t, int32_t);
int32_t tenon_quantize(float, float, int32_t, int32_t, int32_t);

static const Format formats[] = {
#define X(name, type, ...) {#name, __VA_ARGS__},
    FORMATS(X)
#undef X
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

static float decode(int format, uint32_t code) {
  switch (format) {
  case 0: return tenon_f16_to_f32((uint16_t)code);
  case 1: return tenon_bf16_to_f32((uint16_t)code);
  case 2: return tenon_f8e4m3fn_to_f32((uint8_t)code);
  case 3: return tenon_f8e4m3fnuz_to_f32((uint8_t)code);
  case 4: return tenon_f8e5m2_to_f32((uint8_t)code);
  case 5: return tenon_f8e5m2fnuz_to_f32((uint8_t)code);
  default: return tenon_f4e2m1_to_f32((uint8_t)code);
  }
}

static uint32_t encode(int format, float x, bool saturate) {
  switch (format) {
  case 0: return tenon_f32_to_f16(x);
  case 1: return tenon_f32_to_bf16(x);
  case 2: return saturate ? tenon_f32_to_f8e4m3fn(x) : tenon_f32_to_f8e4m3fn_unsaturated(x);
  case 3: return saturate ? tenon_f32_to_f8e4m3fnuz(x) : tenon_f32_to_f8e4m3fnuz_unsaturated(x);
  case 4: return saturate ? tenon_f32_to_f8e5m2(x) : tenon_f32_to_f8e5m2_unsaturated(x);
  case 5: return saturate ? tenon_f32_to_f8e5m2fnuz(x) : tenon_f32_to_f8e5m2fnuz_unsaturated(x);
  default: return tenon_f32_to_f4e2m1(x);
  }
}

static double magnitude_of(const Format *format, uint32_t code) {
  int exponent = (int)(code >> format->mantissa);
  uint32_t fraction = code & ((1u << format->mantissa) - 1);
  if (exponent) fraction |= 1u << format->mantissa;
  return ldexp(fraction, (exponent ? exponent : 1) - format->bias - format->mantissa);
}

// The nearest number; of two equally near ones that with the even code. One code after the largest
// is thought of as a number too: what rounds to it is beyond the range.
static uint32_t nearest_code(const Format *format, double magnitude) {
  uint32_t low = 0, high = format->largest + 1;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (magnitude_of(format, middle) <= magnitude)
      low = middle;
    else
      high = middle;
  }
  double below = magnitude - magnitude_of(format, low),
         above = magnitude_of(format, high) - magnitude;
  return below < above || (below == above && low % 2 == 0) ? low : high;
}

static uint32_t expected_code(const Format *format, float x, bool saturate) {
  uint32_t sign = signbit(x) ? 1u << (format->bits - 1) : 0;
  bool half = format->bits == 16; // these have no saturating form
  if (isnan(x)) return format->bits == 4 ? 8 : format->fnuz ? format->nan : format->nan | sign;
  uint32_t code = isinf(x) ? format->largest + 1 : nearest_code(format, fabs((double)x));
  if (code > format->largest) code = saturate && !half ? format->largest : format->overflow;
  if (format->fnuz && code == 0) return 0;
  return code | sign;
}

static void test_decode(int index) {
  const Format *format = &formats[index];
  uint32_t sign = 1u << (format->bits - 1);
  for (uint32_t code = 0; code < 2 * sign; code++) {
    float value = decode(index, code);
    uint32_t magnitude = code & (sign - 1);
    if (format->fnuz && code == sign)
      CHECK(isnan(value));
    else if (magnitude <= format->largest)
      CHECK((double)fabsf(value) == magnitude_of(format, magnitude) &&
            !signbit(value) == !(code & sign));
    else if (format->overflow != format->nan && magnitude == format->overflow)
      CHECK(isinf(value));
    else
      CHECK(isnan(value));
    if (!isnan(value)) CHECK(isinf(value) || encode(index, value, true) == code);
  }
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void test_encode(int index) {
  const Format *format = &formats[index];
  int failures = 0;
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32 && failures < 5; bits += 20011) {
    for (int saturate = 0; saturate < 2; saturate++) {
      float x = float_of((uint32_t)bits);
      uint32_t got = encode(index, x, saturate), want = expected_code(format, x, saturate);
      bool same = format->bits == 16 && isnan(x) ? isnan(decode(index, got)) : got == want;
      if (same) continue;
      failures++;
      fprintf(stderr, "%s of %a: 0x%x, not 0x%x\n", format->name, (double)x, got, want);
    }
  }
  CHECK(failures == 0);
  for (uint32_t code = 0; code < format->largest; code++) { // halfway between neighbours
    double half = (magnitude_of(format, code) + magnitude_of(format, code + 1)) / 2;
    CHECK(encode(index, (float)half, true) == expected_code(format, (float)half, true));
    CHECK(encode(index, -(float)half, true) == expected_code(format, -(float)half, true));
  }
}

static int to_power(float x, bool saturate, int round) {
  uint8_t (*const functions[2][3])(float) = {
      {tenon_f32_to_f8e8m0_unsaturated, tenon_f32_to_f8e8m0_down_unsaturated,
       tenon_f32_to_f8e8m0_nearest_unsaturated},
      {tenon_f32_to_f8e8m0, tenon_f32_to_f8e8m0_down, tenon_f32_to_f8e8m0_nearest}};
  return functions[saturate][round](x);
}

static void test_powers_of_two(void) {
  for (int code = 0; code < 255; code++) {
    CHECK(tenon_f8e8m0_to_f32((uint8_t)code) == ldexpf(1, code - 127));
    for (int round = 0; round < 3; round++)
      CHECK(to_power(ldexpf(1, code - 127), 1, round) == code);
    if (code == 254) break;
    float x = ldexpf(1.25f, code - 127), half = ldexpf(1.5f, code - 127);
    CHECK(to_power(x, 1, 0) == code + 1 && to_power(x, 1, 1) == code);
    CHECK(to_power(x, 1, 2) == code && to_power(half, 1, 2) == code + 1);
  }
  CHECK(isnan(tenon_f8e8m0_to_f32(255)));
  CHECK(to_power(0, 1, 0) == 0 && to_power(0, 0, 2) == 255);
  CHECK(to_power(INFINITY, 1, 0) == 254 && to_power(INFINITY, 0, 2) == 255);
  CHECK(to_power(0x1p-130f, 1, 0) == 0 && to_power(0x1p-130f, 0, 0) == 255);
  CHECK(to_power(NAN, 1, 0) == 255);
}

static void test_integers(void) {
  CHECK(tenon_f32_to_i8(-3.9f) == -3 && tenon_f32_to_i8(300) == 127);
  CHECK(tenon_f32_to_i8(-INFINITY) == -128 && tenon_f32_to_i8(NAN) == 0);
  CHECK(tenon_f32_to_u8(-0.5f) == 0 && tenon_f32_to_u8(255.9f) == 255 && tenon_f32_to_u8(-9) == 0);
  CHECK(tenon_f32_to_i32(2147483520) == 2147483520 && tenon_f32_to_i32(3e9f) == INT32_MAX);
  CHECK(tenon_f32_to_i32(-0x1p31f) == INT32_MIN && tenon_f32_to_i32(-1e30f) == INT32_MIN);
  CHECK(tenon_f64_to_u32(4294967295.5) == UINT32_MAX && tenon_f64_to_u32(1e10) == UINT32_MAX);
  CHECK(tenon_f32_to_i64(1e30f) == INT64_MAX && tenon_f32_to_i64(-1e30f) == INT64_MIN);
  CHECK(tenon_f64_to_u64(0x1p63) == UINT64_C(1) << 63 && tenon_f64_to_u64(1e30) == UINT64_MAX);
  CHECK(tenon_f64_to_u64(-1) == 0 && tenon_f32_to_i64(NAN) == 0);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

static void test_quantize(void) {
  uint64_t state = 1;
  for (int i = 0; i < 200000; i++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    int shift = 32 + (int)(state >> 40) % 31, zero = (int)(state >> 20 & 255) - 128;
    int32_t accumulator = (int32_t)(state >> 32) >> (state >> 16 & 31);
    int32_t multiplier = (int32_t)(state >> 33 | 0x40000000);
    // A floor division by 2^shift, without relying on the shift of a negative number.
    int64_t sum = (int64_t)accumulator * multiplier + (INT64_C(1) << (shift - 1));
    int64_t unit = INT64_C(1) << shift, quotient = sum / unit - (sum % unit < 0);
    CHECK(tenon_requantize(accumulator, multiplier, shift, zero, -128, 127) ==
          clamp(quotient + zero, -128, 127));
    float scale = ldexpf((float)multiplier, -shift);
    double rounded = rint((double)((float)accumulator * scale));
    CHECK(tenon_requantize_float(accumulator, scale, zero, -128, 127) ==
          clamp((int64_t)rounded + zero, -128, 127));
    float x = ldexpf((float)accumulator, -12), step = 0.37f;
    CHECK(tenon_quantize(x, step, zero + 128, 0, 65535) ==
          clamp((int64_t)rintf(x / step) + zero + 128, 0, 65535));
  }
  CHECK(tenon_quantize(NAN, 1, 3, 0, 255) == 0);
  CHECK(tenon_quantize(INFINITY, 1, 3, 0, 255) == 255);
  CHECK(tenon_quantize(0.5f, 1, 0, 0, 255) == 0 && tenon_quantize(1.5f, 1, 0, 0, 255) == 2);
}

int main(void) {
  for (int format = 0; format < FORMAT_COUNT; format++) {
    test_decode(format);
    test_encode(format);
  }
  test_powers_of_two();
  test_integers();
  test_quantize();
  CHECK(lanes_that_differ() == 0);
  return check_status();
}
