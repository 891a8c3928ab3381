// <prefix>_model: the model described as data (struct tenon_model of tenon.h).
#ifndef TENON_CODEGEN_DESCRIBE_H
#define TENON_CODEGEN_DESCRIBE_H

#include "codegen/internal.h"

void describe_model(Compiled *compiled); // after _run, _shapes, _init exist

int describe_type_code(ElementType element); // TENON_F32, ..

// Where stack_bytes lies in <prefix>_model, in bytes.
int64_t describe_stack_offset(const Compiled *compiled);

#endif
