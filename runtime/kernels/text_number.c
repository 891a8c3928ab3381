// Numbers as text and text as numbers, both exactly: by a decimal that holds all digits of a
// double.
#include "runtime/kernels/text.h"

enum { MOST_DIGITS = 800, MOST_SHIFT = 27 };

typedef struct Decimal { // 0.d0 d1 d2 .. * 10^point; the last digit is not 0
  unsigned char digits[MOST_DIGITS];
  int count, point;
  int cut; // digits that are not 0 have been lost behind the last one
} Decimal;

static void trim(Decimal *d) {
  while (d->count && !d->digits[d->count - 1]) d->count--;
  if (!d->count) d->point = 0;
}

static void append(Decimal *d, unsigned digit) {
  if (d->count < MOST_DIGITS)
    d->digits[d->count++] = (unsigned char)digit;
  else
    d->cut |= digit != 0;
}

static int write_integer(uint64_t value, unsigned char *to) {
  unsigned char reversed[20];
  int count = 0;
  do reversed[count++] = (unsigned char)('0' + value % 10);
  while (value /= 10);
  for (int i = 0; i < count; i++) to[i] = reversed[count - 1 - i];
  return count;
}

static void set_integer(Decimal *d, uint64_t value) {
  d->count = d->point = write_integer(value, d->digits);
  d->cut = 0;
  for (int i = 0; i < d->count; i++) d->digits[i] -= '0';
  trim(d);
}

// Times 2^by, by <= MOST_SHIFT: 32 bits hold a digit that is shifted and what is carried.
static void multiply(Decimal *d, int by) {
  uint32_t carry = 0;
  unsigned char front[10];
  int more = 0, kept;
  for (int i = d->count - 1; i >= 0; i--) {
    carry += (uint32_t)d->digits[i] << by;
    d->digits[i] = (unsigned char)(carry % 10);
    carry /= 10;
  }
  for (; carry; carry /= 10) front[more++] = (unsigned char)(carry % 10);
  kept = d->count + more > MOST_DIGITS ? MOST_DIGITS - more : d->count;
  for (int i = kept; i < d->count; i++) d->cut |= d->digits[i] != 0;
  for (int i = kept - 1; i >= 0; i--) d->digits[i + more] = d->digits[i];
  for (int i = 0; i < more; i++) d->digits[i] = front[more - 1 - i];
  d->count = kept + more;
  d->point += more;
  trim(d);
}

// By 2^by. The quotient's digits are written behind those that are read.
static void divide(Decimal *d, int by) {
  uint32_t rest = 0, low = ((uint32_t)1 << by) - 1;
  int read = 0, count = d->count;
  if (!count) return;
  for (; !(rest >> by); read++) rest = rest * 10 + (read < count ? d->digits[read] : 0);
  d->point -= read - 1;
  d->count = 0;
  for (; read < count || rest; read++) {
    append(d, rest >> by);
    rest = (rest & low) * 10 + (read < count ? d->digits[read] : 0);
  }
  trim(d);
}

static void scale(Decimal *d, int by) {
  for (int step; by > 0; by -= step) multiply(d, step = by < MOST_SHIFT ? by : MOST_SHIFT);
  for (int step; by < 0; by += step) divide(d, step = -by < MOST_SHIFT ? -by : MOST_SHIFT);
}

static int compare(const Decimal *a, const Decimal *b) {
  if (a->point != b->point) return a->point < b->point ? -1 : 1;
  for (int i = 0; i < a->count || i < b->count; i++) {
    int x = i < a->count ? a->digits[i] : 0, y = i < b->count ? b->digits[i] : 0;
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

// Is what stands behind `at` digits more than a half of the last of them, or a half and that odd?
static int rounds_up(const Decimal *d, int at) {
  if (at < 0 || at >= d->count) return 0;
  if (d->digits[at] == 5 && at + 1 == d->count && !d->cut) return at > 0 && (d->digits[at - 1] & 1);
  return d->digits[at] >= 5;
}

static void round_to(const Decimal *d, int count, Decimal *rounded) {
  int up = rounds_up(d, count), i;
  rounded->count = count < d->count ? count : d->count;
  rounded->point = d->point;
  rounded->cut = 0;
  for (i = 0; i < rounded->count; i++) rounded->digits[i] = d->digits[i];
  for (i = rounded->count - 1; up && i >= 0 && rounded->digits[i] == 9; i--) rounded->digits[i] = 0;
  if (up && i >= 0) rounded->digits[i]++;
  if (up && i < 0) { // 99.. became 100..
    rounded->digits[0] = 1;
    rounded->count = 1;
    rounded->point++;
  }
  trim(rounded);
}

// --- numbers to text

static uint64_t bits_of(double x) {
  union {
    double real;
    uint64_t bits;
  } both = {x};
  return both.bits;
}

// The fewest digits that are nearer to mantissa * 2^exponent than to its neighbours, the lower of
// which may be at half the distance.
static void shortest(uint64_t mantissa, int exponent, int near, Decimal *best) {
  Decimal exact, low, high;
  int even = !(mantissa & 1);
  set_integer(&exact, mantissa);
  set_integer(&high, 2 * mantissa + 1);
  set_integer(&low, near ? 4 * mantissa - 1 : 2 * mantissa - 1);
  scale(&exact, exponent);
  scale(&high, exponent - 1);
  scale(&low, exponent - 1 - near);
  for (int count = 1; count <= 17; count++) {
    round_to(&exact, count, best);
    if (compare(&low, best) < even && compare(best, &high) < even) return;
  }
}

static int put(unsigned char *to, const char *text) {
  int length = 0;
  for (; text[length]; length++) to[length] = (unsigned char)text[length];
  return length;
}

// 1.5e-07, or 0.00015 and 1500.0.
static int write_decimal(const Decimal *d, unsigned char *to) {
  int length = 0, exponent = d->point - 1, scientific = exponent < -4 || exponent >= 16;
  int point = scientific ? 1 : d->point, end = d->count > point ? d->count : point;
  if (point <= 0) length = put(to, "0.");
  for (int i = point < 0 ? point : 0; i < end; i++) {
    if (i == point && i > 0) to[length++] = '.';
    to[length++] = (unsigned char)('0' + (i >= 0 && i < d->count ? d->digits[i] : 0));
  }
  if (!scientific && end == point) length += put(to + length, ".0");
  if (!scientific) return length;
  to[length++] = 'e';
  to[length++] = exponent < 0 ? '-' : '+';
  if (exponent < 0) exponent = -exponent;
  if (exponent < 10) to[length++] = '0';
  return length + write_integer((uint64_t)exponent, to + length);
}

// y = x of a type with so many bits of mantissa and that exponent of the least normal number, in
// memory behind its first `done` bytes, at most 32 of them; returns how many are done then.
size_t tenon_text_real(double x, int mantissa_bits, int least_exponent, unsigned char *memory,
                       size_t done, Text *y) {
  uint64_t bits = bits_of(x), fraction = bits & (((uint64_t)1 << 52) - 1);
  int biased = (int)(bits >> 52 & 0x7ff), exponent = biased ? biased - 1023 : -1022, length = 0;
  unsigned char *to = memory + done;
  if (bits >> 63 && !(biased == 0x7ff && fraction)) to[length++] = '-';
  if (biased == 0x7ff) {
    length += put(to + length, fraction ? "nan" : "inf");
  } else if (!biased && !fraction) {
    length += put(to + length, "0.0");
  } else {
    Decimal digits;
    uint64_t mantissa = biased ? fraction | (uint64_t)1 << 52 : fraction;
    int last = (exponent < least_exponent ? least_exponent : exponent) -
               mantissa_bits; // exponent of the last bit
    mantissa >>= last - (exponent - 52);
    shortest(mantissa, last, mantissa == (uint64_t)1 << mantissa_bits && exponent > least_exponent,
             &digits);
    length += write_decimal(&digits, to + length);
  }
  *y = (Text){to, (size_t)length};
  return done + (size_t)length;
}

size_t tenon_text_integer(uint64_t x, int is_signed, unsigned char *memory, size_t done, Text *y) {
  unsigned char *to = memory + done;
  int negative = is_signed && x >> 63, length = 0;
  if (negative) to[length++] = '-';
  length += write_integer(negative ? 0 - x : x, to + length);
  *y = (Text){to, (size_t)length};
  return done + (size_t)length;
}

size_t tenon_text_truth(int x, unsigned char *memory, size_t done, Text *y) {
  unsigned char *to = memory + done;
  size_t length = (size_t)put(to, x ? "True" : "False");
  *y = (Text){to, length};
  return done + length;
}

// --- text to numbers

static double real_of(uint64_t bits) {
  union {
    uint64_t bits;
    double real;
  } both = {bits};
  return both.real;
}

static const uint64_t INFINITE = (uint64_t)0x7ff << 52;

// The integer next to the number, which is below 2^53.
static uint64_t nearest_integer(const Decimal *d) {
  uint64_t value = 0;
  for (int i = 0; i < d->point; i++) value = value * 10 + (i < d->count ? d->digits[i] : 0);
  return value + (uint64_t)rounds_up(d, d->point);
}

static int step_of(int places) { // bits that so many decimal places are at least
  static const unsigned char bits[] = {1, 3, 6, 9, 13, 16, 19, 23, 26};
  return bits[places < 8 ? places : 8];
}

// The bits of the double next to it.
static uint64_t nearest_real(Decimal *d) {
  int exponent = -1; // of a first bit in 1/2 .. 1
  if (!d->count || d->point < -330) return 0;
  if (d->point > 310) return INFINITE;
  while (d->point > 0) {
    int by = step_of(d->point);
    scale(d, -by);
    exponent += by;
  }
  while (d->point < 0 || d->digits[0] < 5) {
    int by = step_of(-d->point);
    scale(d, by);
    exponent -= by;
  }
  int low = exponent < -1022 ? -1022 - exponent : 0;
  scale(d, 53 - low);
  exponent += low;
  uint64_t mantissa = nearest_integer(d);
  if (exponent > 1023) return INFINITE;
  // Bit 52, which subnormal numbers lack, and a carry into bit 53 add to the exponent.
  return ((uint64_t)(exponent + 1022) << 52) + mantissa;
}

typedef struct Reader {
  const unsigned char *at, *end;
} Reader;

static Reader reader_of(const Text *x) {
  Reader r = {x->data, x->data + x->bytes};
  while (r.at < r.end && text_is_space(*r.at)) r.at++;
  while (r.at < r.end && text_is_space(r.end[-1])) r.end--;
  return r;
}

static int take_sign(Reader *r) {
  int negative = r->at < r->end && *r->at == '-';
  if (r->at < r->end && (*r->at == '-' || *r->at == '+')) r->at++;
  return negative;
}

static int is_digit(const Reader *r) { return r->at < r->end && *r->at >= '0' && *r->at <= '9'; }

static int is_word(const Reader *r, const char *word) {
  size_t length = (size_t)(r->end - r->at), i = 0;
  for (; word[i] && i < length; i++)
    if ((r->at[i] | 32) != word[i]) return 0;
  return !word[i] && i == length;
}

// Digits with a point among them; 0: there are none.
static int take_digits(Reader *r, Decimal *d) {
  enum { MOST_PLACES = 1 << 24 }; // more of them make no difference
  int any = 0, behind = 0;
  for (; is_digit(r) || (r->at < r->end && *r->at == '.' && !behind); r->at++) {
    if (*r->at == '.') {
      behind = 1;
      continue;
    }
    any = 1;
    if (d->count || *r->at != '0') append(d, *r->at - '0');
    if (behind && !d->count && d->point > -MOST_PLACES) d->point--;
    if (!behind && d->count && d->point < MOST_PLACES) d->point++;
  }
  return any;
}

static int take_exponent(Reader *r, Decimal *d) {
  enum { MOST_EXPONENT = 100000 };
  if (r->at == r->end) return 1;
  if ((*r->at++ | 32) != 'e') return 0;
  int negative = take_sign(r), exponent = 0;
  if (!is_digit(r)) return 0;
  for (; is_digit(r); r->at++)
    if (exponent < MOST_EXPONENT) exponent = exponent * 10 + (*r->at - '0');
  d->point += negative ? -exponent : exponent;
  return r->at == r->end;
}

static int parse_real(const Text *x, double *y) {
  Reader r = reader_of(x);
  Decimal d;
  d.count = d.point = d.cut = 0; // the digits need no value
  uint64_t sign = (uint64_t)take_sign(&r) << 63;
  if (is_word(&r, "inf")) {
    *y = real_of(sign | INFINITE);
  } else if (is_word(&r, "nan")) {
    *y = real_of(INFINITE | (uint64_t)1 << 51);
  } else {
    if (!take_digits(&r, &d) || !take_exponent(&r, &d)) return 0;
    trim(&d);
    *y = real_of(sign | nearest_real(&d));
  }
  return 1;
}

// The next integer toward 0, the nearest there is.
static int64_t integer_of(double x, int is_signed) {
  const double top = 9223372036854775808.0;
  if (!(x == x)) return 0;
  if (is_signed) return x >= top ? INT64_MAX : x < -top ? INT64_MIN : (int64_t)x;
  if (x <= 0) return 0;
  return x >= 2 * top ? -1
         : x >= top   ? (int64_t)((uint64_t)(int64_t)(x - top) + ((uint64_t)1 << 63))
                      : (int64_t)x;
}

// Digits only; *y is at most what there is room for. 0: something else stands there.
static int parse_whole(const Text *x, int is_signed, int64_t *y) {
  Reader r = reader_of(x);
  int negative = take_sign(&r), too_large = 0;
  uint64_t value = 0;
  if (!is_digit(&r)) return 0;
  for (; is_digit(&r); r.at++) {
    unsigned digit = *r.at - '0';
    too_large |= value > (UINT64_MAX - digit) / 10;
    value = value * 10 + digit;
  }
  if (r.at < r.end) return 0;
  uint64_t most =
      !is_signed ? (negative ? 0 : UINT64_MAX) : (uint64_t)INT64_MAX + (uint64_t)negative;
  if (too_large || value > most) value = most;
  *y = (int64_t)(negative ? 0 - value : value);
  return 1;
}

// 0: one of the strings is no number.
int tenon_text_parse_f64(const Text *x, double *y, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!parse_real(&x[i], &y[i])) return 0;
  return 1;
}

int tenon_text_parse_i64(const Text *x, int64_t *y, size_t count, int is_signed) {
  for (size_t i = 0; i < count; i++) {
    double real;
    if (parse_whole(&x[i], is_signed, &y[i])) continue;
    if (!parse_real(&x[i], &real)) return 0;
    y[i] = integer_of(real, is_signed);
  }
  return 1;
}
