// Rules for ops that change nothing, or nothing but the shape.
#include <math.h>

#include "passes/canonicalise/rules.h"

// op(x) = x where op may only change the type and does not: cast, reshape, expand, tile.
Value *rule_same_type(Builder *builder, Node *node) {
  (void)builder;
  Value *x = node->operands[0];
  if (!type_equal(&x->type, &node->results[0]->type)) return NULL;
  if (node->op != OP_TILE) return x;
  int count;
  const Dim *const *repeats = node_dims(node, ATTR_SIZES, &count);
  for (int i = 0; i < count; i++)
    if (!dim_is_one(repeats[i])) return NULL;
  return x;
}

// The number e with x op e = x, bit for bit; false: there is none. x + 0 is not x where x = -0.
static bool neutral_number(const Node *node, double *number) {
  ElementType element = node->results[0]->type.element;
  switch ((int)node->op) {
  case OP_ADD: *number = element_is_float(element) ? -0.0 : 0; return true;
  case OP_SUB:
  case OP_OR: *number = 0; return true;
  case OP_MUL:
  case OP_DIV:
  case OP_POW:
  case OP_AND: *number = 1; return true;
  default: return false;
  }
}

// x + -0 = x, x - 0 = x, x * 1 = x, x / 1 = x, x ^ 1 = x, x and true = x, x or false = x
Value *rule_neutral_operand(Builder *builder, Node *node) {
  (void)builder;
  double wanted = 0, found;
  if (!neutral_number(node, &wanted)) return NULL;
  for (int i = node_has_trait(node, COMMUTATIVE) ? 0 : 1; i < 2; i++) {
    Value *x = node->operands[1 - i];
    if (!type_equal(&x->type, &node->results[0]->type) || x->type.quant) continue;
    if (!constant_splat(node->operands[i], &found) || found != wanted ||
        signbit(found) != signbit(wanted))
      continue;
    return x;
  }
  return NULL;
}

// f(f(x)) = x: neg, not, bit_not
Value *rule_involution(Builder *builder, Node *node) {
  (void)builder;
  const Node *inner = defined_by(node->operands[0], node->op);
  return inner ? inner->operands[0] : NULL;
}

// f(f(x)) = f(x): abs, floor, ceil, round, sign
Value *rule_idempotent(Builder *builder, Node *node) {
  (void)builder;
  return defined_by(node->operands[0], node->op) ? node->operands[0] : NULL;
}

// where(true, a, b) = a; where(false, a, b) = b; where(c, a, a) = a
Value *rule_where(Builder *builder, Node *node) {
  double condition;
  const Type *type = &node->results[0]->type;
  Value *chosen = node->operands[1] == node->operands[2] ? node->operands[1] : NULL;
  if (!chosen && constant_splat(node->operands[0], &condition))
    chosen = node->operands[condition != 0 ? 1 : 2];
  if (!chosen) return NULL;
  if (type_equal(&chosen->type, type)) return chosen;
  return chosen->type.quant ? NULL : build_expand(builder, chosen, type->rank, type->dims);
}

// slice of everything by steps of 1 = x
Value *rule_slice_whole(Builder *builder, Node *node) {
  (void)builder;
  Value *x = node->operands[0];
  int count;
  const Dim *const *starts = node_dims(node, ATTR_STARTS, &count);
  for (int i = 0; i < count; i++)
    if (!dim_is(starts[i], 0) || node_ints_at(node, ATTR_STEPS, i, 1) != 1) return NULL;
  return type_equal(&x->type, &node->results[0]->type) ? x : NULL;
}

// pad by nothing = x
Value *rule_no_pads(Builder *builder, Node *node) {
  (void)builder;
  int count;
  const int64_t *pads = node_ints(node, ATTR_PADS, &count);
  for (int i = 0; i < count; i++)
    if (pads[i]) return NULL;
  return node->operands[0];
}

static bool is_empty_along(const Value *value, int64_t axis) {
  return dim_is(value->type.dims[axis], 0);
}

// concat(x) = x; concat(.., empty, ..) leaves the empty one out;
// concat(.., concat(a, b), ..) = concat(.., a, b, ..) along the same axis, if nobody else uses the
// inner one
Value *rule_concat(Builder *builder, Node *node) {
  if (node->operand_count == 1) return node->operands[0];
  int64_t rank = node->results[0]->type.rank, axis = node_int(node, ATTR_AXIS);
  if (axis < 0) axis += rank;
  Value *parts[256];
  int count = 0;
  bool changed = false;
  for (int i = 0; i < node->operand_count; i++) {
    Value *part = node->operands[i];
    const Node *inner = only_defined_by(part, OP_CONCAT);
    if (inner && node_int(inner, ATTR_AXIS) != node_int(node, ATTR_AXIS)) inner = NULL;
    if (count + (inner ? inner->operand_count : 1) > 256) return NULL;
    if (inner)
      for (int k = 0; k < inner->operand_count; k++) parts[count++] = inner->operands[k];
    else if (!is_empty_along(part, axis) || (!count && i + 1 == node->operand_count))
      parts[count++] = part;
    else
      changed = true;
    changed |= inner != NULL;
  }
  if (!changed) return NULL;
  return count == 1 && type_equal(&parts[0]->type, &node->results[0]->type)
             ? parts[0]
             : build_concat(builder, parts, count, node_int(node, ATTR_AXIS));
}

// reduce over axes of size 1 = reshape(x): sum, mean, max, min, prod
Value *rule_reduce_nothing(Builder *builder, Node *node) {
  Value *x = node->operands[0];
  int count;
  const int64_t *axes = node_ints(node, ATTR_AXES, &count);
  if (!count && x->type.rank) return NULL; // all axes
  for (int i = 0; i < count; i++)
    if (!dim_is_one(x->type.dims[axes[i] < 0 ? axes[i] + x->type.rank : axes[i]])) return NULL;
  const Type *type = &node->results[0]->type;
  return x->type.quant ? NULL : build_reshape(builder, x, type->rank, type->dims);
}
