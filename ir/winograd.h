// Winograd's minimal filtering for 3 x 3 windows of stride 1 (Lavin, Gray 2016, "Fast Algorithms
// for Convolutional Neural Networks"): F(block x block, 3 x 3) computes block^2 results from a tile
// of t^2 inputs, t = block + 2, with t^2 multiplications for each pair of channels instead of 9 *
// block^2:
//   Y = A' [ (G g G') * (B' d B) ] A
// where ' is the transpose and * goes element by element.
#ifndef TENON_IR_WINOGRAD_H
#define TENON_IR_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

enum { WINOGRAD_MAX_BLOCK = 4, WINOGRAD_MAX_TILE = WINOGRAD_MAX_BLOCK + 2 };

typedef enum WinogradStep {
  WINOGRAD_INPUT_STEP,
  WINOGRAD_FILTER_STEP,
  WINOGRAD_OUTPUT_STEP
} WinogradStep;

typedef struct WinogradMatrix {
  int rows, columns;
  const double *values; // row-major
} WinogradMatrix;

bool winograd_is_block(int64_t block); // 2 and 4
// B' (t x t), G (t x 3) or A' (block x t).
WinogradMatrix winograd_matrix(int block, WinogradStep step);
// to = matrix * from * matrix', from square with `matrix.columns` rows.
void winograd_apply(const WinogradMatrix *matrix, const double *from, double *to);
// Tiles that cover `size` results.
static inline int64_t winograd_tiles(int64_t size, int64_t block) {
  return (size + block - 1) / block;
}

#endif
