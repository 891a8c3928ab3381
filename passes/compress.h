// What the passes that compress weights share: the list of layers, errors, records and report rows.
#ifndef TENON_PASSES_COMPRESS_H
#define TENON_PASSES_COMPRESS_H

#include "ir/weight_matrix.h"
#include "passes/pass.h"

// A constant that products multiply by.
typedef struct Layer {
  Node *constant_node;
  Node *user; // the first product that reads it
  Constant *constant;
  const Type *type;
  WeightMatrix matrix; // rows 0 where `refused`, and of codes
  int64_t count;       // of elements
  const char *refused; // why compressed storage cannot serve it; NULL: it can
} Layer;

// Less than this is not worth a change: another kernel's code costs more.
enum { WORTH_BYTES = 8 };

typedef struct LayerList {
  Layer *items;
  int count, capacity;
} LayerList;

// Brings the model into the form in which it will be compiled: what later passes would compute from
// the weights (batch norms, transposes) must be in them before they are compressed. False:
// reported.
bool compress_prepare(PassContext *context);

// Weights of matmul, conv and conv_transpose in the function and its regions, in order of
// execution, whose name, or layer name, matches the pass's option `only` (a pattern of the shell;
// empty: all).
LayerList compress_layers(Graph *graph, PassContext *context);
// The same of weights that are 8-bit codes: only entropy coding serves them.
LayerList compress_code_layers(Graph *graph, PassContext *context);

// Signal to noise, dB, of `after` against `before`; INFINITY where they are equal.
double compress_sqnr(const float *before, const float *after, int64_t count);
// Gives the constant new values (not copied) and notes in its record what the running pass did.
// `before`: the values until now. Errors of earlier passes are added up.
void compress_set_values(PassContext *context, Layer *layer, const float *values);
// Notes the running pass in the record where values stay.
void compress_note(PassContext *context, Layer *layer, double sqnr);
void compress_refuse(PassContext *context, const Layer *layer, const char *reason);
// A row for a changed layer.
void compress_report(PassContext *context, const Layer *layer, int64_t before, int64_t after,
                     int bits, double sqnr);
// The ONNX name of the weights, or of the node that reads them where folding has made new ones.
const char *compress_layer_name(const Layer *layer);
double compress_density(const Layer *layer);
int64_t compress_bytes(const Layer *layer, const Storage *storage); // in the object, by the encoder
// "prune{sparsity=0.8}": the running pass with the options that are not the default's.
const char *compress_pass_text(PassContext *context, Arena *arena);

#endif
