// The row of the machine that the compiler runs on.
#include "ir/target.h"

#include <assert.h>
#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>

// What the operating system saves and restores: XCR0.
static unsigned saved_state(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static bool all_bits(unsigned value, unsigned bits) { return (value & bits) == bits; }

static const char *native_name(void) {
  enum { SSSE3 = 1 << 9, CX16 = 1 << 13, SSE42 = 1 << 20, POPCNT = 1 << 23, FMA = 1 << 12, MOVBE = 1 << 22, OSXSAVE = 1 << 27,
         AVX = 1 << 28, F16C = 1 << 29 };
  enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, LZCNT = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512CD = 1 << 28,
         AVX512BW = 1 << 30, AVX512VNNI = 1 << 11, AVXVNNI = 1 << 4 };
  enum { YMM = 0x6, ZMM = 0xe6 };
  const unsigned avx512vl = 1u << 31;
  unsigned a, b, c, d, b7 = 0, c7 = 0, a71 = 0, extended = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !all_bits(c, SSSE3 | CX16 | SSE42 | POPCNT)) return "x86-64";
  unsigned leaf1 = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) b7 = b, c7 = c;
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) extended = c;
  unsigned saved = leaf1 & OSXSAVE ? saved_state() : 0;
  bool v3 = all_bits(leaf1, FMA | MOVBE | AVX | F16C) && all_bits(b7, BMI1 | AVX2 | BMI2) && (extended & LZCNT) && all_bits(saved, YMM);
  if (!v3) return "x86-64-v2";
  if (all_bits(b7, (unsigned)(AVX512F | AVX512DQ | AVX512CD | AVX512BW) | avx512vl) && all_bits(saved, ZMM))
    return c7 & AVX512VNNI ? "x86-64-v4-vnni" : "x86-64-v4";
  return a71 & AVXVNNI ? "x86-64-v3-vnni" : "x86-64-v3";
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

static const char *native_name(void) {
  enum { DOT_PRODUCT = 1 << 20 }; // HWCAP_ASIMDDP
  return getauxval(AT_HWCAP) & DOT_PRODUCT ? "aarch64-dotprod" : "aarch64";
}

#elif defined(__riscv) && __riscv_xlen == 64
#include <sys/auxv.h>

static const char *native_name(void) { return getauxval(AT_HWCAP) >> ('V' - 'A') & 1 ? "rv64gcv" : "rv64gc"; }

#elif defined(__arm__)
static const char *native_name(void) { return "armv7-a"; }
#else
#error "the compiler does not know the machine that it runs on"
#endif

const Target *target_native(struct Arena *arena) {
  (void)arena;
  const Target *row = target_find(native_name());
  assert(row && "every machine has a row");
  return row;
}
