// Calibration: a copy of the model gets the interesting values as outputs, and the executor runs it
// over the data set. A range is the smallest and largest value seen, or what a histogram says is
// better: the range that holds a share of the values, or the one with the least expected squared
// error of codes.
#include "passes/calibrate.h"

#include <math.h>
#include <string.h>

#include "ir/interpret.h"

enum { GENERATED_SAMPLES = 16, GENERATED_DIM = 8 };

#define BINS 2048

// --- running

static uint32_t next_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 33);
}

static double next_normal(uint64_t *state) { // sum of twelve uniform numbers
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += (double)next_random(state) / 2147483648.0;
  return sum;
}

static bool generate_inputs(const Graph *graph, uint64_t *random, Tensor *inputs, Arena *arena,
                            Diag *diag) {
  DimTable *dims = graph->module->dims;
  int count = dim_symbol_count(dims);
  int64_t *symbols = NEW_ARRAY(arena, int64_t, count + 1);
  for (int i = 0; i < count; i++) {
    const Atom *symbol = dim_symbol_at(dims, i);
    symbols[i] = symbol->low > GENERATED_DIM    ? symbol->low
                 : symbol->high < GENERATED_DIM ? symbol->high
                                                : GENERATED_DIM;
  }
  for (int i = 0; i < graph->input_count; i++) {
    const Type *type = &graph->inputs[i]->type;
    int64_t shape[MAX_RANK], elements, bytes;
    if (type->kind != TYPE_TENSOR || type->element == STR)
      return diag_error(diag, loc_file(graph->module->source),
                        "no calibration data can be generated for input '%s'; give --data",
                        graph->inputs[i]->name ? graph->inputs[i]->name : "");
    type_evaluate(type, symbols, shape);
    if (!tensor_checked_bytes(type->element, type->rank, shape, &elements, &bytes))
      return diag_error(diag, loc_file(graph->module->source),
                        "an input is too large to generate calibration data; give --data");
    inputs[i] = tensor_create(arena, type->element, type->rank, shape);
    for (int64_t k = 0; k < elements; k++)
      if (element_is_float(type->element))
        element_store(type->element, inputs[i].data, k, next_normal(random));
      else
        element_store_int(type->element, inputs[i].data, k, next_random(random) & 1);
  }
  return true;
}

int64_t calibrate_count(const PassContext *context, int64_t samples) {
  bool data = context->data && context->data->count > 0;
  int64_t limit = data ? context->data->count : GENERATED_SAMPLES;
  return samples < limit ? samples : limit;
}

bool calibrate_run(PassContext *context, const Module *observed, int first, int64_t samples,
                   CalibrationObserver observer, void *state) {
  const Graph *graph = observed->main;
  DataSet *data = context->data && context->data->count > 0 ? context->data : NULL;
  int64_t count = calibrate_count(context, samples);
  Arena *loaded = arena_create(); // the program has the weights again: it goes when it has run
  Program *program = context->executor->prepare(context->executor, graph, loaded, context->diag);
  uint64_t random = 1;
  bool good = program != NULL;
  for (int64_t i = 0; good && i < count; i++) {
    Arena *arena = arena_create();
    Tensor *inputs = NEW_ARRAY(arena, Tensor, graph->input_count + 1),
           *outputs = NEW_ARRAY(arena, Tensor, graph->output_count + 1);
    good = data ? data->sample(data, context->module->main, i * data->count / count, inputs, arena,
                               context->diag)
                : generate_inputs(graph, &random, inputs, arena, context->diag);
    good = good && context->executor->run(context->executor, program, inputs, outputs, arena,
                                          context->diag);
    if (good) observer(state, outputs + first, graph->output_count - first);
    arena_destroy(arena);
  }
  arena_destroy(loaded);
  return good;
}

// --- observing

// Ranges are tried whose ends lie between all and a fifth of what was seen.
#define STEPS 32
static double range_end(float seen, int step) { return (double)seen * (1 - 0.8 * step / STEPS); }

// What a sample says of the ends of a range.
typedef struct Sample {
  double count;                              // values other than zero
  double below[STEPS + 1], above[STEPS + 1]; // squared distances to what lies outside
} Sample;

typedef struct Histogram {
  float low, high; // seen
  double *bins;    // BINS; NULL in the first round
  Sample *samples; // RANGE_MSE
  int sample_count, sample_capacity;
} Histogram;

typedef struct Observation {
  Histogram *all;
  Arena *scratch;
  bool by_sample;
} Observation;

static void observe_limits(void *state, const Tensor *outputs, int count) {
  Histogram *all = state;
  for (int i = 0; i < count; i++) {
    const float *values = outputs[i].data;
    float low = all[i].low, high = all[i].high;
    for (int64_t k = 0, n = tensor_count(&outputs[i]); k < n; k++) {
      if (!isfinite(values[k])) continue;
      low = values[k] < low ? values[k] : low;
      high = values[k] > high ? values[k] : high;
    }
    all[i].low = low;
    all[i].high = high;
  }
}

static double bin_centre(const Histogram *h, int bin) {
  return (double)h->low + (bin + 0.5) * ((double)h->high - (double)h->low) / BINS;
}

static double square(double x) { return x * x; }

// Of the bins of one sample. Exact zeros (behind a relu) are no errors, whatever the range.
static Sample sample_of(const Histogram *h, const double *bins) {
  Sample sample = {0};
  double width = ((double)h->high - (double)h->low) / BINS;
  for (int i = 0; i < BINS; i++) {
    double value = bin_centre(h, i);
    if (bins[i] == 0 || fabs(value) <= width) continue;
    sample.count += bins[i];
    for (int k = STEPS; k >= 0 && value < range_end(h->low, k); k--)
      sample.below[k] += bins[i] * square(range_end(h->low, k) - value);
    for (int k = STEPS; k >= 0 && value > range_end(h->high, k); k--)
      sample.above[k] += bins[i] * square(value - range_end(h->high, k));
  }
  return sample;
}

static void observe_bins(void *state, const Tensor *outputs, int count) {
  Observation *observation = state;
  double bins[BINS];
  for (int i = 0; i < count; i++) {
    Histogram *h = &observation->all[i];
    const float *values = outputs[i].data;
    double width = ((double)h->high - (double)h->low) / BINS;
    if (!(width > 0)) continue;
    memset(bins, 0, sizeof bins);
    for (int64_t k = 0, n = tensor_count(&outputs[i]); k < n; k++) {
      double bin = ((double)values[k] - (double)h->low) / width;
      if (bin >= 0 && bin <= BINS) bins[bin < BINS ? (int)bin : BINS - 1]++;
    }
    for (int k = 0; k < BINS; k++) h->bins[k] += bins[k];
    if (!observation->by_sample) continue;
    Sample sample = sample_of(h, bins);
    ARENA_PUSH(observation->scratch, h->samples, h->sample_count, h->sample_capacity, sample);
  }
}

// --- choosing

// What is cut off errs to one side: through the layers such errors add up, while those of rounding
// cancel.
static const double cut_weight = 3;

// Expected error of codes that cover [low, high], as steps of the ends: the mean of the samples'
// errors, not of their squares, so that a sample with outliers counts as one among all.
static double expected_error(const Histogram *h, int low, int high, int bits) {
  double step = (range_end(h->high, high) - range_end(h->low, low)) / (ldexp(1, bits) - 1),
         error = 0;
  for (int i = 0; i < h->sample_count; i++) {
    const Sample *s = &h->samples[i];
    error += sqrt(s->count * step * step / 12 + cut_weight * (s->below[low] + s->above[high]));
  }
  return error;
}

static Range least_error(const Histogram *h, int bits) {
  Range best = {h->low, h->high};
  double least = INFINITY;
  for (int a = 0; a <= (h->low < 0 ? STEPS : 0); a++)
    for (int b = 0; b <= (h->high > 0 ? STEPS : 0); b++) {
      double error = expected_error(h, a, b, bits);
      if (error >= least) continue;
      least = error;
      best = (Range){(float)range_end(h->low, a), (float)range_end(h->high, b)};
    }
  return best;
}

static Range holding_share(const Histogram *h, double share) {
  double total = 0, rest, left = 0, right = 0;
  for (int i = 0; i < BINS; i++) total += h->bins[i];
  rest = total * (1 - share) / 2;
  int first = 0, last = BINS - 1;
  while (first < last && left + h->bins[first] <= rest) left += h->bins[first++];
  while (last > first && right + h->bins[last] <= rest) right += h->bins[last--];
  double half = ((double)h->high - (double)h->low) / BINS / 2, low = bin_centre(h, first) - half,
         high = bin_centre(h, last) + half;
  return (Range){low < 0 ? (float)low : 0, high > 0 ? (float)high : 0};
}

static Range choose(const Histogram *h, const RangeChoice *choice, int bits) {
  if (choice->method == RANGE_MINMAX || !(h->high > h->low)) return (Range){h->low, h->high};
  return choice->method == RANGE_MSE ? least_error(h, bits) : holding_share(h, choice->percentile);
}

// --- the copy that is run

// Outputs of `copy` for `values` of the original, which has the same nodes in the same order.
static void add_outputs(const Graph *original, Graph *copy, Value *const *values, int count,
                        Arena *scratch) {
  Value **copies = NEW_ARRAY(scratch, Value *, original->module->next_value_id + 1);
  for (int i = 0; i < original->input_count; i++) copies[original->inputs[i]->id] = copy->inputs[i];
  const Node *from = original->first;
  for (const Node *to = copy->first; to; to = to->next, from = from->next)
    for (int i = 0; i < to->result_count; i++) copies[from->results[i]->id] = to->results[i];
  for (int i = 0; i < count; i++) graph_add_output(copy, copies[values[i]->id]);
}

static Module *observed_copy(PassContext *context, Value *const *values, int count) {
  Module *observed = module_clone(context->scratch, context->diag, context->module);
  add_outputs(context->module->main, observed->main, values, count, context->scratch);
  return observed;
}

bool calibrate_values(PassContext *context, Value *const *values, int count, int64_t samples,
                      CalibrationObserver observer, void *state) {
  const Module *observed = observed_copy(context, values, count);
  return calibrate_run(context, observed, context->module->main->output_count, samples, observer,
                       state);
}

bool calibrate_ranges(PassContext *context, const CalibrationOptions *options, Value *const *values,
                      int count, Range *const *ranges) {
  if (!context->executor)
    return diag_error(context->diag, loc_file(context->module->source),
                      "pass '%s' runs the model, which this command cannot", context->info->name);
  if (!context->data || context->data->count == 0)
    diag_warning(context->diag, loc_file(context->module->source),
                 "pass '%s': no calibration data (--data): ranges come from normally distributed "
                 "random inputs",
                 context->info->name);
  const Module *observed = observed_copy(context, values, count);
  Histogram *all = NEW_ARRAY(context->scratch, Histogram, count + 1);
  int first = context->module->main->output_count;
  if (!calibrate_run(context, observed, first, options->samples, observe_limits, all)) return false;
  bool only_limits = options->choice_count == 1 && options->choices[0].method == RANGE_MINMAX;
  if (!only_limits) {
    Observation observation = {all, context->scratch, false};
    for (int i = 0; i < options->choice_count; i++)
      observation.by_sample |= options->choices[i].method == RANGE_MSE;
    for (int i = 0; i < count; i++) all[i].bins = NEW_ARRAY(context->scratch, double, BINS);
    if (!calibrate_run(context, observed, first, options->samples, observe_bins, &observation))
      return false;
  }
  for (int c = 0; c < options->choice_count; c++)
    for (int i = 0; i < count; i++)
      ranges[c][i] = choose(&all[i], &options->choices[c], options->bits);
  return true;
}
