// Strings: pointer and length, as tenon_string.
#include <stddef.h>

typedef struct Text {
  const unsigned char *data;
  size_t bytes;
} Text;

// y[i]: the automaton ends in a state that accepts after string i; `columns` entries a state, the last one says so.
void tenon_text_match(const Text *x, const unsigned char *classes, const int *table, unsigned char *y, size_t count, size_t columns) {
  for (size_t i = 0; i < count; i++) {
    size_t state = 0;
    for (size_t k = 0; k < x[i].bytes; k++) state = (size_t)table[state * columns + classes[x[i].data[k]]];
    y[i] = table[state * columns + columns - 1] != 0;
  }
}

int tenon_text_equal(const Text *a, const Text *b) {
  if (a->bytes != b->bytes) return 0;
  for (size_t i = 0; i < a->bytes; i++)
    if (a->data[i] != b->data[i]) return 0;
  return 1;
}
