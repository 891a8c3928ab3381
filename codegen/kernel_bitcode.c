// Embeds the bitcode that cmake/kernels.cmake made. The assembler reads the files, which takes no
// time at any size; an array in C would be parsed number by number.
#include "codegen/kernel_bitcode.h"

#include <string.h>

// The assembler also writes the KernelBitcode of each family: an end minus a start is no constant
// in C. Compilers run on 64-bit hosts.
_Static_assert(sizeof(KernelBitcode) == 16, "two 64-bit words");
#define FAMILY(name, path)                                                                         \
  __asm__(".section .rodata\n"                                                                     \
          ".balign 16\n"                                                                           \
          "kernel_" #name "_start: .incbin \"" path "\"\n"                                         \
          "kernel_" #name "_end:\n"                                                                \
          ".section .data.rel.ro,\"aw\"\n"                                                         \
          ".balign 8\n"                                                                            \
          ".hidden kernel_bitcode_" #name "\n"                                                     \
          ".globl kernel_bitcode_" #name "\n"                                                      \
          "kernel_bitcode_" #name ":\n"                                                            \
          ".quad kernel_" #name "_start, kernel_" #name "_end - kernel_" #name "_start\n"          \
          ".text\n");                                                                              \
  extern const KernelBitcode kernel_bitcode_##name;
#include "kernel_families.inc"
#undef FAMILY

const KernelBitcode *kernel_bitcode_find(const char *family) {
#define FAMILY(name, path)                                                                         \
  if (strcmp(family, #name) == 0) return &kernel_bitcode_##name;
#include "kernel_families.inc"
#undef FAMILY
  return NULL;
}
