// The vector mathematics of runtime/kernels/vector, built natively, against the C library in the
// next wider type: every function at every lane count stays within the bound that docs/maths.md
// states. usage: math [STRIDE [NAME [LANES]]] prints a table;
// a stride of 1 tests all 2^32 floats.
#include "Inputs/math.h"
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef enum { ULP, X_ULP, X_TINY, BELOW, EXACT, TRIG } Measure;

typedef struct {
  const char *name;
  Measure measure;
  double bound_f32, bound_f64;
  long double (*exact)(long double x, long double y, long double z);
} Promise;

#define EXACTLY(name, expression)                                                                  \
  static long double exact_##name(long double x, long double y, long double z) {                   \
    (void)x, (void)y, (void)z;                                                                     \
    return expression;                                                                             \
  }
static bool narrow; // the function under test is a float's: double is exact enough, and faster
#define WIDE(function, x) (narrow ? (long double)function((double)(x)) : function##l(x))

static long double sigmoid(long double x) { return 1 / (1 + WIDE(exp, -x)); }
static long double python_mod(long double x, long double y) {
  long double r = fmodl(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static long double at_least(long double x, long double low) { return x < low ? low : x; }
static long double at_most(long double x, long double high) { return x > high ? high : x; }
static long double clip(long double x) { return at_least(at_most(x, 1), 0); }

EXACTLY(exp, WIDE(exp, x))
EXACTLY(exp_nonpositive, WIDE(exp, x))
EXACTLY(expm1, WIDE(expm1, x))
EXACTLY(log, WIDE(log, x))
EXACTLY(log1p, WIDE(log1p, x))
EXACTLY(sigmoid, sigmoid(x))
EXACTLY(tanh, WIDE(tanh, x))
EXACTLY(softplus, at_least(x, 0) + WIDE(log1p, WIDE(exp, -fabsl(x))))
EXACTLY(sinh, WIDE(sinh, x))
EXACTLY(cosh, WIDE(cosh, x))
EXACTLY(erf, WIDE(erf, x))
EXACTLY(gelu, x < 0 ? x * WIDE(erfc, -x *sqrtl(0.5L)) / 2 : x * (1 + WIDE(erf, x *sqrtl(0.5L))) / 2)
EXACTLY(gelu_tanh,
        x *sigmoid(2 * sqrtl(2 / 3.14159265358979323846264L) * (x + 0.044715L * x * x * x)))
EXACTLY(silu, x *sigmoid(x))
EXACTLY(mish, x *WIDE(tanh, WIDE(log1p, WIDE(exp, at_most(x, 60)))))
EXACTLY(softsign, x / (1 + fabsl(x)))
EXACTLY(hard_swish, x *clip(x / 6 + 0.5L))
EXACTLY(elu, x < 0 ? y * WIDE(expm1, x) : x)
EXACTLY(celu, at_least(x, 0) + at_most(y * WIDE(expm1, x / y), 0))
EXACTLY(selu, z *(x > 0 ? x : y * WIDE(expm1, x)))
EXACTLY(hard_sigmoid, clip(y *x + z))
EXACTLY(thresholded_relu, x > y ? x : 0)
EXACTLY(round, rintl(x))
EXACTLY(trunc, truncl(x))
EXACTLY(floor, floorl(x))
EXACTLY(ceil, ceill(x))
EXACTLY(sqrt, sqrt((double)x))
EXACTLY(sin, WIDE(sin, x))
EXACTLY(cos, WIDE(cos, x))
EXACTLY(tan, WIDE(tan, x))
EXACTLY(asin, WIDE(asin, x))
EXACTLY(acos, WIDE(acos, x))
EXACTLY(atan, WIDE(atan, x))
EXACTLY(asinh, WIDE(asinh, x))
EXACTLY(acosh, WIDE(acosh, x))
EXACTLY(atanh, WIDE(atanh, x))
EXACTLY(pow, narrow ? (long double)pow((double)x, (double)y) : powl(x, y))
EXACTLY(fmod, fmodl(x, y))
EXACTLY(mod, python_mod(x, y))

static const Promise promises[] = {
#define FUNCTION(name, arguments, measure, f32, f64) {#name, measure, f32, f64, exact_##name},
#include "Inputs/math.def"
};
enum { PROMISES = sizeof promises / sizeof *promises, ROWS = 3 };

static uint64_t random_state = 1;
static uint64_t random_bits(void) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  uint64_t x = random_state ^ (random_state >> 33);
  return x * UINT64_C(0xff51afd7ed558ccd);
}

// The distance of two numbers next to `at` in the tested type, as a long double.
static long double spacing(long double at) {
  int exponent;
  long double a = fabsl(at);
  if (narrow && a > FLT_MAX) a = FLT_MAX;
  if (!narrow && a > DBL_MAX) a = DBL_MAX;
  frexpl(a, &exponent);
  int low = narrow ? FLT_MIN_EXP - FLT_MANT_DIG : DBL_MIN_EXP - DBL_MANT_DIG;
  exponent -= narrow ? FLT_MANT_DIG : DBL_MANT_DIG;
  return ldexpl(1, a == 0 || exponent < low ? low : exponent);
}

// The error of `got` in the unit of the measure; infinity where the kinds or signs differ.
static double error_of(const Promise *promise, long double got, long double want, long double x) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
  long double rounded = narrow ? (long double)(float)want : (long double)(double)want;
  if (promise->measure == BELOW && want < (narrow ? 0x1p-125L : 0x1p-1021L) && got == 0) return 0;
  if (got == rounded) return got != 0 || !!signbit(got) == !!signbit(want) ? 0 : INFINITY;
  if (promise->measure == EXACT) return INFINITY;
  if (isinf(got)) got = copysignl(narrow ? 0x1p128L : 0x1p1024L, got);
  if (isinf(want)) want = copysignl(narrow ? 0x1p128L : 0x1p1024L, want);
  long double error = fabsl(got - want);
  if (promise->measure == TRIG && error < (narrow ? 0x1p-36L : 0x1p-66L)) return 0;
  long double unit = spacing(want);
  if (promise->measure == X_ULP && spacing(x) > unit) unit = spacing(x);
  if (promise->measure == X_TINY && fabsl(x) > 1) unit = at_least(unit, fabsl(x) * spacing(0));
  return (double)(error / unit);
}

typedef struct {
  double worst;
  double at[ROWS];
} Worst;

static double exact_of(const Promise *promise, const double *in, long double got, Worst *worst) {
  double error = error_of(promise, got, promise->exact(in[0], in[1], in[2]), in[0]);
  if (!(error <= worst->worst)) {
    worst->worst = error;
    memcpy(worst->at, in, sizeof worst->at);
  }
  return error;
}

static void run_block(const MathFunction *function, const Promise *promise,
                      double in[ROWS][MATH_LANES_MAX], Worst *worst) {
  float in_f32[ROWS][MATH_LANES_MAX], out_f32[MATH_LANES_MAX];
  double in_f64[ROWS][MATH_LANES_MAX], out_f64[MATH_LANES_MAX];
  for (int from = 0; from < MATH_LANES_MAX; from += function->lanes) {
    for (int row = 0; row < ROWS; row++)
      for (int i = 0; i < function->lanes; i++) {
        in_f32[row][i] = (float)in[row][from + i];
        in_f64[row][i] = in[row][from + i];
      }
    if (function->call_f32)
      function->call_f32(in_f32, out_f32);
    else
      function->call_f64(in_f64, out_f64);
    for (int i = 0; i < function->lanes; i++) {
      double lane[ROWS] = {in[0][from + i], in[1][from + i], in[2][from + i]};
      exact_of(promise, lane, function->call_f32 ? out_f32[i] : out_f64[i], worst);
    }
  }
}

static double from_bits_f32(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double from_bits_f64(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// A number: any bit pattern, or (what models have) one between 2^-8 and 2^8, or a small integer.
static double random_number(void) {
  uint64_t bits = random_bits(), kind = random_bits() >> 61;
  double sign = bits & 1 ? -1 : 1;
  if (kind < 3) return narrow ? from_bits_f32((uint32_t)(bits >> 32)) : from_bits_f64(bits);
  if (kind == 3) return sign * (double)(bits >> 58);
  double x = sign * ldexp(1 + (double)(bits >> 12) * 0x1p-52, (int)(bits >> 1 & 15) - 8);
  return narrow ? (float)x : x;
}

static const double special[] = {
    0.0,           -0.0,  1,        -1,        0.5,  -0.5,   2,       -2,       3,         -3,
    1.5,           -2.5,  INFINITY, -INFINITY, NAN,  1e-30,  -1e-30,  0x1p-149, -0x1p-149, 0x1p-126,
    88.72,         -87.4, 104,      1e5,       -1e5, 0x1p23, -0x1p24, 16777215, 709.5,     -745,
    0x1.fffffep127};
enum { SPECIALS = sizeof special / sizeof *special };

static double special_number(uint64_t i) { return narrow ? (float)special[i] : special[i]; }

// The second and third arguments: parameters of activations, or numbers like the first.
static void fill_parameters(const MathFunction *function, double in[ROWS][MATH_LANES_MAX], int i) {
  bool free_argument = strcmp(function->name, "pow") == 0 || strstr(function->name, "mod") != NULL;
  in[1][i] = free_argument ? random_number() : 0.75;
  in[2][i] = 1.25;
}

static Worst sweep(const MathFunction *function, const Promise *promise, uint64_t stride) {
  Worst worst = {0};
  double in[ROWS][MATH_LANES_MAX];
  int filled = 0;
  uint64_t count = (UINT64_C(1) << 32) / stride, pairs = SPECIALS * SPECIALS;
  bool unary_f32 = narrow && function->arguments != 2;
  for (uint64_t n = 0; n < count + pairs + MATH_LANES_MAX; n++) {
    fill_parameters(function, in, filled);
    if (n < pairs) {
      in[0][filled] = special_number(n % SPECIALS);
      if (in[1][filled] != 0.75) in[1][filled] = special_number(n / SPECIALS);
    } else {
      in[0][filled] = unary_f32 ? from_bits_f32((uint32_t)((n - pairs) * stride)) : random_number();
    }
    if (promise->measure == BELOW) in[0][filled] = -fabs(in[0][filled]);
    if (++filled < MATH_LANES_MAX) continue;
    run_block(function, promise, in, &worst);
    filled = 0;
  }
  return worst;
}

static void test_function(const MathFunction *function, uint64_t stride, bool print) {
  const Promise *promise = promises;
  while (strcmp(promise->name, function->name) != 0) promise++;
  narrow = function->call_f32 != NULL;
  Worst worst = sweep(function, promise, stride);
  double bound = narrow ? promise->bound_f32 : promise->bound_f64;
  if (print || !(worst.worst <= bound))
    printf("%-18s %s x%-2d  %.3g of %.3g at %.9g %.9g\n", function->name, narrow ? "f32" : "f64",
           function->lanes, worst.worst, bound, worst.at[0], worst.at[1]);
  CHECK(worst.worst <= bound);
}

int main(int argc, char **argv) {
  uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
#ifdef MATH_NEEDS_FMA
  if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2")) return 0;
#endif
  for (const MathFunction *function = math_functions; function->name; function++) {
    if (argc > 2 && *argv[2] && strcmp(argv[2], function->name) != 0) continue;
    if (argc > 3 && atoi(argv[3]) != function->lanes) continue;
    bool vector = function->lanes > 1; // the same source: fewer samples
    test_function(function, stride ? stride : vector ? 80021 : 16007, stride != 0);
  }
  return check_status();
}
