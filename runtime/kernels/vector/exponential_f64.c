// Exponentials, logarithms, activations: double, 1 to 8 lanes. Multiplications and additions may be
// contracted where the target has the instruction; the stated bounds hold with and without.
#pragma clang fp contract(fast)
#include "lanes.h"

#include "f64.h"

#define LANES 1
#include "exponential.inc"
#undef LANES
#define LANES 2
#include "exponential.inc"
#undef LANES
#define LANES 4
#include "exponential.inc"
#undef LANES
#define LANES 8
#include "exponential.inc"
#undef LANES
