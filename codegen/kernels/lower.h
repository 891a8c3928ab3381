// Prototypes of all lowerings, from the table: a missing one is a link error.
#ifndef TENON_CODEGEN_KERNELS_LOWER_H
#define TENON_CODEGEN_KERNELS_LOWER_H

#include "codegen/kernel.h"

#define KERNEL(name, stem, packed, pack) bool lower_##name(Kernel *kernel);
#include "codegen/kernels.def"

#endif
