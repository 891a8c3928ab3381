// Resize whose scales, region or common scale only a run knows: the coordinates and weights of each
// axis are tensors that the model computes (the formulas are those of ir/resize.c), and its
// elements are gathered with them.
#include <math.h>
#include <string.h>

#include "frontend/resizing.h"

static Value *number(OnnxNode *node, double value) {
  return build_scalar(&node->builder, F64, value);
}
static Value *add(OnnxNode *node, Value *a, Value *b) { return onnx_binary(node, OP_ADD, a, b); }
static Value *sub(OnnxNode *node, Value *a, Value *b) { return onnx_binary(node, OP_SUB, a, b); }
static Value *mul(OnnxNode *node, Value *a, Value *b) { return onnx_binary(node, OP_MUL, a, b); }
static Value *divided(OnnxNode *node, Value *a, Value *b) {
  return onnx_binary(node, OP_DIV, a, b);
}
static Value *real_dim(OnnxNode *node, const Dim *dim) {
  return onnx_convert(node, onnx_dim_scalar(node, dim), F64);
}

// --- what a run finds

// An operand of numbers, as many as wanted.
static Value *real_list(OnnxNode *node, int index, int64_t wanted, const char *what) {
  Value *list = onnx_has_input(node, index) ? onnx_input(node, index) : NULL;
  if (!list || list->type.rank != 1 || !element_is_float(list->type.element)) {
    onnx_error(node, "%s are %s, wanted a list of %lld numbers", what,
               list ? type_text(node->importer->arena, &list->type) : "missing", (long long)wanted);
    return NULL;
  }
  const Dim *count = import_dim(node->importer, wanted);
  return onnx_of_shape(node, list, what, 1, &count);
}

// An element that is a constant though others may not be; false: it is not.
static bool constant_element(Importer *importer, Value *list, int64_t index, double *value) {
  Tensor tensor;
  list = onnx_list_piece(list, &index);
  if (!import_constant_value(importer, list, &tensor)) return false;
  *value = element_load(tensor.element, tensor.data, index);
  return true;
}

const Dim *resize_run_size(OnnxNode *node, const Dim *dim, Value *scale) {
  Value *size = onnx_convert(node, onnx_dim_scalar(node, dim), F32);
  Value *product = mul(node, size, onnx_convert(node, scale, F32));
  Value *whole = onnx_convert(node, onnx_unary(node, OP_FLOOR, product), I64);
  return whole ? onnx_measured_dim(node, whole) : NULL;
}

bool resize_run_scales(OnnxNode *node, const Type *x, int index, Resizing *resizing) {
  Value *list = real_list(node, index, resizing->axis_count, "the scales");
  if (!list) return false;
  resizing->has_scales = true;
  for (int i = 0; i < resizing->axis_count; i++) {
    int64_t axis = resizing->axes[i];
    double known;
    if (constant_element(node->importer, list, i, &known) && known == 1) continue;
    Value *scale = onnx_list_element(node, list, i);
    resizing->run_scales[axis] = onnx_convert(node, scale, F64);
    if (!scale || !(resizing->sizes[axis] = resize_run_size(node, x->dims[axis], scale)))
      return false;
    resizing->by_run = true;
  }
  return true;
}

bool resize_run_roi(OnnxNode *node, int index, Resizing *resizing) {
  Value *list = real_list(node, index, 2 * resizing->axis_count, "the region of interest");
  for (int i = 0; list && i < 2 * resizing->axis_count; i++) {
    bool end = i >= resizing->axis_count;
    int64_t axis = resizing->axes[end ? i - resizing->axis_count : i];
    Value *bound = onnx_convert(node, onnx_list_element(node, list, i), F64);
    if (!bound) return false;
    resizing->run_roi[axis + (end ? resizing->rank : 0)] = bound;
  }
  resizing->by_run = true;
  return list != NULL;
}

bool resize_run_aspect(OnnxNode *node, const Type *x, bool larger, Resizing *resizing) {
  Value *scale = NULL;
  for (int i = 0; i < resizing->axis_count; i++) {
    int64_t axis = resizing->axes[i];
    Value *ratio =
        divided(node, real_dim(node, resizing->sizes[axis]), real_dim(node, x->dims[axis]));
    scale = i ? onnx_binary(node, larger ? OP_MAX : OP_MIN, scale, ratio) : ratio;
  }
  for (int i = 0; scale && i < resizing->axis_count; i++) {
    int64_t axis = resizing->axes[i];
    Value *size = add(node, mul(node, scale, real_dim(node, x->dims[axis])), number(node, 0.5));
    Value *whole = onnx_convert(node, onnx_unary(node, OP_FLOOR, size), I64);
    if (!whole || !(resizing->sizes[axis] = onnx_measured_dim(node, whole))) return false;
    resizing->run_scales[axis] = scale;
  }
  resizing->has_scales = resizing->by_run = true;
  return scale != NULL;
}

// --- one axis

typedef struct Axis {
  OnnxNode *node;
  const char *mode, *coordinates, *nearest;
  Value *in, *out, *scale, *start, *end; // f64 of rank 0
  const Dim *size;                       // of the result
  double cubic;
  bool antialias, exclude_outside;
} Axis;

static bool is_mode(const char *mode, const char *other) { return strcmp(mode, other) == 0; }

static Value *crop_coordinates(const Axis *a, Value *place) {
  OnnxNode *node = a->node;
  Value *one = number(node, 1), *last = sub(node, a->in, one);
  Value *middle = mul(node, mul(node, add(node, a->start, a->end), number(node, 0.5)), last);
  Value *step = divided(node, mul(node, sub(node, a->end, a->start), last), sub(node, a->out, one));
  Value *along = add(node, mul(node, a->start, last), mul(node, place, step));
  return onnx_where(node, onnx_binary(node, OP_LESS_EQUAL, a->out, one), middle, along);
}

// f64[out]: where the elements of the result lie in the operand.
static Value *original_coordinates(const Axis *a) {
  OnnxNode *node = a->node;
  const char *mode = a->coordinates;
  Value *place = onnx_convert(node, onnx_positions(node, a->size), F64), *half = number(node, 0.5),
        *one = number(node, 1);
  Value *single = onnx_binary(node, OP_LESS_EQUAL, a->out, one);
  Value *shifted = divided(node, add(node, place, half), a->scale);
  Value *half_pixel = sub(node, shifted, half);
  if (is_mode(mode, "half_pixel")) return half_pixel;
  if (is_mode(mode, "asymmetric")) return divided(node, place, a->scale);
  if (is_mode(mode, "tf_half_pixel_for_nn")) return shifted;
  if (is_mode(mode, "pytorch_half_pixel"))
    return onnx_where(node, single, number(node, 0), half_pixel);
  if (is_mode(mode, "align_corners")) {
    Value *scaled = sub(node, mul(node, a->scale, a->in), one);
    Value *along = divided(node, mul(node, place, sub(node, a->in, one)), scaled);
    return onnx_where(node, single, number(node, 0), along);
  }
  if (is_mode(mode, "half_pixel_symmetric")) {
    Value *adjustment = divided(node, a->out, mul(node, a->scale, a->in));
    Value *middle = mul(node, mul(node, a->in, half), sub(node, one, adjustment));
    return add(node, middle, half_pixel);
  }
  if (is_mode(mode, "tf_crop_and_resize")) return crop_coordinates(a, place);
  onnx_error(node, "coordinate_transformation_mode '%s'", mode);
  return NULL;
}

static Value *clamped_index(const Axis *a, Value *x) {
  OnnxNode *node = a->node;
  Value *last = sub(node, a->in, number(node, 1));
  Value *inside = onnx_binary(node, OP_MAX, onnx_binary(node, OP_MIN, x, last), number(node, 0));
  return onnx_convert(node, inside, I64);
}

static Value *nearest_index(const Axis *a, Value *x) {
  OnnxNode *node = a->node;
  Value *half = number(node, 0.5);
  if (is_mode(a->nearest, "floor")) return clamped_index(a, onnx_unary(node, OP_FLOOR, x));
  if (is_mode(a->nearest, "ceil")) return clamped_index(a, onnx_unary(node, OP_CEIL, x));
  bool up = is_mode(a->nearest, "round_prefer_ceil");
  if (!up && !is_mode(a->nearest, "round_prefer_floor"))
    return onnx_error(node, "nearest_mode '%s'", a->nearest), NULL;
  return clamped_index(a, up ? onnx_unary(node, OP_FLOOR, add(node, x, half))
                             : onnx_unary(node, OP_CEIL, sub(node, x, half)));
}

// ((p x + q) x + r) x + s
static Value *polynomial(OnnxNode *node, Value *x, double p, double q, double r, double s) {
  Value *y = add(node, mul(node, x, number(node, p)), number(node, q));
  y = add(node, mul(node, y, x), number(node, r));
  return add(node, mul(node, y, x), number(node, s));
}

static Value *kernel_weight(const Axis *a, Value *x) {
  OnnxNode *node = a->node;
  x = onnx_unary(node, OP_ABS, x);
  if (!is_mode(a->mode, "cubic"))
    return onnx_binary(node, OP_MAX, sub(node, number(node, 1), x), number(node, 0));
  double c = a->cubic;
  Value *near = polynomial(node, x, c + 2, -(c + 3), 0, 1),
        *far = polynomial(node, x, c, -5 * c, 8 * c, -4 * c);
  Value *outer =
      onnx_where(node, onnx_binary(node, OP_LESS, x, number(node, 2)), far, number(node, 0));
  return onnx_where(node, onnx_binary(node, OP_LESS_EQUAL, x, number(node, 1)), near, outer);
}

// How many elements of the operand one of the result sees: more than 2 or 4 with antialias.
static const Dim *tap_count(const Axis *a, Value *stretch) {
  OnnxNode *node = a->node;
  double radius = is_mode(a->mode, "cubic") ? 2 : 1;
  if (!stretch) return import_dim(node->importer, (int64_t)(2 * radius));
  Value *wide = onnx_unary(node, OP_CEIL, divided(node, number(node, radius), stretch));
  Value *most = mul(node, onnx_binary(node, OP_MAX, a->in, number(node, 1)), number(node, 2));
  Value *taps = mul(node, onnx_binary(node, OP_MIN, wide, most), number(node, 2));
  Value *count = onnx_convert(node, taps, I64);
  return count ? onnx_measured_dim(node, count) : NULL;
}

// f64[out, taps]: the weights; *index gets i64[out, taps].
static Value *weights_of(const Axis *a, Value *x, Value **index) {
  OnnxNode *node = a->node;
  Value *stretch = a->antialias ? onnx_binary(node, OP_MIN, a->scale, number(node, 1)) : NULL;
  const Dim *taps = tap_count(a, stretch);
  if (!taps) return NULL;
  x = onnx_unsqueeze(node, x, (int64_t[]){1}, 1);
  Value *half = mul(node, real_dim(node, taps), number(node, 0.5));
  Value *first = sub(node, add(node, onnx_unary(node, OP_FLOOR, x), number(node, 1)), half);
  Value *at = add(node, first, onnx_convert(node, onnx_positions(node, taps), F64));
  Value *away = sub(node, at, x);
  Value *weight = kernel_weight(a, stretch ? mul(node, away, stretch) : away);
  *index = clamped_index(a, at);
  if (a->exclude_outside) {
    Value *zero = number(node, 0), *last = sub(node, a->in, number(node, 1));
    Value *outside = onnx_binary(node, OP_OR, onnx_binary(node, OP_LESS, at, zero),
                                 onnx_binary(node, OP_LESS, last, at));
    weight = onnx_where(node, outside, zero, weight);
  }
  if (!stretch && !a->exclude_outside) return weight;
  return divided(node, weight, onnx_reduce_one(node, OP_REDUCE_SUM, weight, 1, true));
}

// With `rest` axes of size 1 behind.
static Value *with_ones(OnnxNode *node, Value *x, int rest) {
  int64_t axes[MAX_RANK];
  for (int i = 0; x && i < rest; i++) axes[i] = x->type.rank + i;
  return onnx_unsqueeze(node, x, axes, rest);
}

static Value *resample(const Axis *a, Value *x, int axis, Value *place) {
  OnnxNode *node = a->node;
  int rank = x->type.rank;
  if (is_mode(a->mode, "nearest"))
    return onnx_gather(node, x, nearest_index(a, place), axis, false);
  if (rank == MAX_RANK)
    return onnx_error(node, "of rank %d with scales that only a run knows", rank), NULL;
  Value *index, *weight = weights_of(a, place, &index);
  Value *taps = weight ? onnx_gather(node, x, index, axis, false) : NULL;
  weight = with_ones(node, onnx_convert(node, weight, x->type.element), rank - axis - 1);
  return onnx_reduce_one(node, OP_REDUCE_SUM, mul(node, taps, weight), axis + 1, false);
}

static Value *or_number(OnnxNode *node, Value *value, double otherwise) {
  return value ? value : number(node, otherwise);
}

static bool begin_axis(Axis *a, const Type *x, const Resizing *resizing, int axis) {
  OnnxNode *node = a->node;
  a->size = resizing->sizes[axis];
  a->in = real_dim(node, x->dims[axis]);
  a->out = real_dim(node, a->size);
  a->scale = resizing->has_scales
                 ? or_number(node, resizing->run_scales[axis], resizing->scales[axis])
                 : divided(node, a->out, a->in);
  int end = axis + resizing->rank;
  a->start = or_number(node, resizing->run_roi[axis], resizing->has_roi ? resizing->roi[axis] : 0);
  a->end = or_number(node, resizing->run_roi[end], resizing->has_roi ? resizing->roi[end] : 1);
  return a->in && a->out && a->scale && a->start && a->end;
}

// Does the axis stay as it is?
static bool stays(const Type *x, const Resizing *resizing, int axis, bool crop) {
  bool listed = false;
  for (int i = 0; i < resizing->axis_count; i++) listed |= resizing->axes[i] == axis;
  return !listed ||
         (!crop && resizing->sizes[axis] == x->dims[axis] && !resizing->run_scales[axis] &&
          (!resizing->has_scales || resizing->scales[axis] == 1));
}

// bool, broadcast over the other axes: coordinates outside of the operand.
static Value *outside_of(const Axis *a, Value *place, int rest) {
  OnnxNode *node = a->node;
  Value *last = sub(node, a->in, number(node, 1));
  Value *below = onnx_binary(node, OP_LESS, place, number(node, 0)),
        *above = onnx_binary(node, OP_LESS, last, place);
  return with_ones(node, onnx_binary(node, OP_OR, below, above), rest);
}

Value *resize_by_run(OnnxNode *node, Value *x, const Resizing *resizing, const char *coordinates) {
  Axis a = {.node = node,
            .mode = onnx_string(node, "mode", "nearest"),
            .coordinates = coordinates,
            .nearest = onnx_string(node, "nearest_mode",
                                   node->version < 11 ? "floor" : "round_prefer_floor"),
            .cubic = onnx_float(node, "cubic_coeff_a", -0.75),
            .exclude_outside = onnx_int(node, "exclude_outside", 0) != 0,
            .antialias = onnx_int(node, "antialias", 0) != 0};
  const Type from = x->type;
  bool nearest = is_mode(a.mode, "nearest"), crop = is_mode(coordinates, "tf_crop_and_resize");
  if (!nearest && !is_mode(a.mode, "linear") && !is_mode(a.mode, "bilinear") &&
      !is_mode(a.mode, "cubic"))
    return onnx_error(node, "mode '%s'", a.mode), NULL;
  if (!nearest && !onnx_is_number(from.element))
    return onnx_error(node, "mode %s of %s", a.mode, element_info[from.element].text), NULL;
  bool narrow = element_is_float(from.element) && from.element != F64;
  if (!nearest) x = onnx_convert(node, x, narrow ? F32 : F64);
  Value *outside = NULL;
  for (int axis = 0; x && axis < from.rank; axis++) {
    if (stays(&from, resizing, axis, crop)) continue;
    Value *place = begin_axis(&a, &from, resizing, axis) ? original_coordinates(&a) : NULL;
    if (!place) return NULL;
    x = resample(&a, x, axis, place);
    if (!crop) continue;
    Value *mine = outside_of(&a, place, from.rank - axis - 1);
    outside = outside ? onnx_binary(node, OP_OR, outside, mine) : mine;
  }
  x = onnx_convert(node, x, from.element);
  if (!outside || !x) return x;
  return onnx_where(node, outside,
                    onnx_scalar_like(node, x, onnx_float(node, "extrapolation_value", 0)), x);
}
