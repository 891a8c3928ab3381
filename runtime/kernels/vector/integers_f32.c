// Conversions to integers, 1 to 16 lanes. Nothing here may be contracted.
#include "lanes.h"

#include "f32.h"

#define LANES 1
#include "integers.inc"
#undef LANES
#define LANES 4
#include "integers.inc"
#undef LANES
#define LANES 8
#include "integers.inc"
#undef LANES
#define LANES 16
#include "integers.inc"
#undef LANES
