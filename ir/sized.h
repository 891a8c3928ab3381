// Dims that depend on data: symbols that stand in no input's type and get a value when the node
// that finds them has run.
#ifndef TENON_IR_SIZED_H
#define TENON_IR_SIZED_H

#include "ir/graph.h"

enum { MAX_SIZES = 8 };

// The symbols that a node with trait SIZED finds, in the order in which its kernel leaves them.
int sized_dims(const Node *node, const Dim *found[MAX_SIZES]);
// What the first of them is at most, as a dim of the operands; NULL: these do not tell (measure).
const Dim *sized_limit(const Node *node);
// Does the node find dims: symbols of its results that no input of the model has?
bool sized_finds_dims(const Node *node);
// Does anything behind the node mention a symbol that it finds?
bool sized_dims_are_used(const Node *node);
// Bytes of all the workspace of a placed function at given dims of the inputs (by symbol).
int64_t open_workspace_bytes(const Graph *graph, const int64_t *symbols, int64_t alignment);

#endif
