// A module's way through passes and code generation, as the fuzz targets walk it: verified between passes, the object
// stays in memory.
#ifndef TENON_TEST_FUZZ_WHOLE_WAY_H
#define TENON_TEST_FUZZ_WHOLE_WAY_H

#include "ir/graph.h"
#include "ir/target.h"

typedef struct Way {
  const Target *target;
  const char *pipeline;
  int level;
  bool small; // -Os
} Way;

// False: reported.
bool way_run_passes(Arena *arena, Diag *diag, Module *module, const Way *way);
bool way_make_object(Arena *arena, Diag *diag, const Module *placed, const Way *way);

#endif
