// The vector forms of conversions and quantization give in each lane what one lane gives.
#include "runtime/kernels/vector/lanes.h"
#include <stdio.h>
#include <string.h>

int lanes_that_differ(void);

#define AT(lanes, from, to, T, S)                                                                  \
  to##x1 JOIN5(tenon_, T, _to_, S, )(from##x1);                                                  \
  to##x##lanes JOIN5(tenon_, T, _to_, S, x##lanes)(from##x##lanes);                                \
  static int differ_##T##_##S##_##lanes(const from##x16 *in) {                                     \
    from##x##lanes part;                                                                           \
    memcpy(&part, in, sizeof part);                                                                \
    to##x##lanes all = JOIN5(tenon_, T, _to_, S, x##lanes)(part);                                  \
    int count = 0;                                                                                 \
    for (int i = 0; i < lanes; i++) {                                                              \
      to##x1 lane = all[i], one = JOIN5(tenon_, T, _to_, S, )(part[i]);                          \
      count += memcmp(&lane, &one, sizeof lane) != 0;                                              \
    }                                                                                              \
    if (count) fprintf(stderr, "%s to %s, %d lanes: %d differ\n", #T, #S, lanes, count);           \
    return count;                                                                                  \
  }
#define EACH(X)                                                                                    \
  X(f32, u16, f32, f16) X(f32, u16, f32, bf16) X(u16, f32, f16, f32) X(u16, f32, bf16, f32)        \
  X(u8, f32, f8e4m3fn, f32) X(u8, f32, f8e4m3fnuz, f32) X(u8, f32, f8e5m2, f32)                    \
  X(u8, f32, f8e5m2fnuz, f32) X(u8, f32, f8e8m0, f32) X(u8, f32, f4e2m1, f32)                      \
  X(f32, u8, f32, f4e2m1) X(f32, u8, f32, f8e5m2fnuz) X(f32, u8, f32, f8e8m0) X(f32, i8, f32, i8) X(f32, u8, f32, u8) X(f32, i16, f32, i16)            \
  X(f32, i32, f32, i32) X(f32, u32, f32, u32) X(f32, i64, f32, i64) X(f32, u64, f32, u64)          \
  X(f64, i32, f64, i32) X(f64, u64, f64, u64)
#define DEFINE(from, to, T, S) AT(4, from, to, T, S) AT(8, from, to, T, S)
EACH(DEFINE)

i32x8 tenon_requantizex8(i32x8, i32x8, i32x8, i32x8, i32x8, i32x8);
int32_t tenon_requantize(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t);

static int differ_requantize(uint64_t state) {
  i32x8 accumulator, multiplier, shift, zero = 3, low = -128, high = 127;
  int count = 0;
  for (int i = 0; i < 8; i++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    accumulator[i] = (int32_t)(state >> 32) >> (state >> 16 & 15);
    multiplier[i] = (int32_t)(state >> 33 | 0x40000000);
    shift[i] = 32 + (int)(state >> 40) % 31;
  }
  i32x8 all = tenon_requantizex8(accumulator, multiplier, shift, zero, low, high);
  for (int i = 0; i < 8; i++)
    count += all[i] != tenon_requantize(accumulator[i], multiplier[i], shift[i], 3, -128, 127);
  return count;
}

// Random bits, and where floats are read small numbers as often.
static uint64_t fill(unsigned char *bytes, size_t size, uint64_t state, int floats) {
  for (size_t i = 0; i < size; i++) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    bytes[i] = (unsigned char)(state >> 40);
  }
  for (size_t i = 0; floats && i + 8 <= size; i += 8) {
    float x = (float)(int32_t)(state >> 32) * 0x1p-20f * (float)(i + 1);
    memcpy(bytes + i, &x, sizeof x);
  }
  return state;
}

int lanes_that_differ(void) {
  uint64_t state = 7;
  int count = 0;
  for (int round = 0; round < 2000; round++) {
#define RUN(from, to, T, S)                                                                        \
  {                                                                                                \
    from##x16 in;                                                                                  \
    state = fill((unsigned char *)&in, sizeof in, state, sizeof in[0] == 4);                       \
    count += differ_##T##_##S##_4(&in) + differ_##T##_##S##_8(&in);                                \
  }
    EACH(RUN)
    count += differ_requantize(state);
  }
  return count;
}
