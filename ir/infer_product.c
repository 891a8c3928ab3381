// Types of matmul and the convolutions.
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

static bool is_small_integer(ElementType e) {
  return element_is_integer(e) && element_info[e].bits <= 16;
}

// Element type and quantization of a product of a and w, as asked for, or what it is by itself.
static bool product_element(const Node *node, Diag *diag, const Type *a, const Type *w,
                            Type *result) {
  const Type *request = requested_product(node);
  bool small = is_small_integer(a->element) && is_small_integer(w->element);
  bool quantized = a->quant && w->quant;
  if (!small) {
    if (a->quant || w->quant) return refuse_quantized(node, diag, a->quant ? 0 : 1);
    if (a->element != w->element)
      return refuse(node, diag, "operand 0 is %s, operand 1 is %s", element_text(a->element),
                    element_text(w->element));
    if (!element_calculates(a->element) && !element_is_integer(a->element))
      return refuse_element(node, diag, 0);
  }
  result->element = small ? I32 : a->element;
  result->quant = NULL;
  if (!request) return true;
  bool accumulator =
      request->element == result->element && (!request->quant || (quantized && small));
  bool codes = quantized && is_quantized_tensor(request);
  if (!accumulator && !codes)
    return refuse(node, diag, "%s times %s does not give %s%s", element_text(a->element),
                  element_text(w->element), request->quant ? "quantized " : "",
                  element_text(request->element));
  result->element = request->element;
  result->quant = request->quant;
  return !request->quant || check_quant(node, diag, result);
}

// Bias: one value per column or output channel, of the accumulator's type.
static bool check_bias(const Node *node, Diag *diag, const Type *a, const Type *w,
                       const Dim *wanted) {
  if (node_own_operands(node) < 3 || !node->operands[2]) return true;
  const Type *bias = tensor_operand(node, 2, diag);
  if (!bias) return false;
  ElementType element =
      is_small_integer(a->element) && is_small_integer(w->element) ? I32 : a->element;
  if (bias->element != element)
    return refuse(node, diag, "the bias is %s, wanted %s", element_text(bias->element),
                  element_text(element));
  if (bias->rank != 1)
    return refuse(node, diag, "the bias has shape %s, wanted [%s]",
                  type_shape_text(node_arena(node), bias), dim_text(node_arena(node), wanted));
  if (dims_differ(node_dim_table(node), bias->dims[0], wanted))
    return refuse(node, diag, "the bias has %s values, wanted %s",
                  dim_text(node_arena(node), bias->dims[0]), dim_text(node_arena(node), wanted));
  return true;
}

// Quantization along an axis is allowed where it belongs to one row, column or output channel.
static bool check_axis_of(const Node *node, Diag *diag, int operand, int allowed) {
  const Quant *quant = node->operands[operand]->type.quant;
  if (!quant || quant->count == 1 || quant->axis == allowed) return true;
  return refuse(node, diag, "operand %d is quantized along axis %d, possible is axis %d", operand,
                quant->axis, allowed);
}

static bool check_count(const Node *node, Diag *diag) {
  int count = node_own_operands(node);
  return count <= 3 || refuse(node, diag, "%d operands, wanted 2 or 3", count);
}

bool infer_matmul(Node *node, Diag *diag) {
  const Type *a = tensor_operand(node, 0, diag), *b = tensor_operand(node, 1, diag);
  if (!a || !b || !check_count(node, diag)) return false;
  if (a->rank < 2 || b->rank < 2)
    return refuse(node, diag, "rank %d by rank %d, wanted 2 or more", a->rank, b->rank);
  bool ta = node_int(node, ATTR_TRANSPOSE_A) != 0, tb = node_int(node, ATTR_TRANSPOSE_B) != 0;
  int row = a->rank - 2 + ta, column = b->rank - 1 - tb;
  const Dim *inner_a = a->dims[a->rank - 1 - ta], *inner_b = b->dims[b->rank - 2 + tb];
  if (dims_differ(node_dim_table(node), inner_a, inner_b))
    return refuse(node, diag, "inner dimensions %s and %s differ",
                  dim_text(node_arena(node), inner_a), dim_text(node_arena(node), inner_b));
  Type result = *a, batch_a = *a, batch_b = *b;
  batch_a.rank -= 2;
  batch_b.rank -= 2;
  if (!broadcast_shape(node, diag, &batch_a, &batch_b)) return false;
  result.rank = batch_a.rank + 2;
  for (int i = 0; i < batch_a.rank; i++) result.dims[i] = batch_a.dims[i];
  result.dims[result.rank - 2] = a->dims[row];
  result.dims[result.rank - 1] = b->dims[column];
  return product_element(node, diag, a, b, &result) &&
         check_bias(node, diag, a, b, b->dims[column]) && check_axis_of(node, diag, 0, row) &&
         check_axis_of(node, diag, 1, column) && set_product_result(node, diag, result);
}

static bool check_filter(const Node *node, Diag *diag, const Type *x, const Type *w) {
  if (x->rank < 3)
    return refuse(node, diag, "the input has shape %s, wanted [n, spatial.., c]",
                  type_shape_text(node_arena(node), x));
  if (w->rank != x->rank)
    return refuse(node, diag, "the input has %d spatial dims, the weight %d", x->rank - 2,
                  w->rank - 2);
  if (node_int(node, ATTR_GROUP) < 1)
    return refuse(node, diag, "group = %lld", (long long)node_int(node, ATTR_GROUP));
  return check_window(node, diag, x->rank - 2);
}

static bool divides(const Node *node, Diag *diag, const char *what, const Dim *channels) {
  int64_t count, group = node_int(node, ATTR_GROUP);
  if (!dim_is_constant(channels, &count) || count % group == 0) return true;
  return refuse(node, diag, "%lld %s do not divide into %lld groups", (long long)count, what,
                (long long)group);
}

static bool conv_dims(const Node *node, Diag *diag, const Type *x, const Type *w, Type *result) {
  Arena *arena = node_arena(node);
  bool planar = node_int(node, ATTR_PLANAR);
  for (int i = 1; i < x->rank - 1; i++) {
    const Dim *size = x->dims[i + planar];
    result->dims[i] = window_dim(node, size, w->dims[i], i - 1);
    if (dim_high(result->dims[i]) < 1 && dim_high(size) > 0)
      return refuse(node, diag, "kernel size %s does not fit into input size %s with its padding",
                    dim_text(arena, w->dims[i]), dim_text(arena, size));
  }
  return true;
}

bool infer_conv(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *w = tensor_operand(node, 1, diag);
  if (!x || !w || !check_count(node, diag) || !check_filter(node, diag, x, w)) return false;
  const Dim *found = x->dims[node_int(node, ATTR_PLANAR) ? 1 : x->rank - 1];
  const Dim *wanted =
      dim_mul_int(node_dim_table(node), w->dims[w->rank - 1], node_int(node, ATTR_GROUP));
  if (dims_differ(node_dim_table(node), found, wanted))
    return refuse(node, diag, "the input has %s channels, the weight wants %s",
                  dim_text(node_arena(node), found), dim_text(node_arena(node), wanted));
  if (!divides(node, diag, "output channels", w->dims[0])) return false;
  Type result = *x;
  result.dims[x->rank - 1] = w->dims[0];
  return conv_dims(node, diag, x, w, &result) && product_element(node, diag, x, w, &result) &&
         check_bias(node, diag, x, w, w->dims[0]) && check_axis_of(node, diag, 0, -1) &&
         check_axis_of(node, diag, 1, 0) && set_product_result(node, diag, result);
}

// (x - 1) * stride + dilation * (kernel - 1) + 1 - pads.
static const Dim *transposed_dim(const Node *node, const Dim *x, const Dim *kernel, int axis,
                                 int spatial) {
  DimTable *table = node_dim_table(node);
  int64_t pad =
      node_ints_at(node, ATTR_PADS, axis, 0) + node_ints_at(node, ATTR_PADS, spatial + axis, 0);
  const Dim *reach = dim_mul_int(table, dim_add_int(table, kernel, -1),
                                 node_ints_at(node, ATTR_DILATIONS, axis, 1));
  const Dim *steps =
      dim_mul_int(table, dim_add_int(table, x, -1), node_ints_at(node, ATTR_STRIDES, axis, 1));
  return dim_add_int(table, dim_add(table, steps, reach), 1 - pad);
}

bool infer_conv_transpose(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *w = tensor_operand(node, 1, diag);
  if (!x || !w || !check_count(node, diag) || !check_filter(node, diag, x, w)) return false;
  const Dim *found = x->dims[x->rank - 1];
  if (dims_differ(node_dim_table(node), found, w->dims[0]))
    return refuse(node, diag, "the input has %s channels, the weight wants %s",
                  dim_text(node_arena(node), found), dim_text(node_arena(node), w->dims[0]));
  if (!divides(node, diag, "input channels", found)) return false;
  int spatial = x->rank - 2, count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  if (count != 0 && count != spatial)
    return refuse(node, diag, "sizes has %d entries, wanted %d", count, spatial);
  if (!check_sizes(node, diag, sizes, count)) return false;
  int64_t group = node_int(node, ATTR_GROUP);
  Type result = *x;
  for (int i = 0; i < spatial; i++)
    result.dims[i + 1] =
        count ? sizes[i] : transposed_dim(node, x->dims[i + 1], w->dims[i + 1], i, spatial);
  for (int i = 0; i < spatial; i++)
    if (dim_high(result.dims[i + 1]) < 0)
      return refuse(node, diag, "dim %d of the result would be %s", i + 1,
                    dim_text(node_arena(node), result.dims[i + 1]));
  result.dims[x->rank - 1] = dim_mul_int(node_dim_table(node), w->dims[w->rank - 1], group);
  return product_element(node, diag, x, w, &result) &&
         check_bias(node, diag, x, w, result.dims[x->rank - 1]) &&
         check_axis_of(node, diag, 0, -1) &&
         check_axis_of(node, diag, 1, group == 1 ? w->rank - 1 : -1) &&
         set_product_result(node, diag, result);
}

bool infer_det(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  if (x->element != F32 && x->element != F64) return refuse_element(node, diag, 0);
  if (x->rank < 2) return refuse(node, diag, "the operand has rank %d, wanted 2 or more", x->rank);
  if (!check_equal_dims(node, diag, "rows and columns", x->dims[x->rank - 2], x->dims[x->rank - 1]))
    return false;
  Type result = *x;
  result.rank -= 2;
  return set_result(node, diag, 0, result) && set_result(node, diag, 1, *x);
}

static bool is_code(ElementType e) { return e == U2 || e == U4 || e == U8; }

// Numbers for each block: [n, blocks].
static bool check_per_block(const Node *node, Diag *diag, int operand, const Type *codes) {
  const Type *x = tensor_operand(node, operand, diag);
  if (!x) return false;
  if (x->element != F32 && (operand == 2 || x->element != codes->element))
    return refuse_element(node, diag, operand);
  if (x->rank != 2 || dims_differ(node_dim_table(node), x->dims[0], codes->dims[0]) ||
      dims_differ(node_dim_table(node), x->dims[1], codes->dims[1]))
    return refuse(node, diag, "operand %d has shape %s, the codes %s", operand,
                  type_shape_text(node_arena(node), x), type_shape_text(node_arena(node), codes));
  return true;
}

bool infer_matmul_blocked(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *codes = tensor_operand(node, 1, diag);
  if (!x || !codes) return false;
  if (x->element != F32) return refuse_element(node, diag, 0);
  if (!is_code(codes->element)) return refuse_element(node, diag, 1);
  int64_t k, blocks, block;
  if (x->rank < 1 || codes->rank != 3 || !dim_is_constant(x->dims[x->rank - 1], &k) ||
      !dim_is_constant(codes->dims[1], &blocks) || !dim_is_constant(codes->dims[2], &block))
    return refuse(node, diag, "x %s by codes %s, wanted [.., k] and [n, blocks, block]",
                  type_shape_text(node_arena(node), x), type_shape_text(node_arena(node), codes));
  if (block < 16 || block % 16 || k < 1 || blocks != (k + block - 1) / block)
    return refuse(node, diag, "%lld blocks of %lld codes for %lld elements", (long long)blocks,
                  (long long)block, (long long)k);
  for (int i = 2; i < 4; i++)
    if ((i == 2 || node_operand(node, i)) && !check_per_block(node, diag, i, codes)) return false;
  Type result = *x;
  result.dims[x->rank - 1] = codes->dims[0];
  return set_result(node, diag, 0, result);
}
