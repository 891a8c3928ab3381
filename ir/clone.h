// How clones relate to their originals; see graph_clone and module_clone in graph.h.
#ifndef TENON_IR_CLONE_H
#define TENON_IR_CLONE_H

#include "ir/graph.h"

// Copies nodes and outputs of `graph` to the end of `to`, with `inputs` (one per input of `graph`,
// values of `to`) in place of its inputs: inlining. The outputs are written to `outputs`
// (graph->output_count). Names of constants become unique in the module of `to`.
void graph_clone_body(Graph *to, const Graph *graph, Value *const *inputs, Value **outputs);

#endif
