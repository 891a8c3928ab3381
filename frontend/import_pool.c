// Pools, channels first in the file, channels last in the IR.
#include <math.h>
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
  return onnx_output(node, 0, first) &&
         onnx_output(node, 1, onnx_channels_first(node, pool->results[1]));
}

// Before version 2 p was a float.
static int64_t pool_exponent(OnnxNode *node) {
  if (node->version >= 2) return onnx_int(node, "p", 2);
  double p = onnx_float(node, "p", 2);
  return p == floor(p) && p < 1 << 16 ? (int64_t)p : 0;
}

// Less than any element, so that it never is the largest of a window.
static Value *lowest_like(OnnxNode *node, const Value *x) {
  const ElementInfo *info = &element_info[x->type.element];
  double lowest = info->class == CLASS_SIGNED  ? -ldexp(1, info->bits - 1)
                  : info->class == CLASS_FLOAT ? -INFINITY
                                               : 0;
  return onnx_scalar_like(node, x, lowest);
}

// The window by the attributes, and x with the pads that depend on its size.
static Value *pool_window(OnnxNode *node, Value *x, bool largest, Window *window) {
  if (x->type.rank < 3)
    return onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank), NULL;
  if (!onnx_window(node, x->type.rank - 2, NULL, window)) return NULL;
  return onnx_auto_pad(node, x, window, largest ? lowest_like(node, x) : NULL);
}

static Value *build_pool(OnnxNode *node, OpCode op, Value *x, const Window *window,
                         bool count_padding) {
  Value *last = onnx_channels_last(node, x);
  if (!last) return NULL;
  Node *pool = build_begin(&node->builder, op, &last, 1);
  set_window(pool, window, onnx_int(node, "ceil_mode", 0) != 0);
  if (op == OP_AVERAGE_POOL) node_set_int(pool, ATTR_COUNT_PADDING, count_padding);
  if (op == OP_LP_POOL) node_set_int(pool, ATTR_EXPONENT, pool_exponent(node));
  return onnx_channels_first(node, build_end(&node->builder, pool));
}

// The part of each window that lies in x and not in its pads: the average of ones.
static Value *covered_part(OnnxNode *node, Value *x, const Window *window) {
  Window other = *window;
  const Dim *dims[MAX_RANK];
  memcpy(dims, x->type.dims, sizeof *dims * (size_t)x->type.rank);
  dims[0] = dims[1] = import_dim(node->importer, 1);
  Value *one = onnx_scalar_like(node, x, 1);
  Value *ones = one ? build_expand(&node->builder, one, x->type.rank, dims) : NULL;
  if (ones) ones = onnx_auto_pad(node, ones, &other, NULL);
  return ones ? build_pool(node, OP_AVERAGE_POOL, ones, &other, true) : NULL;
}

Value *onnx_pool(OnnxNode *node, OpCode op, Value *x) {
  Window window;
  bool count_padding = onnx_int(node, "count_include_pad", 0) != 0;
  Value *padded = x ? pool_window(node, x, op == OP_MAX_POOL, &window) : NULL;
  if (!padded) return NULL;
  if (padded == x || op != OP_AVERAGE_POOL || count_padding)
    return build_pool(node, op, padded, &window, count_padding);
  Value *average = build_pool(node, op, padded, &window, true);
  return onnx_binary(node, OP_DIV, average, covered_part(node, x, &window));
}

bool import_pool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  OpCode op = (OpCode)node->row->argument;
  Value *x = onnx_input(node, 0);
  Window window;
  if (op != OP_MAX_POOL || !onnx_wants_output(node, 1))
    return onnx_output(node, 0, onnx_pool(node, op, x));
  Value *padded = pool_window(node, x, true, &window);
  if (!padded) return false;
  if (padded != x) return onnx_error(node, "indices with auto_pad need static sizes of the input");
  return pool_with_indices(node, onnx_channels_last(node, x), &window,
                           onnx_int(node, "ceil_mode", 0) != 0);
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
  return onnx_output(
      node, 0, build_reduce(&node->builder, (OpCode)node->row->argument, x, axes, count, true));
}

// (sum |x|^p)^(1/p) over the spatial axes
bool import_global_lp_pool(OnnxNode *node) {
  int64_t axes[MAX_RANK];
  if (!need_spatial(node)) return false;
  Value *x = onnx_input(node, 0);
  int count = spatial_axes(&x->type, axes);
  int64_t p = pool_exponent(node);
  if (p < 1) return onnx_error(node, "p is %lld", (long long)p);
  if (p == 1)
    return onnx_output(node, 0, build_reduce(&node->builder, OP_REDUCE_L1, x, axes, count, true));
  if (p == 2)
    return onnx_output(
        node, 0,
        onnx_unary(node, OP_SQRT,
                   build_reduce(&node->builder, OP_REDUCE_SQUARES, x, axes, count, true)));
  Value *power =
      onnx_binary(node, OP_POW, onnx_unary(node, OP_ABS, x), onnx_scalar_like(node, x, (double)p));
  Value *sum = power ? build_reduce(&node->builder, OP_REDUCE_SUM, power, axes, count, true) : NULL;
  return onnx_output(node, 0,
                     onnx_binary(node, OP_POW, sum, onnx_scalar_like(node, x, 1.0 / (double)p)));
}

// What is missing to the given shape follows at the end of each spatial axis.
static Value *extend_to(OnnxNode *node, Value *x, const Dim *const *from, const Dim *const *to,
                        int spatial) {
  const Dim *pads[2 * MAX_RANK];
  if (!x) return NULL;
  for (int i = 0; i < 2 * x->type.rank; i++) pads[i] = import_dim(node->importer, 0);
  for (int i = 0; i < spatial; i++)
    pads[x->type.rank + 1 + i] = dim_sub(node->importer->dims, to[i], from[i]);
  return onnx_pad(node, x, pads, "constant", NULL);
}

// The indices belong to the shape that the pool had as input if it divided evenly.
bool import_max_unpool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  Window window;
  if (x->type.rank < 3) return onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  if (!onnx_window(node, x->type.rank - 2, NULL, &window)) return false;
  const Dim *sizes[MAX_RANK], *const *shape = NULL;
  DimTable *table = node->importer->dims;
  int count;
  if (onnx_has_input(node, 2)) {
    if (!(shape = onnx_dims_input(node, 2, &count))) return false;
    if (count != x->type.rank)
      return onnx_error(node, "output_shape has %d entries, wanted %d", count, x->type.rank);
  }
  for (int i = 0; i < window.spatial; i++) {
    const Dim *steps =
        dim_mul_int(table, dim_add_int(table, x->type.dims[2 + i], -1), window.strides[i]);
    sizes[i] = dim_add_int(table, steps,
                           window.kernel[i] - window.pads[i] - window.pads[window.spatial + i]);
  }
  Value *operands[2] = {onnx_channels_last(node, x), onnx_channels_last(node, onnx_input(node, 1))};
  if (node->builder.failed) return false;
  Node *unpool = build_begin(&node->builder, OP_MAX_UNPOOL, operands, 2);
  node_set_dims(unpool, ATTR_SIZES, sizes, window.spatial);
  Value *result = build_end(&node->builder, unpool);
  if (shape) result = extend_to(node, result, sizes, shape + 2, window.spatial);
  return onnx_output(node, 0, onnx_channels_first(node, result));
}
