// Embeds files of runtime/: the assembler reads them (see kernel_bitcode.c).
#include "codegen/embedded.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(sizeof(EmbeddedFile) == 16, "two 64-bit words");
#define EMBED(symbol, path)                                                                        \
  __asm__(".section .rodata\n"                                                                     \
          "embedded_" #symbol "_start: .incbin \"" path "\"\n"                                     \
          "embedded_" #symbol "_end:\n"                                                            \
          ".section .data.rel.ro,\"aw\"\n"                                                         \
          ".balign 8\n"                                                                            \
          ".hidden embedded_" #symbol "\n"                                                         \
          ".globl embedded_" #symbol "\n"                                                          \
          "embedded_" #symbol ":\n"                                                                \
          ".quad embedded_" #symbol "_start, embedded_" #symbol "_end - embedded_" #symbol         \
          "_start\n"                                                                               \
          ".text\n");                                                                              \
  extern const EmbeddedFile embedded_##symbol;

EMBED(tenon_h, TENON_RUNTIME_DIR "/tenon.h")
EMBED(tenon_pool_h, TENON_RUNTIME_DIR "/tenon_pool.h")
EMBED(tenon_pool_c, TENON_RUNTIME_DIR "/tenon_pool.c")

const EmbeddedFile *embedded_file(const char *name) {
  if (strcmp(name, "tenon.h") == 0) return &embedded_tenon_h;
  if (strcmp(name, "tenon_pool.h") == 0) return &embedded_tenon_pool_h;
  if (strcmp(name, "tenon_pool.c") == 0) return &embedded_tenon_pool_c;
  assert(false && "there is no such embedded file");
  return NULL;
}
