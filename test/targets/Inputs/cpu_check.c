/* What _init says of the processor, and, where that is good, _run. */
#include <stdio.h>

#include "model.h"

int main(void) {
  static unsigned char workspace[MODEL_WORKSPACE_BYTES + 1] TENON_ALIGNED(64);
  static const float x[64] = {1, 2, 3};
  static float y[64];
  tenon_context context = TENON_CONTEXT(MODEL, workspace), other = context;
  model_inputs in = {x};
  model_outputs out = {y};
  int code = model_init(&context, 0, 0);
  printf("init: %s\n", tenon_error_text(code));
  if (code) return code;
  other.abi++;
  printf("another header: %s\n", tenon_error_text(model_init(&other, 0, 0)));
  code = model_run(&context, &in, &out);
  printf("run: %s, %g\n", tenon_error_text(code), (double)y[1]);
  return code;
}
