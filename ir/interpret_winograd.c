// winograd_input and winograd_output, tile by tile in double.
#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/winograd.h"

typedef struct Tiles {
  int block, tile;
  int64_t images, height, width, down,
      across; // of the convolution's result; tiles per column and row
} Tiles;

static Tiles tiles_of(const Node *node, int64_t images, int64_t height, int64_t width) {
  int block = (int)node_int(node, ATTR_BLOCK);
  return (Tiles){block,
                 block + 2,
                 images,
                 height,
                 width,
                 winograd_tiles(height, block),
                 winograd_tiles(width, block)};
}

bool interpret_winograd_input(Evaluation *evaluation) {
  const Node *node = evaluation->node;
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->results[0];
  int64_t top = node_ints_at(node, ATTR_PADS, 0, 0), left = node_ints_at(node, ATTR_PADS, 1, 0);
  int64_t bottom = node_ints_at(node, ATTR_PADS, 2, 0), right = node_ints_at(node, ATTR_PADS, 3, 0);
  int64_t height = x->dims[1], width = x->dims[2], channels = x->dims[3];
  Tiles t = tiles_of(node, x->dims[0], height + top + bottom - 2, width + left + right - 2);
  WinogradMatrix matrix = winograd_matrix(t.block, WINOGRAD_INPUT_STEP);
  const double *from = all_doubles(evaluation, x);
  for (int64_t number = 0; number < y->dims[1]; number++) {
    int64_t image = number / (t.down * t.across), row = number / t.across % t.down,
            column = number % t.across;
    for (int64_t c = 0; c < channels; c++) {
      double in[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE], out[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE];
      for (int i = 0; i < t.tile; i++)
        for (int j = 0; j < t.tile; j++) {
          int64_t h = row * t.block + i - top, w = column * t.block + j - left;
          bool inside = h >= 0 && h < height && w >= 0 && w < width;
          in[i * t.tile + j] = inside ? from[((image * height + h) * width + w) * channels + c] : 0;
        }
      winograd_apply(&matrix, in, out);
      for (int k = 0; k < t.tile * t.tile; k++)
        element_store(y->element, y->data, (k * y->dims[1] + number) * channels + c, out[k]);
    }
  }
  return true;
}

bool interpret_winograd_output(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->results[0];
  Tiles t = tiles_of(evaluation->node, y->dims[0], y->dims[1], y->dims[2]);
  WinogradMatrix matrix = winograd_matrix(t.block, WINOGRAD_OUTPUT_STEP);
  int64_t channels = y->dims[3];
  const double *from = all_doubles(evaluation, x);
  for (int64_t number = 0; number < x->dims[1]; number++) {
    int64_t image = number / (t.down * t.across), row = number / t.across % t.down,
            column = number % t.across;
    for (int64_t c = 0; c < channels; c++) {
      double in[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE], out[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE];
      for (int k = 0; k < t.tile * t.tile; k++)
        in[k] = from[(k * x->dims[1] + number) * channels + c];
      winograd_apply(&matrix, in, out);
      for (int i = 0; i < t.block; i++)
        for (int j = 0; j < t.block; j++) {
          int64_t h = row * t.block + i, w = column * t.block + j;
          if (h >= t.height || w >= t.width) continue;
          element_store(y->element, y->data, ((image * t.height + h) * t.width + w) * channels + c,
                        out[i * t.block + j]);
        }
    }
  }
  return true;
}
