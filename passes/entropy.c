// entropy - Huffman codes over what the other stages store: indices, gaps, counts; else bytes.
// Only where it gains: the coded form must be smaller by the fraction `gain`, since the decoded one
// takes memory while the model runs (<prefix>_init decodes it there), and all layers together more
// than the decoder takes (gain 0: wherever codes are fewer bytes).
// Needs: comes after the passes that choose values (prune, cluster, quantize). Leaves: storage
// huffman.
#include <math.h>

#include "ir/huffman.h"
#include "passes/compress.h"

// _init with the decoder: 840 to 960 bytes were seen, on x86-64, AArch64, Cortex-M4 and rv32imc.
enum { DECODER_BYTES = 900 };

typedef struct Candidate {
  Layer layer;
  Storage storage; // as it would be
  int64_t before, after;
} Candidate;

typedef struct Candidates {
  Candidate *items;
  int count, capacity;
  int64_t gain;
  bool decoder; // the object has it already
} Candidates;

static void consider(PassContext *context, const Layer *layer, double gain, Candidates *list) {
  Candidate c = {*layer, layer->constant->storage, 0, 0};
  c.before = compress_bytes(layer, &c.storage);
  storage_set(&c.storage, (Stage){.kind = STAGE_HUFFMAN});
  if (layer->matrix.rows) {
    storage_choose_gap(&layer->matrix, &c.storage);
    c.after = compress_bytes(layer, &c.storage);
  } else { // 8-bit codes
    c.after = (int64_t)huffman_encode(context->scratch, layer->constant->data, 1, c.before).bytes;
  }
  if ((double)c.after > (double)c.before * (1 - gain)) {
    compress_refuse(context, layer, "its symbols are too evenly spread to gain by coding");
    return;
  }
  list->gain += c.before - c.after;
  ARENA_PUSH(context->scratch, list->items, list->count, list->capacity, c);
}

static void consider_all(PassContext *context, const LayerList *layers, double gain,
                         Candidates *list) {
  for (int i = 0; i < layers->count; i++) {
    const Layer *layer = &layers->items[i];
    bool coded = storage_find(&layer->constant->storage, STAGE_HUFFMAN) != NULL;
    list->decoder |= coded;
    if (layer->refused)
      compress_refuse(context, layer, layer->refused);
    else if (coded)
      compress_refuse(context, layer, "it is coded already");
    else
      consider(context, layer, gain, list);
  }
}

static void code_layer(PassContext *context, Candidate *c) {
  Constant *constant = c->layer.constant;
  constant->storage = c->storage;
  compress_note(context, &c->layer, constant->record ? constant->record->sqnr : INFINITY);
  compress_report(context, &c->layer, c->before, c->after, 0, NAN);
}

bool pass_entropy(Graph *graph, PassContext *context) {
  double gain = pass_option_float(context, "gain");
  if (!(gain >= 0 && gain < 1))
    return diag_error(context->diag, loc_file(context->module->source),
                      "entropy: gain %g is not in 0 .. 1", gain);
  if (!compress_prepare(context)) return false;
  Candidates list = {0};
  LayerList floats = compress_layers(graph, context), codes = compress_code_layers(graph, context);
  consider_all(context, &floats, gain, &list);
  consider_all(context, &codes, gain, &list);
  bool worth = gain == 0 || list.decoder || list.gain > DECODER_BYTES;
  for (int i = 0; i < list.count; i++)
    if (worth)
      code_layer(context, &list.items[i]);
    else
      compress_refuse(context, &list.items[i].layer,
                      "all layers together gain less than the decoder takes");
  return true;
}
