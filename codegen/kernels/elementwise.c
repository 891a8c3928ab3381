// Pointwise ops with broadcasting: one loop nest over the result, bodies from pointwise.c.
//
// Neighbouring axes are merged where every operand either runs through both or is broadcast along
// both, so that most nests are one loop. The innermost loop runs over vectors; an operand that is
// broadcast along it is loaded once, before it.
#include <assert.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"

enum { MAX_OPERANDS = MAX_VIEWS };

typedef enum Run { RUN_FULL, RUN_BROADCAST, RUN_MAYBE } Run; // how an operand goes along an axis

// An axis of the merged iteration space.
typedef struct Axis {
  Val size;
  const Dim *dim; // NULL: merged from several
  Run run[MAX_OPERANDS];
  Val stride[MAX_OPERANDS], result_stride;
} Axis;

typedef struct Plan {
  Kernel *kernel;
  Axis axes[MAX_RANK];
  int axis_count;
  int lanes;
} Plan;

static Run operand_run(const View *operand, const View *result, int axis) {
  int own = axis - (result->rank - operand->rank);
  if (own < 0 || dim_is(operand->type->dims[own], 1)) return RUN_BROADCAST;
  if (operand->type->dims[own] == result->type->dims[axis]) return RUN_FULL;
  return dim_is_constant(operand->type->dims[own], NULL) ? RUN_FULL : RUN_MAYBE;
}

static bool can_merge(const Plan *plan, const Axis *outer, const Axis *inner) {
  for (int i = 0; i < plan->kernel->operand_count; i++)
    if (outer->run[i] != inner->run[i] || outer->run[i] == RUN_MAYBE) return false;
  return true;
}

static void add_axis(Plan *plan, const View *result, int axis) {
  Kernel *kernel = plan->kernel;
  if (dim_is(result->type->dims[axis], 1)) return;
  Axis next = {.size = result->dims[axis],
               .dim = result->type->dims[axis],
               .result_stride = result->strides[axis]};
  for (int i = 0; i < kernel->operand_count; i++) {
    next.run[i] = kernel->operands[i].pointer ? operand_run(&kernel->operands[i], result, axis)
                                              : RUN_BROADCAST;
    next.stride[i] = kernel->operands[i].pointer
                         ? view_broadcast_stride(kernel->nest, &kernel->operands[i], result, axis)
                         : nest_const(kernel->nest, 0);
  }
  Axis *last = plan->axis_count ? &plan->axes[plan->axis_count - 1] : NULL;
  if (last && can_merge(plan, last, &next)) {
    next.size = nest_mul(kernel->nest, last->size, next.size);
    next.dim = NULL;
    *last = next;
    return;
  }
  plan->axes[plan->axis_count++] = next;
}

static int widest_bits(const Kernel *kernel) {
  int bits = 8;
  for (int i = 0; i < kernel->operand_count + kernel->result_count; i++) {
    const View *view = i < kernel->operand_count ? &kernel->operands[i]
                                                 : &kernel->results[i - kernel->operand_count];
    if (!view->type) continue;
    int own = element_is_float(view->element) && element_info[view->element].bits < 32
                  ? 32
                  : element_info[view->element].bits;
    if (own > bits) bits = own;
  }
  return bits;
}

// Elements that are loaded one by one.
static bool is_scalar(ElementType element) {
  return element_info[element].bits < 8 || element == STR;
}

static bool has_scalars(const Kernel *kernel) {
  for (int i = 0; i < kernel->result_count; i++)
    if (is_scalar(kernel->results[i].element)) return true;
  for (int i = 0; i < kernel->operand_count; i++)
    if (kernel->operands[i].type && is_scalar(kernel->operands[i].element)) return true;
  return false;
}

static bool has_maybe(const Plan *plan, const Axis *axis) {
  for (int i = 0; i < plan->kernel->operand_count; i++)
    if (axis->run[i] == RUN_MAYBE) return true;
  return false;
}

static Plan make_plan(Kernel *kernel) {
  Plan plan = {.kernel = kernel, .lanes = 1};
  const View *result = &kernel->results[0];
  for (int axis = 0; axis < result->rank; axis++) add_axis(&plan, result, axis);
  if (plan.axis_count && !has_scalars(kernel) && !has_maybe(&plan, &plan.axes[plan.axis_count - 1]))
    plan.lanes = target_lanes(kernel->target, widest_bits(kernel));
  return plan;
}

static void emit_body(Plan *plan, Val *values, Val result_offset) {
  Kernel *kernel = plan->kernel;
  const Node *node = kernel->node;
  Val results[MAX_VIEWS];
  if (node->op == OP_FUSED)
    pointwise_region(kernel, node->regions[0], values, results);
  else
    results[0] = pointwise_emit(kernel, node, values);
  for (int i = 0; i < kernel->result_count; i++)
    kernel_store(kernel, kernel->results[i].element, results[i], kernel->results[i].pointer,
                 result_offset);
}

// One run of the innermost axis from `low` to `high` in steps of `lanes`, none of which begins
// behind `last` (NULL: anywhere).
static void emit_run(Plan *plan, const Axis *axis, Val low, Val high, Val last, int lanes,
                     const Val *base, Val result_base, const Val *invariant) {
  Kernel *kernel = plan->kernel;
  Nest *nest = kernel->nest;
  FOR (nest, i, low, high, lanes) {
    Val at = last ? nest_umin(nest, i, last) : i;
    Val values[MAX_OPERANDS];
    for (int k = 0; k < kernel->operand_count; k++) {
      if (invariant[k]) {
        values[k] = nest_splat(nest, invariant[k], lanes);
        continue;
      }
      Val offset = nest_add(nest, base[k],
                            axis->run[k] == RUN_FULL ? at : nest_mul(nest, at, axis->stride[k]));
      values[k] = kernel_load(kernel, kernel->operands[k].element, kernel->operands[k].pointer,
                              offset, lanes);
    }
    emit_body(plan, values, nest_add(nest, result_base, at));
  }
}

// Lanes for what vectors of `lanes` leave in [at, high): where the number is known, as many as fit;
// single elements in the end. 0: nothing is left.
static int narrower(int lanes, Val at, Val high) {
  enum { NARROWEST = 4 };
  int64_t from, to;
  bool known = nest_constant(at, &from) && nest_constant(high, &to);
  if (lanes == 1 || (known && from == to)) return 0;
  while (known && lanes > to - from) lanes /= 2;
  return known && lanes >= NARROWEST ? lanes : 1;
}

static void emit_innermost(Plan *plan, const Axis *axis, Val low, Val high, const Val *base,
                           Val result_base) {
  Kernel *kernel = plan->kernel;
  Nest *nest = kernel->nest;
  Val invariant[MAX_OPERANDS] = {0};
  for (int k = 0; k < kernel->operand_count; k++) {
    const View *operand = &kernel->operands[k];
    if (!operand->pointer)
      invariant[k] = kernel_scalar(kernel, k);
    else if (axis->run[k] == RUN_BROADCAST)
      invariant[k] = kernel_load(kernel, operand->element, operand->pointer, base[k], 1);
  }
  int64_t a, b;
  bool known = nest_constant(low, &a) && nest_constant(high, &b);
  if (known && nest->size != CODE_FAST && !kernel->in_place && b - a > plan->lanes) {
    // The last vector goes back to where it fits, and computes some elements twice.
    Val last = (b - a) % plan->lanes ? nest_const(nest, b - plan->lanes) : NULL;
    emit_run(plan, axis, low, high, last, plan->lanes, base, result_base, invariant);
    return;
  }
  Val at = low;
  for (int lanes = plan->lanes; lanes; lanes = narrower(lanes, at, high)) {
    Val whole = strip_whole(nest, at, high, lanes);
    if (!strip_is_empty(at, whole))
      emit_run(plan, axis, at, whole, NULL, lanes, base, result_base, invariant);
    at = whole;
  }
}

static void emit_axes(Plan *plan, int axis_index, const Val *base, Val result_base) {
  Kernel *kernel = plan->kernel;
  Nest *nest = kernel->nest;
  const Axis *axis = &plan->axes[axis_index];
  bool outermost = axis_index == 0 && kernel->parallel;
  Val low = outermost ? kernel->begin : nest_const(nest, 0),
      high = outermost ? kernel->end : axis->size;
  if (axis_index == plan->axis_count - 1) {
    emit_innermost(plan, axis, low, high, base, result_base);
    return;
  }
  FOR (nest, i, low, high, 1) {
    Val next[MAX_OPERANDS];
    for (int k = 0; k < kernel->operand_count; k++)
      next[k] = nest_add(nest, base[k], nest_mul(nest, i, axis->stride[k]));
    emit_axes(plan, axis_index + 1, next,
              nest_add(nest, result_base, nest_mul(nest, i, axis->result_stride)));
  }
}

// Casts of one loop saturate or do not together: finite values that fit come out the same both
// ways.
static bool any_unsaturated_cast(const Node *node) {
  if (node->op == OP_CAST && !node_int(node, ATTR_SATURATE)) return true;
  for (int r = 0; r < node->region_count; r++)
    for (const Node *inner = node->regions[r]->first; inner; inner = inner->next)
      if (any_unsaturated_cast(inner)) return true;
  return false;
}

static bool lower_elementwise(Kernel *kernel) {
  Nest *nest = kernel->nest;
  kernel->unsaturated = any_unsaturated_cast(kernel->node);
  assert(kernel->operand_count <= MAX_OPERANDS);
  Plan plan = make_plan(kernel);
  Val base[MAX_OPERANDS], zero = nest_const(nest, 0);
  for (int k = 0; k < kernel->operand_count; k++) base[k] = zero;
  if (plan.axis_count == 0) { // a scalar
    Axis unit = {.size = nest_const(nest, 1), .result_stride = nest_const(nest, 1)};
    for (int k = 0; k < kernel->operand_count; k++)
      unit.run[k] = RUN_BROADCAST, unit.stride[k] = zero;
    emit_innermost(&plan, &unit, zero, unit.size, base, zero);
    return true;
  }
  if (plan.axis_count > 1 && plan.axes[0].dim) kernel_split(kernel, plan.axes[0].dim);
  emit_axes(&plan, 0, base, zero);
  return true;
}

bool lower_unary(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_binary(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_predicate(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_cast(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_pow(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_compare(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_where(Kernel *kernel) { return lower_elementwise(kernel); }
bool lower_fused(Kernel *kernel) { return lower_elementwise(kernel); }
