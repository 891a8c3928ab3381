// Tables of output channels: packing and use.
#include "codegen/kernels/channel_table.h"

#include "codegen/kernels/pack.h"
#include "codegen/kernels/requantize.h"

// UNUSED: bits of a word, or of a product's high half, that the bias or the multiplier is short
// of 32.
enum { HEADER_WORDS = 3, UNUSED = 32 - CHANNEL_BIAS_BITS };

static int rows_of(const ChannelLayout *layout) { return layout->form == CHANNEL_LONG ? 3 : 1; }

static int header_words(const ChannelLayout *layout) {
  return layout->form == CHANNEL_WORDS ? HEADER_WORDS : 0;
}

ChannelLayout channel_layout(const Node *node) {
  const Type *own = node_own_type(node);
  ChannelLayout layout = {.element = own->element};
  if (!own->quant || element_info[own->element].bits > 16) return layout;
  ChannelWords words; // a tile that somebody wrote by hand may promise too much
  layout.form = node_ints_at(node, ATTR_TILE, 1, 0) && product_channel_words(node, own, &words)
                    ? CHANNEL_WORDS
                    : CHANNEL_LONG;
  if (layout.form == CHANNEL_WORDS) return layout;
  layout.high_only = node_ints_at(node, ATTR_TILE, 0, 0) != 0;
  layout.zero = own->quant->zero[0];
  return layout;
}

// --- packing

size_t channel_table_bytes(const ChannelLayout *layout, int64_t columns) {
  return (size_t)(header_words(layout) + columns * rows_of(layout)) * 4;
}

void channel_table_write_header(const Node *node, const ChannelLayout *layout, unsigned char *out) {
  ChannelWords words;
  if (layout->form != CHANNEL_WORDS) return;
  product_channel_words(node, node_own_type(node), &words);
  int shift = words.shift - UNUSED;
  pack_word(out, 0, UNUSED - words.bias_shift);
  pack_word(out, 1, shift);
  pack_word(out, 2, (1 << (shift - 1)) + node_own_type(node)->quant->zero[0] * (1 << shift));
}

void channel_table_write(const Node *node, const ChannelLayout *layout, int x_offset,
                         int64_t channel, ChannelPlace place, unsigned char *out) {
  const Type *own = node_own_type(node);
  int64_t at = header_words(layout) + place.first * rows_of(layout) + place.lane;
  int32_t bias = product_folded_bias(node, channel, x_offset);
  if (layout->form == CHANNEL_WORDS) {
    int32_t header[2];
    memcpy(header, out, sizeof header);
    ChannelWords words = {UNUSED - header[0], header[1] + UNUSED};
    uint32_t multiplier = (uint32_t)product_short_multiplier(node, own, channel, &words);
    pack_word(out, at,
              (int32_t)(multiplier << CHANNEL_BIAS_BITS |
                        ((uint32_t)(bias >> words.bias_shift) & ((1u << CHANNEL_BIAS_BITS) - 1))));
    return;
  }
  pack_word(out, at, bias);
  if (layout->form == CHANNEL_SUMS) return;
  Requantization by = requantization_of_product(node->operands[0]->type.quant->scale[0],
                                                quant_scale(node->operands[1]->type.quant, channel),
                                                own->quant->scale[0]);
  pack_word(out, at + place.width, by.multiplier);
  pack_word(out, at + 2 * place.width, layout->high_only ? by.shift - 33 : by.shift);
}

// --- code

static Val header_word(Nest *nest, Val packed, int index) {
  return nest_load(nest, nest->i32, nest_address(nest, packed, nest->i32, nest_const(nest, index)),
                   4);
}

ChannelTable channel_table_open(Nest *nest, const ChannelLayout *layout, Val packed) {
  ChannelTable table = {.nest = nest, .layout = *layout, .pointer = packed};
  if (layout->form != CHANNEL_WORDS) return table;
  table.bias_right = header_word(nest, packed, 0);
  table.shift = header_word(nest, packed, 1);
  table.rounding = header_word(nest, packed, 2);
  table.pointer = nest_address(nest, packed, nest->i32, nest_const(nest, HEADER_WORDS));
  return table;
}

Val channel_table_block(const ChannelTable *table, Val first_column) {
  Nest *nest = table->nest;
  return nest_address(nest, table->pointer, nest->i32,
                      nest_mul(nest, first_column, nest_const(nest, rows_of(&table->layout))));
}

static Val load_row(const ChannelTable *table, Val block, int row, int width, int lane, int lanes) {
  Nest *nest = table->nest;
  Val at = nest_const(nest, (int64_t)row * width + lane);
  return nest_load(nest, nest_vector(nest->i32, lanes), nest_address(nest, block, nest->i32, at),
                   4);
}

Val channel_table_bias(const ChannelTable *table, Val block, int width, int lane, int lanes) {
  Nest *nest = table->nest;
  Val word = load_row(table, block, 0, width, lane, lanes);
  if (table->layout.form != CHANNEL_WORDS) return word;
  Val upper = nest_shl(nest, word, nest_int(LLVMTypeOf(word), UNUSED));
  return nest_ashr(nest, upper, nest_splat(nest, table->bias_right, lanes));
}

Val channel_table_requantize(const ChannelTable *table, Val sum, Val block, int width, int lane) {
  Nest *nest = table->nest;
  int32_t low, high;
  int lanes = nest_lanes(sum);
  quant_range(table->layout.element, &low, &high);
  Val first =
      load_row(table, block, table->layout.form == CHANNEL_WORDS ? 0 : 1, width, lane, lanes);
  if (table->layout.form == CHANNEL_WORDS)
    return requantize_emit_word(nest, sum, first, nest_splat(nest, table->shift, lanes),
                                nest_splat(nest, table->rounding, lanes), low, high);
  Val shift = load_row(table, block, 2, width, lane, lanes);
  return requantize_emit(nest, sum, first, shift, table->layout.high_only, table->layout.zero, low,
                         high);
}
