// Entry points of the object: <prefix>_run, _shapes, _init. The description (_model) is in
// describe.c.
//
// _run checks its arguments, loads pointers and dims from the words of the structs, then calls the
// kernels in order. It has no state and writes only the context's out fields, workspace and
// outputs.
#include <assert.h>
#include <string.h>

#include "codegen/describe.h"
#include "codegen/dim_checks.h"
#include "codegen/entry.h"
#include "codegen/internal.h"
#include "ir/target_x86.h"
#include "runtime/tenon.h"

enum {
  CONTEXT_ABI,
  CONTEXT_OP,
  CONTEXT_WORKSPACE,
  CONTEXT_WORKSPACE_BYTES,
  CONTEXT_FAST,
  CONTEXT_STATE,
  CONTEXT_WEIGHTS,
  CONTEXT_EXECUTOR,
  CONTEXT_NEEDED
};

LLVMTypeRef entry_context_type(Nest *nest) {
  LLVMTypeRef fields[] = {nest->i32,     nest->i32,     nest->pointer, nest->index,
                          nest->pointer, nest->pointer, nest->pointer, nest->pointer,
                          nest->index,   nest->pointer, nest->pointer};
  return LLVMStructTypeInContext(nest->context, fields, sizeof fields / sizeof *fields, false);
}

static Val field_address(Nest *nest, Val context, int field) {
  return LLVMBuildStructGEP2(nest->builder, entry_context_type(nest), context, (unsigned)field, "");
}

static Val load_field(Nest *nest, Val context, int field, LLVMTypeRef type) {
  return nest_load(nest, type, field_address(nest, context, field), nest->target->pointer_bits / 8);
}

static void return_if(Nest *nest, Val condition, int code) {
  Branch branch = nest_if(nest, condition);
  LLVMBuildRet(nest->builder, nest_int(nest->i32, code));
  LLVMPositionBuilderAtEnd(nest->builder, branch.otherwise);
  LLVMDeleteBasicBlock(branch.join);
}

static Val is_null(Nest *nest, Val pointer) {
  return nest_compare(nest, LLVMIntEQ, LLVMBuildPtrToInt(nest->builder, pointer, nest->index, ""),
                      nest_const(nest, 0));
}

Val entry_load_word(Nest *nest, Val words, int word, LLVMTypeRef type) {
  return nest_load(nest, type, nest_address(nest, words, nest->index, nest_const(nest, word)),
                   nest->target->pointer_bits / 8);
}

static Val begin_function(Compiled *compiled, const char *suffix) {
  Nest *nest = &compiled->nest;
  const char *name = arena_printf(compiled->arena, "%s_%s", compiled->interface->prefix, suffix);
  LLVMTypeRef parameters[] = {nest->pointer, nest->pointer, nest->pointer};
  // On ARM the tables would name the unwinder's functions.
  bool tables = target_has(compiled->target, TARGET_HOSTED) &&
                strcmp(compiled->target->family, "armv7a") != 0;
  // LLVM's shortest code moves the stack pointer for constants, and the tables would say so.
  CodeSize size = nest->size;
  if (tables && size == CODE_SHORTEST) nest->size = CODE_SHORT;
  Val function = nest_function_begin(nest, name, nest->i32, parameters, 3);
  nest->size = size;
  LLVMSetLinkage(function, LLVMExternalLinkage);
  if (tables) nest_attribute(nest, function, (int)LLVMAttributeFunctionIndex, "uwtable", 2);
  return function;
}

static void check_abi(Compiled *compiled, Val context) {
  Nest *nest = &compiled->nest;
  return_if(nest, is_null(nest, context), TENON_E_ABI);
  Val abi = load_field(nest, context, CONTEXT_ABI, nest->i32);
  return_if(
      nest,
      nest_compare(nest, LLVMIntNE, abi, nest_int(nest->i32, (int64_t)compiled->interface->abi)),
      TENON_E_ABI);
  nest_store(nest, nest_int(nest->i32, -1), field_address(nest, context, CONTEXT_OP), 4);
}

// Symbols from the words of the inputs struct, each within its range.
static Val *load_symbols(Compiled *compiled, Val inputs) {
  Nest *nest = &compiled->nest;
  const Interface *interface = compiled->interface;
  Val *symbols = NEW_ARRAY(compiled->arena, Val, dim_symbol_count(compiled->module->dims));
  for (int i = 0; i < interface->input_dim_count; i++) {
    const InterfaceWord *word = &interface->input_dims[i];
    const Atom *atom = dim_terms(word->dim)[0].atoms[0];
    Val value = entry_load_word(nest, inputs, word->word, nest->index);
    symbols[atom->index] = value;
    Val outside = nest_compare(nest, LLVMIntUGT, value, nest_const(nest, atom->high));
    if (atom->high == DIM_UNBOUNDED)
      outside = nest_compare(nest, LLVMIntSLT, value, nest_const(nest, 0));
    if (atom->low > 0)
      outside = nest_or(nest, outside,
                        nest_compare(nest, LLVMIntULT, value, nest_const(nest, atom->low)));
    return_if(nest, outside, TENON_E_DIM);
  }
  return symbols;
}

static Val *copy_symbols(Compiled *compiled, const Val *symbols) {
  int count = dim_symbol_count(compiled->module->dims);
  Val *copy = NEW_ARRAY(compiled->arena, Val, count + 1);
  if (count) memcpy(copy, symbols, (size_t)count * sizeof *copy);
  return copy;
}

static void check_dims(Compiled *compiled, Frame *frame) {
  Val bad = emit_dim_checks(compiled, frame, compiled->module->main);
  if (bad) return_if(frame->nest, bad, TENON_E_DIM);
}

// Pointers of inputs or outputs, NULL if too many to keep; a missing or misaligned one that is
// needed is an error.
static Val *load_pointers(Compiled *compiled, Val words, const InterfaceValue *values, int count,
                          bool outputs) {
  Nest *nest = &compiled->nest;
  return_if(nest, emit_pointer_checks(compiled, words, values, count, outputs), TENON_E_POINTER);
  if (count > MOST_KEPT_POINTERS) return NULL;
  Val *pointers = NEW_ARRAY(compiled->arena, Val, count);
  for (int i = 0; i < count; i++)
    pointers[i] = entry_load_word(nest, words, values[i].word, nest->pointer);
  return pointers;
}

void emit_store_needed(Frame *frame, Val needed) {
  Nest *nest = frame->nest;
  nest_store(nest, needed, field_address(nest, frame->context, CONTEXT_NEEDED),
             nest->target->pointer_bits / 8);
}

// The bytes that these dims need, into context->needed too.
static Val needed_bytes(Compiled *compiled, Frame *frame) {
  Nest *nest = frame->nest;
  Val too_large, needed = emit_open_places(compiled, frame, &too_large);
  if (too_large) return_if(nest, too_large, TENON_E_DIM);
  emit_store_needed(frame, needed);
  return needed;
}

static void load_workspace(Compiled *compiled, Frame *frame) {
  Nest *nest = &compiled->nest;
  const Graph *graph = compiled->module->main;
  Val context = frame->context,
      workspace = frame->workspace = load_field(nest, context, CONTEXT_WORKSPACE, nest->pointer);
  if (!graph->workspace_bytes && !graph->open_count && !graph->late_count) return;
  Val needed = needed_bytes(compiled, frame),
      room = load_field(nest, context, CONTEXT_WORKSPACE_BYTES, nest->index);
  Val small = nest_compare(nest, LLVMIntULT, room, needed);
  Val promised =
      nest_compare(nest, LLVMIntNE, room, nest_const(nest, 0)); // of no bytes NULL is right
  return_if(nest, nest_or(nest, small, nest_and(nest, promised, is_null(nest, workspace))),
            TENON_E_WORKSPACE);
  Val number = LLVMBuildPtrToInt(nest->builder, workspace, nest->index, "");
  Val low = nest_and(nest, number, nest_const(nest, target_alignment(compiled->target) - 1));
  return_if(nest, nest_compare(nest, LLVMIntNE, low, nest_const(nest, 0)), TENON_E_POINTER);
  emit_late_begin(compiled, frame, needed, room);
}

static bool has_coded_constants(const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next) {
    if (node->op == OP_CONST && storage_find(&node->constant->storage, STAGE_HUFFMAN)) return true;
    for (int i = 0; i < node->region_count; i++)
      if (has_coded_constants(node->regions[i])) return true;
  }
  return false;
}

// A weights file and decoded weights: the first word of the decoded memory says where the file is.
static bool file_is_indirect(const Compiled *compiled) {
  return compiled_weights_in_file(compiled) && has_coded_constants(compiled->module->main);
}

static Val own_weights(Compiled *compiled) {
  const char *name = arena_printf(compiled->arena, "%s_weights", compiled->interface->prefix);
  Val symbol = LLVMGetNamedGlobal(compiled->llvm, name);
  if (symbol) return symbol;
  symbol = LLVMAddGlobal(compiled->llvm, LLVMArrayType2(compiled->nest.i8, 0), name);
  LLVMSetVisibility(symbol, LLVMHiddenVisibility);
  LLVMSetGlobalConstant(symbol, true);
  return symbol;
}

static Val weights_base(Compiled *compiled, Val context) {
  Nest *nest = &compiled->nest;
  if (!compiled_weights_in_file(compiled)) return own_weights(compiled);
  Val weights = load_field(nest, context, CONTEXT_WEIGHTS, nest->pointer);
  return_if(nest, is_null(nest, weights), TENON_E_WEIGHTS);
  if (!file_is_indirect(compiled)) return weights;
  compiled->weights.bytes[HOME_DECODED] = compiled->weights.align[HOME_DECODED] = 8;
  return nest_load(nest, nest->pointer, weights, nest->target->pointer_bits / 8);
}

// The base of the decoded weights. Only when all kernels are emitted is it known whether there are
// any: *missing (NULL: certainly none) is the condition under which _run refuses.
static Val decoded_base(Compiled *compiled, Val context, Val *missing) {
  Nest *nest = &compiled->nest;
  *missing = NULL;
  if (!has_coded_constants(compiled->module->main)) return NULL;
  Val decoded = load_field(nest, context, CONTEXT_WEIGHTS, nest->pointer);
  *missing = is_null(nest, decoded);
  return_if(nest, *missing, TENON_E_WEIGHTS);
  return decoded;
}

typedef enum DimMoment { DIMS_AT_START, DIMS_AT_END, DIMS_AT_MOST } DimMoment;

// Dims that follow from the inputs' at the start, those that depend on data at the end; before a
// run nobody knows more of these than their upper bound.
static void write_output_dims(Compiled *compiled, Frame *frame, Val outputs, DimMoment moment,
                              const bool *written) {
  const Interface *interface = compiled->interface;
  for (int i = 0; i < interface->output_dim_count; i++) {
    const InterfaceWord *word = &interface->output_dims[i];
    bool known = emit_dim_is_known(frame->symbols, word->dim);
    if ((moment == DIMS_AT_START && !known) || (moment == DIMS_AT_END && written[i])) continue;
    Val address =
        nest_address(frame->nest, outputs, frame->nest->index, nest_const(frame->nest, word->word));
    Val value =
        known ? emit_dim(compiled, frame, word->dim) : nest_const(frame->nest, dim_high(word->dim));
    nest_store(frame->nest, value, address, frame->nest->target->pointer_bits / 8);
  }
}

// Outputs without a bound lie in the workspace: the caller is told where.
static void write_output_pointers(Compiled *compiled, Frame *frame, Val outputs) {
  Nest *nest = frame->nest;
  for (int i = 0; i < compiled->interface->output_count; i++) {
    const InterfaceValue *value = &compiled->interface->outputs[i];
    if (!interface_is_open(value)) continue;
    Val address = nest_address(nest, outputs, nest->index, nest_const(nest, value->word));
    nest_store(nest, emit_pointer(compiled, frame, value->value), address,
               nest->target->pointer_bits / 8);
  }
}

static bool emit_run(Compiled *compiled) {
  Nest *nest = &compiled->nest;
  Val function = begin_function(compiled, "run");
  Val context = LLVMGetParam(function, 0), inputs = LLVMGetParam(function, 1),
      outputs = LLVMGetParam(function, 2);
  const Interface *interface = compiled->interface;
  check_abi(compiled, context);
  if (interface->input_words) return_if(nest, is_null(nest, inputs), TENON_E_POINTER);
  if (interface->output_words) return_if(nest, is_null(nest, outputs), TENON_E_POINTER);
  Frame frame = {.nest = nest, .context = context, .input_words = inputs, .output_words = outputs};
  frame.given = load_symbols(compiled, inputs);
  frame.symbols = copy_symbols(compiled, frame.given);
  check_dims(compiled, &frame);
  frame.input_pointers =
      load_pointers(compiled, inputs, interface->inputs, interface->input_count, false);
  frame.output_pointers =
      load_pointers(compiled, outputs, interface->outputs, interface->output_count, true);
  load_workspace(compiled, &frame);
  frame.weights = weights_base(compiled, context);
  Val missing;
  frame.decoded = decoded_base(compiled, context, &missing);
  if (target_has(compiled->target, TARGET_HOSTED))
    frame.executor = load_field(nest, context, CONTEXT_EXECUTOR, nest->pointer);
  bool *written = NEW_ARRAY(compiled->arena, bool, interface->output_dim_count + 1);
  for (int i = 0; i < interface->output_dim_count; i++)
    written[i] = emit_dim_is_known(frame.symbols, interface->output_dims[i].dim);
  write_output_dims(compiled, &frame, outputs, DIMS_AT_START, written);
  bool ok = emit_graph(compiled, &frame, compiled->module->main);
  emit_clock(compiled, &frame, -1);
  write_output_dims(compiled, &frame, outputs, DIMS_AT_END, written);
  write_output_pointers(compiled, &frame, outputs);
  if (missing && !compiled->weights.bytes[HOME_DECODED])
    LLVMReplaceAllUsesWith(missing, nest_int(nest->i1, 0));
  nest_store(nest, nest_int(nest->i32, -1), field_address(nest, context, CONTEXT_OP),
             4); // none failed
  nest_function_end(nest, nest_int(nest->i32, TENON_OK));
  return ok;
}

// Output dims and the workspace that these input dims need; pointers are not looked at.
static void emit_shapes(Compiled *compiled) {
  Nest *nest = &compiled->nest;
  Val function = begin_function(compiled, "shapes");
  Val context = LLVMGetParam(function, 0), inputs = LLVMGetParam(function, 1),
      outputs = LLVMGetParam(function, 2);
  check_abi(compiled, context);
  if (compiled->interface->input_dim_count) return_if(nest, is_null(nest, inputs), TENON_E_POINTER);
  Val *symbols = load_symbols(compiled, inputs);
  Frame frame = {.nest = nest, .context = context, .symbols = symbols, .given = symbols};
  check_dims(compiled, &frame);
  needed_bytes(compiled, &frame);
  if (compiled->interface->output_dim_count)
    return_if(nest, is_null(nest, outputs), TENON_E_POINTER);
  write_output_dims(compiled, &frame, outputs, DIMS_AT_MOST, NULL);
  nest_function_end(nest, nest_int(nest->i32, TENON_OK));
}

// The head of the mapped weights file is that of this model's.
static void check_weights_head(Compiled *compiled, Val coded) {
  Nest *nest = &compiled->nest;
  uint32_t head[WEIGHTS_HEAD_BYTES / 4];
  weights_file_head(&compiled->weights, head);
  for (int i = 0; i < WEIGHTS_HEAD_CHECKED / 4; i++) {
    Val word =
        nest_load(nest, nest->i32, nest_address(nest, coded, nest->i32, nest_const(nest, i)), 4);
    return_if(nest, nest_compare(nest, LLVMIntNE, word, nest_int(nest->i32, (int64_t)head[i])),
              TENON_E_WEIGHTS);
  }
}

// Decodes what lies at `coded` behind the other weights into `memory`.
static void decode(Compiled *compiled, Val coded, Val memory, int segment) {
  Nest *nest = &compiled->nest;
  const PlacedSegment *placed = &compiled->weights.segments[segment];
  Val from = nest_address(nest, coded, nest->i8, nest_const(nest, placed->offset));
  Val arguments[] = {from, nest_const(nest, (int64_t)placed->segment.bytes), memory,
                     nest_const(nest, compiled->weights.bytes[HOME_DECODED])};
  Val damaged = nest_library(nest, "tenon_decode_weights", arguments, 4);
  return_if(nest, nest_compare(nest, LLVMIntNE, damaged, nest_int(LLVMTypeOf(damaged), 0)),
            TENON_E_WEIGHTS);
}

static void check_memory(Compiled *compiled, Val memory) {
  Nest *nest = &compiled->nest;
  Val number = LLVMBuildPtrToInt(nest->builder, memory, nest->index, "");
  Val low = nest_and(nest, number, nest_const(nest, compiled->weights.align[HOME_DECODED] - 1));
  Val wrong =
      nest_or(nest, is_null(nest, memory), nest_compare(nest, LLVMIntNE, low, nest_const(nest, 0)));
  return_if(nest, wrong, TENON_E_POINTER);
}

// `coded` is the weights file, or another place of the embedded weights than the object's own
// (NULL).
static void emit_init_body(Compiled *compiled, Val function) {
  Nest *nest = &compiled->nest;
  int segment = weights_add_coded(&compiled->weights);
  Val context = LLVMGetParam(function, 0), coded = LLVMGetParam(function, 1),
      memory = LLVMGetParam(function, 2), weights = NULL;
  check_abi(compiled, context);
  if (compiled_weights_in_file(compiled)) {
    return_if(nest, is_null(nest, coded), TENON_E_WEIGHTS);
    check_weights_head(compiled, coded);
    coded = weights = nest_address(nest, coded, nest->i8, nest_const(nest, WEIGHTS_HEAD_BYTES));
  }
  if (compiled->weights.bytes[HOME_DECODED]) {
    check_memory(compiled, memory);
    if (!weights)
      coded = nest_select(nest, is_null(nest, coded), own_weights(compiled), coded);
    else
      nest_store(nest, weights, memory, nest->target->pointer_bits / 8);
    if (segment >= 0) decode(compiled, coded, memory, segment);
    weights = memory;
  }
  if (weights)
    nest_store(nest, weights, field_address(nest, context, CONTEXT_WEIGHTS),
               nest->target->pointer_bits / 8);
  nest_function_end(nest, nest_int(nest->i32, TENON_OK));
}

// TENON_E_CPU where this processor lacks what the code needs, all other code: what has not run yet
// must not be there when it is found out. cpuid takes a microsecond under a hypervisor, so _run
// does not ask.
static void emit_cpu_check(Compiled *compiled, Val function, const X86Features *needs) {
  Nest *nest = &compiled->nest;
  Val wanted[X86_REGISTERS + 1];
  for (int i = 0; i < X86_REGISTERS; i++) wanted[i] = nest_int(nest->i32, needs->bits[i]);
  wanted[X86_REGISTERS] = nest_int(nest->i32, needs->saved);
  machine_set_baseline(nest, function);
  Val lacks = nest_library(nest, "tenon_cpu_lacks", wanted, X86_REGISTERS + 1);
  return_if(nest, nest_compare(nest, LLVMIntNE, lacks, nest_int(LLVMTypeOf(lacks), 0)),
            TENON_E_CPU);
}

static void emit_init(Compiled *compiled) {
  Nest *nest = &compiled->nest;
  X86Features needs = x86_features(compiled->target);
  if (x86_features_none(&needs)) {
    emit_init_body(compiled, begin_function(compiled, "init"));
    return;
  }
  LLVMTypeRef parameters[] = {nest->pointer, nest->pointer, nest->pointer};
  const char *name = arena_printf(compiled->arena, "%s_initialise", compiled->interface->prefix);
  Val body = nest_function_begin(nest, name, nest->i32, parameters, 3);
  nest_attribute(nest, body, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  emit_init_body(compiled, body);
  Val function = begin_function(compiled, "init"), arguments[3];
  emit_cpu_check(compiled, function, &needs);
  LLVMGetParams(function, arguments);
  nest_function_end(
      nest, LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(body), body, arguments, 3, ""));
}

bool emit_entry_points(Compiled *compiled) {
  bool ok = emit_run(compiled);
  emit_shapes(compiled);
  emit_init(compiled);
  describe_model(compiled);
  return ok;
}
