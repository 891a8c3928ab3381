// unique: numbers the different slices of a tensor along an axis. The order in which slices come is
// sorted in the memory of the results, by a heap; no other memory.
#include <stddef.h>
#include <stdint.h>

#include "runtime/kernels/keys.h"

// From the number of each slice: where each number occurs first, and how often.
static inline void count_numbers(const int64_t *number, int64_t *first, int64_t *counts,
                                 size_t size, size_t different) {
  for (size_t i = 0; i < different; i++) counts[i] = 0;
  for (size_t i = 0; i < size; i++)
    if (counts[number[i]]++ == 0) first[number[i]] = (int64_t)i;
}

// Numbers by first occurrence instead of by order; first[number] < 0 marks what has a new one
// already.
static inline void renumber(int64_t *number, int64_t *first, size_t size) {
  int64_t seen = 0;
  for (size_t i = 0; i < size; i++) {
    if (first[number[i]] >= 0) first[number[i]] = ~seen++;
    number[i] = ~first[number[i]];
  }
}

// x: [outer, size, inner]; first, number, counts: room for `size` numbers each. Returns how many
// slices differ.
#define UNIQUE(name, type)                                                                         \
  static inline int order_##name(const type *x, size_t outer, size_t size, size_t inner,           \
                                 int64_t a, int64_t b) {                                           \
    for (size_t o = 0; o < outer; o++)                                                             \
      for (size_t i = 0; i < inner; i++) {                                                         \
        type left = x[(o * size + (size_t)a) * inner + i],                                         \
             right = x[(o * size + (size_t)b) * inner + i];                                        \
        if (key_##name(left) != key_##name(right))                                                 \
          return key_##name(left) < key_##name(right) ? -1 : 1;                                    \
      }                                                                                            \
    return 0;                                                                                      \
  }                                                                                                \
  static inline int after_##name(const type *x, size_t outer, size_t size, size_t inner,           \
                                 int64_t a, int64_t b) {                                           \
    int order = order_##name(x, outer, size, inner, a, b);                                         \
    return order ? order > 0 : a > b;                                                              \
  }                                                                                                \
  static inline void settle_##name(const type *x, size_t outer, size_t size, size_t inner,         \
                                   int64_t *heap, size_t root, size_t count) {                     \
    for (;;) {                                                                                     \
      size_t child = 2 * root + 1;                                                                 \
      if (child >= count) return;                                                                  \
      if (child + 1 < count && after_##name(x, outer, size, inner, heap[child + 1], heap[child]))  \
        child++;                                                                                   \
      if (!after_##name(x, outer, size, inner, heap[child], heap[root])) return;                   \
      int64_t moved = heap[root];                                                                  \
      heap[root] = heap[child];                                                                    \
      heap[child] = moved;                                                                         \
      root = child;                                                                                \
    }                                                                                              \
  }                                                                                                \
  size_t tenon_unique_##name(const type *x, int64_t *first, int64_t *number, int64_t *counts,      \
                             size_t outer, size_t size, size_t inner, int32_t sorted) {            \
    int64_t *heap = first;                                                                         \
    size_t different = 0;                                                                          \
    for (size_t i = 0; i < size; i++) heap[i] = (int64_t)i;                                        \
    for (size_t i = size / 2; i-- > 0;) settle_##name(x, outer, size, inner, heap, i, size);       \
    for (size_t count = size; count-- > 1;) {                                                      \
      int64_t last = heap[count];                                                                  \
      heap[count] = heap[0];                                                                       \
      heap[0] = last;                                                                              \
      settle_##name(x, outer, size, inner, heap, 0, count);                                        \
    }                                                                                              \
    for (size_t i = 0; i < size; i++) {                                                            \
      if (i == 0 || order_##name(x, outer, size, inner, heap[i - 1], heap[i])) different++;        \
      number[heap[i]] = (int64_t)different - 1;                                                    \
    }                                                                                              \
    count_numbers(number, first, counts, size, different);                                         \
    if (sorted) return different;                                                                  \
    renumber(number, first, size);                                                                 \
    count_numbers(number, first, counts, size, different);                                         \
    return different;                                                                              \
  }

UNIQUE(i8, int8_t)
UNIQUE(u8, uint8_t)
UNIQUE(i16, int16_t)
UNIQUE(u16, uint16_t)
UNIQUE(i32, int32_t)
UNIQUE(u32, uint32_t)
UNIQUE(i64, int64_t)
UNIQUE(u64, uint64_t)
UNIQUE(f16, uint16_t)
UNIQUE(bf16, uint16_t)
UNIQUE(f32, uint32_t)
UNIQUE(f64, uint64_t)
