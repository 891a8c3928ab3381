// Loops, branches and functions: the only place that knows about basic blocks.
#include <assert.h>
#include <llvm-c/DebugInfo.h>
#include <string.h>

#include "codegen/nest.h"

static LLVMBasicBlockRef new_block(Nest *nest, const char *name) {
  return LLVMAppendBasicBlockInContext(nest->context, nest->function, name);
}

static void enter(Nest *nest, LLVMBasicBlockRef block) {
  LLVMPositionBuilderAtEnd(nest->builder, block);
}

// --- loops. entry -> header (phis, test) -> body .. -> header, exit. The rotated form is left to
// simplifycfg/loop-rotate; a loop that runs exactly once is not a loop at all.

static bool runs_once(Val low, Val high, Val step) {
  int64_t l, h, s;
  return nest_constant(low, &l) && nest_constant(high, &h) && nest_constant(step, &s) && l < h &&
         l + s >= h;
}

Loop nest_loop_begin(Nest *nest, Val low, Val high, Val step) {
  Loop loop = {.low = low, .high = high, .step = step};
  if (runs_once(low, high, step)) {
    loop.index = low;
    return loop;
  }
  loop.entry = LLVMGetInsertBlock(nest->builder);
  loop.header = new_block(nest, "loop");
  loop.body = new_block(nest, "body");
  loop.exit = new_block(nest, "after");
  LLVMBuildBr(nest->builder, loop.header);
  enter(nest, loop.header);
  loop.index = LLVMBuildPhi(nest->builder, LLVMTypeOf(low), "i");
  LLVMAddIncoming(loop.index, &low, &loop.entry, 1);
  Val more = nest_compare(nest, LLVMIntSLT, loop.index, high);
  LLVMBuildCondBr(nest->builder, more, loop.body, loop.exit);
  enter(nest, loop.body);
  return loop;
}

Loop nest_while_begin(Nest *nest, LLVMTypeRef index) {
  Loop loop = {.low = nest_int(index, 0), .step = nest_int(index, 1)};
  loop.entry = LLVMGetInsertBlock(nest->builder);
  loop.header = new_block(nest, "while");
  loop.body = new_block(nest, "body");
  loop.exit = new_block(nest, "after");
  LLVMBuildBr(nest->builder, loop.header);
  enter(nest, loop.header);
  loop.index = LLVMBuildPhi(nest->builder, index, "i");
  LLVMAddIncoming(loop.index, &loop.low, &loop.entry, 1);
  return loop;
}

void nest_while(Nest *nest, Loop *loop, Val condition) {
  LLVMBuildCondBr(nest->builder, condition, loop->body, loop->exit);
  enter(nest, loop->body);
}

int nest_carry(Nest *nest, Loop *loop, Val initial) {
  assert(loop->carried_count < MAX_CARRIED && "too many values carried through a loop");
  int which = loop->carried_count++;
  if (!loop->header) {
    loop->carried[which] = initial;
    return which;
  }
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  LLVMPositionBuilderBefore(nest->builder, LLVMGetFirstInstruction(loop->header));
  Val phi = LLVMBuildPhi(nest->builder, LLVMTypeOf(initial), "");
  LLVMAddIncoming(phi, &initial, &loop->entry, 1);
  enter(nest, here);
  loop->carried[which] = phi;
  return which;
}

void nest_carry_next(Loop *loop, int which, Val next) { loop->next[which] = next; }

// !{self, !{"llvm.loop.unroll.count", turns}}: a list that names itself belongs to this loop alone.
static void set_unroll(Nest *nest, Val branch, int turns) {
  static const char kind[] = "llvm.loop", property[] = "llvm.loop.unroll.count";
  LLVMMetadataRef count[] = {LLVMMDStringInContext2(nest->context, property, sizeof property - 1),
                             LLVMValueAsMetadata(nest_int(nest->i32, turns))},
                  self = LLVMTemporaryMDNode(nest->context, NULL, 0),
                  list[] = {self, LLVMMDNodeInContext2(nest->context, count, 2)},
                  node = LLVMMDNodeInContext2(nest->context, list, 2);
  LLVMMetadataReplaceAllUsesWith(self, node);
  LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(nest->context, kind, sizeof kind - 1),
                  LLVMMetadataAsValue(nest->context, node));
}

void nest_loop_end(Nest *nest, Loop *loop) {
  if (!loop->header) {
    for (int i = 0; i < loop->carried_count; i++)
      if (loop->next[i]) loop->carried[i] = loop->next[i];
    return;
  }
  Val next = LLVMBuildAdd(nest->builder, loop->index, loop->step, "");
  LLVMSetNSW(next, true);
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(nest->builder);
  Val back = LLVMBuildBr(nest->builder, loop->header);
  if (loop->unroll) set_unroll(nest, back, loop->unroll);
  LLVMAddIncoming(loop->index, &next, &latch, 1);
  for (int i = 0; i < loop->carried_count; i++) {
    Val value = loop->next[i] ? loop->next[i] : loop->carried[i];
    LLVMAddIncoming(loop->carried[i], &value, &latch, 1);
  }
  enter(nest, loop->exit);
}

// --- branches

Branch nest_if(Nest *nest, Val condition) {
  Branch branch = {.otherwise = new_block(nest, "else"), .join = new_block(nest, "join")};
  LLVMBasicBlockRef then = new_block(nest, "then");
  LLVMBuildCondBr(nest->builder, condition, then, branch.otherwise);
  enter(nest, then);
  return branch;
}

void nest_else(Nest *nest, Branch *branch) {
  branch->then_end = LLVMGetInsertBlock(nest->builder);
  LLVMBuildBr(nest->builder, branch->join);
  enter(nest, branch->otherwise);
  branch->otherwise = NULL;
}

void nest_end_if(Nest *nest, Branch *branch) {
  branch->else_end = LLVMGetInsertBlock(nest->builder);
  LLVMBuildBr(nest->builder, branch->join);
  if (branch->otherwise) {
    enter(nest, branch->otherwise);
    LLVMBuildBr(nest->builder, branch->join);
  }
  enter(nest, branch->join);
}

Val nest_merge(Nest *nest, const Branch *branch, Val then, Val otherwise) {
  assert(branch->then_end && branch->else_end && "both sides have been emitted");
  Val phi = LLVMBuildPhi(nest->builder, LLVMTypeOf(then), "");
  LLVMAddIncoming(phi, (Val[]){then, otherwise},
                  (LLVMBasicBlockRef[]){branch->then_end, branch->else_end}, 2);
  return phi;
}

void nest_fail_if(Nest *nest, Val condition, int code) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  if (!nest->failure) {
    nest->failure = new_block(nest, "fail");
    enter(nest, nest->failure);
    nest->failure_code = LLVMBuildPhi(nest->builder, nest->i32, "code");
    LLVMBuildRet(nest->builder, nest->failure_code);
    enter(nest, here);
  }
  Val value = LLVMConstInt(nest->i32, (uint64_t)code, false);
  LLVMAddIncoming(nest->failure_code, &value, &here, 1);
  LLVMBasicBlockRef next = new_block(nest, "ok");
  LLVMBuildCondBr(nest->builder, condition, nest->failure, next);
  enter(nest, next);
}

// --- functions

void nest_attribute(Nest *nest, Val function, int index, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  assert(kind && "no such attribute");
  LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)index,
                          LLVMCreateEnumAttribute(nest->context, kind, value));
}

void nest_string_attribute(Nest *nest, Val function, const char *name, const char *value) {
  LLVMAttributeRef attribute = LLVMCreateStringAttribute(
      nest->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

Val nest_function_begin(Nest *nest, const char *name, LLVMTypeRef result, LLVMTypeRef *parameters,
                        int count) {
  LLVMTypeRef type = LLVMFunctionType(result, parameters, (unsigned)count, false);
  Val function = LLVMAddFunction(nest->module, name, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  const int whole = (int)LLVMAttributeFunctionIndex;
  nest_attribute(nest, function, whole, "nounwind", 0);
  nest_string_attribute(nest, function, "target-cpu", nest->target->cpu);
  nest_string_attribute(nest, function, "target-features", nest->target->features);
  nest_string_attribute(nest, function, "no-builtins", "");
  nest_string_attribute(nest, function, "warn-stack-size", "0");
  if (nest->target->vector_bits == 512)
    nest_string_attribute(nest, function, "prefer-vector-width", "512");
  if (nest->size >= CODE_SHORT) nest_attribute(nest, function, whole, "optsize", 0);
  if (nest->size == CODE_SHORTEST) {
    nest_attribute(nest, function, whole, "minsize", 0);
    // Calls of what LLVM would cut out are in no call graph of ours, so their stack is not counted.
    nest_string_attribute(nest, function, "nooutline", "");
  }
  nest->function = function;
  nest->failure = NULL;
  enter(nest, new_block(nest, "entry"));
  return function;
}

void nest_function_end(Nest *nest, Val result) {
  if (result)
    LLVMBuildRet(nest->builder, result);
  else
    LLVMBuildRetVoid(nest->builder);
}
