// The row of the machine that the compiler runs on.
#include "ir/target.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

// What the operating system saves and restores: XCR0.
static unsigned saved_state(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static bool all_bits(unsigned value, unsigned bits) { return (value & bits) == bits; }

// Best first.
static const char *const native_rows[] = {"x86-64-v4-vnni", "x86-64-v4", "x86-64-v3-vnni", "x86-64-v3", "x86-64-v2", "x86-64"};

static bool machine_runs(const char *row) {
  enum { SSSE3 = 1 << 9, CX16 = 1 << 13, SSE42 = 1 << 20, POPCNT = 1 << 23, FMA = 1 << 12, MOVBE = 1 << 22, OSXSAVE = 1 << 27,
         AVX = 1 << 28, F16C = 1 << 29 };
  enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, LZCNT = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512CD = 1 << 28,
         AVX512BW = 1 << 30, AVX512VNNI = 1 << 11, AVXVNNI = 1 << 4 };
  enum { YMM = 0x6, ZMM = 0xe6 };
  const unsigned avx512 = (unsigned)(AVX512F | AVX512DQ | AVX512CD | AVX512BW) | 1u << 31; // the last one is AVX512VL
  unsigned a, b, c, d, leaf1 = 0, b7 = 0, c7 = 0, a71 = 0, extended = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) leaf1 = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    b7 = b, c7 = c;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) extended = c;
  unsigned saved = leaf1 & OSXSAVE ? saved_state() : 0;
  bool v2 = all_bits(leaf1, SSSE3 | CX16 | SSE42 | POPCNT);
  bool v3 = v2 && all_bits(leaf1, FMA | MOVBE | AVX | F16C) && all_bits(b7, BMI1 | AVX2 | BMI2) && (extended & LZCNT) &&
            all_bits(saved, YMM);
  bool v4 = v3 && all_bits(b7, avx512) && all_bits(saved, ZMM);
  if (!strcmp(row, "x86-64-v4-vnni")) return v4 && (c7 & AVX512VNNI);
  if (!strcmp(row, "x86-64-v4")) return v4;
  if (!strcmp(row, "x86-64-v3-vnni")) return v3 && (a71 & AVXVNNI);
  if (!strcmp(row, "x86-64-v3")) return v3;
  return !strcmp(row, "x86-64-v2") ? v2 : !strcmp(row, "x86-64");
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

static const char *const native_rows[] = {"aarch64-dotprod", "aarch64"};

static bool machine_runs(const char *row) {
  enum { DOT_PRODUCT = 1 << 20 }; // HWCAP_ASIMDDP
  return !strcmp(row, "aarch64") || (!strcmp(row, "aarch64-dotprod") && (getauxval(AT_HWCAP) & DOT_PRODUCT));
}

#elif defined(__riscv) && __riscv_xlen == 64
#include <sys/auxv.h>

static const char *const native_rows[] = {"rv64gcv", "rv64gc"};

static bool machine_runs(const char *row) {
  return !strcmp(row, "rv64gc") || (!strcmp(row, "rv64gcv") && (getauxval(AT_HWCAP) >> ('V' - 'A') & 1));
}

#elif defined(__arm__)
static const char *const native_rows[] = {"armv7-a"};

static bool machine_runs(const char *row) { return !strcmp(row, "armv7-a"); }
#else
#error "the compiler does not know the machine that it runs on"
#endif

bool target_runs_here(const Target *target) { return machine_runs(target->name); }

const Target *target_native(struct Arena *arena) {
  (void)arena;
  int last = sizeof native_rows / sizeof *native_rows - 1, best = 0;
  while (best < last && !machine_runs(native_rows[best])) best++;
  const Target *row = target_find(native_rows[best]);
  assert(row && "every machine has a row");
  return row;
}
