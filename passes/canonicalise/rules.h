// The rule files of canonicalise. Each rule's contract is the formula above it.
#ifndef TENON_PASSES_CANONICALISE_RULES_H
#define TENON_PASSES_CANONICALISE_RULES_H

#include "passes/rewrite.h"

// identity.c: ops that change nothing
Value *rule_same_type(Builder *builder, Node *node);
Value *rule_neutral_operand(Builder *builder, Node *node);
Value *rule_involution(Builder *builder, Node *node);
Value *rule_idempotent(Builder *builder, Node *node);
Value *rule_where(Builder *builder, Node *node);
Value *rule_slice_whole(Builder *builder, Node *node);
Value *rule_no_pads(Builder *builder, Node *node);
Value *rule_concat(Builder *builder, Node *node);
Value *rule_reduce_nothing(Builder *builder, Node *node);

// clip.c
Value *rule_clip(Builder *builder, Node *node);
Value *rule_relu(Builder *builder, Node *node);
Value *rule_min_max(Builder *builder, Node *node);

// shape.c
Value *rule_reshape(Builder *builder, Node *node);
Value *rule_transpose(Builder *builder, Node *node);
Value *rule_matmul_transposed(Builder *builder, Node *node);
Value *rule_gather(Builder *builder, Node *node);

// pads.c
Value *rule_pad_into_conv(Builder *builder, Node *node);
Value *rule_pad_into_pool(Builder *builder, Node *node);

#endif
