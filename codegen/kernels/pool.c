// Pools over [n, spatial.., c], their indices, and max_unpool. Vectors lie along the channels; the
// taps that lie inside the input are found once for each output pixel.
#include <math.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "codegen/kernels/strip.h"
#include "codegen/kernels/window.h"
#include "ir/quant.h"

enum { POOL_VECTORS = 4 };

typedef struct Pool {
  Kernel *kernel;
  Nest *nest;
  OpCode op;
  const View *x, *y;
  KernelWindow window;
  int lanes;
  LLVMTypeRef sum; // accumulator
  Combine combine;
  Val start;
  bool codes;         // average of quantized values
  bool rescaled;      // to a quantization of its own
  int64_t exponent;   // lp_pool
  LLVMTypeRef number; // of positions, for indices
  // of the current output pixel
  Val image, base, line; // number of the image, its offset in x, output offset
  Val first[WINDOW_AXES], end[WINDOW_AXES], at[WINDOW_AXES];
  Val inside, count; // taps inside; what an average divides by
} Pool;

// Twice a sum of 8-bit codes with the bits of a fraction fits into 32 bits.
static bool has_few_taps(const int64_t *sizes, int count) {
  const double limit = 1 << 14;
  double taps = 1;
  for (int i = 0; i < count; i++) taps *= (double)sizes[i];
  return taps <= limit;
}

static Pool describe(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Pool p = {.kernel = kernel,
            .nest = nest,
            .op = kernel->node->op,
            .x = &kernel->operands[0],
            .y = &kernel->results[0]};
  ElementType element = p.x->element;
  int count, bits = element_info[element].bits;
  const int64_t *sizes = node_ints(kernel->node, ATTR_KERNEL, &count);
  p.window = kernel_window(kernel, p.x, p.y, sizes);
  bool maximum = p.op == OP_MAX_POOL || p.op == OP_MAX_POOL_INDICES;
  p.codes = p.op == OP_AVERAGE_POOL && p.x->type->quant;
  p.rescaled =
      p.codes && (p.y->element != element || !quant_equal(p.x->type->quant, p.y->type->quant));
  bool narrow = bits <= 8 && has_few_taps(sizes, count);
  p.sum = p.codes ? (narrow ? nest->i32 : nest->i64) : kernel_arithmetic_type(nest, element);
  p.combine = maximum ? combine_extreme(element, true) : nest_add;
  p.start = maximum   ? extreme_start(nest, element, true)
            : p.codes ? nest_int(p.sum, 0)
                      : nest_real(p.sum, 0);
  if (p.op == OP_LP_POOL) p.exponent = node_int(kernel->node, ATTR_EXPONENT);
  bool is_float = element_is_float(element);
  int wide = p.codes ? (narrow ? 32 : 64) : is_float && bits < 32 ? 32 : bits;
  p.lanes = bits < 8 ? 1 : target_lanes(kernel->target, wide);
  return p;
}

// --- what a tap adds

static Val tap_value(const Pool *p, Val offset, int lanes) {
  Nest *nest = p->nest;
  Val x = kernel_load(p->kernel, p->x->element, p->x->pointer, offset, lanes);
  if (p->codes) return nest_extend(nest, x, p->sum, element_is_signed(p->x->element));
  if (p->op != OP_LP_POOL) return x;
  if (p->exponent == 2) return nest_mul(nest, x, x);
  return maths_pow(p->kernel, maths_abs(nest, x), (double)p->exponent);
}

// Half up: floor((2 sum + count) / (2 count)), the sum with the bits of a fraction where the mean
// is requantized. Shifted by the lowest code, so that the division is one of unsigned numbers.
static Val mean_code(const Pool *p, Val sum) {
  Nest *nest = p->nest;
  int lanes = nest_lanes(sum), bits = element_info[p->x->element].bits;
  const Type *to = p->y->type;
  int fraction = p->rescaled ? MEAN_FRACTION_BITS : 0;
  int64_t zero = p->x->type->quant->zero[0],
          lowest = element_is_signed(p->x->element) ? -(INT64_C(1) << (bits - 1)) : 0;
  LLVMTypeRef type = LLVMTypeOf(sum);
  Val count = nest_extend(nest, p->count, p->sum, false),
      inside = nest_extend(nest, p->inside, p->sum, false);
  Val padding = nest_mul(nest, nest_sub(nest, count, inside), nest_int(p->sum, zero));
  Val shift = nest_sub(nest, padding, nest_mul(nest, count, nest_int(p->sum, lowest)));
  Val total = nest_add(nest, sum, nest_splat(nest, shift, lanes));
  Val none = nest_compare(nest, LLVMIntEQ, count, nest_int(p->sum, 0));
  Val divisor = nest_splat(nest, nest_select(nest, none, nest_int(p->sum, 1), count), lanes),
      two = nest_int(type, 2);
  Val twice = nest_add(nest, nest_mul(nest, total, nest_int(type, INT64_C(2) << fraction)),
                       nest_splat(nest, count, lanes));
  Val mean =
      nest_add(nest, nest_udiv(nest, twice, nest_mul(nest, divisor, two)),
               nest_int(type, (lowest - (p->rescaled ? zero : 0)) * (INT64_C(1) << fraction)));
  mean = nest_select(nest, nest_splat(nest, none, lanes), nest_int(type, p->rescaled ? 0 : zero),
                     mean);
  if (!p->rescaled)
    return nest_extend(nest, mean, kernel_arithmetic_type(nest, p->y->element), false);
  double scale = (double)p->x->type->quant->scale[0] / (double)to->quant->scale[0];
  return emit_requantize(nest, mean, ldexp(scale, -fraction), to);
}

static Val mean_value(const Pool *p, Val sum) {
  Nest *nest = p->nest;
  LLVMTypeRef type = LLVMTypeOf(sum);
  Val count = nest_splat(nest, nest_to_float(nest, p->count, p->sum, true), nest_lanes(sum));
  int64_t known;
  if (nest_constant(p->count, &known) && known > 0) return nest_div(nest, sum, count);
  Val none = nest_compare(nest, LLVMIntEQ, p->count, nest_const(nest, 0));
  return nest_select(nest, nest_splat(nest, none, nest_lanes(sum)), nest_zero(type),
                     nest_div(nest, sum, count));
}

static Val finish(const Pool *p, Val sum) {
  if (p->codes) return mean_code(p, sum);
  if (p->op == OP_AVERAGE_POOL) return mean_value(p, sum);
  if (p->op == OP_LP_POOL) return maths_pow(p->kernel, sum, 1.0 / (double)p->exponent);
  return sum;
}

// --- windows

static void take_taps(const Pool *p, int axis, Val offset, Val *sums, int vectors, int lanes) {
  Nest *nest = p->nest;
  if (axis == WINDOW_AXES) {
    for (int v = 0; v < vectors; v++) {
      Val x = tap_value(p, nest_add(nest, offset, nest_const(nest, (int64_t)v * lanes)), lanes);
      sums[v] = p->combine(nest, sums[v], x);
    }
    return;
  }
  Loop loop = nest_loop_begin(nest, p->first[axis], p->end[axis], nest_const(nest, 1));
  Val next[POOL_VECTORS];
  for (int v = 0; v < vectors; v++) nest_carry(nest, &loop, sums[v]);
  for (int v = 0; v < vectors; v++) next[v] = loop.carried[v];
  Val index = kernel_window_input(nest, &p->window, axis, p->at[axis], loop.index);
  take_taps(p, axis + 1,
            nest_add(nest, offset, nest_mul(nest, index, p->window.input_stride[axis])), next,
            vectors, lanes);
  for (int v = 0; v < vectors; v++) nest_carry_next(&loop, v, next[v]);
  nest_loop_end(nest, &loop);
  for (int v = 0; v < vectors; v++) sums[v] = loop.carried[v];
}

static void channel_block(void *user, Val channel, int vectors, int lanes) {
  Pool *p = user;
  Nest *nest = p->nest;
  Val sums[POOL_VECTORS];
  for (int v = 0; v < vectors; v++) sums[v] = nest_splat(nest, p->start, lanes);
  take_taps(p, 0, nest_add(nest, p->base, channel), sums, vectors, lanes);
  for (int v = 0; v < vectors; v++) {
    Val to = nest_add(nest, nest_add(nest, p->line, channel), nest_const(nest, (int64_t)v * lanes));
    kernel_store(p->kernel, p->y->element, finish(p, sums[v]), p->y->pointer, to);
  }
}

// Taps along the axis that lie inside the padded input (the leading pad always counts).
static Val padded_taps(const Pool *p, int axis) {
  Nest *nest = p->nest;
  const KernelWindow *w = &p->window;
  Val taps = nest_const(nest, w->kernel[axis]), dilation = nest_const(nest, w->dilation[axis]);
  if (!kernel_window_padded(w, axis)) return taps;
  Val base = kernel_window_input(nest, w, axis, p->at[axis], nest_const(nest, 0));
  Val room =
      nest_sub(nest, nest_add(nest, w->input[axis], nest_const(nest, w->pad_end[axis])), base);
  room = nest_max(nest, room, nest_const(nest, 0));
  return nest_min(
      nest,
      nest_udiv(nest, nest_add(nest, room, nest_const(nest, w->dilation[axis] - 1)), dilation),
      taps);
}

static void find_taps(Pool *p, int axis) {
  kernel_window_taps(p->nest, &p->window, axis, p->at[axis], &p->first[axis], &p->end[axis]);
}

static void count_taps(Pool *p) {
  Nest *nest = p->nest;
  p->inside = p->count = nest_const(nest, 1);
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    Val taps = nest_max(nest, nest_sub(nest, p->end[axis], p->first[axis]), nest_const(nest, 0));
    p->inside = nest_mul(nest, p->inside, taps);
    if (p->op == OP_AVERAGE_POOL && node_int(p->kernel->node, ATTR_COUNT_PADDING))
      taps = padded_taps(p, axis);
    p->count = nest_mul(nest, p->count, taps);
  }
}

// Lines of output pixels are the units of work: number = (image * depth + layer) * height + row.
static const Dim *line_count(const Pool *p) {
  return view_extent_dim(p->kernel, p->y->type, 0, p->y->rank - 2);
}

typedef void PixelBody(Pool *pool);
static void each_pixel(Pool *p, PixelBody *body) {
  Nest *nest = p->nest;
  Kernel *kernel = p->kernel;
  Val channels = p->x->dims[p->x->rank - 1], *at = p->at;
  if (element_info[p->y->element].bits >= 8) kernel_split(kernel, line_count(p));
  Val low = kernel->parallel ? kernel->begin : nest_const(nest, 0),
      high = kernel->parallel ? kernel->end : kernel_dim(kernel, line_count(p));
  FOR (nest, line, low, high, 1) {
    Val layer = line;
    at[1] = p->window.rank > 1 ? nest_urem(nest, line, p->window.output[1]) : nest_const(nest, 0);
    if (p->window.rank > 1) layer = nest_udiv(nest, line, p->window.output[1]);
    at[0] = p->window.rank > 2 ? nest_urem(nest, layer, p->window.output[0]) : nest_const(nest, 0);
    p->image = p->window.rank > 2 ? nest_udiv(nest, layer, p->window.output[0]) : layer;
    p->base = nest_mul(nest, p->image, p->x->strides[0]);
    find_taps(p, 0);
    find_taps(p, 1);
    FOR (nest, column, nest_const(nest, 0), p->window.output[2], 1) {
      at[2] = column;
      find_taps(p, 2);
      count_taps(p);
      p->line = nest_mul(nest, nest_add(nest, nest_mul(nest, line, p->window.output[2]), column),
                         channels);
      body(p);
    }
  }
}

static void pool_channels(Pool *p) {
  strip_blocks(p->nest, nest_const(p->nest, 0), p->x->dims[p->x->rank - 1], POOL_VECTORS, p->lanes,
               channel_block, p);
}

bool lower_pool(Kernel *kernel) {
  Pool p = describe(kernel);
  each_pixel(&p, pool_channels);
  return true;
}

// --- max_pool_indices

typedef struct Best {
  Val value, position;
} Best;

static Best search_taps(const Pool *p, int axis, Val offset, Val position, Best best, int lanes) {
  Nest *nest = p->nest;
  if (axis == WINDOW_AXES) {
    Val x = kernel_load(p->kernel, p->x->element, p->x->pointer, offset, lanes), better;
    if (element_is_float(p->x->element)) {
      Val was_nan = nest_compare_float(nest, LLVMRealUNO, best.value, best.value);
      Val not_nan = nest_xor(nest, was_nan,
                             nest_int(LLVMTypeOf(was_nan), -1)); // more, or a NaN after a number
      better = nest_and(nest, nest_compare_float(nest, LLVMRealUGT, x, best.value), not_nan);
    } else {
      better = nest_compare(nest, element_is_signed(p->x->element) ? LLVMIntSGT : LLVMIntUGT, x,
                            best.value);
    }
    Val none =
        nest_compare(nest, LLVMIntEQ, best.position, nest_int(LLVMTypeOf(best.position), -1));
    better = nest_or(nest, better, none);
    Val here = nest_splat(nest, position, lanes);
    return (Best){nest_select(nest, better, x, best.value),
                  nest_select(nest, better, here, best.position)};
  }
  Loop loop = nest_loop_begin(nest, p->first[axis], p->end[axis], nest_const(nest, 1));
  int value = nest_carry(nest, &loop, best.value), number = nest_carry(nest, &loop, best.position);
  Val index = kernel_window_input(nest, &p->window, axis, p->at[axis], loop.index);
  Val size = nest_extend(nest, p->window.input[axis], p->number, false),
      narrow = nest_extend(nest, index, p->number, false);
  Val next = nest_add(nest, nest_mul(nest, position, size), narrow);
  Best found = search_taps(
      p, axis + 1, nest_add(nest, offset, nest_mul(nest, index, p->window.input_stride[axis])),
      next, (Best){loop.carried[value], loop.carried[number]}, lanes);
  nest_carry_next(&loop, value, found.value);
  nest_carry_next(&loop, number, found.position);
  nest_loop_end(nest, &loop);
  return (Best){loop.carried[value], loop.carried[number]};
}

// The position with the first spatial axis running fastest.
static Val column_major(const Pool *p, Val position) {
  Nest *nest = p->nest;
  int lanes = nest_lanes(position);
  Val index[WINDOW_AXES], flat = nest_zero(LLVMTypeOf(position)), size[WINDOW_AXES];
  for (int axis = WINDOW_AXES - 1; axis >= 0; axis--) {
    size[axis] =
        nest_splat(nest, nest_extend(nest, p->window.input[axis], p->number, false), lanes);
    index[axis] = nest_urem(nest, position, size[axis]);
    position = nest_udiv(nest, position, size[axis]);
  }
  for (int axis = WINDOW_AXES - 1; axis >= 0; axis--)
    flat = nest_add(nest, nest_mul(nest, flat, size[axis]), index[axis]);
  return flat;
}

static void index_channels(void *user, Val channel, int lanes) {
  Pool *p = user;
  Nest *nest = p->nest;
  Best best = {nest_splat(nest, p->start, lanes), nest_int(nest_vector(p->number, lanes), -1)};
  best = search_taps(p, 0, nest_add(nest, p->base, channel), nest_int(p->number, 0), best, lanes);
  Val to = nest_add(nest, p->line, channel);
  kernel_store(p->kernel, p->y->element, best.value, p->y->pointer, to);
  Val none = nest_compare(nest, LLVMIntEQ, best.position, nest_int(LLVMTypeOf(best.position), -1));
  Val position = nest_select(nest, none, nest_zero(LLVMTypeOf(best.position)), best.position);
  if (node_int(p->kernel->node, ATTR_BATCH_MAJOR)) position = column_major(p, position);
  Val steps[256], plane = nest_const(nest, 1);
  for (int i = 0; i < lanes; i++) steps[i] = LLVMConstInt(nest->i64, (uint64_t)i, false);
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    plane = nest_mul(nest, plane, p->window.input[axis]);
  Val first = nest_add(nest, nest_mul(nest, p->image, p->x->dims[p->x->rank - 1]), channel);
  Val numbers = nest_splat(nest, nest_extend(nest, first, nest->i64, false), lanes);
  if (lanes > 1) numbers = nest_add(nest, numbers, LLVMConstVector(steps, (unsigned)lanes));
  Val planes =
      nest_mul(nest, numbers, nest_splat(nest, nest_extend(nest, plane, nest->i64, false), lanes));
  Val index = nest_add(nest, planes, nest_extend(nest, position, nest->i64, false));
  nest_store(nest, index, nest_address(nest, p->kernel->results[1].pointer, nest->i64, to), 8);
}

static void pool_indices(Pool *p) {
  strip_each(p->nest, nest_const(p->nest, 0), p->x->dims[p->x->rank - 1], p->lanes, index_channels,
             p);
}

bool lower_max_pool_indices(Kernel *kernel) {
  Pool p = describe(kernel);
  int64_t count;
  bool small = type_max_count(p.x->type, &count) && count < INT32_MAX;
  p.number = small ? kernel->nest->i32 : kernel->nest->i64;
  if (p.lanes > 1)
    p.lanes =
        target_lanes(kernel->target, element_info[p.x->element].bits == 64 || !small ? 64 : 32);
  each_pixel(&p, pool_indices);
  return true;
}

// --- max_unpool: zeros, then every x to its place; indices that lie outside are dropped

bool lower_max_unpool(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *indices = &kernel->operands[1], *y = &kernel->results[0];
  LLVMTypeRef type = nest_element_type(nest, y->element);
  Val channels = nest_extend(nest, y->dims[y->rank - 1], nest->i64, false);
  Val spatial = nest_extend(nest, view_extent(kernel, y->type, 1, y->rank - 1), nest->i64, false);
  Val count = view_extent(kernel, y->type, 0, y->rank), zero = nest_const(nest, 0);
  FOR (nest, i, zero, count, 1)
    nest_store(nest, nest_zero(type), nest_address(nest, y->pointer, type, i), 0);
  FOR (nest, i, zero, view_extent(kernel, x->type, 0, x->rank), 1) {
    Val index = nest_load(nest, nest->i64, nest_address(nest, indices->pointer, nest->i64, i), 8);
    Val inside = nest_compare(nest, LLVMIntULT, index, nest_extend(nest, count, nest->i64, false));
    move_check(kernel,
               nest_compare(nest, LLVMIntUGE, index, nest_extend(nest, count, nest->i64, false)));
    Branch branch = nest_if(nest, inside);
    Val position = nest_urem(nest, index, spatial), plane = nest_udiv(nest, index, spatial);
    Val pixel = nest_add(nest, nest_mul(nest, nest_udiv(nest, plane, channels), spatial), position);
    Val to = nest_add(nest, nest_mul(nest, pixel, channels), nest_urem(nest, plane, channels));
    Val value = nest_load(nest, type, nest_address(nest, x->pointer, type, i), 0);
    nest_store(nest, value,
               nest_address(nest, y->pointer, type, nest_extend(nest, to, nest->index, false)), 0);
    nest_end_if(nest, &branch);
  }
  return true;
}
