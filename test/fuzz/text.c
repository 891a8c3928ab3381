// Any bytes as a text of the IR: refused, or printed and read back as the same text.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print_to_text(const Module *module, size_t *size) {
  char *text = NULL;
  FILE *out = open_memstream(&text, size);
  if (!out) abort();
  module_print(out, module);
  fclose(out);
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  Module *module = module_parse_text(arena, &diag, "/nowhere/fuzz.tir", (const char *)data, size);
  if (!module == !diag.errors) __builtin_trap(); // refused without a reason, or accepted with one
  if (module) {
    size_t first_size, second_size;
    char *first = print_to_text(module, &first_size), *second;
    Module *again = module_parse_text(arena, &diag, "/nowhere/fuzz.tir", first, first_size);
    if (!again && !strstr(first, "hash("))
      __builtin_trap(); // the values of a hash are in no file here
    if (again) {
      second = print_to_text(again, &second_size);
      if (first_size != second_size || memcmp(first, second, first_size) != 0) __builtin_trap();
      free(second);
    }
    free(first);
  }
  arena_destroy(arena);
  return 0;
}
