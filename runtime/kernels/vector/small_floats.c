// Conversions of f32 from and to the stored formats, 1 to 16 lanes. Nothing here may be contracted.
#include "lanes.h"

#include "f32.h"

#define LANES 1
#include "small_floats.inc"
#undef LANES
#define LANES 4
#include "small_floats.inc"
#undef LANES
#define LANES 8
#include "small_floats.inc"
#undef LANES
#define LANES 16
#include "small_floats.inc"
#undef LANES
