// Rules for relu, clip, min and max with one bound.
#include <math.h>

#include "passes/canonicalise/rules.h"

typedef struct Bounds {
  double low, high;
} Bounds;

static bool is_bounded_type(const Value *value) {
  ElementType element = value->type.element;
  bool exact = element_is_float(element) ||
               (element_is_integer(element) && element_info[element].bits <= 32);
  return exact && !value->type.quant;
}

// Bounds of relu or clip; NULL operand: neither.
static Value *bounded_operand(const Value *value, Bounds *bounds) {
  const Node *node = value->definition;
  if (!node || (node->op != OP_RELU && node->op != OP_CLIP)) return NULL;
  *bounds = (Bounds){0, INFINITY};
  if (node->op == OP_CLIP)
    *bounds = (Bounds){node_float(node, ATTR_LOW), node_float(node, ATTR_HIGH)};
  return node->operands[0];
}

static Value *build_bounded(Builder *builder, Value *x, Bounds bounds) {
  if (bounds.low == 0 && !signbit(bounds.low) && bounds.high == INFINITY)
    return build_unary(builder, OP_RELU, x);
  Node *node = build_begin(builder, OP_CLIP, &x, 1);
  if (!node) return NULL;
  node_set_float(node, ATTR_LOW, bounds.low);
  node_set_float(node, ATTR_HIGH, bounds.high);
  return build_end(builder, node);
}

static double clamp(double x, Bounds by) { return fmin(fmax(x, by.low), by.high); }

// clip[c,d](clip[a,b](x)) = clip[clamp(a), clamp(b)](x), clamp to [c,d]; a <= b, c <= d; relu =
// clip[0,inf]
static Value *merge_bounds(Builder *builder, const Node *node) {
  Bounds outer, inner;
  if (!bounded_operand(node->results[0], &outer) || !is_bounded_type(node->results[0])) return NULL;
  Value *x = bounded_operand(node->operands[0], &inner);
  if (!x || !(inner.low <= inner.high) || !(outer.low <= outer.high)) return NULL;
  return build_bounded(builder, x, (Bounds){clamp(inner.low, outer), clamp(inner.high, outer)});
}

// clip[-inf,inf](x) = x; clip[0,inf](x) = relu(x)
Value *rule_clip(Builder *builder, Node *node) {
  Bounds bounds;
  Value *x = bounded_operand(node->results[0], &bounds);
  if (!is_bounded_type(x)) return NULL;
  if (bounds.low == -INFINITY && bounds.high == INFINITY) return x;
  if (bounds.low == 0 && !signbit(bounds.low) && bounds.high == INFINITY &&
      element_is_float(x->type.element))
    return build_unary(builder, OP_RELU, x);
  return merge_bounds(builder, node);
}

Value *rule_relu(Builder *builder, Node *node) { return merge_bounds(builder, node); }

// max(x, c) = clip[c,inf](x); min(x, c) = clip[-inf,c](x); c one number, x of the result's shape
Value *rule_min_max(Builder *builder, Node *node) {
  Value *constant = NULL, *x = constant_operand(node, &constant);
  double number;
  if (!x || !constant_splat(constant, &number) || isnan(number)) return NULL;
  if (!is_bounded_type(x) || !type_equal(&x->type, &node->results[0]->type)) return NULL;
  Bounds bounds = node->op == OP_MAX ? (Bounds){number, INFINITY} : (Bounds){-INFINITY, number};
  if (number == 0 && signbit(number)) return NULL;
  return build_bounded(builder, x, bounds);
}
