// Arena: alignment, zeroing, growth, sweeping, and the order in which cleanups run.
#include "ir/arena.h"
#include "check.h"
#include <stdint.h>
#include <stdlib.h>

static char cleanup_order[8];

static void note_cleanup(void *object) { strcat(cleanup_order, object); }

static bool is_kept(void *user, const void *begin, const void *end) {
  return (uintptr_t)user >= (uintptr_t)begin && (uintptr_t)user < (uintptr_t)end;
}

// Blocks go if nothing in them is used; what is used stays as it was.
static void check_sweep(void) {
  enum { LARGE = 1 << 20 };
  Arena *arena = arena_create();
  char *kept = arena_alloc(arena, LARGE);
  memset(kept, 7, LARGE);
  arena_alloc(arena, LARGE);
  char *adopted = arena_adopt(arena, calloc(LARGE, 1), LARGE);
  adopted[LARGE - 1] = 3;
  arena_alloc(arena, 100);
  CHECK(arena_bytes(arena) >= 3 * LARGE);
  arena_sweep(arena, is_kept, kept + LARGE / 2);
  CHECK(arena_bytes(arena) >= LARGE && arena_bytes(arena) < 2 * LARGE);
  CHECK(kept[0] == 7 && kept[LARGE - 1] == 7);
  char *small = arena_alloc(arena, 100);
  CHECK(small[0] == 0 && small[99] == 0);
  adopted = arena_adopt(arena, calloc(LARGE, 1), LARGE);
  adopted[LARGE - 1] = 3;
  arena_sweep(arena, is_kept, adopted + LARGE - 1);
  CHECK(arena_bytes(arena) == LARGE && adopted[LARGE - 1] == 3);
  arena_destroy(arena);
}

int main(void) {
  check_sweep();
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
