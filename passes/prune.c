// prune - removes the weights of smallest magnitude.
//   structure=element: |w| <= threshold becomes 0, storage sparse(block=1x1)
//   structure=neuron|filter: whole outputs leave the graph (prune_channels.c)
// The threshold is chosen by count: the fraction `sparsity` of the elements, of each layer or of
// all layers together, goes; of equal magnitudes the first ones. Biases stay. A layer whose streams
// would not be smaller than its dense bytes stays as it was. Needs: nothing. Leaves: constants with
// zeros and storage sparse.
#include "passes/prune.h"

#include <math.h>
#include <string.h>

#include "ir/constant_data.h"
#include "passes/compress.h"

// --- the threshold, exact, without sorting: magnitudes order like their bits

static uint32_t magnitude(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits & 0x7fffffff;
}

typedef struct Threshold {
  uint32_t below; // magnitudes under this go
  int64_t equal;  // and so many that equal it
} Threshold;

// The half (upper 16 bits, or lower 16 bits under `prefix`) in which the `wanted`-th smallest lies;
// *wanted becomes what is left of it within.
static uint32_t find_half(Layer *const *layers, int count, bool upper, uint32_t prefix,
                          int64_t *wanted, Arena *scratch) {
  int64_t *histogram = NEW_ARRAY(scratch, int64_t, 1 << 16);
  for (int l = 0; l < count; l++) {
    const float *values = layers[l]->constant->data;
    for (int64_t i = 0; i < layers[l]->count; i++) {
      uint32_t bits = magnitude(values[i]);
      if (upper)
        histogram[bits >> 16]++;
      else if (bits >> 16 == prefix)
        histogram[bits & 0xffff]++;
    }
  }
  uint32_t half = 0;
  while (half < 0xffff && histogram[half] <= *wanted) *wanted -= histogram[half++];
  return half;
}

static Threshold find_threshold(Layer *const *layers, int count, double sparsity, Arena *scratch) {
  int64_t elements = 0;
  for (int l = 0; l < count; l++) elements += layers[l]->count;
  int64_t wanted = (int64_t)floor(sparsity * (double)elements);
  uint32_t upper = find_half(layers, count, true, 0, &wanted, scratch);
  uint32_t lower = find_half(layers, count, false, upper, &wanted, scratch);
  return (Threshold){upper << 16 | lower, wanted};
}

static float *prune_values(PassContext *context, const Layer *layer, Threshold *threshold) {
  const float *old = layer->constant->data;
  float *values = NEW_ARRAY(module_data(context->module), float, layer->count);
  for (int64_t i = 0; i < layer->count; i++) {
    uint32_t bits = magnitude(old[i]);
    bool goes = bits < threshold->below || (bits == threshold->below && threshold->equal > 0);
    if (goes && bits == threshold->below) threshold->equal--;
    values[i] = goes ? 0 : old[i];
  }
  return values;
}

static void prune_layer(PassContext *context, Layer *layer, Threshold *threshold) {
  int64_t before = compress_bytes(layer, &layer->constant->storage);
  Layer pruned = *layer;
  Constant constant = *layer->constant;
  pruned.constant = &constant;
  constant.data = pruned.matrix.data = prune_values(context, layer, threshold);
  storage_set(&constant.storage,
              (Stage){.kind = STAGE_SPARSE, .block_rows = 1, .block_columns = 1});
  storage_choose_gap(&pruned.matrix, &constant.storage);
  int64_t after = compress_bytes(&pruned, &constant.storage);
  if (after > before - WORTH_BYTES) {
    compress_refuse(context, layer, "gaps and values would take as many bytes as all values");
    return;
  }
  double sqnr = compress_sqnr(layer->constant->data, constant.data, layer->count);
  layer->constant->storage = constant.storage;
  compress_set_values(context, layer, constant.data);
  compress_report(context, layer, before, after, 0, sqnr);
}

bool prune_elements(Graph *graph, PassContext *context, double sparsity, bool global) {
  LayerList list = compress_layers(graph, context);
  Layer **layers = NEW_ARRAY(context->scratch, Layer *, list.count + 1);
  int count = 0;
  for (int i = 0; i < list.count; i++)
    if (!list.items[i].refused) layers[count++] = &list.items[i];
  Threshold threshold = {0, 0};
  if (global) threshold = find_threshold(layers, count, sparsity, context->scratch);
  for (int i = 0; i < list.count; i++) {
    Layer *layer = &list.items[i];
    if (layer->refused) {
      compress_refuse(context, layer, layer->refused);
      continue;
    }
    if (!global) threshold = find_threshold(&layer, 1, sparsity, context->scratch);
    prune_layer(context, layer, &threshold);
    module_trim(context->module, TRIM_GROWTH);
  }
  return true;
}

bool pass_prune(Graph *graph, PassContext *context) {
  double sparsity = pass_option_float(context, "sparsity");
  if (!(sparsity >= 0 && sparsity < 1))
    return diag_error(context->diag, loc_file(context->module->source),
                      "prune: sparsity %g is not in 0 .. 1", sparsity);
  if (!compress_prepare(context)) return false;
  bool global = !strcmp(pass_option_string(context, "scope"), "global");
  const char *structure = pass_option_string(context, "structure");
  if (!strcmp(structure, "element")) return prune_elements(graph, context, sparsity, global);
  return prune_channels(graph, context, sparsity, global, !strcmp(structure, "filter"));
}
