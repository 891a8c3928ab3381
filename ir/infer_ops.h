// Prototypes of every infer_<stem>, from the op table.
#ifndef TENON_IR_INFER_OPS_H
#define TENON_IR_INFER_OPS_H

#include "ir/graph.h"

#define OP(name, text, stem, ...) bool infer_##stem(Node *node, Diag *diag);
#include "ir/ops.def"

#endif
