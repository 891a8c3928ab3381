// if, loop and scan: regions are emitted inline. docs/placement.md says which values share memory.
//
// A dim that only a run knows (the number of iterations, the shape that a branch made) is a symbol
// outside; here it gets its value, so that later kernels use it like any other.
#include <assert.h>

#include "codegen/internal.h"
#include "codegen/kernels/movement.h"
#include "runtime/tenon.h"

enum { MAX_RUN_DIMS = 256 };

static const Value *holder_of(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return value;
}

static bool same_memory(const Value *a, const Value *b) {
  a = holder_of(a);
  b = holder_of(b);
  if (a == b) return true;
  return a->placement.kind == b->placement.kind && a->placement.offset == b->placement.offset &&
         a->placement.kind != PLACE_WEIGHTS;
}

static bool has_memory(const Value *value) {
  return holder_of(value)->placement.kind != PLACE_NONE;
}

// --- dims

// Region input dims that are symbols of the region take the dims of what goes in.
static void bind_symbols(Compiled *compiled, Frame *frame, const Type *inner, const Type *outer,
                         int skipped_axis) {
  for (int i = 0, k = 0; i < inner->rank; i++, k++) {
    if (k == skipped_axis) k++;
    int symbol = emit_lone_symbol(inner->dims[i]);
    if (symbol >= 0 && inner->dims[i] != outer->dims[k])
      frame->symbols[symbol] = emit_dim(compiled, frame, outer->dims[k]);
  }
}

// --- copies

static Kernel inline_kernel(Compiled *compiled, Frame *frame) {
  return (Kernel){.nest = frame->nest,
                  .target = compiled->target,
                  .arena = compiled->arena,
                  .diag = compiled->diag,
                  .symbols = frame->symbols};
}

// A dim that is not known yet is 0: only the stacked axis of a loop can be, whose size no copy
// needs.
static View view_of(Compiled *compiled, Frame *frame, const Value *value) {
  const Type *type = &value->type;
  View view = {.pointer = emit_pointer(compiled, frame, value),
               .type = type,
               .element = type->element,
               .rank = type->rank};
  Val stride = nest_const(frame->nest, 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    bool known = emit_dim_is_known(frame->symbols, type->dims[i]);
    view.dims[i] = known ? emit_dim(compiled, frame, type->dims[i]) : nest_const(frame->nest, 0);
    view.strides[i] = stride;
    stride = nest_mul(frame->nest, stride, view.dims[i]);
  }
  return view;
}

// All of `from`, by the shape of `from`. `mark`: of the loop whose state `to` is; NULL: none.
static void copy_value(Compiled *compiled, Frame *frame, const Value *to, const Value *from,
                       Val mark) {
  Val overflow = NULL;
  if (same_memory(to, from) || !has_memory(to)) return;
  if (type_is_list(&to->type)) {
    emit_late_set(frame, to, emit_pointer(compiled, frame, from));
    return;
  }
  if (emit_is_late(to)) {
    Val bytes = emit_checked_bytes(compiled, frame, &from->type, &overflow);
    emit_late_fit(frame, to, bytes, NULL, overflow, mark);
  }
  Kernel kernel = inline_kernel(compiled, frame);
  View view = view_of(compiled, frame, from);
  nest_copy(frame->nest, emit_pointer(compiled, frame, to), view.pointer,
            kernel_bytes(&kernel, &view));
}

// Slice `at` along an axis of `whole` from or to `slice`, which lacks that axis.
static void copy_slice(Compiled *compiled, Frame *frame, const Value *whole, int axis, Val at,
                       const Value *slice, bool out) {
  if (!has_memory(whole) || !has_memory(slice)) return;
  Nest *nest = frame->nest;
  Kernel kernel = inline_kernel(compiled, frame);
  View big = view_of(compiled, frame, whole), small = view_of(compiled, frame, slice);
  Val outer = move_product_value(nest, &small, 0, axis),
      inner = move_product_value(nest, &small, axis, small.rank);
  FOR (nest, i, nest_const(nest, 0), outer, 1) {
    Val in_big = nest_mul(nest, nest_add(nest, nest_mul(nest, i, big.dims[axis]), at), inner),
        in_small = nest_mul(nest, i, inner);
    if (out)
      move_run(&kernel, big.element, big.pointer, in_big, small.pointer, in_small, inner);
    else
      move_run(&kernel, big.element, small.pointer, in_small, big.pointer, in_big, inner);
  }
}

static Val load_bool(Compiled *compiled, Frame *frame, const Value *value) {
  Nest *nest = frame->nest;
  Val byte = nest_load(nest, nest->i8, emit_pointer(compiled, frame, value), 1);
  return nest_compare(nest, LLVMIntNE, byte, nest_int(nest->i8, 0));
}

// --- if

// Dims of results that differ between the branches go through memory.
typedef struct RunDims {
  int count;
  const Dim *dims[MAX_RUN_DIMS];
  int result[MAX_RUN_DIMS], axis[MAX_RUN_DIMS];
  Val slots[MAX_RUN_DIMS];
} RunDims;

static bool find_run_dims(Compiled *compiled, Frame *frame, const Node *node, RunDims *found) {
  for (int i = 0; i < node->result_count; i++)
    for (int k = 0; k < node->results[i]->type.rank; k++) {
      const Dim *dim = node->results[i]->type.dims[k];
      int symbol = emit_lone_symbol(dim);
      if (symbol < 0 || frame->symbols[symbol]) continue;
      if (found->count == MAX_RUN_DIMS)
        return diag_error(compiled->diag, node->loc, "more than %d dims that depend on the branch",
                          MAX_RUN_DIMS);
      found->dims[found->count] = dim;
      found->result[found->count] = i;
      found->axis[found->count] = k;
      found->slots[found->count++] = nest_local(frame->nest, frame->nest->index, 1, 0);
    }
  return true;
}

static bool emit_branch(Compiled *compiled, Frame *frame, const Node *node, const Graph *region,
                        const RunDims *dims) {
  for (int i = 0; i < region->input_count; i++)
    bind_symbols(compiled, frame, &region->inputs[i]->type, &node->operands[1 + i]->type, -1);
  if (!emit_graph(compiled, frame, region)) return false;
  for (int i = 0; i < region->output_count; i++) {
    emit_late_empty(frame, node->results[i]);
    copy_value(compiled, frame, node->results[i], region->outputs[i], NULL);
  }
  for (int i = 0; i < dims->count; i++) {
    const Dim *dim = region->outputs[dims->result[i]]->type.dims[dims->axis[i]];
    nest_store(frame->nest, emit_dim(compiled, frame, dim), dims->slots[i], 0);
  }
  return true;
}

static bool emit_if(Compiled *compiled, Frame *frame, const Node *node) {
  Nest *nest = frame->nest;
  RunDims dims = {.count = 0};
  if (!find_run_dims(compiled, frame, node, &dims)) return false;
  Branch branch = nest_if(nest, load_bool(compiled, frame, node->operands[0]));
  if (!emit_branch(compiled, frame, node, node->regions[0], &dims)) return false;
  nest_else(nest, &branch);
  if (!emit_branch(compiled, frame, node, node->regions[1], &dims)) return false;
  nest_end_if(nest, &branch);
  for (int i = 0; i < dims.count; i++)
    emit_define_symbol(frame, dims.dims[i], nest_load(nest, nest->index, dims.slots[i], 0));
  return true;
}

// --- what is carried from turn to turn

typedef struct Turns {
  Compiled *compiled;
  Frame *frame;
  const Node *node;
  const Graph *region;
  int carried, first_operand, first_input, first_output;
  Loop loop;
  Val mark;      // what late places lie below from turn to turn
  int dim_count; // dims of carried values, which may change from turn to turn
  int dim_value[MAX_RUN_DIMS], dim_axis[MAX_RUN_DIMS], dim_carry[MAX_RUN_DIMS];
} Turns;

// What a list or a string points to was made in any turn: then nothing falls back.
static bool keeps_memory(const Turns *t) {
  bool any = false;
  for (int i = 0; i < t->node->result_count; i++) {
    const Type *type = &t->node->results[i]->type;
    any |= type_is_list(type) || type->element == STR;
  }
  return any;
}

// The initial values into the memory of the results, where the state lies.
static void start_state(Turns *t) {
  for (int i = 0; i < t->carried; i++) {
    const Value *result = t->node->results[i], *initial = t->node->operands[t->first_operand + i];
    if (!same_memory(result, initial)) emit_late_empty(t->frame, result);
    copy_value(t->compiled, t->frame, result, initial, NULL);
  }
}

static bool symbol_is_carried(const Turns *t, int symbol) {
  for (int i = 0; i < t->dim_count; i++)
    if (emit_lone_symbol(
            t->region->inputs[t->first_input + t->dim_value[i]]->type.dims[t->dim_axis[i]]) ==
        symbol)
      return true;
  return false;
}

// Symbols of the carried inputs: the initial dims, then what each turn gives.
static bool carry_dims(Turns *t, const Val *initial) {
  for (int i = 0; i < t->dim_count; i++) {
    const Dim *dim = t->region->inputs[t->first_input + t->dim_value[i]]->type.dims[t->dim_axis[i]];
    t->dim_carry[i] = nest_carry(t->frame->nest, &t->loop, initial[i]);
    t->frame->symbols[emit_lone_symbol(dim)] = t->loop.carried[t->dim_carry[i]];
  }
  return true;
}

static bool find_carried_dims(Turns *t, Val *initial) {
  for (int i = 0; i < t->carried; i++) {
    const Type *inner = &t->region->inputs[t->first_input + i]->type,
               *outer = &t->node->operands[t->first_operand + i]->type;
    for (int k = 0; k < inner->rank; k++) {
      int symbol = emit_lone_symbol(inner->dims[k]);
      if (symbol < 0 || inner->dims[k] == outer->dims[k] || symbol_is_carried(t, symbol)) continue;
      if (t->dim_count == MAX_CARRIED / 2)
        return diag_error(t->compiled->diag, t->node->loc, "more than %d dims go from turn to turn",
                          MAX_CARRIED / 2);
      initial[t->dim_count] = emit_dim(t->compiled, t->frame, outer->dims[k]);
      t->dim_value[t->dim_count] = i;
      t->dim_axis[t->dim_count++] = k;
    }
  }
  return true;
}

// After a turn: the state for the next one.
static void hand_on(Turns *t) {
  Nest *nest = t->frame->nest;
  for (int i = 0; i < t->dim_count; i++) {
    const Dim *limit = t->node->results[t->dim_value[i]]->type.dims[t->dim_axis[i]];
    Val next =
        emit_dim(t->compiled, t->frame,
                 t->region->outputs[t->first_output + t->dim_value[i]]->type.dims[t->dim_axis[i]]);
    if (dim_high(limit) != DIM_UNBOUNDED) // what sized the memory of the state
      nest_fail_if(nest, nest_compare(nest, LLVMIntUGT, next, nest_const(nest, dim_high(limit))),
                   TENON_E_INDEX);
    nest_carry_next(&t->loop, t->dim_carry[i], next);
  }
  for (int i = 0; i < t->carried; i++) {
    const Value *output = t->region->outputs[t->first_output + i],
                *input = t->region->inputs[t->first_input + i];
    if (output != input) copy_value(t->compiled, t->frame, t->node->results[i], output, t->mark);
  }
  emit_late_fall_back(t->frame, t->mark);
}

// After the last turn: dims of the results that only the run knows.
static void define_carried_dims(Turns *t) {
  for (int i = 0; i < t->dim_count; i++)
    emit_define_symbol(t->frame, t->node->results[t->dim_value[i]]->type.dims[t->dim_axis[i]],
                       t->loop.carried[t->dim_carry[i]]);
}

static bool dims_are_known(const Turns *t, const Type *type, int but) {
  for (int i = 0; i < type->rank; i++)
    if (i != but && !emit_dim_is_known(t->frame->symbols, type->dims[i]))
      return diag_error(t->compiled->diag, t->node->loc,
                        "slices whose shape changes from turn to turn (dim %s) are not compiled",
                        dim_text(t->compiled->arena, type->dims[i]));
  return true;
}

// --- loop

// Results are stacked up to the room that they have.
static void check_room(Turns *t, Val turn) {
  Nest *nest = t->frame->nest;
  for (int i = t->carried; i < t->node->result_count; i++) {
    const Dim *length = t->node->results[i]->type.dims[0];
    bool known = emit_dim_is_known(t->frame->symbols, length);
    if (!known && dim_high(length) == DIM_UNBOUNDED) continue;
    Val room = known ? emit_dim(t->compiled, t->frame, length) : nest_const(nest, dim_high(length));
    nest_fail_if(nest, nest_compare(nest, LLVMIntUGE, turn, room), TENON_E_INDEX);
  }
}

// A stack without a bound grows by a slice.
static void grow_stack(Turns *t, const Value *stack, const Value *slice, Val turn) {
  Nest *nest = t->frame->nest;
  if (!emit_is_late(stack)) return;
  Val overflow = NULL, bytes = emit_checked_bytes(t->compiled, t->frame, &slice->type, &overflow);
  Val kept = nest_mul_checked(nest, bytes, turn, &overflow);
  emit_late_fit(t->frame, stack, nest_add_checked(nest, kept, bytes, &overflow), kept, overflow,
                t->mark);
}

static void write_turn(Turns *t, Val number, Val go_on) {
  Nest *nest = t->frame->nest;
  const Value *counter = t->region->inputs[0], *condition = t->region->inputs[1];
  if (has_memory(counter))
    nest_store(nest, number, emit_pointer(t->compiled, t->frame, counter), 8);
  if (has_memory(condition))
    nest_store(nest, nest_extend(nest, go_on, nest->i8, false),
               emit_pointer(t->compiled, t->frame, condition), 1);
}

static bool emit_loop(Compiled *compiled, Frame *frame, const Node *node) {
  Nest *nest = frame->nest;
  Turns t = {.compiled = compiled,
             .frame = frame,
             .node = node,
             .region = node->regions[0],
             .carried = node->operand_count - 2,
             .first_operand = 2,
             .first_input = 2,
             .first_output = 1};
  const Value *trips = node_operand(node, 0), *condition = node_operand(node, 1);
  Val limit = trips ? nest_load(nest, nest->i64, emit_pointer(compiled, frame, trips), 8)
                    : nest_int(nest->i64, INT64_MAX);
  Val first = condition ? load_bool(compiled, frame, condition) : nest_int(nest->i1, 1),
      initial[MAX_RUN_DIMS];
  if (!find_carried_dims(&t, initial)) return false;
  start_state(&t);
  for (int i = t.carried; i < node->result_count; i++) emit_late_empty(frame, node->results[i]);
  t.mark = keeps_memory(&t) ? NULL : emit_late_mark(frame);
  t.loop = nest_while_begin(nest, nest->i64);
  int go_on = nest_carry(nest, &t.loop, first);
  if (!carry_dims(&t, initial)) return false;
  Val turn = t.loop.index, more = nest_compare(nest, LLVMIntSLT, turn, limit);
  nest_while(nest, &t.loop, nest_and(nest, more, t.loop.carried[go_on]));
  write_turn(&t, turn, t.loop.carried[go_on]);
  if (!emit_graph(compiled, frame, t.region)) return false;
  nest_carry_next(&t.loop, go_on, load_bool(compiled, frame, t.region->outputs[0]));
  Val number = nest_extend(nest, turn, nest->index, true);
  check_room(&t, number);
  for (int i = t.carried; i < node->result_count; i++) {
    if (!dims_are_known(&t, &node->results[i]->type, 0)) return false;
    grow_stack(&t, node->results[i], t.region->outputs[1 + i], number);
    copy_slice(compiled, frame, node->results[i], 0, number, t.region->outputs[1 + i], true);
  }
  hand_on(&t);
  nest_loop_end(nest, &t.loop);
  define_carried_dims(&t);
  for (int i = t.carried; i < node->result_count; i++)
    emit_define_symbol(frame, node->results[i]->type.dims[0],
                       nest_extend(nest, t.loop.index, nest->index, true));
  return true;
}

// --- scan

static int axis_of(const Node *node, AttributeId list, int index, int rank) {
  int64_t axis = node_ints_at(node, list, index, 0);
  return (int)(axis < 0 ? axis + rank : axis);
}

static Val turned(Nest *nest, const Node *node, int direction, Val turn, Val length) {
  if (!node_ints_at(node, ATTR_SCAN_DIRECTIONS, direction, 0)) return turn;
  return nest_sub(nest, nest_sub(nest, length, nest_const(nest, 1)), turn);
}

static void take_slices(Turns *t, Val turn, Val length) {
  const Node *node = t->node;
  for (int i = t->carried; i < node->operand_count; i++) {
    int axis = axis_of(node, ATTR_SCAN_INPUT_AXES, i - t->carried, node->operands[i]->type.rank);
    Val at = turned(t->frame->nest, node, i - t->carried, turn, length);
    emit_late_value(t->compiled, t->frame, t->region->inputs[i], &t->region->inputs[i]->type);
    copy_slice(t->compiled, t->frame, node->operands[i], axis, at, t->region->inputs[i], false);
  }
}

static bool put_slices(Turns *t, Val turn, Val length) {
  const Node *node = t->node;
  int scanned = (int)node_int(node, ATTR_SCAN_INPUTS);
  for (int i = t->carried; i < node->result_count; i++) {
    int axis = axis_of(node, ATTR_SCAN_OUTPUT_AXES, i - t->carried, node->results[i]->type.rank);
    if (!dims_are_known(t, &node->results[i]->type, axis)) return false;
    Val at = turned(t->frame->nest, node, scanned + i - t->carried, turn, length);
    copy_slice(t->compiled, t->frame, node->results[i], axis, at, t->region->outputs[i], true);
  }
  return true;
}

static bool emit_scan(Compiled *compiled, Frame *frame, const Node *node) {
  Nest *nest = frame->nest;
  Turns t = {.compiled = compiled,
             .frame = frame,
             .node = node,
             .region = node->regions[0],
             .carried = node->operand_count - (int)node_int(node, ATTR_SCAN_INPUTS)};
  Val length = NULL, initial[MAX_RUN_DIMS];
  for (int i = t.carried; i < node->operand_count; i++) {
    const Type *whole = &node->operands[i]->type;
    int axis = axis_of(node, ATTR_SCAN_INPUT_AXES, i - t.carried, whole->rank);
    bind_symbols(compiled, frame, &t.region->inputs[i]->type, whole, axis);
    Val found = emit_dim(compiled, frame, whole->dims[axis]);
    if (length)
      nest_fail_if(nest, nest_compare(nest, LLVMIntNE, length, found), TENON_E_DIM);
    else
      length = found;
  }
  if (!find_carried_dims(&t, initial)) return false;
  start_state(&t);
  for (int i = t.carried; i < node->result_count; i++) {
    if (emit_is_late(node->results[i]) && !dims_are_known(&t, &node->results[i]->type, -1))
      return false;
    emit_late_value(compiled, frame, node->results[i], &node->results[i]->type);
  }
  t.mark = keeps_memory(&t) ? NULL : emit_late_mark(frame);
  t.loop = nest_while_begin(nest, nest->index);
  if (!carry_dims(&t, initial)) return false;
  Val turn = t.loop.index;
  nest_while(nest, &t.loop, nest_compare(nest, LLVMIntSLT, turn, length));
  take_slices(&t, turn, length);
  if (!emit_graph(compiled, frame, t.region) || !put_slices(&t, turn, length)) return false;
  hand_on(&t);
  nest_loop_end(nest, &t.loop);
  define_carried_dims(&t);
  return true;
}

bool emit_control(Compiled *compiled, Frame *frame, const Node *node) {
  if (node->op == OP_IF) return emit_if(compiled, frame, node);
  return node->op == OP_LOOP ? emit_loop(compiled, frame, node) : emit_scan(compiled, frame, node);
}
