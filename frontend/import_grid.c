// Grids: GridSample, AffineGrid.
#include <string.h>

#include "frontend/import.h"

// Names of the modes changed in version 20.
bool import_grid_sample(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  const char *mode = onnx_string(node, "mode", "linear");
  if (strcmp(mode, "bilinear") == 0) mode = "linear";
  if (strcmp(mode, "bicubic") == 0) mode = "cubic";
  Value *operands[2] = {onnx_channels_last(node, onnx_input(node, 0)), onnx_input(node, 1)};
  if (!operands[0]) return false;
  Node *sample = build_begin(&node->builder, OP_GRID_SAMPLE, operands, 2);
  node_set_string(sample, ATTR_MODE, mode);
  node_set_string(sample, ATTR_PADDING_MODE, onnx_string(node, "padding_mode", "zeros"));
  node_set_int(sample, ATTR_ALIGN_CORNERS, onnx_int(node, "align_corners", 0) != 0);
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, sample)));
}

// The coordinates of an axis with `size` points, from -1 to 1: of corners or of centres.
static double grid_coordinate(int64_t index, int64_t size, bool corners) {
  if (corners) return size > 1 ? -1 + 2.0 * (double)index / (double)(size - 1) : -1;
  return (2.0 * (double)index + 1) / (double)size - 1;
}

// The coordinates of an axis of a size that only a run knows, [size].
static Value *axis_coordinates(OnnxNode *node, const Dim *size, ElementType element, bool corners) {
  Value *place = onnx_convert(node, onnx_positions(node, size), F64),
        *count = onnx_convert(node, onnx_dim_scalar(node, size), F64);
  Value *one = build_scalar(&node->builder, F64, 1), *two = build_scalar(&node->builder, F64, 2);
  Value *twice = onnx_binary(node, OP_MUL, place, two);
  if (!corners) twice = onnx_binary(node, OP_ADD, twice, one);
  if (corners) // of a single point: -1
    count = onnx_binary(node, OP_MAX, onnx_binary(node, OP_SUB, count, one), one);
  Value *along = onnx_binary(node, OP_DIV, twice, count);
  return onnx_convert(node, onnx_binary(node, OP_SUB, along, one), element);
}

// The table of all points [d.., spatial + 1], the last axis first, then 1, as [points, spatial +
// 1].
static Value *points_by_run(OnnxNode *node, const Dim *const *sizes, int spatial,
                            ElementType element, bool corners) {
  DimTable *table = node->importer->dims;
  Value *columns[MAX_RANK];
  const Dim *dims[MAX_RANK], *points = import_dim(node->importer, 1);
  for (int i = 0; i < spatial; i++) {
    dims[i] = sizes[i];
    points = dim_mul(table, points, sizes[i]);
  }
  dims[spatial] = import_dim(node->importer, 1);
  for (int i = 0; i <= spatial; i++) { // the coordinate of axis spatial - 1 - i
    int axis = spatial - 1 - i;
    const Dim *place[MAX_RANK];
    for (int k = 0; k <= spatial; k++)
      place[k] = k == axis ? sizes[k] : import_dim(node->importer, 1);
    Value *column = axis < 0 ? build_scalar(&node->builder, element, 1)
                             : axis_coordinates(node, sizes[axis], element, corners);
    if (column && axis >= 0) column = build_reshape(&node->builder, column, spatial + 1, place);
    columns[i] = column ? build_expand(&node->builder, column, spatial + 1, dims) : NULL;
    if (!columns[i]) return NULL;
  }
  Value *all = build_concat(&node->builder, columns, spatial + 1, spatial);
  const Dim *flat[2] = {points, import_dim(node->importer, spatial + 1)};
  return all ? build_reshape(&node->builder, all, 2, flat) : NULL;
}

// The same of numbers that are known.
static Value *known_points(OnnxNode *node, const int64_t *sizes, int spatial, ElementType element,
                           bool corners) {
  int64_t points = 1;
  for (int i = 0; i < spatial; i++) {
    if (sizes[i] < 1 || sizes[i] > 1 << 16 || points > (1 << 24) / sizes[i])
      return onnx_error(node, "size %lld", (long long)sizes[i]), NULL;
    points *= sizes[i];
  }
  Tensor base = tensor_create(node->importer->arena, element, 2, (int64_t[]){points, spatial + 1});
  for (int64_t i = 0; i < points; i++) {
    int64_t rest = i;
    for (int axis = spatial - 1; axis >= 0; axis--) {
      double value = grid_coordinate(rest % sizes[axis], sizes[axis], corners);
      element_store(element, base.data, i * (spatial + 1) + (spatial - 1 - axis), value);
      rest /= sizes[axis];
    }
    element_store(element, base.data, i * (spatial + 1) + spatial, 1);
  }
  return build_constant_tensor(&node->builder, &base, node->loc.node);
}

// grid[n, d.., :] = theta[n] * (coordinates of the point, last axis first, 1)
bool import_affine_grid(OnnxNode *node) {
  int count;
  const Dim *const *size = onnx_dims_input(node, 1, &count);
  if (!size || !onnx_need_inputs(node, 1)) return false;
  Value *theta = onnx_input(node, 0);
  int spatial = count - 2;
  int64_t known[MAX_RANK];
  bool corners = onnx_int(node, "align_corners", 0) != 0, open = false;
  if (count < 4 || count > 5 || theta->type.rank != 3)
    return onnx_error(node, "wanted a size of 4 or 5 numbers and theta of rank 3");
  for (int i = 0; i < spatial; i++) open |= !dim_is_constant(size[2 + i], &known[i]);
  ElementType element = theta->type.element;
  Value *coordinates = open ? points_by_run(node, size + 2, spatial, element, corners)
                            : known_points(node, known, spatial, element, corners);
  Node *matmul = coordinates
                     ? build_begin(&node->builder, OP_MATMUL, (Value *[]){coordinates, theta}, 2)
                     : NULL;
  if (!matmul) return false;
  node_set_int(matmul, ATTR_TRANSPOSE_B, 1);
  Value *flat = build_end(&node->builder, matmul);
  const Dim *dims[MAX_RANK] = {theta->type.dims[0]};
  for (int i = 0; i < spatial; i++) dims[1 + i] = size[2 + i];
  dims[1 + spatial] = import_dim(node->importer, spatial);
  return onnx_output(node, 0, flat ? build_reshape(&node->builder, flat, spatial + 2, dims) : NULL);
}
