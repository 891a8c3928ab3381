// Vector types of the kernels: f32x1 is float itself, f32x4 a vector of four, and so on, so that
// one source serves every lane count. Booleans are the integers that comparisons give: 0 and 1 for
// one lane, 0 and -1 for vectors; combine them with & and | only.
#ifndef TENON_KERNELS_LANES_H
#define TENON_KERNELS_LANES_H

#include <stdint.h>

#define LANE_TYPES(lanes)                                                                          \
  typedef float f32x##lanes __attribute__((ext_vector_type(lanes)));                               \
  typedef double f64x##lanes __attribute__((ext_vector_type(lanes)));                              \
  typedef int32_t i32x##lanes __attribute__((ext_vector_type(lanes)));                             \
  typedef uint32_t u32x##lanes __attribute__((ext_vector_type(lanes)));                            \
  typedef int64_t i64x##lanes __attribute__((ext_vector_type(lanes)));                             \
  typedef uint64_t u64x##lanes __attribute__((ext_vector_type(lanes)));                            \
  typedef int16_t i16x##lanes __attribute__((ext_vector_type(lanes)));                             \
  typedef uint16_t u16x##lanes __attribute__((ext_vector_type(lanes)));                            \
  typedef int8_t i8x##lanes __attribute__((ext_vector_type(lanes)));                               \
  typedef uint8_t u8x##lanes __attribute__((ext_vector_type(lanes)));

typedef float f32x1;
typedef double f64x1;
typedef int32_t i32x1;
typedef uint32_t u32x1;
typedef int64_t i64x1;
typedef uint64_t u64x1;
typedef int16_t i16x1;
typedef uint16_t u16x1;
typedef int8_t i8x1;
typedef uint8_t u8x1;
LANE_TYPES(2)
LANE_TYPES(4)
LANE_TYPES(8)
LANE_TYPES(16)

#define JOIN3_(a, b, c) a##b##c
#define JOIN3(a, b, c) JOIN3_(a, b, c)
#define JOIN5_(a, b, c, d, e) a##b##c##d##e
#define JOIN5(a, b, c, d, e) JOIN5_(a, b, c, d, e)

// Horner's rule, lowest coefficient first: HORNER(3, x, a, b, c) = a + x (b + x c).
#define HORNER_2(x, a, b) ((b) * (x) + (a))
#define HORNER_3(x, a, ...) (HORNER_2(x, __VA_ARGS__) * (x) + (a))
#define HORNER_4(x, a, ...) (HORNER_3(x, __VA_ARGS__) * (x) + (a))
#define HORNER_5(x, a, ...) (HORNER_4(x, __VA_ARGS__) * (x) + (a))
#define HORNER_6(x, a, ...) (HORNER_5(x, __VA_ARGS__) * (x) + (a))
#define HORNER_7(x, a, ...) (HORNER_6(x, __VA_ARGS__) * (x) + (a))
#define HORNER_8(x, a, ...) (HORNER_7(x, __VA_ARGS__) * (x) + (a))
#define HORNER_9(x, a, ...) (HORNER_8(x, __VA_ARGS__) * (x) + (a))
#define HORNER_10(x, a, ...) (HORNER_9(x, __VA_ARGS__) * (x) + (a))
#define HORNER_11(x, a, ...) (HORNER_10(x, __VA_ARGS__) * (x) + (a))
#define HORNER_12(x, a, ...) (HORNER_11(x, __VA_ARGS__) * (x) + (a))
#define HORNER_13(x, a, ...) (HORNER_12(x, __VA_ARGS__) * (x) + (a))
#define HORNER_14(x, a, ...) (HORNER_13(x, __VA_ARGS__) * (x) + (a))
#define HORNER_15(x, a, ...) (HORNER_14(x, __VA_ARGS__) * (x) + (a))
#define HORNER_16(x, a, ...) (HORNER_15(x, __VA_ARGS__) * (x) + (a))
#define HORNER(count, x, ...) HORNER_##count(x, __VA_ARGS__)

#endif
