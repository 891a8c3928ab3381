// Numbers to text and back.
#include "ir/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void float_text(char buffer[NUMBER_TEXT], float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (!isfinite(value)) {
    snprintf(buffer, NUMBER_TEXT, "0x%08x", bits);
    return;
  }
  for (int digits = 1; digits <= 9; digits++) {
    snprintf(buffer, NUMBER_TEXT, "%.*g", digits, (double)value);
    float back = strtof(buffer, NULL);
    if (!memcmp(&back, &value, 4)) return;
  }
}

void double_text(char buffer[NUMBER_TEXT], double value) {
  uint64_t bits;
  memcpy(&bits, &value, 8);
  if (!isfinite(value)) {
    snprintf(buffer, NUMBER_TEXT, "0x%016llx", (unsigned long long)bits);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(buffer, NUMBER_TEXT, "%.*g", digits, value);
    double back = strtod(buffer, NULL);
    if (!memcmp(&back, &value, 8)) return;
  }
}

static bool is_hex(const char *text) {
  return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

static bool bits_from_text(const char *text, int width, uint64_t *bits) {
  char *end;
  errno = 0;
  *bits = strtoull(text, &end, 16);
  return !errno && *end == 0 && end != text + 2 && (width == 64 || *bits >> width == 0);
}

bool float_from_text(const char *text, float *value) {
  uint64_t bits;
  if (is_hex(text)) {
    if (!bits_from_text(text, 32, &bits)) return false;
    memcpy(value, &(uint32_t){(uint32_t)bits}, 4);
    return true;
  }
  char *end;
  *value = strtof(text, &end);
  return end != text && *end == 0;
}

bool double_from_text(const char *text, double *value) {
  uint64_t bits;
  if (is_hex(text)) {
    if (!bits_from_text(text, 64, &bits)) return false;
    memcpy(value, &bits, 8);
    return true;
  }
  char *end;
  *value = strtod(text, &end);
  return end != text && *end == 0;
}

bool int_from_text(const char *text, int64_t *value) {
  if (is_hex(text)) {
    uint64_t bits;
    bool fits = bits_from_text(text, 63, &bits);
    *value = (int64_t)bits;
    return fits;
  }
  char *end;
  errno = 0;
  *value = strtoll(text, &end, 10);
  return !errno && end != text && *end == 0;
}

uint64_t element_bits(ElementType element, const void *data, int64_t index) {
  int width = element_info[element].bits;
  const unsigned char *bytes = data;
  if (width < 8) return bytes[index * width / 8] >> (index * width % 8) & ((1u << width) - 1);
  uint64_t bits = 0;
  memcpy(&bits, bytes + index * (width / 8), (size_t)(width > 64 ? 8 : width / 8));
  return bits;
}

static void store_bits(ElementType element, void *data, int64_t index, uint64_t bits) {
  int width = element_info[element].bits;
  if (element == F4E2M1)
    element_store_int(U4, data, index, (int64_t)bits);
  else
    memcpy((unsigned char *)data + index * (width / 8), &bits, (size_t)(width / 8));
}

// The small float formats: digits until the same code comes back.
static void small_float_text(char buffer[NUMBER_TEXT], ElementType element, const void *data,
                             int64_t index) {
  uint64_t bits = element_bits(element, data, index);
  double value = element_load(element, data, index);
  for (int digits = 1; digits <= 9 && isfinite(value); digits++) {
    unsigned char back[8] = {0};
    snprintf(buffer, NUMBER_TEXT, "%.*g", digits, value);
    element_store(element, back, 0, strtod(buffer, NULL));
    if (element_bits(element, back, 0) == bits) return;
  }
  snprintf(buffer, NUMBER_TEXT, "0x%0*llx", element_info[element].bits / 4,
           (unsigned long long)bits);
}

void element_value_text(char buffer[NUMBER_TEXT], ElementType element, const void *data,
                        int64_t index) {
  if (element == F32) {
    float value;
    memcpy(&value, (const char *)data + 4 * index, 4);
    float_text(buffer, value);
  } else if (element == F64) {
    double value;
    memcpy(&value, (const char *)data + 8 * index, 8);
    double_text(buffer, value);
  } else if (element_is_float(element)) {
    small_float_text(buffer, element, data, index);
  } else if (element == BOOL) {
    strcpy(buffer, element_load_int(element, data, index) ? "true" : "false");
  } else if (element == U64) {
    snprintf(buffer, NUMBER_TEXT, "%llu",
             (unsigned long long)element_load_int(element, data, index));
  } else {
    snprintf(buffer, NUMBER_TEXT, "%lld", (long long)element_load_int(element, data, index));
  }
}

static bool integer_from_text(ElementType element, void *data, int64_t index, const char *text) {
  int width = element_info[element].bits;
  if (element == U64 && text[0] != '-') {
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, is_hex(text) ? 16 : 10);
    element_store_int(element, data, index, (int64_t)value);
    return !errno && end != text && *end == 0;
  }
  int64_t value, low = 0, high = INT64_MAX;
  if (!int_from_text(text, &value)) return false;
  if (element_is_signed(element)) low = width == 64 ? INT64_MIN : -(INT64_C(1) << (width - 1));
  if (width < 64) high = (INT64_C(1) << (element_is_signed(element) ? width - 1 : width)) - 1;
  element_store_int(element, data, index, value);
  return value >= low && value <= high;
}

bool element_value_from_text(ElementType element, void *data, int64_t index, const char *text) {
  if (element == BOOL) {
    bool truth = !strcmp(text, "true") || !strcmp(text, "1");
    element_store_int(element, data, index, truth);
    return truth || !strcmp(text, "false") || !strcmp(text, "0");
  }
  if (!element_is_float(element)) return integer_from_text(element, data, index, text);
  if (is_hex(text)) {
    uint64_t bits;
    if (!bits_from_text(text, element_info[element].bits, &bits)) return false;
    store_bits(element, data, index, bits);
    return true;
  }
  if (element == F32) { // not through double: that would round twice
    float value = 0;
    bool read = float_from_text(text, &value);
    memcpy((char *)data + 4 * index, &value, 4);
    return read;
  }
  double value = 0;
  bool read = double_from_text(text, &value);
  element_store(element, data, index, value);
  return read;
}

// splitmix64, published as a generator of seeds: one multiplication chain per number.
static uint64_t next_random(uint64_t *state) {
  uint64_t x = *state += 0x9E3779B97F4A7C15;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

void element_fill_random(ElementType element, void *data, int64_t count, uint64_t seed) {
  bool is_float = element_is_float(element), is_signed = element_is_signed(element);
  int bits = element == BOOL ? 1 : element_info[element].bits < 4 ? element_info[element].bits : 4;
  for (int64_t i = 0; i < count; i++) {
    uint64_t random = next_random(&seed) >> 56;
    if (is_float) {
      element_store(element, data, i, ((double)random - 128) / 128);
      continue;
    }
    int64_t value = (int64_t)(random & ((1u << bits) - 1));
    element_store_int(element, data, i, is_signed ? value - (1 << (bits - 1)) : value);
  }
}
