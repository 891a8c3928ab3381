// What passes ask about the codes of quantized constants.
#ifndef TENON_PASSES_CODES_H
#define TENON_PASSES_CODES_H

#include "ir/graph.h"

// Do constant codes of 8 bits fit into i8 once their zero points (one, or one per element of
// `axis`) are off? The kernels of integer products need that.
bool codes_fit_centred(const Value *weights, int axis);

#endif
