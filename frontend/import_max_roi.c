// MaxRoiPool: the maximum over each cell of a grid laid on a region. Cells are intervals of rows
// and of columns, so the maximum is taken along the columns first, then along the rows, of what a
// mask leaves.
#include <math.h>

#include "frontend/import.h"

typedef struct Regions {
  OnnxNode *node;
  Value *rois; // [regions, 5]: image, then left, top, right, bottom
  double scale;
} Regions;

// floor(scale * column + 1/2), [regions, 1]
static Value *edge(const Regions *r, int column) {
  OnnxNode *node = r->node;
  Value *x = build_slice_axis(&node->builder, r->rois, 1, import_dim(node->importer, column),
                              import_dim(node->importer, 1), 1);
  Value *scaled = onnx_binary(node, OP_MUL, x, onnx_scalar_like(node, x, r->scale));
  return onnx_unary(node, OP_FLOOR,
                    onnx_binary(node, OP_ADD, scaled, onnx_scalar_like(node, scaled, 0.5)));
}

// Which places of an axis belong to which cell: bool[regions, cells, size]
static Value *cell_mask(const Regions *r, int first, int64_t cells, const Dim *size) {
  OnnxNode *node = r->node;
  ElementType element = r->rois->type.element;
  Value *start = edge(r, first), *end = edge(r, first + 2);
  Value *one = onnx_scalar_like(node, start, 1);
  Value *length = onnx_binary(
      node, OP_MAX, onnx_binary(node, OP_ADD, onnx_binary(node, OP_SUB, end, start), one), one);
  Value *cell = onnx_binary(node, OP_DIV, length, onnx_scalar_like(node, length, (double)cells));
  Value *index =
      onnx_convert(node, onnx_positions(node, import_dim(node->importer, cells)), element);
  Value *low = onnx_unary(node, OP_FLOOR, onnx_binary(node, OP_MUL, cell, index));
  Value *high = onnx_unary(node, OP_CEIL,
                           onnx_binary(node, OP_MUL, cell, onnx_binary(node, OP_ADD, index, one)));
  Value *from = onnx_unsqueeze(node, onnx_binary(node, OP_ADD, low, start), (int64_t[]){2}, 1);
  Value *to = onnx_unsqueeze(node, onnx_binary(node, OP_ADD, high, start), (int64_t[]){2}, 1);
  Value *place = onnx_convert(node, onnx_positions(node, size), element);
  return onnx_binary(node, OP_AND, onnx_binary(node, OP_LESS_EQUAL, from, place),
                     onnx_binary(node, OP_LESS, place, to));
}

// The maximum along `axis` of what the mask leaves; -infinity where that is nothing.
static Value *masked_maximum(OnnxNode *node, Value *mask, Value *x, int axis) {
  Value *lowest = onnx_scalar_like(node, x, -INFINITY);
  Value *kept = onnx_where(node, mask, x, lowest);
  return onnx_reduce_one(node, OP_REDUCE_MAX, kept, axis, false);
}

bool import_max_roi_pool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int count;
  const int64_t *cells = onnx_ints(node, "pooled_shape", &count);
  Value *x = onnx_input(node, 0);
  Regions r = {node, onnx_input(node, 1), onnx_float(node, "spatial_scale", 1)};
  if (x->type.rank != 4 || r.rois->type.rank != 2 || !dim_is(r.rois->type.dims[1], 5))
    return onnx_error(node, "input of rank %d and regions of shape %s, wanted 4 and [n,5]",
                      x->type.rank, type_shape_text(node->importer->arena, &r.rois->type));
  if (!cells || count != 2 || cells[0] < 1 || cells[1] < 1 || cells[0] > 1 << 12 ||
      cells[1] > 1 << 12)
    return onnx_error(node, "pooled_shape must be two sizes");
  Value *image =
      onnx_squeeze(node,
                   build_slice_axis(&node->builder, r.rois, 1, import_dim(node->importer, 0),
                                    import_dim(node->importer, 1), 1),
                   (int64_t[]){1}, 1);
  image = onnx_convert(node, image, I64);
  if (!image) return false;
  Value *each = onnx_gather(node, x, image, 0, true);
  Value *columns =
      onnx_unsqueeze(node, cell_mask(&r, 1, cells[1], x->type.dims[3]), (int64_t[]){1, 2}, 2);
  Value *rows =
      onnx_unsqueeze(node, cell_mask(&r, 2, cells[0], x->type.dims[2]), (int64_t[]){1, 4}, 2);
  Value *narrow = masked_maximum(node, columns, onnx_unsqueeze(node, each, (int64_t[]){3}, 1), 4);
  Value *y = masked_maximum(node, rows, onnx_unsqueeze(node, narrow, (int64_t[]){2}, 1), 3);
  Value *nothing = onnx_binary(node, OP_EQUAL, y, onnx_scalar_like(node, y, -INFINITY)),
        *zero = onnx_scalar_like(node, y, 0);
  return onnx_output(node, 0, onnx_where(node, nothing, zero, y));
}
