// Quantized operators of the domain com.microsoft: real numbers between dequantizing and
// quantizing, and products with weights of few bits.
#include "frontend/import.h"
#include "frontend/import_window.h"

static Value *with_float(OnnxNode *node, OpCode op, Value *x, AttributeId id, double value) {
  Node *result = x ? build_begin(&node->builder, op, &x, 1) : NULL;
  if (!result) return NULL;
  node_set_float(result, id, value);
  return build_end(&node->builder, result);
}

static Value *real_input(OnnxNode *node, int index) { // codes, scale, zero point
  Value *codes = onnx_input(node, index), *scale = onnx_input(node, index + 1),
        *zero = onnx_input(node, index + 2);
  Value *real = onnx_convert(node, codes, F32);
  if (zero) real = onnx_binary(node, OP_SUB, real, onnx_convert(node, zero, F32));
  return onnx_binary(node, OP_MUL, real, scale);
}

static Value *quantized(OnnxNode *node, Value *real, int index,
                        ElementType otherwise) { // scale, zero point
  Value *scale = onnx_input(node, index), *zero = onnx_input(node, index + 1);
  ElementType element = zero ? zero->type.element : otherwise;
  if (element_info[element].bits != 8 || !element_is_integer(element))
    return onnx_error(node, "a result of %s", element_info[element].text), NULL;
  Value *code = onnx_unary(node, OP_ROUND, onnx_binary(node, OP_DIV, real, scale));
  if (zero) code = onnx_binary(node, OP_ADD, code, onnx_convert(node, zero, F32));
  Node *clip = code ? build_begin(&node->builder, OP_CLIP, &code, 1) : NULL;
  if (!clip) return NULL;
  node_set_float(clip, ATTR_LOW, element_is_signed(element) ? -128 : 0);
  node_set_float(clip, ATTR_HIGH, element_is_signed(element) ? 127 : 255);
  return onnx_convert(node, build_end(&node->builder, clip), element);
}

bool import_qlinear_binary(
    OnnxNode *node) { // a, scale, zero, b, scale, zero, scale of the result, zero
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3) || !onnx_has_input(node, 4) ||
      !onnx_has_input(node, 6))
    return onnx_error(node, "an input is missing");
  Value *sum =
      onnx_binary(node, (OpCode)node->row->argument, real_input(node, 0), real_input(node, 3));
  return onnx_output(node, 0, quantized(node, sum, 6, onnx_input(node, 0)->type.element));
}

bool import_qlinear_unary(OnnxNode *node) { // x, scale, zero, scale of the result, zero
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3))
    return onnx_error(node, "an input is missing");
  OpCode op = (OpCode)node->row->argument;
  Value *x = real_input(node, 0);
  Value *y = op == OP_LEAKY_RELU
                 ? with_float(node, op, x, ATTR_ALPHA, onnx_float(node, "alpha", 0.01))
                 : onnx_unary(node, op, x);
  return onnx_output(node, 0, quantized(node, y, 3, onnx_input(node, 0)->type.element));
}

bool import_qlinear_global_pool(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2) || !onnx_has_input(node, 3))
    return onnx_error(node, "an input is missing");
  Value *x = real_input(node, 0);
  bool last = onnx_int(node, "channels_last", 0) != 0;
  if (!x || x->type.rank < 3)
    return x && onnx_error(node, "input of rank %d, wanted 3 or more", x->type.rank);
  int64_t axes[MAX_RANK];
  for (int i = 2; i < x->type.rank; i++) axes[i - 2] = last ? i - 1 : i;
  Value *mean = build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, x->type.rank - 2, true);
  return onnx_output(node, 0, quantized(node, mean, 3, onnx_input(node, 0)->type.element));
}

bool import_qlinear_concat(
    OnnxNode *node) { // scale, zero of the result, then codes, scale, zero each
  int count = (node->input_count - 2) / 3, axis;
  if (count < 1 || !onnx_has_input(node, 0) || !onnx_has_input(node, 2))
    return onnx_error(node, "an input is missing");
  if (!onnx_axis(node, onnx_int(node, "axis", 0), onnx_input(node, 2)->type.rank, &axis))
    return false;
  Value **parts = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < count; i++) {
    if (!onnx_has_input(node, 2 + 3 * i) || !onnx_has_input(node, 3 + 3 * i))
      return onnx_error(node, "input %d is missing", 2 + 3 * i);
    if (!(parts[i] = real_input(node, 2 + 3 * i))) return false;
  }
  return onnx_output(node, 0,
                     quantized(node, build_concat(&node->builder, parts, count, axis), 0, U8));
}

// x, scale, zero, scale of the result, zero
static bool check_one_operand(OnnxNode *node) {
  return onnx_need_inputs(node, 2) &&
         (onnx_has_input(node, 3) || onnx_error(node, "the scale of the result is missing"));
}

static bool output_quantized(OnnxNode *node, Value *real) {
  return onnx_output(node, 0, quantized(node, real, 3, onnx_input(node, 0)->type.element));
}

// Before version 13 of Softmax all axes from `axis` on were one.
bool import_qlinear_softmax(OnnxNode *node) {
  int axis;
  if (!check_one_operand(node)) return false;
  Value *x = real_input(node, 0);
  bool flat = onnx_int(node, "opset", 13) < 13;
  if (!x || !onnx_axis(node, onnx_int(node, "axis", flat ? 1 : -1), x->type.rank, &axis))
    return false;
  Type type = x->type;
  const Dim *dims[MAX_RANK], *rest = import_dim(node->importer, 1);
  for (int i = 0; i < type.rank; i++) {
    dims[i] = type.dims[i];
    if (i >= axis) rest = dim_mul(node->importer->dims, rest, type.dims[i]);
  }
  if (flat) {
    dims[axis] = rest;
    x = build_reshape(&node->builder, x, axis + 1, dims);
  }
  Node *softmax = x ? build_begin(&node->builder, OP_SOFTMAX, &x, 1) : NULL;
  if (!softmax) return false;
  node_set_int(softmax, ATTR_AXIS, axis);
  Value *y = build_end(&node->builder, softmax);
  if (flat && y) y = build_reshape(&node->builder, y, type.rank, type.dims);
  return output_quantized(node, y);
}

bool import_qlinear_average_pool(OnnxNode *node) {
  if (!check_one_operand(node)) return false;
  bool last = onnx_int(node, "channels_last", 0) != 0;
  Value *x = real_input(node, 0);
  Value *y = onnx_pool(node, OP_AVERAGE_POOL, last ? onnx_channels_first(node, x) : x);
  return output_quantized(node, last ? onnx_channels_last(node, y) : y);
}

bool import_qlinear_reduce_mean(OnnxNode *node) {
  if (!check_one_operand(node)) return false;
  int count;
  int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  Value *x = real_input(node, 0);
  const int64_t *given = onnx_ints(node, "axes", &count);
  if (!x || (given && count && !onnx_axes(node, given, count, x->type.rank, axes))) return false;
  if (!given || !count) count = x->type.rank;
  return output_quantized(node, build_reduce(&node->builder, OP_REDUCE_MEAN, x, axes, count,
                                             onnx_int(node, "keepdims", 1) != 0));
}

bool import_qlinear_where(
    OnnxNode *node) { // condition, x, scale, zero, y, scale, zero, scale, zero
  if (!onnx_need_inputs(node, 9)) return false;
  Value *a = real_input(node, 1), *b = real_input(node, 4);
  Value *chosen = onnx_where(node, onnx_input(node, 0), a, b);
  return onnx_output(node, 0, quantized(node, chosen, 7, U8));
}

// --- products

static Value *turned(OnnxNode *node, Value *x, bool turn) {
  return turn ? build_transpose(&node->builder, x, (int64_t[]){1, 0}) : x;
}

// a, scale, zero, b, scale, zero, c, scale and zero of the result, which is f32 without them
bool import_qgemm(OnnxNode *node) {
  if (!onnx_need_inputs(node, 5)) return false;
  Value *a = onnx_input(node, 0), *b = onnx_input(node, 3);
  if (a->type.rank != 2 || b->type.rank != 2)
    return onnx_error(node, "A has rank %d and B rank %d, wanted 2", a->type.rank, b->type.rank);
  Value *sum = onnx_matmul_integer(node, turned(node, a, onnx_int(node, "transA", 0) != 0),
                                   turned(node, b, onnx_int(node, "transB", 0) != 0),
                                   onnx_input(node, 2), onnx_input(node, 5));
  if (onnx_has_input(node, 6)) sum = onnx_binary(node, OP_ADD, sum, onnx_input(node, 6));
  Value *scale = onnx_binary(node, OP_MUL, onnx_input(node, 1), onnx_input(node, 4));
  double alpha = onnx_float(node, "alpha", 1);
  if (alpha != 1) scale = onnx_binary(node, OP_MUL, scale, onnx_scalar_like(node, scale, alpha));
  Value *real = onnx_binary(node, OP_MUL, onnx_convert(node, sum, F32), scale);
  return onnx_output(node, 0,
                     onnx_has_input(node, 7) ? quantized(node, real, 7, a->type.element) : real);
}

// a (floats, quantized here), b, scale and zero of b, bias
bool import_dynamic_quantize_matmul(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *scale, *zero, *codes = onnx_dynamic_quantize(node, onnx_input(node, 0), &scale, &zero);
  if (!codes) return false;
  Value *sum = onnx_matmul_integer(node, codes, onnx_input(node, 1), zero, onnx_input(node, 3));
  Value *real = onnx_binary(node, OP_MUL, onnx_convert(node, sum, F32),
                            onnx_binary(node, OP_MUL, scale, onnx_input(node, 2)));
  if (onnx_has_input(node, 4)) real = onnx_binary(node, OP_ADD, real, onnx_input(node, 4));
  return onnx_output(node, 0, real);
}

// (a - zero) * (b - zero) * scales + bias
bool import_matmul_integer_to_float(
    OnnxNode *node) { // a, b, scale a, scale b, zero a, zero b, bias
  if (!onnx_need_inputs(node, 4)) return false;
  Value *operands[2];
  for (int i = 0; i < 2; i++) {
    operands[i] = onnx_convert(node, onnx_input(node, i), I32);
    Value *zero = onnx_input(node, 4 + i);
    if (zero) operands[i] = onnx_binary(node, OP_SUB, operands[i], onnx_convert(node, zero, I32));
    if (!operands[i]) return false;
  }
  Value *sum =
      onnx_convert(node, build_matmul(&node->builder, operands[0], operands[1], NULL), F32);
  Value *y = onnx_binary(node, OP_MUL, sum,
                         onnx_binary(node, OP_MUL, onnx_input(node, 2), onnx_input(node, 3)));
  if (onnx_has_input(node, 6)) y = onnx_binary(node, OP_ADD, y, onnx_input(node, 6));
  return onnx_output(node, 0, y);
}

// --- weights of 2, 4 or 8 bits, each block of a row with a scale and a zero point of its own

typedef struct Blocked {
  OnnxNode *node;
  int64_t rows, blocks, size; // blocks of `size` elements in each row
  int bits;
} Blocked;

static ElementType code_type(int bits) { return bits == 2 ? U2 : bits == 4 ? U4 : U8; }

// The bytes of a constant operand as packed codes of that shape; NULL: reported.
static Value *packed_codes(const Blocked *b, int input, int rank, const int64_t *dims) {
  OnnxNode *node = b->node;
  Tensor bytes;
  int64_t wanted = b->bits;
  for (int i = 0; i < rank; i++)
    if (__builtin_mul_overflow(wanted, dims[i], &wanted))
      return onnx_error(node, "input %d would be too large", input), NULL;
  wanted /= 8;
  if (!onnx_constant_input(node, input, &bytes))
    return onnx_error(node, "input %d must be constant", input), NULL;
  if (bytes.element != U8 || (int64_t)bytes.bytes != wanted)
    return onnx_error(node, "input %d has %zu bytes of %s, wanted %lld of u8", input, bytes.bytes,
                      element_info[bytes.element].text, (long long)wanted),
           NULL;
  Type type = type_static(node->importer->dims, code_type(b->bits), rank, dims);
  return build_constant(&node->builder, type, bytes.data, onnx_input(node, input)->name);
}

// As a constant, if it is known.
static Value *folded(OnnxNode *node, Value *x) {
  Tensor tensor;
  if (!x || node->builder.failed || value_is_constant(x) ||
      !import_constant_value(node->importer, x, &tensor))
    return x;
  return build_constant_tensor(&node->builder, &tensor, x->name);
}

// Numbers of type f32 or codes, one for each block: [rows, blocks]; NULL: none are given, or
// reported.
static Value *per_block(const Blocked *b, int input) {
  OnnxNode *node = b->node;
  Value *x = onnx_input(node, input);
  int64_t dims[2] = {b->rows, b->blocks};
  if (!x) return NULL;
  if (element_is_float(x->type.element)) {
    x = build_reshape_static(&node->builder, x, 2, dims);
    return folded(node, onnx_convert(node, x, F32));
  }
  dims[1] = (b->blocks * b->bits + 7) / 8 * 8 / b->bits; // rows begin with a byte
  x = packed_codes(b, input, 2, dims);
  if (x && dims[1] != b->blocks)
    x = build_slice_axis(&node->builder, x, 1, import_dim(node->importer, 0),
                         import_dim(node->importer, b->blocks), 1);
  return folded(node, x);
}

// A, B, scales, zero points, group index, bias: A * ((B - zero) * scale)' + bias
bool import_matmul_nbits(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  int64_t k = onnx_int(node, "K", 0), n = onnx_int(node, "N", 0), bits = onnx_int(node, "bits", 4),
          size = onnx_int(node, "block_size", 0);
  if (k < 1 || n < 1 || k > INT32_MAX || n > INT32_MAX || size < 16 || size > 1 << 20 ||
      size & (size - 1))
    return onnx_error(node, "K %lld, N %lld, block_size %lld", (long long)k, (long long)n,
                      (long long)size);
  if ((bits != 2 && bits != 4 && bits != 8) || onnx_int(node, "weight_prepacked", 0))
    return onnx_unsupported(node, "bits other than 2, 4 and 8, or packed for a device");
  if (onnx_has_input(node, 4)) return onnx_unsupported(node, "g_idx");
  Blocked b = {node, n, (k + size - 1) / size, size, (int)bits};
  ElementType element = onnx_input(node, 0)->type.element;
  Value *operands[4] = {onnx_convert(node, onnx_input(node, 0), F32),
                        packed_codes(&b, 1, 3, (int64_t[]){n, b.blocks, size}), per_block(&b, 2),
                        per_block(&b, 3)};
  if (node->builder.failed || !operands[0] || !operands[1] || !operands[2] ||
      (onnx_has_input(node, 3) && !operands[3]))
    return false;
  Node *matmul = build_begin(&node->builder, OP_MATMUL_BLOCKED, operands, operands[3] ? 4 : 3);
  if (!operands[3]) node_set_float(matmul, ATTR_VALUE, 1 << (bits - 1));
  Value *y = build_end(&node->builder, matmul);
  if (onnx_has_input(node, 5))
    y = onnx_binary(node, OP_ADD, y, onnx_convert(node, onnx_input(node, 5), F32));
  return onnx_output(node, 0, onnx_convert(node, y, element));
}

// Rows of a table of codes, each row in blocks: [.., blocks, size]
static Value *gathered_blocks(const Blocked *b, Value *x, Value *indices, int64_t size) {
  OnnxNode *node = b->node;
  Value *rows = onnx_gather(node, x, indices, 0, true);
  if (!rows) return NULL;
  int rank = rows->type.rank;
  const Dim *dims[MAX_RANK];
  if (rank == MAX_RANK) return onnx_error(node, "indices of rank %d", indices->type.rank), NULL;
  for (int i = 0; i < rank - 1; i++) dims[i] = rows->type.dims[i];
  dims[rank - 1] = import_dim(node->importer, b->blocks);
  dims[rank] = import_dim(node->importer, size);
  return onnx_convert(node, build_reshape(&node->builder, rows, rank + 1, dims), F32);
}

// Codes of a constant table: packed bytes, or elements of 4 or 8 bits as they are.
static bool read_table(OnnxNode *node, Blocked *b, Value **codes) {
  Value *data = onnx_input(node, 0);
  int64_t columns;
  if (data->type.rank != 2 || !dim_is_constant(data->type.dims[0], &b->rows) ||
      !dim_is_constant(data->type.dims[1], &columns))
    return onnx_unsupported(node, "tables that are no static matrix");
  bool packed = data->type.element == U8 && b->bits < 8;
  if (packed) columns = columns * 8 / b->bits;
  *codes = packed ? packed_codes(b, 0, 2, (int64_t[]){b->rows, columns}) : data;
  b->blocks = (columns + b->size - 1) / b->size;
  if (b->blocks * b->size != columns) return onnx_unsupported(node, "a last block that is shorter");
  return *codes != NULL;
}

bool import_gather_block_quantized(OnnxNode *node) { // data, indices, scales, zero points
  if (!onnx_need_inputs(node, 3)) return false;
  Value *indices = onnx_input(node, 1), *scales = onnx_input(node, 2), *codes;
  int64_t bits = onnx_int(node, "bits", 4), axis = onnx_int(node, "quantize_axis", 1);
  ElementType element = onnx_input(node, 0)->type.element;
  Blocked b = {.node = node, .size = onnx_int(node, "block_size", 128), .bits = (int)bits};
  if (!element_is_integer(element) || (bits != 2 && bits != 4 && bits != 8))
    return onnx_unsupported(node, "codes of this type");
  if (b.size < 16 || b.size > 1 << 20)
    return onnx_error(node, "block_size %lld", (long long)b.size);
  if (onnx_int(node, "gather_axis", 0) != 0 || (axis != 1 && axis != -1))
    return onnx_unsupported(node, "other axes than rows that are gathered and columns in blocks");
  if (!read_table(node, &b, &codes)) return false;
  Value *real = gathered_blocks(&b, codes, indices, b.size);
  if (onnx_has_input(node, 3) && element != U8)
    real = onnx_binary(node, OP_SUB, real, gathered_blocks(&b, onnx_input(node, 3), indices, 1));
  else if (element == U8) {
    Value *zero = onnx_has_input(node, 3) ? gathered_blocks(&b, per_block(&b, 3), indices, 1)
                                          : build_scalar(&node->builder, F32, 1 << (b.bits - 1));
    real = onnx_binary(node, OP_SUB, real, zero);
  }
  real = onnx_binary(node, OP_MUL, real, gathered_blocks(&b, scales, indices, 1));
  if (!real) return false;
  int rank = real->type.rank - 1;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank - 1; i++) dims[i] = real->type.dims[i];
  dims[rank - 1] = import_dim(node->importer, b.blocks * b.size);
  return onnx_output(
      node, 0,
      onnx_convert(node, build_reshape(&node->builder, real, rank, dims), scales->type.element));
}
