// --verify-each=run: the function before a pass and the one after it run on the same data.
// exact: equal bits. rounding: within 1e-4 of each result's largest magnitude. lossy: only
// reported.
#include <math.h>
#include <string.h>

#include "ir/interpret.h"
#include "passes/pipeline.h"

enum { GENERATED_DIM = 3 }; // for symbols without a narrower range
static const double ROUNDING_LIMIT = 1e-4;

static const char *const class_names[] = {"exact", "rounding", "lossy"};

// --- data

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

// Floats in [-1, 1), integers in [0, 4): small enough for most indices, both truth values.
static void fill_generated(Tensor *tensor, uint32_t *state) {
  int64_t count = tensor_count(tensor);
  ElementClass class = element_info[tensor->element].class;
  for (int64_t i = 0; i < count; i++) {
    uint32_t random = next_random(state);
    if (class == CLASS_FLOAT)
      element_store(tensor->element, tensor->data, i, (double)random / 2147483648.0 - 1);
    else if (class == CLASS_BOOLEAN)
      element_store_int(tensor->element, tensor->data, i, random >> 16 & 1);
    else if (class == CLASS_SIGNED || class == CLASS_UNSIGNED)
      element_store_int(tensor->element, tensor->data, i,
                        random >> 16 & (element_info[tensor->element].bits > 2 ? 3 : 1));
  }
}

static bool generate_inputs(const Graph *graph, Tensor *inputs, Arena *arena) {
  DimTable *dims = graph->module->dims;
  int count = dim_symbol_count(dims);
  int64_t *symbols = NEW_ARRAY(arena, int64_t, count + 1);
  for (int i = 0; i < count; i++) {
    const Atom *symbol = dim_symbol_at(dims, i);
    symbols[i] = symbol->low > GENERATED_DIM    ? symbol->low
                 : symbol->high < GENERATED_DIM ? symbol->high
                                                : GENERATED_DIM;
  }
  uint32_t state = 2463534242u;
  for (int i = 0; i < graph->input_count; i++) {
    const Type *type = &graph->inputs[i]->type;
    if (type->kind != TYPE_TENSOR || type->element == STR) return false;
    int64_t shape[MAX_RANK], elements, bytes;
    type_evaluate(type, symbols, shape);
    if (!tensor_checked_bytes(type->element, type->rank, shape, &elements, &bytes)) return false;
    inputs[i] = tensor_create(arena, type->element, type->rank, shape);
    fill_generated(&inputs[i], &state);
  }
  return true;
}

static bool make_inputs(const Graph *graph, const PassContext *context, Tensor *inputs,
                        Arena *arena) {
  DataSet *data = context->data;
  if (data && data->count > 0) return data->sample(data, graph, 0, inputs, arena, context->diag);
  if (generate_inputs(graph, inputs, arena)) return true;
  return diag_error(context->diag, loc_file(context->module->source),
                    "--verify-each=run: no data can be generated for the inputs; give --data");
}

// --- comparison

static bool compare_output(const Value *output, const Tensor *before, const Tensor *after,
                           const PassContext *context, const PipelineOptions *options) {
  const PassInfo *info = context->info;
  Loc loc = loc_file(context->module->source);
  const char *name = output->name ? output->name : "without name";
  TensorError error;
  if (!tensor_compare(after, before, &error))
    return diag_error(context->diag, loc, "pass '%s' changed the type or shape of output '%s'",
                      info->name, name);
  if (info->class == PASS_LOSSY && options->out)
    fprintf(options->out, "; %s: output '%s' is off by %.3g of its largest magnitude\n", info->name,
            name, error.relative);
  // Another way of rounding may give the next code.
  bool near = output->type.quant ? error.absolute <= 1 : error.relative <= ROUNDING_LIMIT;
  bool wrong =
      info->class == PASS_EXACT ? error.different != 0 : info->class == PASS_ROUNDING && !near;
  if (!wrong) return true;
  return diag_error(context->diag, loc,
                    "pass '%s' is %s, but output '%s' is off by %.3g of its largest magnitude "
                    "(%lld elements differ)",
                    info->name, class_names[info->class], name, error.relative,
                    (long long)error.different);
}

// Data that the model itself refuses (an index out of range) says nothing about the pass.
static bool runs_before(const Module *before, const Tensor *inputs, Tensor *outputs, Arena *arena,
                        const PassContext *context) {
  Diag quiet;
  diag_init(&quiet, arena, NULL);
  if (interpret(before->main, inputs, outputs, arena, &quiet)) return true;
  diag_warning(context->diag, loc_file(context->module->source),
               "--verify-each=run: not checked, the model fails: %s",
               quiet.first_error ? quiet.first_error : "no reason given");
  return false;
}

bool check_same_results(const Module *before, const Module *after, const PassContext *context,
                        const PipelineOptions *options) {
  Arena *arena = arena_create();
  const Graph *graph = before->main;
  Tensor *inputs = NEW_ARRAY(arena, Tensor, graph->input_count + 1);
  Tensor *old_outputs = NEW_ARRAY(arena, Tensor, graph->output_count + 1);
  Tensor *new_outputs = NEW_ARRAY(arena, Tensor, graph->output_count + 1);
  bool good = make_inputs(graph, context, inputs, arena);
  if (good && runs_before(before, inputs, old_outputs, arena, context)) {
    good = interpret(after->main, inputs, new_outputs, arena, context->diag);
    for (int i = 0; good && i < graph->output_count; i++)
      if (after->main->outputs[i]->type.kind == TYPE_TENSOR)
        good = compare_output(after->main->outputs[i], &old_outputs[i], &new_outputs[i], context,
                              options);
  }
  arena_destroy(arena);
  return good;
}
