// Rounding to integers, square roots: float, 1 to 16 lanes.
#include "lanes.h"

#include "f32.h"

#define LANES 1
#include "rounding.inc"
#undef LANES
#define LANES 4
#include "rounding.inc"
#undef LANES
#define LANES 8
#include "rounding.inc"
#undef LANES
#define LANES 16
#include "rounding.inc"
#undef LANES
