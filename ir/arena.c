// Bump allocation in blocks that double up to 1 MiB; large requests get a block of their own.
#include "ir/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ARENA_ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

typedef struct Block {
  struct Block *next;
  size_t size, used;
  char *memory; // behind this, or adopted
} Block;

typedef struct Cleanup {
  struct Cleanup *next;
  void (*destroy)(void *);
  void *object;
} Cleanup;

typedef struct Mapping {
  struct Mapping *next;
  void *address;
  size_t size;
} Mapping;

struct Arena {
  Block *blocks;
  Cleanup *cleanups;
  Mapping *mappings;
  size_t total, next_size;
};

_Noreturn void machine_failed(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("tenon: fatal: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(4);
}

static size_t round_up(size_t bytes) {
  return (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

Arena *arena_create(void) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) machine_failed("out of memory");
  arena->next_size = FIRST_BLOCK;
  return arena;
}

static bool is_adopted(const Block *block) {
  return block->memory != (const char *)block + round_up(sizeof(Block));
}

static void free_block(Block *block) {
  if (is_adopted(block)) free(block->memory);
  free(block);
}

void arena_destroy(Arena *arena) {
  if (!arena) return;
  for (Cleanup *c = arena->cleanups; c; c = c->next) c->destroy(c->object);
  for (Mapping *m = arena->mappings; m; m = m->next) munmap(m->address, m->size);
  for (Block *b = arena->blocks, *next; b; b = next) {
    next = b->next;
    free_block(b);
  }
  free(arena);
}

// Blocks made for one large object are full at once: they go behind the current one.
static void link_block(Arena *arena, Block *block, bool full) {
  Block **link = full && arena->blocks ? &arena->blocks->next : &arena->blocks;
  block->next = *link;
  *link = block;
  arena->total += block->size;
}

static Block *add_block(Arena *arena, size_t bytes) {
  size_t size = bytes > arena->next_size ? bytes : arena->next_size;
  Block *block = calloc(1, round_up(sizeof(Block)) + size);
  if (!block) machine_failed("out of memory (%zu bytes wanted)", size);
  block->size = size;
  block->memory = (char *)block + round_up(sizeof(Block));
  if (arena->next_size < LARGEST_BLOCK) arena->next_size *= 2;
  link_block(arena, block, bytes == size);
  return block;
}

void *arena_alloc(Arena *arena, size_t bytes) {
  if (bytes > SIZE_MAX / 2) machine_failed("out of memory (%zu bytes wanted)", bytes);
  bytes = round_up(bytes ? bytes : 1);
  Block *block = arena->blocks;
  if (!block || block->size - block->used < bytes) block = add_block(arena, bytes);
  void *memory = block->memory + block->used;
  block->used += bytes;
  return memory;
}

void *arena_alloc_array(Arena *arena, size_t count, size_t bytes) {
  if (bytes && count > SIZE_MAX / 2 / bytes)
    machine_failed("out of memory (%zu x %zu bytes wanted)", count, bytes);
  return arena_alloc(arena, count * bytes);
}

void *arena_adopt(Arena *arena, void *memory, size_t bytes) {
  Block *block = calloc(1, sizeof *block);
  if (!block) machine_failed("out of memory");
  *block = (Block){.size = bytes, .used = bytes, .memory = memory};
  link_block(arena, block, true);
  return memory;
}

void *arena_grow(Arena *arena, const void *old, size_t count, size_t capacity, size_t bytes) {
  void *memory = arena_alloc_array(arena, capacity, bytes);
  if (count) memcpy(memory, old, count * bytes);
  return memory;
}

char *arena_strndup(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) {
  return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(Arena *arena, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) machine_failed("cannot format '%s'", format);
  char *text = arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = arena_vprintf(arena, format, arguments);
  va_end(arguments);
  return text;
}

void arena_on_destroy(Arena *arena, void (*destroy)(void *object), void *object) {
  Cleanup *cleanup = NEW(arena, Cleanup);
  *cleanup = (Cleanup){arena->cleanups, destroy, object};
  arena->cleanups = cleanup;
}

size_t arena_bytes(const Arena *arena) { return arena->total; }

void arena_sweep(Arena *arena, bool (*is_used)(void *user, const void *begin, const void *end),
                 void *user) {
  assert(!arena->cleanups && !arena->mappings && "they lie in the blocks");
  for (Block **link = &arena->blocks; *link;) {
    Block *block = *link;
    if (is_used(user, block->memory, block->memory + block->size)) {
      link = &block->next;
      continue;
    }
    *link = block->next;
    arena->total -= block->size;
    free_block(block);
  }
}

void arena_adopt_mapping(Arena *arena, void *address, size_t size) {
  Mapping *mapping = NEW(arena, Mapping);
  *mapping = (Mapping){arena->mappings, address, size};
  arena->mappings = mapping;
}

void arena_evict_mappings(const Arena *arena) {
  for (const Mapping *m = arena->mappings; m; m = m->next)
    madvise(m->address, m->size, MADV_DONTNEED);
}
