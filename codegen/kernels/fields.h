// Fields of a few bits, one behind another, the lowest bits first: how streams of compressed
// weights lie in the object (ir/weight_matrix.h).
#ifndef TENON_CODEGEN_KERNELS_FIELDS_H
#define TENON_CODEGEN_KERNELS_FIELDS_H

#include "codegen/kernel.h"
#include "ir/weight_matrix.h"

// Adds a segment of `count` symbols of `size` bytes in memory as fields of `bits` bits (or whole
// symbols). `what` names the segment among those of the weights, operand 1.
void fields_add(Pack *pack, const char *what, const void *symbols, int size, int64_t count,
                int bits);
// Adds the streams of compressed weights (operand 1): counts and gaps where zeros are left out,
// then indices and their table or values; and, of several blocks, where each starts. False:
// reported.
bool fields_add_streams(Pack *pack, const WeightMatrix *matrix, const StreamShape *shape);
// Field number `at` as i32.
Val fields_load(Nest *nest, Val base, Val at, int bits);
// Fields `at`, `at` + 1, .. as i32, with one load where they are narrow; `count` is at most 4.
void fields_load_group(Nest *nest, Val base, Val at, int bits, int count, Val *fields);

#endif
