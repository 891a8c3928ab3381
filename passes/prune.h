// The two kinds of pruning; pass_prune chooses.
#ifndef TENON_PASSES_PRUNE_H
#define TENON_PASSES_PRUNE_H

#include "passes/pass.h"

bool prune_elements(Graph *graph, PassContext *context, double sparsity, bool global);
// Channels of convolutions (`filters`) or columns of matrix products (neurons).
bool prune_channels(Graph *graph, PassContext *context, double sparsity, bool global, bool filters);

#endif
