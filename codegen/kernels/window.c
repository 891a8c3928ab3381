// Geometry of windows.
#include "codegen/kernels/window.h"

KernelWindow kernel_window(Kernel *kernel, const View *x, const View *y,
                           const int64_t *kernel_sizes) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  int rank = x->rank - 2, skip = WINDOW_AXES - rank;
  Val one = nest_const(nest, 1);
  KernelWindow window = {.rank = rank};
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    int own = axis - skip;
    bool real = own >= 0;
    window.kernel[axis] = real ? kernel_sizes[own] : 1;
    window.stride[axis] = real ? node_ints_at(node, ATTR_STRIDES, own, 1) : 1;
    window.dilation[axis] = real ? node_ints_at(node, ATTR_DILATIONS, own, 1) : 1;
    window.pad_begin[axis] = real ? node_ints_at(node, ATTR_PADS, own, 0) : 0;
    window.pad_end[axis] = real ? node_ints_at(node, ATTR_PADS, rank + own, 0) : 0;
    window.input[axis] = real ? x->dims[1 + own] : one;
    window.output[axis] = real ? y->dims[1 + own] : one;
    window.input_stride[axis] = real ? x->strides[1 + own] : nest_const(nest, 0);
    window.output_stride[axis] = real ? y->strides[1 + own] : nest_const(nest, 0);
    window.output_dim[axis] = real ? y->type->dims[1 + own] : NULL;
  }
  return window;
}

Val kernel_window_input(Nest *nest, const KernelWindow *window, int axis, Val at, Val tap) {
  Val index = nest_mul(nest, at, nest_const(nest, window->stride[axis]));
  index = nest_add(nest, index, nest_mul(nest, tap, nest_const(nest, window->dilation[axis])));
  return window->pad_begin[axis] ? nest_sub(nest, index, nest_const(nest, window->pad_begin[axis]))
                                 : index;
}

bool kernel_window_padded(const KernelWindow *window, int axis) {
  int64_t input, output;
  if (window->pad_begin[axis] > 0) return true;
  if (!nest_constant(window->input[axis], &input) || !nest_constant(window->output[axis], &output))
    return window->pad_end[axis] > 0 || window->kernel[axis] > 1;
  return (output - 1) * window->stride[axis] +
             (window->kernel[axis] - 1) * window->dilation[axis] >=
         input;
}

// base + tap * dilation in [0, input): first = ceil(-base / dilation), end = ceil((input - base) /
// dilation).
void kernel_window_taps(Nest *nest, const KernelWindow *window, int axis, Val at, Val *first,
                        Val *end) {
  Val zero = nest_const(nest, 0), taps = nest_const(nest, window->kernel[axis]);
  if (!kernel_window_padded(window, axis)) {
    *first = zero;
    *end = taps;
    return;
  }
  Val base = kernel_window_input(nest, window, axis, at, zero),
      dilation = nest_const(nest, window->dilation[axis]);
  Val up = nest_const(nest, window->dilation[axis] - 1);
  Val before = nest_max(nest, nest_sub(nest, zero, base), zero);
  Val room = nest_max(nest, nest_sub(nest, window->input[axis], base), zero);
  *first = nest_min(nest, nest_udiv(nest, nest_add(nest, before, up), dilation), taps);
  *end = nest_min(nest, nest_udiv(nest, nest_add(nest, room, up), dilation), taps);
}
