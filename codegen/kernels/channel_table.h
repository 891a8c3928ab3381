// The packed table of an integer product: what its output channels start from and how their sums
// become codes.
//
//   sums    bias                        i32 results
//   long    bias, multiplier, shift     any requantization
//   words   one word a channel (ir/product_channels.h), behind a header of three: 12 - bias shift,
//   shift - 12,
//           rounding and zero point
//
// Channels lie in blocks: within one, all biases, then all multipliers, then all shifts.
#ifndef TENON_CODEGEN_KERNELS_CHANNEL_TABLE_H
#define TENON_CODEGEN_KERNELS_CHANNEL_TABLE_H

#include "codegen/kernel.h"
#include "ir/product_channels.h"

typedef enum ChannelForm { CHANNEL_SUMS, CHANNEL_LONG, CHANNEL_WORDS } ChannelForm;

// What generated code has to know of it: equal layouts share code.
typedef struct ChannelLayout {
  ChannelForm form;
  bool high_only;      // long: all shifts are at least 33, and stored less 33
  ElementType element; // of the results
  int32_t zero;        // long: added in code; words have it in the header
} ChannelLayout;

ChannelLayout channel_layout(const Node *node); // by the types and the tile that `place` chose

// --- packing

// Where a channel lies: the first column of its block, the block's width, its lane.
typedef struct ChannelPlace {
  int64_t first, width, lane;
} ChannelPlace;

size_t channel_table_bytes(const ChannelLayout *layout, int64_t columns);
void channel_table_write_header(const Node *node, const ChannelLayout *layout, unsigned char *out);
void channel_table_write(const Node *node, const ChannelLayout *layout, int x_offset,
                         int64_t channel, ChannelPlace place, unsigned char *out);

// --- code

typedef struct ChannelTable {
  Nest *nest;
  ChannelLayout layout;
  Val pointer;                     // behind the header
  Val bias_right, shift, rounding; // words: scalars
} ChannelTable;

// Loads the header; to be called where it dominates all blocks.
ChannelTable channel_table_open(Nest *nest, const ChannelLayout *layout, Val packed);
Val channel_table_block(const ChannelTable *table, Val first_column);
// `lanes` channels from `lane` on of a block of `width`: what the sums start from, and sums as
// codes in i32.
Val channel_table_bias(const ChannelTable *table, Val block, int width, int lane, int lanes);
Val channel_table_requantize(const ChannelTable *table, Val sum, Val block, int width, int lane);

#endif
