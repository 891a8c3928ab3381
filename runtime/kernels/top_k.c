// top_k: the k best of a row, best first. A heap of the k best so far lies in the results
// themselves, its root the worst of them; at the end it is sorted in place. No other memory.
#include <stddef.h>
#include <stdint.h>

#include "runtime/kernels/keys.h"

// x: `size` elements, values and places: `k` <= size; neighbours of all three are `stride` elements
// apart.
#define TOP_K(name, type)                                                                          \
  static inline int worse_##name(const type *values, const int64_t *places, size_t a, size_t b,    \
                                 int largest) {                                                    \
    if (key_##name(values[a]) != key_##name(values[b]))                                            \
      return largest ? key_##name(values[a]) < key_##name(values[b])                               \
                     : key_##name(values[a]) > key_##name(values[b]);                              \
    return places[a] > places[b];                                                                  \
  }                                                                                                \
  static inline void swap_##name(type *values, int64_t *places, size_t a, size_t b) {              \
    type value = values[a];                                                                        \
    int64_t place = places[a];                                                                     \
    values[a] = values[b];                                                                         \
    places[a] = places[b];                                                                         \
    values[b] = value;                                                                             \
    places[b] = place;                                                                             \
  }                                                                                                \
  static inline void sink_##name(type *values, int64_t *places, size_t root, size_t count,         \
                                 size_t stride, int largest) {                                     \
    for (;;) {                                                                                     \
      size_t child = 2 * root + 1;                                                                 \
      if (child >= count) return;                                                                  \
      if (child + 1 < count &&                                                                     \
          worse_##name(values, places, (child + 1) * stride, child * stride, largest))             \
        child++;                                                                                   \
      if (!worse_##name(values, places, child * stride, root * stride, largest)) return;           \
      swap_##name(values, places, child *stride, root *stride);                                    \
      root = child;                                                                                \
    }                                                                                              \
  }                                                                                                \
  void tenon_top_k_##name(const type *x, type *values, int64_t *places, size_t size, size_t k,     \
                          size_t stride, int32_t largest) {                                        \
    if (k == 0) return;                                                                            \
    for (size_t i = 0; i < k; i++) {                                                               \
      values[i * stride] = x[i * stride];                                                          \
      places[i * stride] = (int64_t)i;                                                             \
    }                                                                                              \
    for (size_t i = k / 2; i-- > 0;) sink_##name(values, places, i, k, stride, largest);           \
    for (size_t i = k; i < size; i++) { /* of equal ones the earlier stays */                      \
      type value = x[i * stride];                                                                  \
      int better = largest ? key_##name(value) > key_##name(values[0])                             \
                           : key_##name(value) < key_##name(values[0]);                            \
      if (!better) continue;                                                                       \
      values[0] = value;                                                                           \
      places[0] = (int64_t)i;                                                                      \
      sink_##name(values, places, 0, k, stride, largest);                                          \
    }                                                                                              \
    for (size_t count = k; count-- > 1;) {                                                         \
      swap_##name(values, places, 0, count *stride);                                               \
      sink_##name(values, places, 0, count, stride, largest);                                      \
    }                                                                                              \
  }

TOP_K(i8, int8_t)
TOP_K(u8, uint8_t)
TOP_K(i16, int16_t)
TOP_K(u16, uint16_t)
TOP_K(i32, int32_t)
TOP_K(u32, uint32_t)
TOP_K(i64, int64_t)
TOP_K(u64, uint64_t)
TOP_K(f16, uint16_t)
TOP_K(bf16, uint16_t)
TOP_K(f32, uint32_t)
TOP_K(f64, uint64_t)
