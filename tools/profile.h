// Where the time of one call goes, op by op.
#ifndef TENON_TOOLS_PROFILE_H
#define TENON_TOOLS_PROFILE_H

#include "tools/model.h"

// Runs the model until the time is over and prints a table: each op's least time. False: reported.
bool profile_run(Tool *tool, Runnable *runnable, const Tensor *inputs, double seconds);
// f32 multiply-adds of one core, in 10^9 operations per second (a multiply-add is two); 0: not
// known here.
double profile_peak(void);

#endif
