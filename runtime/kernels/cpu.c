// Has this processor what the object was compiled for? Only x86-64 lets a program ask without the
// operating system. The compiler gives these functions the baseline's instructions only.
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>

static inline __attribute__((always_inline)) uint32_t saved_state(void) { // XCR0
  uint32_t low, high;
  __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0)); // xgetbv
  return low;
}

// Bits that are wanted of leaves 1, 7, 7.1 and 0x80000001, and of XCR0: registers that the system
// saves.
int32_t tenon_cpu_lacks(uint32_t ecx1, uint32_t ebx7, uint32_t ecx7, uint32_t edx7, uint32_t eax7_1,
                        uint32_t edx7_1, uint32_t ecx_extended, uint32_t saved) {
  uint32_t a, b, c, d, highest, lacks;
  __cpuid(0, highest, b, c, d);
  __cpuid(1, a, b, c, d);
  lacks = ecx1 & ~c;
  if (saved) lacks |= c >> 27 & 1 ? saved & ~saved_state() : saved; // OSXSAVE
  if (ebx7 | ecx7 | edx7 | eax7_1 | edx7_1) {
    if (highest < 7) return 1;
    __cpuid_count(7, 0, a, b, c, d);
    lacks |= (ebx7 & ~b) | (ecx7 & ~c) | (edx7 & ~d);
  }
  if (eax7_1 | edx7_1) {
    if (!a) return 1; // no subleaf 1
    __cpuid_count(7, 1, a, b, c, d);
    lacks |= (eax7_1 & ~a) | (edx7_1 & ~d);
  }
  if (ecx_extended) {
    __cpuid(0x80000000, highest, b, c, d);
    if (highest < 0x80000001) return 1;
    __cpuid(0x80000001, a, b, c, d);
    lacks |= ecx_extended & ~c;
  }
  return lacks != 0;
}
#endif
