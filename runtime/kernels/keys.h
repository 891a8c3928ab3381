// Keys: elements as signed integers that order as they do: NaN above everything, -0 and 0 equal, so
// that machines without a floating-point unit need none.
#ifndef TENON_RUNTIME_KERNELS_KEYS_H
#define TENON_RUNTIME_KERNELS_KEYS_H

#include <stdint.h>

#define DIRECT_KEY(name, type, key_type)                                                           \
  static inline key_type key_##name(type x) { return (key_type)x; }
#define FLIPPED_KEY(name, type,                                                                    \
                    key_type) /* the lowest value of the type becomes that of the key */           \
  static inline key_type key_##name(type x) {                                                      \
    return (key_type)(x ^ (type)1 << (sizeof(type) * 8 - 1));                                      \
  }
#define FLOAT_KEY(name, type, key_type, infinity,                                                  \
                  highest) /* sign and magnitude as two's complement */                            \
  static inline key_type key_##name(type x) {                                                      \
    type sign = (type)((type)1 << (sizeof(type) * 8 - 1));                                         \
    key_type magnitude = (key_type)(x & (type)~sign);                                              \
    if (magnitude > (infinity)) return (highest);                                                  \
    return x & sign ? -magnitude : magnitude;                                                      \
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

#endif
