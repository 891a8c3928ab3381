// The row of the machine that the compiler runs on.
#include "ir/target.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

#include "ir/target_x86.h"

// What the operating system saves and restores: XCR0.
static unsigned saved_state(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Best first.
static const char *const native_rows[] = {"x86-64-v4-vbmi", "x86-64-v4-vnni", "x86-64-v4",
                                          "x86-64-v3-vnni", "x86-64-v3",      "x86-64-v2",
                                          "x86-64"};

static X86Features machine_features(void) {
  enum { OSXSAVE = 1 << 27 };
  unsigned a, b, c, d;
  X86Features features = {0};
  if (__get_cpuid(1, &a, &b, &c, &d)) features.bits[X86_ECX1] = c;
  if (features.bits[X86_ECX1] & OSXSAVE) features.saved = saved_state();
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    features.bits[X86_EBX7] = b, features.bits[X86_ECX7] = c, features.bits[X86_EDX7] = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
      features.bits[X86_EAX7_1] = a, features.bits[X86_EDX7_1] = d;
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) features.bits[X86_ECX_EXTENDED] = c;
  return features;
}

static bool machine_runs(const char *row) {
  const Target *target = target_find(row);
  if (!target || strcmp(target->family, "x86_64") != 0) return false;
  X86Features has = machine_features(), needs = x86_features(target);
  return x86_features_include(&has, &needs);
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

static const char *const native_rows[] = {"aarch64-dotprod", "aarch64"};

static bool machine_runs(const char *row) {
  enum { DOT_PRODUCT = 1 << 20 }; // HWCAP_ASIMDDP
  return !strcmp(row, "aarch64") ||
         (!strcmp(row, "aarch64-dotprod") && (getauxval(AT_HWCAP) & DOT_PRODUCT));
}

#elif defined(__riscv) && __riscv_xlen == 64
#include <sys/auxv.h>

static const char *const native_rows[] = {"rv64gcv", "rv64gc"};

static bool machine_runs(const char *row) {
  return !strcmp(row, "rv64gc") ||
         (!strcmp(row, "rv64gcv") && (getauxval(AT_HWCAP) >> ('V' - 'A') & 1));
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
