// The executor that passes get: compiled for this machine, interpreted where there is no kernel
// yet.
#ifndef TENON_TOOLS_EXECUTOR_H
#define TENON_TOOLS_EXECUTOR_H

#include "ir/diag.h"
#include "ir/executor.h"

// `row`: a row of the target table that this machine runs, "interpreter", or NULL for the best one.
// The order of sums, and so the last bits of what a pass observes, follow from the row alone. NULL:
// reported.
Executor *executor_for_passes(Arena *arena, const char *row, Diag *diag);

#endif
