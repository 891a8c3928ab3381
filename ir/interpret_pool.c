// Pools over [n, spatial.., c] and the inverse of max_pool_indices.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_window.h"
#include "ir/move.h"
#include "ir/quant.h"

typedef struct Pool {
  Evaluation *evaluation;
  Window window;
  Tap *taps;
  int64_t taps_inside, taps_padded, channels, batch;
  double *x, *values; // input; one result per channel
  int64_t *from;      // which input position the maximum came from
} Pool;

static Pool pool_start(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->results[0];
  int count;
  const int64_t *kernel = node_ints(evaluation->node, ATTR_KERNEL, &count);
  Pool p = {.evaluation = evaluation, .batch = x->dims[0], .channels = x->dims[x->rank - 1]};
  p.window = window_of(evaluation->node, count, x->dims + 1, y->dims + 1, kernel);
  p.taps = NEW_ARRAY(evaluation->run->arena, Tap, p.window.tap_count);
  p.x = all_doubles(evaluation, x);
  p.values = NEW_ARRAY(evaluation->run->arena, double, p.channels);
  p.from = NEW_ARRAY(evaluation->run->arena, int64_t, p.channels);
  return p;
}

static double lowest(ElementType element) {
  if (element_is_float(element)) return -INFINITY;
  int bits = element_info[element].bits;
  return element_is_signed(element) ? -ldexp(1, bits - 1) : 0;
}

static void pool_maximum(Pool *p, const double *image) {
  double least = lowest(p->evaluation->operands[0].element);
  for (int64_t c = 0; c < p->channels; c++) {
    p->values[c] = least;
    p->from[c] = 0;
    for (int64_t t = 0; t < p->taps_inside; t++) {
      double x = image[p->taps[t].position * p->channels + c];
      if (t != 0 && !(x > p->values[c]) && !(isnan(x) && !isnan(p->values[c]))) continue;
      p->values[c] = x;
      p->from[c] = p->taps[t].position;
    }
  }
}

// sum / count in units of 2^-bits, rounded half up.
static int64_t rounded_mean(int64_t sum, int64_t count, int bits) {
  int64_t twice = sum * (INT64_C(2) << bits) + count, divisor = 2 * count;
  int64_t quotient = twice / divisor;
  return twice % divisor < 0 ? quotient - 1 : quotient;
}

// Quantized: the mean of the codes, requantized where the result has a quantization of its own;
// codes of padding are the zero point.
static double mean_code(const Type *x, const Type *y, double sum, int64_t inside, int64_t count) {
  int32_t zero = x->quant->zero[0], low, high;
  int64_t centred = (int64_t)sum - inside * zero;
  if (count == 0) return y->quant->zero[0];
  if (x->element == y->element && quant_equal(x->quant, y->quant))
    return (double)(zero + rounded_mean(centred, count, 0));
  Requantization by = requantization_of(
      ldexp((double)x->quant->scale[0] / (double)y->quant->scale[0], -MEAN_FRACTION_BITS));
  quant_range(y->element, &low, &high);
  return requantize((int32_t)rounded_mean(centred, count, MEAN_FRACTION_BITS), by,
                    y->quant->zero[0], low, high);
}

static void pool_average(Pool *p, const double *image) {
  const Type *x = operand_type(p->evaluation, 0), *y = &p->evaluation->node->results[0]->type;
  bool padding = node_int(p->evaluation->node, ATTR_COUNT_PADDING) != 0;
  int64_t count = padding ? p->taps_padded : p->taps_inside;
  for (int64_t c = 0; c < p->channels; c++) {
    double sum = 0;
    for (int64_t t = 0; t < p->taps_inside; t++)
      sum += image[p->taps[t].position * p->channels + c];
    p->values[c] = x->quant ? mean_code(x, y, sum, p->taps_inside, count)
                   : count  ? sum / (double)count
                            : 0;
  }
}

static void pool_norm(Pool *p, const double *image) {
  double exponent = (double)node_int(p->evaluation->node, ATTR_EXPONENT);
  for (int64_t c = 0; c < p->channels; c++) {
    double sum = 0;
    for (int64_t t = 0; t < p->taps_inside; t++)
      sum += pow(fabs(image[p->taps[t].position * p->channels + c]), exponent);
    p->values[c] = exponent == 2 ? sqrt(sum) : pow(sum, 1 / exponent);
  }
}

static void pool_window(Pool *p, const double *image) {
  switch ((int)p->evaluation->node->op) {
  case OP_AVERAGE_POOL: pool_average(p, image); return;
  case OP_LP_POOL: pool_norm(p, image); return;
  default: pool_maximum(p, image); return;
  }
}

// Calls `done` after each window with the number of its image and its first result element.
static void pool_run(Pool *p, void (*done)(Pool *pool, int64_t image, int64_t at)) {
  for (int64_t n = 0; n < p->batch; n++)
    for (int64_t w = 0; w < p->window.small_count; w++) {
      int64_t at = (n * p->window.small_count + w) * p->channels;
      p->taps_inside = window_taps(&p->window, w, p->taps, &p->taps_padded);
      pool_window(p, p->x + n * p->window.large_count * p->channels);
      store_doubles(&p->evaluation->results[0], at, 1, p->channels, p->values);
      if (done) done(p, n, at);
    }
}

bool interpret_pool(Evaluation *evaluation) {
  Pool pool = pool_start(evaluation);
  pool_run(&pool, NULL);
  return true;
}

// --- indices, as in the channels-first tensor [n, c, spatial..]

static int64_t column_major(const Window *w, int64_t position) {
  int64_t index[MAX_RANK], flat = 0;
  for (int i = w->spatial - 1; i >= 0; i--) {
    index[i] = position % w->large[i];
    position /= w->large[i];
  }
  for (int i = w->spatial - 1; i >= 0; i--) flat = flat * w->large[i] + index[i];
  return flat;
}

static void store_indices(Pool *p, int64_t image, int64_t at) {
  bool columns = node_int(p->evaluation->node, ATTR_BATCH_MAJOR) != 0;
  int64_t *indices = p->evaluation->results[1].data;
  for (int64_t c = 0; c < p->channels; c++) {
    int64_t position = columns ? column_major(&p->window, p->from[c]) : p->from[c];
    indices[at + c] = (image * p->channels + c) * p->window.large_count + position;
  }
}

bool interpret_max_pool_indices(Evaluation *evaluation) {
  Pool pool = pool_start(evaluation);
  pool_run(&pool, store_indices);
  return true;
}

bool interpret_max_unpool(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *y = &evaluation->results[0];
  const int64_t *indices = evaluation->operands[1].data;
  int64_t count = tensor_count(y), channels = y->dims[y->rank - 1], spatial = 1;
  size_t bytes = (size_t)element_info[x->element].bits / 8;
  for (int i = 1; i < y->rank - 1; i++) spatial *= y->dims[i];
  if (!check_count(evaluation, 1, tensor_count(x))) return false;
  for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
    if (indices[i] < 0 || indices[i] >= count)
      return diag_error(evaluation->run->diag, evaluation->node->loc,
                        "max_unpool: index %lld lies outside the result of %lld elements",
                        (long long)indices[i], (long long)count);
    int64_t position = indices[i] % spatial, channel = indices[i] / spatial % channels;
    int64_t image = indices[i] / spatial / channels,
            to = (image * spatial + position) * channels + channel;
    memcpy((char *)y->data + (size_t)to * bytes, (const char *)x->data + (size_t)i * bytes, bytes);
  }
  return true;
}
