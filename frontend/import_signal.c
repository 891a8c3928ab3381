// Signals: DFT and STFT as products with constant matrices, MelWeightMatrix, Col2Im.
#include <math.h>
#include <string.h>

#include "frontend/import.h"

enum { MAX_MATRIX = 1 << 24 };

typedef struct Transform {
  int64_t length, bins;    // points in time, rows of the result
  int in_parts, out_parts; // 1: real numbers, 2: pairs
  bool inverse, half;      // half: the input (inverse) is the non-negative half of a spectrum
} Transform;

// The entry of the matrix for input (n, part) and output (k, part).
static double transform_entry(const Transform *t, int64_t n, int in_part, int64_t k, int out_part) {
  double angle = 2 * acos(-1) * (double)(n * k % t->length) / (double)t->length,
         sign = t->inverse ? 1 : -1;
  double weight = t->inverse ? 1 / (double)t->length : 1;
  if (t->half && n > 0 && 2 * n != t->length) weight *= 2; // the other half is its mirror image
  double real = cos(angle) * weight, imaginary = sign * sin(angle) * weight;
  if (in_part == 0) return out_part == 0 ? real : imaginary;
  return out_part == 0 ? -imaginary : real;
}

static Value *transform_matrix(OnnxNode *node, const Transform *t, int64_t points,
                               ElementType element) {
  int64_t rows = points * t->in_parts, columns = t->bins * t->out_parts;
  if (rows < 1 || columns < 1 || rows > MAX_MATRIX / columns)
    return onnx_error(node, "a transform of length %lld", (long long)t->length), NULL;
  Tensor matrix = tensor_create(node->importer->arena, element, 2, (int64_t[]){rows, columns});
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      element_store(element, matrix.data, r * columns + c,
                    transform_entry(t, r / t->in_parts, (int)(r % t->in_parts), c / t->out_parts,
                                    (int)(c % t->out_parts)));
  return build_constant_tensor(&node->builder, &matrix,
                               arena_printf(node->importer->arena, "%s.transform", node->loc.node));
}

// The axis before the last to `length` points: cut, or filled with zeros.
static Value *fit_length(OnnxNode *node, Value *x, int64_t size, int64_t length) {
  int axis = x->type.rank - 2;
  if (size == length) return x;
  if (size > length)
    return build_slice_axis(&node->builder, x, axis, import_dim(node->importer, 0),
                            import_dim(node->importer, length), 1);
  int64_t pads[2 * MAX_RANK] = {0};
  pads[x->type.rank + axis] = length - size;
  Node *pad = build_begin(&node->builder, OP_PAD, &x, 1);
  node_set_ints(pad, ATTR_PADS, pads, 2 * x->type.rank);
  return build_end(&node->builder, pad);
}

// x [.., points, parts] -> [.., bins, parts]
static Value *apply_transform(OnnxNode *node, Value *x, const Transform *t, int64_t points) {
  int rank = x->type.rank;
  const Dim *dims[MAX_RANK];
  Value *matrix = transform_matrix(node, t, points, x->type.element);
  if (!matrix) return NULL;
  for (int i = 0; i < rank; i++) dims[i] = x->type.dims[i];
  dims[rank - 2] = import_dim(node->importer, points * t->in_parts);
  Value *flat = build_reshape(&node->builder, x, rank - 1, dims);
  if (flat && flat->type.rank == 1) flat = onnx_unsqueeze(node, flat, (int64_t[]){0}, 1);
  Value *product = flat ? build_matmul(&node->builder, flat, matrix, NULL) : NULL;
  dims[rank - 2] = import_dim(node->importer, t->bins);
  dims[rank - 1] = import_dim(node->importer, t->out_parts);
  return product ? build_reshape(&node->builder, product, rank, dims) : NULL;
}

static Value *swap_axes(OnnxNode *node, Value *x, int a, int b) {
  int64_t perm[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  perm[a] = b;
  perm[b] = a;
  return x ? build_transpose(&node->builder, x, perm) : NULL;
}

static bool scalar_input(OnnxNode *node, int index, int64_t *value) {
  int count;
  if (!onnx_has_input(node, index)) return true;
  const int64_t *values = onnx_ints_input(node, index, &count);
  if (!values) return false;
  *value = values[0];
  return count == 1 || onnx_error(node, "input %d has %d elements, wanted 1", index, count);
}

bool import_dft(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis, rank = x->type.rank;
  int64_t axis_number = node->version >= 20 ? -2 : onnx_int(node, "axis", 1), size, parts,
          length = -1;
  bool onesided = onnx_int(node, "onesided", 0) != 0;
  if (node->version >= 20 && !scalar_input(node, 2, &axis_number)) return false;
  if (!onnx_axis(node, axis_number, rank, &axis) || !scalar_input(node, 1, &length)) return false;
  if (rank < 2 || axis == rank - 1) return onnx_error(node, "axis %d of rank %d", axis, rank);
  if (!dim_is_constant(x->type.dims[axis], &size) ||
      !dim_is_constant(x->type.dims[rank - 1], &parts) || parts < 1 || parts > 2)
    return onnx_error(node, "the axis must be static and the last dim 1 or 2");
  Transform t = {
      .inverse = onnx_int(node, "inverse", 0) != 0, .in_parts = (int)parts, .out_parts = 2};
  t.half = t.inverse && onesided;
  t.length = length >= 0 ? length : t.half ? 2 * (size - 1) : size;
  if (t.length < 1 || t.length > MAX_MATRIX)
    return onnx_error(node, "a transform of length %lld", (long long)t.length);
  t.bins = onesided && !t.inverse ? t.length / 2 + 1 : t.length;
  if (t.half) t.out_parts = 1;
  int64_t points = t.half ? t.length / 2 + 1 : t.length;
  Value *moved = swap_axes(node, x, axis, rank - 2);
  Value *fitted = moved ? fit_length(node, moved, size, points) : NULL;
  Value *result = fitted ? apply_transform(node, fitted, &t, points) : NULL;
  return onnx_output(node, 0, swap_axes(node, result, axis, rank - 2));
}

// Element p of frame i stands at i * step + p: [frames, length] positions in the signal.
static Value *frame_positions(OnnxNode *node, const Dim *frames, int64_t step, int64_t length) {
  Value *starts = onnx_positions(node, frames),
        *inside = onnx_positions(node, import_dim(node->importer, length));
  starts = starts ? onnx_binary(node, OP_MUL, starts, onnx_integer(node, step)) : NULL;
  starts = starts ? onnx_unsqueeze(node, starts, (int64_t[]){1}, 1) : NULL;
  return starts && inside ? onnx_binary(node, OP_ADD, starts, inside) : NULL;
}

// Frames by gathering, times the window, transformed.
bool import_stft(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *window = onnx_input(node, 2);
  DimTable *dims = node->importer->dims;
  int64_t step = 0, size, parts, length = -1;
  if (x->type.rank == 2) x = onnx_unsqueeze(node, x, (int64_t[]){2}, 1); // as ONNX Runtime has it
  if (!x) return false;
  if (x->type.rank != 3 || !dim_is_constant(x->type.dims[2], &parts) || parts < 1 || parts > 2)
    return onnx_error(node, "the signal must be [batch, length] or [batch, length, 1 or 2]");
  bool known = dim_is_constant(x->type.dims[1], &size);
  if (!scalar_input(node, 1, &step) || !scalar_input(node, 3, &length)) return false;
  if (length < 0 &&
      (!window || window->type.rank != 1 || !dim_is_constant(window->type.dims[0], &length))) {
    if (!known) return onnx_error(node, "neither the frames nor the signal have a known length");
    length = size;
  }
  if (step < 1 || length < 1 || length > MAX_MATRIX || (known && length > size))
    return onnx_error(node, "frames of %lld by %lld in %s", (long long)length, (long long)step,
                      dim_text(node->importer->arena, x->type.dims[1]));
  const Dim *room = dim_add_int(dims, x->type.dims[1], step - length);
  const Dim *frames = dim_max(dims, import_dim(node->importer, 0),
                              dim_floordiv(dims, room, import_dim(node->importer, step)));
  if (known && dim_value(frames) > MAX_MATRIX / length)
    return onnx_error(node, "%lld frames", (long long)dim_value(frames));
  Value *positions = frame_positions(node, frames, step, length);
  Value *cut = onnx_gather(node, x, positions, 1, true);
  if (window) cut = onnx_binary(node, OP_MUL, cut, onnx_unsqueeze(node, window, (int64_t[]){1}, 1));
  bool onesided = onnx_int(node, "onesided", 1) != 0;
  Transform t = {.length = length,
                 .bins = onesided ? length / 2 + 1 : length,
                 .in_parts = (int)parts,
                 .out_parts = 2};
  return cut && onnx_output(node, 0, apply_transform(node, cut, &t, length));
}

// --- mel filters

static double mel(double hertz) { return 2595 * log10(1 + hertz / 700); }
static double hertz(double mel_value) { return 700 * (pow(10, mel_value / 2595) - 1); }

static void fill_mel(const Tensor *matrix, int64_t bins, int64_t spectrum, const int64_t *edges) {
  for (int64_t i = 0; i < bins; i++) {
    int64_t low = edges[i], centre = edges[i + 1], high = edges[i + 2];
    for (int64_t k = low; k <= high; k++) {
      if (k < 0 || k >= spectrum) continue;
      double value = k < centre    ? (double)(k - low) / (double)(centre - low)
                     : k == centre ? 1
                                   : (double)(high - k) / (double)(high - centre);
      if (k < high || k == centre)
        element_store(matrix->element, matrix->data, k * bins + i, value);
    }
  }
}

bool import_mel_weight_matrix(OnnxNode *node) {
  Tensor inputs[5];
  double numbers[5];
  for (int i = 0; i < 5; i++) {
    if (!onnx_constant_input(node, i, &inputs[i]) || tensor_count(&inputs[i]) != 1)
      return onnx_error(node, "input %d must be a constant number", i);
    numbers[i] = element_load(inputs[i].element, inputs[i].data, 0);
  }
  int64_t bins = (int64_t)numbers[0], spectrum = (int64_t)numbers[1] / 2 + 1;
  ElementType element = onnx_number_type(onnx_int(node, "output_datatype", 1));
  if (bins < 1 || bins > 1 << 12 || spectrum < 1 || spectrum > 1 << 12 || !(numbers[2] > 0) ||
      element == ELEMENT_NONE)
    return onnx_error(node, "%lld mel bins of %lld frequencies", (long long)bins,
                      (long long)spectrum);
  int64_t *edges = NEW_ARRAY(node->importer->arena, int64_t, bins + 2);
  double low = mel(numbers[3]), step = (mel(numbers[4]) - low) / (double)(bins + 2);
  for (int64_t i = 0; i < bins + 2; i++) {
    double edge = floor((numbers[1] + 1) * hertz(low + step * (double)i) / numbers[2]);
    edges[i] = edge<0 ? 0 : edge>(double) spectrum ? spectrum : (int64_t)edge;
  }
  Tensor matrix = tensor_create(node->importer->arena, element, 2, (int64_t[]){spectrum, bins});
  fill_mel(&matrix, bins, spectrum, edges);
  return onnx_output(node, 0, build_constant_tensor(&node->builder, &matrix, node->loc.node));
}

// --- Col2Im: each column entry is added at its place of the image

typedef struct Columns {
  int spatial;
  const int64_t *image, *block, *strides, *pads, *dilations;
  int64_t blocks[MAX_RANK], block_size, positions, pixels;
} Columns;

static bool columns_lists(OnnxNode *node, Columns *columns) {
  static const int64_t ones[MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1}, zeros[2 * MAX_RANK];
  int counts[5];
  if (!(columns->image = onnx_ints_input(node, 1, &counts[0])) ||
      !(columns->block = onnx_ints_input(node, 2, &counts[1])))
    return false;
  columns->strides = onnx_ints(node, "strides", &counts[2]);
  columns->pads = onnx_ints(node, "pads", &counts[3]);
  columns->dilations = onnx_ints(node, "dilations", &counts[4]);
  int n = columns->spatial = counts[0];
  if (n < 1 || n > 6 || counts[1] != n || (columns->strides && counts[2] != n) ||
      (columns->pads && counts[3] != 2 * n) || (columns->dilations && counts[4] != n))
    return onnx_error(node, "the lists of image, block, strides, pads and dilations do not fit");
  if (!columns->strides) columns->strides = ones;
  if (!columns->pads) columns->pads = zeros;
  if (!columns->dilations) columns->dilations = ones;
  return true;
}

static bool columns_sizes(OnnxNode *node, Columns *columns) {
  columns->block_size = columns->positions = columns->pixels = 1;
  for (int i = 0; i < columns->spatial; i++) {
    int64_t image = columns->image[i], block = columns->block[i], begin = columns->pads[i],
            end = columns->pads[columns->spatial + i];
    if (image < 1 || image > 1 << 16 || block < 1 || block > 1 << 12 || columns->strides[i] < 1 ||
        columns->strides[i] > 1 << 16 || columns->dilations[i] < 1 ||
        columns->dilations[i] > 1 << 12 || begin < 0 || end < 0 || begin > 1 << 16 || end > 1 << 16)
      return onnx_error(node, "image %lld, block %lld of axis %d", (long long)image,
                        (long long)block, i);
    columns->blocks[i] =
        (image + begin + end - columns->dilations[i] * (block - 1) - 1) / columns->strides[i] + 1;
    columns->block_size *= block;
    columns->positions *= columns->blocks[i];
    columns->pixels *= image;
    if (columns->blocks[i] < 1 || columns->pixels > MAX_MATRIX ||
        columns->block_size * columns->positions > MAX_MATRIX)
      return onnx_error(node, "the image is too large");
  }
  return true;
}

// The pixel of entry (block element, position); -1: in the padding.
static int64_t column_pixel(const Columns *columns, int64_t element, int64_t position) {
  int64_t pixel = 0, factor = 1;
  for (int i = columns->spatial - 1; i >= 0; i--) {
    int64_t at = position % columns->blocks[i] * columns->strides[i] - columns->pads[i] +
                 element % columns->block[i] * columns->dilations[i];
    if (at < 0 || at >= columns->image[i]) return -1;
    pixel += at * factor;
    factor *= columns->image[i];
    position /= columns->blocks[i];
    element /= columns->block[i];
  }
  return pixel;
}

bool import_col2im(OnnxNode *node) {
  Columns columns;
  if (!onnx_need_inputs(node, 3) || !columns_lists(node, &columns) ||
      !columns_sizes(node, &columns))
    return false;
  Importer *importer = node->importer;
  Value *x = onnx_input(node, 0);
  if (x->type.rank != 3) return onnx_error(node, "input of rank %d, wanted 3", x->type.rank);
  int64_t total = columns.block_size * columns.positions, kept = 0;
  int64_t *sources = NEW_ARRAY(importer->arena, int64_t, total + 1),
          *pixels = NEW_ARRAY(importer->arena, int64_t, total + 1);
  for (int64_t i = 0; i < total; i++) {
    int64_t pixel = column_pixel(&columns, i / columns.positions, i % columns.positions);
    if (pixel >= 0) sources[kept] = i, pixels[kept++] = pixel;
  }
  const Dim *channels =
      dim_floordiv(importer->dims, x->type.dims[1], import_dim(importer, columns.block_size));
  const Dim *entries[3] = {x->type.dims[0], channels, import_dim(importer, kept)},
            *image[MAX_RANK] = {x->type.dims[0], channels, import_dim(importer, columns.pixels)};
  Value *flat =
      build_reshape(&node->builder, x, 3,
                    (const Dim *[]){x->type.dims[0], channels, import_dim(importer, total)});
  Value *chosen = build_ints(&node->builder, sources, kept),
        *places = build_ints(&node->builder, pixels, kept);
  Value *updates = onnx_gather(node, flat, chosen, 2, true), *zero = onnx_scalar_like(node, x, 0);
  Value *empty = zero ? build_expand(&node->builder, zero, 3, image) : NULL;
  Value *index = build_expand(&node->builder, places, 3, entries);
  Node *scatter = updates && empty && index ? build_begin(&node->builder, OP_SCATTER_ELEMENTS,
                                                          (Value *[]){empty, index, updates}, 3)
                                            : NULL;
  if (!scatter) return false;
  node_set_int(scatter, ATTR_AXIS, 2);
  node_set_string(scatter, ATTR_REDUCTION, "add");
  Value *sums = build_end(&node->builder, scatter);
  for (int i = 0; i < columns.spatial; i++) image[2 + i] = import_dim(importer, columns.image[i]);
  return onnx_output(node, 0,
                     sums ? build_reshape(&node->builder, sums, 2 + columns.spatial, image) : NULL);
}
