// The rounding of weights: not each to the nearest code, but so that the errors of an output
// channel's weights cancel in its sums.
//   e' M e -> min,   e = w - scale * codes,   M = second moments of what the layer reads
// With M = R'R, R upper triangular, a weight is rounded after those behind it and takes over what
// their errors left in its row of R (Babai's nearest plane; GPTQ, Frantar 2022, is the same in the
// other order). Where biases are corrected they take the mean of the error, and M is the
// covariance.
#include <math.h>
#include <string.h>

#include "ir/interpret_window.h"
#include "passes/linear_algebra.h"
#include "passes/quantize.h"

// More depth is more memory for M than the gain is worth; moments of that many bytes in one run.
enum { MOST_DEPTH = 6144, LEAST_ROWS = 8192, ROWS_FOR_DEPTH = 4 };
static const double moment_bytes = 512e6;
static const double damping = 0.01; // of the mean variance

typedef struct Layer {
  int number;
  Node *node;
  Value *x;
  int output; // of the run: x
  QuantWeights weights;
  int64_t groups, rows_wanted; // of a sample
  double *moments, *sums;      // [groups][depth][depth], upper triangles; [groups][depth]
  int64_t rows;
} Layer;

typedef struct Batch {
  Layer *layers;
  int count;
} Batch;

// --- the second moments

// What one output position reads: [groups][taps][channels], zeros for padding.
static void gather_row(const Layer *layer, const Window *window, const float *image, int64_t number,
                       Tap *taps, double *row) {
  int64_t in = layer->weights.depth / window->tap_count, groups = layer->groups;
  memset(row, 0, (size_t)(groups * layer->weights.depth) * sizeof *row);
  int64_t count = window_taps(window, number, taps, NULL);
  for (int64_t t = 0; t < count; t++)
    for (int64_t g = 0; g < groups; g++) {
      const float *from = image + (taps[t].position * groups + g) * in;
      double *to = row + (g * window->tap_count + taps[t].tap) * in;
      for (int64_t c = 0; c < in; c++) to[c] = (double)from[c];
    }
}

static Window layer_window(const Layer *layer, const Tensor *x) {
  int64_t kernel[MAX_RANK], result[MAX_RANK];
  const Type *w = &layer->node->operands[1]->type;
  int spatial = w->rank - 2;
  for (int i = 0; i < spatial; i++) {
    int64_t stride = node_ints_at(layer->node, ATTR_STRIDES, i, 1),
            dilation = node_ints_at(layer->node, ATTR_DILATIONS, i, 1),
            pads = node_ints_at(layer->node, ATTR_PADS, i, 0) +
                   node_ints_at(layer->node, ATTR_PADS, spatial + i, 0);
    kernel[i] = type_dim(w, i + 1);
    result[i] = (x->dims[i + 1] + pads - dilation * (kernel[i] - 1) - 1) / stride + 1;
  }
  return window_of(layer->node, spatial, x->dims + 1, result, kernel);
}

// Positions spread over all images, others in each sample.
static int64_t take_rows(const Layer *layer, const Tensor *x, double *rows, Arena *scratch) {
  const float *data = x->data;
  bool conv = layer->node->op == OP_CONV;
  int64_t depth = layer->weights.depth, width = layer->groups * depth, images = 1;
  Window window = {.small_count = depth ? tensor_count(x) / depth : 0, .tap_count = 1};
  if (conv) window = layer_window(layer, x), images = x->dims[0];
  Tap *taps = NEW_ARRAY(scratch, Tap, window.tap_count);
  int64_t positions = images * window.small_count,
          count = positions < layer->rows_wanted ? positions : layer->rows_wanted;
  for (int64_t r = 0; r < count; r++) {
    int64_t at = (r * positions / count + layer->rows) % positions;
    double *row = rows + r * width;
    if (conv)
      gather_row(layer, &window,
                 data + at / window.small_count * window.large_count * x->dims[x->rank - 1],
                 at % window.small_count, taps, row);
    for (int64_t k = 0; !conv && k < depth; k++) row[k] = (double)data[at * depth + k];
  }
  return count;
}

static void add_rows(Layer *layer, const double *rows, int64_t count) {
  int64_t depth = layer->weights.depth, width = layer->groups * depth;
  for (int64_t g = 0; g < layer->groups; g++)
    linear_algebra_add_gram(count, depth, rows + g * depth, width,
                            layer->moments + g * depth * depth);
  for (int64_t r = 0; r < count; r++)
    for (int64_t k = 0; k < width; k++) layer->sums[k] += rows[r * width + k];
  layer->rows += count;
}

static void observe_moments(void *state, const Tensor *outputs, int count) {
  Batch *batch = state;
  (void)count;
  for (int i = 0; i < batch->count; i++) {
    Layer *layer = &batch->layers[i];
    Arena *scratch = arena_create();
    double *rows =
        NEW_ARRAY(scratch, double, layer->rows_wanted * layer->groups * layer->weights.depth + 1);
    int64_t taken = take_rows(layer, &outputs[layer->output], rows, scratch);
    if (taken > 0) add_rows(layer, rows, taken);
    arena_destroy(scratch);
  }
}

// Moments become the triangle R; false: they have none.
static bool factorise(Layer *layer, int64_t group, bool centred) {
  int64_t depth = layer->weights.depth;
  double *m = layer->moments + group * depth * depth, *sums = layer->sums + group * depth,
         trace = 0, rows = (double)layer->rows;
  for (int64_t i = 0; i < depth; i++) {
    for (int64_t j = i; centred && j < depth; j++) m[i * depth + j] -= sums[i] * sums[j] / rows;
    trace += m[i * depth + i];
  }
  if (!(trace > 0) || !isfinite(trace)) return false;
  for (int64_t i = 0; i < depth; i++) m[i * depth + i] += damping * trace / (double)depth;
  return linear_algebra_cholesky(depth, m);
}

// --- rounding

typedef struct Rounding {
  const Layer *layer;
  const double *triangle; // R of the group
  const float *data, *scales;
  int64_t first, channels; // of the group
  double *errors, *left;   // [depth][channels]; of a block of rows, what the errors behind it leave
  int8_t *codes;
} Rounding;

enum { ROUNDING_BLOCK = 64 };

static void round_row(const Rounding *r, int64_t k, const double *left) {
  const QuantWeights *w = &r->layer->weights;
  double *errors = r->errors + k * r->channels, diagonal = r->triangle[k * w->depth + k];
  for (int64_t c = 0; c < r->channels; c++) {
    int64_t at = quant_weight_index(w, r->first + c, k);
    double weight = (double)r->data[at], scale = (double)r->scales[r->first + c],
           code = rint((weight + left[c] / diagonal) / scale);
    code = code < -127 ? -127 : code > 127 ? 127 : code;
    r->codes[at] = (int8_t)code;
    errors[c] = weight - code * scale;
  }
}

static void round_group(const Rounding *r) {
  int64_t depth = r->layer->weights.depth, channels = r->channels;
  for (int64_t end = depth; end > 0; end -= ROUNDING_BLOCK) {
    int64_t begin = end > ROUNDING_BLOCK ? end - ROUNDING_BLOCK : 0;
    memset(r->left, 0, (size_t)((end - begin) * channels) * sizeof *r->left);
    if (end < depth)
      linear_algebra_multiply(end - begin, channels, depth - end, r->triangle + begin * depth + end,
                              depth, r->errors + end * channels, channels, r->left, channels);
    for (int64_t k = end - 1; k >= begin; k--) {
      double *left = r->left + (k - begin) * channels;
      for (int64_t j = k + 1; j < end; j++)
        for (int64_t c = 0; c < channels; c++)
          left[c] += r->triangle[k * depth + j] * r->errors[j * channels + c];
      round_row(r, k, left);
    }
  }
}

static void round_layer(QuantPlan *plan, Layer *layer, bool centred) {
  const QuantWeights *w = &layer->weights;
  Tensor weights, bias = {0};
  value_tensor(layer->node->operands[1], &weights);
  bool has_bias = node_operand(layer->node, 2) && value_tensor(layer->node->operands[2], &bias);
  Arena *arena = plan->context->scratch, *scratch = arena_create();
  float *scales = quant_weight_scales(plan, layer->node, w, has_bias ? bias.data : NULL);
  Rounding r = {.layer = layer,
                .data = weights.data,
                .scales = scales,
                .channels = w->channels / layer->groups};
  r.codes = NEW_ARRAY(arena, int8_t, w->channels * w->depth + 1);
  r.errors = NEW_ARRAY(scratch, double, w->depth *r.channels + 1);
  r.left = NEW_ARRAY(scratch, double, ROUNDING_BLOCK *r.channels + 1);
  bool good = layer->rows > 0;
  for (int64_t g = 0; good && g < layer->groups; g++) {
    good = factorise(layer, g, centred);
    r.triangle = layer->moments + g * w->depth * w->depth;
    r.first = g * r.channels;
    if (good) round_group(&r);
  }
  if (good) plan->rounded[layer->number] = r.codes, plan->rounded_scales[layer->number] = scales;
  arena_destroy(scratch);
}

// --- which layers

static double moments_of(const Layer *layer) {
  return 8 * (double)layer->groups * (double)layer->weights.depth * (double)layer->weights.depth;
}

static Layer *list_layers(const QuantPlan *plan, int64_t samples, int *count, int *products) {
  Layer *layers = NEW_ARRAY(plan->context->scratch, Layer, plan->graph->node_count + 1);
  *count = *products = 0;
  for (Node *node = plan->graph->first; node; node = node->next) {
    if (!quant_is_product(node) || quant_refusal(plan, node)) continue;
    Layer layer = {.number = (*products)++,
                   .node = node,
                   .x = node->operands[0],
                   .weights = quant_weights(node),
                   .groups = 1};
    if (node->op == OP_CONV) layer.groups = node_int(node, ATTR_GROUP);
    int64_t depth = layer.weights.depth,
            rows = ROWS_FOR_DEPTH * depth > LEAST_ROWS ? ROWS_FOR_DEPTH * depth : LEAST_ROWS;
    layer.rows_wanted = (rows + samples - 1) / samples;
    if (depth > 0 && depth <= MOST_DEPTH && moments_of(&layer) <= moment_bytes)
      layers[(*count)++] = layer;
  }
  return layers;
}

static bool round_some(QuantPlan *plan, Layer *layers, int count, int64_t samples, bool centred) {
  Arena *scratch = arena_create();
  Value **values = NEW_ARRAY(scratch, Value *, count + 1);
  int value_count = 0;
  for (int i = 0; i < count; i++) {
    Layer *layer = &layers[i];
    int64_t width = layer->groups * layer->weights.depth;
    layer->moments = NEW_ARRAY(scratch, double, width * layer->weights.depth + 1);
    layer->sums = NEW_ARRAY(scratch, double, width + 1);
    while (layer->output < value_count && values[layer->output] != layer->x) layer->output++;
    if (layer->output == value_count) values[value_count++] = layer->x;
  }
  Batch batch = {layers, count};
  bool good =
      calibrate_values(plan->context, values, value_count, samples, observe_moments, &batch);
  for (int i = 0; good && i < count; i++) round_layer(plan, &layers[i], centred);
  arena_destroy(scratch);
  return good;
}

bool quantize_round_weights(QuantPlan *plan, int64_t samples) {
  PassContext *context = plan->context;
  if (!context->data || context->data->count == 0) return true; // random inputs say nothing
  if (!linear_algebra_open(context->diag)) return false;
  int count, products;
  Layer *layers = list_layers(plan, calibrate_count(context, samples), &count, &products);
  plan->rounded = NEW_ARRAY(context->scratch, int8_t *, products + 1);
  plan->rounded_scales = NEW_ARRAY(context->scratch, float *, products + 1);
  bool centred = pass_option_bool(context, "correct_bias");
  for (int first = 0, end; first < count; first = end) {
    double bytes = 0;
    for (end = first; end < count; end++) {
      if (end > first && bytes + moments_of(&layers[end]) > moment_bytes) break;
      bytes += moments_of(&layers[end]);
    }
    if (!round_some(plan, layers + first, end - first, samples, centred)) return false;
  }
  return true;
}
