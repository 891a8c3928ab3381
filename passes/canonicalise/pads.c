// Rules that move a pad into the pads of the convolution or pool that reads it.
#include <math.h>
#include <string.h>

#include "passes/canonicalise/rules.h"

// The pad before `value`, if it adds (never crops) one number along spatial axes only.
static const Node *spatial_pad(const Value *value, double *number) {
  const Node *pad = defined_by(value, OP_PAD);
  if (!pad || strcmp(node_string(pad, ATTR_MODE), "constant") != 0 || value->type.quant)
    return NULL;
  *number = 0;
  if (node_operand(pad, 1) && !constant_scalar(pad->operands[1], number)) return NULL;
  int rank = value->type.rank, count;
  const int64_t *pads = node_ints(pad, ATTR_PADS, &count);
  for (int i = 0; i < count; i++)
    if (pads[i] < 0 || (pads[i] && (i % rank == 0 || i % rank == rank - 1))) return NULL;
  return pad;
}

// pads of `node` + those of `pad`: begins of the spatial axes, then ends.
static void add_pads(const Node *node, const Node *pad, int spatial, int64_t *sum) {
  int count, rank = spatial + 2;
  const int64_t *outer = node_ints(pad, ATTR_PADS, &count);
  for (int i = 0; i < spatial; i++) {
    sum[i] = node_ints_at(node, ATTR_PADS, i, 0) + outer[i + 1];
    sum[spatial + i] = node_ints_at(node, ATTR_PADS, spatial + i, 0) + outer[rank + i + 1];
  }
}

static Value *build_padded(Builder *builder, const Node *node, const Node *pad,
                           bool count_padding) {
  Value *operands[3] = {pad->operands[0], node_operand(node, 1), node_operand(node, 2)};
  int spatial = node->results[0]->type.rank - 2;
  int64_t pads[2 * MAX_RANK];
  add_pads(node, pad, spatial, pads);
  Node *padded = begin_like(builder, node, operands, node->operand_count);
  if (!padded) return NULL;
  node_set_ints(padded, ATTR_PADS, pads, 2 * spatial);
  if (count_padding) node_set_int(padded, ATTR_COUNT_PADDING, 1);
  return build_end(builder, padded);
}

// conv(pad(x, 0), w) {pads} = conv(x, w) {pads + pad}
Value *rule_pad_into_conv(Builder *builder, Node *node) {
  double number;
  const Node *pad = spatial_pad(node->operands[0], &number);
  if (!pad || number != 0 || node_epilogue(node) || node->results[0]->type.quant) return NULL;
  return build_padded(builder, node, pad, false);
}

static bool has_own_pads(const Node *node) {
  int count;
  const int64_t *pads = node_ints(node, ATTR_PADS, &count);
  for (int i = 0; i < count; i++)
    if (pads[i]) return true;
  return false;
}

// No window may lie in the padding alone.
static bool windows_meet_data(const Node *node, const Node *pad) {
  int spatial = node->results[0]->type.rank - 2, count;
  int64_t pads[2 * MAX_RANK];
  add_pads(node, pad, spatial, pads);
  const int64_t *kernel = node_ints(node, ATTR_KERNEL, &count);
  for (int i = 0; i < spatial; i++)
    if (pads[i] >= kernel[i] || pads[spatial + i] >= kernel[i] ||
        node_ints_at(node, ATTR_DILATIONS, i, 1) != 1)
      return false;
  return true;
}

static bool is_not_negative(const Value *value) {
  const Node *node = value->definition;
  return node && (node->op == OP_RELU || node->op == OP_SIGMOID ||
                  (node->op == OP_CLIP && node_float(node, ATTR_LOW) >= 0));
}

// max_pool(pad(x, c)) = max_pool(x) {pads}, c = -inf, or c <= 0 <= x
// average_pool(pad(x, 0)) = average_pool(x) {pads, count_padding}, without pads of its own
Value *rule_pad_into_pool(Builder *builder, Node *node) {
  double number;
  const Node *pad = spatial_pad(node->operands[0], &number);
  if (!pad || node->results[0]->type.quant || node_int(node, ATTR_CEIL_MODE) ||
      !windows_meet_data(node, pad))
    return NULL;
  if (node->op == OP_AVERAGE_POOL)
    return number == 0 && !has_own_pads(node) ? build_padded(builder, node, pad, true) : NULL;
  bool never_wins = number == -INFINITY || (number <= 0 && is_not_negative(pad->operands[0]));
  return never_wins ? build_padded(builder, node, pad, false) : NULL;
}
