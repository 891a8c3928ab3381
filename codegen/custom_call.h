// Calls functions of custom operators from inside of tenon: for the interpreter.
#ifndef TENON_CODEGEN_CUSTOM_CALL_H
#define TENON_CODEGEN_CUSTOM_CALL_H

#include "ir/external.h"

int custom_call(void *address, Evaluation *evaluation); // Externals.call

#endif
