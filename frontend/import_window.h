// The sliding window of convolutions and pools: kernel, strides, pads, dilations.
#ifndef TENON_FRONTEND_IMPORT_WINDOW_H
#define TENON_FRONTEND_IMPORT_WINDOW_H

#include "frontend/import.h"

typedef struct Window {
  int spatial; // number of spatial dims
  int64_t kernel[MAX_RANK], strides[MAX_RANK], dilations[MAX_RANK];
  int64_t pads[2 * MAX_RANK]; // begins, then ends
} Window;

// Reads and checks the attributes; `kernel` (from the weights, or NULL) must agree with them.
bool onnx_window(OnnxNode *node, int spatial, const int64_t *kernel, Window *window);
// The same for a convolution, whose inputs are x and the weights.
bool onnx_conv_window(OnnxNode *node, Window *window);
// Replaces the window's pads by what auto_pad asks for; x is channels first. Where they depend on a
// symbolic size they are added to the result, filled with `fill` (NULL: zero), and the window has
// none; else x itself is returned. NULL: reported.
Value *onnx_auto_pad(OnnxNode *node, Value *x, Window *window, Value *fill);
// What the attributes and operands of a Conv node say, channels first; NULL: reported.
Value *onnx_conv_result(OnnxNode *node);
// A convolution of channels-first operands (bias may be NULL), channels-first result.
Value *onnx_build_conv(OnnxNode *node, Value *x, Value *w, Value *bias, const Window *window,
                       int64_t group);

// A pool by the node's attributes of a channels-first operand, channels first.
Value *onnx_pool(OnnxNode *node, OpCode op, Value *x);

#endif
