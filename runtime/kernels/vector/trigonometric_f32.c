// Trigonometric functions and inverses: float, 1 to 16 lanes. Multiplications and additions may be
// contracted where the target has the instruction; the stated bounds hold with and without.
#pragma clang fp contract(fast)
#include "lanes.h"

#include "f32.h"

// 2/pi in binary, after two words of the zeros in front of the point.
static const uint32_t TWO_OVER_PI_WORDS[] = {
    0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1,
    0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
};

#define LANES 1
#include "trigonometric.inc"
#undef LANES
#define LANES 4
#include "trigonometric.inc"
#undef LANES
#define LANES 8
#include "trigonometric.inc"
#undef LANES
#define LANES 16
#include "trigonometric.inc"
#undef LANES
