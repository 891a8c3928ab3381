// Makes nodes and infers their types.
#include "ir/builder.h"

#include <assert.h>
#include <string.h>

Builder builder_at_end(Graph *graph, Loc loc) { return (Builder){.graph = graph, .loc = loc}; }
Builder builder_before(Node *node) {
  return (Builder){.graph = node->graph, .before = node, .loc = node->loc};
}

Node *build_begin_results(Builder *builder, OpCode op, Value *const *operands, int count,
                          int results) {
  if (builder->failed) return NULL;
  return node_create(builder->graph, op, builder->loc, operands, count, results);
}

Node *build_begin(Builder *builder, OpCode op, Value *const *operands, int count) {
  assert(op_info[op].results >= 0 && "give the number of results");
  return build_begin_results(builder, op, operands, count, op_info[op].results);
}

static bool operand_count_fits(const Node *node, Diag *diag) {
  const OpInfo *info = &op_info[node->op];
  int count = node_own_operands(node);
  if (count >= info->min_operands && (info->max_operands < 0 || count <= info->max_operands))
    return true;
  return diag_error(diag, node->loc, "%s has %d operands, wanted %d to %d", info->text, count,
                    info->min_operands, info->max_operands);
}

Value *build_end(Builder *builder, Node *node) {
  if (builder->failed || !node) return NULL;
  Diag *diag = builder->graph->module->diag;
  if (!operand_count_fits(node, diag) || !op_info[node->op].infer(node, diag)) {
    builder->failed = true;
    for (int i = node->operand_count - 1; i >= 0; i--) node_set_operand(node, i, NULL);
    return NULL;
  }
  if (builder->before)
    graph_insert_before(builder->before, node);
  else
    graph_append(builder->graph, node);
  if (builder->name && node->result_count) node->results[0]->name = builder->name;
  builder->name = NULL;
  return node->result_count ? node->results[0] : NULL;
}

Value *build_unary(Builder *builder, OpCode op, Value *x) {
  return build_end(builder, build_begin(builder, op, (Value *[]){x}, 1));
}

Value *build_binary(Builder *builder, OpCode op, Value *a, Value *b) {
  return build_end(builder, build_begin(builder, op, (Value *[]){a, b}, 2));
}

Value *build_where(Builder *builder, Value *condition, Value *a, Value *b) {
  return build_end(builder, build_begin(builder, OP_WHERE, (Value *[]){condition, a, b}, 3));
}

Value *build_cast(Builder *builder, Value *x, ElementType element) {
  if (builder->failed || (x->type.element == element && !x->type.quant))
    return builder->failed ? NULL : x;
  Node *node = build_begin(builder, OP_CAST, (Value *[]){x}, 1);
  node->results[0]->type = type_with_element(x->type, element);
  return build_end(builder, node);
}

Value *build_reshape(Builder *builder, Value *x, int rank, const Dim *const *dims) {
  Node *node = build_begin(builder, OP_RESHAPE, (Value *[]){x}, 1);
  if (node) node_set_dims(node, ATTR_SIZES, dims, rank);
  return build_end(builder, node);
}

Value *build_reshape_static(Builder *builder, Value *x, int rank, const int64_t *dims) {
  if (builder->failed) return NULL;
  Type type = type_static(builder->graph->module->dims, x->type.element, rank, dims);
  return build_reshape(builder, x, rank, type.dims);
}

Value *build_transpose(Builder *builder, Value *x, const int64_t *perm) {
  if (builder->failed) return NULL;
  bool identity = true;
  for (int i = 0; i < x->type.rank; i++) identity &= perm[i] == i;
  if (identity) return x;
  Node *node = build_begin(builder, OP_TRANSPOSE, (Value *[]){x}, 1);
  node_set_ints(node, ATTR_PERM, perm, x->type.rank);
  return build_end(builder, node);
}

Value *build_expand(Builder *builder, Value *x, int rank, const Dim *const *dims) {
  Node *node = build_begin(builder, OP_EXPAND, (Value *[]){x}, 1);
  if (node) node_set_dims(node, ATTR_SIZES, dims, rank);
  return build_end(builder, node);
}

Value *build_reduce(Builder *builder, OpCode op, Value *x, const int64_t *axes, int count,
                    bool keep) {
  Node *node = build_begin(builder, op, (Value *[]){x}, 1);
  if (!node) return NULL;
  node_set_ints(node, ATTR_AXES, axes, count);
  node_set_int(node, ATTR_KEEP_DIMS, keep);
  return build_end(builder, node);
}

Value *build_concat(Builder *builder, Value *const *values, int count, int64_t axis) {
  Node *node = build_begin(builder, OP_CONCAT, values, count);
  if (node) node_set_int(node, ATTR_AXIS, axis);
  return build_end(builder, node);
}

Value *build_slice_axis(Builder *builder, Value *x, int axis, const Dim *start, const Dim *size,
                        int64_t step) {
  if (builder->failed) return NULL;
  const Dim *starts[MAX_RANK], *sizes[MAX_RANK];
  int64_t steps[MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    starts[i] = i == axis ? start : dim_constant(builder->graph->module->dims, 0);
    sizes[i] = i == axis ? size : x->type.dims[i];
    steps[i] = i == axis ? step : 1;
  }
  Node *node = build_begin(builder, OP_SLICE, (Value *[]){x}, 1);
  node_set_dims(node, ATTR_STARTS, starts, x->type.rank);
  node_set_ints(node, ATTR_STEPS, steps, x->type.rank);
  node_set_dims(node, ATTR_SIZES, sizes, x->type.rank);
  return build_end(builder, node);
}

Value *build_matmul(Builder *builder, Value *a, Value *b, Value *bias) {
  return build_end(builder, build_begin(builder, OP_MATMUL, (Value *[]){a, b, bias}, bias ? 3 : 2));
}

Value *build_shape(Builder *builder, const Dim *const *dims, int count) {
  Node *node = build_begin(builder, OP_SHAPE, NULL, 0);
  if (node) node_set_dims(node, ATTR_DIMS, dims, count);
  return build_end(builder, node);
}

// --- constants

Value *build_constant(Builder *builder, Type type, const void *data, const char *name) {
  Node *node = build_begin(builder, OP_CONST, NULL, 0);
  if (!node) return NULL;
  Module *module = builder->graph->module;
  int64_t bytes = 0;
  bool known = type_is_static(&type) && type_max_bytes(&type, &bytes);
  assert(known && "a constant has a static, checked type");
  (void)known;
  Constant *constant = NEW(module->arena, Constant);
  constant->name = module_constant_name(module, name);
  constant->data = data;
  constant->bytes = (size_t)bytes;
  node->constant = constant;
  node->results[0]->type = type;
  if (name && !builder->name) builder->name = arena_strdup(module->arena, name);
  return build_end(builder, node);
}

Value *build_constant_tensor(Builder *builder, const Tensor *tensor, const char *name) {
  if (builder->failed) return NULL;
  Type type =
      type_static(builder->graph->module->dims, tensor->element, tensor->rank, tensor->dims);
  return build_constant(builder, type, tensor->data, name);
}

Value *build_scalar(Builder *builder, ElementType element, double value) {
  Tensor tensor = tensor_create(builder->graph->module->arena, element, 0, NULL);
  element_store(element, tensor.data, 0, value);
  return build_constant_tensor(builder, &tensor, NULL);
}

static Value *build_vector(Builder *builder, ElementType element, const void *values,
                           int64_t count) {
  Tensor tensor = tensor_create(builder->graph->module->arena, element, 1, &count);
  if (tensor.bytes) memcpy(tensor.data, values, tensor.bytes);
  return build_constant_tensor(builder, &tensor, NULL);
}

Value *build_floats(Builder *builder, const float *values, int64_t count) {
  return build_vector(builder, F32, values, count);
}

Value *build_ints(Builder *builder, const int64_t *values, int64_t count) {
  return build_vector(builder, I64, values, count);
}

bool value_tensor(const Value *value, Tensor *tensor) {
  const Constant *constant = value_constant(value);
  if (!constant) return false;
  *tensor = (Tensor){.element = value->type.element,
                     .rank = value->type.rank,
                     .data = (void *)(uintptr_t)constant->data,
                     .bytes = constant->bytes,
                     .name = value->name};
  for (int i = 0; i < tensor->rank; i++) tensor->dims[i] = type_dim(&value->type, i);
  return true;
}
