/* Reset, vectors and console of the board. */
#include "board.h"

#include <stdint.h>

extern uint32_t stack_top[], data_image[], data_begin[], data_end[], zero_begin[], zero_end[];
int main(void);

enum { PRINT = 0x04, EXIT = 0x20, EXIT_REASON = 0x20026 };

static void ask_debugger(uint32_t what, const void *argument) {
  register uint32_t r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text) { ask_debugger(PRINT, text); }

void board_print_number(int number) {
  char text[12], *at = text + sizeof text;
  unsigned rest = number < 0 ? 0u - (unsigned)number : (unsigned)number;
  *--at = 0;
  do *--at = (char)('0' + rest % 10);
  while (rest /= 10);
  if (number < 0) *--at = '-';
  board_print(at);
}

static void leave(int status) {
  const uint32_t block[2] = {EXIT_REASON, (uint32_t)status};
  for (;;) ask_debugger(EXIT, block);
}

static void fault(void) {
  board_print("fault\n");
  leave(2);
}

void reset(void);
void reset(void) {
  uint32_t *to, *from = data_image;
  *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: the floating-point unit is on */
  __asm__ volatile("dsb\n\tisb" ::: "memory");
  for (to = data_begin; to < data_end;) *to++ = *from++;
  for (to = zero_begin; to < zero_end;) *to++ = 0;
  leave(main());
}

typedef union Vector {
  const uint32_t *stack;
  void (*function)(void);
} Vector;

__attribute__((section(".vectors"), used)) static const Vector vectors[16] = {{stack_top},
                                                                              {.function = reset},
                                                                              {.function = fault},
                                                                              {.function = fault},
                                                                              {.function = fault},
                                                                              {.function = fault},
                                                                              {.function = fault},
                                                                              {0},
                                                                              {0},
                                                                              {0},
                                                                              {0},
                                                                              {.function = fault},
                                                                              {0},
                                                                              {0},
                                                                              {.function = fault},
                                                                              {.function = fault}};
