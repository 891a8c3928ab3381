// The module with the entry point: refers to a function and to weights that it does not define.
#define HIDDEN __attribute__((visibility("hidden")))
extern const unsigned char weights_first[256] HIDDEN;
extern const unsigned char weights_rest[] HIDDEN;
HIDDEN unsigned kernel_sum(const unsigned char *bytes, unsigned count);
HIDDEN unsigned kernel_calls(void);

static const unsigned char *const tables[] = {weights_first, weights_rest};
static unsigned runs;

// 1000 bytes of weights: a checksum, which says whether every byte is at its place.
unsigned model_run(unsigned scale) {
  const unsigned char *const volatile *table = tables;
  runs++;
  return kernel_sum(table[0], 256) + scale * kernel_sum(weights_rest, 744) + 1000 * kernel_calls() +
         (table[1] == weights_rest && runs == 1 ? 0 : 1);
}
