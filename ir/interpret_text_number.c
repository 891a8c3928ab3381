// Numbers as text and back, by the C library: the fewest digits that read back to the same element.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

static TensorString text_copy(Arena *arena, const char *text) {
  return (TensorString){arena_strdup(arena, text), strlen(text)};
}

static bool reads_back(ElementType element, const char *text, double value) {
  uint64_t bits = 0;
  element_store(element, &bits, 0,
                element == F32 ? (double)strtof(text, NULL) : strtod(text, NULL));
  return element_load(element, &bits, 0) == value;
}

// The digits with a point behind the first, times 10^exponent.
static char *plain_text(Arena *arena, const char *digits, int count, int exponent) {
  static const char zeros[] = "0000000000000000";
  if (exponent < 0) return arena_printf(arena, "0.%.*s%.*s", -exponent - 1, zeros, count, digits);
  int whole = exponent + 1;
  if (count <= whole) return arena_printf(arena, "%.*s%.*s.0", count, digits, whole - count, zeros);
  return arena_printf(arena, "%.*s.%.*s", whole, digits, count - whole, digits + whole);
}

static TensorString real_text(Arena *arena, ElementType element, double value) {
  char text[64], digits[32];
  if (isnan(value)) return text_copy(arena, "nan");
  if (isinf(value)) return text_copy(arena, value < 0 ? "-inf" : "inf");
  if (value == 0) return text_copy(arena, signbit(value) ? "-0.0" : "0.0");
  int precision = 0, count = 0;
  do snprintf(text, sizeof text, "%.*e", precision, fabs(value));
  while (!reads_back(element, text, fabs(value)) && ++precision < 17);
  const char *power = strchr(text, 'e');
  int exponent = atoi(power + 1);
  for (const char *c = text; c < power; c++)
    if (*c != '.') digits[count++] = *c;
  bool plain = exponent >= -4 && exponent < 16;
  const char *found = plain ? plain_text(arena, digits, count, exponent) : text;
  return text_copy(arena, value < 0 ? arena_printf(arena, "-%s", found) : found);
}

bool interpret_string_format(Evaluation *e) {
  const Tensor *x = &e->operands[0];
  TensorString *y = e->results[0].data;
  Arena *arena = e->run->text;
  for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
    if (element_is_float(x->element)) {
      y[i] = real_text(arena, x->element, element_load(x->element, x->data, i));
      continue;
    }
    long long value = element_load_int(x->element, x->data, i);
    if (x->element == BOOL)
      y[i] = text_copy(arena, value ? "True" : "False");
    else
      y[i] = text_copy(arena, arena_printf(arena, x->element == U64 ? "%llu" : "%lld", value));
  }
  return true;
}

// --- parse

static size_t span_digits(const char *text) { return strspn(text, "0123456789"); }

// Sign, digits with at most one point, exponent: what ONNX calls plain and scientific notation.
static bool is_number(const char *text, bool *whole) {
  text += *text == '-' || *text == '+';
  *whole = false;
  if (!strcasecmp(text, "inf") || !strcasecmp(text, "nan")) return true;
  size_t before = span_digits(text), behind = 0;
  text += before;
  *whole = !*text && before;
  if (*text == '.') behind = span_digits(++text), text += behind;
  if (!before && !behind) return false;
  if (*text != 'e' && *text != 'E') return !*text;
  text += text[1] == '-' || text[1] == '+' ? 2 : 1;
  size_t exponent = span_digits(text);
  return exponent && !text[exponent];
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The text without white space around it; NULL: there is a 0 in it.
static char *trimmed(Arena *arena, TensorString x) {
  const char *data = x.data, *end = x.data + x.length;
  while (data < end && is_space(*data)) data++;
  while (data < end && is_space(end[-1])) end--;
  size_t length = (size_t)(end - data);
  return memchr(x.data, 0, x.length) ? NULL : arena_strndup(arena, data, length);
}

// Clamped to the type; digits only are exact.
static int64_t parse_integer(const char *text, bool whole, bool is_signed) {
  if (!whole) {
    double value = strtod(text, NULL);
    int64_t integer = 0;
    element_store(is_signed ? I64 : U64, &integer, 0, value);
    return integer;
  }
  if (is_signed) return strtoll(text, NULL, 10);
  return *text == '-' ? 0 : (int64_t)strtoull(text, NULL, 10);
}

bool interpret_string_parse(Evaluation *e) {
  const TensorString *x = e->operands[0].data;
  Tensor *y = &e->results[0];
  for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
    const char *text = trimmed(e->run->arena, x[i]);
    bool whole;
    if (!text || !is_number(text, &whole))
      return diag_error(e->run->diag, e->node->loc, "string_parse: \"%.*s\" is no number",
                        x[i].length > 40 ? 40 : (int)x[i].length, x[i].data);
    if (y->element == F64)
      element_store(F64, y->data, i, strtod(text, NULL));
    else
      element_store_int(y->element, y->data, i, parse_integer(text, whole, y->element == I64));
  }
  return true;
}
