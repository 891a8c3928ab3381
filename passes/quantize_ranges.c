// The choice of ranges. What to cut off is a matter of the whole model: an outlier may be the very
// thing that the answer hangs on, or be averaged away behind the next layer. So method=auto
// quantizes copies of the model in several ways and takes the one whose outputs on calibration data
// are nearest to those of the floats.
#include <math.h>
#include <string.h>

#include "passes/quantize.h"

enum { JUDGED_SAMPLES = 64, CHOICES = 5 };
static const int64_t judged_elements = INT64_C(1) << 24; // of outputs that are kept

static const RangeChoice choices[CHOICES] = {{RANGE_PERCENTILE, 0.9995},
                                             {RANGE_PERCENTILE, 0.9999},
                                             {RANGE_PERCENTILE, 0.99997},
                                             {RANGE_MSE, 0},
                                             {RANGE_MINMAX, 0}};

static bool is_observable(const Value *value) {
  return value->type.kind == TYPE_TENSOR && value->type.element == F32 && !value->type.quant &&
         !value_is_constant(value);
}

// Every f32 value that the model computes, and its inputs.
static Value **list_values(const Graph *graph, Arena *arena, int *count) {
  Value **values = NEW_ARRAY(arena, Value *, graph->module->next_value_id + 1);
  *count = 0;
  for (int i = 0; i < graph->input_count; i++)
    if (is_observable(graph->inputs[i])) values[(*count)++] = graph->inputs[i];
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++)
      if (is_observable(node->results[i])) values[(*count)++] = node->results[i];
  return values;
}

// --- judging

// What a softmax or sigmoid makes of an output says little: it is flat where the model is sure.
static void show_logits(Graph *graph) {
  for (int i = 0; i < graph->output_count; i++) {
    const Node *node = graph->outputs[i]->definition;
    bool flat =
        node && (node->op == OP_SOFTMAX || node->op == OP_LOG_SOFTMAX || node->op == OP_SIGMOID);
    if (flat) graph_set_output(graph, i, node->operands[0]);
  }
}

typedef struct Judgement {
  Arena *arena;
  Tensor **outputs; // of the floats, by sample
  int sample_count, sample_capacity;
  int at;       // the sample that comes next
  double error; // summed over samples and outputs
} Judgement;

static void keep_outputs(void *state, const Tensor *outputs, int count) {
  Judgement *judgement = state;
  Tensor *kept = NEW_ARRAY(judgement->arena, Tensor, count + 1);
  for (int i = 0; i < count; i++) kept[i] = tensor_copy(judgement->arena, &outputs[i]);
  ARENA_PUSH(judgement->arena, judgement->outputs, judgement->sample_count,
             judgement->sample_capacity, kept);
}

// Relative to the output's norm; not squared, so that a sample with outliers counts as one of all.
static double distance(const Tensor *wanted, const Tensor *found) {
  int64_t n = tensor_count(wanted);
  if (tensor_count(found) != n || found->element != F32 || wanted->element != F32) return 0;
  const float *a = wanted->data, *b = found->data;
  double signal = 0, noise = 0;
  for (int64_t k = 0; k < n; k++) {
    double x = (double)a[k], difference = (double)b[k] - x;
    signal += x * x;
    noise += difference * difference;
  }
  if (!isfinite(signal)) return 0;
  return isfinite(noise) ? sqrt(noise / (signal + 1e-30)) : 1;
}

static void compare_outputs(void *state, const Tensor *outputs, int count) {
  Judgement *judgement = state;
  const Tensor *wanted = judgement->outputs[judgement->at++];
  for (int i = 0; i < count; i++) judgement->error += distance(&wanted[i], &outputs[i]);
}

static void set_ranges(QuantPlan *plan, Value *const *values, int count, const Range *ranges) {
  for (int i = 0; i < count; i++) {
    plan->known[values[i]->id] = true;
    plan->range[values[i]->id] = ranges[i];
  }
  quantize_narrow_sums(plan);
}

// The error of the whole model with the plan's ranges.
static bool judge(const QuantPlan *plan, int64_t samples, Judgement *judgement) {
  QuantPlan trial;
  PassContext inner;
  Module *copy = quant_plan_copy(plan, &trial, &inner);
  show_logits(copy->main);
  quantize_tie(&trial);
  judgement->at = 0;
  judgement->error = 0;
  return quantize_rewrite(&trial) &&
         calibrate_run(plan->context, copy, 0, samples, compare_outputs, judgement);
}

static int64_t judged_samples(const QuantPlan *plan, int64_t samples) {
  int64_t elements = 1, count;
  for (int i = 0; i < plan->graph->output_count; i++)
    if (type_max_count(&plan->graph->outputs[i]->type, &count)) elements += count;
  int64_t most = judged_elements / elements + 1;
  samples = samples < JUDGED_SAMPLES ? samples : JUDGED_SAMPLES;
  return samples < most ? samples : most;
}

static bool choose_best(QuantPlan *plan, int64_t samples, Value *const *values, int count,
                        Range *const *ranges, int *best) {
  PassContext *context = plan->context;
  Judgement judgement = {.arena = arena_create()};
  samples = judged_samples(plan, samples);
  Module *floats = module_clone(context->scratch, context->diag, context->module);
  show_logits(floats->main);
  bool good = calibrate_run(context, floats, 0, samples, keep_outputs, &judgement);
  double least = INFINITY;
  for (int i = 0; good && i < CHOICES; i++) {
    set_ranges(plan, values, count, ranges[i]);
    good = judge(plan, samples, &judgement);
    if (!good || judgement.error >= least) continue;
    least = judgement.error;
    *best = i;
  }
  arena_destroy(judgement.arena);
  return good;
}

bool quantize_choose_ranges(QuantPlan *plan) {
  PassContext *context = plan->context;
  const char *method = pass_option_string(context, "method");
  RangeChoice given = {.method = !strcmp(method, "minmax") ? RANGE_MINMAX
                                 : !strcmp(method, "mse")  ? RANGE_MSE
                                                           : RANGE_PERCENTILE,
                       .percentile = pass_option_float(context, "percentile")};
  // Random inputs say nothing about outliers.
  bool automatic = !strcmp(method, "auto") && context->data && context->data->count > 0;
  CalibrationOptions options = {.samples = pass_option_int(context, "samples"),
                                .bits = 8,
                                .choices = automatic ? choices : &given,
                                .choice_count = automatic ? CHOICES : 1};
  if (options.samples < 1)
    return diag_error(context->diag, loc_file(context->module->source),
                      "quantize: samples = %lld, wanted 1 or more", (long long)options.samples);
  int count, best = 0;
  Value **values = list_values(plan->graph, context->scratch, &count);
  Range *ranges[CHOICES];
  for (int i = 0; i < options.choice_count; i++)
    ranges[i] = NEW_ARRAY(context->scratch, Range, count + 1);
  if (!calibrate_ranges(context, &options, values, count, ranges)) return false;
  if (automatic && !choose_best(plan, options.samples, values, count, ranges, &best)) return false;
  set_ranges(plan, values, count, ranges[best]);
  return true;
}
