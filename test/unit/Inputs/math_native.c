// Calls of the vector functions through arrays, for a test program that knows no vectors.
#include "math.h"

#include "runtime/kernels/vector/lanes.h"
#include <string.h>

#define NAME_1(name, type) tenon_##name##_##type
#define NAME_2(name, type) tenon_##name##_##type##x2
#define NAME_4(name, type) tenon_##name##_##type##x4
#define NAME_8(name, type) tenon_##name##_##type##x8
#define NAME_16(name, type) tenon_##name##_##type##x16
#define EACH_LANES(name, arguments) \
  CALL##arguments(name, f32, float, 1) CALL##arguments(name, f32, float, 4) \
  CALL##arguments(name, f32, float, 8) CALL##arguments(name, f32, float, 16) \
  CALL##arguments(name, f64, double, 1) CALL##arguments(name, f64, double, 2) \
  CALL##arguments(name, f64, double, 4) CALL##arguments(name, f64, double, 8)
#define BEGIN(name, type, scalar, lanes)                                                           \
  static void call_##name##_##type##x##lanes(scalar in[][MATH_LANES_MAX], scalar *out) {           \
    type##x##lanes a[3], result;                                                                   \
    for (int i = 0; i < 3; i++) memcpy(&a[i], in[i], sizeof a[i]);
#define END                                                                                        \
  memcpy(out, &result, sizeof result);                                                             \
  }
#define CALL1(name, type, scalar, lanes)                                                           \
  type##x##lanes NAME_##lanes(name, type)(type##x##lanes);                                  \
  BEGIN(name, type, scalar, lanes) result = NAME_##lanes(name, type)(a[0]);                 \
  END
#define CALL2(name, type, scalar, lanes)                                                           \
  type##x##lanes NAME_##lanes(name, type)(type##x##lanes, type##x##lanes);                  \
  BEGIN(name, type, scalar, lanes) result = NAME_##lanes(name, type)(a[0], a[1]);           \
  END
#define CALL3(name, type, scalar, lanes)                                                           \
  type##x##lanes NAME_##lanes(name, type)(type##x##lanes, type##x##lanes, type##x##lanes);  \
  BEGIN(name, type, scalar, lanes) result = NAME_##lanes(name, type)(a[0], a[1], a[2]);     \
  END
#define FUNCTION(name, arguments, ...) EACH_LANES(name, arguments)
#include "math.def"

const MathFunction math_functions[] = {
#define F32(name, arguments, lanes) {#name, arguments, lanes, call_##name##_f32x##lanes, NULL},
#define F64(name, arguments, lanes) {#name, arguments, lanes, NULL, call_##name##_f64x##lanes},
#define FUNCTION(name, n, ...)                                                                     \
  F32(name, n, 1) F32(name, n, 4) F32(name, n, 8) F32(name, n, 16)                                 \
  F64(name, n, 1) F64(name, n, 2) F64(name, n, 4) F64(name, n, 8)
#include "math.def"
    {NULL, 0, 0, NULL, NULL}};
