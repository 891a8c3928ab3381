// Pools, channels first in the file, channels last in the IR.
#include <string.h>

#include "frontend/import.h"
#include "frontend/import_window.h"

static void set_window(Node *pool, const Window *window, bool ceil_mode) {
  node_set_ints(pool, ATTR_KERNEL, window->kernel, window->spatial);
  node_set_ints(pool, ATTR_STRIDES, window->strides, window->spatial);
  node_set_ints(pool, ATTR_PADS, window->pads, 2 * window->spatial);
  node_set_ints(pool, ATTR_DILATIONS, window->dilations, window->spatial);
  node_set_int(pool, ATTR_CEIL_MODE, ceil_mode);
}

static bool pool_with_indices(OnnxNode *node, Value *x, const Window *window, bool ceil_mode) {
  Node *pool = build_begin(&node->builder, OP_MAX_POOL_INDICES, &x, 1);
  if (!pool) return false;
  set_window(pool, window, ceil_mode);
  node_set_int(pool, ATTR_BATCH_MAJOR, onnx_int(node, "storage_order", 0) != 0);
  Value *y = build_end(&node->builder, pool);
  Value *first = onnx_channels_first(node, y);
  return onnx_output(node, 0, first) && onnx_output(node, 1, onnx_channels_first(node, pool->results[1]));
}

bool import_pool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  OpCode op = (OpCode)node->row->argument;
  Value *x = onnx_input(node, 0);
  Window window;
  if (x->type.rank < 3) return onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  if (!onnx_window(node, x->type.rank - 2, NULL, &window) || !onnx_auto_pad(node, &x->type, &window)) return false;
  bool ceil_mode = onnx_int(node, "ceil_mode", 0) != 0;
  Value *last = onnx_channels_last(node, x);
  if (!last) return false;
  if (op == OP_MAX_POOL && onnx_wants_output(node, 1)) return pool_with_indices(node, last, &window, ceil_mode);
  Node *pool = build_begin(&node->builder, op, &last, 1);
  set_window(pool, &window, ceil_mode);
  if (op == OP_AVERAGE_POOL) node_set_int(pool, ATTR_COUNT_PADDING, onnx_int(node, "count_include_pad", 0) != 0);
  if (op == OP_LP_POOL) node_set_int(pool, ATTR_EXPONENT, onnx_int(node, "p", 2));
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, pool)));
}

static int spatial_axes(const Type *type, int64_t *axes) {
  for (int i = 2; i < type->rank; i++) axes[i - 2] = i;
  return type->rank - 2;
}

static bool need_spatial(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  int rank = onnx_input(node, 0)->type.rank;
  return rank >= 3 || onnx_error(node, "input of rank %d, wanted 3 or more", rank);
}

bool import_global_pool(OnnxNode *node) {
  int64_t axes[MAX_RANK];
  if (!need_spatial(node)) return false;
  Value *x = onnx_input(node, 0);
  int count = spatial_axes(&x->type, axes);
  return onnx_output(node, 0, build_reduce(&node->builder, (OpCode)node->row->argument, x, axes, count, true));
}

// (sum |x|^p)^(1/p) over the spatial axes
bool import_global_lp_pool(OnnxNode *node) {
  int64_t axes[MAX_RANK];
  if (!need_spatial(node)) return false;
  Value *x = onnx_input(node, 0);
  int count = spatial_axes(&x->type, axes);
  int64_t p = onnx_int(node, "p", 2);
  if (p < 1) return onnx_error(node, "p is %lld", (long long)p);
  if (p == 1) return onnx_output(node, 0, build_reduce(&node->builder, OP_REDUCE_L1, x, axes, count, true));
  if (p == 2) return onnx_output(node, 0, onnx_unary(node, OP_SQRT, build_reduce(&node->builder, OP_REDUCE_SQUARES, x, axes, count, true)));
  Value *power = onnx_binary(node, OP_POW, onnx_unary(node, OP_ABS, x), onnx_scalar_like(node, x, (double)p));
  Value *sum = power ? build_reduce(&node->builder, OP_REDUCE_SUM, power, axes, count, true) : NULL;
  return onnx_output(node, 0, onnx_binary(node, OP_POW, sum, onnx_scalar_like(node, x, 1.0 / (double)p)));
}

// The result's spatial dims are what the pool had as input, if it divided evenly, or are given.
bool import_max_unpool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  Window window;
  if (x->type.rank < 3) return onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  if (!onnx_window(node, x->type.rank - 2, NULL, &window)) return false;
  const Dim *sizes[MAX_RANK];
  DimTable *table = node->importer->dims;
  if (onnx_has_input(node, 2)) {
    int count;
    const Dim *const *shape = onnx_dims_input(node, 2, &count);
    if (!shape) return false;
    if (count != x->type.rank) return onnx_error(node, "output_shape has %d entries, wanted %d", count, x->type.rank);
    for (int i = 0; i < window.spatial; i++) sizes[i] = shape[2 + i];
  } else {
    for (int i = 0; i < window.spatial; i++) {
      const Dim *steps = dim_mul_int(table, dim_add_int(table, x->type.dims[2 + i], -1), window.strides[i]);
      sizes[i] = dim_add_int(table, steps, window.kernel[i] - window.pads[i] - window.pads[window.spatial + i]);
    }
  }
  Value *operands[2] = {onnx_channels_last(node, x), onnx_channels_last(node, onnx_input(node, 1))};
  if (node->builder.failed) return false;
  Node *unpool = build_begin(&node->builder, OP_MAX_UNPOOL, operands, 2);
  node_set_dims(unpool, ATTR_SIZES, sizes, window.spatial);
  return onnx_output(node, 0, onnx_channels_first(node, build_end(&node->builder, unpool)));
}
