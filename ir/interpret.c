// The interpreter's core: runs the nodes of a function in order, values freed after their last use.
//
// Values are malloc'd one by one, so that a large model needs the memory of what is alive, not of
// all it computes. What an op needs meanwhile comes from an arena of its node.
#include "ir/interpret.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/builder.h"
#include "ir/executor.h"
#include "ir/interpret_ops.h"
#include "ir/interpret_symbols.h"

static bool (*const interpreters[OP_COUNT])(Evaluation *) = {
#define OP(name, text, stem, ...) [OP_##name] = interpret_##stem,
#include "ir/ops.def"
};

// The values of a graph numbered from 0, with their numbers of uses; made once per graph.
typedef struct Plan {
  const Graph *graph;
  struct Plan *next;
  int low_id, id_count, slot_count;
  int *slot_of; // by value id - low_id
  int *uses;    // by slot
} Plan;

typedef struct InterpreterState {
  Arena *arena; // of the plans
  Plan *plans;
} InterpreterState;

typedef struct Slot {
  Tensor tensor;
  void *owned; // freed after the last use; NULL: somebody else's memory
  int uses;
} Slot;

typedef struct Frame {
  Interpretation *run;
  const Plan *plan;
  Slot *slots;
} Frame;

// --- plans

static void see_id(Plan *plan, const Value *value) {
  int high = plan->low_id + plan->id_count;
  int low = plan->id_count && plan->low_id < value->id ? plan->low_id : value->id;
  if (high < value->id + 1 || !plan->id_count) high = value->id + 1;
  plan->low_id = low;
  plan->id_count = high - low;
}

static void add_slot(Plan *plan, const Value *value) {
  plan->slot_of[value->id - plan->low_id] = plan->slot_count++;
}

static int slot_index(const Plan *plan, const Value *value) {
  assert(value->id >= plan->low_id && value->id < plan->low_id + plan->id_count &&
         "value of another graph");
  return plan->slot_of[value->id - plan->low_id];
}

static void count_uses(Plan *plan) {
  const Graph *graph = plan->graph;
  plan->uses = allocate((size_t)plan->slot_count * sizeof *plan->uses);
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->operand_count; i++)
      if (node->operands[i]) plan->uses[slot_index(plan, node->operands[i])]++;
  for (int i = 0; i < graph->output_count; i++) plan->uses[slot_index(plan, graph->outputs[i])]++;
}

static void free_plan(void *object) {
  Plan *plan = object;
  free(plan->slot_of);
  free(plan->uses);
}

static const Plan *plan_of(InterpreterState *state, const Graph *graph) {
  for (const Plan *plan = state->plans; plan; plan = plan->next)
    if (plan->graph == graph) return plan;
  Plan *plan = NEW(state->arena, Plan);
  *plan = (Plan){.graph = graph, .next = state->plans};
  state->plans = plan;
  for (int i = 0; i < graph->input_count; i++) see_id(plan, graph->inputs[i]);
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++) see_id(plan, node->results[i]);
  plan->slot_of = allocate((size_t)plan->id_count * sizeof *plan->slot_of);
  for (int i = 0; i < graph->input_count; i++) add_slot(plan, graph->inputs[i]);
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++) add_slot(plan, node->results[i]);
  count_uses(plan);
  arena_on_destroy(state->arena, free_plan, plan);
  return plan;
}

// --- one node

static bool is_aligned(const Tensor *tensor) {
  size_t bytes = tensor->element == STR || tensor->list
                     ? sizeof(void *)
                     : (size_t)element_info[tensor->element].bits / 8;
  if (tensor->element == C64 || tensor->element == C128) bytes /= 2;
  return bytes < 2 || (uintptr_t)tensor->data % bytes == 0;
}

// A result's dims, and zeroed memory for it unless its shape depends on data.
static bool prepare_result(const Interpretation *run, const Node *node, const Type *type,
                           Tensor *result) {
  if (type_is_list(type)) { // made by the op
    ListKind kind = type->kind == TYPE_SEQUENCE ? LIST_SEQUENCE : LIST_OPTIONAL;
    *result =
        (Tensor){.list = kind, .element = type_element(type)->element, .rank = 1, .dims = {-1}};
    return true;
  }
  *result = (Tensor){.element = type->element, .rank = type->rank};
  type_evaluate(type, run->symbols, result->dims);
  for (int i = 0; i < result->rank; i++) {
    if (result->dims[i] == -1 && !dim_is_bound(type->dims[i], run->symbols)) return true;
    if (result->dims[i] < 0)
      return diag_error(run->diag, node->loc, "%s: dim %d of the result, %s, would be %lld",
                        op_info[node->op].text, i,
                        dim_text(node->graph->module->arena, type->dims[i]),
                        (long long)result->dims[i]);
  }
  int64_t count, bytes;
  if (!tensor_checked_bytes(result->element, result->rank, result->dims, &count, &bytes))
    return diag_error(run->diag, node->loc, "%s: the result %s is too large",
                      op_info[node->op].text, type_text(node->graph->module->arena, type));
  result->bytes = (size_t)bytes;
  result->data = allocate(result->bytes);
  return true;
}

static void set_bytes(Tensor *tensor) {
  int64_t count = 0, bytes = 0;
  bool fits = tensor_checked_bytes(tensor->element, tensor->rank, tensor->dims, &count, &bytes);
  assert((fits || tensor->list) && "tensors have checked sizes");
  (void)fits;
  tensor->bytes = tensor->list ? (size_t)tensor->dims[0] * sizeof(Tensor) : (size_t)bytes;
}

// Data that an op put elsewhere (its arena, an operand) moves to memory of the result's own.
static void settle_result(const Type *type, Tensor *result, void *prepared, int64_t *symbols) {
  set_bytes(result);
  assert(result->data && "the op left a result without data");
  if (result->data != prepared || result->element == STR) {
    *result = tensor_copy_to(allocate(tensor_block_bytes(result)), result);
    free(prepared);
  }
  bind_dims(type, result, symbols, true);
}

static bool run_with_epilogue(Evaluation *own) {
  const Graph *region = node_epilogue(own->node);
  int own_count = node_own_operands(own->node), count = own->operand_count;
  Evaluation product = *own;
  Tensor result;
  product.operand_count = own_count;
  product.results = &result;
  if (!prepare_result(own->run, own->node, &region->inputs[0]->type, &result)) return false;
  void *prepared = result.data;
  bool done = interpreters[own->node->op](&product);
  Tensor *inputs = NEW_ARRAY(own->run->arena, Tensor, 1 + count - own_count);
  inputs[0] = result;
  for (int i = own_count; i < count; i++) inputs[1 + i - own_count] = own->operands[i];
  done = done && interpret_region(own->run, region, inputs, own->results);
  free(prepared);
  return done;
}

// Results get memory of their own by malloc.
static bool run_node(const Interpretation *run, const Node *node, const Tensor *operands,
                     Tensor *results) {
  Interpretation local = *run;
  local.arena = arena_create();
  Evaluation evaluation = {node, operands, node->operand_count, results, &local};
  void **prepared = NEW_ARRAY(local.arena, void *, node->result_count);
  bool done = true;
  memset(results, 0, (size_t)node->result_count * sizeof *results);
  for (int i = 0; i < node->result_count && done; i++) {
    done = prepare_result(run, node, &node->results[i]->type, &results[i]);
    prepared[i] = results[i].data;
  }
  if (done)
    done =
        node_epilogue(node) ? run_with_epilogue(&evaluation) : interpreters[node->op](&evaluation);
  for (int i = 0; i < node->result_count; i++) {
    // Only the frame's own symbols are behind run->symbols, so binding the new ones is ours to do.
    if (done)
      settle_result(&node->results[i]->type, &results[i], prepared[i],
                    (int64_t *)(uintptr_t)run->symbols);
    else
      free(prepared[i]);
  }
  arena_destroy(local.arena);
  return done;
}

// --- one graph

// For `node`, if one reads it alone.
static void set_borrowed(Slot *slot, const Tensor *tensor, const Node *node) {
  slot->tensor = *tensor;
  set_bytes(&slot->tensor);
  static char nothing[16];
  if (!slot->tensor.data) slot->tensor.data = nothing; // an empty tensor; NULL means absent
  if (is_aligned(tensor) || (node && node_has_trait(node, MOVES) && node->operand_count == 1))
    return;
  slot->owned = slot->tensor.data = allocate(slot->tensor.bytes);
  memcpy(slot->owned, tensor->data, slot->tensor.bytes);
}

static void release(Slot *slot) {
  free(slot->owned);
  *slot = (Slot){0};
}

static bool run_slot_node(Frame *frame, const Node *node, Tensor *operands, Tensor *results) {
  for (int i = 0; i < node->operand_count; i++)
    operands[i] = node->operands[i]
                      ? frame->slots[slot_index(frame->plan, node->operands[i])].tensor
                      : (Tensor){.data = NULL};
  if (node->op == OP_CONST) { // no copy: constants may be larger than all the rest
    Tensor tensor;
    bool known = value_tensor(node->results[0], &tensor);
    assert(known);
    if (known)
      set_borrowed(&frame->slots[slot_index(frame->plan, node->results[0])], &tensor, NULL);
    return known;
  }
  if (!run_node(frame->run, node, operands, results)) return false;
  for (int i = 0; i < node->result_count; i++) {
    Slot *slot = &frame->slots[slot_index(frame->plan, node->results[i])];
    slot->tensor = results[i];
    slot->owned = results[i].data;
  }
  return true;
}

static void release_unused(Frame *frame, const Node *node) {
  for (int i = 0; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    Slot *slot = &frame->slots[slot_index(frame->plan, node->operands[i])];
    if (--slot->uses == 0) release(slot);
  }
  for (int i = 0; i < node->result_count; i++) {
    Slot *slot = &frame->slots[slot_index(frame->plan, node->results[i])];
    if (slot->uses == 0) release(slot);
  }
}

static bool run_nodes(Frame *frame, const Graph *graph) {
  int most = 1;
  for (const Node *node = graph->first; node; node = node->next) {
    if (node->operand_count > most) most = node->operand_count;
    if (node->result_count > most) most = node->result_count;
  }
  Tensor *tensors = allocate(2 * (size_t)most * sizeof *tensors);
  bool done = true;
  for (const Node *node = graph->first; node && done; node = node->next) {
    done = run_slot_node(frame, node, tensors, tensors + most);
    if (done) release_unused(frame, node);
  }
  free(tensors);
  return done;
}

// Outputs go to run->arena.
static bool run_graph(Interpretation *run, const Graph *graph, const Tensor *inputs,
                      Tensor *outputs) {
  const Plan *plan = plan_of(run->state, graph);
  Frame frame = {run, plan, allocate((size_t)plan->slot_count * sizeof(Slot))};
  for (int i = 0; i < plan->slot_count; i++) frame.slots[i].uses = plan->uses[i];
  for (int i = 0; i < graph->input_count; i++)
    if (plan->uses[slot_index(plan, graph->inputs[i])])
      set_borrowed(&frame.slots[slot_index(plan, graph->inputs[i])], &inputs[i], NULL);
  bool done = run_nodes(&frame, graph);
  for (int i = 0; i < graph->output_count && done; i++) {
    outputs[i] = tensor_copy(run->arena, &frame.slots[slot_index(plan, graph->outputs[i])].tensor);
    outputs[i].name = graph->outputs[i]->name;
  }
  for (int i = 0; i < plan->slot_count; i++) release(&frame.slots[i]);
  free(frame.slots);
  return done;
}

bool interpret_region(Interpretation *run, const Graph *region, const Tensor *inputs,
                      Tensor *outputs) {
  int64_t *symbols = unbound_symbols(region);
  if (symbol_count(region))
    memcpy(symbols, run->symbols, (size_t)symbol_count(region) * sizeof *symbols);
  Interpretation inner = *run;
  inner.graph = region;
  inner.symbols = symbols;
  bool done =
      bind_inputs(region, inputs, symbols, run->diag) && run_graph(&inner, region, inputs, outputs);
  free(symbols);
  return done;
}

static bool interpret_with(InterpreterState *state, const Graph *graph, const Tensor *inputs,
                           Tensor *outputs, Arena *arena, Diag *diag) {
  int64_t *symbols = unbound_symbols(graph);
  Interpretation run = {arena, diag, graph, symbols, arena, state};
  bool done = bind_inputs(graph, inputs, symbols, diag) && run_graph(&run, graph, inputs, outputs);
  free(symbols);
  return done;
}

bool interpret(const Graph *graph, const Tensor *inputs, Tensor *outputs, Arena *arena,
               Diag *diag) {
  InterpreterState state = {arena_create(), NULL};
  bool done = interpret_with(&state, graph, inputs, outputs, arena, diag);
  arena_destroy(state.arena);
  return done;
}

// Small tensors are copied: a block of its own for each would be many.
static Tensor hand_over(Arena *arena, const Tensor *result) {
  enum { SMALL = 1 << 16 };
  if (result->bytes >= SMALL && !result->list && result->element != STR) {
    arena_adopt(arena, result->data, result->bytes);
    return *result;
  }
  Tensor copy = tensor_copy(arena, result);
  free(result->data);
  return copy;
}

bool interpret_node(const Node *node, const Tensor *operands, Tensor *results, Arena *arena,
                    Diag *diag) {
  InterpreterState state = {arena_create(), NULL};
  int64_t *symbols = unbound_symbols(node->graph);
  Interpretation run = {arena, diag, node->graph, symbols, arena, &state};
  for (int lone = 1; lone >= 0; lone--)
    for (int i = 0; i < node->operand_count; i++)
      if (node->operands[i]) bind_dims(&node->operands[i]->type, &operands[i], symbols, lone);
  Slot *slots = allocate((size_t)node->operand_count * sizeof *slots);
  Tensor *aligned = NEW_ARRAY(state.arena, Tensor, node->operand_count);
  for (int i = 0; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    set_borrowed(&slots[i], &operands[i], node);
    aligned[i] = slots[i].tensor;
  }
  bool done = run_node(&run, node, aligned, results);
  for (int i = 0; i < node->result_count && done; i++) results[i] = hand_over(arena, &results[i]);
  for (int i = 0; i < node->operand_count; i++) release(&slots[i]);
  free(slots);
  free(symbols);
  arena_destroy(state.arena);
  return done;
}

// --- executor

struct Program {
  const Graph *graph; // a copy
};

static void destroy_arena(void *arena) { arena_destroy(arena); }

static Program *executor_prepare(Executor *executor, const Graph *graph, Arena *arena, Diag *diag) {
  (void)executor;
  Program *program = NEW(arena, Program);
  Arena *own = arena_create();
  arena_on_destroy(arena, destroy_arena, own);
  Module *module = module_create(own, diag, graph->module->name);
  module->source = graph->module->source;
  program->graph = graph_clone(module, graph);
  return program;
}

static bool executor_run(Executor *executor, Program *program, const Tensor *inputs,
                         Tensor *outputs, Arena *arena, Diag *diag) {
  (void)executor;
  return interpret(program->graph, inputs, outputs, arena, diag);
}

Executor *executor_interpreter(Arena *arena) {
  Executor *executor = NEW(arena, Executor);
  *executor = (Executor){.row = "interpreter", .prepare = executor_prepare, .run = executor_run};
  return executor;
}
