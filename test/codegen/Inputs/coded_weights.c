/* A model with entropy-coded weights, embedded or in a file (argv[1]): what _init and _run refuse, and the result. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

static TENON_ALIGNED(64) unsigned char workspace[NET_WORKSPACE_BYTES + 64], memory[NET_DECODED_BYTES + 64];
static float x[NET_X_BYTES / sizeof(float)], y[NET_Y_BYTES / sizeof(float)], again[NET_Y_BYTES / sizeof(float)];

static unsigned char *file(const char *path) {
  FILE *stream = fopen(path, "rb");
  unsigned char *bytes = aligned_alloc(64, 1 << 16);
  size_t count = stream ? fread(bytes, 1, 1 << 16, stream) : 0;
  if (!count || count == 1 << 16) exit(1);
  fclose(stream);
  return bytes;
}

int main(int argc, char **argv) {
  unsigned char *weights = argc > 1 ? file(argv[1]) : NULL;
  net_inputs in = {x};
  net_outputs out = {y};
  tenon_context context = TENON_CONTEXT(NET, workspace);
  for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)i / 8;
  printf("run first: %s\n", tenon_error_text(net_run(&context, &in, &out)));
  printf("no memory: %s\n", tenon_error_text(net_init(&context, weights, NULL)));
  printf("init: %s\n", tenon_error_text(net_init(&context, weights, memory)));
  printf("run: %s\n", tenon_error_text(net_run(&context, &in, &out)));
  tenon_context other = TENON_CONTEXT(NET, workspace); /* contexts share the decoded weights */
  other.weights = context.weights;
  out.y = again;
  printf("run again: %s\n", tenon_error_text(net_run(&other, &in, &out)));
  double sum = 0, difference = 0;
  for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
    sum += y[i];
    difference += y[i] != again[i];
  }
  printf("sum %.3f, %g differ\n", sum, difference);
  if (weights) {
    weights[0] ^= 1;
    printf("another file: %s\n", tenon_error_text(net_init(&context, weights, memory)));
  }
  return 0;
}
