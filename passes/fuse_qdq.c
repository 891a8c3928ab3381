// fuse_qdq - what imported models write around floats becomes an op on codes:
//   quantize(relu(conv(dequantize(x), dequantize(w), b))) = conv(x, w, b as i32)        also
//   matmul, add, sub, mul, means quantize(f(dequantize(x))) = f(x)                     f moves or
//   compares codes; requantized where scales differ f(dequantize(x)) = dequantize(f(x)) f moves
//   elements, maximum, relu: exact quantize(dequantize(x)) = x, or requantize(x)
// Sums are exact and requantized in fixed point, so a code may differ by 1 from what float
// arithmetic gives. Needs: transposes out of the way. Leaves: dequantize and quantize where floats
// are really wanted.
#include <math.h>

#include "ir/interpret.h"
#include "passes/codes.h"
#include "passes/quantize.h"

static bool is_code_type(const Type *type) {
  return type->quant && type->quant->count == 1 && element_is_integer(type->element) &&
         element_info[type->element].bits <= 16;
}

// The codes under a dequantize, of a tensor that is quantized as a whole.
static Value *codes_under(const Value *value) {
  Node *node = defined_by(value, OP_DEQUANTIZE);
  return node && value->type.element == F32 && is_code_type(&node->operands[0]->type)
             ? node->operands[0]
             : NULL;
}

static Value *rescaled(Builder *builder, Value *codes, const Type *to) {
  if (codes->type.element == to->element && quant_equal(codes->type.quant, to->quant)) return codes;
  Node *node = build_begin(builder, OP_REQUANTIZE, &codes, 1);
  if (node)
    node->results[0]->type = type_with_element(*to, to->element),
    node->results[0]->type.quant = to->quant;
  return build_end(builder, node);
}

// --- products

// Constant codes of weights whose scales an integer product can take, with its axis of output
// channels.
static Value *weight_codes(const Node *product, const Value *weights) {
  Node *node = defined_by(weights, OP_DEQUANTIZE);
  if (!node || weights->type.element != F32 || !value_is_constant(node->operands[0])) return NULL;
  const Type *type = &node->operands[0]->type;
  int axis = product->op == OP_CONV || node_int(product, ATTR_TRANSPOSE_B) ? 0 : 1;
  bool fits = (type->element == I8 || type->element == U8) &&
              (type->quant->count == 1 || type->quant->axis == axis);
  if (product->op == OP_MATMUL && (type->rank != 2 || node_int(product, ATTR_TRANSPOSE_A)))
    return NULL;
  return fits && codes_fit_centred(node->operands[0], axis) ? node->operands[0] : NULL;
}

// The floats of a constant, or of codes that are one; NULL: neither.
static const float *constant_floats(const Value *value, int64_t *count, Arena *arena) {
  Tensor tensor, result;
  const Node *node = defined_by(value, OP_DEQUANTIZE);
  *count = 0;
  if (!node) {
    if (!value_tensor(value, &tensor) || tensor.element != F32) return NULL;
    *count = tensor_count(&tensor);
    return tensor.data;
  }
  if (value->type.element != F32 || !value_tensor(node->operands[0], &tensor)) return NULL;
  if (!interpret_node(node, &tensor, &result, arena, value->graph->module->diag)) return NULL;
  *count = tensor_count(&result);
  return result.data;
}

static int64_t channels_of(const Node *product) {
  const Type *type = &product->results[0]->type;
  int64_t channels;
  return dim_is_constant(type->dims[type->rank - 1], &channels) ? channels : -1;
}

// The sum of the product's own bias and one added behind it, in units of the accumulator.
static Value *accumulator_bias(Builder *builder, const Node *product, const Value *added,
                               const Type *x, const Type *w) {
  Arena *arena = builder->graph->module->arena;
  const Value *parts[] = {node_operand(product, 2), added};
  int64_t channels = channels_of(product);
  int32_t *codes = NEW_ARRAY(arena, int32_t, channels + 1);
  double *sums = NEW_ARRAY(arena, double, channels + 1);
  for (int i = 0; i < 2; i++) {
    int64_t count = 0;
    const float *values = parts[i] ? constant_floats(parts[i], &count, arena) : NULL;
    for (int64_t c = 0; values && c < channels; c++) sums[c] += (double)values[count == 1 ? 0 : c];
  }
  for (int64_t c = 0; c < channels; c++) {
    double code = rint(sums[c] / ((double)x->quant->scale[0] * (double)quant_scale(w->quant, c)));
    codes[c] = (int32_t)fmin(fmax(code, INT32_MIN), INT32_MAX);
  }
  Type type = type_static(builder->graph->module->dims, I32, 1, &channels);
  return build_constant(builder, type, codes, module_constant_name(builder->graph->module, "bias"));
}

// Constant with one value, or one per channel along the last axis.
static bool is_bias(const Value *value, int64_t channels, Arena *arena) {
  int64_t count;
  if (!constant_floats(value, &count, arena) || channels < 1) return false;
  const Type *type = &value->type;
  return count == 1 ||
         (count == channels && type->rank && dim_is(type->dims[type->rank - 1], channels));
}

static bool is_integer_product(const Node *node, Arena *arena) {
  if ((node->op != OP_CONV && node->op != OP_MATMUL) || node->region_count) return false;
  if (!codes_under(node->operands[0]) || !weight_codes(node, node->operands[1])) return false;
  return !node_operand(node, 2) || is_bias(node->operands[2], channels_of(node), arena);
}

static Value *fuse_product(Builder *builder, const Node *product, const Value *added,
                           const Type *to) {
  Value *x = codes_under(product->operands[0]), *w = weight_codes(product, product->operands[1]);
  bool biased = added || node_operand(product, 2);
  Value *operands[] = {
      x, w, biased ? accumulator_bias(builder, product, added, &x->type, &w->type) : NULL};
  Node *node = begin_like(builder, product, operands, biased ? 3 : 2);
  if (node) node->results[0]->type = *to;
  return build_end(builder, node);
}

// product + constant, with nobody else reading the product.
static Node *biased_product(const Node *sum, Value **added, Arena *arena) {
  for (int i = 0; sum->op == OP_ADD && i < 2; i++) {
    Node *product = sum->operands[i]->definition;
    *added = sum->operands[1 - i];
    if (product && value_has_one_use(sum->operands[i]) && is_integer_product(product, arena) &&
        is_bias(*added, channels_of(product), arena) &&
        type_same_shape(&sum->results[0]->type, &product->results[0]->type))
      return product;
  }
  return NULL;
}

// --- other ops under a quantize

static Value **operand_codes(const Node *node, Arena *arena) {
  Value **codes = NEW_ARRAY(arena, Value *, node->operand_count + 1);
  for (int i = 0; i < node->operand_count; i++)
    if (!node->operands[i] || !(codes[i] = codes_under(node->operands[i]))) return NULL;
  return codes;
}

static Value *fuse_rescaling(Builder *builder, const Node *node, const Type *to, Arena *arena) {
  Value **codes = operand_codes(node, arena);
  if (!codes) return NULL;
  Node *made = begin_like(builder, node, codes, node->operand_count);
  if (made) made->results[0]->type = *to;
  return build_end(builder, made);
}

// Moves and compares codes; concat gets all of them in the result's scale first, others are
// rescaled last.
static Value *fuse_keeping(Builder *builder, const Node *node, const Type *to, Arena *arena) {
  Value **codes = operand_codes(node, arena);
  if (!codes || (node->op == OP_PAD && node->operand_count > 1)) return NULL;
  for (int i = 0; node->op == OP_CONCAT && i < node->operand_count; i++)
    if (!(codes[i] = rescaled(builder, codes[i], to))) return NULL;
  return rescaled(builder, build_like(builder, node, codes, node->operand_count), to);
}

static bool clips(const Node *node) { return node->op == OP_RELU || node->op == OP_CLIP; }

// The op whose result is quantized, in codes of type `to`.
static Value *fuse_op(Builder *builder, const Node *node, const Type *to, Arena *arena) {
  Value *added;
  if (is_integer_product(node, arena)) return fuse_product(builder, node, NULL, to);
  Node *product = biased_product(node, &added, arena);
  if (product) return fuse_product(builder, product, added, to);
  if (quantize_rescales(node)) return fuse_rescaling(builder, node, to, arena);
  return quantize_keeps_scale(node) ? fuse_keeping(builder, node, to, arena) : NULL;
}

static bool only_moves(const Node *node) {
  return node->op == OP_RESHAPE || node->op == OP_TRANSPOSE || node->op == OP_SLICE ||
         node->op == OP_EXPAND;
}

// quantize(move(x)) = move(quantize(x)): brings the quantize to the op that computes.
static Value *move_codes(Builder *builder, const Node *move, const Type *to) {
  Node *node = build_begin(builder, OP_QUANTIZE, move->operands, 1);
  if (!node) return NULL;
  node->results[0]->type = *to;
  Value *codes = build_end(builder, node);
  return codes ? build_like(builder, move, &codes, 1) : NULL;
}

static Value *fuse_quantize(Builder *builder, Node *node) {
  Arena *arena = node->graph->module->arena;
  Type to = node->results[0]->type;
  Value *x = node->operands[0], *codes = codes_under(x), *result;
  if (!is_code_type(&to)) return NULL;
  if (codes) return rescaled(builder, codes, &to);
  if (!x->definition || !value_has_one_use(x)) return NULL;
  if (only_moves(x->definition)) return move_codes(builder, x->definition, &to);
  Node *clip = clips(x->definition) ? x->definition : NULL;
  if (clip) x = clip->operands[0];
  codes = codes_under(x);
  if (codes)
    result = rescaled(builder, codes, &to);
  else if (!x->definition || !value_has_one_use(x))
    return NULL;
  else {
    to.rank = x->type.rank;
    result = fuse_op(builder, x->definition, &to, arena);
  }
  if (!result || !clip || quantize_range_clips(clip, &to)) return result;
  return build_like(builder, clip, &result, 1);
}

// --- dequantize moves down

// f(dequantize(x)) = dequantize(f(x)), exactly; averages round, so they wait for a quantize.
static Value *sink_dequantize(Builder *builder, Node *node) {
  bool exact = (node_has_trait(node, MOVES) && quantize_keeps_scale(node) &&
                node->op != OP_CONCAT && node->op != OP_COPY && node->op != OP_PAD) ||
               node->op == OP_MAX_POOL || node->op == OP_RELU;
  if (!exact || node->operand_count != 1 || node->results[0]->type.element != F32) return NULL;
  Node *before = defined_by(node->operands[0], OP_DEQUANTIZE);
  bool weights = before && value_is_constant(before->operands[0]) &&
                 node->op == OP_TRANSPOSE; // scales along an axis move too
  if (!before || !(weights || codes_under(node->operands[0])) ||
      !element_is_integer(before->operands[0]->type.element))
    return NULL;
  Value *codes = build_like(builder, node, before->operands, 1);
  return codes ? build_unary(builder, OP_DEQUANTIZE, codes) : NULL;
}

static const RewriteRow rows[] = {
    {OP_QUANTIZE, fuse_quantize}, {OP_COUNT, sink_dequantize}, {OP_COUNT, NULL}};

bool pass_fuse_qdq(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
