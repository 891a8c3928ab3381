// Kernels of nodes: made once per key, called for each node.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/dim_checks.h"
#include "codegen/entry.h"
#include "codegen/internal.h"
#include "codegen/key.h"
#include "ir/builder.h"
#include "ir/sized.h"
#include "runtime/tenon.h"

Val emit_dim(Compiled *compiled, Frame *frame, const Dim *dim) {
  Kernel kernel = {.nest = frame->nest, .symbols = frame->symbols, .arena = compiled->arena};
  return kernel_dim(&kernel, dim);
}

bool emit_dim_is_known(const Val *symbols, const Dim *dim) {
  for (int i = 0; i < dim_term_count(dim); i++)
    for (int k = 0; k < dim_terms(dim)[i].atom_count; k++) {
      const Atom *atom = dim_terms(dim)[i].atoms[k];
      bool known = atom->kind == ATOM_SYMBOL ? symbols[atom->index] != NULL
                                             : emit_dim_is_known(symbols, atom->left) &&
                                                   emit_dim_is_known(symbols, atom->right);
      if (!known) return false;
    }
  return true;
}

int emit_lone_symbol(const Dim *dim) {
  return dim_symbol_name(dim) ? dim_terms(dim)[0].atoms[0]->index : -1;
}

void emit_define_symbol(Frame *frame, const Dim *dim, Val value) {
  int symbol = emit_lone_symbol(dim);
  if (symbol < 0 || frame->symbols[symbol]) return;
  Nest *nest = frame->nest;
  frame->symbols[symbol] = value;
  if (dim_high(dim) == DIM_UNBOUNDED) return;
  nest_fail_if(nest, nest_compare(nest, LLVMIntUGT, value, nest_const(nest, dim_high(dim))),
               TENON_E_INDEX);
}

static Val at_offset(Frame *frame, Val base, int64_t offset) {
  return nest_address(frame->nest, base, frame->nest->i8, nest_const(frame->nest, offset));
}

static Val segment_pointer(Compiled *compiled, Frame *frame, int segment) {
  const PlacedSegment *placed = &compiled->weights.segments[segment];
  return at_offset(frame, placed->home == HOME_DECODED ? frame->decoded : frame->weights,
                   placed->offset);
}

// Which of the graph's outputs the value is.
static int output_number(const Value *value) {
  const Graph *graph = value->graph;
  int number = 0;
  while (number < graph->output_count && graph->outputs[number] != value) number++;
  assert(number < graph->output_count && "placed as an output, but is none");
  return number;
}

static Val input_pointer(Compiled *compiled, Frame *frame, int number) {
  if (frame->input_pointers) return frame->input_pointers[number];
  return entry_load_word(frame->nest, frame->input_words, compiled->interface->inputs[number].word,
                         frame->nest->pointer);
}

static Val output_pointer(Compiled *compiled, Frame *frame, int number) {
  if (frame->output_pointers) return frame->output_pointers[number];
  return entry_load_word(frame->nest, frame->output_words,
                         compiled->interface->outputs[number].word, frame->nest->pointer);
}

Val emit_pointer(Compiled *compiled, Frame *frame, const Value *value) {
  const Constant *constant = value_constant(value);
  if (constant && !constant->bytes)
    return frame->workspace; // nothing is read there, and there may be no weights
  if (constant && value->type.element == STR) return emit_strings(compiled, constant);
  if (constant)
    return segment_pointer(
        compiled, frame,
        weights_add_dense(&compiled->weights, constant, &value->type, compiled->target));
  const Placement *place = &value->placement;
  switch (place->kind) {
  case PLACE_WORKSPACE: return at_offset(frame, frame->workspace, place->offset);
  case PLACE_FAST: return at_offset(frame, frame->fast, place->offset);
  case PLACE_OPEN:
    return nest_address(frame->nest, frame->workspace, frame->nest->i8, frame->open[place->offset]);
  case PLACE_LATE: return emit_late_pointer(frame, value);
  case PLACE_INPUT: return input_pointer(compiled, frame, value->index);
  case PLACE_OUTPUT: return output_pointer(compiled, frame, output_number(value));
  case PLACE_ALIAS: return emit_pointer(compiled, frame, place->alias);
  case PLACE_WEIGHTS:
  case PLACE_NONE: break;
  }
  assert(false && "value has not been placed");
  return NULL;
}

// --- the kernel function of a node

// One-element constants of pointwise bodies are immediates; their values belong to the key.
static bool is_inlined(const Node *node, int operand) {
  int64_t count;
  const Value *value = node->operands[operand];
  bool pointwise = node_has_trait(node, POINTWISE) || operand >= node_own_operands(node);
  return pointwise && value_is_constant(value) && value->type.element != STR &&
         type_max_count(&value->type, &count) && count == 1;
}

static bool is_parameter(const KernelRow *row, const Node *node, int operand) {
  const Value *value = node->operands[operand];
  if (!value || is_inlined(node, operand)) return false;
  return !(row->packed_operands >> operand & 1 && value_is_constant(value));
}

static void make_view(Kernel *kernel, View *view, const Type *type, Val pointer) {
  *view = (View){.pointer = pointer, .type = type, .element = type->element, .rank = type->rank};
  Val stride = nest_const(kernel->nest, 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    bool known = emit_dim_is_known(kernel->symbols, type->dims[i]);
    view->dims[i] = known ? kernel_dim(kernel, type->dims[i]) : NULL;
    view->strides[i] = stride;
    if (i) stride = stride && known ? nest_mul(kernel->nest, stride, view->dims[i]) : NULL;
  }
}

static const Value *storage_of(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return value;
}

// In-place results share memory with an operand: neither may be noalias then.
static bool overlaps(const Node *node, const Value *value) {
  const Placement *place = &storage_of(value)->placement;
  int same = 0;
  for (int i = 0; i < node->operand_count + node->result_count; i++) {
    const Value *other =
        i < node->operand_count ? node->operands[i] : node->results[i - node->operand_count];
    if (!other || value_is_constant(other)) continue;
    const Placement *there = &storage_of(other)->placement;
    same += there->kind == place->kind && there->offset == place->offset;
  }
  return same > 1;
}

static bool is_in_place(const Node *node) {
  for (int i = 0; i < node->result_count; i++)
    if (overlaps(node, node->results[i])) return true;
  return false;
}

typedef struct Parameters {
  LLVMTypeRef *types;
  const Value **values; // NULL: a packed segment or a number
  int count, text;      // which one is memory for strings, -1: none
} Parameters;

// Pointers that traits ask for: found sizes, memory for strings and its room.
static int trait_parameters(const Node *node) {
  return node_has_trait(node, SIZED) + 2 * node_has_trait(node, MAKES_TEXT);
}

// Pointers to tensors and packed segments, those of traits, the values of symbols, begin and end.
static int most_parameters(const Node *node, int packed, int symbols) {
  return node->operand_count + node->result_count + packed + trait_parameters(node) + symbols + 2;
}

static void add_parameter(Parameters *parameters, LLVMTypeRef type, const Value *value) {
  parameters->types[parameters->count] = type;
  parameters->values[parameters->count++] = value;
}

static Parameters list_parameters(Compiled *compiled, const KernelRow *row, const Node *node,
                                  int packed, int symbols) {
  Nest *nest = &compiled->nest;
  int most = most_parameters(node, packed, symbols);
  Parameters parameters = {.types = NEW_ARRAY(compiled->arena, LLVMTypeRef, most),
                           .values = NEW_ARRAY(compiled->arena, const Value *, most),
                           .text = -1};
  for (int i = 0; i < node->operand_count; i++)
    if (is_parameter(row, node, i)) add_parameter(&parameters, nest->pointer, node->operands[i]);
  for (int i = 0; i < node->result_count; i++)
    add_parameter(&parameters, nest->pointer, node->results[i]);
  for (int i = 0; i < packed; i++) add_parameter(&parameters, nest->pointer, NULL);
  if (node_has_trait(node, MAKES_TEXT))
    parameters.text = parameters.count + node_has_trait(node, SIZED);
  for (int i = trait_parameters(node); i > 0; i--) add_parameter(&parameters, nest->pointer, NULL);
  for (int i = 0; i < symbols + 2; i++)
    add_parameter(&parameters, nest->index, NULL); // and begin, end
  return parameters;
}

static void mark_parameters(Compiled *compiled, const Node *node, Val function,
                            const Parameters *parameters) {
  Nest *nest = &compiled->nest;
  for (int i = 0; i < parameters->count; i++) {
    if (parameters->types[i] != nest->pointer || i == parameters->text)
      continue; // which results point to
    nest_attribute(nest, function, i + 1, "nocapture", 0);
    if (!parameters->values[i] || !overlaps(node, parameters->values[i]))
      nest_attribute(nest, function, i + 1, "noalias", 0);
  }
}

static void fill_views(Kernel *kernel, const KernelRow *row, Val function) {
  const Node *node = kernel->node;
  unsigned next = 0;
  assert(node->operand_count <= MAX_VIEWS && node->result_count <= MAX_VIEWS);
  kernel->operand_count = node->operand_count;
  kernel->result_count = node->result_count;
  unsigned pointers = 0;
  for (int i = 0; i < node->operand_count; i++) pointers += is_parameter(row, node, i);
  pointers += (unsigned)(node->result_count + kernel->packed_count + trait_parameters(node));
  for (int i = 0; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    Val pointer = is_parameter(row, node, i) ? LLVMGetParam(function, next++) : NULL;
    make_view(kernel, &kernel->operands[i], &node->operands[i]->type, pointer);
  }
  for (int i = 0; i < node->result_count; i++)
    make_view(kernel, &kernel->results[i], &node->results[i]->type, LLVMGetParam(function, next++));
  for (int i = 0; i < kernel->packed_count; i++) kernel->packed[i] = LLVMGetParam(function, next++);
  if (node_has_trait(node, SIZED)) kernel->sizes = LLVMGetParam(function, next++);
  if (node_has_trait(node, MAKES_TEXT)) {
    kernel->text = LLVMGetParam(function, next++);
    kernel->room = LLVMGetParam(function, next++);
  }
  assert(next == pointers);
  (void)pointers;
}

const char *emit_function_name(Compiled *compiled, const Node *node) {
  const char *name = node->loc.node && *node->loc.node ? node->loc.node : op_info[node->op].text;
  return arena_printf(compiled->arena, "%s_%s_%s", compiled->interface->prefix,
                      op_info[node->op].text, interface_identifier(compiled->arena, name));
}

// The row of a kernel that does without vectors.
static const Target *scalar_target(Compiled *compiled) {
  Target *row = NEW(compiled->arena, Target);
  *row = *compiled->target;
  row->vector_bits = 0;
  return row;
}

static bool lower_kernel(Compiled *compiled, KernelFunction *kernel_function, const Node *node,
                         int packed_count) {
  Nest *nest = &compiled->nest;
  Nest saved = *nest;
  nest->size = kernel_function->code.size;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  Parameters parameters = list_parameters(compiled, kernel_function->row, node, packed_count,
                                          kernel_function->symbol_count);
  kernel_function->fallible = node_has_trait(node, FALLIBLE);
  LLVMTypeRef result = kernel_function->fallible ? nest->i32 : nest->nothing;
  Val function = nest_function_begin(nest, emit_function_name(compiled, node), result,
                                     parameters.types, parameters.count);
  nest_attribute(nest, function, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  mark_parameters(compiled, node, function, &parameters);
  Val *symbols = NEW_ARRAY(compiled->arena, Val, dim_symbol_count(compiled->module->dims));
  unsigned first_symbol = (unsigned)(parameters.count - 2 - kernel_function->symbol_count);
  for (int i = 0; i < kernel_function->symbol_count; i++)
    symbols[kernel_function->symbols[i]] = LLVMGetParam(function, first_symbol + (unsigned)i);
  Kernel kernel = {.nest = nest,
                   .node = node,
                   .target =
                       kernel_function->code.scalar ? scalar_target(compiled) : compiled->target,
                   .packed_count = packed_count,
                   .arena = compiled->arena,
                   .diag = compiled->diag,
                   .symbols = symbols,
                   .begin = LLVMGetParam(function, (unsigned)parameters.count - 2),
                   .end = LLVMGetParam(function, (unsigned)parameters.count - 1),
                   .in_place = is_in_place(node),
                   .trust_indices = compiled->options.trust_indices};
  if (!target_has(compiled->target, TARGET_HOSTED)) kernel.begin = kernel.end = NULL;
  fill_views(&kernel, kernel_function->row, function);
  bool lowered = kernel_function->row->lower(&kernel);
  nest_function_end(nest, kernel_function->fallible ? nest_int(nest->i32, 0) : NULL);
  kernel_function->function = function;
  kernel_function->parallel = kernel.parallel;
  nest->function = saved.function;
  nest->size = saved.size;
  nest->failure = saved.failure;
  nest->failure_code = saved.failure_code;
  if (here) LLVMPositionBuilderAtEnd(nest->builder, here);
  return lowered;
}

static KernelFunction *kernel_function_of(Compiled *compiled, const Node *node,
                                          const KernelRow *row, int packed_count) {
  const char *key = kernel_key(compiled->arena, node, row);
  WorkCode code = work_code(compiled, node, row, key);
  for (KernelFunction *known = compiled->kernels; known; known = known->next)
    if (known->row == row && known->code.size <= code.size && known->code.scalar <= code.scalar &&
        !strcmp(known->key, key))
      return known;
  KernelFunction *made = NEW(compiled->arena, KernelFunction);
  *made = (KernelFunction){.key = key, .row = row, .code = code};
  made->symbols =
      kernel_symbols(compiled->arena, compiled->module->dims, node, &made->symbol_count);
  if (!lower_kernel(compiled, made, node, packed_count)) return NULL;
  made->next = compiled->kernels;
  compiled->kernels = made;
  compiled->kernel_count++;
  return made;
}

// --- calls

// Arguments of a kernel as an array of words: units per task and their number, then the parameters.
enum { WORD_EACH, WORD_EXTENT, FIRST_PARAMETER, FEW_WORDS = 16 };

// Of a kernel: with three more arguments, what x86-64 has registers for.
enum { DIRECT_PARAMETERS = 3 };

static Val word_at(Nest *nest, Val words, int word) {
  return nest_address(nest, words, nest->index, nest_const(nest, word));
}

static Val load_word(Nest *nest, LLVMTypeRef type, Val words, int word) {
  return nest_load(nest, type, word_at(nest, words, word), nest->target->pointer_bits / 8);
}

static void store_word(Nest *nest, Val value, Val words, int word) {
  nest_store(nest, value, word_at(nest, words, word), nest->target->pointer_bits / 8);
}

typedef struct Interrupted {
  Nest nest;
  LLVMBasicBlockRef here;
} Interrupted;

static Interrupted interrupt(Nest *nest) {
  return (Interrupted){*nest, LLVMGetInsertBlock(nest->builder)};
}

static void resume(Nest *nest, const Interrupted *interrupted) {
  nest->function = interrupted->nest.function;
  nest->failure = interrupted->nest.failure;
  nest->failure_code = interrupted->nest.failure_code;
  LLVMPositionBuilderAtEnd(nest->builder, interrupted->here);
}

// A kernel's loop over independent units, for parallel_for: void task(void *words, size_t task).
static Val task_function(Compiled *compiled, KernelFunction *kernel, LLVMTypeRef type, int count) {
  if (kernel->task) return kernel->task;
  Nest *nest = &compiled->nest;
  Interrupted caller = interrupt(nest);
  const char *name = arena_printf(compiled->arena, "%s_task", LLVMGetValueName(kernel->function));
  Val task = nest_function_begin(nest, name, nest->nothing,
                                 (LLVMTypeRef[]){nest->pointer, nest->index}, 2);
  Val words = LLVMGetParam(task, 0), *arguments = NEW_ARRAY(compiled->arena, Val, count);
  LLVMTypeRef *types = NEW_ARRAY(compiled->arena, LLVMTypeRef, count);
  LLVMGetParamTypes(type, types);
  for (int i = 0; i < count - 2; i++)
    arguments[i] = load_word(nest, types[i], words, FIRST_PARAMETER + i);
  Val each = load_word(nest, nest->index, words, WORD_EACH),
      begin = nest_mul(nest, LLVMGetParam(task, 1), each);
  arguments[count - 2] = begin;
  arguments[count - 1] =
      nest_min(nest, nest_add(nest, begin, each), load_word(nest, nest->index, words, WORD_EXTENT));
  LLVMBuildCall2(nest->builder, type, kernel->function, arguments, (unsigned)count, "");
  nest_function_end(nest, NULL);
  resume(nest, &caller);
  return kernel->task = task;
}

// void spread(executor, task, extent, words): all units as one task without an executor, else by
// its parallel_for. One function for all kernels: calls of both kinds behind each op would be a
// fifth of a small model's code. `direct`: a few pointers instead of words, for the same reason.
static Val spread_function(Compiled *compiled, bool direct) {
  if (compiled->spread[direct]) return compiled->spread[direct];
  Nest *nest = &compiled->nest;
  Interrupted caller = interrupt(nest);
  enum { OWN = 3 };
  LLVMTypeRef types[OWN + DIRECT_PARAMETERS] = {nest->pointer, nest->pointer, nest->index};
  int parameters = direct ? DIRECT_PARAMETERS : 1;
  for (int i = 0; i < parameters; i++) types[OWN + i] = nest->pointer;
  const char *name = arena_printf(compiled->arena, "%s_spread%s", compiled->interface->prefix,
                                  direct ? "_pointers" : "");
  Val spread = nest_function_begin(nest, name, nest->nothing, types, OWN + parameters);
  nest_attribute(nest, spread, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  Val executor = LLVMGetParam(spread, 0), task = LLVMGetParam(spread, 1),
      extent = LLVMGetParam(spread, 2), words = LLVMGetParam(spread, OWN);
  if (direct) words = nest_local(nest, nest->index, FIRST_PARAMETER + DIRECT_PARAMETERS, 0);
  for (int i = 0; direct && i < DIRECT_PARAMETERS; i++)
    store_word(nest, LLVMGetParam(spread, (unsigned)(OWN + i)), words, FIRST_PARAMETER + i);
  Val one = nest_const(nest, 1);
  store_word(nest, extent, words, WORD_EXTENT);
  Val absent =
      nest_compare(nest, LLVMIntEQ, LLVMBuildPtrToInt(nest->builder, executor, nest->index, ""),
                   nest_const(nest, 0));
  Branch serial = nest_if(nest, nest_or(nest, absent, nest_compare(nest, LLVMIntSLE, extent, one)));
  store_word(nest, extent, words, WORD_EACH);
  LLVMTypeRef task_type =
      LLVMFunctionType(nest->nothing, (LLVMTypeRef[]){nest->pointer, nest->index}, 2, false);
  LLVMBuildCall2(nest->builder, task_type, task, (Val[]){words, nest_const(nest, 0)}, 2, "");
  nest_else(nest, &serial);
  Val tasks = nest_min(nest, extent, nest_const(nest, MAX_TASKS));
  Val each = nest_udiv(nest, nest_sub(nest, nest_add(nest, extent, tasks), one), tasks);
  store_word(nest, each, words, WORD_EACH);
  LLVMTypeRef callback = LLVMFunctionType(
      nest->nothing, (LLVMTypeRef[]){nest->pointer, nest->index, nest->pointer, nest->pointer}, 4,
      false);
  Val parallel_for = nest_load(nest, nest->pointer, executor, 0);
  Val own = nest_load(nest, nest->pointer, nest_address(nest, executor, nest->index, one), 0);
  tasks = nest_udiv(nest, nest_sub(nest, nest_add(nest, extent, each), one), each);
  LLVMBuildCall2(nest->builder, callback, parallel_for, (Val[]){own, tasks, task, words}, 4, "");
  nest_end_if(nest, &serial);
  nest_function_end(nest, NULL);
  resume(nest, &caller);
  return compiled->spread[direct] = spread;
}

// False: there are too many parameters, or not all are pointers.
static bool call_spread_direct(Compiled *compiled, Frame *frame, Val task, const Val *arguments,
                               int count, Val extent) {
  Nest *nest = frame->nest;
  if (count > DIRECT_PARAMETERS) return false;
  for (int i = 0; i < count; i++)
    if (LLVMTypeOf(arguments[i]) != nest->pointer) return false;
  Val all[] = {frame->executor, task, extent, NULL, NULL, NULL};
  for (int i = 0; i < DIRECT_PARAMETERS; i++)
    all[3 + i] = i < count ? arguments[i] : LLVMGetUndef(nest->pointer);
  Val spread = spread_function(compiled, true);
  LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(spread), spread, all, 3 + DIRECT_PARAMETERS,
                 "");
  return true;
}

// `count`: of the kernel's parameters, the units to do included.
static void call_spread(Compiled *compiled, Frame *frame, KernelFunction *kernel, LLVMTypeRef type,
                        Val *arguments, int count, Val extent) {
  Nest *nest = frame->nest;
  Val task = task_function(compiled, kernel, type, count);
  if (call_spread_direct(compiled, frame, task, arguments, count - 2, extent)) return;
  Val spread = spread_function(compiled, false);
  if (count > frame->task_word_count) { // calls share one array: each is over before the next
    frame->task_word_count = count > FEW_WORDS ? count : FEW_WORDS;
    frame->task_words = nest_local(nest, nest->index, frame->task_word_count, 0);
  }
  for (int i = 0; i < count - 2; i++)
    store_word(nest, arguments[i], frame->task_words, FIRST_PARAMETER + i);
  LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(spread), spread,
                 (Val[]){frame->executor, task, extent, frame->task_words}, 4, "");
}

// Work below about this many cycles is not worth the other threads' attention.
static const double parallel_cycles = 8192;

static bool worth_threads(const Node *node) { return work_cycles(node) >= parallel_cycles; }

void emit_return_if_failed(Nest *nest, Val code) {
  Branch branch = nest_if(nest, nest_compare(nest, LLVMIntNE, code, nest_int(nest->i32, 0)));
  LLVMBuildRet(nest->builder, code);
  LLVMPositionBuilderAtEnd(nest->builder, branch.otherwise);
  LLVMDeleteBasicBlock(branch.join);
}

static void call_kernel(Compiled *compiled, Frame *frame, KernelFunction *kernel, const Node *node,
                        Val *arguments, int count) {
  Nest *nest = frame->nest;
  LLVMTypeRef type = LLVMGlobalGetValueType(kernel->function);
  Val extent = kernel->parallel ? emit_dim(compiled, frame, kernel->parallel) : nest_const(nest, 0);
  arguments[count++] = nest_const(nest, 0);
  arguments[count++] = extent;
  if (!kernel->parallel || !frame->executor || kernel->fallible || !worth_threads(node)) {
    Val code =
        LLVMBuildCall2(nest->builder, type, kernel->function, arguments, (unsigned)count, "");
    if (kernel->fallible) emit_return_if_failed(nest, code);
    return;
  }
  call_spread(compiled, frame, kernel, type, arguments, count, extent);
}

// From here on a failure is that of `op`: only ops of which this may be said need a name in the
// object.
static void set_op(Compiled *compiled, Frame *frame, int op) {
  Nest *nest = frame->nest;
  compiled->op_reported[op] = true;
  nest_store(nest, nest_int(nest->i32, op),
             nest_address(nest, frame->context, nest->i32, nest_const(nest, 1)), 0);
}

bool emit_symbols_known(Compiled *compiled, const Frame *frame, const Node *node,
                        const KernelFunction *kernel) {
  for (int i = 0; i < kernel->symbol_count; i++)
    if (!frame->symbols[kernel->symbols[i]])
      return diag_error(compiled->diag, node->loc,
                        "dim '%s' depends on data that is not known here",
                        dim_symbol_at(compiled->module->dims, kernel->symbols[i])->name);
  return true;
}

// The dims that a kernel has found are symbols from here on.
static void define_sizes(Frame *frame, const Node *node, Val sizes) {
  const Dim *found[MAX_SIZES];
  int count = sized_dims(node, found);
  for (int i = 0; i < count; i++) {
    Val address = nest_address(frame->nest, sizes, frame->nest->index, nest_const(frame->nest, i));
    emit_define_symbol(frame, found[i], nest_load(frame->nest, frame->nest->index, address, 0));
  }
}

bool emit_node(Compiled *compiled, Frame *frame, const Node *node, int op) {
  if (node_has_trait(node, REGIONS) && !node_has_trait(node, POINTWISE)) {
    set_op(compiled, frame, op);
    return emit_control(compiled, frame, node);
  }
  if (emit_is_list_node(node)) {
    set_op(compiled, frame, op);
    return emit_list_node(compiled, frame, node);
  }
  if (node_has_trait(node, EXTERNAL)) {
    set_op(compiled, frame, op);
    return emit_custom_node(compiled, frame, node);
  }
  const KernelRow *row = kernel_of(node);
  if (!row)
    return diag_error(compiled->diag, node->loc, "there is no kernel for %s",
                      op_info[node->op].text);
  if (node->operand_count > MAX_VIEWS || node->result_count > MAX_VIEWS)
    return diag_error(compiled->diag, node->loc,
                      "%s with %d operands and %d results: a kernel takes at most %d",
                      op_info[node->op].text, node->operand_count, node->result_count, MAX_VIEWS);
  Pack pack = {
      .node = node, .target = compiled->target, .arena = compiled->arena, .diag = compiled->diag};
  if (row->pack && !row->pack(&pack)) return false;
  KernelFunction *kernel = kernel_function_of(compiled, node, row, pack.count);
  if (!kernel) return false;
  if (!emit_symbols_known(compiled, frame, node, kernel)) return false;
  if (frame->late) set_op(compiled, frame, op);
  emit_late_results(compiled, frame, node);
  Val *arguments =
      NEW_ARRAY(compiled->arena, Val, most_parameters(node, pack.count, kernel->symbol_count));
  int count = 0;
  for (int i = 0; i < node->operand_count; i++)
    if (is_parameter(row, node, i))
      arguments[count++] = emit_pointer(compiled, frame, node->operands[i]);
  for (int i = 0; i < node->result_count; i++)
    arguments[count++] = emit_pointer(compiled, frame, node->results[i]);
  for (int i = 0; i < pack.count; i++)
    arguments[count++] =
        segment_pointer(compiled, frame, weights_add(&compiled->weights, &pack.segments[i]));
  Val sizes = node_has_trait(node, SIZED)
                  ? nest_local(frame->nest, frame->nest->index, MAX_SIZES, 0)
                  : NULL;
  if (sizes) arguments[count++] = sizes;
  Val text, room = node_has_trait(node, MAKES_TEXT) ? emit_late_rest(frame, &text) : NULL;
  if (room) {
    arguments[count++] = text;
    arguments[count++] = room;
  }
  for (int i = 0; i < kernel->symbol_count; i++)
    arguments[count++] = frame->symbols[kernel->symbols[i]];
  if (kernel->fallible || sizes) set_op(compiled, frame, op);
  call_kernel(compiled, frame, kernel, node, arguments, count);
  if (sizes) define_sizes(frame, node, sizes);
  if (room) emit_late_take(frame, room);
  return true;
}

static const char *op_name(Compiled *compiled, const Node *node) {
  if (node->loc.node && *node->loc.node) return node->loc.node;
  const Value *result = node->result_count ? node->results[0] : NULL;
  return result && result->name
             ? result->name
             : arena_printf(compiled->arena, "%s_%d", op_info[node->op].text, node->id);
}

bool emit_nodes(Compiled *compiled, Frame *frame, const Node *first, const Node *end) {
  bool ok = true;
  for (const Node *node = first; node != end; node = node->next) {
    if (node->op == OP_CONST) continue;
    emit_late_dim_checks(compiled, frame, node);
    if (node_has_trait(node, VIEW) && node->results[0]->placement.kind == PLACE_ALIAS) continue;
    int op = compiled->op_count;
    ARENA_PUSH(compiled->arena, compiled->op_names, compiled->op_count, compiled->op_capacity,
               op_name(compiled, node));
    ARENA_PUSH(compiled->arena, compiled->op_nodes, compiled->op_node_count,
               compiled->op_node_capacity, node);
    ARENA_PUSH(compiled->arena, compiled->op_reported, compiled->op_reported_count,
               compiled->op_reported_capacity, false);
    emit_clock(compiled, frame, op);
    ok &= emit_node(compiled, frame, node, op);
  }
  return ok;
}
