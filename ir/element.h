// Element types: the enumeration of what a tensor can hold (table: element.def).
#ifndef TENON_IR_ELEMENT_H
#define TENON_IR_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ElementType {
#define ELEMENT(name, text, bits, class, meaning) name,
#include "ir/element.def"
  ELEMENT_COUNT,
  ELEMENT_NONE = -1
} ElementType;

typedef enum ElementClass {
  CLASS_FLOAT,
  CLASS_SIGNED,
  CLASS_UNSIGNED,
  CLASS_BOOLEAN,
  CLASS_COMPLEX,
  CLASS_STRING
} ElementClass;

typedef struct ElementInfo {
  const char *text, *meaning;
  int bits;
  ElementClass class;
} ElementInfo;

extern const ElementInfo element_info[ELEMENT_COUNT];

ElementType element_parse(const char *text, size_t length); // ELEMENT_NONE if there is no such type
static inline bool element_is_float(ElementType e) { return element_info[e].class == CLASS_FLOAT; }
static inline bool element_is_integer(ElementType e) {
  return element_info[e].class == CLASS_SIGNED || element_info[e].class == CLASS_UNSIGNED;
}
static inline bool element_is_signed(ElementType e) {
  return element_info[e].class == CLASS_SIGNED;
}
// Bytes that `count` elements take, sub-byte types packed; false when that does not fit int64_t.
bool element_bytes(ElementType element, int64_t count, int64_t *bytes);

// One element read as / written from double or int64_t; sub-byte types by element index.
// Writing converts as ONNX Cast does (float to integer: toward zero, out of range clamped; to the
// small floats: round to nearest even). 64-bit integers lose nothing in the integer functions.
double element_load(ElementType element, const void *data, int64_t index);
void element_store(ElementType element, void *data, int64_t index, double value);
int64_t element_load_int(ElementType element, const void *data, int64_t index);
void element_store_int(ElementType element, void *data, int64_t index, int64_t value);

// Conversions of the stored float formats, round to nearest even.
float f16_to_float(uint16_t bits);
uint16_t f16_from_float(float value);
float bf16_to_float(uint16_t bits);
uint16_t bf16_from_float(float value);
// The 8-bit and 4-bit floats; `saturate` as in ONNX Cast (only the float8 formats look at it).
double small_float_to_double(ElementType element, uint8_t bits);
uint8_t small_float_from_double(ElementType element, double value, bool saturate);

#endif
