// --data: the data set of the command line, for passes and for commands.
#ifndef TENON_TOOLS_DATA_H
#define TENON_TOOLS_DATA_H

#include "frontend/dataset.h"
#include "passes/pass.h"
#include "tools/model.h"

// NULL: reported.
Dataset *data_open(Tool *tool);
// The number of samples to use: --samples at most.
int64_t data_count(const Tool *tool, const Dataset *dataset);
// Sample `index` for a runnable's inputs.
bool data_sample(Tool *tool, Dataset *dataset, const Runnable *runnable, int64_t index,
                 Tensor *inputs, Arena *arena);
DataSet *data_for_passes(Tool *tool);

#endif
