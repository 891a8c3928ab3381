// What the inference rules of moving, indexing and structured ops share: checked access to
// operands, axes and dims, and messages that start with the op's name.
#ifndef TENON_IR_INFER_CHECKS_H
#define TENON_IR_INFER_CHECKS_H

#include "ir/graph.h"

// "<op>: <text>" at the node's location; always false.
bool refuse(const Node *node, Diag *diag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline DimTable *node_dim_table(const Node *node) { return node->graph->module->dims; }
static inline Arena *node_arena(const Node *node) { return node->graph->module->arena; }

// Type of a tensor operand; NULL (reported) if it is absent or no tensor.
const Type *tensor_operand(const Node *node, int index, Diag *diag);
// The same for operands that must have an i32 or i64 element type.
const Type *index_operand(const Node *node, int index, Diag *diag);
// The axis counted from the front; false (reported) outside [-rank, rank).
bool check_axis(const Node *node, Diag *diag, int64_t axis, int rank, int *from_front);
// No assignment of the symbols makes the two equal.
bool dims_differ(DimTable *table, const Dim *a, const Dim *b);
// Reports dims that are provably different: "<op>: <what>: <a> and <b> differ".
bool check_equal_dims(const Node *node, Diag *diag, const char *what, const Dim *a, const Dim *b);
// The one of two equal dims that says more: a constant, if there is one.
const Dim *dim_known(const Dim *a, const Dim *b);
// Result dims given by an attribute: rank and signs.
bool check_sizes(const Node *node, Diag *diag, const Dim *const *sizes, int count);

// The symbol of a result dim that only a run knows: the one it has already, or a fresh one.
const Dim *infer_run_dim(const Node *node, int result, int axis, int rank, int64_t low,
                         int64_t high);

// The same scales along another axis (-1 stays -1); NULL stays NULL.
const Quant *quant_on_axis(Arena *arena, const Quant *quant, int axis);
// Refuses quantization along an axis, for ops that mix its elements.
bool check_quant_per_tensor(const Node *node, Diag *diag, const Type *type);

#endif
