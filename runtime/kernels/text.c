// Strings: pointer and length, as tenon_string.
#include <stddef.h>

typedef struct Text {
  const unsigned char *data;
  size_t bytes;
} Text;

int tenon_text_equal(const Text *a, const Text *b) {
  if (a->bytes != b->bytes) return 0;
  for (size_t i = 0; i < a->bytes; i++)
    if (a->data[i] != b->data[i]) return 0;
  return 1;
}
