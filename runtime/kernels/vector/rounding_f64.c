// Rounding to integers, square roots: double, 1 to 8 lanes.
#include "lanes.h"

#include "f64.h"

#define LANES 1
#include "rounding.inc"
#undef LANES
#define LANES 2
#include "rounding.inc"
#undef LANES
#define LANES 4
#include "rounding.inc"
#undef LANES
#define LANES 8
#include "rounding.inc"
#undef LANES
