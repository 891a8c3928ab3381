// lowrank - a product with a matrix of low rank becomes two thinner products.
//   W[k, n] = U S V', rank r:  x * W = (x * U sqrt(S)) * (sqrt(S) V')
//   conv, either way that is cheaper:  all taps to r channels, then 1 x 1 to m  (W as [taps * c,
//   m])
//                                      kh x 1 to r channels, then 1 x kw to m   (W as [kh * c, kw *
//                                      m])
// The rank is the smallest that keeps the fraction `energy` of the squared singular values, or
// `rank`. A layer is changed only where bytes and multiplications get fewer. The singular values
// come from LAPACK in double precision; signs are fixed, so that they do not depend on its
// algorithm. Needs: nothing. Leaves: the old constants without a use.
#include <math.h>
#include <string.h>

#include "ir/builder.h"
#include "ir/constant_data.h"
#include "passes/compress.h"
#include "passes/linear_algebra.h"
#include "passes/report.h"
#include "passes/rewrite.h"

enum { MAX_ELEMENTS = 1 << 26 };

// A layer as a product of matrices left [rows, rank] * right [rank, columns].
typedef struct Split {
  bool separable; // conv: kh x 1, then 1 x kw
  int64_t rows, columns, rank;
  double bytes, products; // of both parts; multiplications per output position
  double sqnr, energy;
  double *u, *s, *vt; // [rows, k], [k], [k, columns]; k = min(rows, columns)
} Split;

typedef struct Filter {
  int64_t outputs, height, width, inputs;
} Filter;

static Filter filter_of(const Layer *layer) {
  const Type *type = layer->type;
  if (layer->user->op == OP_MATMUL)
    return (Filter){layer->matrix.columns, 1, 1, layer->matrix.rows};
  bool flat = type->rank == 4;
  return (Filter){type_dim(type, 0), flat ? type_dim(type, 1) : 1, flat ? type_dim(type, 2) : 1,
                  type_dim(type, type->rank - 1)};
}

// The matrix that is decomposed: row-major, in scratch memory.
static double *as_matrix(Arena *scratch, const Layer *layer, const Split *split) {
  double *matrix = NEW_ARRAY(scratch, double, split->rows * split->columns);
  if (!split->separable) {
    for (int64_t i = 0; i < split->rows; i++)
      for (int64_t j = 0; j < split->columns; j++)
        matrix[i * split->columns + j] = (double)weight_at(&layer->matrix, i, j);
    return matrix;
  }
  Filter f = filter_of(layer);
  const float *w = layer->constant->data;
  for (int64_t m = 0; m < f.outputs; m++)
    for (int64_t y = 0; y < f.height; y++)
      for (int64_t x = 0; x < f.width; x++)
        for (int64_t c = 0; c < f.inputs; c++)
          matrix[(y * f.inputs + c) * split->columns + x * f.outputs + m] = (double)*w++;
  return matrix;
}

// The element of largest magnitude in each column of u becomes positive.
static void fix_signs(Split *split, int64_t k) {
  for (int64_t j = 0; j < k; j++) {
    double largest = 0;
    for (int64_t i = 0; i < split->rows; i++)
      if (fabs(split->u[i * k + j]) > fabs(largest)) largest = split->u[i * k + j];
    if (largest >= 0) continue;
    for (int64_t i = 0; i < split->rows; i++) split->u[i * k + j] = -split->u[i * k + j];
    for (int64_t i = 0; i < split->columns; i++)
      split->vt[j * split->columns + i] = -split->vt[j * split->columns + i];
  }
}

static bool decompose(Arena *scratch, const Layer *layer, Split *split) {
  int64_t k = split->rows < split->columns ? split->rows : split->columns;
  double *matrix = as_matrix(scratch, layer, split);
  split->u = NEW_ARRAY(scratch, double, split->rows *k);
  split->s = NEW_ARRAY(scratch, double, k);
  split->vt = NEW_ARRAY(scratch, double, k * split->columns);
  if (!linear_algebra_svd(split->rows, split->columns, matrix, split->u, split->s, split->vt))
    return false;
  fix_signs(split, k);
  return true;
}

static void choose_rank(Split *split, double energy, int64_t rank) {
  int64_t k = split->rows < split->columns ? split->rows : split->columns;
  double total = 0, kept = 0;
  for (int64_t i = 0; i < k; i++) total += split->s[i] * split->s[i];
  split->rank = 0;
  while (split->rank < k && (rank ? split->rank < rank : kept < energy * total)) {
    kept += split->s[split->rank] * split->s[split->rank];
    split->rank++;
  }
  if (split->rank == 0) split->rank = 1;
  split->energy = total > 0 ? kept / total : 1;
  split->sqnr = total > kept ? 10 * log10(total / (total - kept)) : INFINITY;
}

// Multiplications per position of the result. The first half of a separable filter runs over lines
// as long as the input's: `stride` times the result's.
static void count_costs(const Layer *layer, Split *split) {
  Filter f = filter_of(layer);
  double rank = (double)split->rank;
  split->bytes = 4 * rank * (double)(split->rows + split->columns);
  split->products = rank * (double)(split->rows + split->columns);
  if (!split->separable) return;
  double stride = (double)node_ints_at(layer->user, ATTR_STRIDES, 1, 1);
  split->products = rank * ((double)(f.height * f.inputs) * stride + (double)(f.width * f.outputs));
}

// The best split; NULL: none, with the reason.
static const char *find_split(PassContext *context, const Layer *layer, Arena *scratch,
                              Split *best) {
  double energy = pass_option_float(context, "energy");
  int64_t rank = pass_option_int(context, "rank");
  Filter f = filter_of(layer);
  double bytes = 4 * (double)layer->count, products = (double)layer->count;
  const char *reason = "two factors of that rank would take as many bytes or multiplications";
  best->products = INFINITY;
  for (int separable = 0; separable < 2; separable++) {
    Split split = {
        .separable = separable, .rows = layer->matrix.rows, .columns = layer->matrix.columns};
    if (separable) {
      if (f.height == 1 || f.width == 1) break;
      split.rows = f.height * f.inputs;
      split.columns = f.width * f.outputs;
    }
    if (!decompose(scratch, layer, &split)) return "LAPACK found no decomposition";
    choose_rank(&split, energy, rank);
    count_costs(layer, &split);
    if (split.bytes >= bytes || split.products >= products || split.products >= best->products)
      continue;
    *best = split;
    reason = NULL;
  }
  return reason;
}

// --- the two factors as constants

// Element (i, r) of the left factor, element (r, j) of the right one.
static float left_at(const Split *s, int64_t i, int64_t r) {
  int64_t k = s->rows < s->columns ? s->rows : s->columns;
  return (float)(s->u[i * k + r] * sqrt(s->s[r]));
}

static float right_at(const Split *s, int64_t r, int64_t j) {
  return (float)(s->vt[r * s->columns + j] * sqrt(s->s[r]));
}

static Value *factor_constant(Builder *builder, const Layer *layer, int rank, const int64_t *dims,
                              float *data, const char *part) {
  const char *name =
      arena_printf(builder->graph->module->arena, "%s.%s", layer->constant->name, part);
  return build_constant(builder, type_static(builder->graph->module->dims, F32, rank, dims), data,
                        name);
}

static void note_factor(PassContext *context, const Layer *layer, Value *factor, const Split *split,
                        bool first) {
  Layer made = {.constant_node = factor->definition,
                .constant = value_constant(factor),
                .type = &factor->type};
  type_max_count(made.type, &made.count);
  if (layer->constant->record) {
    made.constant->record = NEW(context->module->arena, CompressionRecord);
    *made.constant->record = *layer->constant->record;
  }
  compress_note(context, &made, split->sqnr);
  if (!layer->constant->record)
    made.constant->record->original_bytes = first ? layer->constant->bytes : 0;
}

static Value *matmul_factors(Builder *builder, const Layer *layer, const Split *s, Value **left,
                             Value **right) {
  Arena *arena = module_data(builder->graph->module);
  float *a = NEW_ARRAY(arena, float, s->rows * s->rank),
        *b = NEW_ARRAY(arena, float, s->rank * s->columns);
  for (int64_t i = 0; i < s->rows; i++)
    for (int64_t r = 0; r < s->rank; r++) a[i * s->rank + r] = left_at(s, i, r);
  for (int64_t r = 0; r < s->rank; r++)
    for (int64_t j = 0; j < s->columns; j++) b[r * s->columns + j] = right_at(s, r, j);
  *left = factor_constant(builder, layer, 2, (int64_t[]){s->rows, s->rank}, a, "left");
  *right = factor_constant(builder, layer, 2, (int64_t[]){s->rank, s->columns}, b, "right");
  Value *inner = build_matmul(builder, layer->user->operands[0], *left, NULL);
  return inner ? build_matmul(builder, inner, *right, node_operand(layer->user, 2)) : NULL;
}

// Attributes of one half: along axes of the other half nothing moves.
static void set_window(Node *half, const Node *conv, int spatial, const bool *mine) {
  int64_t strides[MAX_RANK], dilations[MAX_RANK], pads[2 * MAX_RANK];
  for (int i = 0; i < spatial; i++) {
    strides[i] = mine[i] ? node_ints_at(conv, ATTR_STRIDES, i, 1) : 1;
    dilations[i] = mine[i] ? node_ints_at(conv, ATTR_DILATIONS, i, 1) : 1;
    pads[i] = mine[i] ? node_ints_at(conv, ATTR_PADS, i, 0) : 0;
    pads[spatial + i] = mine[i] ? node_ints_at(conv, ATTR_PADS, spatial + i, 0) : 0;
  }
  node_set_ints(half, ATTR_STRIDES, strides, spatial);
  node_set_ints(half, ATTR_DILATIONS, dilations, spatial);
  node_set_ints(half, ATTR_PADS, pads, 2 * spatial);
}

static Value *build_half(Builder *builder, const Layer *layer, Value *x, Value *weights,
                         Value *bias, const bool *mine) {
  if (!x || !weights) return NULL;
  Node *half = build_begin(builder, OP_CONV, (Value *[]){x, weights, bias}, bias ? 3 : 2);
  if (!half) return NULL;
  set_window(half, layer->user, layer->type->rank - 2, mine);
  return build_end(builder, half);
}

static Value *conv_factors(Builder *builder, const Layer *layer, const Split *s, Value **left,
                           Value **right) {
  Arena *arena = module_data(builder->graph->module);
  int rank = layer->type->rank;
  Filter f = filter_of(layer);
  float *a = NEW_ARRAY(arena, float, s->rank * s->rows),
        *b = NEW_ARRAY(arena, float, s->columns * s->rank);
  for (int64_t r = 0; r < s->rank; r++)
    for (int64_t i = 0; i < s->rows; i++) a[r * s->rows + i] = left_at(s, i, r);
  int64_t taps =
      s->separable ? f.width : 1; // of the right factor: [m, taps, r], its columns are [taps, m]
  for (int64_t m = 0; m < f.outputs; m++)
    for (int64_t x = 0; x < taps; x++)
      for (int64_t r = 0; r < s->rank; r++)
        b[(m * taps + x) * s->rank + r] = right_at(s, r, x * f.outputs + m);
  int64_t a_dims[MAX_RANK] = {s->rank}, b_dims[MAX_RANK] = {f.outputs};
  bool first[MAX_RANK], second[MAX_RANK];
  for (int i = 1; i < rank - 1; i++) {
    first[i - 1] = !s->separable || i == 1;
    second[i - 1] = !first[i - 1];
    a_dims[i] = first[i - 1] ? type_dim(layer->type, i) : 1;
    b_dims[i] = second[i - 1] ? type_dim(layer->type, i) : 1;
  }
  a_dims[rank - 1] = f.inputs;
  b_dims[rank - 1] = s->rank;
  *left = factor_constant(builder, layer, rank, a_dims, a, "left");
  *right = factor_constant(builder, layer, rank, b_dims, b, "right");
  Value *inner = build_half(builder, layer, layer->user->operands[0], *left, NULL, first);
  return build_half(builder, layer, inner, *right, node_operand(layer->user, 2), second);
}

static const char *refusal(const Layer *layer) {
  if (layer->refused) return layer->refused;
  if (layer->constant_node->results[0]->use_count > 1)
    return "several products share these weights";
  if (layer->user->region_count) return "its epilogue has been fused already";
  if (layer->constant->storage.count) return "it is compressed already";
  if (layer->count > MAX_ELEMENTS) return "too large to be decomposed";
  const float *values = layer->constant->data;
  for (int64_t i = 0; i < layer->count; i++)
    if (!isfinite(values[i])) return "it has values that are not finite";
  return NULL;
}

static bool split_layer(PassContext *context, const Layer *layer, Arena *scratch) {
  Split split;
  const char *reason = refusal(layer);
  if (!reason) reason = find_split(context, layer, scratch, &split);
  if (reason) {
    compress_refuse(context, layer, reason);
    return true;
  }
  Builder builder = builder_before(layer->user);
  Value *left = NULL, *right = NULL, *old = layer->user->results[0];
  builder.name = NULL;
  Value *result = layer->user->op == OP_MATMUL
                      ? matmul_factors(&builder, layer, &split, &left, &right)
                      : conv_factors(&builder, layer, &split, &left, &right);
  if (!result) return false;
  note_factor(context, layer, left, &split, true);
  note_factor(context, layer, right, &split, false);
  report_add(context->report, (ReportRow){.layer = compress_layer_name(layer),
                                          .pass = context->info->name,
                                          .bytes_before = (int64_t)layer->constant->bytes,
                                          .bytes_after = (int64_t)split.bytes,
                                          .density = -1,
                                          .rank = split.rank,
                                          .sqnr = split.sqnr});
  value_replace(old, result);
  rewrite_remove(layer->user);
  context->changed++;
  return true;
}

bool pass_lowrank(Graph *graph, PassContext *context) {
  double energy = pass_option_float(context, "energy");
  if (!(energy > 0 && energy <= 1) || pass_option_int(context, "rank") < 0)
    return diag_error(context->diag, loc_file(context->module->source),
                      "lowrank: energy %g is not in 0 .. 1, or the rank negative", energy);
  if (!linear_algebra_open(context->diag) || !compress_prepare(context)) return false;
  LayerList list = compress_layers(graph, context);
  bool good = true;
  for (int i = 0; i < list.count && good; i++) {
    Arena *scratch = arena_create(); // a decomposition takes several times its layer's bytes
    good = split_layer(context, &list.items[i], scratch);
    arena_destroy(scratch);
    module_trim(context->module, TRIM_GROWTH);
  }
  return good;
}
