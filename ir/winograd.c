#include "ir/winograd.h"

// Interpolation points 0, 1, -1 and infinity.
static const double input2[] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
static const double filter2[] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
static const double output2[] = {1, 1, 1, 0, 0, 1, -1, -1};

// Points 0, 1, -1, 2, -2 and infinity.
static const double input4[] = {4, 0,  -5, 0, 1, 0, 0, -4, -4, 1,  1, 0, 0, 4, -4, -1, 1, 0,
                                0, -2, -1, 2, 1, 0, 0, 2,  -1, -2, 1, 0, 0, 4, 0,  -5, 0, 1};
static const double filter4[] = {1.0 / 4,  0,         0,        -1.0 / 6, -1.0 / 6, -1.0 / 6,
                                 -1.0 / 6, 1.0 / 6,   -1.0 / 6, 1.0 / 24, 1.0 / 12, 1.0 / 6,
                                 1.0 / 24, -1.0 / 12, 1.0 / 6,  0,        0,        1};
static const double output4[] = {1, 1, 1, 1, 1, 0, 0, 1, -1, 2, -2, 0,
                                 0, 1, 1, 4, 4, 0, 0, 1, -1, 8, -8, 1};

bool winograd_is_block(int64_t block) { return block == 2 || block == 4; }

WinogradMatrix winograd_matrix(int block, WinogradStep step) {
  int tile = block + 2;
  switch (step) {
  case WINOGRAD_INPUT_STEP: return (WinogradMatrix){tile, tile, block == 2 ? input2 : input4};
  case WINOGRAD_FILTER_STEP: return (WinogradMatrix){tile, 3, block == 2 ? filter2 : filter4};
  case WINOGRAD_OUTPUT_STEP: break;
  }
  return (WinogradMatrix){block, tile, block == 2 ? output2 : output4};
}

void winograd_apply(const WinogradMatrix *matrix, const double *from, double *to) {
  double half[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE];
  int rows = matrix->rows, columns = matrix->columns;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) {
      double sum = 0;
      for (int k = 0; k < columns; k++)
        sum += matrix->values[i * columns + k] * from[k * columns + j];
      half[i * columns + j] = sum;
    }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < rows; j++) {
      double sum = 0;
      for (int k = 0; k < columns; k++)
        sum += half[i * columns + k] * matrix->values[j * columns + k];
      to[i * rows + j] = sum;
    }
}
