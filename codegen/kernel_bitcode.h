// The kernels of runtime/kernels/ as LLVM bitcode, one module per target family.
#ifndef TENON_CODEGEN_KERNEL_BITCODE_H
#define TENON_CODEGEN_KERNEL_BITCODE_H

#include <stddef.h>

// A bitcode module inside the compiler's own image: no copy, nothing to free.
typedef struct {
  const unsigned char *data;
  size_t size; // bytes
} KernelBitcode;

// The module of a family ("x86_64", "aarch64", "armv7a", "armm", "riscv32", "riscv64"); NULL when
// there is no such family.
const KernelBitcode *kernel_bitcode_find(const char *family);

#endif
