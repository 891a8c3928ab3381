// Numbers as text that reads back to the same bits: the fewest digits that do, non-finite values as
// the hexadecimal of their bits.
#ifndef TENON_IR_NUMBER_H
#define TENON_IR_NUMBER_H

#include <stdbool.h>

#include "ir/element.h"

enum { NUMBER_TEXT = 80 }; // bytes that any of these texts fits into

void float_text(char buffer[NUMBER_TEXT], float value);
void double_text(char buffer[NUMBER_TEXT], double value);
bool float_from_text(const char *text, float *value); // also 0x<bits>, inf, -inf, nan
bool double_from_text(const char *text, double *value);
bool int_from_text(const char *text, int64_t *value); // decimal or 0x; false outside int64_t

// One element that is neither a string nor complex; for these, C64 and C128 are two of F32, F64.
void element_value_text(char buffer[NUMBER_TEXT], ElementType element, const void *data,
                        int64_t index);
// False: no number, or not in the range of the element type.
bool element_value_from_text(ElementType element, void *data, int64_t index, const char *text);
// The stored bits, up to 64; sub-byte types by element index.
uint64_t element_bits(ElementType element, const void *data, int64_t index);
// Deterministic small values, for tests that need some: floats are k / 128 with -128 <= k <= 127,
// signed integers -8 .. 7, unsigned ones 0 .. 15 (2-bit types: all four), bool 0 or 1.
void element_fill_random(ElementType element, void *data, int64_t count, uint64_t seed);

#endif
