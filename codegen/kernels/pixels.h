// Output pixels of a convolution and where their taps lie in the input.
#ifndef TENON_CODEGEN_KERNELS_PIXELS_H
#define TENON_CODEGEN_KERNELS_PIXELS_H

#include "codegen/kernels/window.h"

typedef struct Pixels {
  Nest *nest;
  const View *x;
  KernelWindow window;
  Val offset;  // elements from x's start: image and first channel of the group
  Val zeros;   // a line that stands for channels outside the input; NULL: no tap is ever outside
  Val count;   // of one image
  bool linear; // one tap, stride 1, no padding: pixel i of the output is pixel i of the input
} Pixels;

typedef struct Pixel {
  Val at[WINDOW_AXES]; // output coordinates
} Pixel;

// Whether pixels may be counted along one axis: the window has one tap at its own pixel, and
// operands of the epilogue have all spatial dims of the result or none. Coordinates then are 0, ..,
// 0, number.
bool pixels_are_linear(const Pixels *pixels, const Node *node);
bool pixels_padded(const Pixels *pixels); // can any tap be outside?
// A constant line of `count` elements of x's type, each `value` (the zero point of codes, else 0).
Val pixels_line(Pixels *pixels, int64_t count, int32_t value);
Pixel pixels_at(const Pixels *pixels, Val number);
Pixel pixels_next(const Pixels *pixels, Pixel pixel);
// Address of the first channel under a tap of one pixel, or of the line of zeros.
Val pixels_tap(const Pixels *pixels, const Pixel *pixel, const Val *tap);
// The same for a tap that is known to be inside; and whether all taps of a pixel are (NULL:
// always).
Val pixels_tap_inside(const Pixels *pixels, const Pixel *pixel, const Val *tap);
Val pixels_inside(const Pixels *pixels, const Pixel *pixel);

#endif
