// The rewriting of `quantize`: in order of execution, every product with constant weights becomes
// an integer product, and ops that have an integer form follow their operands. An op without one
// gets its operands dequantized; an integer op whose operand is still a float gets it quantized.
#include "passes/quantize.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "ir/constant_data.h"
#include "passes/report.h"

// --- values that share a scale

bool quantize_keeps_scale(const Node *node) {
  switch ((int)node->op) {
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_CONCAT:
  case OP_PAD:
  case OP_EXPAND:
  case OP_TILE:
  case OP_COPY:
  case OP_MAX_POOL:
  case OP_REDUCE_MAX:
  case OP_REDUCE_MIN: return true;
  default: return false;
  }
}

static bool clips(const Node *node) { return node->op == OP_RELU || node->op == OP_CLIP; }

// The mean of codes is their sum times a constant, so the number of them must be known.
static bool has_known_count(const Node *mean) {
  const Type *x = &mean->operands[0]->type;
  int count;
  const int64_t *axes = node_ints(mean, ATTR_AXES, &count);
  for (int i = 0; i < x->rank; i++) {
    bool reduced = !node_attribute(mean, ATTR_AXES);
    for (int k = 0; k < count; k++) reduced |= axes[k] == i || axes[k] + x->rank == i;
    if (reduced && !dim_is_constant(x->dims[i], NULL)) return false;
  }
  return true;
}

bool quantize_rescales(const Node *node) {
  return node->op == OP_ADD || node->op == OP_SUB || node->op == OP_MUL ||
         node->op == OP_AVERAGE_POOL || node->op == OP_REDUCE_SUM ||
         (node->op == OP_REDUCE_MEAN && has_known_count(node));
}

bool quant_is_product(const Node *node) { return node->op == OP_CONV || node->op == OP_MATMUL; }

// The relu or clip behind a product or sum, whose limits the codes' own range takes over; else
// NULL.
static Node *clip_behind(const QuantPlan *plan, const Node *node) {
  Value *result = node->results[0];
  if (!value_has_one_use(result)) return NULL;
  Node *user = result->uses[0].user;
  return clips(user) && quant_plan_is_float(plan, user->results[0]) ? user : NULL;
}

static Node *absorbable(const QuantPlan *plan, const Node *node) {
  return plan->isolated ? NULL : clip_behind(plan, node);
}

// What a summand must reach: beyond that, with any value of the other, the sum is cut off.
static Range needed(Range summand, Range other, double low, double high) {
  float least = (float)fmin(low - (double)other.high, 0),
        most = (float)fmax(high - (double)other.low, 0);
  return (Range){fmaxf(summand.low, least), fminf(summand.high, most)};
}

void quantize_narrow_sums(QuantPlan *plan) {
  for (const Node *node = plan->graph->first; node; node = node->next) {
    const Node *clip = node->op == OP_ADD ? clip_behind(plan, node) : NULL;
    const Value *a = clip ? node->operands[0] : NULL, *b = clip ? node->operands[1] : NULL;
    if (!clip || a == b || !quant_plan_is_float(plan, a) || !quant_plan_is_float(plan, b)) continue;
    double low = clip->op == OP_RELU ? 0 : node_float(clip, ATTR_LOW),
           high = clip->op == OP_RELU ? INFINITY : node_float(clip, ATTR_HIGH);
    Range of_a = plan->range[a->id], of_b = plan->range[b->id];
    if (value_has_one_use(a)) plan->range[a->id] = needed(of_a, of_b, low, high);
    if (value_has_one_use(b)) plan->range[b->id] = needed(of_b, of_a, low, high);
  }
}

static void tie(QuantPlan *plan, const Value *a, const Value *b) {
  if (!quant_plan_is_float(plan, a) || !quant_plan_is_float(plan, b)) return;
  int left = quant_plan_group(plan, a), right = quant_plan_group(plan, b);
  if (left == right) return;
  Range *to = &plan->range[left], from = plan->range[right];
  if (from.low < to->low) to->low = from.low;
  if (from.high > to->high) to->high = from.high;
  plan->group[right] = left;
}

// A relu that is not absorbed works on its operand's codes.
static bool is_absorbed(const QuantPlan *plan, const Node *node) {
  const Node *before = node->operands[0]->definition;
  return before && (quant_is_product(before) || quantize_rescales(before)) &&
         clip_behind(plan, before) == node;
}

void quantize_tie(QuantPlan *plan) {
  for (const Node *node = plan->graph->first; node; node = node->next) {
    bool joins = quantize_keeps_scale(node) || (clips(node) && !is_absorbed(plan, node));
    int operands = node->op == OP_CONCAT ? node->operand_count : 1;
    for (int i = 0; joins && i < operands; i++) tie(plan, node->results[0], node->operands[i]);
  }
}

// --- codes and numbers of a value

static bool has_codes(const QuantPlan *plan, const Value *value) {
  return quant_plan_is_float(plan, value) && (plan->codes[value->id] || plan->isolated);
}

static Value *build_quantize(Builder *builder, Value *x, Type type) {
  Node *node = build_begin(builder, OP_QUANTIZE, &x, 1);
  if (node) node->results[0]->type = type;
  return build_end(builder, node);
}

// Right behind its definition, so that it serves all users.
static Builder builder_behind(const Value *value) {
  Node *at = value->definition ? value->definition->next : value->graph->first;
  return (Builder){.graph = value->graph,
                   .before = at,
                   .loc = value->definition ? value->definition->loc : (Loc){0}};
}

static Value *codes_of(QuantPlan *plan, Value *value) {
  Value **codes = &plan->codes[value->id];
  if (*codes) return *codes;
  Builder builder = builder_behind(value);
  return *codes = build_quantize(&builder, value, quant_plan_type(plan, value));
}

static Value *numbers_of(QuantPlan *plan, Value *value) {
  Value **numbers = &plan->numbers[value->id];
  if (*numbers) return *numbers;
  Builder builder = builder_behind(plan->codes[value->id]);
  return *numbers = build_unary(&builder, OP_DEQUANTIZE, plan->codes[value->id]);
}

static bool set_codes(QuantPlan *plan, const Value *value, Value *codes) {
  if (!codes) return false;
  if (!plan->isolated) {
    plan->codes[value->id] = codes;
    if (!codes->name) codes->name = value->name;
  }
  return true;
}

// --- relu and clip behind a product or sum

bool quantize_range_clips(const Node *clip, const Type *type) {
  int32_t low, high;
  quant_range(type->element, &low, &high);
  double scale = (double)type->quant->scale[0], zero = type->quant->zero[0];
  double from = clip->op == OP_RELU ? 0 : node_float(clip, ATTR_LOW),
         to = clip->op == OP_RELU ? INFINITY : node_float(clip, ATTR_HIGH);
  return rint(from / scale) + zero <= low && rint(to / scale) + zero >= high;
}

// The value whose codes the op gives: its own, or that of the relu behind it.
static Value *target_of(QuantPlan *plan, const Node *node) {
  Node *clip = absorbable(plan, node);
  return clip ? clip->results[0] : node->results[0];
}

static bool finish(QuantPlan *plan, const Node *node, Value *codes) {
  Node *clip = absorbable(plan, node);
  if (!codes) return false;
  if (clip && !quantize_range_clips(clip, &codes->type)) {
    Builder builder = builder_before(clip);
    codes = build_like(&builder, clip, &codes, 1);
  }
  return set_codes(plan, target_of(plan, node), codes);
}

// --- products

const char *quant_refusal(const QuantPlan *plan, const Node *node) {
  const Value *x = node->operands[0], *w = node->operands[1], *bias = node_operand(node, 2);
  const char *names = plan->exclude;
  if (!quant_plan_is_float(plan, x) || !quant_plan_is_float(plan, node->results[0]))
    return "not an f32 layer";
  if (!value_is_constant(w)) return "the weights are not constant";
  if (w->type.element != F32 || w->type.quant || !type_is_static(&w->type))
    return "the weights are not f32";
  if (bias && !value_is_constant(bias)) return "the bias is not constant";
  if (node->op == OP_MATMUL && (w->type.rank != 2 || node_int(node, ATTR_TRANSPOSE_A)))
    return "no integer kernel for this matrix product";
  while (*names) {
    size_t length = strcspn(names, ",;");
    char *pattern = arena_strndup(plan->context->scratch, names, length);
    if ((node->loc.node && !fnmatch(pattern, node->loc.node, 0)) ||
        !fnmatch(pattern, value_constant(w)->name, 0))
      return "excluded";
    names += length + (names[length] != 0);
  }
  int64_t count = 0, channels = type_dim(&node->results[0]->type, node->results[0]->type.rank - 1);
  type_max_count(&w->type, &count);
  int64_t before = 4 * count + (bias ? 4 * channels : 0), after = count + 12 * channels;
  return after >= before ? "integers would take more bytes: few weights for each output channel"
                         : NULL;
}

QuantWeights quant_weights(const Node *node) {
  const Type *type = &node->operands[1]->type;
  QuantWeights w = {.axis = node->op == OP_CONV || node_int(node, ATTR_TRANSPOSE_B) ? 0 : 1,
                    .inner = 1};
  int64_t count = 0;
  type_max_count(type, &count);
  w.channels = type_dim(type, w.axis);
  w.depth = w.channels ? count / w.channels : 0;
  for (int i = w.axis + 1; i < type->rank; i++) w.inner *= type_dim(type, i);
  return w;
}

// Scales of the weights: the largest magnitude is 127, and the bias fits into 32 bits in their
// unit.
static void weight_scales(const QuantPlan *plan, const QuantWeights *w, const float *data,
                          const float *bias, float x_scale, float *scales) {
  double largest = 0;
  for (int64_t c = 0; c < w->channels; c++) {
    double magnitude = 0;
    for (int64_t k = 0; k < w->depth; k++)
      magnitude = fmax(magnitude, fabs((double)data[quant_weight_index(w, c, k)]));
    scales[c] = (float)(magnitude / 127);
    largest = fmax(largest, magnitude / 127);
  }
  if (!(largest > 0)) largest = 1;
  for (int64_t c = 0; c < w->channels; c++) {
    double least =
        fmax(largest * 1e-6, bias ? fabs((double)bias[c]) / ((double)x_scale * 0x1p30) : 0);
    if (!plan->per_channel) scales[c] = (float)largest;
    if (scales[c] == 0)
      scales[c] = (float)largest; // no weights: any scale will do, a usual one is best
    if ((double)scales[c] < least) scales[c] = (float)least;
  }
}

// The scale of the codes that the layer gives in the end, also where it stands alone.
static float result_scale(QuantPlan *plan, const Node *node) {
  const Node *clip = clip_behind(plan, node);
  return quant_plan_type(plan, clip ? clip->results[0] : node->results[0]).quant->scale[0];
}

// The codes that were rounded together, if their scales are these; else each for itself.
static void make_codes(const QuantPlan *plan, const QuantWeights *w, const float *data,
                       const float *scales, int8_t *codes) {
  int layer = plan->layer_count;
  if (plan->rounded && plan->rounded[layer] &&
      !memcmp(scales, plan->rounded_scales[layer], (size_t)w->channels * sizeof *scales)) {
    memcpy(codes, plan->rounded[layer], (size_t)(w->channels * w->depth));
    return;
  }
  for (int64_t c = 0; c < w->channels; c++)
    for (int64_t k = 0; k < w->depth; k++) {
      int64_t at = quant_weight_index(w, c, k);
      double code = rint((double)data[at] / (double)scales[c]);
      codes[at] = (int8_t)(code < -127 ? -127 : code > 127 ? 127 : code);
    }
}

static Value *build_codes(const QuantPlan *plan, Builder *builder, const Node *node,
                          const QuantWeights *w, const float *data, const float *scales) {
  Arena *arena = builder->graph->module->arena;
  const Value *old = node->operands[1];
  int8_t *codes =
      arena_alloc(module_data(builder->graph->module), (size_t)(w->channels * w->depth) + 1);
  make_codes(plan, w, data, scales, codes);
  Type type = type_with_element(old->type, I8);
  int32_t *zeros = NEW_ARRAY(arena, int32_t, w->channels + 1);
  type.quant = quant_per_axis(arena, w->axis, (int)w->channels, scales, zeros);
  return build_constant(builder, type, codes,
                        module_constant_name(builder->graph->module, value_constant(old)->name));
}

// `y_scale`: of the codes that the sums become; 0: they stay sums. `weights`: the channels' codes.
static Value *build_bias(Builder *builder, const Node *node, const QuantWeights *w,
                         const float *bias, const Value *x, const Value *weights, float y_scale) {
  Arena *arena = builder->graph->module->arena;
  int32_t *codes = NEW_ARRAY(arena, int32_t, w->channels + 1);
  const float *scales = weights->type.quant->scale;
  double x_scale = (double)x->type.quant->scale[0], largest = 0;
  int64_t *sums = NEW_ARRAY(arena, int64_t, w->channels + 1);
  const int8_t *data = value_constant(weights)->data;
  bool any = bias != NULL;
  for (int64_t c = 0; c < w->channels; c++) {
    double code = bias ? rint((double)bias[c] / (x_scale * (double)scales[c])) : 0;
    codes[c] = (int32_t)fmin(fmax(code, INT32_MIN), INT32_MAX);
    largest = fmax(largest, (double)scales[c]);
    for (int64_t k = 0; k < w->depth; k++) sums[c] += data[quant_weight_index(w, c, k)];
  }
  if (y_scale > 0)
    quantize_shorten_biases(codes, sums, w->channels, &x->type,
                            largest * x_scale / (double)y_scale);
  for (int64_t c = 0; c < w->channels; c++) any |= codes[c] != 0;
  if (!any) return NULL;
  const Value *old = node_operand(node, 2);
  const char *name = old ? value_constant(old)->name : "bias";
  Type type = type_static(builder->graph->module->dims, I32, 1, &w->channels);
  return build_constant(builder, type, codes, module_constant_name(builder->graph->module, name));
}

// Is the value only read as numbers? Then the accumulator goes to them as it is: logits and the
// like, on whose last bits a decision may hang, are not rounded to codes first.
static bool is_read_as_numbers(const QuantPlan *plan, const Value *value) {
  if (value->output_uses && plan->code_outputs) return false;
  for (int i = 0; i < value->use_count; i++) {
    const Node *user = value->uses[i].user;
    if (quant_is_product(user) || quantize_rescales(user) || clips(user) ||
        quantize_keeps_scale(user) || user->op == OP_QUANTIZE)
      return false;
  }
  return value->use_count > 0 || value->output_uses;
}

// i32 in the unit of the products.
static Type accumulator_type(QuantPlan *plan, const Node *node, const QuantWeights *w,
                             float x_scale, const float *scales) {
  Arena *arena = plan->graph->module->arena;
  const Type *result = &node->results[0]->type;
  float *units = NEW_ARRAY(arena, float, w->channels + 1);
  for (int64_t c = 0; c < w->channels; c++) units[c] = (float)((double)x_scale * (double)scales[c]);
  Type type = type_with_element(*result, I32);
  type.quant = quant_per_axis(arena, result->rank - 1, (int)w->channels, units,
                              NEW_ARRAY(arena, int32_t, w->channels + 1));
  return type;
}

// The bias less the layer's mean error (Nagel 2019, "Data-Free Quantization", section 4.2, with the
// means from calibration data).
static const float *corrected_bias(const QuantPlan *plan, const QuantWeights *w,
                                   const float *bias) {
  const float *shift = plan->shifts ? plan->shifts[plan->layer_count] : NULL;
  if (!shift) return bias;
  float *corrected = NEW_ARRAY(plan->context->scratch, float, w->channels + 1);
  for (int64_t c = 0; c < w->channels; c++) corrected[c] = (bias ? bias[c] : 0) - shift[c];
  return corrected;
}

float *quant_weight_scales(QuantPlan *plan, const Node *node, const QuantWeights *w,
                           const float *bias) {
  Tensor weights;
  value_tensor(node->operands[1], &weights);
  float *scales = NEW_ARRAY(plan->graph->module->arena, float, w->channels + 1),
        x_scale = quant_plan_type(plan, node->operands[0]).quant->scale[0];
  weight_scales(plan, w, weights.data, bias, x_scale, scales);
  if (!is_read_as_numbers(plan, node->results[0]))
    quantize_shorten_scales(scales, w->channels, w->depth, x_scale, result_scale(plan, node),
                            plan->context->scratch);
  return scales;
}

static bool quantize_product(QuantPlan *plan, Node *node) {
  Builder builder = builder_before(node);
  Value *x = codes_of(plan, node->operands[0]);
  if (!x) return false;
  Tensor weights, bias_values = {0};
  value_tensor(node->operands[1], &weights);
  bool has_bias = node_operand(node, 2) && value_tensor(node->operands[2], &bias_values);
  QuantWeights w = quant_weights(node);
  const float *bias = corrected_bias(plan, &w, has_bias ? bias_values.data : NULL);
  float *scales = quant_weight_scales(plan, node, &w, bias), x_scale = x->type.quant->scale[0];
  bool wide = plan->sums || is_read_as_numbers(plan, node->results[0]);
  float y_scale = wide ? 0 : result_scale(plan, node);
  Value *codes = build_codes(plan, &builder, node, &w, weights.data, scales);
  if (!codes) return false;
  Value *operands[] = {x, codes, build_bias(&builder, node, &w, bias, x, codes, y_scale)};
  Node *product = begin_like(&builder, node, operands, operands[2] ? 3 : 2);
  if (!product) return false;
  product->results[0]->type = wide ? accumulator_type(plan, node, &w, x_scale, scales)
                                   : quant_plan_type(plan, target_of(plan, node));
  Value *result = build_end(&builder, product);
  struct QuantLayer layer = {node, node->results[0], result};
  ARENA_PUSH(plan->context->scratch, plan->layers, plan->layer_count, plan->layer_capacity, layer);
  return finish(plan, node, result);
}

// --- other ops

// A constant operand of add, sub, mul as codes of its own range.
static Value *constant_codes(QuantPlan *plan, Builder *builder, Value *value) {
  Tensor tensor;
  if (!value_tensor(value, &tensor) || tensor.element != F32) return NULL;
  const float *data = tensor.data;
  double low = 0, high = 0;
  for (int64_t i = 0, n = tensor_count(&tensor); i < n; i++)
    low = fmin(low, (double)data[i]), high = fmax(high, (double)data[i]);
  double scale = high > low ? (high - low) / 255 : 1;
  Type type = type_with_element(value->type, I8);
  type.quant = quant_per_tensor(plan->graph->module->arena, (float)scale,
                                (int32_t)fmin(fmax(rint(-128 - low / scale), -128), 127));
  return build_quantize(builder, value, type);
}

static int64_t count_of(const Value *value) {
  int64_t count = 0;
  return type_max_count(&value->type, &count) ? count : INT64_MAX;
}

// Both operands have codes, or can get them at little cost.
static bool binary_is_integer(const QuantPlan *plan, const Node *node) {
  bool any = false;
  for (int i = 0; i < node->operand_count; i++) {
    const Value *x = node->operands[i];
    if (has_codes(plan, x))
      any = true;
    else if (!(value_is_constant(x) && x->type.element == F32 && !x->type.quant) &&
             !(quant_plan_is_float(plan, x) && count_of(x) < count_of(node->results[0])))
      return false;
  }
  return any;
}

static bool quantize_rescaling(QuantPlan *plan, Node *node) {
  Builder builder = builder_before(node);
  Value *operands[2];
  for (int i = 0; i < node->operand_count; i++) {
    operands[i] = value_is_constant(node->operands[i])
                      ? constant_codes(plan, &builder, node->operands[i])
                      : codes_of(plan, node->operands[i]);
    if (!operands[i]) return false;
  }
  Node *made = begin_like(&builder, node, operands, node->operand_count);
  if (made) made->results[0]->type = quant_plan_type(plan, target_of(plan, node));
  return finish(plan, node, build_end(&builder, made));
}

// The value of padding must be a code; 0 is the zero point, and what pads without an operand.
static bool pads_with_zero(const Node *node) {
  return !node_operand(node, 1) || is_scalar(node->operands[1], 0);
}

static bool quantize_keeping(QuantPlan *plan, Node *node) {
  Builder builder = builder_before(node);
  Value **operands = NEW_ARRAY(plan->context->scratch, Value *, node->operand_count + 1);
  int count = node->op == OP_PAD ? 1 : node->operand_count;
  for (int i = 0; i < count; i++)
    if (!(operands[i] = codes_of(plan, node->operands[i]))) return false;
  return set_codes(plan, node->results[0], build_like(&builder, node, operands, count));
}

static bool follows(const QuantPlan *plan, const Node *node) {
  if (!quant_plan_is_float(plan, node->results[0]) || node->result_count != 1) return false;
  if (quantize_rescales(node)) return binary_is_integer(plan, node);
  if (!quantize_keeps_scale(node) && !clips(node)) return false;
  if (node->op == OP_PAD && !pads_with_zero(node)) return false;
  int count = node->op == OP_CONCAT ? node->operand_count : 1, with_codes = 0;
  for (int i = 0; i < count; i++) {
    if (!quant_plan_is_float(plan, node->operands[i])) return false;
    with_codes += has_codes(plan, node->operands[i]);
  }
  return 2 * with_codes > count; // most of what is joined is codes already
}

static void use_numbers(QuantPlan *plan, Node *node) {
  for (int i = 0; i < node->operand_count; i++) {
    Value *x = node->operands[i];
    if (x && x->id < plan->value_count && plan->codes[x->id] && node->op != OP_QUANTIZE)
      node_set_operand(node, i, numbers_of(plan, x));
  }
}

static void report_refusal(const QuantPlan *plan, const Node *node, const char *reason) {
  const Constant *weights = value_constant(node->operands[1]);
  int64_t bytes = weights ? (int64_t)weights->bytes : 0;
  const char *name = node->loc.node && *node->loc.node ? node->loc.node
                     : weights                         ? weights->name
                                                       : op_info[node->op].text;
  report_add(plan->context->report, (ReportRow){.layer = name,
                                                .pass = "quantize",
                                                .bytes_before = bytes,
                                                .bytes_after = bytes,
                                                .density = -1,
                                                .bits = 32,
                                                .sqnr = NAN,
                                                .refused = reason});
}

static bool rewrite_node(QuantPlan *plan, Node *node) {
  if (quant_is_product(node)) {
    const char *reason = quant_refusal(plan, node);
    if (!reason) return quantize_product(plan, node);
    report_refusal(plan, node, reason);
  } else if (!plan->isolated && follows(plan, node)) {
    return quantize_rescales(node) ? quantize_rescaling(plan, node) : quantize_keeping(plan, node);
  }
  if (!plan->isolated) use_numbers(plan, node);
  return true;
}

bool quantize_rewrite(QuantPlan *plan) {
  int last = plan->graph->module->next_node_id;
  FOR_EACH_NODE (node, plan->graph) {
    if (node->id >= last) continue;
    if (node->op == OP_CONST || plan->codes[node->results[0]->id])
      continue; // an absorbed relu has its codes
    if (!rewrite_node(plan, node)) return false;
  }
  if (plan->isolated) return true;
  for (int i = 0; i < plan->graph->output_count; i++) {
    Value *output = plan->graph->outputs[i];
    if (output->id >= plan->value_count || !plan->codes[output->id] || !output->definition)
      continue;
    Value *numbers = numbers_of(plan, output);
    if (!numbers) return false;
    const char *name = output->name;
    output->name = NULL;
    if (plan->codes[output->id]->name == name) plan->codes[output->id]->name = NULL;
    numbers->name = name;
    graph_set_output(plan->graph, i, numbers);
  }
  return true;
}
