// Conversions to integers, 1 to 8 lanes. Nothing here may be contracted.
#include "lanes.h"

#include "f64.h"

#define LANES 1
#include "integers.inc"
#undef LANES
#define LANES 2
#include "integers.inc"
#undef LANES
#define LANES 4
#include "integers.inc"
#undef LANES
#define LANES 8
#include "integers.inc"
#undef LANES
