// canonicalise - one form for what can be written in several ways; every rule keeps the bits.
// What rounds differently is in fold_affine and recognise, what moves transposes in
// sink_transposes. Needs: nothing. Leaves: dead nodes, constant subexpressions.
#include "passes/canonicalise/rules.h"

static const RewriteRow rows[] = {
    {OP_CAST, rule_same_type},
    {OP_RESHAPE, rule_same_type},
    {OP_EXPAND, rule_same_type},
    {OP_TILE, rule_same_type},
    {OP_SLICE, rule_slice_whole},
    {OP_PAD, rule_no_pads},
    {OP_CONCAT, rule_concat},
    {OP_ADD, rule_neutral_operand},
    {OP_SUB, rule_neutral_operand},
    {OP_MUL, rule_neutral_operand},
    {OP_DIV, rule_neutral_operand},
    {OP_POW, rule_neutral_operand},
    {OP_AND, rule_neutral_operand},
    {OP_OR, rule_neutral_operand},
    {OP_WHERE, rule_where},
    {OP_NEG, rule_involution},
    {OP_NOT, rule_involution},
    {OP_BIT_NOT, rule_involution},
    {OP_ABS, rule_idempotent},
    {OP_FLOOR, rule_idempotent},
    {OP_CEIL, rule_idempotent},
    {OP_ROUND, rule_idempotent},
    {OP_SIGN, rule_idempotent},
    {OP_REDUCE_SUM, rule_reduce_nothing},
    {OP_REDUCE_MEAN, rule_reduce_nothing},
    {OP_REDUCE_MAX, rule_reduce_nothing},
    {OP_REDUCE_MIN, rule_reduce_nothing},
    {OP_REDUCE_PROD, rule_reduce_nothing},
    {OP_CLIP, rule_clip},
    {OP_RELU, rule_relu},
    {OP_MIN, rule_min_max},
    {OP_MAX, rule_min_max},
    {OP_RESHAPE, rule_reshape},
    {OP_TRANSPOSE, rule_transpose},
    {OP_MATMUL, rule_matmul_transposed},
    {OP_GATHER, rule_gather},
    {OP_CONV, rule_pad_into_conv},
    {OP_MAX_POOL, rule_pad_into_pool},
    {OP_AVERAGE_POOL, rule_pad_into_pool},
    {OP_COUNT, NULL},
};

bool pass_canonicalise(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
