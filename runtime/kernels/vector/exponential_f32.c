// Exponentials, logarithms, activations: float, 1 to 16 lanes. Multiplications and additions may be
// contracted where the target has the instruction; the stated bounds hold with and without.
#pragma clang fp contract(fast)
#include "lanes.h"

#include "f32.h"

#define LANES 1
#include "exponential.inc"
#undef LANES
#define LANES 4
#include "exponential.inc"
#undef LANES
#define LANES 8
#include "exponential.inc"
#undef LANES
#define LANES 16
#include "exponential.inc"
#undef LANES
