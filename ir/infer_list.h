// What the inference rules of sequences and optionals share.
#ifndef TENON_IR_INFER_LIST_H
#define TENON_IR_INFER_LIST_H

#include "ir/infer_types.h"

// Result 0 is a list. A type that it has already stays, if that includes the one that follows.
bool set_list(Node *node, Diag *diag, Type computed);
// Type of a list operand of that kind; NULL (reported): another kind.
const Type *list_operand(const Node *node, int index, TypeKind kind, Diag *diag);
// The symbol of a dim of result 0 that only a run knows: the one it has already, or a fresh one.
const Dim *found_dim(const Node *node, int axis, int rank);

#endif
