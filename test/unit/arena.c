// Arena: alignment, zeroing, growth, and the order in which cleanups run.
#include "ir/arena.h"
#include "check.h"
#include <stdint.h>

static char cleanup_order[8];

static void note_cleanup(void *object) { strcat(cleanup_order, object); }

int main(void) {
  Arena *arena = arena_create();
  for (size_t bytes = 0; bytes < 5000; bytes = bytes * 3 + 1) {
    unsigned char *block = arena_alloc(arena, bytes);
    CHECK((uintptr_t)block % 16 == 0);
    for (size_t i = 0; i < bytes; i++) CHECK(block[i] == 0);
    memset(block, 0xff, bytes);
  }

  int *items = NULL, count = 0, capacity = 0;
  for (int i = 0; i < 1000; i++) ARENA_PUSH(arena, items, count, capacity, i);
  for (int i = 0; i < 1000; i++) CHECK(items[i] == i);

  CHECK_TEXT(arena_printf(arena, "%d of %s", 3, "four"), "3 of four");
  CHECK_TEXT(arena_strndup(arena, "prefix", 3), "pre");
  CHECK(arena_bytes(arena) >= 5000);

  arena_on_destroy(arena, note_cleanup, "a");
  arena_on_destroy(arena, note_cleanup, "b");
  arena_destroy(arena);
  arena_destroy(NULL);
  CHECK_TEXT(cleanup_order, "ba");
  return check_status();
}
