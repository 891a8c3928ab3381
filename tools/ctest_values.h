// Values in a C test: arrays of bits, strings, and lists of tensors as the ABI has them.
#ifndef TENON_TOOLS_CTEST_VALUES_H
#define TENON_TOOLS_CTEST_VALUES_H

#include "ir/file.h"
#include "ir/graph.h"
#include "ir/tensor.h"

// Static arrays that hold the value; the C expression for a pointer to it, as a field of the
// structs wants it.
const char *c_test_put_value(Arena *arena, OutputSink *sink, const char *name, const Tensor *value);
// The suffix of the function wrong_.. that compares elements, and how many units of it the tensor
// has.
const char *c_test_comparison(ElementType element);
size_t c_test_units(const Tensor *tensor);
// The functions wrong_.. that values like these need, float, double, half, bytes, strings, and for
// lists wrong_list.
void c_test_put_comparisons(OutputSink *sink, const Tensor *outputs, int count);
// An expression: how many elements differ between a list that _run has set and the wanted one.
const char *c_test_compare_list(Arena *arena, const Tensor *wanted, const char *found,
                                const char *expected);
// A made-up list of that type: a few tensors, of different sizes where they may be; an optional has
// its element.
Tensor c_test_random_list(Arena *arena, const Module *module, const Type *type, uint64_t seed);

#endif
