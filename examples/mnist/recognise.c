// Recognises handwritten digits with a compiled model and draws them.
//
//   tenon compile lenet5.onnx -o lenet5.o
//   cc recognise.c lenet5.o -o recognise
#include "lenet5.h"

#include <stdio.h>

#include "digits.h"

enum { PER_LINE = 5, CELL = DIGIT_SIDE / 2 };

static unsigned char workspace[LENET5_WORKSPACE_BYTES] TENON_ALIGNED(LENET5_WORKSPACE_ALIGN);
#if LENET5_NEEDS_INIT // weights that are stored in fewer bits than they are read with
static unsigned char decoded[LENET5_DECODED_BYTES] TENON_ALIGNED(LENET5_DECODED_ALIGN);
#else
#define decoded NULL
#endif

static int recognise(tenon_context *context, const unsigned char *pixels, int *digit) {
  float image[DIGIT_PIXELS], logits[10];
  for (int i = 0; i < DIGIT_PIXELS; i++) image[i] = (float)pixels[i] / 255.0f;

  lenet5_inputs in = {.image = image};
  lenet5_outputs out = {.logits = logits};
  int error = lenet5_run(context, &in, &out);
  *digit = 0;
  for (int i = 1; i < 10; i++)
    if (logits[i] > logits[*digit]) *digit = i;
  return error;
}

static int is_ink(const unsigned char *pixels, int row, int column) { // of four pixels
  const unsigned char *p = pixels + 2 * row * DIGIT_SIDE + 2 * column;
  return p[0] + p[1] + p[DIGIT_SIDE] + p[DIGIT_SIDE + 1] > 4 * 64;
}

static void draw_line(const unsigned char (*images)[DIGIT_PIXELS]) { // PER_LINE digits side by side
  static const char *const block[] = {" ", "▀", "▄", "█"};
  for (int row = 0; row < CELL; row += 2) {
    for (int i = 0; i < PER_LINE; i++) {
      for (int column = 0; column < CELL; column++)
        fputs(block[is_ink(images[i], row, column) + 2 * is_ink(images[i], row + 1, column)],
              stdout);
      putchar(' ');
    }
    putchar('\n');
  }
}

int main(void) {
  tenon_context context = TENON_CONTEXT(LENET5, workspace);
  int error = lenet5_init(&context, NULL, decoded), right = 0;

  for (int first = 0; first < DIGIT_COUNT && !error; first += PER_LINE) {
    draw_line(digits + first);
    for (int i = first; i < first + PER_LINE && !error; i++) {
      int digit;
      error = recognise(&context, digits[i], &digit);
      right += digit == digit_labels[i];
      printf("      %d %s     ", digit, digit == digit_labels[i] ? "  " : "!!");
    }
    putchar('\n');
  }
  if (error) {
    fprintf(stderr, "lenet5: %s\n", tenon_error_text(error));
    return 1;
  }
  printf("recognised %d of %d\n", right, DIGIT_COUNT);
  return 0;
}
