// The most that one core can multiply and add: independent sums in registers, nothing else.
#include <time.h>

#include "tools/profile.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 10, TURNS = 20000, TRIES = 25 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// One function for each width: the instruction set is an attribute of functions. Sums are variables
// of their own, as an array would lie in memory; the empty assembly keeps each step where it is.
#define PEAK_STEP(multiply_add, sum)                                                               \
  sum = multiply_add(sum, a, b);                                                                   \
  __asm__ volatile("" : "+x"(sum))
#define PEAK_LOOP(name, isa, type, set, multiply_add)                                              \
  __attribute__((target(isa), noinline)) static double name(void) {                                \
    type a = set(0.999F), b = set(0.001F);                                                         \
    type s0 = b, s1 = b, s2 = b, s3 = b, s4 = b, s5 = b, s6 = b, s7 = b, s8 = b, s9 = b;           \
    double start = now();                                                                          \
    for (int turn = 0; turn < TURNS; turn++) {                                                     \
      PEAK_STEP(multiply_add, s0);                                                                 \
      PEAK_STEP(multiply_add, s1);                                                                 \
      PEAK_STEP(multiply_add, s2);                                                                 \
      PEAK_STEP(multiply_add, s3);                                                                 \
      PEAK_STEP(multiply_add, s4);                                                                 \
      PEAK_STEP(multiply_add, s5);                                                                 \
      PEAK_STEP(multiply_add, s6);                                                                 \
      PEAK_STEP(multiply_add, s7);                                                                 \
      PEAK_STEP(multiply_add, s8);                                                                 \
      PEAK_STEP(multiply_add, s9);                                                                 \
    }                                                                                              \
    return 2e-9 * (double)CHAINS * (double)TURNS * (double)(sizeof(type) / sizeof(float)) /        \
           (now() - start);                                                                        \
  }

PEAK_LOOP(peak_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)
PEAK_LOOP(peak_fma, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)

double profile_peak(void) {
  __builtin_cpu_init();
  double best = 0;
  double (*loop)(void) = __builtin_cpu_supports("avx512f") ? peak_avx512
                         : __builtin_cpu_supports("fma")   ? peak_fma
                                                           : NULL;
  for (int i = 0; i < TRIES && loop; i++) {
    double speed = loop();
    if (speed > best) best = speed;
  }
  return best;
}
#else
double profile_peak(void) { return 0; }
#endif
