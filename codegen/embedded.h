// Files of runtime/ that the compiler carries and writes beside what it generates.
#ifndef TENON_CODEGEN_EMBEDDED_H
#define TENON_CODEGEN_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct EmbeddedFile {
  const uint8_t *data;
  size_t size;
} EmbeddedFile;

// "tenon.h", "tenon_pool.h" or "tenon_pool.c"; asserts that there is such a file.
const EmbeddedFile *embedded_file(const char *name);

#endif
