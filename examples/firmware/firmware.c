/* A firmware that recognises digits: Cortex-M4, no operating system, no C library.
 *
 *   tenon compile ../mnist/lenet5.onnx --target=thumbv7em-none-eabi -mcpu=cortex-m4 -o lenet5.o
 *   arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -ffreestanding -nostdlib -I../mnist -T board.ld \
 *                     firmware.c board.c lenet5.o -lgcc -o firmware.elf
 *   qemu-system-arm -M mps2-an386 -nographic -semihosting -kernel firmware.elf
 */
#include "board.h"
#include "digits.h"
#include "lenet5.h"

/* What the model needs is known when the firmware is built: too large is an error here, not in the
 * field. */
#if LENET5_WORKSPACE_BYTES > 256 * 1024
#error "the network no longer fits the RAM that is set aside for it"
#endif
typedef char stack_is_large_enough[LENET5_STACK_BYTES + 4096 <= BOARD_STACK_BYTES ? 1 : -1];

static unsigned char workspace[LENET5_WORKSPACE_BYTES] TENON_ALIGNED(LENET5_WORKSPACE_ALIGN);

static int largest(const float *values, int count) {
  int best = 0, i;
  for (i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

static int recognise(tenon_context *context, const unsigned char *pixels, int *digit) {
  static float image[DIGIT_PIXELS], logits[10];
  lenet5_inputs in = {image};
  lenet5_outputs out = {logits};
  int i, error;
  for (i = 0; i < DIGIT_PIXELS; i++) image[i] = (float)pixels[i] * (1.0f / 255.0f);
  error = lenet5_run(context, &in, &out);
  *digit = largest(logits, 10);
  return error;
}

int main(void) {
  tenon_context context = TENON_CONTEXT(LENET5, workspace);
  int i, digit, right = 0, error = 0;
  for (i = 0; i < DIGIT_COUNT && !error; i++) {
    error = recognise(&context, digits[i], &digit);
    right += digit == digit_labels[i];
    board_print_number(digit);
    board_print(" ");
  }
  if (error) {
    board_print(tenon_error_text(error));
    return 1;
  }
  board_print("\nrecognised ");
  board_print_number(right);
  board_print(" of ");
  board_print_number(DIGIT_COUNT);
  board_print("\n");
  return 0;
}
