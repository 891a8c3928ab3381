// The rule driver and the matchers.
#include "passes/rewrite.h"

#include <assert.h>
#include <math.h>

static bool apply_rules(Node *node, const RewriteRow *rows, PassContext *context) {
  for (const RewriteRow *row = rows; row->rule; row++) {
    if (row->op != OP_COUNT && row->op != node->op) continue;
    Builder builder = builder_before(node);
    Value *replacement = row->rule(&builder, node);
    if (builder.failed) return false;
    if (!replacement) continue;
    rewrite_value(node->results[0], replacement);
    context->changed++;
    return true;
  }
  return true;
}

bool rewrite_graph(Graph *graph, const RewriteRow *rows, PassContext *context) {
  FOR_EACH_NODE (node, graph) {
    if (node->result_count != 1 || value_is_unused(node->results[0])) continue;
    if (node->results[0]->type.kind != TYPE_TENSOR) continue;
    if (!apply_rules(node, rows, context)) return false;
  }
  return true;
}

static Value *copy_for_output(Value *old, Value *replacement) {
  Builder builder = builder_before(old->definition);
  builder.name = old->name;
  Value *copy = build_unary(&builder, OP_COPY, replacement);
  assert(copy && "a copy always has a type");
  return copy;
}

void rewrite_value(Value *old, Value *replacement) {
  assert(type_equal(&old->type, &replacement->type) && "a rewrite keeps the type");
  bool is_output = old->output_uses > 0 && !old->graph->owner && old->name;
  if (is_output &&
      (!replacement->definition || replacement->output_uses || value_is_constant(replacement)))
    replacement = copy_for_output(old, replacement);
  if (is_output) replacement->name = old->name;
  value_replace(old, replacement);
}

void rewrite_remove(Node *node) {
  int count = node->operand_count;
  Value **operands = node->operands; // the array stays when the node is gone
  node_remove(node);
  for (int i = 0; i < count; i++) {
    bool repeated = false;
    for (int k = 0; k < i; k++) repeated |= operands[k] == operands[i];
    if (!repeated && value_is_constant(operands[i]) && value_is_unused(operands[i]))
      node_remove(operands[i]->definition);
  }
}

// --- constants

bool constant_splat(const Value *value, double *number) {
  Tensor tensor;
  if (!value || value->type.quant || !value_tensor(value, &tensor)) return false;
  ElementClass class = element_info[tensor.element].class;
  if (class == CLASS_COMPLEX || class == CLASS_STRING) return false;
  int64_t count = tensor_count(&tensor);
  if (count < 1) return false;
  *number = element_load(tensor.element, tensor.data, 0);
  if (count == 1) return true;
  for (int64_t i = 1; i < count; i++)
    if (element_load(tensor.element, tensor.data, i) != *number) return false;
  return true;
}

bool constant_scalar(const Value *value, double *number) {
  if (!value_is_constant(value) || value->type.kind != TYPE_TENSOR) return false;
  for (int i = 0; i < value->type.rank; i++)
    if (!dim_is_one(value->type.dims[i])) return false;
  return constant_splat(value, number);
}

bool is_scalar(const Value *value, double number) {
  double found;
  return constant_splat(value, &found) && found == number;
}

bool is_nearly_scalar(const Value *value, double number) {
  double found;
  return constant_splat(value, &found) && fabs(found - number) <= 1e-5 * fabs(number);
}

// --- shapes and nodes

bool dim_is_one(const Dim *dim) { return dim_is(dim, 1); }

int type_last_not_one(const Type *type) {
  for (int i = type->rank - 1; i >= 0; i--)
    if (!dim_is_one(type->dims[i])) return i;
  return -1;
}

const int64_t *transpose_perm(const Node *node) {
  int count;
  const int64_t *perm = node_ints(node, ATTR_PERM, &count);
  assert(count == node->results[0]->type.rank && "inference checks the number");
  return perm;
}

void invert_perm(const int64_t *perm, int rank, int64_t *inverse) {
  for (int i = 0; i < rank; i++) inverse[perm[i]] = i;
}

bool match_axis_splits(const Type *from, const Type *to, int *first) {
  int at = 0;
  for (int i = 0; i < from->rank; i++) {
    first[i] = at;
    if (at < to->rank && to->dims[at] == from->dims[i]) {
      at++;
      continue;
    }
    int64_t size, part, product = 1;
    if (!dim_is_constant(from->dims[i], &size)) return false;
    while (product < size && at < to->rank && dim_is_constant(to->dims[at], &part) && part > 0) {
      product *= part;
      at++;
    }
    if (product != size) return false;
  }
  first[from->rank] = to->rank;
  for (; at < to->rank; at++)
    if (!dim_is_one(to->dims[at])) return false;
  return true;
}

Node *defined_by(const Value *value, OpCode op) {
  return value && value->definition && value->definition->op == op ? value->definition : NULL;
}

Node *only_defined_by(const Value *value, OpCode op) {
  return value && value_has_one_use(value) ? defined_by(value, op) : NULL;
}

Value *other_operand(const Node *node, const Value *other) {
  return node->operands[0] == other ? node->operands[1] : node->operands[0];
}

Value *constant_operand(const Node *node, Value **constant) {
  for (int i = 0; i < 2; i++) {
    if (!value_is_constant(node->operands[i])) continue;
    *constant = node->operands[i];
    return node->operands[1 - i];
  }
  return NULL;
}

Node *begin_like(Builder *builder, const Node *node, Value *const *operands, int count) {
  assert(!node->region_count && "regions are not copied");
  Node *copy = build_begin_results(builder, node->op, operands, count, node->result_count);
  if (copy) node_copy_attributes(copy, node);
  return copy;
}

Value *build_like(Builder *builder, const Node *node, Value *const *operands, int count) {
  return build_end(builder, begin_like(builder, node, operands, count));
}
