// What runs along one axis: softmax and its relatives, index of the extreme, running sums.
#include <math.h>
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

// --- softmax

static void soft_line(OpCode op, double *x, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; i++)
    if (x[i] > x[best]) best = i;
  if (op == OP_HARDMAX) {
    for (int64_t i = 0; i < count; i++) x[i] = i == best;
    return;
  }
  double highest = x[best], sum = 0;
  for (int64_t i = 0; i < count; i++) sum += exp(x[i] - highest);
  for (int64_t i = 0; i < count; i++)
    x[i] = op == OP_SOFTMAX ? exp(x[i] - highest) / sum : x[i] - highest - log(sum);
}

bool interpret_softmax(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  AxisView view = axis_view(x, node_int(evaluation->node, ATTR_AXIS));
  double *line = NEW_ARRAY(evaluation->run->arena, double, view.length);
  for (int64_t i = 0; i < view.outer * view.inner && view.length; i++) {
    int64_t at = i / view.inner * view.length * view.inner + i % view.inner;
    load_doubles(x, at, view.inner, view.length, line);
    soft_line(evaluation->node->op, line, view.length);
    store_doubles(&evaluation->results[0], at, view.inner, view.length, line);
  }
  return true;
}

// --- arg_max, arg_min: a NaN is neither larger nor smaller than anything

typedef struct ArgReduce {
  bool maximum, last, wide_unsigned;
} ArgReduce;

#define DEFINE_BEST(name, T, LESS)                                                                 \
  static int64_t name(const ArgReduce *r, const T *x, int64_t count) {                             \
    int64_t best = 0;                                                                              \
    for (int64_t i = 1; i < count; i++) {                                                          \
      bool better = r->maximum ? LESS(x[best], x[i]) : LESS(x[i], x[best]);                        \
      if (better || (r->last && x[i] == x[best])) best = i;                                        \
    }                                                                                              \
    return best;                                                                                   \
  }
#define LESS_FLOAT(a, b) ((a) < (b))
#define LESS_INT(a, b) (r->wide_unsigned ? (uint64_t)(a) < (uint64_t)(b) : (a) < (b))
DEFINE_BEST(best_float, double, LESS_FLOAT)
DEFINE_BEST(best_int, int64_t, LESS_INT)

bool interpret_arg_reduce(Evaluation *evaluation) {
  const Node *node = evaluation->node;
  const Tensor *x = &evaluation->operands[0];
  AxisView view = axis_view(x, node_int(node, ATTR_AXIS));
  if (view.length == 0 && view.outer > 0 && view.inner > 0)
    return diag_error(evaluation->run->diag, node->loc, "%s: the axis has no elements",
                      op_info[node->op].text);
  ArgReduce r = {node->op == OP_ARG_MAX, node_int(node, ATTR_SELECT_LAST) != 0, x->element == U64};
  int64_t *result = evaluation->results[0].data;
  double *floats = NEW_ARRAY(evaluation->run->arena, double, view.length);
  int64_t *ints = NEW_ARRAY(evaluation->run->arena, int64_t, view.length);
  for (int64_t i = 0; i < view.outer * view.inner; i++) {
    int64_t at = i / view.inner * view.length * view.inner + i % view.inner;
    if (element_is_float(x->element)) {
      load_doubles(x, at, view.inner, view.length, floats);
      result[i] = best_float(&r, floats, view.length);
    } else {
      load_ints(x, at, view.inner, view.length, ints);
      result[i] = best_int(&r, ints, view.length);
    }
  }
  return true;
}

// --- running sums and products

typedef struct Cumulation {
  bool product, exclusive, reverse;
} Cumulation;

#define DEFINE_CUMULATE(name, T)                                                                   \
  static void name(const Cumulation *c, T *x, int64_t count) {                                     \
    T sum = c->product;                                                                            \
    for (int64_t k = 0; k < count; k++) {                                                          \
      T *at = &x[c->reverse ? count - 1 - k : k], before = sum;                                    \
      sum = c->product ? sum * *at : sum + *at;                                                    \
      *at = c->exclusive ? before : sum;                                                           \
    }                                                                                              \
  }
DEFINE_CUMULATE(cumulate_floats, double)
DEFINE_CUMULATE(cumulate_ints, uint64_t)

bool interpret_cumulate(Evaluation *evaluation) {
  const Node *node = evaluation->node;
  const Tensor *x = &evaluation->operands[0];
  AxisView view = axis_view(x, node_int(node, ATTR_AXIS));
  Cumulation c = {node->op == OP_CUM_PROD, node_int(node, ATTR_EXCLUSIVE) != 0,
                  node_int(node, ATTR_REVERSE) != 0};
  double *floats = NEW_ARRAY(evaluation->run->arena, double, view.length);
  int64_t *ints = NEW_ARRAY(evaluation->run->arena, int64_t, view.length);
  for (int64_t i = 0; i < view.outer * view.inner; i++) {
    int64_t at = i / view.inner * view.length * view.inner + i % view.inner;
    if (element_is_float(x->element)) {
      load_doubles(x, at, view.inner, view.length, floats);
      cumulate_floats(&c, floats, view.length);
      store_doubles(&evaluation->results[0], at, view.inner, view.length, floats);
    } else {
      load_ints(x, at, view.inner, view.length, ints);
      cumulate_ints(&c, (uint64_t *)ints, view.length);
      store_ints(&evaluation->results[0], at, view.inner, view.length, ints);
    }
  }
  return true;
}
