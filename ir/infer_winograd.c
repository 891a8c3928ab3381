// Types of winograd_input and winograd_output.
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"
#include "ir/infer_types.h"
#include "ir/winograd.h"

// The entries of `sizes`, and the tiles of one image.
static const Dim *tiles_of(const Node *node, const Dim *height, const Dim *width) {
  DimTable *dims = node_dim_table(node);
  const Dim *block = dim_constant(dims, node_int(node, ATTR_BLOCK));
  return dim_mul(dims, dim_ceildiv(dims, height, block), dim_ceildiv(dims, width, block));
}

static const Type *checked_operand(const Node *node, Diag *diag, int rank, int size_count) {
  const Type *x = tensor_operand(node, 0, diag);
  int64_t block = node_int(node, ATTR_BLOCK);
  int count;
  if (!x) return NULL;
  node_dims(node, ATTR_SIZES, &count);
  if (x->rank != rank)
    return refuse(node, diag, "the operand has rank %d, wanted %d", x->rank, rank), NULL;
  if (!winograd_is_block(block))
    return refuse(node, diag, "block = %lld, wanted 2 or 4", (long long)block), NULL;
  if (count != size_count)
    return refuse(node, diag, "sizes has %d entries, wanted %d", count, size_count), NULL;
  if (x->element != F32 || x->quant) return refuse_element(node, diag, 0), NULL;
  return x;
}

bool infer_winograd_input(Node *node, Diag *diag) {
  const Type *x = checked_operand(node, diag, 4, 2);
  if (!x) return false;
  int count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  DimTable *dims = node_dim_table(node);
  int64_t tile = node_int(node, ATTR_BLOCK) + 2;
  for (int i = 0; i < 2; i++) {
    int64_t pad = node_ints_at(node, ATTR_PADS, i, 0) + node_ints_at(node, ATTR_PADS, 2 + i, 0);
    if (dim_add_int(dims, x->dims[1 + i], pad - 2) != sizes[i])
      return refuse(node, diag, "sizes[%d] is %s, a window of 3 gives %s", i,
                    dim_text(node_arena(node), sizes[i]),
                    dim_text(node_arena(node), dim_add_int(dims, x->dims[1 + i], pad - 2)));
  }
  Type result = *x;
  result.rank = 3;
  result.dims[0] = dim_constant(dims, tile * tile);
  result.dims[1] = dim_mul(dims, x->dims[0], tiles_of(node, sizes[0], sizes[1]));
  result.dims[2] = x->dims[3];
  return set_result(node, diag, 0, result);
}

bool infer_winograd_output(Node *node, Diag *diag) {
  const Type *x = checked_operand(node, diag, 3, 3);
  if (!x) return false;
  int count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  DimTable *dims = node_dim_table(node);
  int64_t tile = node_int(node, ATTR_BLOCK) + 2;
  const Dim *tiles = dim_mul(dims, sizes[0], tiles_of(node, sizes[1], sizes[2]));
  if (!dim_is(x->dims[0], tile * tile) || x->dims[1] != tiles)
    return refuse(node, diag, "the operand is %s, wanted [%lld, %s, channels]",
                  type_shape_text(node_arena(node), x), (long long)(tile * tile),
                  dim_text(node_arena(node), tiles));
  Type result = *x;
  result.rank = 4;
  for (int i = 0; i < 3; i++) result.dims[i] = sizes[i];
  result.dims[3] = x->dims[2];
  return set_product_result(node, diag, result);
}
