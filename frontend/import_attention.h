// What the forms of attention share. x: [batch, heads, sequence, size] unless said otherwise; each
// function gives NULL after a failure.
#ifndef TENON_FRONTEND_IMPORT_ATTENTION_H
#define TENON_FRONTEND_IMPORT_ATTENTION_H

#include "frontend/import.h"

Value *attention_split_heads(OnnxNode *node, Value *x, int64_t heads); // of [b, s, h * d]
Value *attention_join_heads(OnnxNode *node, Value *x);                 // to [b, s, h * d]
// Each head of keys or values serves several heads of queries.
Value *attention_repeat_heads(OnnxNode *node, Value *x, int64_t times);
// queries * keys', scaled by the attribute `scale` or 1 / sqrt(size).
Value *attention_scores(OnnxNode *node, Value *queries, Value *k);
Value *attention_soft_cap(OnnxNode *node, Value *x); // attribute softcap
// bool to what is added to scores: 0 where allowed, else -infinity
Value *attention_bias_of(OnnxNode *node, Value *allowed, ElementType element);
Value *attention_both(OnnxNode *node, Value *a, Value *b); // a and b; one may be NULL: the other
Value *attention_with_past(OnnxNode *node, Value *past, Value *x); // past may be NULL

// x [batch, sequence, heads, size]; caches: cosines and sines by position, of which ids (NULL: all
// in order) [batch, sequence] are taken; the first `rotated` (0: all) elements of each head are
// turned.
Value *rotary_turn(OnnxNode *node, Value *x, Value *const *caches, Value *ids, int64_t rotated,
                   bool interleaved);

#endif
