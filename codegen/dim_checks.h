// Dims that can only be checked when the model runs.
#ifndef TENON_CODEGEN_DIM_CHECKS_H
#define TENON_CODEGEN_DIM_CHECKS_H

#include "codegen/internal.h"

// A condition that is true if dims contradict each other; NULL: nothing to check (static models).
Val emit_dim_checks(Compiled *compiled, Frame *frame, const Graph *graph);
// What could not be checked at the start, since a dim was found in between: fails before the node
// runs.
void emit_late_dim_checks(Compiled *compiled, Frame *frame, const Node *node);

#endif
