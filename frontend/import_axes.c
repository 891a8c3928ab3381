// Axes and bounds that only a run knows: lists of integers that decide a shape, but are no
// constants. Shapes are computed like other tensors, and measured (docs/ir.md); ranks are known,
// since the lists have a known length.
#include <string.h>

#include "frontend/import.h"

bool onnx_is_open(OnnxNode *node, int index) {
  if (!onnx_has_input(node, index)) return false;
  int count;
  const Dim *const *dims = import_dims(node->importer, onnx_input(node, index), &count);
  for (int i = 0; dims && i < count; i++)
    if (!dim_is_constant(dims[i], NULL)) return true;
  return !dims;
}

bool onnx_has_dims(OnnxNode *node, int index) {
  int count;
  return import_dims(node->importer, onnx_input(node, index), &count) != NULL;
}

bool onnx_is_empty(const OnnxNode *node, int index) {
  const Type *type = &node->inputs[index]->value->type;
  return type->rank == 1 && dim_is(type->dims[0], 0);
}

Value *onnx_integer_list(OnnxNode *node, int index, int64_t *count) {
  Value *value = onnx_has_input(node, index) ? onnx_input(node, index) : NULL;
  const Type *type = value ? &value->type : NULL;
  if (!type || type->kind != TYPE_TENSOR || type->rank > 1 || !element_is_integer(type->element)) {
    onnx_error(node, "input %d is %s, wanted a list of integers", index,
               type ? type_text(node->importer->arena, type) : "missing");
    return NULL;
  }
  *count = 1;
  // Where there is one element or none, the run checks that it is one.
  if (type->rank && !dim_is_constant(type->dims[0], count) && dim_high(type->dims[0]) > 1) {
    onnx_error(node, "input %d has %s elements, wanted a known number", index,
               dim_text(node->importer->arena, type->dims[0]));
    return NULL;
  }
  value = onnx_convert(node, value, I64);
  const Dim *dim = import_dim(node->importer, *count);
  return value ? onnx_of_shape(node, value, "the numbers", 1, &dim) : NULL;
}

static Value *filled(OnnxNode *node, int64_t count, int64_t value) {
  int64_t *values = NEW_ARRAY(node->importer->arena, int64_t, count + 1);
  for (int64_t i = 0; i < count; i++) values[i] = value;
  return build_ints(&node->builder, values, count);
}

// One integer for each axis: `values` where `axes` names it, else `otherwise`. An axis that is none
// ends the run.
Value *onnx_by_axis(OnnxNode *node, Value *axes, Value *values, int rank, int64_t otherwise) {
  Value *table = filled(node, rank, otherwise);
  if (!axes || !values || !table) return NULL;
  Node *scatter =
      build_begin(&node->builder, OP_SCATTER_ELEMENTS, (Value *[]){table, axes, values}, 3);
  return build_end(&node->builder, scatter);
}

// bool[rank]: which axes are named.
static Value *named_axes(OnnxNode *node, Value *axes, int64_t count, int rank) {
  return onnx_convert(node, onnx_by_axis(node, axes, filled(node, count, 1), rank, 0), BOOL);
}

// How many of the flags before each are set.
static Value *count_before(OnnxNode *node, Value *flags) {
  Value *numbers = onnx_convert(node, flags, I64);
  Node *sum = numbers ? build_begin(&node->builder, OP_CUM_SUM, &numbers, 1) : NULL;
  if (!sum) return NULL;
  node_set_int(sum, ATTR_EXCLUSIVE, 1);
  return build_end(&node->builder, sum);
}

// The sizes of the axes whose flag is set, `count` of them, in order.
static Value *picked_sizes(OnnxNode *node, Value *sizes, Value *flags, int count) {
  Value *place = count_before(node, flags);
  Value *wanted = onnx_positions(node, import_dim(node->importer, count));
  Value *equal =
      onnx_binary(node, OP_EQUAL, onnx_unsqueeze(node, wanted, (int64_t[]){1}, 1), place);
  Value *mine = onnx_binary(node, OP_AND, equal, flags), *zero = onnx_integer(node, 0);
  return onnx_reduce_one(node, OP_REDUCE_SUM, onnx_where(node, mine, sizes, zero), 1, false);
}

static Value *shape_of(OnnxNode *node, const Value *x) {
  return build_shape(&node->builder, x->type.dims, x->type.rank);
}

static Value *reshape_measured(OnnxNode *node, Value *x, Value *sizes, const int64_t *highs) {
  int count;
  const Dim *const *dims = sizes && x ? onnx_measured_dims(node, sizes, highs, &count) : NULL;
  return dims ? build_reshape(&node->builder, x, count, dims) : NULL;
}

// Upper bounds of the sizes of axes, 1 at least.
static void bounds_of(const Type *type, int64_t *highs) {
  for (int i = 0; i < type->rank; i++) {
    int64_t high = dim_high(type->dims[i]);
    highs[i] = high == DIM_UNBOUNDED || high > 1 ? high : 1;
  }
}

// --- reductions

// Each axis becomes two, of which one has its size and the other is 1; the second ones are reduced.
static Value *reduce_split(OnnxNode *node, OpCode op, Value *x, Value *kept, Value *reduced) {
  int64_t highs[MAX_RANK], twice[MAX_RANK], axes[MAX_RANK];
  int rank = x->type.rank;
  bounds_of(&x->type, highs);
  for (int i = 0; i < rank; i++) {
    twice[2 * i] = twice[2 * i + 1] = highs[i];
    axes[i] = 2 * i + 1;
  }
  Value *pairs[2] = {onnx_unsqueeze(node, kept, (int64_t[]){1}, 1),
                     onnx_unsqueeze(node, reduced, (int64_t[]){1}, 1)};
  Value *both = pairs[0] && pairs[1] ? build_concat(&node->builder, pairs, 2, 1) : NULL;
  Value *sizes = both ? build_reshape_static(&node->builder, both, 1, (int64_t[]){2 * rank}) : NULL;
  Value *split = reshape_measured(node, x, sizes, twice);
  return split ? build_reduce(&node->builder, op, split, axes, rank, false) : NULL;
}

// The same one axis after the other, where two for each are too many.
static Value *reduce_in_turn(OnnxNode *node, OpCode op, Value *x, Value *kept, Value *reduced) {
  int rank = x->type.rank, count;
  int64_t highs[MAX_RANK];
  bounds_of(&x->type, highs);
  const Dim *const *left = onnx_measured_dims(node, kept, highs, &count),
                   *const *gone = left ? onnx_measured_dims(node, reduced, highs, &count) : NULL;
  if (op == OP_REDUCE_SQUARES) x = onnx_binary(node, OP_MUL, x, x);
  if (op == OP_REDUCE_SQUARES) op = OP_REDUCE_SUM;
  for (int i = 0; x && gone && i < rank; i++) {
    const Dim *dims[MAX_RANK + 1];
    for (int k = 0; k < rank; k++) dims[k + (k > i)] = k < i ? left[k] : x->type.dims[k];
    dims[i] = left[i];
    dims[i + 1] = gone[i];
    if (rank == MAX_RANK)
      return onnx_error(node, "axes of rank %d have to be constant", rank), NULL;
    x = build_reshape(&node->builder, x, rank + 1, dims);
    x = onnx_reduce_one(node, op, x, i + 1, false);
  }
  return gone ? x : NULL;
}

Value *onnx_reduce_open(OnnxNode *node, OpCode op, Value *x, int index, bool keep) {
  int rank = x->type.rank;
  int64_t count, highs[MAX_RANK];
  Value *axes = onnx_integer_list(node, index, &count);
  if (!axes) return NULL;
  if (count > rank) return onnx_error(node, "%d axes for rank %d", (int)count, rank), NULL;
  Value *named = named_axes(node, axes, count, rank), *sizes = shape_of(node, x),
        *one = onnx_integer(node, 1);
  Value *kept = onnx_where(node, named, one, sizes), *reduced = onnx_where(node, named, sizes, one);
  if (!kept || !reduced) return NULL;
  Value *y = 2 * rank <= MAX_RANK ? reduce_split(node, op, x, kept, reduced)
                                  : reduce_in_turn(node, op, x, kept, reduced);
  if (!y || keep) return y;
  bounds_of(&x->type, highs);
  int64_t highest = 1;
  for (int i = 0; i < rank; i++)
    if (highs[i] == DIM_UNBOUNDED || highest == DIM_UNBOUNDED)
      highest = DIM_UNBOUNDED;
    else if (highs[i] > highest)
      highest = highs[i];
  for (int i = 0; i < rank; i++) highs[i] = highest;
  Value *left = picked_sizes(node, sizes, onnx_unary(node, OP_NOT, named), rank - (int)count);
  return reshape_measured(node, y, left, highs);
}

// --- axes that come and go

Value *onnx_squeeze_open(OnnxNode *node, Value *x, int index) {
  int64_t count, highs[MAX_RANK];
  Value *axes = onnx_integer_list(node, index, &count);
  if (!axes) return NULL;
  int rank = x->type.rank;
  if (count > rank) return onnx_error(node, "%d axes for rank %d", (int)count, rank), NULL;
  for (int i = 0; i < rank; i++) highs[i] = DIM_UNBOUNDED;
  Value *named = named_axes(node, axes, count, rank);
  return reshape_measured(
      node, x,
      picked_sizes(node, shape_of(node, x), onnx_unary(node, OP_NOT, named), rank - (int)count),
      highs);
}

Value *onnx_unsqueeze_open(OnnxNode *node, Value *x, int index) {
  int64_t count;
  Value *axes = onnx_integer_list(node, index, &count);
  if (!axes) return NULL;
  int rank = x->type.rank + (int)count;
  if (rank > MAX_RANK)
    return onnx_error(node, "a result of rank %d; at most %d is supported", rank, MAX_RANK), NULL;
  Value *named = named_axes(node, axes, count, rank), *one = onnx_integer(node, 1);
  Value *old = onnx_unary(node, OP_NOT, named), *place = old ? count_before(node, old) : NULL;
  // A one behind the sizes is there for new axes behind the last old one.
  Value *ones = filled(node, 1, 1), *shape = shape_of(node, x);
  Value *table =
      shape && ones ? build_concat(&node->builder, (Value *[]){shape, ones}, 2, 0) : NULL;
  Value *sizes = onnx_where(node, named, one, onnx_gather(node, table, place, 0, true));
  return reshape_measured(node, x, sizes, NULL);
}

// --- one axis among all

Value *onnx_around_axis(OnnxNode *node, Value *x, int index) {
  int64_t count;
  int rank = x->type.rank;
  Value *axis = onnx_integer_list(node, index, &count);
  if (!axis) return NULL;
  if (count != 1) return onnx_error(node, "axis has %d elements, wanted 1", (int)count), NULL;
  if (!rank) return onnx_error(node, "the operand is a scalar"), NULL;
  Value *named = named_axes(node, axis, 1, rank), *sizes = shape_of(node, x),
        *one = onnx_integer(node, 1), *zero = onnx_integer(node, 0);
  Value *before = count_before(node, named), *parts[3];
  Value *behind = onnx_binary(node, OP_EQUAL, before, one),
        *front = onnx_binary(node, OP_EQUAL, before, zero);
  front = onnx_binary(node, OP_AND, front, onnx_unary(node, OP_NOT, named));
  Value *groups[3] = {front, named, behind};
  for (int i = 0; i < 3; i++) {
    Value *mine = onnx_where(node, groups[i], sizes, one);
    parts[i] = onnx_reduce_one(node, OP_REDUCE_PROD, mine, 0, true);
    if (!parts[i]) return NULL;
  }
  return reshape_measured(node, x, build_concat(&node->builder, parts, 3, 0), NULL);
}

// --- slices

static Value *bound_at(OnnxNode *node, Value *bound, Value *size) {
  Value *negative = onnx_binary(node, OP_LESS, bound, onnx_integer(node, 0));
  return onnx_where(node, negative, onnx_binary(node, OP_ADD, bound, size), bound);
}

static Value *clamped(OnnxNode *node, Value *x, Value *low, Value *high) {
  return onnx_binary(node, OP_MAX, onnx_binary(node, OP_MIN, x, high), low);
}

// x[start + i * step] for i < number.
static Value *gather_range(OnnxNode *node, Value *x, int axis, Value *start, Value *step,
                           const Dim *number) {
  Node *range = build_begin(&node->builder, OP_RANGE, (Value *[]){start, step}, 2);
  if (!range) return NULL;
  node_set_dims(range, ATTR_SIZES, &number, 1);
  return onnx_gather(node, x, build_end(&node->builder, range), axis, false);
}

Value *onnx_slice_open(OnnxNode *node, Value *x, int axis, Value *start, Value *end, Value *step,
                       int64_t known_step, int64_t most) {
  Value *size = onnx_dim_scalar(node, x->type.dims[axis]), *zero = onnx_integer(node, 0),
        *one = onnx_integer(node, 1);
  Value *backwards = onnx_binary(node, OP_LESS, step, zero);
  Value *direction = onnx_where(node, backwards, onnx_integer(node, -1), one);
  Value *last = onnx_where(node, backwards, onnx_binary(node, OP_SUB, size, one), size),
        *first = onnx_where(node, backwards, onnx_integer(node, -1), zero);
  start = clamped(node, bound_at(node, start, size), zero, last);
  end = clamped(node, bound_at(node, end, size), first, last);
  // ceil((end - start) / step), and never more than there are.
  Value *length = onnx_binary(
      node, OP_SUB, onnx_binary(node, OP_ADD, onnx_binary(node, OP_SUB, end, start), step),
      direction);
  Value *number = clamped(node, onnx_binary(node, OP_DIV, length, step), zero, size);
  int64_t high = dim_high(x->type.dims[axis]), highs[2] = {high < most ? high : most, high};
  Value *both[2] = {onnx_unsqueeze(node, number, (int64_t[]){0}, 1),
                    onnx_unsqueeze(node, start, (int64_t[]){0}, 1)};
  if (!both[0] || !both[1]) return NULL;
  int count;
  Value *list = known_step ? build_concat(&node->builder, both, 2, 0) : both[0];
  const Dim *const *dims = list ? onnx_measured_dims(node, list, highs, &count) : NULL;
  if (!dims) return NULL;
  return known_step ? build_slice_axis(&node->builder, x, axis, dims[1], dims[0], known_step)
                    : gather_range(node, x, axis, start, step, dims[0]);
}

Value *onnx_list_element(OnnxNode *node, Value *list, int index) {
  Value *one = list ? build_slice_axis(&node->builder, list, 0, import_dim(node->importer, index),
                                       import_dim(node->importer, 1), 1)
                    : NULL;
  return one ? build_reshape(&node->builder, one, 0, NULL) : NULL;
}

// --- shapes

// 0 copies a dim of the operand, -1 is what is left.
Value *onnx_reshape_sizes(OnnxNode *node, const Value *x, Value *wanted, int64_t count,
                          bool allow_zero) {
  Value *minus = onnx_integer(node, -1), *one = onnx_integer(node, 1),
        *zero = onnx_integer(node, 0);
  if (!allow_zero) {
    const Dim *dims[MAX_RANK];
    for (int i = 0; i < count; i++)
      dims[i] = i < x->type.rank ? x->type.dims[i] : import_dim(node->importer, 0);
    Value *copied = onnx_binary(node, OP_EQUAL, wanted, zero);
    wanted = onnx_where(node, copied, build_shape(&node->builder, dims, (int)count), wanted);
  }
  Value *open = onnx_binary(node, OP_EQUAL, wanted, minus);
  Value *known =
      onnx_reduce_one(node, OP_REDUCE_PROD, onnx_where(node, open, one, wanted), 0, true);
  Value *total = onnx_dim_scalar(node, type_count(node->importer->dims, &x->type));
  return onnx_where(node, open, onnx_binary(node, OP_DIV, total, known), wanted);
}
