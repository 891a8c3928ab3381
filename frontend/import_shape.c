// Operators that change the shape: reshape and its kin, transpose, expand, tile.
#include <stdlib.h>
#include <string.h>

#include "frontend/import.h"

// --- reshape

static bool same_dims(const Type *type, int rank, const Dim *const *dims) {
  if (type->rank != rank) return false;
  for (int i = 0; i < rank; i++)
    if (type->dims[i] != dims[i]) return false;
  return true;
}

// total / known for the dim that is -1: equal factors cancel first, because a quotient of
// expressions stays unsimplified.
static const Dim *remaining_dim(Importer *importer, const Type *from, const Dim *const *target,
                                int count, int skip) {
  const Dim *numerator = import_dim(importer, 1), *denominator = import_dim(importer, 1);
  bool used[MAX_RANK] = {false};
  for (int i = 0; i < count; i++) {
    if (i == skip) continue;
    int match = -1;
    for (int k = 0; k < from->rank && match < 0; k++)
      if (!used[k] && from->dims[k] == target[i]) match = k;
    if (match >= 0)
      used[match] = true;
    else
      denominator = dim_mul(importer->dims, denominator, target[i]);
  }
  for (int k = 0; k < from->rank; k++)
    if (!used[k]) numerator = dim_mul(importer->dims, numerator, from->dims[k]);
  if (dim_is(denominator, 0)) return import_dim(importer, 0);
  return dim_floordiv(importer->dims, numerator, denominator);
}

// What a dynamic -1 means cannot be known: an expression that may be negative is refused.
static bool reshape_dims(OnnxNode *node, const Type *from, const Dim **dims, int count,
                         bool allow_zero) {
  int unknown = -1;
  for (int i = 0; i < count; i++) {
    if (dim_is(dims[i], 0) && !allow_zero) {
      if (i >= from->rank)
        return onnx_error(node, "target dim %d is 0 (copied), but the input has rank %d", i,
                          from->rank);
      dims[i] = from->dims[i];
    } else if (dim_is(dims[i], -1)) {
      if (unknown >= 0) return onnx_error(node, "two target dims are -1");
      unknown = i;
    } else if (dim_high(dims[i]) < 0) {
      return onnx_error(node, "target dim %d is %s", i, dim_text(node->importer->arena, dims[i]));
    }
  }
  if (unknown >= 0) dims[unknown] = remaining_dim(node->importer, from, dims, count, unknown);
  return true;
}

// The dims that operand 1 lists; -1 and 0 of those that only a run knows get their meaning there.
static bool listed_dims(OnnxNode *node, bool allow_zero, const Dim **dims, int *count) {
  const Dim *const *target = onnx_has_input(node, 1)
                                 ? import_dims(node->importer, onnx_input(node, 1), count)
                                 : onnx_dims_input(node, 1, count);
  int64_t length = target ? *count : 0;
  Value *list = target                    ? NULL
                : onnx_has_input(node, 1) ? onnx_integer_list(node, 1, &length)
                                          : NULL;
  if (!target && !list) return false;
  if (length > MAX_RANK)
    return onnx_error(node, "a shape of rank %lld; at most %d is supported", (long long)length,
                      MAX_RANK);
  *count = (int)length;
  for (int i = 0; target && i < *count; i++) dims[i] = target[i];
  if (target) return true;
  Value *sizes = onnx_reshape_sizes(node, onnx_input(node, 0), list, length, allow_zero);
  return sizes && onnx_mixed_dims(node, list, sizes, dims, *count);
}

bool import_reshape(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  int count;
  Value *x = onnx_input(node, 0);
  const Dim *dims[MAX_RANK];
  bool allow_zero = onnx_int(node, "allowzero", 0) != 0;
  if (node->version >= 5) {
    if (!listed_dims(node, allow_zero, dims, &count)) return false;
  } else {
    const int64_t *target = onnx_ints(node, "shape", &count);
    if (!target || count > MAX_RANK)
      return onnx_error(node, "attribute 'shape' is missing or too long");
    for (int i = 0; i < count; i++) dims[i] = import_dim(node->importer, target[i]);
  }
  if (!reshape_dims(node, &x->type, dims, count, allow_zero)) return false;
  if (same_dims(&x->type, count, dims)) return onnx_output(node, 0, x);
  return onnx_output(node, 0, build_reshape(&node->builder, x, count, dims));
}

static const Dim *product(Importer *importer, const Type *type, int from, int to) {
  const Dim *total = import_dim(importer, 1);
  for (int i = from; i < to; i++) total = dim_mul(importer->dims, total, type->dims[i]);
  return total;
}

bool import_flatten(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int64_t axis = onnx_int(node, "axis", 1);
  if (axis < -x->type.rank || axis > x->type.rank)
    return onnx_error(node, "axis %lld is outside of rank %d", (long long)axis, x->type.rank);
  int split = (int)(axis < 0 ? axis + x->type.rank : axis);
  const Dim *dims[2] = {product(node->importer, &x->type, 0, split),
                        product(node->importer, &x->type, split, x->type.rank)};
  return onnx_output(node, 0, build_reshape(&node->builder, x, 2, dims));
}

// The axes of size 1, which Squeeze takes without a list. The rank of the result must not wait for
// a run, so that an axis which is 1 only in some of them stays.
static int squeezable(OnnxNode *node, const Type *type, int64_t *axes) {
  int count = 0;
  for (int i = 0; i < type->rank; i++) {
    const Dim *dim = type->dims[i];
    int64_t size;
    if (dim_is(dim, 1)) axes[count++] = i;
    if (dim_is_constant(dim, &size) || dim_low(dim) > 1) continue;
    Arena *arena = node->importer->arena;
    diag_warning(node->importer->diag, node->loc,
                 "Squeeze without axes keeps axis %d of size %s, also where that is 1; name the "
                 "axes, or give the size (--dim)",
                 i, dim_text(arena, dim));
  }
  return count;
}

bool import_squeeze(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  const int64_t *given;
  int64_t axes[MAX_RANK];
  int count;
  if (onnx_is_open(node, 1)) return onnx_output(node, 0, onnx_squeeze_open(node, x, 1));
  if (!onnx_ints_either(node, "axes", 1, &given, &count)) return false;
  if (given) {
    if (!onnx_axes(node, given, count, x->type.rank, axes)) return false;
    for (int i = 0; i < count; i++) {
      int64_t size;
      if (dim_is_constant(x->type.dims[axes[i]], &size) && size != 1)
        return onnx_error(node, "axis %lld has size %lld, wanted 1", (long long)axes[i],
                          (long long)size);
    }
  } else {
    count = squeezable(node, &x->type, axes);
  }
  return onnx_output(node, 0, onnx_squeeze(node, x, axes, count));
}

bool import_unsqueeze(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  const int64_t *given;
  int64_t axes[MAX_RANK];
  int count;
  if (onnx_is_open(node, 1)) return onnx_output(node, 0, onnx_unsqueeze_open(node, x, 1));
  if (!onnx_ints_either(node, "axes", 1, &given, &count)) return false;
  if (!given) return onnx_error(node, "axes are missing");
  if (count + x->type.rank > MAX_RANK)
    return onnx_error(node, "a result of rank %d; at most %d is supported", count + x->type.rank,
                      MAX_RANK);
  if (!onnx_axes(node, given, count, x->type.rank + count, axes)) return false;
  return onnx_output(node, 0, onnx_unsqueeze(node, x, axes, count));
}

// --- order of axes

bool import_transpose(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int count;
  int64_t perm[MAX_RANK];
  const int64_t *given = onnx_ints(node, "perm", &count);
  if (given && count != x->type.rank)
    return onnx_error(node, "perm has %d entries for rank %d", count, x->type.rank);
  if (given && !onnx_axes(node, given, count, x->type.rank, perm)) return false;
  for (int i = 0; given && i < count; i++)
    if (given[i] < 0) return onnx_error(node, "perm has the entry %lld", (long long)given[i]);
  for (int i = 0; !given && i < x->type.rank; i++) perm[i] = x->type.rank - 1 - i;
  return onnx_output(node, 0, build_transpose(&node->builder, x, perm));
}

// [n, c, h, w] with blocks: reshape to six axes, move them, reshape back.
static bool move_blocks(OnnxNode *node, Value *x, const Dim *const six[6], const int64_t perm[6],
                        const Dim *const four[4]) {
  Value *split = build_reshape(&node->builder, x, 6, six);
  Value *moved = split ? build_transpose(&node->builder, split, perm) : NULL;
  return onnx_output(node, 0, moved ? build_reshape(&node->builder, moved, 4, four) : NULL);
}

static bool block_size(OnnxNode *node, int64_t *block) {
  *block = onnx_int(node, "blocksize", 0);
  if (*block < 1 || *block > 1 << 20) return onnx_error(node, "blocksize %lld", (long long)*block);
  if (onnx_input(node, 0)->type.rank != 4)
    return onnx_error(node, "input of rank %d, wanted 4", onnx_input(node, 0)->type.rank);
  return true;
}

bool import_depth_to_space(OnnxNode *node) {
  int64_t block;
  if (!onnx_need_inputs(node, 1) || !block_size(node, &block)) return false;
  Importer *importer = node->importer;
  DimTable *table = importer->dims;
  Value *x = onnx_input(node, 0);
  const Dim *const *d = x->type.dims, *b = import_dim(importer, block);
  const Dim *depth = dim_floordiv(table, d[1], import_dim(importer, block * block));
  bool column_first = strcmp(onnx_string(node, "mode", "DCR"), "CRD") == 0;
  const Dim *four[4] = {d[0], depth, dim_mul(table, d[2], b), dim_mul(table, d[3], b)};
  if (column_first)
    return move_blocks(node, x, (const Dim *[]){d[0], depth, b, b, d[2], d[3]},
                       (int64_t[]){0, 1, 4, 2, 5, 3}, four);
  return move_blocks(node, x, (const Dim *[]){d[0], b, b, depth, d[2], d[3]},
                     (int64_t[]){0, 3, 4, 1, 5, 2}, four);
}

bool import_space_to_depth(OnnxNode *node) {
  int64_t block;
  if (!onnx_need_inputs(node, 1) || !block_size(node, &block)) return false;
  Importer *importer = node->importer;
  DimTable *table = importer->dims;
  Value *x = onnx_input(node, 0);
  const Dim *const *d = x->type.dims, *b = import_dim(importer, block);
  const Dim *h = dim_floordiv(table, d[2], b), *w = dim_floordiv(table, d[3], b);
  const Dim *four[4] = {d[0], dim_mul_int(table, d[1], block * block), h, w};
  const Dim *six[6] = {d[0], d[1], h, b, w, b};
  bool column_first = strcmp(onnx_string(node, "mode", "DCR"), "CRD") == 0;
  return move_blocks(node, x, six,
                     column_first ? (int64_t[]){0, 1, 3, 5, 2, 4} : (int64_t[]){0, 3, 5, 1, 2, 4},
                     four);
}

// --- repetition

static const Dim *broadcast_dim(Importer *importer, const Dim *a, const Dim *b) {
  if (a == b || dim_is(b, 1)) return a;
  if (dim_is(a, 1)) return b;
  return dim_max(importer->dims, a, b); // equal, or one of them is 1
}

bool import_expand(OnnxNode *node) {
  int count;
  const Dim *const *target = onnx_dims_input(node, 1, &count);
  if (!target || !onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  const Dim *dims[MAX_RANK];
  int rank = count > x->type.rank ? count : x->type.rank;
  if (rank > MAX_RANK)
    return onnx_error(node, "a result of rank %d; at most %d is supported", rank, MAX_RANK);
  for (int i = 0; i < rank; i++) {
    int from = i - (rank - x->type.rank), to = i - (rank - count);
    const Dim *a = from >= 0 ? x->type.dims[from] : import_dim(node->importer, 1);
    const Dim *b = to >= 0 ? target[to] : import_dim(node->importer, 1);
    int64_t small, big;
    if (dim_is_constant(a, &small) && dim_is_constant(b, &big) && small != big && small != 1 &&
        big != 1)
      return onnx_error(node, "dim %d of size %lld does not broadcast to %lld", i, (long long)small,
                        (long long)big);
    dims[i] = broadcast_dim(node->importer, a, b);
  }
  if (same_dims(&x->type, rank, dims)) return onnx_output(node, 0, x);
  return onnx_output(node, 0, build_expand(&node->builder, x, rank, dims));
}

bool import_tile(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int count;
  Value *x = onnx_input(node, 0);
  const Dim *repeats[MAX_RANK];
  const Dim *const *given = onnx_dims_input(node, 1, &count);
  if (!given) return false;
  if (node->version >= 6) {
    if (count != x->type.rank)
      return onnx_error(node, "%d repeats for rank %d", count, x->type.rank);
    for (int i = 0; i < count; i++) repeats[i] = given[i];
  } else { // tiles and axis are scalars
    int axis_count, axis;
    const int64_t *axes = onnx_ints_input(node, 2, &axis_count);
    if (!axes || axis_count != 1 || count != 1 || !onnx_axis(node, axes[0], x->type.rank, &axis))
      return false;
    for (int i = 0; i < x->type.rank; i++)
      repeats[i] = i == axis ? given[0] : import_dim(node->importer, 1);
  }
  Node *tile = build_begin(&node->builder, OP_TILE, &x, 1);
  node_set_dims(tile, ATTR_SIZES, repeats, x->type.rank);
  return onnx_output(node, 0, build_end(&node->builder, tile));
}

// --- shapes as values

bool import_shape(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const Type *type = &onnx_input(node, 0)->type;
  int64_t start = onnx_int(node, "start", 0), end = onnx_int(node, "end", type->rank);
  if (start < 0) start += type->rank;
  if (end < 0) end += type->rank;
  start = start < 0 ? 0 : start > type->rank ? type->rank : start;
  end = end < start ? start : end > type->rank ? type->rank : end;
  return onnx_output(node, 0, build_shape(&node->builder, type->dims + start, (int)(end - start)));
}

bool import_size(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const Dim *count =
      product(node->importer, &onnx_input(node, 0)->type, 0, onnx_input(node, 0)->type.rank);
  Value *list = build_shape(&node->builder, &count, 1);
  return onnx_output(node, 0, list ? build_reshape(&node->builder, list, 0, NULL) : NULL);
}
