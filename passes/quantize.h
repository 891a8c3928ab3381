// What the parts of the pass `quantize` share.
#ifndef TENON_PASSES_QUANTIZE_H
#define TENON_PASSES_QUANTIZE_H

#include "ir/product_channels.h"
#include "ir/quant.h"
#include "passes/calibrate.h"
#include "passes/rewrite.h"

// The plan: for each f32 value of the original function, by id, the codes it would have.
typedef struct QuantPlan {
  PassContext *context;
  Graph *graph;
  ElementType element; // I8 or U8
  bool per_channel;
  bool code_outputs;   // the model's outputs are codes
  const char *exclude; // names with commas; patterns of the shell
  int value_count;     // ids below this are the original's
  int *group;          // union-find over ids: values that share one scale
  Range *range;        // by id; of the group at its root
  bool *known;         // the value was observed
  Value **codes;       // by id: the quantized value; NULL: none yet
  Value **numbers;     // by id: dequantized codes, where an op wants floats
  bool sums;           // isolated layers give their accumulators
  float **shifts;   // by number of the layer: the mean error of each output channel, which its bias
                    // takes back; NULL: none
  int8_t **rounded; // by number of the layer: codes of its weights that go together, in their
                    // order; NULL: each is rounded for itself
  float **rounded_scales; // the scales of output channels that these codes were made for
  bool isolated; // every layer gets its input from the original floats (to measure its own error)
  // Layers that became integers, for the report.
  struct QuantLayer {
    Node *node; // the original product
    Value *original, *result;
  } *layers;
  int layer_count, layer_capacity;
} QuantPlan;

int quant_plan_group(QuantPlan *plan, const Value *value); // root id
// The quantized type that the value's codes have.
Type quant_plan_type(QuantPlan *plan, const Value *value);
bool quant_plan_is_float(const QuantPlan *plan,
                         const Value *value); // f32, of the original, observed

// A copy of the module, and the plan for it: the same ranges, nothing tied. `inner`: its context.
Module *quant_plan_copy(const QuantPlan *plan, QuantPlan *to, PassContext *inner);

// Runs the model on calibration data and gives every value its range. False: reported.
bool quantize_choose_ranges(QuantPlan *plan);
// Takes from the ranges of summands what the relu or clip behind the sum cuts off in any case.
void quantize_narrow_sums(QuantPlan *plan);
// Ties values whose codes must have one scale: operands and results of what only moves or compares
// codes.
void quantize_tie(QuantPlan *plan);
// Rewrites products and what follows them into integer ops. False: reported.
bool quantize_rewrite(QuantPlan *plan);

// Ops that move, select or compare codes: operands and result have one quantization.
bool quantize_keeps_scale(const Node *node);
// Ops that compute with codes: the result has a quantization of its own.
bool quantize_rescales(const Node *node);
// Whether codes of this type need no further limits to obey the relu or clip.
bool quantize_range_clips(const Node *clip, const Type *type);

// A product's weights as channels by depth.
typedef struct QuantWeights {
  int axis; // of output channels
  int64_t channels, depth,
      inner; // weights of a channel; elements between its neighbours on the axis
} QuantWeights;
QuantWeights quant_weights(const Node *product);
static inline int64_t quant_weight_index(const QuantWeights *w, int64_t channel, int64_t k) {
  return (k / w->inner * w->channels + channel) * w->inner + k % w->inner;
}
bool quant_is_product(const Node *node);
// Why the product stays in floats; NULL: it becomes an integer product.
const char *quant_refusal(const QuantPlan *plan, const Node *product);
// Scales of the weights of the layer with that bias.
float *quant_weight_scales(QuantPlan *plan, const Node *product, const QuantWeights *w,
                           const float *bias);

// Rounds the weights of each product so that their errors cancel in its outputs on calibration
// data. After quantize_tie. False: reported.
bool quantize_round_weights(QuantPlan *plan, int64_t samples);

// Scales of a product's output channels, raised to ones with short multipliers; unchanged where
// that would be felt.
void quantize_shorten_scales(float *scales, int64_t channels, int64_t depth, float x_scale,
                             float y_scale, Arena *scratch);
// Biases rounded so that each, with the zero points folded in, fits into 16 bits of a unit that all
// share; unchanged where that would be felt. `weights`: sums of the channels' codes;
// `largest_scale`: of a sum's unit to a code.
void quantize_shorten_biases(int32_t *biases, const int64_t *weights, int64_t channels,
                             const Type *x, double largest_scale);

#endif
