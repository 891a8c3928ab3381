// Windows: the geometry that convolutions and pools share (2-D after padding the spatial rank).
//
// Any spatial rank is brought to depth, height, width; a missing one has size 1, kernel 1,
// stride 1.
#ifndef TENON_CODEGEN_KERNELS_WINDOW_H
#define TENON_CODEGEN_KERNELS_WINDOW_H

#include "codegen/kernel.h"

enum { WINDOW_AXES = 3 };

typedef struct KernelWindow {
  int rank; // spatial axes of the op, 1 to 3
  int64_t kernel[WINDOW_AXES], stride[WINDOW_AXES], dilation[WINDOW_AXES];
  int64_t pad_begin[WINDOW_AXES], pad_end[WINDOW_AXES];
  Val input[WINDOW_AXES], output[WINDOW_AXES];               // sizes
  Val input_stride[WINDOW_AXES], output_stride[WINDOW_AXES]; // elements
  const Dim *output_dim[WINDOW_AXES];
} KernelWindow;

// From the attributes of a convolution (kernel sizes from its weights) or pool, x and y views.
KernelWindow kernel_window(Kernel *kernel, const View *x, const View *y,
                           const int64_t *kernel_sizes);
// Index in the input of tap `tap` for output index `at`, before padding is taken off: may be
// outside.
Val kernel_window_input(Nest *nest, const KernelWindow *window, int axis, Val at, Val tap);
// First tap that is inside the input, and one past the last, for output index `at`.
void kernel_window_taps(Nest *nest, const KernelWindow *window, int axis, Val at, Val *first,
                        Val *end);
bool kernel_window_padded(const KernelWindow *window,
                          int axis); // can any tap be outside? (pads, ceil mode)

#endif
