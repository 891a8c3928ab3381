// What printer and parser of the text form share, and nobody else needs.
#ifndef TENON_IR_TEXT_H
#define TENON_IR_TEXT_H

#include "ir/graph.h"
#include "ir/tensor.h"

enum { TEXT_VERSION = 1, TEXT_INLINE_ELEMENTS = 16 };

extern const char *const text_place_names[PLACE_ALIAS + 1];

// v0, v1, ...: a value without a name.
bool text_is_ordinal(const char *name);
// Words that may stand for a region's name without quotes.
bool text_is_region_name(const char *name);

// How the values of a constant are written: in place, one value for all, or as a hash.
typedef enum ConstantForm { FORM_INLINE, FORM_SPLAT, FORM_HASH } ConstantForm;
ConstantForm text_constant_form(const Constant *constant, const Type *type);

#endif
