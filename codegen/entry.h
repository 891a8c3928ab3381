// What entry points, kernel calls and the description share.
#ifndef TENON_CODEGEN_ENTRY_H
#define TENON_CODEGEN_ENTRY_H

#include "codegen/nest.h"

// Word `word` of an inputs or outputs struct.
Val entry_load_word(Nest *nest, Val words, int word, LLVMTypeRef type);
LLVMTypeRef entry_context_type(Nest *nest); // struct tenon_context

#endif
