// Reductions over any set of axes: every element is added to the accumulator of its result.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/quant.h"

typedef struct Reduction {
  Evaluation *evaluation;
  OpCode op;
  ElementType element;
  unsigned axes;         // set of bits
  int64_t results, each; // elements of the result; of the operand for each of them
  Walk start;            // tensor 0: operand, tensor 1: result
} Reduction;

static unsigned axes_of(const Node *node, int rank) {
  int count;
  const int64_t *axes = node_ints(node, ATTR_AXES, &count);
  unsigned set = node_attribute(node, ATTR_AXES) ? 0 : (1u << rank) - 1;
  for (int i = 0; i < count; i++) set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
  return set;
}

static Reduction reduction_of(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  Reduction r = {.evaluation = evaluation,
                 .op = evaluation->node->op,
                 .element = x->element,
                 .each = 1,
                 .axes = axes_of(evaluation->node, x->rank),
                 .results = tensor_count(&evaluation->results[0])};
  int64_t strides[2][MAX_RANK], stride = 1;
  dense_strides(x->rank, x->dims, strides[0]);
  for (int i = x->rank - 1; i >= 0; i--) {
    bool reduced = r.axes >> i & 1;
    strides[1][i] = reduced ? 0 : stride;
    if (reduced)
      r.each *= x->dims[i];
    else
      stride *= x->dims[i];
  }
  walk_start(&r.start, x->rank, x->dims, 2, (const int64_t(*)[MAX_RANK])strides);
  return r;
}

// --- floats

static double float_start(OpCode op) {
  return op == OP_REDUCE_MAX ? -INFINITY : op == OP_REDUCE_MIN ? INFINITY : op == OP_REDUCE_PROD;
}

static double float_step(OpCode op, double sum, double x) {
  switch ((int)op) {
  case OP_REDUCE_MAX: return isnan(sum) || sum >= x ? sum : x;
  case OP_REDUCE_MIN: return isnan(sum) || sum <= x ? sum : x;
  case OP_REDUCE_PROD: return sum * x;
  case OP_REDUCE_L1: return sum + fabs(x);
  case OP_REDUCE_SQUARES: return sum + x * x;
  default: return sum + x;
  }
}

static double *accumulate_floats(const Reduction *r, OpCode op, const double *highest) {
  double *sums = NEW_ARRAY(r->evaluation->run->arena, double, r->results), x[RUN_LENGTH];
  for (int64_t i = 0; i < r->results; i++) sums[i] = float_start(op);
  Walk walk = r->start;
  for (Run run; walk_next(&walk, &run);) {
    load_doubles(&r->evaluation->operands[0], run.start[0], run.step[0], run.count, x);
    for (int64_t i = 0; i < run.count; i++) {
      int64_t to = run.start[1] + i * run.step[1];
      sums[to] = float_step(op, sums[to], highest ? exp(x[i] - highest[to]) : x[i]);
    }
  }
  return sums;
}

static double *log_sum_exp(const Reduction *r) {
  double *highest = accumulate_floats(r, OP_REDUCE_MAX, NULL);
  for (int64_t i = 0; i < r->results; i++)
    if (isinf(highest[i])) highest[i] = 0; // inf - inf would be NaN; e^inf and e^-inf need no help
  double *sums = accumulate_floats(r, OP_REDUCE_SUM, highest);
  for (int64_t i = 0; i < r->results; i++) sums[i] = log(sums[i]) + highest[i];
  return sums;
}

static void reduce_floats(const Reduction *r) {
  double *sums =
      r->op == OP_REDUCE_LOG_SUM_EXP ? log_sum_exp(r) : accumulate_floats(r, r->op, NULL);
  for (int64_t i = 0; i < r->results && r->op == OP_REDUCE_MEAN; i++) sums[i] /= (double)r->each;
  store_doubles(&r->evaluation->results[0], 0, 1, r->results, sums);
}

// --- integers and bool, modulo 2^64

static bool is_less(int64_t a, int64_t b, ElementType element) {
  return element == U64 ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t integer_start(OpCode op, ElementType element) {
  if (op == OP_REDUCE_PROD) return 1;
  if (op != OP_REDUCE_MAX && op != OP_REDUCE_MIN) return 0;
  uint64_t raw = 0;
  element_store(element, &raw, 0, op == OP_REDUCE_MAX ? -INFINITY : INFINITY);
  if (element == BOOL) raw = op == OP_REDUCE_MIN;
  return element_load_int(element, &raw, 0);
}

static int64_t integer_step(const Reduction *r, int64_t sum, int64_t x) {
  uint64_t a = (uint64_t)sum, b = (uint64_t)x;
  switch ((int)r->op) {
  case OP_REDUCE_MAX: return is_less(sum, x, r->element) ? x : sum;
  case OP_REDUCE_MIN: return is_less(x, sum, r->element) ? x : sum;
  case OP_REDUCE_PROD: return (int64_t)(a * b);
  case OP_REDUCE_L1: return (int64_t)(a + (x < 0 && r->element != U64 ? 0 - b : b));
  case OP_REDUCE_SQUARES: return (int64_t)(a + b * b);
  default: return (int64_t)(a + b);
  }
}

// Sum or mean of codes: (sum of (q - zero)) * scale / (count * result scale), one rounding.
static int64_t rescaled(const Reduction *r, int64_t sum, Requantization by) {
  const Type *x = operand_type(r->evaluation, 0), *y = &r->evaluation->node->results[0]->type;
  int32_t low, high;
  quant_range(y->element, &low, &high);
  int64_t centred = sum - r->each * x->quant->zero[0];
  return requantize((int32_t)(uint32_t)centred, by, y->quant->zero[0], low, high);
}

static int64_t integer_mean(const Reduction *r, int64_t sum) {
  if (r->each == 0) return 0;
  return r->element == U64 ? (int64_t)((uint64_t)sum / (uint64_t)r->each) : sum / r->each;
}

static void finish_integers(const Reduction *r, int64_t *sums) {
  const Quant *from = operand_type(r->evaluation, 0)->quant,
              *to = r->evaluation->node->results[0]->type.quant;
  bool mean = r->op == OP_REDUCE_MEAN;
  if (from && (mean || r->op == OP_REDUCE_SUM)) {
    double count = mean && r->each ? (double)r->each : 1;
    Requantization by = requantization_of((double)from->scale[0] / ((double)to->scale[0] * count));
    for (int64_t i = 0; i < r->results; i++) sums[i] = rescaled(r, sums[i], by);
  } else if (mean) {
    for (int64_t i = 0; i < r->results; i++) sums[i] = integer_mean(r, sums[i]);
  }
}

static void reduce_integers(const Reduction *r) {
  int64_t *sums = NEW_ARRAY(r->evaluation->run->arena, int64_t, r->results), x[RUN_LENGTH];
  for (int64_t i = 0; i < r->results; i++) sums[i] = integer_start(r->op, r->element);
  Walk walk = r->start;
  for (Run run; walk_next(&walk, &run);) {
    load_ints(&r->evaluation->operands[0], run.start[0], run.step[0], run.count, x);
    for (int64_t i = 0; i < run.count; i++) {
      int64_t *sum = &sums[run.start[1] + i * run.step[1]];
      *sum = integer_step(r, *sum, x[i]);
    }
  }
  finish_integers(r, sums);
  store_ints(&r->evaluation->results[0], 0, 1, r->results, sums);
}

bool interpret_reduce(Evaluation *evaluation) {
  Reduction r = reduction_of(evaluation);
  // log_sum_exp of integers is a real number, cut off
  if (element_is_float(r.element) || r.op == OP_REDUCE_LOG_SUM_EXP)
    reduce_floats(&r);
  else
    reduce_integers(&r);
  return true;
}
