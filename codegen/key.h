// The key of a kernel function: everything that its code may depend on, as text.
#ifndef TENON_CODEGEN_KEY_H
#define TENON_CODEGEN_KEY_H

#include "codegen/kernel.h"

// Row, attributes, types, storage of constants, values of one-element constants, which operands
// share memory with a result, regions. Names, offsets and contents of weights are not in it.
const char *kernel_key(Arena *arena, const Node *node, const KernelRow *row);
// Indices of the symbols that the node's types, dims and regions mention, ascending.
const int *kernel_symbols(Arena *arena, const DimTable *dims, const Node *node, int *count);

#endif
