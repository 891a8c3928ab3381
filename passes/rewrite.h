// What rewriting passes share: rules and their driver, matching of constants and shapes.
#ifndef TENON_PASSES_REWRITE_H
#define TENON_PASSES_REWRITE_H

#include "ir/builder.h"
#include "passes/pass.h"

// A rule looks at one node and builds, before it, what replaces its first result. NULL: the rule
// does not apply, and nothing was built.
typedef Value *(*RewriteRule)(Builder *builder, Node *node);
typedef struct RewriteRow {
  OpCode op; // OP_COUNT: every op
  RewriteRule rule;
} RewriteRow;

// Applies the first rule that fits to each node of the function, in order. The table ends with a
// row without rule. False: a builder failed, reported.
bool rewrite_graph(Graph *graph, const RewriteRow *rows, PassContext *context);

// value_replace that keeps the names of the model's outputs; a copy is made where the replacement
// is an input or an output already. The types must be equal.
void rewrite_value(Value *old, Value *replacement);

// Removes a node without uses, and the constants that only it read.
void rewrite_remove(Node *node);

// --- constants
// The value of a constant whose elements are all equal, not quantized; false: none.
bool constant_splat(const Value *value, double *number);
// The same for constants of one element, which may broadcast to anything.
bool constant_scalar(const Value *value, double *number);
bool is_scalar(const Value *value, double number);
bool is_nearly_scalar(const Value *value,
                      double number); // relative 1e-5, for literals rounded to f16 or f32

// --- shapes
// Plain f32 or f64: a rewrite that rounds differently stays within the limit of its class. The
// smaller floats would not: they round each step to 11 bits or fewer.
static inline bool is_float_value(const Value *value) {
  bool wide = value->type.element == F32 || value->type.element == F64;
  return value->type.kind == TYPE_TENSOR && wide && !value->type.quant;
}
bool dim_is_one(const Dim *dim);
int type_last_not_one(const Type *type);         // axis; -1: all dims are 1
const int64_t *transpose_perm(const Node *node); // perm of a transpose; always rank entries
// Does a reshape only split axes? Axis i of `from` is the axes [first[i], first[i + 1]) of `to`;
// rank + 1 entries.
bool match_axis_splits(const Type *from, const Type *to, int *first);
void invert_perm(const int64_t *perm, int rank, int64_t *inverse);

// The node that makes the value, if it is `op`, else NULL.
Node *defined_by(const Value *value, OpCode op);
// The same, where nobody else uses the value: the rewrite makes it dead.
Node *only_defined_by(const Value *value, OpCode op);
// Operand of a binary node that is not `other` (`other` is one of them).
Value *other_operand(const Node *node, const Value *other);
// For a commutative node with a constant operand: that one in *constant, the other returned; else
// NULL.
Value *constant_operand(const Node *node, Value **constant);

// A new node of the same op with the attributes and regions' absence of `node`, other operands.
Node *begin_like(Builder *builder, const Node *node, Value *const *operands, int count);
Value *build_like(Builder *builder, const Node *node, Value *const *operands, int count);

#endif
