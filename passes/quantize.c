// quantize - static post-training quantization: f32 layers become 8-bit integer layers.
//   conv(x, w, b) -> dequantize(conv(quantize(x), codes of w, b as i32)),   and so for what follows
//   it
// Weights: symmetric, [-127, 127], one scale per output channel. Activations: one scale and zero
// point, from the ranges that values take on calibration data. Results are requantized in fixed
// point, so that an integer layer gives the same bits on every target. Ops without an integer form,
// and layers that would not get smaller, stay in f32, and the report says why. Needs: data (--data)
// and an executor. Leaves: quantize and dequantize where integers begin and end.
#include "passes/quantize.h"

#include <math.h>
#include <string.h>

#include "passes/pipeline.h"
#include "passes/report.h"

static const char *const PREPARE = "fixpoint<8>(fold_constants{dequantize=true}, simplify_control, "
                                   "canonicalise, common_subexpressions, dead_code, "
                                   "sink_transposes, dead_code, recognise, fold_affine), "
                                   "fixpoint<8>(flatten_products, canonicalise, "
                                   "common_subexpressions, dead_code), fold_constants, dead_code";

static bool run_passes(PassContext *context, const char *text) {
  PassContext inner = *context;
  PipelineOptions options = {.quiet = true};
  inner.report = NULL;
  return pipeline_run(text, &inner, &options);
}

// --- the plan

int quant_plan_group(QuantPlan *plan, const Value *value) {
  int id = value->id;
  while (plan->group[id] != id) id = plan->group[id] = plan->group[plan->group[id]];
  return id;
}

bool quant_plan_is_float(const QuantPlan *plan, const Value *value) {
  return value->id < plan->value_count && plan->known[value->id];
}

Type quant_plan_type(QuantPlan *plan, const Value *value) {
  const Range *range = &plan->range[quant_plan_group(plan, value)];
  int32_t low, high;
  quant_range(plan->element, &low, &high);
  double width = (double)range->high - (double)range->low,
         scale = width > 1e-30 ? width / (high - low) : 1;
  double zero = rint(low - (double)range->low / scale);
  Type type = value->type;
  type.element = plan->element;
  type.quant = quant_per_tensor(plan->graph->module->arena, (float)scale,
                                (int32_t)fmin(fmax(zero, low), high));
  return type;
}

static void init_plan(QuantPlan *plan, PassContext *context, Graph *graph) {
  int count = graph->module->next_value_id;
  Arena *arena = context->scratch;
  *plan = (QuantPlan){.context = context,
                      .graph = graph,
                      .value_count = count,
                      .exclude = pass_option_string(context, "exclude"),
                      .per_channel = pass_option_bool(context, "per_channel"),
                      .code_outputs = !strcmp(pass_option_string(context, "io"), "int8"),
                      .element = strcmp(pass_option_string(context, "scheme"), "uint8") ? I8 : U8};
  plan->group = NEW_ARRAY(arena, int, count + 1);
  plan->range = NEW_ARRAY(arena, Range, count + 1);
  plan->known = NEW_ARRAY(arena, bool, count + 1);
  plan->codes = NEW_ARRAY(arena, Value *, count + 1);
  plan->numbers = NEW_ARRAY(arena, Value *, count + 1);
  for (int i = 0; i < count; i++) plan->group[i] = i;
}

Module *quant_plan_copy(const QuantPlan *plan, QuantPlan *to, PassContext *inner) {
  PassContext *context = plan->context;
  Module *copy = module_clone(context->scratch, context->diag, context->module);
  *inner = *context;
  inner->report = NULL;
  init_plan(to, inner, copy->main);
  // Values of the copy by the numbers of the original.
  for (int i = 0; i < plan->graph->input_count; i++) {
    int id = copy->main->inputs[i]->id, old = plan->graph->inputs[i]->id;
    to->known[id] = plan->known[old];
    to->range[id] = plan->range[old];
  }
  const Node *from = plan->graph->first;
  for (const Node *node = copy->main->first; node; node = node->next, from = from->next)
    for (int i = 0; i < node->result_count; i++) {
      to->known[node->results[i]->id] = plan->known[from->results[i]->id];
      to->range[node->results[i]->id] = plan->range[from->results[i]->id];
    }
  return copy;
}

// --- edges: io=int8

static Node *only_quantizer(const Value *input) {
  if (input->use_count == 0 || input->output_uses) return NULL;
  Node *first = input->uses[0].user;
  if (first->op != OP_QUANTIZE) return NULL;
  for (int i = 1; i < input->use_count; i++) {
    const Node *other = input->uses[i].user;
    if (other->op != OP_QUANTIZE || !type_equal(&other->results[0]->type, &first->results[0]->type))
      return NULL;
  }
  return first;
}

static void quantize_inputs(QuantPlan *plan) {
  for (int i = 0; i < plan->graph->input_count; i++) {
    Value *input = plan->graph->inputs[i];
    if (!quant_plan_is_float(plan, input) || !only_quantizer(input)) continue;
    input->type = only_quantizer(input)->results[0]->type;
    while (input->use_count && input->uses[0].user->op == OP_QUANTIZE) {
      Node *node = input->uses[0].user;
      value_replace(node->results[0], input);
      node_remove(node);
    }
  }
}

static bool quantize_outputs(QuantPlan *plan) {
  for (int i = 0; i < plan->graph->output_count; i++) {
    Value *output = plan->graph->outputs[i], *codes;
    const char *name = output->name;
    if (output->definition && output->definition->op == OP_DEQUANTIZE) {
      codes = output->definition->operands[0];
      // The names of outputs stay; codes that are an input or another output get a copy.
      if (!codes->definition || codes->output_uses) {
        Builder builder = builder_at_end(plan->graph, output->definition->loc);
        codes = build_unary(&builder, OP_COPY, codes);
      }
    } else if (quant_plan_is_float(plan, output)) {
      Builder builder =
          builder_at_end(plan->graph, output->definition ? output->definition->loc : (Loc){0});
      Node *node = build_begin(&builder, OP_QUANTIZE, (Value *[]){output}, 1);
      if (node) node->results[0]->type = quant_plan_type(plan, output);
      codes = build_end(&builder, node);
    } else
      continue;
    if (!codes) return false;
    if (codes->definition) output->name = NULL, codes->name = name;
    graph_set_output(plan->graph, i, codes);
  }
  return true;
}

// --- the report

static int64_t bytes_of(const Value *value) {
  int64_t bytes = 0;
  return value && type_max_bytes(&value->type, &bytes) ? bytes : 0;
}

// What the observer of layers sees: pairs of outputs, exact and found.
typedef struct Errors {
  double *signal, *noise; // sums of squares, by layer
  double **sums;          // errors by layer and output channel; NULL: not wanted
  int64_t *counts;        // elements of a channel
} Errors;

static void observe_errors(void *state, const Tensor *outputs, int count) {
  Errors *errors = state;
  for (int i = 0; i + 1 < count; i += 2) {
    const float *exact = outputs[i].data, *found = outputs[i + 1].data;
    int layer = i / 2;
    int64_t n = tensor_count(&outputs[i]),
            channels = outputs[i].rank ? outputs[i].dims[outputs[i].rank - 1] : 1;
    for (int64_t k = 0; k < n; k++) {
      double wanted = (double)exact[k], difference = (double)found[k] - wanted;
      errors->signal[layer] += wanted * wanted;
      errors->noise[layer] += difference * difference;
      if (errors->sums) errors->sums[layer][k % channels] += difference;
    }
    errors->counts[layer] += channels ? n / channels : 0;
  }
}

// A copy of the model in which every layer stands once more, as integers, beside the original one
// and on the original's input.
static Module *isolate_layers(const QuantPlan *plan, QuantPlan *isolated, PassContext *inner,
                              bool sums) {
  Module *copy = quant_plan_copy(plan, isolated, inner);
  isolated->isolated = true;
  isolated->sums = sums;
  isolated->rounded = plan->rounded;
  isolated->rounded_scales = plan->rounded_scales;
  quantize_tie(isolated);
  return quantize_rewrite(isolated) ? copy : NULL;
}

// Runs all layers in isolation. `sums`: their accumulators, before they are rounded to codes.
static bool measure_layers(const QuantPlan *plan, bool sums, int64_t samples, QuantPlan *isolated,
                           Errors *errors) {
  PassContext *context = plan->context, inner;
  Module *copy = isolate_layers(plan, isolated, &inner, sums);
  if (!copy) return false;
  int first = copy->main->output_count, count = isolated->layer_count;
  *errors = (Errors){NEW_ARRAY(context->scratch, double, count + 1),
                     NEW_ARRAY(context->scratch, double, count + 1), NULL,
                     NEW_ARRAY(context->scratch, int64_t, count + 1)};
  if (sums) errors->sums = NEW_ARRAY(context->scratch, double *, count + 1);
  for (int i = 0; i < count; i++) {
    const Type *type = &isolated->layers[i].original->type;
    if (sums)
      errors->sums[i] = NEW_ARRAY(context->scratch, double, type_dim(type, type->rank - 1) + 1);
    Builder builder = builder_at_end(copy->main, (Loc){0});
    Value *numbers = build_unary(&builder, OP_DEQUANTIZE, isolated->layers[i].result);
    if (!numbers) return false;
    graph_add_output(copy->main, isolated->layers[i].original);
    graph_add_output(copy->main, numbers);
  }
  return !count || calibrate_run(context, copy, first, samples, observe_errors, errors);
}

// For the report: each layer's own error.
static bool measure_noise(const QuantPlan *plan, double *sqnr) {
  enum { MEASURED_SAMPLES = 8 };
  QuantPlan isolated;
  Errors errors;
  if (!measure_layers(plan, false, MEASURED_SAMPLES, &isolated, &errors)) return false;
  for (int i = 0; i < isolated.layer_count; i++)
    sqnr[i] = 10 * log10(errors.signal[i] / errors.noise[i]);
  return true;
}

// Rounded weights and cut-off inputs shift the mean of an output channel; its bias takes that back.
static bool measure_shifts(QuantPlan *plan) {
  QuantPlan isolated;
  Errors errors;
  if (!measure_layers(plan, true, pass_option_int(plan->context, "samples"), &isolated, &errors))
    return false;
  plan->shifts = NEW_ARRAY(plan->context->scratch, float *, isolated.layer_count + 1);
  for (int i = 0; i < isolated.layer_count; i++) {
    const Type *type = &isolated.layers[i].original->type;
    int64_t channels = type_dim(type, type->rank - 1);
    plan->shifts[i] = NEW_ARRAY(plan->context->scratch, float, channels + 1);
    for (int64_t c = 0; c < channels && errors.counts[i]; c++)
      plan->shifts[i][c] = (float)(errors.sums[i][c] / (double)errors.counts[i]);
  }
  return true;
}

static const char *layer_name(const Node *product) {
  const Constant *weights = value_constant(product->operands[1]);
  return product->loc.node && *product->loc.node ? product->loc.node
         : weights                               ? weights->name
                                                 : op_info[product->op].text;
}

static void report_layers(const QuantPlan *plan, const double *sqnr) {
  for (int i = 0; i < plan->layer_count; i++) {
    const Node *before = plan->layers[i].node;
    int64_t weights = bytes_of(before->operands[1]),
            channels =
                type_dim(&plan->layers[i].original->type, plan->layers[i].original->type.rank - 1);
    report_add(plan->context->report,
               (ReportRow){.layer = layer_name(before),
                           .pass = "quantize",
                           .bytes_before = weights + bytes_of(node_operand(before, 2)),
                           .bytes_after = weights / 4 + 12 * channels,
                           .density = -1,
                           .bits = 8,
                           .sqnr = sqnr[i]});
  }
}

bool pass_quantize(Graph *graph, PassContext *context) {
  if (!run_passes(context, PREPARE)) return false;
  QuantPlan plan;
  init_plan(&plan, context, graph);
  if (!quantize_choose_ranges(&plan)) return false;
  quantize_tie(&plan);
  if (!strcmp(pass_option_string(context, "rounding"), "joint") &&
      !quantize_round_weights(&plan, pass_option_int(context, "samples")))
    return false;
  double *sqnr = NULL;
  if (context->report) {
    sqnr = NEW_ARRAY(context->scratch, double, graph->node_count + 1);
    if (!measure_noise(&plan, sqnr)) return false;
  }
  if (pass_option_bool(context, "correct_bias") && !measure_shifts(&plan)) return false;
  if (!quantize_rewrite(&plan)) return false;
  if (context->report) report_layers(&plan, sqnr);
  // What the originals read would hide that an input is only quantized.
  if (plan.code_outputs) {
    if (!run_passes(context, "dead_code")) return false;
    quantize_inputs(&plan);
    if (!quantize_outputs(&plan)) return false;
  }
  context->changed += plan.layer_count;
  return run_passes(context, "fixpoint<4>(fold_constants, common_subexpressions, dead_code)");
}
