// Draws a vertical stroke and asks the network which digit it is.
#include "lenet5.h"
#include <stdio.h>

static unsigned char workspace[LENET5_WORKSPACE_BYTES] TENON_ALIGNED(LENET5_WORKSPACE_ALIGN);
static float image[28 * 28], logits[10];

int main(void) {
  for (int row = 4; row < 24; row++)
    for (int column = 13; column < 16; column++) image[row * 28 + column] = 1.0f;

  tenon_context context = TENON_CONTEXT(LENET5, workspace);
  lenet5_inputs in = {.image = image};
  lenet5_outputs out = {.logits = logits};
  int error = lenet5_run(&context, &in, &out);
  if (error) {
    fprintf(stderr, "lenet5: %s\n", tenon_error_text(error));
    return 1;
  }

  int digit = 0;
  for (int i = 1; i < 10; i++)
    if (logits[i] > logits[digit]) digit = i;
  printf("digit %d\n", digit);
  return 0;
}
