// The same as object_main.c on bare metal, under measure/count/count-instructions.
#include "bench.h"
unsigned model_run(unsigned scale);
static unsigned got;
void bench_setup(void) { got = model_run(5); }
void bench_run(void) { model_run(5); }

BENCH_CODE void bench_report(void) {
  unsigned first = 0, rest = 1;
  for (unsigned i = 0; i < 256; i++) first = first * 31 + ((7 * i) & 255) * (2 * (i & 3) + 1);
  for (unsigned i = 0; i < 744; i++) rest = rest * 31 + ((7 * (256 + i)) & 255) * (2 * (i & 3) + 1);
  bench_print(got == first + 5 * rest + 2000 ? "right\n" : "wrong\n");
}
