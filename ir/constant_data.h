// Who owns the bytes of constants.
//
// Those of the model lie in its mapped file. Those that passes compute (transposed, folded, pruned
// weights) replace one another, each as large as the model, so they lie in an arena of their own,
// which module_trim sweeps: what no constant of the module points into any more goes back to the
// system. Nothing is counted; the graph says what is in use.
#ifndef TENON_IR_CONSTANT_DATA_H
#define TENON_IR_CONSTANT_DATA_H

#include "ir/graph.h"

void constant_data_create(Module *module);
// Constants of `to` may point to bytes of `from`: as long as `to` exists, all of these stay.
void constant_data_share(Module *to, const Module *from);

// For bytes that a constant of the module will point to before the next module_trim, and for
// nothing else.
Arena *module_data(const Module *module);

// Gives back bytes of constants that the module no longer has, and the resident pages of its mapped
// files, if `growth` bytes came since the last time (0: in any case). Between passes, and inside of
// one where it holds no bytes but those of constants that are in the graph. A constant counts as
// long as its node is there, used or not.
void module_trim(Module *module, size_t growth);
// Inside of passes: often enough to keep memory low, seldom enough to cost no time. With assertions
// more often, so that tests of small models see it too.
#ifdef NDEBUG
enum { TRIM_GROWTH = 16 << 20 };
#else
enum { TRIM_GROWTH = 4 << 10 };
#endif

#endif
