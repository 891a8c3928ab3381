// Rotary position embedding: pairs of elements are turned by an angle that depends on the position.
#include "frontend/import_attention.h"

static Value *slice_last(OnnxNode *node, Value *x, int64_t start, int64_t size, int64_t step) {
  if (!x) return NULL;
  return build_slice_axis(&node->builder, x, x->type.rank - 1, import_dim(node->importer, start),
                          import_dim(node->importer, size), step);
}

// Rows of the cache by position, as [batch, sequence, 1, half].
static Value *cache_rows(OnnxNode *node, Value *cache, Value *ids) {
  if (ids) cache = onnx_gather(node, cache, ids, 0, true);
  if (cache && cache->type.rank != 3)
    return onnx_error(node, "the cache has rank %d, wanted 3", cache->type.rank), NULL;
  return onnx_unsqueeze(node, cache, (int64_t[]){2}, 1);
}

static Value *rotate(OnnxNode *node, Value *x, Value *cosine, Value *sine, int64_t half,
                     bool interleaved) {
  Value *a = slice_last(node, x, 0, half, interleaved ? 2 : 1),
        *b = slice_last(node, x, interleaved ? 1 : half, half, interleaved ? 2 : 1);
  Value *real = onnx_binary(node, OP_SUB, onnx_binary(node, OP_MUL, cosine, a),
                            onnx_binary(node, OP_MUL, sine, b));
  Value *imaginary = onnx_binary(node, OP_ADD, onnx_binary(node, OP_MUL, sine, a),
                                 onnx_binary(node, OP_MUL, cosine, b));
  if (!real || !imaginary) return NULL;
  int rank = real->type.rank;
  if (!interleaved) return build_concat(&node->builder, (Value *[]){real, imaginary}, 2, rank - 1);
  Value *pairs[2] = {onnx_unsqueeze(node, real, (int64_t[]){rank}, 1),
                     onnx_unsqueeze(node, imaginary, (int64_t[]){rank}, 1)};
  Value *joined = pairs[0] && pairs[1] ? build_concat(&node->builder, pairs, 2, rank) : NULL;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank; i++) dims[i] = real->type.dims[i];
  dims[rank - 1] = import_dim(node->importer, 2 * half);
  return joined ? build_reshape(&node->builder, joined, rank, dims) : NULL;
}

Value *rotary_turn(OnnxNode *node, Value *x, Value *const *caches, Value *ids, int64_t rotated,
                   bool interleaved) {
  int64_t size;
  if (!x || node->builder.failed) return NULL;
  if (!dim_is_constant(x->type.dims[3], &size))
    return onnx_error(node, "the size of a head must be static"), NULL;
  if (rotated == 0) rotated = size;
  if (rotated < 2 || rotated > size || rotated % 2)
    return onnx_error(node, "rotary_embedding_dim %lld of %lld", (long long)rotated,
                      (long long)size),
           NULL;
  Value *cosine = cache_rows(node, caches[0], ids), *sine = cache_rows(node, caches[1], ids);
  if (!cosine || !sine) return NULL;
  Value *turned =
      rotate(node, slice_last(node, x, 0, rotated, 1), cosine, sine, rotated / 2, interleaved);
  Value *rest = turned && rotated < size ? slice_last(node, x, rotated, size - rotated, 1) : NULL;
  return rest ? build_concat(&node->builder, (Value *[]){turned, rest}, 2, 3) : turned;
}

// The input as [batch, sequence, heads, size]. `heads` 0: known from the size, if that is not 0.
static Value *by_position(OnnxNode *node, Value *x, int64_t heads, int64_t size) {
  DimTable *table = node->importer->dims;
  if (x->type.rank == 4) return build_transpose(&node->builder, x, (int64_t[]){0, 2, 1, 3});
  if (x->type.rank != 3 || (heads < 1 && size < 1))
    return onnx_error(node, "input of rank %d with %lld heads", x->type.rank, (long long)heads),
           NULL;
  const Dim *count = heads > 0
                         ? import_dim(node->importer, heads)
                         : dim_floordiv(table, x->type.dims[2], import_dim(node->importer, size));
  return build_reshape(&node->builder, x, 4,
                       (const Dim *[]){x->type.dims[0], x->type.dims[1], count,
                                       heads > 0 ? dim_floordiv(table, x->type.dims[2], count)
                                                 : import_dim(node->importer, size)});
}

static bool rotary_output(OnnxNode *node, const Value *input, Value *turned) {
  if (!turned) return false;
  return onnx_output(node, 0,
                     input->type.rank == 4
                         ? build_transpose(&node->builder, turned, (int64_t[]){0, 2, 1, 3})
                         : build_reshape(&node->builder, turned, 3, input->type.dims));
}

bool import_rotary_embedding(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *input = onnx_input(node, 0), *caches[2] = {onnx_input(node, 1), onnx_input(node, 2)};
  Value *x = by_position(node, input, onnx_int(node, "num_heads", 0), 0);
  return rotary_output(node, input,
                       rotary_turn(node, x, caches, onnx_input(node, 3),
                                   onnx_int(node, "rotary_embedding_dim", 0),
                                   onnx_int(node, "interleaved", 0) != 0));
}

// com.microsoft: the positions are one start for all, or [batch, sequence]; the caches tell the
// size.
bool import_microsoft_rotary_embedding(OnnxNode *node) {
  if (!onnx_need_inputs(node, 4)) return false;
  Value *input = onnx_input(node, 0), *ids = onnx_input(node, 1),
        *caches[2] = {onnx_input(node, 2), onnx_input(node, 3)};
  int64_t heads = onnx_int(node, "num_heads", 0),
          rotated = onnx_int(node, "rotary_embedding_dim", 0), half;
  if (onnx_int(node, "is_packed_batching", 0)) return onnx_unsupported(node, "packed batches");
  if (caches[0]->type.rank != 2 || !dim_is_constant(caches[0]->type.dims[1], &half))
    return onnx_error(node, "the cache must be [positions, static size]");
  Value *x = by_position(node, input, heads, 2 * half);
  if (!x) return false;
  if (ids->type.rank == 1) { // start + 0, 1, .. for each row
    Value *steps = onnx_positions(node, x->type.dims[1]);
    ids = onnx_binary(node, OP_ADD, onnx_convert(node, ids, I64),
                      onnx_unsqueeze(node, steps, (int64_t[]){0}, 1));
  }
  Value *turned = rotary_turn(node, x, caches, ids, rotated, onnx_int(node, "interleaved", 0) != 0);
  double scale = onnx_float(node, "scale", 1);
  if (scale != 1 && scale != 0)
    turned = onnx_binary(node, OP_MUL, turned, onnx_scalar_like(node, turned, scale));
  return rotary_output(node, input, turned);
}
