// Small pieces that several operator families build with. Each gives NULL after a failure.
#include "frontend/import.h"

const Dim *import_dim(Importer *importer, int64_t value) {
  return dim_constant(importer->dims, value);
}

ElementType onnx_number_type(int64_t code) {
  ElementType element = code > 0 && code < 1000 ? onnx_element_type((int32_t)code) : ELEMENT_NONE;
  return onnx_is_number(element) ? element : ELEMENT_NONE;
}

bool onnx_is_number(ElementType element) {
  return element != ELEMENT_NONE && element != STR && element_info[element].class != CLASS_COMPLEX;
}

static Value *move_channels(OnnxNode *node, Value *x, bool last) {
  if (!x || node->builder.failed) return NULL;
  int rank = x->type.rank;
  if (rank < 3) return x;
  int64_t perm[MAX_RANK] = {0};
  for (int i = 1; i < rank; i++)
    if (last)
      perm[i] = i == rank - 1 ? 1 : i + 1;
    else
      perm[i] = i == 1 ? rank - 1 : i - 1;
  return build_transpose(&node->builder, x, perm);
}

Value *onnx_channels_last(OnnxNode *node, Value *x) { return move_channels(node, x, true); }
Value *onnx_channels_first(OnnxNode *node, Value *x) { return move_channels(node, x, false); }

Value *onnx_scalar_like(OnnxNode *node, const Value *like, double value) {
  if (!like || node->builder.failed) return NULL;
  return build_scalar(&node->builder, like->type.element, value);
}

Value *onnx_unary(OnnxNode *node, OpCode op, Value *x) {
  return x && !node->builder.failed ? build_unary(&node->builder, op, x) : NULL;
}

Value *onnx_binary(OnnxNode *node, OpCode op, Value *a, Value *b) {
  return a && b && !node->builder.failed ? build_binary(&node->builder, op, a, b) : NULL;
}

Value *onnx_where(OnnxNode *node, Value *condition, Value *a, Value *b) {
  bool good = condition && a && b && !node->builder.failed;
  return good ? build_where(&node->builder, condition, a, b) : NULL;
}

Value *onnx_gather(OnnxNode *node, Value *x, Value *indices, int axis, bool checked) {
  if (!x || !indices || node->builder.failed) return NULL;
  Node *gather = build_begin(&node->builder, OP_GATHER, (Value *[]){x, indices}, 2);
  node_set_int(gather, ATTR_AXIS, axis);
  node_set_int(gather, ATTR_CHECKED, checked);
  return build_end(&node->builder, gather);
}

// Whether no two dims are different numbers; of different ranks: whether all may be 1.
static bool may_be_of_shape(const Type *type, int rank, const Dim *const *dims) {
  int64_t size, wanted;
  bool same_rank = type->rank == rank;
  for (int i = 0; i < type->rank; i++)
    if (dim_is_constant(type->dims[i], &size) &&
        (same_rank ? dim_is_constant(dims[i], &wanted) && size != wanted : size != 1))
      return false;
  for (int i = 0; !same_rank && i < rank; i++)
    if (!dim_is(dims[i], 1)) return false;
  return true;
}

Value *onnx_of_shape(OnnxNode *node, Value *x, const char *what, int rank, const Dim *const *dims) {
  if (!x || node->builder.failed) return NULL;
  Type wanted = type_tensor(x->type.element, rank, dims);
  if (type_same_shape(&x->type, &wanted)) return x;
  if (may_be_of_shape(&x->type, rank, dims)) return build_reshape(&node->builder, x, rank, dims);
  Arena *arena = node->importer->arena;
  onnx_error(node, "%s are %s, wanted %s", what, type_text(arena, &x->type),
             type_text(arena, &wanted));
  return NULL;
}

Value *onnx_squeeze(OnnxNode *node, Value *x, const int64_t *axes, int count) {
  if (!x || node->builder.failed) return NULL;
  bool drop[MAX_RANK] = {false};
  for (int i = 0; i < count; i++) drop[axes[i]] = true;
  const Dim *dims[MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->type.rank; i++)
    if (!drop[i]) dims[rank++] = x->type.dims[i];
  return count ? build_reshape(&node->builder, x, rank, dims) : x;
}

Value *onnx_unsqueeze(OnnxNode *node, Value *x, const int64_t *axes, int count) {
  if (!x || node->builder.failed) return NULL;
  int rank = x->type.rank + count;
  if (rank > MAX_RANK) {
    node->builder.failed = true;
    onnx_error(node, "a result of rank %d; at most %d is supported", rank, MAX_RANK);
    return NULL;
  }
  bool insert[MAX_RANK] = {false};
  for (int i = 0; i < count; i++) insert[axes[i]] = true;
  const Dim *dims[MAX_RANK];
  for (int i = 0, from = 0; i < rank; i++)
    dims[i] = insert[i] ? import_dim(node->importer, 1) : x->type.dims[from++];
  return count ? build_reshape(&node->builder, x, rank, dims) : x;
}

Value *onnx_align(OnnxNode *node, Value *x, int axis, int rank) {
  if (!x || node->builder.failed || x->type.rank != 1) return x;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank - axis; i++)
    dims[i] = i ? import_dim(node->importer, 1) : x->type.dims[0];
  return rank - axis == 1 ? x : build_reshape(&node->builder, x, rank - axis, dims);
}

Value *onnx_reduce_one(OnnxNode *node, OpCode op, Value *x, int axis, bool keep) {
  if (!x || node->builder.failed) return NULL;
  return build_reduce(&node->builder, op, x, (int64_t[]){axis}, 1, keep);
}

Value *onnx_convert(OnnxNode *node, Value *x, ElementType element) {
  return x && !node->builder.failed ? build_cast(&node->builder, x, element) : NULL;
}

Value *onnx_dim_scalar(OnnxNode *node, const Dim *dim) {
  Value *list = build_shape(&node->builder, &dim, 1);
  return list ? build_reshape(&node->builder, list, 0, NULL) : NULL;
}

Value *onnx_integer(OnnxNode *node, int64_t value) {
  Value *list = build_ints(&node->builder, &value, 1);
  return list ? build_reshape(&node->builder, list, 0, NULL) : NULL;
}

Value *onnx_positions(OnnxNode *node, const Dim *count) {
  Value *operands[2] = {onnx_integer(node, 0), onnx_integer(node, 1)};
  if (node->builder.failed) return NULL;
  Node *range = build_begin(&node->builder, OP_RANGE, operands, 2);
  node_set_dims(range, ATTR_SIZES, &count, 1);
  return build_end(&node->builder, range);
}
