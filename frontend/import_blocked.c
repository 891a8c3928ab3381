// Products with weights that DequantizeLinear made from constant codes in blocks: matmul_blocked
// reads the codes themselves. What dequantizing built is dead then, if nobody else reads it.
#include "frontend/import.h"

typedef struct BlockedWeights {
  const Value *value; // what dequantizing gave: [k, n], blocks along the first axis
  Tensor codes, scales, zeros;
  bool has_zeros;
  int64_t block;
  struct BlockedWeights *before;
} BlockedWeights;

void import_note_blocked(OnnxNode *node, const Value *result, Value *codes, Value *scale,
                         Value *zero, int64_t block) {
  Importer *importer = node->importer;
  BlockedWeights weights = {.value = result, .block = block, .before = importer->blocked};
  ElementType e = codes->type.element;
  bool fits = e == U2 || e == U4 || e == I4 || e == U8 || e == I8;
  if (!result || !fits || codes->type.rank != 2 || block < 16 || block % 16) return;
  if (!value_tensor(codes, &weights.codes) ||
      !import_constant_value(importer, scale, &weights.scales) ||
      (zero && !import_constant_value(importer, zero, &weights.zeros)))
    return;
  weights.has_zeros = zero != NULL;
  importer->blocked = NEW(importer->arena, BlockedWeights);
  *importer->blocked = weights;
}

static const BlockedWeights *find_weights(const Importer *importer, const Value *value) {
  const BlockedWeights *at =
      importer->blocked; // the latest come first: products follow their weights
  OpCode op = value->definition ? value->definition->op : OP_CONST;
  if (op != OP_MUL && op != OP_CAST) return NULL;
  while (at && at->value != value) at = at->before;
  return at;
}

static ElementType unsigned_of(ElementType e) { return e == I4 ? U4 : e == I8 ? U8 : e; }
static int64_t offset_of(ElementType e) { return e == I4 ? 8 : e == I8 ? 128 : 0; }

// Codes [rows, columns] as [columns, rows of the result], unsigned; rows that are missing at the
// end are 0.
static Value *turned_codes(OnnxNode *node, const Tensor *from, int rank, const int64_t *dims,
                           const char *name) {
  Importer *importer = node->importer;
  Tensor to = tensor_create(importer->arena, unsigned_of(from->element), rank, dims);
  int64_t rows = from->dims[0], columns = from->dims[1], width = tensor_count(&to) / dims[0];
  for (int64_t c = 0; c < columns; c++)
    for (int64_t r = 0; r < rows; r++)
      element_store_int(to.element, to.data, c * width + r,
                        element_load_int(from->element, from->data, r * columns + c) +
                            offset_of(from->element));
  return build_constant_tensor(&node->builder, &to, name);
}

static Value *turned_scales(OnnxNode *node, const Tensor *from, const int64_t *dims) {
  Tensor to = tensor_create(node->importer->arena, F32, 2, dims);
  for (int64_t c = 0; c < dims[0]; c++)
    for (int64_t r = 0; r < dims[1]; r++)
      element_store(F32, to.data, c * dims[1] + r,
                    element_load(from->element, from->data, r * dims[0] + c));
  return build_constant_tensor(&node->builder, &to, NULL);
}

static bool has_shape(const Tensor *tensor, int64_t rows, int64_t columns) {
  return tensor->rank == 2 && tensor->dims[0] == rows && tensor->dims[1] == columns;
}

Value *import_blocked_matmul(OnnxNode *node, Value *a, const Value *b) {
  const BlockedWeights *w = find_weights(node->importer, b);
  int64_t k;
  if (!w || a->type.rank < 2 || !element_is_float(a->type.element) || a->type.element == F64 ||
      !dim_is_constant(a->type.dims[a->type.rank - 1], &k) || k != w->codes.dims[0])
    return NULL;
  int64_t n = w->codes.dims[1], blocks = (k + w->block - 1) / w->block;
  if (k < 1 || n < 1 || !has_shape(&w->scales, blocks, n) ||
      (w->has_zeros && (!has_shape(&w->zeros, blocks, n) || w->zeros.element != w->codes.element)))
    return NULL;
  int64_t numbers[2] = {n, blocks};
  Value *operands[4] = {onnx_convert(node, a, F32),
                        turned_codes(node, &w->codes, 3, (int64_t[]){n, blocks, w->block}, b->name),
                        turned_scales(node, &w->scales, numbers),
                        w->has_zeros ? turned_codes(node, &w->zeros, 2, numbers, NULL) : NULL};
  if (!operands[0] || !operands[1] || !operands[2]) return NULL;
  Node *matmul = build_begin(&node->builder, OP_MATMUL_BLOCKED, operands, w->has_zeros ? 4 : 3);
  if (!w->has_zeros) node_set_float(matmul, ATTR_VALUE, (double)offset_of(w->codes.element));
  return onnx_convert(node, build_end(&node->builder, matmul), a->type.element);
}
