// Products with compressed weights on machines with wide vectors go output by output: each weight
// that is stored is multiplied with vectors of neighbouring positions (pixels, or rows of a matrix
// product). So positions must lie side by side: the other operand is padded and transposed to
// planes, one for each channel, by nodes of their own. codegen/kernels/planes.c is the kernel. A
// single row needs no planes.
#include "ir/builder.h"
#include "ir/weight_matrix.h"
#include "passes/place/place.h"

enum { MOST_VECTORS = 12, FEWEST_VECTORS = 3 };

// Vectors of positions in a tile. The last tile begins earlier where they do not divide the
// positions; what is computed twice counts.
static int64_t tile_vectors(int64_t positions, int lanes, int registers) {
  int64_t most = registers < 2 * MOST_VECTORS ? MOST_VECTORS - 4 : MOST_VECTORS,
          best = FEWEST_VECTORS, least = INT64_MAX;
  for (int64_t vectors = FEWEST_VECTORS; vectors <= most && vectors * lanes <= positions;
       vectors++) {
    int64_t tiles = (positions + vectors * lanes - 1) / (vectors * lanes);
    if (tiles * vectors > least) continue;
    least = tiles * vectors;
    best = vectors;
  }
  return best;
}

static Value *padded(Builder *builder, const Node *node) {
  Value *x = node->operands[0];
  int spatial = x->type.rank - 2;
  int64_t pads[2 * MAX_RANK] = {0}, sum = 0;
  for (int i = 0; i < spatial; i++) {
    sum += pads[1 + i] = node_ints_at(node, ATTR_PADS, i, 0);
    sum += pads[x->type.rank + 1 + i] = node_ints_at(node, ATTR_PADS, spatial + i, 0);
  }
  if (sum == 0) return x;
  Node *pad = build_begin(builder, OP_PAD, &x, 1);
  if (!pad) return NULL;
  node_set_ints(pad, ATTR_PADS, pads, 2 * x->type.rank);
  return build_end(builder, pad);
}

// Channels, or the inner axis of a matrix product, become the slowest axis of an image.
static Value *planes_of(Builder *builder, Value *x) {
  int64_t perm[MAX_RANK] = {0};
  int rank = x->type.rank, first = rank > 2 ? 1 : 0;
  perm[first] = rank - 1;
  for (int i = first + 1; i < rank; i++) perm[i] = i - 1;
  return build_transpose(builder, x, perm);
}

// A single row gains by it where zeros are left out.
static bool is_compressed_by_output(const Node *node, const Target *target) {
  WeightMatrix matrix;
  StreamShape shape;
  if (node_attribute(node, ATTR_KERNEL_NAME) || !weight_matrix(node, &matrix, NULL)) return false;
  return weight_matrix_by_output(node, target, &matrix) &&
         stream_shape(&value_constant(node->operands[1])->storage, &matrix, &shape) &&
         (shape.gap_bits > 0 || product_positions(node, false).count > 1);
}

static bool make_planes(Node *node, const Target *target) {
  if (product_positions(node, false).count == 1) {
    node_set_string(node, ATTR_KERNEL_NAME, "matmul_dot");
    return true;
  }
  Builder builder = builder_before(node);
  bool conv = node->op == OP_CONV;
  int lanes = target_lanes(target, 32);
  int64_t tile[1] = {
      tile_vectors(product_positions(node, false).count, lanes, target->vector_registers)};
  Value *x = conv ? padded(&builder, node) : node->operands[0];
  Value *planes = x ? planes_of(&builder, x) : NULL;
  if (!planes) return false;
  node_set_operand(node, 0, planes);
  node_clear_attribute(node, ATTR_PADS);
  node_set_int(node, conv ? ATTR_PLANAR : ATTR_TRANSPOSE_A, 1);
  node_set_string(node, ATTR_KERNEL_NAME, conv ? "conv_planes" : "matmul_planes");
  node_set_ints(node, ATTR_TILE, tile, 1);
  return true;
}

bool place_planes(Graph *graph, PassContext *context) {
  if (!context->target) return true;
  FOR_EACH_NODE (node, graph)
    if (is_compressed_by_output(node, context->target) && !make_planes(node, context->target))
      return false;
  return true;
}
