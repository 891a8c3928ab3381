// layer_norm, rms_norm, group_norm and lrn. Mean and variance in two passes: one pass loses digits.
#include <math.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"

typedef struct Norm {
  Kernel *kernel;
  Nest *nest;
  const View *x, *y, *scale, *bias; // scale, bias NULL: absent
  LLVMTypeRef element;
  int lanes;
  bool centred;
  double epsilon;
  Val base, mean, factor; // of the line: y = (x - mean) * factor * scale + bias
} Norm;

static Norm describe(Kernel *kernel) {
  Norm n = {
      .kernel = kernel, .nest = kernel->nest, .x = &kernel->operands[0], .y = &kernel->results[0]};
  n.element = kernel_arithmetic_type(n.nest, n.x->element);
  n.lanes = target_lanes(kernel->target, n.x->element == F64 ? 64 : 32);
  if (kernel->node->op == OP_LRN) return n;
  if (node_operand(kernel->node, 1)) n.scale = &kernel->operands[1];
  if (node_operand(kernel->node, 2)) n.bias = &kernel->operands[2];
  n.centred = kernel->node->op != OP_RMS_NORM;
  n.epsilon = (double)(float)node_float(kernel->node, ATTR_EPSILON);
  return n;
}

static Val like(const Norm *n, Val value, int lanes) {
  return nest_lanes(value) == lanes ? value : nest_splat(n->nest, value, lanes);
}

static Val load_x(const Norm *n, Val at, int lanes) {
  return kernel_load(n->kernel, n->x->element, n->x->pointer, nest_add(n->nest, n->base, at),
                     lanes);
}

static Val term_value(void *user, Val at, int lanes) { return load_x(user, at, lanes); }

static Val square_of(const Norm *n, Val x) {
  if (n->centred) x = nest_sub(n->nest, x, like(n, n->mean, nest_lanes(x)));
  return nest_mul(n->nest, x, x);
}

static Val term_square(void *user, Val at, int lanes) {
  Norm *n = user;
  return square_of(n, load_x(n, at, lanes));
}

static Val number_of(const Norm *n, Val count, int lanes) {
  return nest_splat(n->nest, nest_to_float(n->nest, count, n->element, true), lanes);
}

static Val one_over_deviation(const Norm *n, Val squares, Val count) {
  Nest *nest = n->nest;
  LLVMTypeRef type = LLVMTypeOf(squares);
  Val variance = nest_div(nest, squares, number_of(n, count, nest_lanes(squares)));
  Val deviation = maths_sqrt(n->kernel, nest_add(nest, variance, nest_real(type, n->epsilon)));
  return nest_div(nest, nest_real(type, 1), deviation);
}

static Val normalised(const Norm *n, Val x) {
  int lanes = nest_lanes(x);
  if (n->centred) x = nest_sub(n->nest, x, like(n, n->mean, lanes));
  return nest_mul(n->nest, x, like(n, n->factor, lanes));
}

static Val scaled(const Norm *n, Val x, Val scale, Val bias) {
  if (scale && bias) return nest_fma(n->nest, x, scale, bias);
  if (scale) x = nest_mul(n->nest, x, scale);
  return bias ? nest_add(n->nest, x, bias) : x;
}

// --- layer_norm, rms_norm

typedef struct Layer {
  Norm norm;
  int axis;                              // the first that is normalised
  int flat_from;                         // axes from here on are one line, for scale and bias too
  Val offset, scale_offset, bias_offset; // of the current line
} Layer;

// How a factor goes along the axes from `from` on: as one line, as one value, or neither.
typedef enum Along { ALONG_LINE, ALONG_NOTHING, ALONG_BOTH } Along;
static Along factor_along(const View *x, const View *factor, int from) {
  int lines = 0, values = 0;
  for (int axis = from; axis < x->rank; axis++) {
    int own = axis - (x->rank - factor->rank);
    bool one = own < 0 || dim_is(factor->type->dims[own], 1);
    if (dim_is(x->type->dims[axis], 1)) continue;
    values += one;
    lines += !one;
  }
  return !lines ? ALONG_NOTHING : !values ? ALONG_LINE : ALONG_BOTH;
}

static int flat_from(const Layer *layer) {
  const Norm *n = &layer->norm;
  for (int from = layer->axis; from < n->x->rank - 1; from++) {
    bool fits = (!n->scale || factor_along(n->x, n->scale, from) != ALONG_BOTH) &&
                (!n->bias || factor_along(n->x, n->bias, from) != ALONG_BOTH);
    if (fits) return from;
  }
  return n->x->rank - 1;
}

static Val load_factor(const Layer *layer, const View *factor, Val offset, Val at, int lanes) {
  const Norm *n = &layer->norm;
  if (!factor) return NULL;
  bool line = factor_along(n->x, factor, layer->flat_from) == ALONG_LINE;
  if (line)
    return kernel_load(n->kernel, factor->element, factor->pointer, nest_add(n->nest, offset, at),
                       lanes);
  return nest_splat(n->nest, kernel_load(n->kernel, factor->element, factor->pointer, offset, 1),
                    lanes);
}

static void store_line(void *user, Val at, int lanes) {
  Layer *layer = user;
  Norm *n = &layer->norm;
  Nest *nest = n->nest;
  Val offset = nest_add(nest, layer->offset, at);
  Val x = kernel_load(n->kernel, n->x->element, n->x->pointer, offset, lanes);
  Val scale = load_factor(layer, n->scale, layer->scale_offset, at, lanes),
      bias = load_factor(layer, n->bias, layer->bias_offset, at, lanes);
  kernel_store(n->kernel, n->y->element, scaled(n, normalised(n, x), scale, bias), n->y->pointer,
               offset);
}

static Val factor_step(const Layer *layer, const View *factor, int axis) {
  const Norm *n = &layer->norm;
  int own = factor ? axis - (n->x->rank - factor->rank) : -1;
  return own < 0 || dim_is(factor->type->dims[own], 1) ? nest_const(n->nest, 0)
                                                       : factor->strides[own];
}

static void store_axes(Layer *layer, int axis) {
  Norm *n = &layer->norm;
  Nest *nest = n->nest;
  if (axis == layer->flat_from) {
    Val count = view_extent(n->kernel, n->x->type, axis, n->x->rank);
    strip_each(nest, nest_const(nest, 0), count, n->lanes, store_line, layer);
    return;
  }
  Layer saved = *layer;
  FOR (nest, i, nest_const(nest, 0), n->x->dims[axis], 1) {
    layer->offset = nest_add(nest, saved.offset, nest_mul(nest, i, n->x->strides[axis]));
    layer->scale_offset =
        nest_add(nest, saved.scale_offset, nest_mul(nest, i, factor_step(layer, n->scale, axis)));
    layer->bias_offset =
        nest_add(nest, saved.bias_offset, nest_mul(nest, i, factor_step(layer, n->bias, axis)));
    store_axes(layer, axis + 1);
  }
  *layer = saved;
}

bool lower_layer_norm(Kernel *kernel) {
  Layer layer = {.norm = describe(kernel)};
  Norm *n = &layer.norm;
  Nest *nest = n->nest;
  layer.axis = (int)node_int(kernel->node, ATTR_AXIS);
  if (layer.axis < 0) layer.axis += n->x->rank;
  layer.flat_from = flat_from(&layer);
  Val count = view_extent(kernel, n->x->type, layer.axis, n->x->rank), zero = nest_const(nest, 0),
      none = nest_real(n->element, 0);
  kernel_split(kernel, view_extent_dim(kernel, n->x->type, 0, layer.axis));
  FOR (nest, row, kernel->begin, kernel->end, 1) {
    n->base = nest_mul(nest, row, count);
    if (n->centred) {
      Val sum = strip_reduce(nest, zero, count, n->lanes, none, nest_add, term_value, n);
      n->mean = nest_div(nest, sum, number_of(n, count, 1));
    }
    Val squares = strip_reduce(nest, zero, count, n->lanes, none, nest_add, term_square, n);
    n->factor = one_over_deviation(n, squares, count);
    layer.offset = n->base;
    layer.scale_offset = layer.bias_offset = zero;
    store_axes(&layer, layer.axis);
  }
  return true;
}

// --- group_norm: [n, spatial, c]; the channels of a group lie side by side

enum { CHANNEL_VECTORS = 4 };

typedef struct Groups {
  Norm norm;
  Val spatial, channels, each; // pixels, channels of a pixel, channels of a group
  bool single;                 // one channel is a group: no lanes are combined
  Val image, channel;          // offset of the image; first channel of the group
  Val total;                   // memory of a scalar sum
  bool squares;
  Val means[CHANNEL_VECTORS], factors[CHANNEL_VECTORS]; // single: of each lane
} Groups;

static void enter_vector(Groups *g, int vector) {
  if (!g->single) return;
  g->norm.mean = g->means[vector];
  g->norm.factor = g->factors[vector];
}

// Sums over the pixels, for neighbouring channels.
static void sum_pixels(Groups *g, Val channel, int vectors, int lanes, bool squares, Val *sums) {
  const Norm *n = &g->norm;
  Nest *nest = n->nest;
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), g->spatial, nest_const(nest, 1));
  Val offset =
      nest_add(nest, g->image, nest_add(nest, nest_mul(nest, loop.index, g->channels), channel));
  for (int v = 0; v < vectors; v++)
    nest_carry(nest, &loop, nest_zero(nest_vector(n->element, lanes)));
  for (int v = 0; v < vectors; v++) {
    Val x = kernel_load(n->kernel, n->x->element, n->x->pointer,
                        nest_add(nest, offset, nest_const(nest, (int64_t)v * lanes)), lanes);
    enter_vector(g, v);
    nest_carry_next(&loop, v, nest_add(nest, loop.carried[v], squares ? square_of(n, x) : x));
  }
  nest_loop_end(nest, &loop);
  for (int v = 0; v < vectors; v++) sums[v] = loop.carried[v];
}

static void store_channel_block(void *user, Val at, int vectors, int lanes) {
  Groups *g = user;
  Norm *n = &g->norm;
  Nest *nest = n->nest;
  Val scale[CHANNEL_VECTORS] = {0}, bias[CHANNEL_VECTORS] = {0};
  Val channel = nest_add(nest, g->channel, at);
  for (int v = 0; v < vectors; v++) {
    Val from = nest_add(nest, channel, nest_const(nest, (int64_t)v * lanes));
    if (n->scale)
      scale[v] = kernel_load(n->kernel, n->scale->element, n->scale->pointer, from, lanes);
    if (n->bias) bias[v] = kernel_load(n->kernel, n->bias->element, n->bias->pointer, from, lanes);
  }
  FOR (nest, pixel, nest_const(nest, 0), g->spatial, 1) {
    Val line =
        nest_add(nest, g->image, nest_add(nest, nest_mul(nest, pixel, g->channels), channel));
    for (int v = 0; v < vectors; v++) {
      Val offset = nest_add(nest, line, nest_const(nest, (int64_t)v * lanes));
      Val x = kernel_load(n->kernel, n->x->element, n->x->pointer, offset, lanes);
      enter_vector(g, v);
      kernel_store(n->kernel, n->y->element, scaled(n, normalised(n, x), scale[v], bias[v]),
                   n->y->pointer, offset);
    }
  }
}

static void add_block(void *user, Val at, int vectors, int lanes) {
  Groups *g = user;
  Nest *nest = g->norm.nest;
  Val sums[CHANNEL_VECTORS];
  sum_pixels(g, nest_add(nest, g->channel, at), vectors, lanes, g->squares, sums);
  for (int v = 1; v < vectors; v++) sums[0] = nest_add(nest, sums[0], sums[v]);
  Val total = nest_load(nest, g->norm.element, g->total, 0);
  nest_store(nest, nest_add(nest, total, nest_reduce_lanes(nest, sums[0], nest_add)), g->total, 0);
}

static Val sum_group(Groups *g, bool squares) {
  Nest *nest = g->norm.nest;
  g->squares = squares;
  nest_store(nest, nest_real(g->norm.element, 0), g->total, 0);
  strip_blocks(nest, nest_const(nest, 0), g->each, CHANNEL_VECTORS, g->norm.lanes, add_block, g);
  return nest_load(nest, g->norm.element, g->total, 0);
}

static void emit_group(Groups *g) {
  Norm *n = &g->norm;
  Nest *nest = n->nest;
  Val count = nest_mul(nest, g->spatial, g->each);
  n->mean = nest_div(nest, sum_group(g, false), number_of(n, count, 1));
  n->factor = one_over_deviation(n, sum_group(g, true), count);
  strip_blocks(nest, nest_const(nest, 0), g->each, CHANNEL_VECTORS, n->lanes, store_channel_block,
               g);
}

// One channel is a group: every lane has statistics of its own.
static void single_block(void *user, Val at, int vectors, int lanes) {
  Groups *g = user;
  Norm *n = &g->norm;
  Nest *nest = n->nest;
  Val sums[CHANNEL_VECTORS];
  g->channel = nest_const(nest, 0);
  sum_pixels(g, at, vectors, lanes, false, sums);
  for (int v = 0; v < vectors; v++)
    g->means[v] = nest_div(nest, sums[v], number_of(n, g->spatial, lanes));
  sum_pixels(g, at, vectors, lanes, true, sums);
  for (int v = 0; v < vectors; v++) g->factors[v] = one_over_deviation(n, sums[v], g->spatial);
  store_channel_block(g, at, vectors, lanes);
}

bool lower_group_norm(Kernel *kernel) {
  Groups g = {.norm = describe(kernel)};
  Norm *n = &g.norm;
  Nest *nest = n->nest;
  const View *x = n->x;
  int64_t group = node_int(kernel->node, ATTR_GROUP), channels;
  g.channels = x->dims[x->rank - 1];
  g.spatial = view_extent(kernel, x->type, 1, x->rank - 1);
  g.each = nest_udiv(nest, g.channels, nest_const(nest, group));
  g.single = nest_constant(g.channels, &channels) && channels == group;
  g.total = nest_local(nest, n->element, 1, 0);
  kernel_split(kernel, x->type->dims[0]);
  FOR (nest, image, kernel->begin, kernel->end, 1) {
    g.image = nest_mul(nest, image, x->strides[0]);
    if (g.single)
      strip_blocks(nest, nest_const(nest, 0), g.channels, CHANNEL_VECTORS, n->lanes, single_block,
                   &g);
    else
      FOR (nest, which, nest_const(nest, 0), nest_const(nest, group), 1) {
        g.channel = nest_mul(nest, which, g.each);
        emit_group(&g);
      }
  }
  return true;
}

// --- lrn: over `block` channels around each one

typedef struct Neighbours {
  Norm norm;
  int64_t before, after, size;
  double alpha, beta, bias;
} Neighbours;

static void store_lrn(Neighbours *l, Val at, Val squares, int lanes) {
  Norm *n = &l->norm;
  Nest *nest = n->nest;
  LLVMTypeRef type = LLVMTypeOf(squares);
  Val base = nest_add(nest, nest_mul(nest, squares, nest_real(type, l->alpha / (double)l->size)),
                      nest_real(type, l->bias));
  Val result = nest_div(nest, load_x(n, at, lanes), maths_pow(n->kernel, base, l->beta));
  kernel_store(n->kernel, n->y->element, result, n->y->pointer, nest_add(nest, n->base, at));
}

// All neighbours exist.
static void inner_channels(void *user, Val at, int lanes) {
  Neighbours *l = user;
  Norm *n = &l->norm;
  Nest *nest = n->nest;
  Loop loop = nest_loop_begin(nest, nest_const(nest, -l->before), nest_const(nest, l->after + 1),
                              nest_const(nest, 1));
  int sum = nest_carry(nest, &loop, nest_zero(nest_vector(n->element, lanes)));
  Val x = load_x(n, nest_add(nest, at, loop.index), lanes);
  nest_carry_next(&loop, sum, nest_add(nest, loop.carried[sum], nest_mul(nest, x, x)));
  nest_loop_end(nest, &loop);
  store_lrn(l, at, loop.carried[sum], lanes);
}

static void edge_channels(Neighbours *l, Val low, Val high, Val channels) {
  Norm *n = &l->norm;
  Nest *nest = n->nest;
  FOR (nest, at, low, high, 1) {
    Val first =
        nest_max(nest, nest_sub(nest, at, nest_const(nest, l->before)), nest_const(nest, 0));
    Val end = nest_min(nest, nest_add(nest, at, nest_const(nest, l->after + 1)), channels);
    Val squares =
        strip_reduce(nest, first, end, 1, nest_real(n->element, 0), nest_add, term_square, n);
    store_lrn(l, at, squares, 1);
  }
}

bool lower_lrn(Kernel *kernel) {
  Neighbours l = {.norm = describe(kernel), .size = node_int(kernel->node, ATTR_BLOCK)};
  Norm *n = &l.norm;
  Nest *nest = n->nest;
  l.before = (l.size - 1) / 2;
  l.after = l.size - 1 - l.before;
  l.alpha = (double)(float)node_float(kernel->node, ATTR_ALPHA);
  l.beta = (double)(float)node_float(kernel->node, ATTR_BETA);
  l.bias = (double)(float)node_float(kernel->node, ATTR_BIAS);
  Val channels = n->x->dims[n->x->rank - 1], zero = nest_const(nest, 0);
  Val low = nest_min(nest, nest_const(nest, l.before), channels);
  Val high = nest_max(nest, nest_sub(nest, channels, nest_const(nest, l.after)), low);
  kernel_split(kernel, view_extent_dim(kernel, n->x->type, 0, n->x->rank - 1));
  FOR (nest, pixel, kernel->begin, kernel->end, 1) {
    n->base = nest_mul(nest, pixel, channels);
    edge_channels(&l, zero, low, channels);
    strip_each(nest, low, high, n->lanes, inner_channels, &l);
    edge_channels(&l, high, channels, channels);
  }
  return true;
}
