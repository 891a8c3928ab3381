// softmax, log_softmax and hardmax along one axis; also arg_max and arg_min, which search like
// hardmax.
//
// Shapes are seen as [outer, length, inner]. With inner = 1 vectors lie along the axis and lanes
// are combined at its end; otherwise they lie along inner and each lane is a line of its own.
#include <math.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"

typedef struct Lines {
  Kernel *kernel;
  Nest *nest;
  OpCode op;
  const View *x, *y;
  int axis, lanes;
  LLVMTypeRef element; // of the arithmetic
  LLVMTypeRef number;  // of positions along the axis
  const Dim *outer;
  Val length, inner, start;
  Combine combine;
  // of the line(s) that are being worked on
  Val offset, step, highest, sum, best; // step: distance of neighbours along the axis
} Lines;

static Val element_at(const Lines *l, Val at) {
  return nest_add(l->nest, l->offset, nest_mul(l->nest, at, l->step));
}

static Val load_element(const Lines *l, Val at, int lanes) {
  Val x = kernel_load(l->kernel, l->x->element, l->x->pointer, element_at(l, at), lanes);
  return nest_is_float(x) ? nest_float_width(l->nest, x, l->element) : x;
}

static void store_element(const Lines *l, Val value, Val at) {
  kernel_store(l->kernel, l->y->element, value, l->y->pointer, element_at(l, at));
}

static Val like(const Lines *l, Val value, int lanes) {
  return nest_lanes(value) == lanes ? value : nest_splat(l->nest, value, lanes);
}

static Val exponential(const Lines *l, Val at, int lanes) {
  Val x = load_element(l, at, lanes);
  return maths(l->kernel, "exp_nonpositive", nest_sub(l->nest, x, like(l, l->highest, lanes)));
}

// --- terms along the axis

static Val term_value(void *user, Val at, int lanes) { return load_element(user, at, lanes); }

// Stored floats would be rounded twice if the exponentials were kept in the result.
static bool keeps_exponentials(const Lines *l) {
  return l->op == OP_SOFTMAX && (l->y->element == F32 || l->y->element == F64);
}

static Val term_exponential(void *user, Val at, int lanes) {
  Lines *l = user;
  Val e = exponential(l, at, lanes);
  if (keeps_exponentials(l)) store_element(l, e, at);
  return e;
}

static Val numbers_from(const Lines *l, Val at, int lanes) {
  Nest *nest = l->nest;
  Val first = nest_splat(nest, nest_extend(nest, at, l->number, false), lanes);
  if (lanes == 1) return first;
  Val steps[256];
  for (int i = 0; i < lanes; i++) steps[i] = LLVMConstInt(l->number, (uint64_t)i, false);
  return nest_add(nest, first, LLVMConstVector(steps, (unsigned)lanes));
}

// --- one line, or `lanes` neighbouring lines when they lie along inner

// Combines term over the axis. Along it: vectors, lanes combined. Across: one loop.
static Val over_axis(Lines *l, int across, Val start, Combine combine, StripTerm *term) {
  Nest *nest = l->nest;
  Val zero = nest_const(nest, 0);
  if (!across) return strip_reduce(nest, zero, l->length, l->lanes, start, combine, term, l);
  Loop loop = nest_loop_begin(nest, zero, l->length, nest_const(nest, 1));
  int sum = nest_carry(nest, &loop, nest_splat(nest, start, across));
  nest_carry_next(&loop, sum, combine(nest, loop.carried[sum], term(l, loop.index, across)));
  nest_loop_end(nest, &loop);
  return loop.carried[sum];
}

static void finish_element(void *user, Val at, int lanes) {
  Lines *l = user;
  Nest *nest = l->nest;
  if (l->op == OP_LOG_SOFTMAX) {
    Val x = nest_sub(nest, load_element(l, at, lanes), like(l, l->highest, lanes));
    store_element(l, nest_sub(nest, x, like(l, l->sum, lanes)), at);
    return;
  }
  Val e = keeps_exponentials(l)
              ? kernel_load(l->kernel, l->y->element, l->y->pointer, element_at(l, at), lanes)
              : exponential(l, at, lanes);
  store_element(l, nest_mul(nest, e, like(l, l->sum, lanes)), at);
}

static void each_element(Lines *l, int across, StripBody *body) {
  Nest *nest = l->nest;
  if (!across)
    strip_each(nest, nest_const(nest, 0), l->length, l->lanes, body, l);
  else
    FOR (nest, i, nest_const(nest, 0), l->length, 1) body(l, i, across);
}

static void emit_softmax(Lines *l, int across) {
  Nest *nest = l->nest;
  l->highest = over_axis(l, across, l->start, l->combine, term_value);
  Val sum = over_axis(l, across, nest_real(l->element, 0), nest_add, term_exponential);
  LLVMTypeRef type = LLVMTypeOf(sum);
  l->sum = l->op == OP_LOG_SOFTMAX ? maths(l->kernel, "log", sum)
                                   : nest_div(nest, nest_real(type, 1), sum);
  each_element(l, across, finish_element);
}

// --- the position of an extreme

static Val minimum_number(Nest *nest, Val sum, Val x) { return nest_umin(nest, x, sum); }
static Val maximum_number(Nest *nest, Val sum, Val x) { return combine_max(nest, sum, x); }

static bool takes_last(const Lines *l) {
  return l->op != OP_HARDMAX && node_int(l->kernel->node, ATTR_SELECT_LAST);
}

// Its own number where the element equals the extreme, else one that is not chosen.
static Val term_number(void *user, Val at, int lanes) {
  Lines *l = user;
  Nest *nest = l->nest;
  Val x = load_element(l, at, lanes), best = like(l, l->highest, lanes);
  Val equal = nest_is_float(x) ? nest_compare_float(nest, LLVMRealOEQ, x, best)
                               : nest_compare(nest, LLVMIntEQ, x, best);
  Val number = numbers_from(l, at, lanes);
  return nest_select(nest, equal, number, nest_int(LLVMTypeOf(number), takes_last(l) ? 0 : -1));
}

static Val term_same_number(void *user, Val at, int lanes) {
  Lines *l = user;
  Nest *nest = l->nest;
  Val x = load_element(l, at, lanes);
  Val equal = nest_is_float(x) ? nest_compare_float(nest, LLVMRealOEQ, x, l->highest)
                               : nest_compare(nest, LLVMIntEQ, x, l->highest);
  Val number = nest_splat(nest, nest_extend(nest, at, l->number, false), lanes);
  return nest_select(nest, equal, number, nest_int(LLVMTypeOf(number), takes_last(l) ? 0 : -1));
}

// The number of the extreme. A NaN in front stays the extreme; other NaNs never are. Where nothing
// equals the extreme (only NaNs behind), the first one wins as well.
static Val find_extreme(Lines *l, int across) {
  Nest *nest = l->nest;
  l->highest = over_axis(l, across, l->start, l->combine, term_value);
  bool last = takes_last(l);
  Val none = nest_int(l->number, last ? 0 : -1);
  Val number = over_axis(l, across, none, last ? maximum_number : minimum_number,
                         across ? term_same_number : term_number);
  LLVMTypeRef type = LLVMTypeOf(number);
  Val missing = nest_compare(nest, LLVMIntEQ, number, nest_int(type, -1));
  Val first = load_element(l, nest_const(nest, 0), across ? across : 1);
  if (nest_is_float(first))
    missing = nest_or(nest, missing, nest_compare_float(nest, LLVMRealUNO, first, first));
  return nest_select(nest, missing, nest_zero(type), number);
}

static void mark_element(void *user, Val at, int lanes) {
  Lines *l = user;
  Nest *nest = l->nest;
  bool along = nest_lanes(l->best) != lanes || lanes == 1;
  Val number = along ? numbers_from(l, at, lanes)
                     : nest_splat(nest, nest_extend(nest, at, l->number, false), lanes);
  Val best = nest_compare(nest, LLVMIntEQ, number, like(l, l->best, lanes));
  LLVMTypeRef type = nest_vector(l->element, lanes);
  store_element(l, nest_select(nest, best, nest_real(type, 1), nest_real(type, 0)), at);
}

// --- all lines

static void emit_lines(Lines *l, int across, Val result_offset) {
  Nest *nest = l->nest;
  if (l->op == OP_SOFTMAX || l->op == OP_LOG_SOFTMAX) {
    emit_softmax(l, across);
    return;
  }
  if (l->op == OP_HARDMAX) { // of nothing: nothing to look at
    Branch some = nest_if(nest, nest_compare(nest, LLVMIntSGT, l->length, nest_const(nest, 0)));
    l->best = find_extreme(l, across);
    each_element(l, across, mark_element);
    nest_end_if(nest, &some);
    return;
  }
  Branch some = nest_if(nest, nest_compare(nest, LLVMIntSGT, l->length, nest_const(nest, 0)));
  Val best = nest_extend(nest, find_extreme(l, across), nest->i64, false);
  nest_store(nest, best, nest_address(nest, l->y->pointer, nest->i64, result_offset), 8);
  nest_end_if(nest, &some);
}

typedef struct Inner {
  Lines *lines;
  Val base, result_base;
} Inner;

static void inner_lines(void *user, Val at, int lanes) {
  Inner *inner = user;
  Lines *l = inner->lines;
  l->offset = nest_add(l->nest, inner->base, at);
  emit_lines(l, lanes, nest_add(l->nest, inner->result_base, at));
}

static void emit_outer(Lines *l) {
  Nest *nest = l->nest;
  int64_t one;
  bool along = nest_constant(l->inner, &one) && one == 1;
  kernel_split(l->kernel, l->outer);
  Val plane = nest_mul(nest, l->length, l->inner);
  l->step = along ? nest_const(nest, 1) : l->inner;
  FOR (nest, outer, l->kernel->begin, l->kernel->end, 1) {
    Val base = nest_mul(nest, outer, plane), result_base = nest_mul(nest, outer, l->inner);
    l->offset = base;
    if (along)
      emit_lines(l, 0, result_base);
    else
      strip_each(nest, nest_const(nest, 0), l->inner, l->lanes, inner_lines,
                 &(Inner){l, base, result_base});
  }
}

static Lines describe(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0];
  Lines l = {
      .kernel = kernel, .nest = nest, .op = kernel->node->op, .x = x, .y = &kernel->results[0]};
  l.axis = (int)node_int(kernel->node, ATTR_AXIS);
  if (l.axis < 0) l.axis += x->rank;
  l.element = kernel_arithmetic_type(nest, x->element);
  l.outer = view_extent_dim(kernel, x->type, 0, l.axis);
  l.length = x->dims[l.axis];
  l.inner = view_extent(kernel, x->type, l.axis + 1, x->rank);
  bool maximum = l.op != OP_ARG_MIN, wide = dim_high(x->type->dims[l.axis]) >= INT32_MAX;
  l.number = wide ? nest->index : nest->i32;
  bool is_float = element_is_float(x->element);
  l.start = extreme_start(nest, is_float ? (x->element == F64 ? F64 : F32) : x->element, maximum);
  l.combine =
      is_float ? (maximum ? combine_max : combine_min) : combine_extreme(x->element, maximum);
  int bits = element_info[x->element].bits < 32 ? 32 : element_info[x->element].bits;
  l.lanes = element_info[x->element].bits < 8 ? 1 : target_lanes(kernel->target, wide ? 64 : bits);
  return l;
}

bool lower_softmax(Kernel *kernel) {
  Lines lines = describe(kernel);
  emit_outer(&lines);
  return true;
}

bool lower_arg_reduce(Kernel *kernel) { return lower_softmax(kernel); }

// --- running sums and products: one line after the other, or lines side by side

typedef struct Running {
  Lines lines;
  bool product, exclusive, reverse;
  LLVMTypeRef sum;
} Running;

static void emit_running(Running *r, Val offset, int lanes) {
  Lines *l = &r->lines;
  Nest *nest = l->nest;
  bool is_float = element_is_float(l->x->element);
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), l->length, nest_const(nest, 1));
  Val start = is_float ? nest_real(r->sum, r->product) : nest_int(r->sum, r->product);
  int sum = nest_carry(nest, &loop, nest_splat(nest, start, lanes));
  Val at = loop.index;
  if (r->reverse) at = nest_sub(nest, nest_sub(nest, l->length, nest_const(nest, 1)), at);
  l->offset = offset;
  Val x = load_element(l, at, lanes);
  if (is_float) x = nest_float_width(nest, x, r->sum);
  Val before = loop.carried[sum],
      next = r->product ? nest_mul(nest, before, x) : nest_add(nest, before, x);
  Val result = r->exclusive ? before : next;
  store_element(l, is_float ? nest_float_width(nest, result, l->element) : result, at);
  nest_carry_next(&loop, sum, next);
  nest_loop_end(nest, &loop);
}

typedef struct RunningInner {
  Running *running;
  Val base;
} RunningInner;

static void inner_running(void *user, Val at, int lanes) {
  RunningInner *inner = user;
  emit_running(inner->running, nest_add(inner->running->lines.nest, inner->base, at), lanes);
}

bool lower_cumulate(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Running r = {.lines = describe(kernel),
               .product = kernel->node->op == OP_CUM_PROD,
               .exclusive = node_int(kernel->node, ATTR_EXCLUSIVE),
               .reverse = node_int(kernel->node, ATTR_REVERSE)};
  Lines *l = &r.lines;
  r.sum = element_is_float(l->x->element) ? long_sum_type(kernel, l->x->element) : l->element;
  l->step = l->inner;
  int64_t one;
  int lanes = nest_constant(l->inner, &one) && one == 1 ? 1
              : r.sum == nest->f64                      ? target_lanes(kernel->target, 64)
                                                        : l->lanes;
  if (element_info[l->x->element].bits >= 8) kernel_split(kernel, l->outer);
  Val low = kernel->parallel ? kernel->begin : nest_const(nest, 0);
  Val high = kernel->parallel ? kernel->end : kernel_dim(kernel, l->outer);
  FOR (nest, outer, low, high, 1) {
    Val base = nest_mul(nest, outer, nest_mul(nest, l->length, l->inner));
    strip_each(nest, nest_const(nest, 0), l->inner, lanes, inner_running,
               &(RunningInner){&r, base});
  }
  return true;
}
