// Types that entry points and the description share.
#ifndef TENON_CODEGEN_ENTRY_H
#define TENON_CODEGEN_ENTRY_H

#include "codegen/nest.h"

LLVMTypeRef entry_context_type(Nest *nest); // struct tenon_context

#endif
