// Arena: memory that is given back all at once. One per compilation, scratch ones inside passes.
// Nothing in tenon frees a single object, but the bytes of constants have an arena of their own
// that is swept (ir/constant_data.h). Running out of memory ends the process (exit status 4).
#ifndef TENON_IR_ARENA_H
#define TENON_IR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena); // NULL is allowed

// Zeroed memory, aligned to 16 bytes, valid until arena_destroy. `bytes` may be 0.
void *arena_alloc(Arena *arena, size_t bytes);
// The same for `count * bytes`; an overflow of the product counts as out of memory.
void *arena_alloc_array(Arena *arena, size_t count, size_t bytes);
// Takes over memory from malloc, and returns it.
void *arena_adopt(Arena *arena, void *memory, size_t bytes);
// A copy of `count` elements in a block with room for `capacity` (>= count): growing arrays.
void *arena_grow(Arena *arena, const void *old, size_t count, size_t capacity, size_t bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list arguments);
// `destroy(object)` runs in arena_destroy, last registered first: mappings, file handles.
void arena_on_destroy(Arena *arena, void (*destroy)(void *object), void *object);
size_t arena_bytes(const Arena *arena); // held from the system

// Gives back the blocks in which nothing `is_used` any more, which is asked for the bytes
// [begin, end) of each. For arenas without arena_on_destroy.
void arena_sweep(Arena *arena, bool (*is_used)(void *user, const void *begin, const void *end),
                 void *user);

// The arena owns a mapped file: it is unmapped in arena_destroy.
void arena_adopt_mapping(Arena *arena, void *address, size_t size);
// The pages of mapped files leave this process; the system reads them again when they are needed.
void arena_evict_mappings(const Arena *arena);

#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEW_ARRAY(arena, T, count) ((T *)arena_alloc_array((arena), (size_t)(count), sizeof(T)))

// Appends to a growable array held in three variables: `items`, `count`, `capacity`.
#define ARENA_PUSH(arena, items, count, capacity, value)                                           \
  do {                                                                                             \
    if ((count) == (capacity)) {                                                                   \
      (capacity) = (capacity) ? 2 * (capacity) : 8;                                                \
      (items) =                                                                                    \
          arena_grow((arena), (items), (size_t)(count), (size_t)(capacity), sizeof *(items));      \
    }                                                                                              \
    (items)[(count)++] = (value);                                                                  \
  } while (0)

// The machine, not the input, is at fault (memory, disk): prints "tenon: fatal: ..." and exits 4.
_Noreturn void machine_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
