// entropy - Huffman codes over what the other stages store: indices, gaps, counts; else bytes.
// Only where it gains: the coded form must be smaller by the fraction `gain`, since the decoded one
// takes memory while the model runs (<prefix>_init decodes it there).
// Needs: comes after the passes that choose values (prune, cluster, quantize). Leaves: storage
// huffman.
#include <math.h>

#include "passes/compress.h"

static void code_layer(PassContext *context, Layer *layer, double gain) {
  Storage storage = layer->constant->storage;
  int64_t before = compress_bytes(layer, &storage);
  storage_set(&storage, (Stage){.kind = STAGE_HUFFMAN});
  storage_choose_gap(&layer->matrix, &storage);
  int64_t after = compress_bytes(layer, &storage);
  if ((double)after > (double)before * (1 - gain)) {
    compress_refuse(context, layer, "its symbols are too evenly spread to gain by coding");
    return;
  }
  layer->constant->storage = storage;
  compress_note(context, layer, layer->constant->record ? layer->constant->record->sqnr : INFINITY);
  compress_report(context, layer, before, after, 0, NAN);
}

bool pass_entropy(Graph *graph, PassContext *context) {
  double gain = pass_option_float(context, "gain");
  if (!(gain >= 0 && gain < 1))
    return diag_error(context->diag, loc_file(context->module->source),
                      "entropy: gain %g is not in 0 .. 1", gain);
  if (!compress_prepare(context)) return false;
  LayerList list = compress_layers(graph, context);
  for (int i = 0; i < list.count; i++) {
    Layer *layer = &list.items[i];
    if (layer->refused)
      compress_refuse(context, layer, layer->refused);
    else if (storage_find(&layer->constant->storage, STAGE_HUFFMAN))
      compress_refuse(context, layer, "it is coded already");
    else
      code_layer(context, layer, gain);
  }
  return true;
}
