// winograd - a 3 x 3 convolution of stride 1 becomes t^2 matrix products, t = block + 2
// (ir/winograd.h):
//   conv(x, w) = winograd_output(matmul(winograd_input(x), U))       U: the transformed weights,
//   [t^2, c, m]
// with t^2 / (9 block^2) of the multiplications: 0.25 for block 4, 0.44 for block 2. Against that
// stand the transforms and t^2 / 9 times as many bytes of weights, so a small model of time
// decides, layer by layer, in order as long as all weights together grow by no more than `growth`:
// the last layers have the most weights and gain the least. Rounds differently: relative to the
// largest result about 1e-6 (block 2) to 1e-5 (block 4). Needs: fold_affine, what compresses
// weights. Leaves: a bias that fuse_epilogue takes.
#include "ir/winograd.h"

#include "ir/constant_data.h"
#include "passes/rewrite.h"

enum { MIN_LANES = 4, MIN_CHANNELS = 16 };

typedef struct Layer {
  int64_t images, height, width, in, out; // of the result
} Layer;

static bool has_window_3x3(const Node *node) {
  const Type *w = &node->operands[1]->type;
  if (node->results[0]->type.rank != 4 || node_int(node, ATTR_GROUP) != 1 ||
      node_int(node, ATTR_PLANAR))
    return false;
  for (int i = 0; i < 2; i++)
    if (type_dim(w, 1 + i) != 3 || node_ints_at(node, ATTR_STRIDES, i, 1) != 1 ||
        node_ints_at(node, ATTR_DILATIONS, i, 1) != 1)
      return false;
  for (int i = 0; i < 4; i++)
    if (node_ints_at(node, ATTR_PADS, i, 0) < 0) return false;
  return true;
}

static bool match(const Node *node, Layer *layer) {
  if (node->op != OP_CONV || node->region_count || node_attribute(node, ATTR_KERNEL_NAME))
    return false;
  const Value *x = node->operands[0], *w = node->operands[1], *y = node->results[0];
  const Constant *weights = value_constant(w);
  if (!weights || weights->storage.count || w->type.element != F32 || x->type.element != F32 ||
      y->type.element != F32)
    return false;
  if (w->type.quant || x->type.quant || y->type.quant || !type_is_static(&x->type) ||
      !type_is_static(&y->type))
    return false;
  if (!has_window_3x3(node)) return false;
  *layer = (Layer){type_dim(&y->type, 0), type_dim(&y->type, 1), type_dim(&y->type, 2),
                   type_dim(&x->type, 3), type_dim(&y->type, 3)};
  return layer->in >= MIN_CHANNELS && layer->out >= MIN_CHANNELS && layer->images > 0;
}

// --- what it costs, in multiply-adds

// A transformed element, as measured; weights come from far; products of few rows have more
// overhead.
static const double transform = 8, byte_of_weights = 1.5, small_product = 1.15;

static double direct_cost(const Layer *l) {
  double pairs = (double)l->in * (double)l->out;
  return 9 * pairs * ((double)(l->images * l->height * l->width) + 4 * byte_of_weights);
}

static double winograd_cost(const Layer *l, int block) {
  double pairs = (double)l->in * (double)l->out, elements = (block + 2) * (block + 2);
  double tiles =
      (double)(l->images * winograd_tiles(l->height, block) * winograd_tiles(l->width, block));
  return elements * (tiles * (pairs * small_product + (double)(l->in + l->out) * transform) +
                     4 * pairs * byte_of_weights);
}

static double bytes_more(const Layer *layer, int block) {
  return 4 * (double)layer->in * (double)layer->out * ((block + 2) * (block + 2) - 9);
}

// 0: the direct convolution is as fast, or there is no room. The larger block also has to be worth
// its bytes.
static int choose_block(const Layer *layer, double room) {
  double direct = direct_cost(layer), two = winograd_cost(layer, 2), four = winograd_cost(layer, 4);
  if (four < 0.85 * two && four < 0.9 * direct && bytes_more(layer, 4) <= room) return 4;
  return two < 0.9 * direct && bytes_more(layer, 2) <= room ? 2 : 0;
}

// --- the rewrite

static Value *transformed_weights(Builder *builder, const Node *node, const Layer *layer,
                                  int block) {
  Module *module = builder->graph->module;
  const Constant *constant = value_constant(node->operands[1]);
  const float *w = constant->data; // [out][3][3][in]
  WinogradMatrix matrix = winograd_matrix(block, WINOGRAD_FILTER_STEP);
  int64_t elements = (block + 2) * (block + 2), in = layer->in, out = layer->out;
  float *u = NEW_ARRAY(module_data(module), float, elements *in *out);
  for (int64_t m = 0; m < out; m++)
    for (int64_t c = 0; c < in; c++) {
      double taps[9], values[WINOGRAD_MAX_TILE * WINOGRAD_MAX_TILE];
      for (int t = 0; t < 9; t++) taps[t] = (double)w[(m * 9 + t) * in + c];
      winograd_apply(&matrix, taps, values);
      for (int64_t k = 0; k < elements; k++) u[(k * in + c) * out + m] = (float)values[k];
    }
  Type type = node->operands[1]->type;
  type.rank = 3;
  const int64_t dims[] = {elements, in, out};
  for (int i = 0; i < 3; i++) type.dims[i] = dim_constant(module->dims, dims[i]);
  return build_constant(builder, type, u,
                        arena_printf(module->arena, "%s.winograd", constant->name));
}

static Value *build_step(Builder *builder, OpCode op, Value *x, int block, const Dim *const *sizes,
                         int count, const Node *conv) {
  Node *step = build_begin(builder, op, &x, 1);
  if (!step) return NULL;
  node_set_int(step, ATTR_BLOCK, block);
  node_set_dims(step, ATTR_SIZES, sizes, count);
  int count_pads;
  const int64_t *pads = node_ints(conv, ATTR_PADS, &count_pads);
  if (op == OP_WINOGRAD_INPUT && count_pads) node_set_ints(step, ATTR_PADS, pads, count_pads);
  return build_end(builder, step);
}

static bool rewrite(Node *node, const Layer *layer, int block) {
  Builder builder = builder_before(node);
  const Type *type = &node->results[0]->type;
  Value *u = transformed_weights(&builder, node, layer, block);
  Value *tiles =
      build_step(&builder, OP_WINOGRAD_INPUT, node->operands[0], block, type->dims + 1, 2, node);
  Value *products = u && tiles ? build_matmul(&builder, tiles, u, NULL) : NULL;
  Value *y = products
                 ? build_step(&builder, OP_WINOGRAD_OUTPUT, products, block, type->dims, 3, node)
                 : NULL;
  if (y && node_operand(node, 2)) y = build_binary(&builder, OP_ADD, y, node->operands[2]);
  if (!y) return false;
  rewrite_value(node->results[0], y);
  rewrite_remove(node);
  return true;
}

bool pass_winograd(Graph *graph, PassContext *context) {
  const Target *target = context->target;
  if (!target || !target_has(target, TARGET_HOSTED) || target_lanes(target, 32) < MIN_LANES)
    return true;
  double room = pass_option_float(context, "growth") * (1 << 20);
  FOR_EACH_NODE (node, graph) {
    Layer layer;
    int block = match(node, &layer) ? choose_block(&layer, room) : 0;
    if (!block) continue;
    room -= bytes_more(&layer, block);
    if (!rewrite(node, &layer, block)) return false;
    context->changed++;
    module_trim(context->module, TRIM_GROWTH);
  }
  return true;
}
