// Element type table and single-element access; the interpreter's view of stored data.
#include "ir/element.h"

#include <math.h>
#include <string.h>

const ElementInfo element_info[ELEMENT_COUNT] = {
#define ELEMENT(name, text, bits, class, meaning) [name] = {text, meaning, bits, CLASS_##class},
#include "ir/element.def"
};

ElementType element_parse(const char *text, size_t length) {
  for (int e = 0; e < ELEMENT_COUNT; e++)
    if (strlen(element_info[e].text) == length && !memcmp(element_info[e].text, text, length))
      return (ElementType)e;
  return ELEMENT_NONE;
}

bool element_bytes(ElementType element, int64_t count, int64_t *bytes) {
  int64_t bits;
  if (count < 0 || __builtin_mul_overflow(count, (int64_t)element_info[element].bits, &bits) ||
      bits > INT64_MAX - 7)
    return false;
  *bytes = (bits + 7) / 8;
  return true;
}

static uint32_t float_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

static float bits_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// The layout of a small binary float: sign, `exponent` bits, `mantissa` bits.
typedef struct FloatFormat {
  int exponent, mantissa, bias;
  bool has_infinity, zero_is_unsigned; // FNUZ: the code of -0 is the only NaN
  bool has_nan;
  bool is_signed;
} FloatFormat;

static FloatFormat float_format(ElementType element) {
  switch ((int)element) {
  case F16: return (FloatFormat){5, 10, 15, true, false, true, true};
  case F8E4M3FN: return (FloatFormat){4, 3, 7, false, false, true, true};
  case F8E4M3FNUZ: return (FloatFormat){4, 3, 8, false, true, true, true};
  case F8E5M2: return (FloatFormat){5, 2, 15, true, false, true, true};
  case F8E5M2FNUZ: return (FloatFormat){5, 2, 16, false, true, true, true};
  case F4E2M1: return (FloatFormat){2, 1, 1, false, false, false, true};
  default: return (FloatFormat){8, 0, 127, false, false, true, false}; // F8E8M0
  }
}

static double format_decode(FloatFormat f, uint32_t bits) {
  uint32_t mantissa_mask = (1u << f.mantissa) - 1, exponent_mask = (1u << f.exponent) - 1;
  uint32_t mantissa = bits & mantissa_mask, exponent = (bits >> f.mantissa) & exponent_mask;
  bool negative = f.is_signed && (bits >> (f.mantissa + f.exponent) & 1);
  if (!f.is_signed) return exponent == exponent_mask ? NAN : ldexp(1.0, (int)exponent - f.bias);
  if (f.zero_is_unsigned && negative && !mantissa && !exponent) return NAN;
  if (f.has_infinity && exponent == exponent_mask)
    return mantissa ? NAN : negative ? -INFINITY : INFINITY;
  if (f.has_nan && !f.has_infinity && !f.zero_is_unsigned && exponent == exponent_mask &&
      mantissa == mantissa_mask)
    return NAN;
  double value = exponent ? ldexp(1.0 + ldexp(mantissa, -f.mantissa), (int)exponent - f.bias)
                          : ldexp(mantissa, 1 - f.bias - f.mantissa);
  return negative ? -value : value;
}

// Largest finite code (without sign), and the code of NaN (a format without NaN: of -0, as ONNX has
// it).
static uint32_t format_largest(FloatFormat f) {
  uint32_t all = (1u << (f.exponent + f.mantissa)) - 1;
  if (f.has_infinity) return all - (1u << f.mantissa);
  return f.has_nan && !f.zero_is_unsigned ? all - 1 : all;
}

static uint32_t format_nan(FloatFormat f) {
  if (f.zero_is_unsigned) return 1u << (f.exponent + f.mantissa);
  if (f.has_infinity) return ((1u << f.exponent) - 1) << f.mantissa | 1u << (f.mantissa - 1);
  return (1u << (f.exponent + f.mantissa)) - 1;
}

static uint32_t encode_power_of_two(double value) { // F8E8M0, rounds up as ONNX does by default
  if (isnan(value) || isinf(value) || value < 0) return 255;
  if (value == 0) return 0;
  int exponent;
  double fraction = frexp(value, &exponent); // value = fraction * 2^exponent, fraction in [.5, 1)
  int code = exponent - 1 + 127 + (fraction > 0.5);
  return (uint32_t)(code < 0 ? 0 : code > 254 ? 254 : code);
}

// Rounds |value| to the nearest code, ties to even; overflow gives `largest + 1`.
static uint32_t encode_magnitude(FloatFormat f, double magnitude, uint32_t largest) {
  if (magnitude == 0) return 0;
  int exponent;
  if (magnitude == 0) return 0;
  frexp(magnitude, &exponent);
  exponent -= 1;
  int lowest = 1 - f.bias;
  if (exponent < lowest) exponent = lowest;
  double scaled = rint(ldexp(magnitude, f.mantissa - exponent)); // round half even
  if (scaled > (double)(2u << f.mantissa)) return largest + 1;
  int64_t code = (int64_t)scaled + ((int64_t)(exponent - lowest) << f.mantissa);
  return code > largest ? largest + 1 : (uint32_t)code;
}

static uint32_t format_encode(FloatFormat f, double value, bool saturate) {
  if (!f.is_signed) return encode_power_of_two(value);
  uint32_t sign = signbit(value) ? 1u << (f.exponent + f.mantissa) : 0, largest = format_largest(f);
  if (isnan(value))
    return !f.has_nan           ? 1u << (f.exponent + f.mantissa)
           : f.zero_is_unsigned ? format_nan(f)
                                : sign | format_nan(f);
  uint32_t code = isinf(value) ? largest + 1 : encode_magnitude(f, fabs(value), largest);
  if (code > largest) {
    if (saturate || !f.has_nan) return sign | largest;
    if (f.has_infinity) return sign | ((1u << f.exponent) - 1) << f.mantissa;
    return f.zero_is_unsigned ? format_nan(f) : sign | format_nan(f);
  }
  return code == 0 && f.zero_is_unsigned ? 0 : sign | code;
}

float f16_to_float(uint16_t bits) { return (float)format_decode(float_format(F16), bits); }

uint16_t f16_from_float(float value) {
  return (uint16_t)format_encode(float_format(F16), (double)value, false);
}

float bf16_to_float(uint16_t bits) { return bits_float((uint32_t)bits << 16); }

uint16_t bf16_from_float(float value) {
  uint32_t bits = float_bits(value);
  if (isnan(value)) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double small_float_to_double(ElementType element, uint8_t bits) {
  return format_decode(float_format(element), bits);
}

uint8_t small_float_from_double(ElementType element, double value, bool saturate) {
  return (uint8_t)format_encode(float_format(element), value, saturate);
}

static int sub_byte_load(ElementType element, const uint8_t *data, int64_t index) {
  int bits = element_info[element].bits, per_byte = 8 / bits;
  int raw = data[index / per_byte] >> (index % per_byte * bits) & ((1 << bits) - 1);
  bool negative = element_is_signed(element) && raw >> (bits - 1);
  return negative ? raw - (1 << bits) : raw;
}

static void sub_byte_store(ElementType element, uint8_t *data, int64_t index, int value) {
  int bits = element_info[element].bits, per_byte = 8 / bits, mask = (1 << bits) - 1;
  int shift = (int)(index % per_byte) * bits;
  uint8_t *byte = data + index / per_byte;
  *byte = (uint8_t)((*byte & ~(mask << shift)) | (value & mask) << shift);
}

int64_t element_load_int(ElementType element, const void *data, int64_t index) {
  const unsigned char *at = (const unsigned char *)data + index * (element_info[element].bits / 8);
  switch ((int)element) {
  case I8: return *(const int8_t *)at;
  case U8:
  case BOOL: return *at;
  case I16: {
    int16_t v;
    memcpy(&v, at, 2);
    return v;
  }
  case U16: {
    uint16_t v;
    memcpy(&v, at, 2);
    return v;
  }
  case I32: {
    int32_t v;
    memcpy(&v, at, 4);
    return v;
  }
  case U32: {
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
  }
  case I64:
  case U64: {
    int64_t v;
    memcpy(&v, at, 8);
    return v;
  }
  case I4:
  case U4:
  case I2:
  case U2: return sub_byte_load(element, data, index);
  default: {
    double value = element_load(element, data, index);
    if (isnan(value)) return 0;
    return value <= -0x1p63 ? INT64_MIN : value >= 0x1p63 ? INT64_MAX : (int64_t)value;
  }
  }
}

double element_load(ElementType element, const void *data, int64_t index) {
  const unsigned char *at = (const unsigned char *)data + index * (element_info[element].bits / 8);
  switch ((int)element) {
  case F32: {
    float v;
    memcpy(&v, at, 4);
    return (double)v;
  }
  case F64: {
    double v;
    memcpy(&v, at, 8);
    return v;
  }
  case F16: {
    uint16_t v;
    memcpy(&v, at, 2);
    return (double)f16_to_float(v);
  }
  case BF16: {
    uint16_t v;
    memcpy(&v, at, 2);
    return (double)bf16_to_float(v);
  }
  case F8E4M3FN:
  case F8E4M3FNUZ:
  case F8E5M2:
  case F8E5M2FNUZ:
  case F8E8M0: return small_float_to_double(element, *at);
  case F4E2M1: {
    int raw = ((const uint8_t *)data)[index / 2] >> (index % 2 * 4) & 15;
    return small_float_to_double(element, (uint8_t)raw);
  }
  case U64: {
    uint64_t v;
    memcpy(&v, at, 8);
    return (double)v;
  }
  default: return (double)element_load_int(element, data, index);
  }
}

void element_store_int(ElementType element, void *data, int64_t index, int64_t value) {
  unsigned char *at = (unsigned char *)data + index * (element_info[element].bits / 8);
  switch ((int)element) {
  case I8:
  case U8: *at = (unsigned char)value; return;
  case BOOL: *at = value != 0; return;
  case I16:
  case U16: memcpy(at, &(uint16_t){(uint16_t)value}, 2); return;
  case I32:
  case U32: memcpy(at, &(uint32_t){(uint32_t)value}, 4); return;
  case I64:
  case U64: memcpy(at, &value, 8); return;
  case I4:
  case U4:
  case I2:
  case U2: sub_byte_store(element, data, index, (int)(value & 15)); return;
  default: element_store(element, data, index, (double)value); return;
  }
}

static int64_t clamp_to_integer(ElementType element, double value) {
  if (isnan(value)) return 0;
  int bits = element_info[element].bits;
  if (element_info[element].class == CLASS_UNSIGNED) {
    double high = ldexp(1.0, bits);
    if (value <= -1) return 0;
    if (value >= high) return bits == 64 ? -1 : (int64_t)(high - 1);
    return (int64_t)(uint64_t)value;
  }
  double high = ldexp(1.0, bits - 1);
  if (value >= high) return bits == 64 ? INT64_MAX : (int64_t)(high - 1);
  if (value <= -high) return bits == 64 ? INT64_MIN : (int64_t)-high;
  return (int64_t)value;
}

void element_store(ElementType element, void *data, int64_t index, double value) {
  unsigned char *at = (unsigned char *)data + index * (element_info[element].bits / 8);
  switch ((int)element) {
  case F32: memcpy(at, &(float){(float)value}, 4); return;
  case F64: memcpy(at, &value, 8); return;
  case F16:
    memcpy(at, &(uint16_t){(uint16_t)format_encode(float_format(F16), value, false)}, 2);
    return;
  case BF16: memcpy(at, &(uint16_t){bf16_from_float((float)value)}, 2); return;
  case F8E4M3FN:
  case F8E4M3FNUZ:
  case F8E5M2:
  case F8E5M2FNUZ:
  case F8E8M0: *at = small_float_from_double(element, value, true); return;
  case F4E2M1:
    sub_byte_store(U4, data, index, small_float_from_double(element, value, true));
    return;
  case BOOL: *at = value != 0; return;
  default: element_store_int(element, data, index, clamp_to_integer(element, value)); return;
  }
}
