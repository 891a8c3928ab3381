// The executor that passes get: compiled for this machine, interpreted where there is no kernel
// yet.
#ifndef TENON_TOOLS_EXECUTOR_H
#define TENON_TOOLS_EXECUTOR_H

#include "ir/executor.h"
#include "ir/target.h"

Executor *executor_for_passes(Arena *arena, const Target *native);

#endif
