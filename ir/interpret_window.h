// Sliding windows over [n, spatial.., c]: which input positions a window covers.
#ifndef TENON_IR_INTERPRET_WINDOW_H
#define TENON_IR_INTERPRET_WINDOW_H

#include "ir/interpret_values.h"

typedef struct Window {
  int spatial;
  // `large` is the side that the window slides over (input of conv, result of conv_transpose),
  // `small` has one position per window.
  int64_t large[MAX_RANK], small[MAX_RANK], kernel[MAX_RANK];
  int64_t stride[MAX_RANK], dilation[MAX_RANK], pad[MAX_RANK], pad_end[MAX_RANK];
  int64_t large_count, small_count, tap_count;
} Window;

typedef struct Tap {
  int64_t position; // flat spatial index on the large side
  int64_t tap;      // flat index in the kernel
} Tap;

// From the node's strides, dilations and pads; dims are the spatial ones.
Window window_of(const Node *node, int spatial, const int64_t *large, const int64_t *small,
                 const int64_t *kernel);
// The taps of window `number` that lie inside, in kernel order; `taps` has room for tap_count.
// `padded` (may be NULL): how many lie inside the input with its padding.
int64_t window_taps(const Window *window, int64_t number, Tap *taps, int64_t *padded);

#endif
