// Biases, multipliers and shifts of the output channels of integer products.
#include "ir/product_channels.h"

#include <stdlib.h>

#include "ir/builder.h"

static bool by_columns(const Node *node) {
  return node->op == OP_MATMUL && !node_int(node, ATTR_TRANSPOSE_B);
}

int64_t product_channel_count(const Node *node) {
  return type_dim(&node->operands[1]->type, by_columns(node) ? 1 : 0);
}

int64_t product_channel_depth(const Node *node) {
  int64_t depth = 1;
  const Type *type = &node->operands[1]->type;
  if (by_columns(node)) return type_dim(type, 0);
  for (int i = 1; i < type->rank; i++) depth *= type_dim(type, i);
  return depth;
}

int product_weight(const Node *node, int64_t channel, int64_t k) {
  const Type *type = &node->operands[1]->type;
  int64_t index = by_columns(node) ? k * product_channel_count(node) + channel
                                   : channel * product_channel_depth(node) + k;
  int code = (int)element_load_int(type->element, value_constant(node->operands[1])->data, index);
  return code - (type->quant ? quant_zero(type->quant, channel) : 0);
}

static int64_t sum_of_weights(const Node *node, int64_t channel) {
  int64_t sum = 0;
  for (int64_t k = 0, depth = product_channel_depth(node); k < depth; k++)
    sum += product_weight(node, channel, k);
  return sum;
}

static int32_t fold(const Node *node, int64_t channel, int64_t sum, int x_offset) {
  const Value *bias = node_own_operands(node) > 2 ? node_operand(node, 2) : NULL;
  const Quant *x = node->operands[0]->type.quant;
  uint32_t value =
      bias ? (uint32_t)element_load_int(bias->type.element, value_constant(bias)->data, channel)
           : 0;
  return (int32_t)(value - (uint32_t)(sum * ((x ? x->zero[0] : 0) + x_offset)));
}

int32_t product_folded_bias(const Node *node, int64_t channel, int x_offset) {
  return fold(node, channel, sum_of_weights(node, channel), x_offset);
}

static Requantization requantization_at(const Node *node, const Type *result, int64_t channel) {
  return requantization_of_product(node->operands[0]->type.quant->scale[0],
                                   quant_scale(node->operands[1]->type.quant, channel),
                                   result->quant->scale[0]);
}

// acc * m >> s with m < 2^31 is acc * (m >> d) >> (s - d), where the lowest d bits of m are zero.
static bool short_multipliers(const Node *node, const Type *result, ChannelWords *words) {
  int64_t channels = product_channel_count(node);
  int least = 63;
  for (int64_t c = 0; c < channels; c++) {
    Requantization by = requantization_at(node, result, c);
    if (by.multiplier && by.shift < least) least = by.shift;
  }
  words->shift = least - (31 - CHANNEL_MULTIPLIER_BITS);
  if (least < 33 || words->shift > MOST_CHANNEL_SHIFT) return false;
  for (int64_t c = 0; c < channels; c++) {
    Requantization by = requantization_at(node, result, c);
    int drop = by.shift - words->shift;
    if (by.multiplier && (drop > 30 || by.multiplier & ((1 << drop) - 1))) return false;
  }
  return true;
}

int32_t product_short_multiplier(const Node *node, const Type *result, int64_t channel,
                                 const ChannelWords *words) {
  Requantization by = requantization_at(node, result, channel);
  return by.multiplier ? by.multiplier >> (by.shift - words->shift) : 0;
}

// The least shift after which all biases fit; no lower bit of one may be set.
static bool short_biases(const Node *node, ChannelWords *words) {
  int offsets[] = {0, node->operands[0]->type.element == I8
                          ? 128
                          : -128}; // of codes i8 taken as u8, and the other way round
  int64_t channels = product_channel_count(node);
  uint32_t bits = 0; // of all biases
  int64_t largest = 0;
  for (int64_t c = 0; c < channels; c++) {
    int64_t sum = sum_of_weights(node, c);
    for (int i = 0; i < 2; i++) {
      int64_t bias = fold(node, c, sum, offsets[i]);
      bits |= (uint32_t)bias;
      if (llabs(bias) > largest) largest = llabs(bias);
    }
  }
  words->bias_shift = 0;
  while (largest >> words->bias_shift >= 1 << (CHANNEL_BIAS_BITS - 1)) words->bias_shift++;
  return words->bias_shift <= 32 - CHANNEL_BIAS_BITS && !(bits & ((1u << words->bias_shift) - 1));
}

bool product_channel_words(const Node *node, const Type *result, ChannelWords *words) {
  if (!result->quant || result->quant->count != 1 || !node->operands[0]->type.quant ||
      !node->operands[1]->type.quant)
    return false;
  return short_multipliers(node, result, words) && short_biases(node, words);
}
