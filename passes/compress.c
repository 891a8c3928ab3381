// Layers, records and report rows of the compressing passes.
#include "passes/compress.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "ir/hash.h"
#include "passes/report.h"

bool compress_prepare(PassContext *context) {
  PassContext inner = *context;
  PipelineOptions options = {.quiet = true};
  return pipeline_run("fixpoint<8>(dead_code, fold_constants, canonicalise, sink_transposes, "
                      "dead_code, fold_affine), dead_code, fold_constants, dead_code",
                      &inner, &options);
}

static bool is_product(const Node *node) {
  return node->op == OP_MATMUL || node->op == OP_CONV || node->op == OP_CONV_TRANSPOSE;
}

static bool is_f32_weights(const Value *value) {
  const Constant *constant = value ? value_constant(value) : NULL;
  int64_t count;
  return constant && value->type.element == F32 && value->type.rank >= 2 &&
         type_max_count(&value->type, &count) && count > 0;
}

// Codes of integer products, one byte each.
static bool is_code_weights(const Value *value) {
  const Constant *constant = value ? value_constant(value) : NULL;
  return constant && (value->type.element == I8 || value->type.element == U8) &&
         value->type.rank >= 2 && constant->bytes > 0;
}

static const char *other_use(const Value *weights) {
  if (weights->output_uses) return "an output of the model";
  for (int i = 0; i < weights->use_count; i++)
    if (!is_product(weights->uses[i].user) || weights->uses[i].index != 1)
      return "another op reads these values too";
  return NULL;
}

const char *compress_layer_name(const Layer *layer) {
  const char *name = layer->constant_node->results[0]->name, *node = layer->user->loc.node;
  return name ? name : node ? node : layer->constant->name;
}

static void add_layer(LayerList *list, Node *user, PassContext *context, bool codes) {
  Value *weights = node_operand(user, 1);
  if (codes ? !is_code_weights(weights) : !is_f32_weights(weights)) return;
  for (int i = 0; i < list->count; i++)
    if (list->items[i].constant_node == weights->definition) return;
  Layer layer = {.constant_node = weights->definition,
                 .user = user,
                 .constant = value_constant(weights),
                 .type = &weights->type};
  const char *only = pass_option_string(context, "only");
  if (*only && fnmatch(only, layer.constant->name, 0) != 0 &&
      fnmatch(only, compress_layer_name(&layer), 0) != 0)
    return;
  type_max_count(layer.type, &layer.count);
  layer.refused = other_use(weights);
  for (int i = 0; i < weights->use_count && !layer.refused && !codes; i++)
    weight_matrix(weights->uses[i].user, &layer.matrix, &layer.refused);
  if (layer.refused || codes)
    layer.matrix = (WeightMatrix){0};
  else if (weight_matrix(user, &layer.matrix, NULL))
    weight_matrix_by_output(user, context->target, &layer.matrix);
  ARENA_PUSH(context->scratch, list->items, list->count, list->capacity, layer);
}

static void collect(Graph *graph, LayerList *list, PassContext *context, bool codes) {
  FOR_EACH_NODE (node, graph) {
    if (is_product(node)) add_layer(list, node, context, codes);
    for (int i = 0; i < node->region_count; i++) collect(node->regions[i], list, context, codes);
  }
}

LayerList compress_layers(Graph *graph, PassContext *context) {
  LayerList list = {0};
  collect(graph, &list, context, false);
  return list;
}

LayerList compress_code_layers(Graph *graph, PassContext *context) {
  LayerList list = {0};
  collect(graph, &list, context, true);
  return list;
}

// --- errors and records

static void energies(const float *before, const float *after, int64_t count, double *signal,
                     double *noise) {
  *signal = *noise = 0;
  for (int64_t i = 0; i < count; i++) {
    double difference = (double)before[i] - (double)after[i];
    *signal += (double)before[i] * (double)before[i];
    *noise += difference * difference;
  }
}

static double decibel(double signal, double noise) {
  return noise > 0 ? 10 * log10(signal / noise) : INFINITY;
}

double compress_sqnr(const float *before, const float *after, int64_t count) {
  double signal, noise;
  energies(before, after, count, &signal, &noise);
  return decibel(signal, noise);
}

const char *compress_pass_text(PassContext *context, Arena *arena) {
  const PassInfo *info = context->info;
  const char *text = "", *separator = "";
  for (int i = 0; i < info->option_count; i++) {
    const char *value = context->option_values[i], *standard = info->options[i].default_text;
    if (!value || (standard && !strcmp(value, standard))) continue;
    text = arena_printf(arena, "%s%s%s=%s", text, separator, info->options[i].name, value);
    separator = ", ";
  }
  return *text ? arena_printf(arena, "%s{%s}", info->name, text) : info->name;
}

static CompressionRecord *record_of(PassContext *context, Layer *layer) {
  Constant *constant = layer->constant;
  if (constant->record) return constant->record;
  constant->record = NEW(context->module->arena, CompressionRecord);
  *constant->record = (CompressionRecord){.original_hash = constant_hash(constant, layer->type),
                                          .original_bytes = constant->bytes,
                                          .sqnr = INFINITY};
  return constant->record;
}

void compress_note(PassContext *context, Layer *layer, double sqnr) {
  Arena *arena = context->module->arena;
  CompressionRecord *record = record_of(context, layer);
  const char *text = compress_pass_text(context, arena);
  record->sqnr = sqnr;
  record->history = record->history ? arena_printf(arena, "%s, %s", record->history, text) : text;
}

// Zeroing and rounding to means leave an error at right angles to what stays, so the energies of
// the errors add up, and the energy of the original values is that of the values left plus the
// errors'.
void compress_set_values(PassContext *context, Layer *layer, const float *values) {
  double signal, noise;
  energies(layer->constant->data, values, layer->count, &signal, &noise);
  double earlier = record_of(context, layer)->sqnr, original = signal, total = noise;
  if (isfinite(earlier) && earlier > 0) {
    double ratio = pow(10, -earlier / 10);
    original = signal / (1 - ratio);
    total += original * ratio;
  }
  compress_note(context, layer, decibel(original, total));
  layer->constant->data = values;
  layer->constant->hash = 0;
  if (layer->matrix.rows) layer->matrix.data = values;
}

// --- report

double compress_density(const Layer *layer) {
  const float *values = layer->constant->data;
  const unsigned char *codes = layer->constant->data;
  int64_t kept = 0;
  for (int64_t i = 0; i < layer->count; i++)
    kept += layer->type->element == F32 ? values[i] != 0 : codes[i] != 0;
  return (double)kept / (double)layer->count;
}

int64_t compress_bytes(const Layer *layer, const Storage *storage) {
  if (!layer->matrix.rows) return (int64_t)layer->constant->bytes;
  Arena *scratch = arena_create();
  int64_t bytes = stored_bytes(scratch, &layer->matrix, storage);
  arena_destroy(scratch);
  return bytes;
}

void compress_refuse(PassContext *context, const Layer *layer, const char *reason) {
  report_add(context->report,
             (ReportRow){.layer = compress_layer_name(layer),
                         .pass = context->info->name,
                         .density = -1,
                         .bytes_before = compress_bytes(layer, &layer->constant->storage),
                         .sqnr = NAN,
                         .refused = reason});
}

void compress_report(PassContext *context, const Layer *layer, int64_t before, int64_t after,
                     int bits, double sqnr) {
  context->changed++;
  report_add(context->report, (ReportRow){.layer = compress_layer_name(layer),
                                          .pass = context->info->name,
                                          .bytes_before = before,
                                          .bytes_after = after,
                                          .density = compress_density(layer),
                                          .bits = bits,
                                          .sqnr = sqnr});
}
