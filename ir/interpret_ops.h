// Prototypes of every interpret_<stem>, from the op table: a missing one is a link error.
#ifndef TENON_IR_INTERPRET_OPS_H
#define TENON_IR_INTERPRET_OPS_H

#include "ir/interpret.h"

#define OP(name, text, stem, ...) bool interpret_##stem(Evaluation *evaluation);
#include "ir/ops.def"

#endif
