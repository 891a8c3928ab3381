// conv and conv_transpose: direct, one output (input) position after the other, the innermost loop
// along output channels.
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_product.h"
#include "ir/interpret_window.h"

typedef struct Convolution {
  Product product;
  Window window;
  Factor x, w;
  int64_t batch, groups, in, out; // channels per group
  Tap *taps;
  void *panel; // weights of conv as [group][tap][in][out]
  void *sums;
} Convolution;

#define DEFINE_CONV(suffix, T, field, store)                                                       \
  static void pack_##suffix(const Convolution *c) {                                                \
    T *panel = c->panel;                                                                           \
    for (int64_t g = 0; g < c->groups; g++)                                                        \
      for (int64_t o = 0; o < c->out; o++)                                                         \
        for (int64_t t = 0; t < c->window.tap_count; t++)                                          \
          for (int64_t i = 0; i < c->in; i++)                                                      \
            panel[((g * c->window.tap_count + t) * c->in + i) * c->out + o] =                      \
                c->w.field[((g * c->out + o) * c->window.tap_count + t) * c->in + i];              \
  }                                                                                                \
  /* Sums of all output channels at one position of one image. */                                  \
  static void conv_at_##suffix(const Convolution *c, const T *image, int64_t taps) {               \
    T *sums = c->sums;                                                                             \
    memset(sums, 0, (size_t)(c->groups * c->out) * sizeof *sums);                                  \
    for (int64_t g = 0; g < c->groups; g++)                                                        \
      for (int64_t t = 0; t < taps; t++) {                                                         \
        const T *x = image + (c->taps[t].position * c->groups + g) * c->in;                        \
        const T *row =                                                                             \
            (const T *)c->panel + (g * c->window.tap_count + c->taps[t].tap) * c->in * c->out;     \
        T *y = sums + g * c->out;                                                                  \
        for (int64_t i = 0; i < c->in; i++, row += c->out)                                         \
          for (int64_t o = 0; o < c->out; o++) y[o] += x[i] * row[o];                              \
      }                                                                                            \
  }                                                                                                \
  static void conv_##suffix(const Convolution *c) {                                                \
    int64_t channels = c->groups * c->out;                                                         \
    pack_##suffix(c);                                                                              \
    for (int64_t n = 0; n < c->batch; n++)                                                         \
      for (int64_t p = 0; p < c->window.small_count; p++) {                                        \
        int64_t taps = window_taps(&c->window, p, c->taps, NULL);                                  \
        conv_at_##suffix(c, c->x.field + n * c->window.large_count * c->groups * c->in, taps);     \
        int64_t at = (n * c->window.small_count + p) * channels;                                   \
        const T *sums = c->sums;                                                                   \
        store;                                                                                     \
      }                                                                                            \
  }                                                                                                \
  /* Adds what one input position gives to the image's sums. w is [in][tap][out], in over groups.  \
   */                                                                                              \
  static void scatter_##suffix(const Convolution *c, const T *x, int64_t taps) {                   \
    for (int64_t g = 0; g < c->groups; g++)                                                        \
      for (int64_t i = 0; i < c->in; i++)                                                          \
        for (int64_t t = 0; t < taps; t++) {                                                       \
          int64_t channel = g * c->in + i;                                                         \
          const T *row = c->w.field + (channel * c->window.tap_count + c->taps[t].tap) * c->out;   \
          T *y = (T *)c->sums + (c->taps[t].position * c->groups + g) * c->out;                    \
          for (int64_t o = 0; o < c->out; o++) y[o] += x[channel] * row[o];                        \
        }                                                                                          \
  }                                                                                                \
  static void transposed_##suffix(const Convolution *c) {                                          \
    int64_t channels = c->groups * c->out, image = c->window.large_count * channels;               \
    for (int64_t n = 0; n < c->batch; n++) {                                                       \
      memset(c->sums, 0, (size_t)image * sizeof(T));                                               \
      for (int64_t p = 0; p < c->window.small_count; p++) {                                        \
        int64_t taps = window_taps(&c->window, p, c->taps, NULL);                                  \
        scatter_##suffix(c, c->x.field + (n * c->window.small_count + p) * c->groups * c->in,      \
                         taps);                                                                    \
      }                                                                                            \
      for (int64_t p = 0; p < c->window.large_count; p++) {                                        \
        int64_t at = (n * c->window.large_count + p) * channels;                                   \
        const T *sums = (const T *)c->sums + p * channels;                                         \
        store;                                                                                     \
      }                                                                                            \
    }                                                                                              \
  }
DEFINE_CONV(floats, double, floats, product_store_floats(&c->product, at, 0, channels, sums))
DEFINE_CONV(ints, uint64_t, ints, product_store_ints(&c->product, at, 0, 0, channels, sums))

static bool check_channels(const Evaluation *evaluation, int64_t found, int64_t wanted) {
  if (found == wanted) return true;
  return diag_error(evaluation->run->diag, evaluation->node->loc,
                    "%s: the input has %lld channels, the weight wants %lld",
                    op_info[evaluation->node->op].text, (long long)found, (long long)wanted);
}

static bool convolution_start(Convolution *c, Evaluation *evaluation) {
  Arena *arena = evaluation->run->arena;
  if (!product_start(&c->product, evaluation)) return false;
  c->x = product_factor(&c->product, 0);
  c->w = product_factor(&c->product, 1);
  c->batch = evaluation->operands[0].dims[0];
  c->taps = NEW_ARRAY(arena, Tap, c->window.tap_count);
  return true;
}

// [n, c, spatial..] as [n, spatial.., c].
static Tensor channels_last(Arena *arena, const Tensor *planes) {
  Tensor x = *planes;
  size_t bytes = (size_t)element_info[x.element].bits / 8;
  int64_t plane = 1, count = tensor_count(planes), channels = x.dims[1];
  for (int i = 2; i < x.rank; i++) plane *= x.dims[i - 1] = planes->dims[i];
  x.dims[x.rank - 1] = channels;
  char *to = NEW_ARRAY(arena, char, (size_t)count *bytes);
  for (int64_t i = 0; i < count; i++) {
    int64_t image = i / (plane * channels), pixel = i / channels % plane, channel = i % channels;
    const char *from =
        (const char *)planes->data + (size_t)((image * channels + channel) * plane + pixel) * bytes;
    memcpy(to + (size_t)i * bytes, from, bytes);
  }
  x.data = to;
  return x;
}

static bool interpret_channels_last(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *w = &evaluation->operands[1],
               *y = &evaluation->results[0];
  int spatial = x->rank - 2;
  Convolution c = {.groups = node_int(evaluation->node, ATTR_GROUP), .in = w->dims[w->rank - 1]};
  if (!check_channels(evaluation, x->dims[x->rank - 1], c.in * c.groups)) return false;
  c.out = w->dims[0] / c.groups;
  c.window = window_of(evaluation->node, spatial, x->dims + 1, y->dims + 1, w->dims + 1);
  if (!convolution_start(&c, evaluation)) return false;
  c.panel = NEW_ARRAY(evaluation->run->arena, double, tensor_count(w));
  c.sums = NEW_ARRAY(evaluation->run->arena, double, c.groups *c.out);
  if (c.product.integer)
    conv_ints(&c);
  else
    conv_floats(&c);
  return true;
}

bool interpret_conv(Evaluation *evaluation) {
  if (!node_int(evaluation->node, ATTR_PLANAR)) return interpret_channels_last(evaluation);
  Arena *arena = evaluation->run->arena;
  Evaluation last = *evaluation;
  Tensor *operands = NEW_ARRAY(arena, Tensor, evaluation->node->operand_count);
  memcpy(operands, evaluation->operands,
         (size_t)evaluation->node->operand_count * sizeof *operands);
  operands[0] = channels_last(arena, &operands[0]);
  last.operands = operands;
  return interpret_channels_last(&last);
}

bool interpret_conv_transpose(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0], *w = &evaluation->operands[1],
               *y = &evaluation->results[0];
  int spatial = x->rank - 2;
  if (!check_channels(evaluation, x->dims[x->rank - 1], w->dims[0])) return false;
  Convolution c = {.groups = node_int(evaluation->node, ATTR_GROUP), .out = w->dims[w->rank - 1]};
  c.in = w->dims[0] / c.groups;
  c.window = window_of(evaluation->node, spatial, y->dims + 1, x->dims + 1, w->dims + 1);
  if (!convolution_start(&c, evaluation)) return false;
  c.sums = NEW_ARRAY(evaluation->run->arena, double, c.window.large_count *c.groups *c.out);
  if (c.product.integer)
    transposed_ints(&c);
  else
    transposed_floats(&c);
  return true;
}
