// Strings as kernels have them: tenon_string.
#ifndef TENON_RUNTIME_KERNELS_TEXT_H
#define TENON_RUNTIME_KERNELS_TEXT_H

#include <stddef.h>
#include <stdint.h>

typedef struct Text {
  const unsigned char *data;
  size_t bytes;
} Text;

static inline int text_is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

#endif
