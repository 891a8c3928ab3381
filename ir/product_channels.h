// Output channels of integer products with constant weights: what each adds to its sum and by what
// the sum becomes a code; and the short form of both, one word a channel.
#ifndef TENON_IR_PRODUCT_CHANNELS_H
#define TENON_IR_PRODUCT_CHANNELS_H

#include "ir/graph.h"
#include "ir/quant.h"

// Weights of a conv or matmul, channel by channel; zero points are off.
int64_t product_channel_count(const Node *node);
int64_t product_channel_depth(const Node *node); // weights of one output channel
int product_weight(const Node *node, int64_t channel, int64_t k);
// bias - (zero point of x + x_offset) * sum of the channel's weights, modulo 2^32.
int32_t product_folded_bias(const Node *node, int64_t channel, int x_offset);

// What the short form of a whole product shares. A word is multiplier << 20 | (bias >> bias_shift),
// the bias of 20 bits, the multiplier of 11 and positive:
//   q = clamp(zero + ((acc * multiplier + 2^(shift-1)) >> shift)),   13 <= shift
typedef struct ChannelWords {
  int bias_shift; // 0 .. 12
  int shift;
} ChannelWords;

enum { CHANNEL_MULTIPLIER_BITS = 11, CHANNEL_BIAS_BITS = 20, MOST_CHANNEL_SHIFT = 33 };

// Whether every channel's bias, with whatever a kernel may add to x, and multiplier are exactly
// such words. `result` is the product's own result, codes of 8 bits.
bool product_channel_words(const Node *node, const Type *result, ChannelWords *words);
// The multiplier of a channel in these words; exact where product_channel_words says so.
int32_t product_short_multiplier(const Node *node, const Type *result, int64_t channel,
                                 const ChannelWords *words);

#endif
