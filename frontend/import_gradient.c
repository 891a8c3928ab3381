// Gradient: the derivatives of the sum of a tensor by others, as nodes: reverse-mode
// differentiation of the nodes that have been imported so far, from the tensor back to where it
// depends on the others.
#include <string.h>

#include "frontend/import.h"

typedef struct Derivation {
  OnnxNode *node;
  int count;      // of values that exist before
  Value **slopes; // by Value.id: the derivative so far; NULL: none
  bool *depends;  // by Value.id: on one of the tensors
} Derivation;

static bool depends(const Derivation *d, const Value *value) {
  return value && value->id < d->count && d->depends[value->id];
}

// The sum over the axes along which an operand of that type was repeated.
static Value *unbroadcast(const Derivation *d, Value *slope, const Type *type) {
  OnnxNode *node = d->node;
  if (!slope || type_same_shape(&slope->type, type)) return slope;
  int64_t axes[MAX_RANK];
  int count = 0, more = slope->type.rank - type->rank;
  for (int i = 0; i < slope->type.rank; i++) {
    if (i >= more && slope->type.dims[i] == type->dims[i - more]) continue;
    if (i >= more && !dim_is(type->dims[i - more], 1))
      return onnx_error(node, "whether dim %s is repeated is not known",
                        dim_text(node->importer->arena, type->dims[i - more])),
             NULL;
    axes[count++] = i;
  }
  Value *sum = build_reduce(&node->builder, OP_REDUCE_SUM, slope, axes, count, true);
  return sum ? build_reshape(&node->builder, sum, type->rank, type->dims) : NULL;
}

static void add_slope(Derivation *d, Value *value, Value *slope) {
  if (!depends(d, value) || d->node->builder.failed) return;
  slope = unbroadcast(d, slope, &value->type);
  Value **sum = &d->slopes[value->id];
  *sum = *sum ? onnx_binary(d->node, OP_ADD, *sum, slope) : slope;
}

// --- rules: f(g, x, y) is what the operand x gets where the result y = op(x) has the slope g

static Value *number(const Derivation *d, const Value *like, double value) {
  return onnx_scalar_like(d->node, like, value);
}
static Value *product(const Derivation *d, Value *a, Value *b) {
  return onnx_binary(d->node, OP_MUL, a, b);
}

static Value *unary_slope(const Derivation *d, OpCode op, Value *g, Value *x, Value *y) {
  OnnxNode *node = d->node;
  switch ((int)op) {
  case OP_COPY: return g;
  case OP_NEG: return onnx_unary(node, OP_NEG, g);
  case OP_EXP: return product(d, g, y);
  case OP_LOG: return onnx_binary(node, OP_DIV, g, x);
  case OP_SQRT: return onnx_binary(node, OP_DIV, product(d, g, number(d, g, 0.5)), y);
  case OP_RECIPROCAL: return product(d, onnx_unary(node, OP_NEG, g), product(d, y, y));
  case OP_SIN: return product(d, g, onnx_unary(node, OP_COS, x));
  case OP_COS: return product(d, onnx_unary(node, OP_NEG, g), onnx_unary(node, OP_SIN, x));
  case OP_TANH: return product(d, g, onnx_binary(node, OP_SUB, number(d, y, 1), product(d, y, y)));
  case OP_SIGMOID:
    return product(d, g, product(d, y, onnx_binary(node, OP_SUB, number(d, y, 1), y)));
  case OP_ABS: return product(d, g, onnx_unary(node, OP_SIGN, x));
  case OP_RELU: {
    Value *zero = number(d, g, 0), *above = onnx_binary(node, OP_LESS, zero, x);
    return onnx_where(node, above, g, zero);
  }
  default: return NULL;
  }
}

static bool binary_slopes(Derivation *d, const Node *made, Value *g) {
  OnnxNode *node = d->node;
  Value *a = made->operands[0], *b = made->operands[1], *y = made->results[0];
  switch ((int)made->op) {
  case OP_ADD:
    add_slope(d, a, g);
    add_slope(d, b, g);
    return true;
  case OP_SUB:
    add_slope(d, a, g);
    add_slope(d, b, onnx_unary(node, OP_NEG, g));
    return true;
  case OP_MUL:
    add_slope(d, a, product(d, g, b));
    add_slope(d, b, product(d, g, a));
    return true;
  case OP_DIV:
    add_slope(d, a, onnx_binary(node, OP_DIV, g, b));
    add_slope(d, b, onnx_unary(node, OP_NEG, onnx_binary(node, OP_DIV, product(d, g, y), b)));
    return true;
  case OP_POW: // of a constant exponent
    if (depends(d, b)) return false;
    add_slope(d, a,
              product(d, product(d, g, b),
                      onnx_binary(node, OP_POW, a, onnx_binary(node, OP_SUB, b, number(d, b, 1)))));
    return true;
  default: return false;
  }
}

static bool matmul_slopes(Derivation *d, const Node *made, Value *g) {
  Builder *builder = &d->node->builder;
  static const int64_t turned[] = {1, 0};
  Value *a = made->operands[0], *b = made->operands[1];
  if (a->type.rank != 2 || b->type.rank != 2 || node_int(made, ATTR_TRANSPOSE_A) ||
      node_int(made, ATTR_TRANSPOSE_B))
    return false;
  if (depends(d, a))
    add_slope(d, a, build_matmul(builder, g, build_transpose(builder, b, turned), NULL));
  if (depends(d, b))
    add_slope(d, b, build_matmul(builder, build_transpose(builder, a, turned), g, NULL));
  if (made->operand_count > 2) add_slope(d, made->operands[2], g);
  return true;
}

// Every element of a sum has the sum's slope.
static bool sum_slope(Derivation *d, const Node *made, Value *g) {
  OnnxNode *node = d->node;
  Value *x = made->operands[0];
  const Dim *kept[MAX_RANK];
  int count, set = node_attribute(made, ATTR_AXES) != NULL;
  const int64_t *axes = node_ints(made, ATTR_AXES, &count);
  for (int i = 0; i < x->type.rank; i++)
    kept[i] = set ? x->type.dims[i] : import_dim(node->importer, 1);
  for (int i = 0; i < count; i++)
    kept[axes[i] < 0 ? axes[i] + x->type.rank : axes[i]] = import_dim(node->importer, 1);
  if (made->op == OP_REDUCE_MEAN) {
    Value *all = onnx_convert(
        node, onnx_dim_scalar(node, type_count(node->importer->dims, &x->type)), x->type.element);
    Value *sums = onnx_convert(
        node, onnx_dim_scalar(node, type_count(node->importer->dims, &made->results[0]->type)),
        x->type.element);
    g = product(d, g, onnx_binary(node, OP_DIV, sums, all));
  }
  Value *shaped = g ? build_reshape(&node->builder, g, x->type.rank, kept) : NULL;
  add_slope(d, x, shaped ? build_expand(&node->builder, shaped, x->type.rank, x->type.dims) : NULL);
  return true;
}

static Value *turned_back(Builder *builder, const Node *transpose, Value *g) {
  int64_t back[MAX_RANK];
  int count;
  const int64_t *perm = node_ints(transpose, ATTR_PERM, &count);
  for (int i = 0; i < count; i++) back[perm[i]] = i;
  return build_transpose(builder, g, back);
}

static bool move_slope(Derivation *d, const Node *made, Value *g) {
  Builder *builder = &d->node->builder;
  Value *x = made->operands[0];
  if (made->op == OP_TRANSPOSE) g = turned_back(builder, made, g);
  if (made->op == OP_RESHAPE) g = build_reshape(builder, g, x->type.rank, x->type.dims);
  if (made->op == OP_CAST) g = onnx_convert(d->node, g, x->type.element);
  add_slope(d, x, g); // of what was expanded it adds up
  return true;
}

static bool node_slopes(Derivation *d, const Node *made, Value *g) {
  switch ((int)made->op) {
  case OP_MATMUL: return matmul_slopes(d, made, g);
  case OP_REDUCE_SUM:
  case OP_REDUCE_MEAN: return sum_slope(d, made, g);
  case OP_CAST:
  case OP_TRANSPOSE:
  case OP_RESHAPE:
  case OP_EXPAND: return move_slope(d, made, g);
  default: break;
  }
  if (made->operand_count == 2) return binary_slopes(d, made, g);
  Value *slope = made->operand_count == 1
                     ? unary_slope(d, made->op, g, made->operands[0], made->results[0])
                     : NULL;
  if (slope) add_slope(d, made->operands[0], slope);
  return slope != NULL;
}

// --- the operator

static void find_dependent(Derivation *d, const Node *first) {
  for (const Node *made = first; made; made = made->next)
    for (int i = 0; i < made->operand_count; i++)
      for (int k = 0; depends(d, made->operands[i]) && k < made->result_count; k++)
        d->depends[made->results[k]->id] = true;
}

static bool go_back(Derivation *d, const Node *last, const Value *const *targets, int count) {
  for (const Node *made = last; made; made = made->previous) {
    bool is_target = false;
    for (int i = 0; i < count; i++)
      is_target |= made->result_count && targets[i] == made->results[0];
    for (int k = 0; k < made->result_count && !is_target; k++) {
      Value *g = made->results[k]->id < d->count ? d->slopes[made->results[k]->id] : NULL;
      if (!g) continue;
      bool known = made->result_count == 1 && node_slopes(d, made, g);
      if (d->node->builder.failed) return false;
      if (!known)
        return onnx_error(d->node, "node '%s' (%s) stands between, whose derivative is not known",
                          made->loc.node ? made->loc.node : "", op_info[made->op].text);
    }
  }
  return true;
}

static Value *named_value(OnnxNode *node, const char *name) {
  Item *item = name ? scope_find(node->scope, name) : NULL;
  return item ? item->value : NULL;
}

// Where the derivatives are taken is where the model is: the inputs are the tensors themselves.
static bool check_inputs(OnnxNode *node, const char *const *xs, int count, const Value **targets) {
  for (int i = 0; i < count; i++) {
    targets[i] = named_value(node, xs[i]);
    if (!targets[i] || targets[i] != onnx_input(node, i))
      return onnx_error(node, "input %d is not the tensor '%s' itself", i, xs[i]);
    if (!element_is_float(targets[i]->type.element))
      return onnx_error(node, "'%s' is of %s", xs[i], element_info[targets[i]->type.element].text);
  }
  return true;
}

bool import_gradient(OnnxNode *node) {
  int count;
  const char *const *xs = onnx_strings(node, "xs", &count), *name = onnx_string(node, "y", NULL);
  Value *y = named_value(node, name);
  if (node->builder.failed) return false;
  if (!xs || !count || !y)
    return onnx_error(node, "there is no '%s', or nothing to differentiate by", name ? name : "y");
  if (!onnx_need_inputs(node, count)) return false;
  Arena *arena = node->importer->arena;
  const Value **targets = NEW_ARRAY(arena, const Value *, count);
  if (!check_inputs(node, xs, count, targets)) return false;
  if (!y->definition || y->graph != node->builder.graph)
    return onnx_error(node, "'%s' is not computed here", name);
  Derivation d = {.node = node, .count = node->importer->module->next_value_id};
  d.slopes = NEW_ARRAY(arena, Value *, d.count);
  d.depends = NEW_ARRAY(arena, bool, d.count);
  for (int i = 0; i < count; i++) d.depends[targets[i]->id] = true;
  find_dependent(&d, node->builder.graph->first);
  Value *one = number(&d, y, 1);
  if (depends(&d, y) && one)
    d.slopes[y->id] = build_expand(&node->builder, one, y->type.rank, y->type.dims);
  if (!go_back(&d, y->definition, targets, count)) return false;
  for (int i = 0; i < count; i++) {
    Value *slope = d.slopes[targets[i]->id], *zero = slope ? NULL : number(&d, targets[i], 0);
    if (zero)
      slope = build_expand(&node->builder, zero, targets[i]->type.rank, targets[i]->type.dims);
    if (!onnx_output(node, i, slope)) return false;
  }
  return true;
}
