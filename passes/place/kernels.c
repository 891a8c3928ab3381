// Kernel choice: the first rule that applies to a node names its kernel; without one the node gets
// the default kernel of its op, the row of codegen/kernels.def with the stem's name.
#include "ir/builder.h"
#include "ir/product_channels.h"
#include "ir/product_tile.h"
#include "ir/quant.h"
#include "ir/recurrent.h"
#include "ir/weight_matrix.h"
#include "passes/codes.h"
#include "passes/place/place.h"

enum { MAX_TILE = 8 };

// A new kernel for an op is one row here and one in codegen/kernels.def.
typedef struct KernelRule {
  OpCode op;
  bool (*applies)(const Node *node, const Target *target);
  const char *kernel;
  int (*tile)(const Node *node, const PassContext *context,
              int64_t tile[MAX_TILE]); // entries; NULL: no tile
} KernelRule;

static bool is_float_result(const Node *node) {
  const Type *type = node_own_type(node);
  return !type->quant && (type->element == F32 || type->element == F64);
}

static bool has_float_weights(const Node *node) {
  const Value *weights = node->operands[1];
  return is_float_result(node) && value_is_constant(weights) &&
         element_is_float(weights->type.element) && element_info[weights->type.element].bits >= 8;
}

// One matrix, or one for each of a batch that both operands have.
static bool is_panel_matmul(const Node *node, const Target *target) {
  (void)target;
  const Type *a = &node->operands[0]->type, *b = &node->operands[1]->type;
  if (!has_float_weights(node)) return false;
  return b->rank == 2 || (b->rank == 3 && a->rank == 3 && a->dims[0] == b->dims[0]);
}

static bool is_panel_conv(const Node *node, const Target *target) {
  (void)target;
  return has_float_weights(node);
}

enum { MAX_DEPTHWISE_WIDTH = 64 }; // taps along the width are unrolled

// One output channel for each input channel.
static bool is_depthwise(const Node *node, const Target *target) {
  const Type *weights = &node->operands[1]->type, *x = &node->operands[0]->type;
  (void)target;
  if (!value_is_constant(node->operands[1]) || !element_is_float(weights->element) ||
      element_info[weights->element].bits < 8)
    return false;
  int64_t group = node_int(node, ATTR_GROUP);
  return group > 1 && dim_is(x->dims[x->rank - 1], group) && dim_is(weights->dims[0], group) &&
         type_dim(weights, weights->rank - 2) <= MAX_DEPTHWISE_WIDTH;
}

// A panel wider than all columns would only store zeros.
static int64_t fewer_vectors(int64_t vectors, int64_t columns, int lanes) {
  int64_t enough = (columns + lanes - 1) / lanes;
  return enough < 1 ? 1 : enough < vectors ? enough : vectors;
}

// Narrow tiles have registers left for more rows.
static int64_t more_rows(const ProductTile *shape, int64_t vectors) {
  enum { MOST_ROWS = 12 };
  if (shape->lanes == 1 || vectors >= shape->vectors) return shape->rows;
  int64_t rows = shape->rows * shape->vectors / vectors;
  return rows < MOST_ROWS ? rows : MOST_ROWS;
}

// Half a tile is half the code, and about three quarters as fast.
static int64_t fewer_rows(const PassContext *context, int64_t rows) {
  enum { FEW_ROWS = 3 };
  return context->optimise_size && rows > FEW_ROWS ? rows / 2 : rows;
}

static bool is_panel_recurrent(const Node *node, const Target *target) {
  const Value *w = node->operands[RECURRENT_W], *r = node->operands[RECURRENT_R];
  (void)target;
  return value_is_constant(w) && value_is_constant(r) && element_info[w->type.element].bits >= 8;
}

// Vectors per panel, rows per tile. One row alone (a matrix-vector product) takes wider panels:
// more sums in flight hide the latency of the multiply-add.
static int matmul_tile(const Node *node, const PassContext *context, int64_t tile[MAX_TILE]) {
  const Type *type = &node->results[0]->type, *weights = &node->operands[1]->type;
  ProductTile shape = product_tile(context->target, type->element);
  tile[0] = shape.vectors;
  tile[1] = shape.rows;
  if (shape.lanes > 1 && dim_high(type->dims[type->rank - 2]) == 1) {
    tile[0] = 8;
    tile[1] = 1;
  }
  tile[0] = fewer_vectors(
      tile[0], type_dim(weights, weights->rank - (node_int(node, ATTR_TRANSPOSE_B) ? 2 : 1)),
      shape.lanes);
  if (tile[1] > 1) tile[1] = fewer_rows(context, more_rows(&shape, tile[0]));
  return 2;
}

static int conv_tile(const Node *node, const PassContext *context, int64_t tile[MAX_TILE]) {
  ProductTile shape = product_tile(context->target, node_own_type(node)->element);
  const Type *weights = &node->operands[1]->type;
  tile[0] =
      fewer_vectors(shape.vectors, type_dim(weights, 0) / node_int(node, ATTR_GROUP), shape.lanes);
  tile[1] = fewer_rows(context, more_rows(&shape, tile[0]));
  return 2;
}

// --- products of 8-bit codes

static bool is_byte(const Value *value) {
  ElementType element = value->type.element;
  return element == I8 || element == U8;
}

static const Type *own_result(const Node *node) { return node_own_type(node); }

// The product's own result: the accumulator, or codes of 8 bits quantized as a whole.
static bool gives_sums_or_codes(const Node *node) {
  const Type *y = own_result(node);
  if (y->element == I32) return true;
  return (y->element == I8 || y->element == U8) && y->quant && y->quant->count == 1 &&
         node->operands[0]->type.quant && node->operands[1]->type.quant;
}

static bool is_byte_product(const Node *node, int channel_axis) {
  const Value *x = node->operands[0], *w = node->operands[1],
              *bias = node_own_operands(node) > 2 ? node_operand(node, 2) : NULL;
  if (!is_byte(x) || !is_byte(w) || !value_is_constant(w) || !type_is_static(&w->type) ||
      !gives_sums_or_codes(node))
    return false;
  if (x->type.quant && x->type.quant->count != 1) return false;
  return (!bias || value_is_constant(bias)) && codes_fit_centred(w, channel_axis);
}

static bool is_int8_matmul(const Node *node, const Target *target) {
  (void)target;
  bool transposed = node_int(node, ATTR_TRANSPOSE_B) != 0;
  return node->operands[1]->type.rank == 2 && !node_int(node, ATTR_TRANSPOSE_A) &&
         is_byte_product(node, transposed ? 0 : 1);
}

static bool is_int8_conv(const Node *node, const Target *target) {
  (void)target;
  return is_byte_product(node, 0);
}

// One channel in, one out, for each group.
static bool is_int8_depthwise(const Node *node, const Target *target) {
  const Type *w = &node->operands[1]->type;
  int64_t group = node_int(node, ATTR_GROUP);
  return group > 1 && dim_is(w->dims[w->rank - 1], 1) && dim_is(w->dims[0], group) &&
         is_int8_conv(node, target);
}

// Whether the high halves of the multiplications are enough; whether channels are single words;
// where code is to be short, the most rows of a tile of vectors (else as many as registers hold).
static int int8_tile(const Node *node, const PassContext *context, int64_t tile[MAX_TILE]) {
  enum { SHORT_ROWS = 2 };
  const Type *y = own_result(node);
  ChannelWords words;
  bool codes = y->quant && y->element != I32;
  tile[0] = codes && requantization_is_high(node->operands[0]->type.quant,
                                            node->operands[1]->type.quant, y->quant);
  tile[1] = codes && product_channel_words(node, y, &words);
  tile[2] = SHORT_ROWS;
  return context->optimise_size ? 3 : tile[1] ? 2 : 1;
}

// Compressed weights: what the streams are made of decides between the two kernels of each op.
static bool has_streams(const Node *node, bool sparse) {
  WeightMatrix matrix;
  StreamShape shape;
  return weight_matrix(node, &matrix, NULL) &&
         stream_shape(&value_constant(node->operands[1])->storage, &matrix, &shape) &&
         (shape.gap_bits > 0) == sparse;
}

static bool is_sparse(const Node *node, const Target *target) {
  (void)target;
  return has_streams(node, true);
}

static bool is_codebook(const Node *node, const Target *target) {
  (void)target;
  return has_streams(node, false);
}

static const KernelRule rules[] = {
    {OP_MATMUL, is_sparse, "matmul_sparse", NULL},
    {OP_MATMUL, is_codebook, "matmul_codebook", NULL},
    {OP_CONV, is_sparse, "conv_sparse", NULL},
    {OP_CONV, is_codebook, "conv_codebook", NULL},
    {OP_MATMUL, is_int8_matmul, "matmul_int8", int8_tile},
    {OP_CONV, is_int8_depthwise, "depthwise_int8", int8_tile},
    {OP_CONV, is_int8_conv, "conv_int8", int8_tile},
    {OP_MATMUL, is_panel_matmul, "matmul_panels", matmul_tile},
    {OP_CONV, is_depthwise, "depthwise", NULL},
    {OP_CONV, is_panel_conv, "conv_panels", conv_tile},
    {OP_LSTM, is_panel_recurrent, "lstm_panels", NULL},
    {OP_GRU, is_panel_recurrent, "gru_panels", NULL},
    {OP_RNN, is_panel_recurrent, "rnn_panels", NULL},
    {OP_COUNT, NULL, NULL, NULL}, // the end
};

static const KernelRule *find_rule(const Node *node, const Target *target) {
  for (const KernelRule *rule = rules; rule->op != OP_COUNT; rule++)
    if (rule->op == node->op && rule->applies(node, target)) return rule;
  return NULL;
}

void place_choose_kernels(Graph *graph, const PassContext *context) {
  if (!context->target) return;
  FOR_EACH_NODE (node, graph) {
    const KernelRule *rule = find_rule(node, context->target);
    if (!rule || node_attribute(node, ATTR_KERNEL_NAME)) continue; // a hand-written choice stays
    node_set_string(node, ATTR_KERNEL_NAME, rule->kernel);
    int64_t tile[MAX_TILE];
    int count = rule->tile ? rule->tile(node, context, tile) : 0;
    if (count) node_set_ints(node, ATTR_TILE, tile, count);
  }
}
