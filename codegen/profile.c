// Profiles: a call of the context's clock before each op. Only for code that stays in this process.
#include "codegen/entry.h"
#include "codegen/internal.h"

enum { CONTEXT_CLOCK = 9, CONTEXT_USER = 10 }; // reserved[0], reserved[1]

void emit_clock(Compiled *compiled, Frame *frame, int op) {
  if (!compiled->options.profile) return;
  Nest *nest = frame->nest;
  LLVMTypeRef context = entry_context_type(nest), parameters[] = {nest->pointer, nest->i32};
  Val clock =
      nest_load(nest, nest->pointer,
                LLVMBuildStructGEP2(nest->builder, context, frame->context, CONTEXT_CLOCK, ""), 0);
  Val user =
      nest_load(nest, nest->pointer,
                LLVMBuildStructGEP2(nest->builder, context, frame->context, CONTEXT_USER, ""), 0);
  Val number = LLVMBuildPtrToInt(nest->builder, clock, nest->index, "");
  Branch present = nest_if(nest, nest_compare(nest, LLVMIntNE, number, nest_const(nest, 0)));
  LLVMTypeRef type = LLVMFunctionType(nest->nothing, parameters, 2, false);
  LLVMBuildCall2(nest->builder, type, clock, (Val[]){user, nest_int(nest->i32, op)}, 2, "");
  nest_end_if(nest, &present);
}

const Node *compiled_op(const Compiled *compiled, int op) {
  return op < compiled->op_node_count ? compiled->op_nodes[op] : NULL;
}
