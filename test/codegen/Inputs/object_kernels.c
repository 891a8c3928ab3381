// The module with the kernels. It has a static variable and a static function of its own.
#define HIDDEN __attribute__((visibility("hidden")))
extern const unsigned char weights_rest[] HIDDEN;
HIDDEN unsigned kernel_sum(const unsigned char *bytes, unsigned count);
HIDDEN unsigned kernel_calls(void);

static unsigned runs;
static const unsigned factors[4] = {1, 3, 5, 7};

__attribute__((noinline)) static unsigned step(unsigned sum, unsigned byte, unsigned i) {
  return sum * 31 + byte * factors[i & 3];
}

unsigned kernel_sum(const unsigned char *bytes, unsigned count) {
  unsigned sum = bytes == weights_rest;
  runs++;
  for (unsigned i = 0; i < count; i++) sum = step(sum, bytes[i], i);
  return sum;
}

unsigned kernel_calls(void) { return runs; }
