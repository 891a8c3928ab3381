// Sequences and optionals between tensors and what compiled models take and give (model_call.c).
#ifndef TENON_CODEGEN_LIST_CALL_H
#define TENON_CODEGEN_LIST_CALL_H

#include "ir/diag.h"
#include "ir/tensor.h"
#include "runtime/tenon.h"

// The word of the inputs struct; false (reported): the value is of another kind or of other
// elements.
bool list_to_word(const tenon_value *value, const Tensor *list, size_t *word, Arena *arena,
                  Diag *diag, Loc loc);
// A copy of what _run made.
bool list_from_word(const tenon_value *value, size_t word, Tensor *list, Arena *arena, Diag *diag,
                    Loc loc);
int32_t type_of_element(ElementType element);
ElementType element_of_type(int32_t code); // of tenon_type; ELEMENT_NONE: not one

#endif
