// Symbols of dims while something is interpreted: private to interpret*.c.
#ifndef TENON_IR_INTERPRET_SYMBOLS_H
#define TENON_IR_INTERPRET_SYMBOLS_H

#include "ir/interpret.h"

// Zeroed memory of malloc; never NULL.
void *allocate(size_t bytes);
int symbol_count(const Graph *graph);
int64_t *unbound_symbols(const Graph *graph); // all -1; to be freed
bool dim_is_bound(const Dim *dim, const int64_t *symbols);
// Is the tensor one that a list of this type of elements may hold?
bool tensor_fits_element(const Type *type, const Tensor *item);
// Binds the symbols of dims that are symbols alone, or else those of linear dims (2*N + 1).
void bind_dims(const Type *type, const Tensor *tensor, int64_t *symbols, bool lone);
// Symbols that are bound already are kept, and checked.
bool bind_inputs(const Graph *graph, const Tensor *inputs, int64_t *symbols, Diag *diag);

#endif
