// Convolutions. The graph IR is channels last: operands are transposed in, results out; a pass
// cancels the transposes that meet.
#include <string.h>

#include "frontend/import.h"
#include "frontend/import_window.h"

enum { WINDOW_LIMIT = 1 << 24 };

static bool window_list(OnnxNode *node, const char *name, int rank, int64_t low, int64_t *values) {
  int count;
  const int64_t *given = onnx_ints(node, name, &count);
  if (node->builder.failed) return false;
  if (!given) return true;
  if (count != rank)
    return onnx_error(node, "attribute '%s' has %d entries, wanted %d", name, count, rank);
  for (int i = 0; i < rank; i++) {
    if (given[i] < low || given[i] > WINDOW_LIMIT)
      return onnx_error(node, "attribute '%s' has the entry %lld", name, (long long)given[i]);
    values[i] = given[i];
  }
  return true;
}

bool onnx_window(OnnxNode *node, int spatial, const int64_t *kernel, Window *window) {
  *window = (Window){.spatial = spatial};
  for (int i = 0; i < spatial; i++) {
    window->strides[i] = window->dilations[i] = 1;
    window->kernel[i] = kernel ? kernel[i] : 0;
  }
  if (!window_list(node, "kernel_shape", spatial, 1, window->kernel) ||
      !window_list(node, "strides", spatial, 1, window->strides) ||
      !window_list(node, "dilations", spatial, 1, window->dilations) ||
      !window_list(node, "pads", 2 * spatial, 0, window->pads))
    return false;
  for (int i = 0; i < spatial; i++) {
    if (kernel && kernel[i] != window->kernel[i])
      return onnx_error(node, "kernel_shape says %lld, the weights have %lld",
                        (long long)window->kernel[i], (long long)kernel[i]);
    if (window->kernel[i] < 1) return onnx_error(node, "kernel_shape is missing");
  }
  return true;
}

// SAME: as many results as ceil(size / stride).
static const Dim *same_total(OnnxNode *node, const Dim *size, int64_t stride, int64_t reach) {
  DimTable *table = node->importer->dims;
  const Dim *last =
      dim_add_int(table, dim_ceildiv(table, size, import_dim(node->importer, stride)), -1);
  const Dim *total =
      dim_sub(table, dim_add_int(table, dim_mul_int(table, last, stride), reach), size);
  return dim_max(table, total, import_dim(node->importer, 0));
}

// Halves of the total of one axis: the larger one comes last (upper) or first.
static void split_pads(OnnxNode *node, const Dim *total, bool upper, const Dim **begin,
                       const Dim **end) {
  DimTable *table = node->importer->dims;
  const Dim *two = import_dim(node->importer, 2);
  *begin = upper ? dim_floordiv(table, total, two) : dim_ceildiv(table, total, two);
  *end = upper ? dim_ceildiv(table, total, two) : dim_floordiv(table, total, two);
}

Value *onnx_auto_pad(OnnxNode *node, Value *x, Window *window, Value *fill) {
  const char *mode = onnx_string(node, "auto_pad", "NOTSET");
  const Dim *pads[2 * MAX_RANK];
  int rank = x->type.rank;
  bool upper = strcmp(mode, "SAME_UPPER") == 0, symbolic = false;
  if (strcmp(mode, "NOTSET") == 0 || !*mode) return node->builder.failed ? NULL : x;
  for (int i = 0; i < 2 * window->spatial; i++) window->pads[i] = 0;
  if (strcmp(mode, "VALID") == 0) return x;
  if (!upper && strcmp(mode, "SAME_LOWER") != 0)
    return onnx_error(node, "auto_pad '%s'", mode), NULL;
  for (int i = 0; i < 2 * rank; i++) pads[i] = import_dim(node->importer, 0);
  for (int i = 0; i < window->spatial; i++) {
    int64_t reach = (window->kernel[i] - 1) * window->dilations[i] + 1;
    const Dim *total = same_total(node, x->type.dims[2 + i], window->strides[i], reach);
    const Dim **begin = &pads[2 + i], **end = &pads[rank + 2 + i];
    split_pads(node, total, upper, begin, end);
    if (dim_is_constant(*begin, &window->pads[i]) &&
        dim_is_constant(*end, &window->pads[window->spatial + i]))
      *begin = *end = import_dim(node->importer, 0);
    else
      window->pads[i] = window->pads[window->spatial + i] = 0, symbolic = true;
  }
  return symbolic ? onnx_pad(node, x, pads, "constant", fill) : x;
}

// The spatial dims of the weights; false: they are not static.
static bool weight_kernel(OnnxNode *node, const Type *w, int64_t *kernel) {
  for (int i = 2; i < w->rank; i++)
    if (!dim_is_constant(w->dims[i], &kernel[i - 2]) || kernel[i - 2] < 1 ||
        kernel[i - 2] > WINDOW_LIMIT)
      return onnx_error(node, "the weights have the shape %s",
                        type_shape_text(node->importer->arena, w));
  return true;
}

bool onnx_conv_window(OnnxNode *node, Window *window) {
  if (!onnx_need_inputs(node, 2)) return false;
  const Type *x = &onnx_input(node, 0)->type, *w = &onnx_input(node, 1)->type;
  int64_t kernel[MAX_RANK];
  if (x->rank < 3 || w->rank != x->rank)
    return onnx_error(node, "input of rank %d, weights of rank %d", x->rank, w->rank);
  return weight_kernel(node, w, kernel) && onnx_window(node, x->rank - 2, kernel, window);
}

static void set_window(Node *conv, const Window *window, int64_t group) {
  node_set_ints(conv, ATTR_STRIDES, window->strides, window->spatial);
  node_set_ints(conv, ATTR_PADS, window->pads, 2 * window->spatial);
  node_set_ints(conv, ATTR_DILATIONS, window->dilations, window->spatial);
  node_set_int(conv, ATTR_GROUP, group);
}

static bool conv_group(OnnxNode *node, int64_t *group) {
  *group = onnx_int(node, "group", 1);
  return (*group >= 1 && *group <= WINDOW_LIMIT) ||
         onnx_error(node, "group %lld", (long long)*group);
}

Value *onnx_build_conv(OnnxNode *node, Value *x, Value *w, Value *bias, const Window *window,
                       int64_t group) {
  Value *operands[3] = {onnx_channels_last(node, x), onnx_channels_last(node, w), bias};
  if (!operands[0] || !operands[1]) return NULL;
  Node *conv = build_begin(&node->builder, OP_CONV, operands, bias ? 3 : 2);
  if (!conv) return NULL;
  set_window(conv, window, group);
  return onnx_channels_first(node, build_end(&node->builder, conv));
}

Value *onnx_conv_result(OnnxNode *node) {
  Window window;
  int64_t group;
  if (!onnx_conv_window(node, &window) || !conv_group(node, &group)) return NULL;
  Value *x = onnx_auto_pad(node, onnx_input(node, 0), &window, NULL);
  if (!x) return NULL;
  return onnx_build_conv(node, x, onnx_input(node, 1), onnx_input(node, 2), &window, group);
}

bool import_conv(OnnxNode *node) { return onnx_output(node, 0, onnx_conv_result(node)); }

// --- transposed: result = stride * (size - 1) + output_padding + reach - pads

typedef struct OutputShape {
  const Dim *sizes[MAX_RANK];
  int64_t extra[MAX_RANK];
  bool given;
} OutputShape;

static bool output_shape(OnnxNode *node, int spatial, OutputShape *shape) {
  int count;
  *shape = (OutputShape){.given = onnx_attribute(node, "output_shape") != NULL};
  if (!window_list(node, "output_padding", spatial, 0, shape->extra)) return false;
  const int64_t *given = onnx_ints(node, "output_shape", &count);
  if (!given || count == 0) return shape->given = false, !node->builder.failed;
  if (count != spatial && count != spatial + 2)
    return onnx_error(node, "attribute 'output_shape' has %d entries, wanted %d", count, spatial);
  for (int i = 0; i < spatial; i++) {
    int64_t size = given[count - spatial + i];
    if (size < 0 || size > WINDOW_LIMIT)
      return onnx_error(node, "output_shape has the entry %lld", (long long)size);
    shape->sizes[i] = import_dim(node->importer, size);
  }
  return true;
}

static bool transpose_pads(OnnxNode *node, const Type *x, Window *window, OutputShape *shape) {
  const char *mode = onnx_string(node, "auto_pad", "NOTSET");
  DimTable *table = node->importer->dims;
  bool upper = strcmp(mode, "SAME_UPPER") == 0, same = upper || strcmp(mode, "SAME_LOWER") == 0;
  if (!same && !shape->given) {
    for (int i = 0; strcmp(mode, "VALID") == 0 && i < 2 * window->spatial; i++) window->pads[i] = 0;
    return true;
  }
  for (int i = 0; i < window->spatial; i++) {
    int64_t total, stride = window->strides[i],
                   reach = (window->kernel[i] - 1) * window->dilations[i] + 1;
    const Dim *steps = dim_mul_int(table, x->dims[2 + i], stride);
    if (!shape->given) shape->sizes[i] = steps;
    if (!dim_is_constant(dim_sub(table, steps, shape->sizes[i]), &total))
      return onnx_error(node, "output_shape needs a static size of axis %d", 2 + i);
    total += reach - stride + shape->extra[i];
    if (total < 0) total = 0;
    window->pads[i] = upper ? total / 2 : total - total / 2;
    window->pads[window->spatial + i] = total - window->pads[i];
  }
  shape->given = true;
  return true;
}

static void transpose_sizes(const OnnxNode *node, const Type *x, const Window *window,
                            const OutputShape *shape, const Dim **sizes) {
  DimTable *table = node->importer->dims;
  for (int i = 0; i < window->spatial; i++) {
    int64_t reach = (window->kernel[i] - 1) * window->dilations[i] + 1;
    const Dim *steps =
        dim_mul_int(table, dim_add_int(table, x->dims[2 + i], -1), window->strides[i]);
    sizes[i] = shape->given ? shape->sizes[i]
                            : dim_add_int(table, steps,
                                          shape->extra[i] + reach - window->pads[i] -
                                              window->pads[window->spatial + i]);
  }
}

bool import_conv_transpose(OnnxNode *node) {
  Window window;
  OutputShape shape;
  int64_t group;
  const Dim *sizes[MAX_RANK];
  if (!onnx_conv_window(node, &window) || !conv_group(node, &group) ||
      !output_shape(node, window.spatial, &shape))
    return false;
  Value *x = onnx_input(node, 0), *bias = onnx_input(node, 2);
  if (!transpose_pads(node, &x->type, &window, &shape)) return false;
  transpose_sizes(node, &x->type, &window, &shape, sizes);
  Value *operands[3] = {onnx_channels_last(node, x), onnx_channels_last(node, onnx_input(node, 1)),
                        bias};
  if (node->builder.failed) return false;
  Node *conv = build_begin(&node->builder, OP_CONV_TRANSPOSE, operands, bias ? 3 : 2);
  set_window(conv, &window, group);
  node_set_dims(conv, ATTR_SIZES, sizes, window.spatial);
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, conv)));
}

// --- causal: the past comes before the input instead of padding

bool import_causal_conv(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *w = onnx_input(node, 1), *past = onnx_input(node, 3);
  int64_t kernel, channels;
  if (x->type.rank != 3 || w->type.rank != 3 || !dim_is_constant(w->type.dims[2], &kernel) ||
      !dim_is_constant(w->type.dims[0], &channels) || kernel < 1 || kernel > WINDOW_LIMIT ||
      channels < 1 || channels > WINDOW_LIMIT)
    return onnx_error(node, "input and weights must have rank 3, and the weights be static");
  if (!past) {
    Value *zero = onnx_scalar_like(node, x, 0);
    past = zero ? build_expand(&node->builder, zero, 3,
                               (const Dim *[]){x->type.dims[0], x->type.dims[1],
                                               import_dim(node->importer, kernel - 1)})
                : NULL;
  }
  Value *padded = past ? build_concat(&node->builder, (Value *[]){past, x}, 2, 2) : NULL;
  Window window = {.spatial = 1, .kernel = {kernel}, .strides = {1}, .dilations = {1}};
  Value *y =
      padded ? onnx_build_conv(node, padded, w, onnx_input(node, 2), &window, channels) : NULL;
  const char *activation = onnx_string(node, "activation", "none");
  if (strcmp(activation, "none") != 0) y = onnx_unary(node, OP_SWISH, y);
  if (!onnx_output(node, 0, y)) return false;
  return onnx_output(node, 1,
                     build_slice_axis(&node->builder, padded, 2, x->type.dims[2],
                                      import_dim(node->importer, kernel - 1), 1));
}
