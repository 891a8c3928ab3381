// Types of the ops that pick or place elements by index.
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"

#include <string.h>

static bool set_result(Node *node, Type type) {
  node->results[0]->type = type;
  return true;
}

// Appends `count` dims to a type under construction; false (reported) beyond the largest rank.
static bool append_dims(const Node *node, Diag *diag, Type *type, const Dim *const *dims,
                        int count) {
  if (type->rank + count > MAX_RANK)
    return refuse(node, diag, "the result has more than %d axes", MAX_RANK);
  for (int i = 0; i < count; i++) type->dims[type->rank++] = dims[i];
  return true;
}

bool infer_gather(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *indices = index_operand(node, 1, diag);
  int axis;
  if (!x || !indices || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis))
    return false;
  Type result = type_tensor(x->element, axis, x->dims);
  if (!append_dims(node, diag, &result, indices->dims, indices->rank) ||
      !append_dims(node, diag, &result, x->dims + axis + 1, x->rank - axis - 1))
    return false;
  if (x->quant && x->quant->axis == axis)
    return refuse(node, diag, "the operand is quantized along axis %d", axis);
  result.quant = x->quant;
  if (x->quant && x->quant->axis > axis)
    result.quant = quant_on_axis(node_arena(node), x->quant, x->quant->axis + indices->rank - 1);
  return set_result(node, result);
}

bool infer_lookup(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *table = tensor_operand(node, 1, diag);
  if (!x || !table) return false;
  if (element_info[x->element].bits != 8 || element_info[table->element].bits != 8)
    return refuse(node, diag, "from %s to %s, wanted elements of 8 bits",
                  element_info[x->element].text, element_info[table->element].text);
  if (table->rank != 1 || !dim_is(table->dims[0], 256))
    return refuse(node, diag, "a table %s, wanted [256]", type_shape_text(node_arena(node), table));
  if (table->quant && table->quant->axis >= 0)
    return refuse(node, diag, "a table that is quantized along an axis");
  Type result = type_with_element(*x, table->element);
  result.quant = table->quant;
  return set_result(node, result);
}

// The indices may cover a part of the data in the axes that are not indexed, not more.
static bool check_index_shape(const Node *node, Diag *diag, const Type *data, const Type *indices,
                              int axis) {
  if (indices->rank != data->rank)
    return refuse(node, diag, "indices of rank %d for data of rank %d", indices->rank, data->rank);
  for (int i = 0; i < data->rank; i++)
    if (i != axis && dim_low(indices->dims[i]) > dim_high(data->dims[i]))
      return refuse(node, diag, "axis %d: indices %s exceed data %s", i,
                    type_shape_text(node_arena(node), indices),
                    type_shape_text(node_arena(node), data));
  return true;
}

bool infer_gather_elements(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *indices = index_operand(node, 1, diag);
  int axis;
  if (!x || !indices || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis) ||
      !check_index_shape(node, diag, x, indices, axis) || !check_quant_per_tensor(node, diag, x))
    return false;
  Type result = type_tensor(x->element, indices->rank, indices->dims);
  result.quant = x->quant;
  return set_result(node, result);
}

// Length of the index tuples in the last axis of `indices`: it decides the result's rank.
static bool tuple_length(const Node *node, Diag *diag, const Type *indices, int limit,
                         int *length) {
  int64_t value;
  if (indices->rank < 1) return refuse(node, diag, "indices are a scalar");
  const Dim *last = indices->dims[indices->rank - 1];
  if (!dim_is_constant(last, &value))
    return refuse(node, diag, "the last dim of the indices, %s, is not constant",
                  dim_text(node_arena(node), last));
  if (value < 0 || value > limit)
    return refuse(node, diag, "index tuples of %lld for %d axes", (long long)value, limit);
  *length = (int)value;
  return true;
}

bool infer_gather_nd(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *indices = index_operand(node, 1, diag);
  if (!x || !indices || !check_quant_per_tensor(node, diag, x)) return false;
  int64_t batch = node_int(node, ATTR_BATCH_DIMS);
  if (batch < 0 || batch >= indices->rank || batch > x->rank)
    return refuse(node, diag, "batch_dims %lld for data of rank %d, indices of rank %d",
                  (long long)batch, x->rank, indices->rank);
  int length;
  if (!tuple_length(node, diag, indices, x->rank - (int)batch, &length)) return false;
  Type result = type_tensor(x->element, indices->rank - 1, indices->dims);
  for (int i = 0; i < batch; i++) {
    if (!check_equal_dims(node, diag, "batch dims", x->dims[i], indices->dims[i])) return false;
    result.dims[i] = dim_known(x->dims[i], indices->dims[i]);
  }
  int first = (int)batch + length;
  if (!append_dims(node, diag, &result, x->dims + first, x->rank - first)) return false;
  result.quant = x->quant;
  return set_result(node, result);
}

static bool check_reduction(const Node *node, Diag *diag, const Type *data) {
  const char *reduction = node_string(node, ATTR_REDUCTION);
  if (!strcmp(reduction, "none")) return true;
  if (strcmp(reduction, "add") && strcmp(reduction, "mul") && strcmp(reduction, "min") &&
      strcmp(reduction, "max"))
    return refuse(node, diag, "reduction '%s' is none of none, add, mul, min, max", reduction);
  ElementClass class = element_info[data->element].class;
  if (class == CLASS_STRING || class == CLASS_COMPLEX || data->quant)
    return refuse(node, diag, "reduction %s of %s", reduction, type_text(node_arena(node), data));
  return true;
}

static bool check_updates(const Node *node, Diag *diag, const Type *data, const Type *updates) {
  if (updates->element == data->element && quant_equal(updates->quant, data->quant))
    return check_quant_per_tensor(node, diag, data) && check_reduction(node, diag, data);
  return refuse(node, diag, "updates are %s, data %s", type_text(node_arena(node), updates),
                type_text(node_arena(node), data));
}

bool infer_scatter_elements(Node *node, Diag *diag) {
  const Type *data = tensor_operand(node, 0, diag), *indices = index_operand(node, 1, diag);
  const Type *updates = tensor_operand(node, 2, diag);
  int axis;
  if (!data || !indices || !updates ||
      !check_axis(node, diag, node_int(node, ATTR_AXIS), data->rank, &axis) ||
      !check_index_shape(node, diag, data, indices, axis) ||
      !check_updates(node, diag, data, updates))
    return false;
  if (updates->rank != indices->rank)
    return refuse(node, diag, "updates of rank %d for indices of rank %d", updates->rank,
                  indices->rank);
  for (int i = 0; i < indices->rank; i++)
    if (!check_equal_dims(node, diag, "indices and updates", indices->dims[i], updates->dims[i]))
      return false;
  return set_result(node, *data);
}

bool infer_scatter_nd(Node *node, Diag *diag) {
  const Type *data = tensor_operand(node, 0, diag), *indices = index_operand(node, 1, diag);
  const Type *updates = tensor_operand(node, 2, diag);
  int length;
  if (!data || !indices || !updates || !check_updates(node, diag, data, updates) ||
      !tuple_length(node, diag, indices, data->rank, &length))
    return false;
  Type wanted = type_tensor(data->element, indices->rank - 1, indices->dims);
  if (!append_dims(node, diag, &wanted, data->dims + length, data->rank - length)) return false;
  bool fits = wanted.rank == updates->rank;
  for (int i = 0; fits && i < wanted.rank; i++)
    fits = !dims_differ(node_dim_table(node), wanted.dims[i], updates->dims[i]);
  if (!fits)
    return refuse(node, diag, "updates have shape %s, not %s",
                  type_shape_text(node_arena(node), updates),
                  type_shape_text(node_arena(node), &wanted));
  return set_result(node, *data);
}

// The only element of the list attribute SIZES; NULL: reported.
static const Dim *single_size(const Node *node, Diag *diag) {
  int count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  if (count == 1) return check_sizes(node, diag, sizes, count) ? sizes[0] : NULL;
  refuse(node, diag, "%d sizes, not 1", count);
  return NULL;
}

bool infer_one_hot(Node *node, Diag *diag) {
  const Type *indices = tensor_operand(node, 0, diag), *values = tensor_operand(node, 1, diag);
  const Dim *depth = single_size(node, diag);
  int axis;
  if (!indices || !values || !depth ||
      !check_axis(node, diag, node_int(node, ATTR_AXIS), indices->rank + 1, &axis))
    return false;
  ElementClass class = element_info[indices->element].class;
  if (class == CLASS_STRING || class == CLASS_COMPLEX)
    return refuse(node, diag, "indices are %s", element_info[indices->element].text);
  if (values->rank != 1 ||
      dims_differ(node_dim_table(node), values->dims[0], dim_constant(node_dim_table(node), 2)))
    return refuse(node, diag, "values have shape %s, not [2]",
                  type_shape_text(node_arena(node), values));
  if (!check_quant_per_tensor(node, diag, values)) return false;
  Type result = type_tensor(values->element, axis, indices->dims);
  if (!append_dims(node, diag, &result, &depth, 1) ||
      !append_dims(node, diag, &result, indices->dims + axis, indices->rank - axis))
    return false;
  result.quant = values->quant;
  return set_result(node, result);
}

bool infer_range(Node *node, Diag *diag) {
  const Type *start = tensor_operand(node, 0, diag), *delta = tensor_operand(node, 1, diag);
  const Dim *size = single_size(node, diag);
  if (!start || !delta || !size) return false;
  if (start->element != delta->element)
    return refuse(node, diag, "start is %s, delta %s", element_info[start->element].text,
                  element_info[delta->element].text);
  if (!element_is_float(start->element) && !element_is_integer(start->element))
    return refuse(node, diag, "of %s", element_info[start->element].text);
  if (start->rank > 1 || delta->rank > 1)
    return refuse(node, diag, "start and delta must be scalars");
  return set_result(node, type_tensor(start->element, 1, &size));
}

bool infer_top_k(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  const Dim *size = single_size(node, diag);
  int axis;
  if (!x || !size || !check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis))
    return false;
  ElementClass class = element_info[x->element].class;
  if (class == CLASS_STRING || class == CLASS_COMPLEX)
    return refuse(node, diag, "of %s", element_info[x->element].text);
  if (dim_low(dim_sub(node_dim_table(node), size, x->dims[axis])) > 0)
    return refuse(node, diag, "%s of %s elements along axis %d", dim_text(node_arena(node), size),
                  dim_text(node_arena(node), x->dims[axis]), axis);
  if (!check_quant_per_tensor(node, diag, x)) return false;
  Type values = *x;
  values.dims[axis] = size;
  node->results[0]->type = values;
  node->results[1]->type = type_with_element(values, I64);
  return true;
}
