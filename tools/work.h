// How much there is to do in an op.
#ifndef TENON_TOOLS_WORK_H
#define TENON_TOOLS_WORK_H

#include "ir/graph.h"

// Dims of a value, with these values of the symbols.
void work_dims(const Value *value, const int64_t *symbols, int64_t *dims);
// Multiplications of one run of the node: convolutions, matrix products, recurrent nets; else 0.
int64_t work_macs(const Node *node, const int64_t *symbols);

#endif
