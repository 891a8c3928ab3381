// test/unit/math.c on the same sources built for AVX2 and FMA, where a * b + c rounds once.
#define MATH_NEEDS_FMA
#include "math.c"
