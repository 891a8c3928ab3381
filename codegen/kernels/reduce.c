// Reductions over any set of axes.
//
// Axes of size 1 are dropped and neighbours of one kind merged, so that what is left alternates
// between kept and reduced. Where the last one is kept, vectors lie along it and each lane is a
// result of its own; where it is reduced, a line is summed in vectors and their lanes are combined
// at its end.
#include <math.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"

enum { COLUMN_VECTORS = 4 };

typedef struct ReduceAxis {
  const Dim *dim;
  Val size, stride, result_stride;
  bool reduced;
} ReduceAxis;

typedef struct Reduction {
  Kernel *kernel;
  Nest *nest;
  OpCode op;
  const View *x, *y;
  ReduceAxis axes[MAX_RANK];
  int axis_count;
  const ReduceAxis *kept[MAX_RANK], *reduced[MAX_RANK];
  int kept_count, reduced_count;
  bool columns;    // the last axis is kept
  LLVMTypeRef sum; // of the accumulators
  bool is_float;   // accumulators
  int lanes;
  Combine combine;
  Val start, each;             // neutral element; reduced elements for each result
  bool exponentials;           // second pass of log_sum_exp
  Val highest[COLUMN_VECTORS]; // of its first pass, per vector of columns
  int vector;                  // which of these
  Val line;                    // offset of the line that is summed
} Reduction;

static unsigned axes_of(const Node *node, int rank) {
  int count;
  const int64_t *axes = node_ints(node, ATTR_AXES, &count);
  unsigned set = node_attribute(node, ATTR_AXES) ? 0 : (1u << rank) - 1;
  for (int i = 0; i < count; i++) set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
  return set;
}

static void find_axes(Reduction *r) {
  Kernel *kernel = r->kernel;
  DimTable *dims = kernel->node->graph->module->dims;
  unsigned set = axes_of(kernel->node, r->x->rank);
  for (int i = 0; i < r->x->rank; i++) {
    const Dim *dim = r->x->type->dims[i];
    bool reduced = set >> i & 1;
    if (dim_is(dim, 1)) continue;
    ReduceAxis *last = r->axis_count ? &r->axes[r->axis_count - 1] : NULL;
    if (last && last->reduced == reduced)
      dim = dim_mul(dims, last->dim, dim);
    else
      last = &r->axes[r->axis_count++];
    *last = (ReduceAxis){.dim = dim,
                         .size = kernel_dim(kernel, dim),
                         .stride = r->x->strides[i],
                         .reduced = reduced};
  }
  Val stride = nest_const(r->nest, 1);
  r->each = stride;
  for (int i = r->axis_count - 1; i >= 0; i--) {
    ReduceAxis *axis = &r->axes[i];
    axis->result_stride = stride;
    if (axis->reduced)
      r->each = nest_mul(r->nest, r->each, axis->size);
    else
      stride = nest_mul(r->nest, stride, axis->size);
  }
  for (int i = 0; i < r->axis_count; i++) {
    if (r->axes[i].reduced)
      r->reduced[r->reduced_count++] = &r->axes[i];
    else
      r->kept[r->kept_count++] = &r->axes[i];
  }
  r->columns = r->axis_count == 0 || !r->axes[r->axis_count - 1].reduced;
}

// Integers are summed in their own type, modulo its width, except where a sum is divided.
static LLVMTypeRef sum_type(const Reduction *r) {
  ElementType element = r->x->element;
  if (element_is_float(element)) return kernel_arithmetic_type(r->nest, element);
  if (r->op == OP_REDUCE_LOG_SUM_EXP) return r->nest->f64;
  bool rescaled = r->x->type->quant && (r->op == OP_REDUCE_MEAN || r->op == OP_REDUCE_SUM);
  if (rescaled) return r->nest->i32;
  return r->op == OP_REDUCE_MEAN ? r->nest->i64 : kernel_arithmetic_type(r->nest, element);
}

static void choose(Reduction *r, OpCode op) {
  bool extreme = op == OP_REDUCE_MAX || op == OP_REDUCE_MIN;
  r->combine = extreme ? combine_extreme(r->is_float ? F32 : r->x->element, op == OP_REDUCE_MAX)
               : op == OP_REDUCE_PROD ? nest_mul
                                      : nest_add;
  int one = op == OP_REDUCE_PROD;
  if (extreme)
    r->start =
        extreme_start(r->nest, r->is_float ? (r->sum == r->nest->f64 ? F64 : F32) : r->x->element,
                      op == OP_REDUCE_MAX);
  else
    r->start = r->is_float ? nest_real(r->sum, one) : nest_int(r->sum, one);
}

static Val absolute(const Reduction *r, Val x) {
  if (r->is_float) return maths_abs(r->nest, x);
  if (!element_is_signed(r->x->element)) return x;
  Val negative = nest_compare(r->nest, LLVMIntSLT, x, nest_zero(LLVMTypeOf(x)));
  return nest_select(r->nest, negative, nest_neg(r->nest, x), x);
}

// What one element adds to the accumulator.
static Val load_term(Reduction *r, Val offset, int lanes) {
  Nest *nest = r->nest;
  Val x = kernel_load(r->kernel, r->x->element, r->x->pointer, offset, lanes);
  if (!r->is_float)
    x = nest_extend(nest, x, r->sum, element_is_signed(r->x->element));
  else if (element_is_float(r->x->element))
    x = nest_float_width(nest, x, r->sum);
  else
    x = nest_to_float(nest, x, r->sum, element_is_signed(r->x->element));
  if (r->op == OP_REDUCE_L1) return absolute(r, x);
  if (r->op == OP_REDUCE_SQUARES) return nest_mul(nest, x, x);
  if (!r->exponentials) return x;
  Val highest = r->highest[r->vector];
  if (nest_lanes(highest) != lanes) highest = nest_splat(nest, highest, lanes);
  return maths(r->kernel, "exp", nest_sub(nest, x, highest));
}

static Val line_term(void *user, Val at, int lanes) {
  Reduction *r = user;
  return load_term(r, nest_add(r->nest, r->line, at), lanes);
}

// --- results

static Val finish(Reduction *r, Val sum, Val highest) {
  Nest *nest = r->nest;
  const Type *x = r->x->type, *y = r->y->type;
  bool mean = r->op == OP_REDUCE_MEAN;
  if (r->op == OP_REDUCE_LOG_SUM_EXP) {
    sum = nest_add(nest, maths(r->kernel, "log", sum), highest);
    bool is_float = element_is_float(r->y->element);
    return is_float ? sum
                    : nest_to_int(nest, sum, kernel_arithmetic_type(nest, r->y->element),
                                  element_is_signed(r->y->element));
  }
  if (r->is_float)
    return mean ? nest_div(
                      nest, sum,
                      nest_splat(nest, nest_to_float(nest, r->each, r->sum, true), nest_lanes(sum)))
                : sum;
  if (x->quant && (mean || r->op == OP_REDUCE_SUM)) {
    int64_t each;
    double count = mean && nest_constant(r->each, &each) && each ? (double)each : 1;
    Val zero = nest_mul(nest, nest_extend(nest, r->each, nest->i32, false),
                        nest_int(nest->i32, x->quant->zero[0]));
    Val centred = nest_sub(nest, sum, nest_splat(nest, zero, nest_lanes(sum)));
    return emit_requantize(nest, centred,
                           (double)x->quant->scale[0] / ((double)y->quant->scale[0] * count), y);
  }
  if (mean) { // of nothing: 0
    Val none = nest_compare(nest, LLVMIntEQ, r->each, nest_const(nest, 0));
    Val count =
        nest_extend(nest, nest_select(nest, none, nest_const(nest, 1), r->each), nest->i64, false);
    count = nest_splat(nest, count, nest_lanes(sum));
    sum = r->x->element == U64 ? nest_udiv(nest, sum, count)
                               : LLVMBuildSDiv(nest->builder, sum, count, "");
  }
  return nest_extend(nest, sum, kernel_arithmetic_type(nest, r->y->element), true);
}

static void store(Reduction *r, Val sum, Val highest, Val to) {
  kernel_store(r->kernel, r->y->element, finish(r, sum, highest), r->y->pointer, to);
}

// e^inf and e^-inf need no help, inf - inf would be NaN.
static Val finite_or_zero(Nest *nest, Val x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  Val infinite =
      nest_compare_float(nest, LLVMRealOEQ, maths_abs(nest, x), nest_real(type, INFINITY));
  return nest_select(nest, infinite, nest_zero(type), x);
}

// --- the last axis is reduced

static Val sum_lines(Reduction *r, int level, Val offset) {
  Nest *nest = r->nest;
  const ReduceAxis *axis = r->reduced[level];
  if (level == r->reduced_count - 1) {
    r->line = offset;
    return strip_reduce(nest, nest_const(nest, 0), axis->size, r->lanes, r->start, r->combine,
                        line_term, r);
  }
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), axis->size, nest_const(nest, 1));
  int sum = nest_carry(nest, &loop, r->start);
  Val next =
      sum_lines(r, level + 1, nest_add(nest, offset, nest_mul(nest, loop.index, axis->stride)));
  nest_carry_next(&loop, sum, r->combine(nest, loop.carried[sum], next));
  nest_loop_end(nest, &loop);
  return loop.carried[sum];
}

static void emit_row(Reduction *r, Val offset, Val to) {
  if (r->op == OP_REDUCE_LOG_SUM_EXP) {
    choose(r, OP_REDUCE_MAX);
    r->exponentials = false;
    r->highest[0] = finite_or_zero(r->nest, sum_lines(r, 0, offset));
    choose(r, OP_REDUCE_SUM);
    r->exponentials = true;
  }
  store(r, sum_lines(r, 0, offset), r->highest[0], to);
}

// --- the last axis is kept

typedef struct Columns {
  Reduction *r;
  Val offset, to; // of column 0
} Columns;

static void sum_columns(Reduction *r, int level, Val offset, Val *sums, int vectors, int lanes) {
  Nest *nest = r->nest;
  if (level == r->reduced_count) {
    for (int v = 0; v < vectors; v++) {
      r->vector = v;
      sums[v] = r->combine(
          nest, sums[v],
          load_term(r, nest_add(nest, offset, nest_const(nest, (int64_t)v * lanes)), lanes));
    }
    return;
  }
  const ReduceAxis *axis = r->reduced[level];
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), axis->size, nest_const(nest, 1));
  Val next[COLUMN_VECTORS];
  for (int v = 0; v < vectors; v++) nest_carry(nest, &loop, sums[v]);
  for (int v = 0; v < vectors; v++) next[v] = loop.carried[v];
  sum_columns(r, level + 1, nest_add(nest, offset, nest_mul(nest, loop.index, axis->stride)), next,
              vectors, lanes);
  for (int v = 0; v < vectors; v++) nest_carry_next(&loop, v, next[v]);
  nest_loop_end(nest, &loop);
  for (int v = 0; v < vectors; v++) sums[v] = loop.carried[v];
}

static void start_columns(Reduction *r, Val *sums, int vectors, int lanes) {
  for (int v = 0; v < vectors; v++) sums[v] = nest_splat(r->nest, r->start, lanes);
}

static void column_block(void *user, Val at, int vectors, int lanes) {
  Columns *c = user;
  Reduction *r = c->r;
  Nest *nest = r->nest;
  Val sums[COLUMN_VECTORS], offset = nest_add(nest, c->offset, at);
  if (r->op == OP_REDUCE_LOG_SUM_EXP) {
    choose(r, OP_REDUCE_MAX);
    r->exponentials = false;
    start_columns(r, sums, vectors, lanes);
    sum_columns(r, 0, offset, sums, vectors, lanes);
    for (int v = 0; v < vectors; v++) r->highest[v] = finite_or_zero(nest, sums[v]);
    choose(r, OP_REDUCE_SUM);
    r->exponentials = true;
  }
  start_columns(r, sums, vectors, lanes);
  sum_columns(r, 0, offset, sums, vectors, lanes);
  for (int v = 0; v < vectors; v++)
    store(r, sums[v], r->highest[v],
          nest_add(nest, c->to, nest_add(nest, at, nest_const(nest, (int64_t)v * lanes))));
}

static void emit_kept(Reduction *r, int level, Val offset, Val to) {
  Nest *nest = r->nest;
  Kernel *kernel = r->kernel;
  if (level == r->kept_count) { // also: the result is a scalar
    if (r->columns)
      column_block(&(Columns){r, offset, to}, nest_const(nest, 0), 1, 1);
    else
      emit_row(r, offset, to);
    return;
  }
  const ReduceAxis *axis = r->kept[level];
  bool split = level == 0 && kernel->parallel;
  Val low = split ? kernel->begin : nest_const(nest, 0), high = split ? kernel->end : axis->size;
  if (r->columns && level == r->kept_count - 1) {
    if (split) {
      Val unit = nest_const(nest, (int64_t)COLUMN_VECTORS * r->lanes);
      low = nest_mul(nest, low, unit);
      high = nest_umin(nest, nest_mul(nest, high, unit), axis->size);
    }
    strip_blocks(nest, low, high, COLUMN_VECTORS, r->lanes, column_block,
                 &(Columns){r, offset, to});
    return;
  }
  FOR (nest, i, low, high, 1)
    emit_kept(r, level + 1, nest_add(nest, offset, nest_mul(nest, i, axis->stride)),
              nest_add(nest, to, nest_mul(nest, i, axis->result_stride)));
}

static void split(Reduction *r) {
  if (!r->kept_count || element_info[r->y->element].bits < 8) return;
  const Dim *dim = r->kept[0]->dim;
  DimTable *dims = r->kernel->node->graph->module->dims;
  bool only_columns = r->columns && r->kept_count == 1;
  kernel_split(r->kernel,
               only_columns
                   ? dim_ceildiv(dims, dim, dim_constant(dims, (int64_t)COLUMN_VECTORS * r->lanes))
                   : dim);
}

bool lower_reduce(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Reduction r = {.kernel = kernel,
                 .nest = nest,
                 .op = kernel->node->op,
                 .x = &kernel->operands[0],
                 .y = &kernel->results[0]};
  find_axes(&r);
  r.sum = sum_type(&r);
  r.is_float = r.sum == nest->f32 || r.sum == nest->f64;
  int bits = r.sum == nest->f64 || r.sum == nest->i64 ? 64
             : r.is_float || r.sum == nest->i32       ? 32
                                                      : element_info[r.x->element].bits;
  r.lanes = element_info[r.x->element].bits < 8 || element_info[r.y->element].bits < 8
                ? 1
                : target_lanes(kernel->target, bits);
  choose(&r, r.op);
  int64_t each;
  if (r.x->type->quant && r.op == OP_REDUCE_MEAN && !nest_constant(r.each, &each))
    return diag_error(kernel->diag, kernel->node->loc,
                      "reduce_mean of quantized values over dims that are not known");
  split(&r);
  emit_kept(&r, 0, nest_const(nest, 0), nest_const(nest, 0));
  return true;
}
