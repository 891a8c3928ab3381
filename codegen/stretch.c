// Stretches: _run of a model with thousands of ops is not one function, whose registers would take
// minutes to allocate, but calls one function for each stretch of ops, one after the other.
#include "codegen/internal.h"

enum { STRETCH = 512, MOST_BASES = 9 };

// Dims that the run finds, and places that follow from dims, are values of the function in which
// they are computed: such a graph stays whole.
static bool finds_dims(const Node *node) {
  return node_has_trait(node, SIZED) ||
         (node_has_trait(node, REGIONS) && !node_has_trait(node, POINTWISE));
}

static bool is_cut(const Graph *graph) {
  if (graph->owner || graph->open_count || graph->late_count || graph->node_count <= 2 * STRETCH)
    return false;
  for (const Node *node = graph->first; node; node = node->next)
    if (finds_dims(node)) return false;
  return true;
}

// What a stretch gets from _run: base pointers, then the known symbols.
typedef struct Handover {
  LLVMTypeRef *types;
  Val *values;
  int count;
} Handover;

// Addresses of symbols are the same in every function.
static bool is_handed_over(Val value) { return value && !LLVMIsConstant(value); }

static void hand_over(Handover *handover, Val value) {
  if (!is_handed_over(value)) return;
  handover->types[handover->count] = LLVMTypeOf(value);
  handover->values[handover->count++] = value;
}

static Handover hand_over_frame(Compiled *compiled, const Frame *frame) {
  const Val bases[] = {frame->context, frame->workspace,   frame->fast,         frame->weights,
                       frame->decoded, frame->input_words, frame->output_words, frame->executor};
  int symbols = dim_symbol_count(compiled->module->dims);
  Handover handover = {.types = NEW_ARRAY(compiled->arena, LLVMTypeRef, symbols + MOST_BASES),
                       .values = NEW_ARRAY(compiled->arena, Val, symbols + MOST_BASES)};
  for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) hand_over(&handover, bases[i]);
  for (int i = 0; i < symbols; i++) hand_over(&handover, frame->symbols[i]);
  return handover;
}

// The frame inside of the stretch: the same, of its parameters, taken in the order of
// hand_over_frame.
static Frame frame_inside(Compiled *compiled, const Frame *frame, Val function) {
  Frame inside = {.nest = frame->nest};
  const Val *const outer[] = {&frame->context,      &frame->workspace, &frame->fast,
                              &frame->weights,      &frame->decoded,   &frame->input_words,
                              &frame->output_words, &frame->executor};
  Val *const inner[] = {&inside.context,      &inside.workspace, &inside.fast,
                        &inside.weights,      &inside.decoded,   &inside.input_words,
                        &inside.output_words, &inside.executor};
  unsigned next = 0;
  for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
    *inner[i] = is_handed_over(*outer[i]) ? LLVMGetParam(function, next++) : *outer[i];
  int symbols = dim_symbol_count(compiled->module->dims);
  Val *given = NEW_ARRAY(compiled->arena, Val, symbols + 1);
  inside.symbols = NEW_ARRAY(compiled->arena, Val, symbols + 1);
  for (int i = 0; i < symbols; i++) {
    inside.symbols[i] =
        is_handed_over(frame->symbols[i]) ? LLVMGetParam(function, next++) : frame->symbols[i];
    if (frame->given[i]) given[i] = inside.symbols[i];
  }
  inside.given = given;
  return inside;
}

static bool emit_stretch(Compiled *compiled, Frame *frame, const Node *first, const Node *end) {
  Nest *nest = frame->nest, saved = *nest;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  Handover handover = hand_over_frame(compiled, frame);
  const char *name = arena_printf(compiled->arena, "%s_ops_from_%d", compiled->interface->prefix,
                                  compiled->op_count);
  Val function = nest_function_begin(nest, name, nest->i32, handover.types, handover.count);
  nest_attribute(nest, function, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  Frame inside = frame_inside(compiled, frame, function);
  bool ok = emit_nodes(compiled, &inside, first, end);
  nest_function_end(nest, nest_int(nest->i32, 0));
  nest->function = saved.function;
  nest->failure = saved.failure;
  nest->failure_code = saved.failure_code;
  LLVMPositionBuilderAtEnd(nest->builder, here);
  Val code = LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(function), function,
                            handover.values, (unsigned)handover.count, "");
  emit_return_if_failed(nest, code);
  return ok;
}

bool emit_graph(Compiled *compiled, Frame *frame, const Graph *graph) {
  if (!is_cut(graph)) return emit_nodes(compiled, frame, graph->first, NULL);
  bool ok = true;
  for (const Node *first = graph->first, *end = first; first; first = end) {
    for (int i = 0; i < STRETCH && end; i++) end = end->next;
    ok &= emit_stretch(compiled, frame, first, end);
  }
  return ok;
}
