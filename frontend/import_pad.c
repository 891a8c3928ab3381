// Pad and CenterCropPad, and the padding of windows whose input has symbolic sizes.
#include <string.h>

#include "frontend/import.h"

enum { PAD_LIMIT = 1 << 30 };

static bool is_mode(const char *mode, const char *name) { return strcmp(mode, name) == 0; }

// --- one axis, by dims

static const Dim *positive(OnnxNode *node, const Dim *dim) {
  return dim_max(node->importer->dims, dim, import_dim(node->importer, 0));
}

static const Dim *negated(OnnxNode *node, const Dim *dim) {
  return dim_mul_int(node->importer->dims, dim, -1);
}

// Pads below zero crop.
static Value *crop_axis(OnnxNode *node, Value *x, int axis, const Dim *begin, const Dim *end) {
  DimTable *table = node->importer->dims;
  if (dim_low(begin) >= 0 && dim_low(end) >= 0) return x;
  const Dim *start = positive(node, negated(node, begin)),
            *stop = positive(node, negated(node, end));
  const Dim *size = dim_sub(table, dim_sub(table, x->type.dims[axis], start), stop);
  return build_slice_axis(&node->builder, x, axis, start, size, 1);
}

static Value *spread(OnnxNode *node, Value *part, const Type *like, int axis, const Dim *size) {
  const Dim *dims[MAX_RANK];
  if (!part) return NULL;
  memcpy(dims, like->dims, sizeof *dims * (size_t)like->rank);
  dims[axis] = size;
  return build_expand(&node->builder, part, like->rank, dims);
}

// `size` elements that lie before (or behind) those of x along the axis; fill NULL: zero.
static Value *border(OnnxNode *node, Value *x, int axis, const Dim *size, bool before,
                     const char *mode, Value *fill) {
  Builder *builder = &node->builder;
  DimTable *table = node->importer->dims;
  const Dim *whole = x->type.dims[axis], *zero = import_dim(node->importer, 0);
  if (is_mode(mode, "constant"))
    return spread(node, fill ? fill : onnx_scalar_like(node, x, 0), &x->type, axis, size);
  if (is_mode(mode, "edge")) {
    const Dim *at = before ? zero : dim_add_int(table, whole, -1);
    Value *edge = build_slice_axis(builder, x, axis, at, import_dim(node->importer, 1), 1);
    return spread(node, edge, &x->type, axis, size);
  }
  if (is_mode(mode, "reflect"))
    return build_slice_axis(builder, x, axis, before ? size : dim_add_int(table, whole, -2), size,
                            -1);
  return build_slice_axis(builder, x, axis, before ? dim_sub(table, whole, size) : zero, size, 1);
}

static Value *pad_axis(OnnxNode *node, Value *x, int axis, const Dim *begin, const Dim *end,
                       const char *mode, Value *fill) {
  Value *inner = crop_axis(node, x, axis, begin, end), *parts[3];
  const Dim *sizes[2] = {positive(node, begin), positive(node, end)};
  int count = 0;
  if (!inner) return NULL;
  if (!dim_is(sizes[0], 0)) parts[count++] = border(node, inner, axis, sizes[0], true, mode, fill);
  parts[count++] = inner;
  if (!dim_is(sizes[1], 0)) parts[count++] = border(node, inner, axis, sizes[1], false, mode, fill);
  for (int i = 0; i < count; i++)
    if (!parts[i]) return NULL;
  return count > 1 ? build_concat(&node->builder, parts, count, axis) : inner;
}

// --- all axes

static Value *pad_by_numbers(OnnxNode *node, Value *x, const int64_t *pads, const char *mode,
                             Value *fill) {
  bool nothing = true;
  for (int i = 0; i < 2 * x->type.rank; i++) nothing &= pads[i] == 0;
  if (nothing) return x;
  Node *pad = build_begin(&node->builder, OP_PAD, (Value *[]){x, fill}, fill ? 2 : 1);
  if (!pad) return NULL;
  node_set_ints(pad, ATTR_PADS, pads, 2 * x->type.rank);
  node_set_string(pad, ATTR_MODE, mode);
  return build_end(&node->builder, pad);
}

Value *onnx_pad(OnnxNode *node, Value *x, const Dim *const *pads, const char *mode, Value *fill) {
  int rank = x->type.rank;
  int64_t numbers[2 * MAX_RANK] = {0};
  bool by_dims[MAX_RANK] = {false};
  for (int i = 0; i < 2 * rank; i++) {
    if (!dim_is_constant(pads[i], &numbers[i]))
      by_dims[i % rank] = true;
    else if (numbers[i] > PAD_LIMIT || numbers[i] < -PAD_LIMIT)
      return onnx_error(node, "pad %lld", (long long)numbers[i]), NULL;
  }
  for (int axis = 0; axis < rank; axis++)
    if (by_dims[axis]) numbers[axis] = numbers[rank + axis] = 0;
  x = pad_by_numbers(node, x, numbers, mode, fill);
  for (int axis = 0; x && axis < rank; axis++)
    if (by_dims[axis]) x = pad_axis(node, x, axis, pads[axis], pads[rank + axis], mode, fill);
  return x;
}

static void no_pads(OnnxNode *node, const Dim **pads) {
  for (int i = 0; i < 2 * MAX_RANK; i++) pads[i] = import_dim(node->importer, 0);
}

// --- Pad

// The value that fills, or NULL for zero.
static bool pad_value(OnnxNode *node, Value **value) {
  Tensor tensor;
  *value = NULL;
  if (onnx_has_input(node, 2)) {
    bool zero = onnx_constant_input(node, 2, &tensor) && tensor_count(&tensor) == 1 &&
                element_load(tensor.element, tensor.data, 0) == 0;
    if (zero) return true;
    Value *given = onnx_input(node, 2);
    *value = given->type.rank ? build_reshape(&node->builder, given, 0, NULL) : given;
    return *value != NULL;
  }
  double constant = onnx_float(node, "value", 0);
  if (constant != 0) *value = onnx_scalar_like(node, onnx_input(node, 0), constant);
  return !node->builder.failed;
}

// Pads that only a run knows, those that crop among them: one number that adds and one that takes.
static const Dim *const *measured_pads(OnnxNode *node, Value *list, int count) {
  Value *zero = onnx_integer(node, 0);
  Value *parts[2] = {onnx_binary(node, OP_MAX, list, zero),
                     onnx_binary(node, OP_MAX, onnx_unary(node, OP_NEG, list), zero)};
  const Dim **pads = NEW_ARRAY(node->importer->arena, const Dim *, count + 1),
            **taken = NEW_ARRAY(node->importer->arena, const Dim *, count + 1);
  if (!parts[0] || !parts[1] || !onnx_mixed_dims(node, list, parts[0], pads, count)) return NULL;
  if (!onnx_mixed_dims(node, list, parts[1], taken, count)) return NULL;
  for (int i = 0; i < count; i++)
    if (pads[i] != taken[i]) pads[i] = dim_sub(node->importer->dims, pads[i], taken[i]);
  return pads;
}

// The pads as the node lists them: an attribute up to version 10, operand 1 since.
static const Dim *const *listed_pads(OnnxNode *node, int *count) {
  const char *name = node->version == 1 ? "paddings" : "pads";
  const int64_t *values = onnx_ints(node, name, count);
  if (!values) {
    if (node->builder.failed) return NULL;
    if (!onnx_has_input(node, 1)) return onnx_error(node, "%s are missing", name), NULL;
    if (onnx_has_dims(node, 1)) return onnx_dims_input(node, 1, count);
    int64_t length;
    Value *list = onnx_integer_list(node, 1, &length);
    *count = (int)length;
    return list ? measured_pads(node, list, *count) : NULL;
  }
  const Dim **list = NEW_ARRAY(node->importer->arena, const Dim *, *count + 1);
  for (int i = 0; i < *count; i++) list[i] = import_dim(node->importer, values[i]);
  return list;
}

static bool check_reflected(OnnxNode *node, const Type *x, const Dim *const *pads) {
  for (int i = 0; i < 2 * x->rank; i++) {
    int64_t size, pad;
    if (dim_is_constant(x->dims[i % x->rank], &size) && dim_is_constant(pads[i], &pad) &&
        pad >= size && pad > 0)
      return onnx_error(node, "a reflected pad of %lld beyond an axis of size %lld", (long long)pad,
                        (long long)size);
  }
  return true;
}

// The same for axes that only a run knows: pads of all axes.
static const Dim *const *pads_of_axes(OnnxNode *node, int rank, int *count) {
  int64_t length, axis_count;
  Value *list = onnx_integer_list(node, 1, &length),
        *axes = list ? onnx_integer_list(node, 3, &axis_count) : NULL, *sides[2];
  if (!axes) return NULL;
  if (length != 2 * axis_count)
    return onnx_error(node, "%lld pads for %lld axes", (long long)length, (long long)axis_count),
           NULL;
  for (int i = 0; i < 2; i++) {
    Value *side =
        build_slice_axis(&node->builder, list, 0, import_dim(node->importer, i * axis_count),
                         import_dim(node->importer, axis_count), 1);
    if (!(sides[i] = onnx_by_axis(node, axes, side, rank, 0))) return NULL;
  }
  *count = 2 * rank;
  Value *all = build_concat(&node->builder, sides, 2, 0);
  return all ? measured_pads(node, all, *count) : NULL;
}

bool import_pad(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *value;
  int count, axis_count = x->type.rank;
  const Dim *pads[2 * MAX_RANK];
  int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  bool open_axes = onnx_is_open(node, 3);
  const Dim *const *given =
      open_axes ? pads_of_axes(node, x->type.rank, &count) : listed_pads(node, &count);
  if (!given) return false;
  if (onnx_has_input(node, 3) && !open_axes) {
    const int64_t *given_axes = onnx_ints_input(node, 3, &axis_count);
    if (!given_axes || !onnx_axes(node, given_axes, axis_count, x->type.rank, axes)) return false;
  }
  if (count != 2 * axis_count) return onnx_error(node, "%d pads for %d axes", count, axis_count);
  no_pads(node, pads);
  for (int i = 0; i < axis_count; i++) {
    pads[axes[i]] = given[i];
    pads[x->type.rank + axes[i]] = given[axis_count + i];
  }
  const char *mode = onnx_string(node, "mode", "constant");
  if (!is_mode(mode, "constant") && !is_mode(mode, "reflect") && !is_mode(mode, "edge") &&
      !is_mode(mode, "wrap"))
    return onnx_error(node, "mode '%s'", mode);
  if (is_mode(mode, "reflect") && !check_reflected(node, &x->type, pads)) return false;
  if (!pad_value(node, &value)) return false;
  return onnx_output(node, 0, onnx_pad(node, x, pads, mode, value));
}

// --- CenterCropPad: half of what is missing or too much, rounded towards zero, comes at the
// beginning

bool import_center_crop_pad(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  DimTable *table = node->importer->dims;
  int count, axis_count;
  const Dim *pads[2 * MAX_RANK], *two = import_dim(node->importer, 2);
  int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  const Dim *const *shape = onnx_dims_input(node, 1, &count);
  const int64_t *given = onnx_ints(node, "axes", &axis_count);
  if (!shape || count > x->type.rank)
    return shape && onnx_error(node, "%d sizes for rank %d", count, x->type.rank);
  if (given && (axis_count != count || !onnx_axes(node, given, count, x->type.rank, axes)))
    return axis_count == count ? false
                               : onnx_error(node, "%d sizes for %d axes", count, axis_count);
  no_pads(node, pads);
  for (int i = 0; i < count; i++) {
    int64_t size;
    if (dim_is_constant(shape[i], &size) && (size < 0 || size > INT32_MAX))
      return onnx_error(node, "size %lld", (long long)size);
    const Dim *more = dim_sub(table, shape[i], x->type.dims[axes[i]]);
    const Dim *added = dim_floordiv(table, positive(node, more), two);
    const Dim *cropped = dim_floordiv(table, positive(node, negated(node, more)), two);
    pads[axes[i]] = dim_sub(table, added, cropped);
    pads[x->type.rank + axes[i]] = dim_sub(table, more, pads[axes[i]]);
  }
  return onnx_output(node, 0, onnx_pad(node, x, pads, "constant", NULL));
}
