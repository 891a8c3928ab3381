// Parts of tensors and tensors put together: Slice, Split, Concat, Trilu.
#include <string.h>

#include "frontend/import.h"

enum { FAR = 1 << 30 }; // bounds beyond this mean "to the end"

// --- slice

typedef struct Span {
  const Dim *start, *size;
  int64_t step;
} Span;

// A bound of the file, which may count from the end; NULL: its sign is not known.
static const Dim *bound_from_start(Importer *importer, const Dim *bound, const Dim *size) {
  if (dim_low(bound) >= 0) return bound;
  if (dim_high(bound) < 0) return dim_add(importer->dims, bound, size);
  // a difference such as N - 3 is meant to be positive
  return dim_max(importer->dims, bound, import_dim(importer, 0));
}

static const Dim *clamp(Importer *importer, const Dim *value, const Dim *low, const Dim *high) {
  return dim_max(importer->dims, dim_min(importer->dims, value, high), low);
}

static bool slice_span(OnnxNode *node, const Dim *start, const Dim *end, int64_t step,
                       const Dim *size, Span *span) {
  Importer *importer = node->importer;
  DimTable *table = importer->dims;
  const Dim *zero = import_dim(importer, 0), *last = dim_add_int(table, size, -1), *length;
  if (step == 0) return onnx_error(node, "step 0");
  if (step > FAR || step < -FAR) step = step > 0 ? FAR : -FAR;
  if (step > 0) {
    start = dim_low(start) >= FAR
                ? size
                : clamp(importer, bound_from_start(importer, start, size), zero, size);
    end = dim_low(end) >= FAR ? size
          : dim_high(end) <= -FAR
              ? zero
              : clamp(importer, bound_from_start(importer, end, size), zero, size);
    length = dim_sub(table, end, start);
  } else {
    start = dim_low(start) >= FAR
                ? last
                : clamp(importer, bound_from_start(importer, start, size), zero, last);
    const Dim *before = import_dim(importer, -1);
    end = dim_high(end) <= -FAR ? before
          : dim_low(end) >= FAR
              ? last
              : clamp(importer, bound_from_start(importer, end, size), before, last);
    length = dim_sub(table, start, end);
  }
  int64_t stride = step > 0 ? step : -step;
  span->start = start;
  span->step = step;
  span->size = dim_max(table, dim_ceildiv(table, length, import_dim(importer, stride)), zero);
  if (dim_is(span->size, 0)) span->start = zero;
  return true;
}

static Value *build_slice(OnnxNode *node, Value *x, const Span *spans) {
  const Dim *starts[MAX_RANK], *sizes[MAX_RANK];
  int64_t steps[MAX_RANK];
  bool whole = true;
  for (int i = 0; i < x->type.rank; i++) {
    starts[i] = spans[i].start;
    sizes[i] = spans[i].size;
    steps[i] = spans[i].step;
    whole &= steps[i] == 1 && dim_is(starts[i], 0) && sizes[i] == x->type.dims[i];
  }
  if (whole) return x;
  Node *slice = build_begin(&node->builder, OP_SLICE, &x, 1);
  if (!slice) return NULL;
  node_set_dims(slice, ATTR_STARTS, starts, x->type.rank);
  node_set_dims(slice, ATTR_SIZES, sizes, x->type.rank);
  node_set_ints(slice, ATTR_STEPS, steps, x->type.rank);
  return build_end(&node->builder, slice);
}

static void whole_spans(Importer *importer, const Type *type, Span *spans) {
  for (int i = 0; i < type->rank; i++) spans[i] = (Span){import_dim(importer, 0), type->dims[i], 1};
}

// Lists of bounds: attributes before version 10, operands since.
static const Dim *const *slice_list(OnnxNode *node, const char *name, int index, int *count) {
  if (node->version >= 10) return onnx_dims_input(node, index, count);
  const int64_t *values = onnx_ints(node, name, count);
  if (!values) {
    onnx_error(node, "attribute '%s' is missing", name);
    return NULL;
  }
  const Dim **dims = NEW_ARRAY(node->importer->arena, const Dim *, *count + 1);
  for (int i = 0; i < *count; i++) dims[i] = import_dim(node->importer, values[i]);
  return dims;
}

// One integer for each of the listed axes, or for all axes; with axes that only a run knows, for
// all.
static Value *slice_numbers(OnnxNode *node, int index, Value *axes, int64_t otherwise,
                            int64_t *count) {
  int rank = onnx_input(node, 0)->type.rank;
  if (!onnx_has_input(node, index)) { // steps
    int64_t values[MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    return build_ints(&node->builder, values, axes ? rank : *count);
  }
  int64_t length;
  Value *list = onnx_integer_list(node, index, &length);
  if (!list) return NULL;
  if (index > 1 && length != *count)
    return onnx_error(node, "%lld starts and %lld numbers of input %d", (long long)*count,
                      (long long)length, index),
           NULL;
  if (length > rank)
    return onnx_error(node, "%lld starts for rank %d", (long long)length, rank), NULL;
  *count = length;
  return axes ? onnx_by_axis(node, axes, list, rank, otherwise) : list;
}

typedef struct OpenSlice {
  Value *starts, *ends, *steps;
  int64_t count;
} OpenSlice;

static bool open_lists(OnnxNode *node, Value *axes, int64_t axis_count, OpenSlice *lists) {
  int rank = onnx_input(node, 0)->type.rank;
  if (!(lists->starts = slice_numbers(node, 1, axes, 0, &lists->count)) ||
      !(lists->ends = slice_numbers(node, 2, axes, INT64_MAX, &lists->count)) ||
      !(lists->steps = slice_numbers(node, 4, axes, 1, &lists->count)))
    return false;
  if (axes && axis_count != lists->count)
    return onnx_error(node, "%lld starts and %lld axes", (long long)lists->count,
                      (long long)axis_count);
  if (axes) lists->count = rank;
  return true;
}

// An integer, or the one element of a list, as something plus a known number.
typedef struct Offset {
  const Value *base;
  int64_t number;
} Offset;

enum { OFFSET_DEPTH = 16 }; // nodes in a row

static Offset offset_of(Importer *importer, Value *value) {
  Offset offset = {value, 0};
  for (int i = 0; i < OFFSET_DEPTH && offset.base->definition; i++) {
    const Node *node = offset.base->definition;
    Value *const *operands = node->operands;
    bool same = node->op == OP_RESHAPE ||
                (node->op == OP_CAST && element_is_integer(operands[0]->type.element));
    Tensor tensor;
    int known = -1;
    for (int k = 0; node->op == OP_ADD && k < 2; k++)
      if (import_constant_value(importer, operands[k], &tensor) && tensor_count(&tensor) == 1)
        known = k;
    int64_t number = known >= 0 ? element_load_int(tensor.element, tensor.data, 0) : 0;
    if ((!same && known < 0) || number > FAR || number < -FAR) break;
    offset = (Offset){operands[known == 0], offset.number + number};
  }
  return offset;
}

// x[i : i + n] has no more than n elements, wherever i is.
static int64_t most_elements(Importer *importer, const OpenSlice *lists, int64_t step) {
  int64_t start_count, end_count;
  if (step < 1 || !import_static_count(lists->starts, &start_count) || start_count != 1 ||
      !import_static_count(lists->ends, &end_count) || end_count != 1)
    return DIM_UNBOUNDED;
  Offset start = offset_of(importer, lists->starts), end = offset_of(importer, lists->ends);
  int64_t most = end.number - start.number;
  return start.base == end.base && most >= 0 ? most : DIM_UNBOUNDED;
}

// One axis of a slice whose bounds are not all known: what is known of them still counts.
static Value *slice_axis(OnnxNode *node, Value *x, int axis, const OpenSlice *lists, int i) {
  const Dim *start = onnx_known_element(node, lists->starts, i),
            *end = onnx_known_element(node, lists->ends, i),
            *step = onnx_known_element(node, lists->steps, i);
  int64_t number = 0;
  bool fixed = step && dim_is_constant(step, &number);
  if (fixed && start && end) {
    Span span;
    return slice_span(node, start, end, number, x->type.dims[axis], &span)
               ? build_slice_axis(&node->builder, x, axis, span.start, span.size, span.step)
               : NULL;
  }
  if (fixed && !number) return onnx_error(node, "step 0"), NULL;
  return onnx_slice_open(node, x, axis, onnx_list_element(node, lists->starts, i),
                         onnx_list_element(node, lists->ends, i),
                         onnx_list_element(node, lists->steps, i), number,
                         most_elements(node->importer, lists, number));
}

// Starts, ends, axes or steps are only known when the model runs.
static bool slice_by_run(OnnxNode *node, Value *x) {
  int64_t axis_count = 0, positions[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  Value *axes = NULL;
  OpenSlice lists = {0};
  if (onnx_is_open(node, 3)) {
    if (!(axes = onnx_integer_list(node, 3, &axis_count))) return false;
  } else if (onnx_has_input(node, 3)) {
    int count;
    const int64_t *given = onnx_ints_input(node, 3, &count);
    if (!given || !onnx_axes(node, given, count, x->type.rank, positions)) return false;
    axis_count = count;
  }
  if (!open_lists(node, axes, axis_count, &lists)) return false;
  if (!axes && onnx_has_input(node, 3) && axis_count != lists.count)
    return onnx_error(node, "%lld starts and %lld axes", (long long)lists.count,
                      (long long)axis_count);
  for (int i = 0; x && i < lists.count; i++) x = slice_axis(node, x, (int)positions[i], &lists, i);
  return onnx_output(node, 0, x);
}

bool import_slice(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  bool by_run = false;
  for (int i = 1; node->version >= 10 && i < 5; i++)
    by_run |= onnx_has_input(node, i) && (i < 3 ? !onnx_has_dims(node, i) : onnx_is_open(node, i));
  if (by_run && node->input_count >= 3 && onnx_has_input(node, 1) && onnx_has_input(node, 2))
    return slice_by_run(node, x);
  int count, end_count, axis_count, step_count = 0;
  const Dim *const *starts = slice_list(node, "starts", 1, &count);
  const Dim *const *ends = starts ? slice_list(node, "ends", 2, &end_count) : NULL;
  const int64_t *axes, *steps = NULL;
  if (!ends || !onnx_ints_either(node, "axes", 3, &axes, &axis_count)) return false;
  if (onnx_has_input(node, 4) && !(steps = onnx_ints_input(node, 4, &step_count))) return false;
  if (count != end_count || (axes && axis_count != count) || (steps && step_count != count) ||
      count > x->type.rank)
    return onnx_error(node, "%d starts, %d ends and %d axes for rank %d", count, end_count,
                      axes ? axis_count : count, x->type.rank);
  int64_t positions[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  if (axes && !onnx_axes(node, axes, count, x->type.rank, positions)) return false;
  Span spans[MAX_RANK];
  whole_spans(node->importer, &x->type, spans);
  for (int i = 0; i < count; i++)
    if (!slice_span(node, starts[i], ends[i], steps ? steps[i] : 1, x->type.dims[positions[i]],
                    &spans[positions[i]]))
      return false;
  return onnx_output(node, 0, build_slice(node, x, spans));
}

// --- split

static bool split_by(OnnxNode *node, Value *x, int axis, const Dim *const *sizes, int count) {
  const Dim *start = import_dim(node->importer, 0);
  for (int i = 0; i < count; i++) {
    if (onnx_wants_output(node, i) &&
        !onnx_output(node, i, build_slice_axis(&node->builder, x, axis, start, sizes[i], 1)))
      return false;
    start = dim_add(node->importer->dims, start, sizes[i]);
  }
  if (dim_is_constant(start, NULL) && dim_is_constant(x->type.dims[axis], NULL) &&
      start != x->type.dims[axis])
    return onnx_error(node, "the parts have %s elements, axis %d has %s",
                      dim_text(node->importer->arena, start), axis,
                      dim_text(node->importer->arena, x->type.dims[axis]));
  return true;
}

// Equal parts, the last one smaller.
static const Dim *const *equal_parts(OnnxNode *node, const Dim *total, int count) {
  DimTable *table = node->importer->dims;
  const Dim **sizes = NEW_ARRAY(node->importer->arena, const Dim *, count + 1);
  const Dim *part = dim_ceildiv(table, total, import_dim(node->importer, count)), *rest = total;
  for (int i = 0; i < count; i++) {
    sizes[i] = i == count - 1 ? rest : dim_min(table, part, rest);
    rest = dim_sub(table, rest, sizes[i]);
  }
  return sizes;
}

bool import_split(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis, count = node->output_count;
  const Dim *const *sizes;
  if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis)) return false;
  if (onnx_has_input(node, 1)) {
    if (!(sizes = onnx_dims_input(node, 1, &count))) return false;
  } else if (onnx_attribute(node, "split")) {
    const int64_t *values = onnx_ints(node, "split", &count);
    const Dim **list = NEW_ARRAY(node->importer->arena, const Dim *, count + 1);
    for (int i = 0; values && i < count; i++) list[i] = import_dim(node->importer, values[i]);
    sizes = list;
  } else {
    int64_t wanted = onnx_int(node, "num_outputs", count);
    if (wanted != count)
      return onnx_error(node, "num_outputs is %lld, but there are %d outputs", (long long)wanted,
                        count);
    sizes = equal_parts(node, x->type.dims[axis], count);
  }
  if (count != node->output_count)
    return onnx_error(node, "%d parts for %d outputs", count, node->output_count);
  return split_by(node, x, axis, sizes, count);
}

// --- concat

bool import_concat(OnnxNode *node) {
  if (!onnx_need_inputs(node, node->input_count > 0 ? node->input_count : 1)) return false;
  int axis;
  Value **values = NEW_ARRAY(node->importer->arena, Value *, node->input_count);
  for (int i = 0; i < node->input_count; i++) values[i] = onnx_input(node, i);
  if (node->version >= 4 && !onnx_attribute(node, "axis"))
    return onnx_error(node, "attribute 'axis' is missing");
  if (!onnx_axis(node, onnx_int(node, "axis", 1), values[0]->type.rank, &axis)) return false;
  if (node->input_count == 1) return onnx_output(node, 0, values[0]);
  return onnx_output(node, 0, build_concat(&node->builder, values, node->input_count, axis));
}

// --- trilu

// The elements with column - row >= k (or <= k), zero elsewhere.
static Value *trilu_by_run(OnnxNode *node, Value *x) {
  int64_t count;
  int rank = x->type.rank;
  Value *k = onnx_integer_list(node, 1, &count);
  if (!k) return NULL;
  if (count != 1 || rank < 2)
    return onnx_error(node, "k has %lld elements, x has rank %d", (long long)count, rank), NULL;
  Value *rows = onnx_positions(node, x->type.dims[rank - 2]);
  rows = onnx_unsqueeze(node, rows, (int64_t[]){1}, 1);
  Value *away = onnx_binary(node, OP_SUB, onnx_positions(node, x->type.dims[rank - 1]), rows);
  bool upper = onnx_int(node, "upper", 1) != 0;
  Value *kept =
      upper ? onnx_binary(node, OP_LESS_EQUAL, k, away) : onnx_binary(node, OP_LESS_EQUAL, away, k);
  Value *zero = onnx_scalar_like(node, x, 0);
  return onnx_where(node, kept, x, zero);
}

bool import_trilu(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  if (onnx_is_open(node, 1)) return onnx_output(node, 0, trilu_by_run(node, x));
  const int64_t *diagonal = NULL;
  int count;
  if (onnx_has_input(node, 1) && !(diagonal = onnx_ints_input(node, 1, &count))) return false;
  if (diagonal && count != 1) return onnx_error(node, "k has %d elements, wanted 1", count);
  Node *trilu = build_begin(&node->builder, OP_TRILU, &x, 1);
  node_set_int(trilu, ATTR_UPPER, onnx_int(node, "upper", 1) != 0);
  node_set_int(trilu, ATTR_BLOCK, diagonal ? diagonal[0] : 0);
  return onnx_output(node, 0, build_end(&node->builder, trilu));
}
