// Images: Resize, Upsample.
#include <math.h>
#include <string.h>

#include "frontend/resizing.h"

// The fraction with the smallest denominator that is `scale` in float32, by continued fractions;
// false where there is none below 2^20. Exporters write 17 / 9 as a float32, and mean the fraction.
static bool fraction_of(double scale, int64_t *numerator, int64_t *denominator) {
  int64_t low_n = 0, low_d = 1, n = 1, d = 0;
  double rest = scale;
  for (int step = 0; step < 32; step++) {
    double whole = floor(rest);
    if (whole * (double)n + (double)low_n > 1e9 || whole * (double)d + (double)low_d > 1 << 20)
      return false;
    int64_t next_n = (int64_t)whole * n + low_n, next_d = (int64_t)whole * d + low_d;
    low_n = n, low_d = d, n = next_n, d = next_d;
    if ((float)((double)n / (double)d) == (float)scale)
      return *numerator = n, *denominator = d, true;
    rest = 1 / (rest - whole);
  }
  return false;
}

// floor(dim * scale), the product in float32 as ONNX's own shape inference has it: 9 * (float32)(17
// / 9) is 17. A dim that is a symbol needs a scale that is a fraction.
static const Dim *scaled_dim(OnnxNode *node, const Dim *dim, double scale) {
  int64_t size, numerator, denominator;
  if (!(scale > 0) || scale > 1e6) return onnx_error(node, "scale %g", scale), NULL;
  if (dim_is_constant(dim, &size)) {
    float product = (float)size * (float)scale;
    return import_dim(node->importer, (int64_t)floorf(product));
  }
  if (!fraction_of(scale, &numerator, &denominator))
    return resize_run_size(node, dim, build_scalar(&node->builder, F32, scale));
  DimTable *table = node->importer->dims;
  return dim_floordiv(table, dim_mul_int(table, dim, numerator),
                      import_dim(node->importer, denominator));
}

static bool read_scales(OnnxNode *node, const Type *x, int index, Resizing *resizing) {
  Tensor tensor;
  if (!onnx_constant_input(node, index, &tensor))
    return resize_run_scales(node, x, index, resizing);
  if (tensor_count(&tensor) != resizing->axis_count)
    return onnx_error(node, "%lld scales for %d axes", (long long)tensor_count(&tensor),
                      resizing->axis_count);
  resizing->has_scales = true;
  for (int i = 0; i < resizing->axis_count; i++) {
    int axis = (int)resizing->axes[i];
    resizing->scales[axis] = element_load(tensor.element, tensor.data, i);
    if (!(resizing->sizes[axis] = scaled_dim(node, x->dims[axis], resizing->scales[axis])))
      return false;
  }
  return true;
}

// keep_aspect_ratio_policy: one scale for all axes, and the sizes follow from it.
static bool keep_aspect_ratio(OnnxNode *node, const Type *x, const char *policy,
                              Resizing *resizing) {
  bool larger = strcmp(policy, "not_larger") != 0;
  double scale = larger ? 0 : INFINITY;
  if (larger && strcmp(policy, "not_smaller") != 0)
    return onnx_error(node, "keep_aspect_ratio_policy '%s'", policy);
  for (int i = 0; i < resizing->axis_count; i++) {
    int64_t size, wanted, axis = resizing->axes[i];
    if (!dim_is_constant(x->dims[axis], &size) || !dim_is_constant(resizing->sizes[axis], &wanted))
      return resize_run_aspect(node, x, larger, resizing);
    if (size < 1) return onnx_error(node, "axis %lld is empty", (long long)axis);
    double ratio = (double)wanted / (double)size;
    if (larger ? ratio > scale : ratio < scale) scale = ratio;
  }
  resizing->has_scales = true;
  for (int i = 0; i < resizing->axis_count; i++) {
    int64_t axis = resizing->axes[i];
    resizing->scales[axis] = scale;
    resizing->sizes[axis] =
        import_dim(node->importer, (int64_t)floor(scale * (double)dim_value(x->dims[axis]) + 0.5));
  }
  return true;
}

static bool read_sizes(OnnxNode *node, const Type *x, int index, Resizing *resizing) {
  int count;
  const Dim *const *sizes = onnx_dims_input(node, index, &count);
  if (!sizes) return false;
  if (count != resizing->axis_count)
    return onnx_error(node, "%d sizes for %d axes", count, resizing->axis_count);
  for (int i = 0; i < count; i++) resizing->sizes[resizing->axes[i]] = sizes[i];
  const char *policy = onnx_string(node, "keep_aspect_ratio_policy", "stretch");
  return strcmp(policy, "stretch") == 0 || keep_aspect_ratio(node, x, policy, resizing);
}

static bool read_roi(OnnxNode *node, Resizing *resizing) {
  Tensor roi;
  if (!onnx_constant_input(node, 1, &roi)) return resize_run_roi(node, 1, resizing);
  if (tensor_count(&roi) != 2 * resizing->axis_count)
    return onnx_error(node, "the region of interest has %lld numbers, wanted %d",
                      (long long)tensor_count(&roi), 2 * resizing->axis_count);
  resizing->has_roi = true;
  for (int i = 0; i < resizing->rank; i++)
    resizing->roi[i] = 0, resizing->roi[resizing->rank + i] = 1;
  for (int i = 0; i < resizing->axis_count; i++) {
    resizing->roi[resizing->axes[i]] = element_load(roi.element, roi.data, i);
    resizing->roi[resizing->rank + resizing->axes[i]] =
        element_load(roi.element, roi.data, resizing->axis_count + i);
  }
  return true;
}

static void set_resize(OnnxNode *node, Node *resize, const Resizing *resizing, const int *from,
                       const char *mode, const char *coordinates) {
  const Dim *sizes[MAX_RANK];
  double scales[MAX_RANK], roi[2 * MAX_RANK];
  for (int i = 0; i < resizing->rank; i++) {
    sizes[i] = resizing->sizes[from[i]];
    scales[i] = resizing->scales[from[i]];
    roi[i] = resizing->roi[from[i]];
    roi[resizing->rank + i] = resizing->roi[resizing->rank + from[i]];
  }
  node_set_dims(resize, ATTR_SIZES, sizes, resizing->rank);
  if (resizing->has_scales) node_set_floats(resize, ATTR_SCALES, scales, resizing->rank);
  if (resizing->has_roi) node_set_floats(resize, ATTR_ROI, roi, 2 * resizing->rank);
  node_set_string(resize, ATTR_MODE, strcmp(mode, "bilinear") == 0 ? "linear" : mode);
  node_set_string(resize, ATTR_COORDINATES, coordinates);
  bool plain = node->version < 11;
  node_set_string(resize, ATTR_NEAREST,
                  onnx_string(node, "nearest_mode", plain ? "floor" : "round_prefer_floor"));
  node_set_float(resize, ATTR_CUBIC, onnx_float(node, "cubic_coeff_a", -0.75));
  node_set_int(resize, ATTR_ANTIALIAS, onnx_int(node, "antialias", 0) != 0);
  node_set_int(resize, ATTR_EXCLUDE_OUTSIDE, onnx_int(node, "exclude_outside", 0) != 0);
  node_set_float(resize, ATTR_VALUE, onnx_float(node, "extrapolation_value", 0));
}

// Channels go last where batch and channels keep their size; what has its channels last already,
// or resizes every axis, stays.
static bool build_resize(OnnxNode *node, Value *x, const Resizing *resizing,
                         const char *coordinates) {
  int rank = x->type.rank, from[MAX_RANK];
  const char *mode = onnx_string(node, "mode", "nearest");
  bool first =
      rank >= 3 && resizing->sizes[0] == x->type.dims[0] && resizing->sizes[1] == x->type.dims[1];
  for (int i = 0; i < rank; i++) from[i] = !first || i == 0 ? i : i == rank - 1 ? 1 : i + 1;
  Value *operand = first ? onnx_channels_last(node, x) : x;
  if (!operand) return false;
  Node *resize = build_begin(&node->builder, OP_RESIZE, &operand, 1);
  set_resize(node, resize, resizing, from, mode, coordinates);
  Value *result = build_end(&node->builder, resize);
  return onnx_output(node, 0, first ? onnx_channels_first(node, result) : result);
}

static bool begin_resizing(OnnxNode *node, const Type *x, Resizing *resizing) {
  int count;
  *resizing = (Resizing){.rank = x->rank, .axis_count = x->rank};
  for (int i = 0; i < x->rank; i++) {
    resizing->axes[i] = i;
    resizing->sizes[i] = x->dims[i];
    resizing->scales[i] = 1;
  }
  const int64_t *axes = onnx_ints(node, "axes", &count);
  if (!axes) return !node->builder.failed;
  resizing->axis_count = count;
  return onnx_axes(node, axes, count, x->rank, resizing->axes);
}

// False: the operand is absent or has no elements, which means the same.
static bool given_list(const OnnxNode *node, int index) {
  if (!onnx_has_input(node, index)) return false;
  const Type *type = &node->inputs[index]->value->type;
  return !(type->rank == 1 && dim_is(type->dims[0], 0));
}

// With antialias the scale, which follows from the sizes, decides how many elements count.
static bool antialias_by_run(OnnxNode *node, const Type *x, const Resizing *resizing) {
  if (!onnx_int(node, "antialias", 0) || resizing->has_scales ||
      strcmp(onnx_string(node, "mode", "nearest"), "nearest") == 0)
    return false;
  for (int i = 0; i < resizing->rank; i++)
    if (resizing->sizes[i] != x->dims[i] &&
        (!dim_is_constant(resizing->sizes[i], NULL) || !dim_is_constant(x->dims[i], NULL)))
      return true;
  return false;
}

bool import_resize(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  Resizing resizing;
  const char *coordinates = onnx_string(node, "coordinate_transformation_mode",
                                        node->version < 11 ? "asymmetric" : "half_pixel");
  int scales = node->version < 11 ? 1 : 2;
  if (!begin_resizing(node, &x->type, &resizing)) return false;
  if (node->version >= 11 && given_list(node, 2) && given_list(node, 3))
    return onnx_error(node, "both scales and sizes are given");
  if (given_list(node, scales)) {
    if (!read_scales(node, &x->type, scales, &resizing)) return false;
  } else if (node->version >= 11 && given_list(node, 3)) {
    if (!read_sizes(node, &x->type, 3, &resizing)) return false;
  } else
    return onnx_error(node, "neither scales nor sizes are given");
  if (strcmp(coordinates, "tf_crop_and_resize") == 0 && !read_roi(node, &resizing)) return false;
  return resizing.by_run || antialias_by_run(node, &x->type, &resizing)
             ? onnx_output(node, 0, resize_by_run(node, x, &resizing, coordinates))
             : build_resize(node, x, &resizing, coordinates);
}

bool import_upsample(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  Resizing resizing;
  if (node->version >= 10)
    return onnx_unsupported(node, "operator sets have Resize instead since version 10");
  if (!begin_resizing(node, &x->type, &resizing)) return false;
  if (node->version >= 9)
    return read_scales(node, &x->type, 1, &resizing) &&
           (resizing.by_run ? onnx_output(node, 0, resize_by_run(node, x, &resizing, "asymmetric"))
                            : build_resize(node, x, &resizing, "asymmetric"));
  int count = 4;
  float old[4] = {1, 1, (float)onnx_float(node, "height_scale", 0),
                  (float)onnx_float(node, "width_scale", 0)};
  const float *scales = node->version < 7 ? old : onnx_floats(node, "scales", &count);
  if (!scales || count != x->type.rank)
    return onnx_error(node, "%d scales for rank %d", count, x->type.rank);
  resizing.has_scales = true;
  for (int i = 0; i < count; i++) {
    resizing.scales[i] = (double)scales[i];
    if (!(resizing.sizes[i] = scaled_dim(node, x->type.dims[i], resizing.scales[i]))) return false;
  }
  return build_resize(node, x, &resizing, "asymmetric");
}
