// Places for values whose size only the run knows: taken from the top of the workspace when their
// dims are known. Inside of a loop's turn the top falls back at its end, but for what the loop
// itself keeps; a state or a stack that grows moves to a place at least twice as large. A workspace
// that ends too early is TENON_E_WORKSPACE, and context->needed says how far this run got.
#include "codegen/internal.h"
#include "ir/sized.h"
#include "runtime/tenon.h"

struct LatePlace {
  Val pointer, capacity; // where these stand, on the stack
  bool made;             // a node that has been emitted gave it memory
};

void emit_late_begin(Compiled *compiled, Frame *frame, Val planned, Val room) {
  Nest *nest = frame->nest;
  int count = compiled->module->main->late_count;
  int64_t align = target_alignment(nest->target);
  if (!count) return;
  frame->late = NEW_ARRAY(compiled->arena, LatePlace, count);
  frame->room = room;
  frame->top = nest_local(nest, nest->index, 1, 0);
  nest_store(nest,
             nest_and(nest, nest_add(nest, planned, nest_const(nest, align - 1)),
                      nest_const(nest, -align)),
             frame->top, 0);
  for (int i = 0; i < count; i++) {
    frame->late[i].pointer = nest_local(nest, nest->pointer, 1, 0);
    frame->late[i].capacity = nest_local(nest, nest->index, 1, 0);
    nest_store(nest, frame->workspace, frame->late[i].pointer,
               0); // of nothing, as long as there is nothing
    nest_store(nest, nest_const(nest, 0), frame->late[i].capacity, 0);
  }
}

static const Placement *place_of(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return &value->placement;
}

bool emit_is_late(const Value *value) { return place_of(value)->kind == PLACE_LATE; }

static LatePlace *late_place(const Frame *frame, const Value *value) {
  return &frame->late[place_of(value)->offset];
}

Val emit_late_pointer(Frame *frame, const Value *value) {
  return nest_load(frame->nest, frame->nest->pointer, late_place(frame, value)->pointer, 0);
}

static void fail_for_room(Frame *frame, Val small, Val needed) {
  Nest *nest = frame->nest;
  Branch branch = nest_if(nest, small);
  emit_store_needed(frame, needed);
  LLVMBuildRet(nest->builder, nest_int(nest->i32, TENON_E_WORKSPACE));
  LLVMPositionBuilderAtEnd(nest->builder, branch.otherwise);
  LLVMDeleteBasicBlock(branch.join);
}

// Advances the top by the bytes, rounded up to *rounded; returns where it was.
static Val take_memory(Frame *frame, Val bytes, Val overflow, Val *rounded) {
  Nest *nest = frame->nest;
  int64_t align = target_alignment(nest->target);
  Val top = nest_load(nest, nest->index, frame->top, 0);
  Val whole = nest_and(nest, nest_add_checked(nest, bytes, nest_const(nest, align - 1), &overflow),
                       nest_const(nest, -align));
  Val end = nest_add_checked(nest, top, whole, &overflow);
  nest_fail_if(nest, overflow, TENON_E_DIM);
  fail_for_room(frame, nest_compare(nest, LLVMIntUGT, end, frame->room), end);
  nest_store(nest, end, frame->top, 0);
  *rounded = whole;
  return nest_address(nest, frame->workspace, nest->i8, top);
}

static void take(Frame *frame, LatePlace *place, Val bytes, Val overflow) {
  Val whole, memory = take_memory(frame, bytes, overflow, &whole);
  nest_store(frame->nest, memory, place->pointer, 0);
  nest_store(frame->nest, whole, place->capacity, 0);
}

Val emit_late_memory(Frame *frame, Val bytes, Val overflow) {
  Val whole;
  return take_memory(frame, bytes, overflow, &whole);
}

Val emit_late_rest(Frame *frame, Val *memory) {
  Nest *nest = frame->nest;
  Val top = nest_load(nest, nest->index, frame->top, 0), word = nest_local(nest, nest->index, 1, 0);
  *memory = nest_address(nest, frame->workspace, nest->i8, top);
  nest_store(nest, nest_sub(nest, frame->room, nest_umin(nest, top, frame->room)), word, 0);
  return word;
}

void emit_late_take(Frame *frame, Val word) {
  Val whole, bytes = nest_load(frame->nest, frame->nest->index, word, 0);
  take_memory(frame, bytes, NULL, &whole);
}

void emit_late_set(Frame *frame, const Value *list, Val pointer) {
  if (emit_is_late(list)) nest_store(frame->nest, pointer, late_place(frame, list)->pointer, 0);
}

void emit_late_value(Compiled *compiled, Frame *frame, const Value *value, const Type *type) {
  if (!emit_is_late(value)) return;
  LatePlace *place = late_place(frame, value);
  Val overflow = NULL;
  if (place->made) return; // it shares the place of what came before
  place->made = true;
  Val bytes = emit_checked_bytes(compiled, frame, type, &overflow);
  take(frame, place, bytes, overflow);
}

// Dims that the node itself finds count as the most that its operands allow.
void emit_late_results(Compiled *compiled, Frame *frame, const Node *node) {
  const Dim *found[MAX_SIZES] = {NULL};
  if (!frame->late) return;
  if (node_has_trait(node, SIZED)) sized_dims(node, found);
  for (int i = 0; i < node->result_count; i++) {
    Type type = node->results[i]->type;
    for (int k = 0; found[0] && k < type.rank; k++)
      if (type.dims[k] == found[0]) type.dims[k] = sized_limit(node);
    emit_late_value(compiled, frame, node->results[i], &type);
  }
}

void emit_late_empty(Frame *frame, const Value *value) {
  if (!emit_is_late(value)) return;
  LatePlace *place = late_place(frame, value);
  place->made = true;
  nest_store(frame->nest, nest_const(frame->nest, 0), place->capacity, 0);
}

void emit_late_fit(Frame *frame, const Value *value, Val bytes, Val kept, Val overflow, Val mark) {
  Nest *nest = frame->nest;
  if (!emit_is_late(value)) return;
  LatePlace *place = late_place(frame, value);
  if (overflow) nest_fail_if(nest, overflow, TENON_E_DIM);
  Val capacity = nest_load(nest, nest->index, place->capacity, 0), no_sum = NULL;
  Branch branch = nest_if(nest, nest_compare(nest, LLVMIntUGT, bytes, capacity));
  Val old = nest_load(nest, nest->pointer, place->pointer, 0);
  Val more = nest_add_checked(nest, bytes, capacity, &no_sum);
  take(frame, place, more, no_sum);
  if (kept) nest_copy(nest, nest_load(nest, nest->pointer, place->pointer, 0), old, kept);
  if (mark) nest_store(nest, nest_load(nest, nest->index, frame->top, 0), mark, 0);
  nest_end_if(nest, &branch);
}

Val emit_late_mark(Frame *frame) {
  Nest *nest = frame->nest;
  if (!frame->late) return NULL;
  Val mark = nest_local(nest, nest->index, 1, 0);
  nest_store(nest, nest_load(nest, nest->index, frame->top, 0), mark, 0);
  return mark;
}

void emit_late_fall_back(Frame *frame, Val mark) {
  if (mark)
    nest_store(frame->nest, nest_load(frame->nest, frame->nest->index, mark, 0), frame->top, 0);
}
