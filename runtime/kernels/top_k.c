// top_k: the k best of a row, best first. A heap of the k best so far lies in the results themselves, its
// root the worst of them; at the end it is sorted in place. No other memory.
//
// Elements are compared by a signed integer key that orders as they do: NaN above everything, -0 and
// 0 equal, so that machines without a floating-point unit need none.
#include <stddef.h>
#include <stdint.h>

#define DIRECT_KEY(name, type, key_type) \
  static inline key_type key_##name(type x) { return (key_type)x; }
#define FLIPPED_KEY(name, type, key_type) /* the lowest value of the type becomes that of the key */ \
  static inline key_type key_##name(type x) { return (key_type)(x ^ (type)1 << (sizeof(type) * 8 - 1)); }
#define FLOAT_KEY(name, type, key_type, infinity, highest) /* sign and magnitude as two's complement */ \
  static inline key_type key_##name(type x) {                                                          \
    type sign = (type)((type)1 << (sizeof(type) * 8 - 1));                                             \
    key_type magnitude = (key_type)(x & (type)~sign);                                                  \
    if (magnitude > (infinity)) return (highest);                                                      \
    return x & sign ? -magnitude : magnitude;                                                          \
  }

// x: `size` elements, values and places: `k` <= size; neighbours of all three are `stride` elements apart.
#define TOP_K(name, type)                                                                            \
  static inline int worse_##name(const type *values, const int64_t *places, size_t a, size_t b, int largest) { \
    if (key_##name(values[a]) != key_##name(values[b]))                                              \
      return largest ? key_##name(values[a]) < key_##name(values[b]) : key_##name(values[a]) > key_##name(values[b]); \
    return places[a] > places[b];                                                                    \
  }                                                                                                  \
  static inline void swap_##name(type *values, int64_t *places, size_t a, size_t b) {                \
    type value = values[a];                                                                          \
    int64_t place = places[a];                                                                       \
    values[a] = values[b];                                                                           \
    places[a] = places[b];                                                                           \
    values[b] = value;                                                                               \
    places[b] = place;                                                                               \
  }                                                                                                  \
  static inline void sink_##name(type *values, int64_t *places, size_t root, size_t count, size_t stride, int largest) { \
    for (;;) {                                                                                       \
      size_t child = 2 * root + 1;                                                                   \
      if (child >= count) return;                                                                    \
      if (child + 1 < count && worse_##name(values, places, (child + 1) * stride, child * stride, largest)) child++; \
      if (!worse_##name(values, places, child * stride, root * stride, largest)) return;             \
      swap_##name(values, places, child * stride, root * stride);                                    \
      root = child;                                                                                  \
    }                                                                                                \
  }                                                                                                  \
  void tenon_top_k_##name(const type *x, type *values, int64_t *places, size_t size, size_t k, size_t stride, int32_t largest) { \
    if (k == 0) return;                                                                              \
    for (size_t i = 0; i < k; i++) {                                                                 \
      values[i * stride] = x[i * stride];                                                            \
      places[i * stride] = (int64_t)i;                                                               \
    }                                                                                                \
    for (size_t i = k / 2; i-- > 0;) sink_##name(values, places, i, k, stride, largest);             \
    for (size_t i = k; i < size; i++) { /* of equal ones the earlier stays */                        \
      type value = x[i * stride];                                                                    \
      int better = largest ? key_##name(value) > key_##name(values[0]) : key_##name(value) < key_##name(values[0]); \
      if (!better) continue;                                                                         \
      values[0] = value;                                                                             \
      places[0] = (int64_t)i;                                                                        \
      sink_##name(values, places, 0, k, stride, largest);                                            \
    }                                                                                                \
    for (size_t count = k; count-- > 1;) {                                                           \
      swap_##name(values, places, 0, count * stride);                                                \
      sink_##name(values, places, 0, count, stride, largest);                                        \
    }                                                                                                \
  }

DIRECT_KEY(i8, int8_t, int32_t)
DIRECT_KEY(u8, uint8_t, int32_t)
DIRECT_KEY(i16, int16_t, int32_t)
DIRECT_KEY(u16, uint16_t, int32_t)
DIRECT_KEY(i32, int32_t, int32_t)
FLIPPED_KEY(u32, uint32_t, int32_t)
DIRECT_KEY(i64, int64_t, int64_t)
FLIPPED_KEY(u64, uint64_t, int64_t)
FLOAT_KEY(f16, uint16_t, int32_t, 0x7c00, INT32_MAX)
FLOAT_KEY(bf16, uint16_t, int32_t, 0x7f80, INT32_MAX)
FLOAT_KEY(f32, uint32_t, int32_t, 0x7f800000, INT32_MAX)
FLOAT_KEY(f64, uint64_t, int64_t, 0x7ff0000000000000, INT64_MAX)

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
