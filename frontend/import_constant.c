// Constants and generators.
#include <math.h>
#include <string.h>

#include "frontend/import.h"

static bool constant_list(OnnxNode *node, ElementType element, int64_t count, const void *values) {
  Value *list = element == I64 ? build_ints(&node->builder, values, count)
                               : build_floats(&node->builder, values, count);
  return onnx_output(node, 0, list);
}

bool import_constant(OnnxNode *node) {
  Tensor tensor;
  int count;
  if (node->proto->n_attribute > 1)
    return onnx_error(node, "a constant with %zu attributes, wanted one", node->proto->n_attribute);
  if (onnx_tensor_attribute(node, "value", &tensor))
    return onnx_output(node, 0, build_constant_tensor(&node->builder, &tensor, node->loc.node));
  if (node->builder.failed) return false;
  if (onnx_attribute(node, "value_float"))
    return onnx_output(node, 0,
                       build_scalar(&node->builder, F32, onnx_float(node, "value_float", 0)));
  if (onnx_attribute(node, "value_ints")) {
    const int64_t *values = onnx_ints(node, "value_ints", &count);
    return values && constant_list(node, I64, count, values);
  }
  if (onnx_attribute(node, "value_floats")) {
    const float *values = onnx_floats(node, "value_floats", &count);
    return values && constant_list(node, F32, count, values);
  }
  if (onnx_attribute(node, "value_int")) {
    int64_t number = onnx_int(node, "value_int", 0);
    Value *list = build_ints(&node->builder, &number, 1);
    return onnx_output(node, 0, list ? build_reshape(&node->builder, list, 0, NULL) : NULL);
  }
  const Onnx__AttributeProto *sparse = onnx_attribute(node, "sparse_value");
  if (sparse && sparse->sparse_tensor) {
    if (!onnx_sparse_tensor_bytes(node->importer->file, sparse->sparse_tensor, &tensor))
      return false;
    return onnx_output(node, 0, build_constant_tensor(&node->builder, &tensor, node->loc.node));
  }
  return onnx_unsupported(node, "a constant of this kind");
}

bool import_constant_of_shape(OnnxNode *node) {
  int count;
  const Dim *const *dims = onnx_dims_input(node, 0, &count);
  Tensor value;
  Value *scalar;
  if (!dims) return false;
  if (count > MAX_RANK)
    return onnx_error(node, "a shape of rank %d; at most %d is supported", count, MAX_RANK);
  if (onnx_tensor_attribute(node, "value", &value)) {
    if (tensor_count(&value) != 1)
      return onnx_error(node, "attribute 'value' has %lld elements, wanted 1",
                        (long long)tensor_count(&value));
    value.rank = 0;
    scalar = build_constant_tensor(&node->builder, &value, NULL);
  } else
    scalar = build_scalar(&node->builder, F32, 0);
  return onnx_output(node, 0, scalar ? build_expand(&node->builder, scalar, count, dims) : NULL);
}

// Number of steps of a range of floats; false: too many.
static bool float_steps(const Tensor *start, const Tensor *limit, const Tensor *delta,
                        int64_t *count) {
  double step = element_load(delta->element, delta->data, 0);
  double steps = ceil((element_load(limit->element, limit->data, 0) -
                       element_load(start->element, start->data, 0)) /
                      step);
  if (!(fabs(steps) < 1e15)) return false;
  *count = steps > 0 ? (int64_t)steps : 0;
  return true;
}

// The same from what is known about the bounds; NULL: not enough.
static const Dim *known_steps(OnnxNode *node) {
  Importer *importer = node->importer;
  DimTable *table = importer->dims;
  const Dim *bounds[3];
  int64_t step;
  for (int i = 0; i < 3; i++) {
    int count;
    const Dim *const *dims = import_dims(importer, onnx_input(node, i), &count);
    if (!dims || count != 1) return NULL;
    bounds[i] = dims[0];
  }
  if (!dim_is_constant(bounds[2], &step) || step == 0 || step == INT64_MIN) return NULL;
  const Dim *length =
      step > 0 ? dim_sub(table, bounds[1], bounds[0]) : dim_sub(table, bounds[0], bounds[1]);
  const Dim *steps = dim_ceildiv(table, length, import_dim(importer, step > 0 ? step : -step));
  return dim_max(table, steps, import_dim(importer, 0));
}

// The same when the model runs: max(ceil((limit - start) / delta), 0). f64 is exact up to 2^53.
static const Dim *measured_steps(OnnxNode *node) {
  Value *bounds[3];
  for (int i = 0; i < 3; i++) {
    bounds[i] = onnx_convert(node, onnx_input(node, i), F64);
    if (bounds[i] && bounds[i]->type.rank)
      bounds[i] = build_reshape(&node->builder, bounds[i], 0, NULL);
    if (!bounds[i]) return NULL;
  }
  Value *length = onnx_binary(node, OP_SUB, bounds[1], bounds[0]);
  Value *steps = onnx_unary(node, OP_CEIL, onnx_binary(node, OP_DIV, length, bounds[2]));
  Value *none = onnx_scalar_like(node, bounds[0], 0);
  Value *count = onnx_convert(node, onnx_binary(node, OP_MAX, steps, none), I64);
  return count ? onnx_measured_dim(node, count) : NULL;
}

static bool float_constants(OnnxNode *node, const Dim **count) {
  Tensor values[3];
  int64_t steps;
  for (int i = 0; i < 3; i++)
    if (!onnx_constant_input(node, i, &values[i])) return true;
  if (!float_steps(&values[0], &values[1], &values[2], &steps))
    return onnx_error(node, "the range has too many elements");
  *count = import_dim(node->importer, steps);
  return true;
}

bool import_range(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *start = onnx_input(node, 0), *delta = onnx_input(node, 2);
  const Dim *count = NULL;
  Tensor step;
  for (int i = 0; i < 3; i++) {
    int64_t elements;
    if (!type_max_count(&onnx_input(node, i)->type, &elements) || elements != 1)
      return onnx_error(node, "input %d is %s, wanted one number", i,
                        type_text(node->importer->arena, &onnx_input(node, i)->type));
  }
  if (onnx_constant_input(node, 2, &step) && element_load(step.element, step.data, 0) == 0)
    return onnx_error(node, "the step of the range is 0");
  if (!element_is_float(start->type.element))
    count = known_steps(node);
  else if (!float_constants(node, &count))
    return false;
  if (!count) count = measured_steps(node);
  if (!count) return false;
  if (start->type.rank) start = build_reshape(&node->builder, start, 0, NULL);
  if (delta->type.rank) delta = build_reshape(&node->builder, delta, 0, NULL);
  if (!start || !delta) return false;
  Node *range = build_begin(&node->builder, OP_RANGE, (Value *[]){start, delta}, 2);
  node_set_dims(range, ATTR_SIZES, &count, 1);
  return onnx_output(node, 0, build_end(&node->builder, range));
}

// one where column - row == k: range(columns) == range(rows)[:, None] + k
bool import_eye_like(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const Type *type = &onnx_input(node, 0)->type;
  int64_t code = onnx_int(node, "dtype", 0);
  ElementType element = code ? onnx_number_type(code) : type->element;
  if (type->rank != 2 || element == ELEMENT_NONE)
    return onnx_error(node, "wanted a matrix and a known dtype");
  Value *numbers[2];
  for (int i = 0; i < 2; i++) {
    int64_t first = i == 0 ? onnx_int(node, "k", 0) : 0, one = 1;
    Value *start = build_ints(&node->builder, &first, 1),
          *delta = build_ints(&node->builder, &one, 1);
    start = start ? build_reshape(&node->builder, start, 0, NULL) : NULL;
    delta = delta ? build_reshape(&node->builder, delta, 0, NULL) : NULL;
    if (!delta) return false;
    Node *range = build_begin(&node->builder, OP_RANGE, (Value *[]){start, delta}, 2);
    node_set_dims(range, ATTR_SIZES, &type->dims[i], 1);
    numbers[i] = build_end(&node->builder, range);
  }
  Value *equal =
      onnx_binary(node, OP_EQUAL, onnx_unsqueeze(node, numbers[0], (int64_t[]){1}, 1), numbers[1]);
  return onnx_output(node, 0, onnx_convert(node, equal, element));
}

// The same of a size that only a run knows, in f64.
static Value *window_by_run(OnnxNode *node, const double *a, ElementType element) {
  int count;
  const Dim *const *size = onnx_dims_input(node, 0, &count);
  if (!size) return NULL;
  if (count != 1) return onnx_error(node, "%d sizes, wanted 1", count), NULL;
  Value *place = onnx_convert(node, onnx_positions(node, size[0]), F64),
        *period = onnx_convert(node, onnx_dim_scalar(node, size[0]), F64);
  if (!place || !period) return NULL;
  if (!onnx_int(node, "periodic", 1))
    period = onnx_binary(node, OP_SUB, period, onnx_scalar_like(node, period, 1));
  Value *turn = onnx_binary(node, OP_DIV, place, period),
        *window = onnx_scalar_like(node, place, a[0]);
  for (int i = 1; i < 3; i++) {
    Value *angle = onnx_binary(node, OP_MUL, turn, onnx_scalar_like(node, place, 2 * i * acos(-1)));
    Value *wave = onnx_binary(node, OP_MUL, onnx_unary(node, OP_COS, angle),
                              onnx_scalar_like(node, place, i == 1 ? -a[1] : a[2]));
    window = onnx_binary(node, OP_ADD, window, wave);
  }
  return onnx_convert(node, window, element);
}

// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N); N = size, or size - 1 if not periodic.
bool import_window(OnnxNode *node) {
  static const double coefficients[3][3] = {
      {0.5, 0.5, 0}, {25.0 / 46, 1 - 25.0 / 46, 0}, {0.42, 0.5, 0.08}};
  int count;
  ElementType element = onnx_number_type(onnx_int(node, "output_datatype", 1));
  if (onnx_is_open(node, 0) && element != ELEMENT_NONE)
    return onnx_output(node, 0, window_by_run(node, coefficients[node->row->argument], element));
  const int64_t *size = onnx_ints_input(node, 0, &count);
  if (!size) return false;
  if (count != 1 || *size < 0 || *size > 1 << 24 || element == ELEMENT_NONE)
    return onnx_error(node, "a size between 0 and 2^24 and a known type are wanted");
  const double *a = coefficients[node->row->argument];
  double period = (double)(onnx_int(node, "periodic", 1) ? *size : *size - 1), pi = acos(-1);
  Tensor window = tensor_create(node->importer->arena, element, 1, size);
  for (int64_t i = 0; i < *size; i++)
    element_store(element, window.data, i,
                  a[0] - a[1] * cos(2 * pi * (double)i / period) +
                      a[2] * cos(4 * pi * (double)i / period));
  return onnx_output(node, 0, build_constant_tensor(&node->builder, &window, node->loc.node));
}
