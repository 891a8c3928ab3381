// Streams of compressed weights.
#include "ir/weight_matrix.h"

#include <assert.h>
#include <string.h>

#include "ir/huffman.h"

// --- the matrix

static bool refuse(const char **reason, const char *text) {
  if (reason) *reason = text;
  return false;
}

bool weight_matrix(const Node *node, WeightMatrix *matrix, const char **reason) {
  if (node->op != OP_MATMUL && node->op != OP_CONV)
    return refuse(reason, "no kernel for this op reads compressed weights");
  const Value *weights = node_operand(node, 1);
  const Constant *constant = weights ? value_constant(weights) : NULL;
  const Type *result = &node->results[0]->type;
  if (!constant) return refuse(reason, "the weights are not constant");
  if (weights->type.element != F32 || weights->type.quant || result->element != F32 ||
      result->quant)
    return refuse(reason, "the weights are not f32");
  *matrix = (WeightMatrix){.data = constant->data};
  if (node->op == OP_MATMUL) {
    if (weights->type.rank != 2) return refuse(reason, "a batch of matrices");
    if (node_int(node, ATTR_TRANSPOSE_A) && !node_attribute(node, ATTR_KERNEL_NAME))
      return refuse(reason, "the other operand is transposed");
    bool transposed = node_int(node, ATTR_TRANSPOSE_B);
    matrix->rows = type_dim(&weights->type, transposed ? 1 : 0);
    matrix->columns = type_dim(&weights->type, transposed ? 0 : 1);
    matrix->row_stride = transposed ? 1 : matrix->columns;
    matrix->column_stride = transposed ? matrix->rows : 1;
    return matrix->rows > 0 && matrix->columns > 0 ? true : refuse(reason, "empty");
  }
  if (node_int(node, ATTR_GROUP) != 1) return refuse(reason, "a grouped convolution");
  matrix->columns = type_dim(&weights->type, 0);
  matrix->rows = 1;
  for (int i = 1; i < weights->type.rank; i++) matrix->rows *= type_dim(&weights->type, i);
  matrix->row_stride = 1;
  matrix->column_stride = matrix->rows;
  return matrix->rows > 0 && matrix->columns > 0 ? true : refuse(reason, "empty");
}

// --- output by output

Positions product_positions(const Node *node, bool padded) {
  const Type *x = &node->operands[0]->type, *y = &node->results[0]->type;
  if (node->op == OP_MATMUL) {
    int64_t rows = type_dim(y, 0);
    return (Positions){.count = rows, .pitch = rows, .width = rows, .plane = rows};
  }
  int spatial = x->rank - 2, first = padded ? 2 : 1;
  int64_t plane = 1, pitch = 1;
  for (int i = 0; i < spatial; i++) {
    pitch = type_dim(x, first + i);
    if (!padded)
      pitch += node_ints_at(node, ATTR_PADS, i, 0) + node_ints_at(node, ATTR_PADS, spatial + i, 0);
    plane *= pitch;
  }
  int64_t width = type_dim(y, spatial), lines = spatial == 2 ? type_dim(y, 1) : 1;
  return (Positions){
      .count = (lines - 1) * pitch + width, .pitch = pitch, .width = width, .plane = plane};
}

static bool has_plain_window(const Node *node) {
  const Type *x = &node->operands[0]->type;
  if (x->rank != 3 && x->rank != 4) return false;
  for (int i = 0; i < x->rank - 2; i++)
    if (node_ints_at(node, ATTR_STRIDES, i, 1) != 1) return false;
  for (int i = 0; i < 2 * (x->rank - 2); i++)
    if (node_ints_at(node, ATTR_PADS, i, 0) < 0) return false;
  return true;
}

bool weight_matrix_by_output(const Node *node, const Target *target, WeightMatrix *matrix) {
  enum { MIN_LANES = 4, MIN_VECTORS = 3 }; // fewer sums in flight would wait for each other
  if (!target || !target_has(target, TARGET_HOSTED) || target_lanes(target, 32) < MIN_LANES)
    return false;
  const Type *x = &node->operands[0]->type, *y = &node->results[0]->type;
  bool conv = node->op == OP_CONV;
  if (!type_is_static(x) || !type_is_static(y) || x->element != F32 ||
      matrix->rows > MAX_ENTRY_COUNT)
    return false;
  if (conv ? !has_plain_window(node) : x->rank != 2 || node_int(node, ATTR_TRANSPOSE_A))
    return false;
  Positions positions = product_positions(node, false);
  bool single = !conv && positions.count == 1;
  if (!single && positions.count < MIN_VECTORS * target_lanes(target, 32)) return false;
  int64_t farthest = type_dim(x, x->rank - 1) * positions.plane;
  if (farthest > INT32_MAX) return false;
  matrix->by_output = true;
  matrix->offset_bytes = conv ? matrix->rows * (farthest > UINT16_MAX ? 4 : 2) : 0;
  return true;
}

// --- the form of the streams

// The matrix in the order of its streams.
static WeightMatrix in_order(const WeightMatrix *m) {
  if (!m->by_output) return *m;
  return (WeightMatrix){m->data,       m->columns, m->rows,        m->column_stride,
                        m->row_stride, true,       m->offset_bytes};
}

bool stream_shape(const Storage *storage, const WeightMatrix *matrix, StreamShape *shape) {
  const Stage *sparse = storage_find(storage, STAGE_SPARSE),
              *codebook = storage_find(storage, STAGE_CODEBOOK);
  *shape = (StreamShape){.coded = storage_find(storage, STAGE_HUFFMAN) != NULL};
  if (!sparse && !codebook) return false;
  if (sparse && (sparse->block_rows > 1 || sparse->block_columns > 1)) return false;
  if (sparse) shape->gap_bits = sparse->bits ? sparse->bits : MAX_FIELD_BITS;
  if (codebook) shape->index_bits = codebook->bits;
  if (shape->gap_bits > MAX_FIELD_BITS || shape->index_bits > MAX_FIELD_BITS) return false;
  int64_t columns = in_order(matrix).columns,
          most = matrix->by_output ? MAX_ENTRY_COUNT : MAX_BLOCK_COLUMNS;
  shape->blocks = (columns + most - 1) / most;
  shape->block = (columns + shape->blocks - 1) / shape->blocks;
  shape->count_bits = shape->block > 255 ? 16 : 8;
  return true;
}

int codebook_index(const Stage *codebook, float value) {
  int low = 0, high = codebook->centroid_count - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (codebook->centroids[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return high >= 0 && codebook->centroids[low] == value ? low : -1; // -0 is 0
}

// --- making them

typedef struct StreamWriter {
  const StreamShape *shape;
  const Stage *codebook;
  WeightStreams *streams; // arrays NULL: only counting
} StreamWriter;

static void put_entry(StreamWriter *w, int gap, float value) {
  WeightStreams *s = w->streams;
  if (s->gaps) s->gaps[s->entries] = (uint8_t)gap;
  if (s->values) s->values[s->entries] = value;
  if (s->indices) {
    int index = codebook_index(w->codebook, value);
    assert(index >= 0 && "the verifier checks that every value is a centroid");
    s->indices[s->entries] = (uint8_t)index;
  }
  s->entries++;
}

static void put_row(StreamWriter *w, const WeightMatrix *matrix, int64_t row, int64_t first,
                    int64_t end) {
  int64_t longest = ((int64_t)1 << w->shape->gap_bits) - 1,
          before = first - 1; // column of the entry before
  for (int64_t column = first; column < end; column++) {
    float value = weight_at(matrix, row, column);
    if (w->shape->gap_bits && value == 0) continue;
    if (!w->shape->gap_bits) {
      put_entry(w, 0, value);
      continue;
    }
    for (; column - before - 1 > longest; before += longest + 1) put_entry(w, (int)longest, 0);
    put_entry(w, (int)(column - before - 1), value);
    before = column;
  }
}

static void walk(StreamWriter *w, const WeightMatrix *matrix) {
  w->streams->entries = w->streams->count_count = 0;
  for (int64_t block = 0; block < w->shape->blocks; block++) {
    int64_t first = block * w->shape->block, end = first + w->shape->block;
    if (end > matrix->columns) end = matrix->columns;
    if (w->streams->starts) w->streams->starts[block] = (uint32_t)w->streams->entries;
    for (int64_t row = 0; row < matrix->rows; row++) {
      int64_t before = w->streams->entries;
      put_row(w, matrix, row, first, end);
      if (w->streams->counts)
        w->streams->counts[w->streams->count_count] = (uint16_t)(w->streams->entries - before);
      w->streams->count_count++;
    }
  }
}

WeightStreams weight_streams(Arena *arena, const WeightMatrix *matrix, const StreamShape *shape,
                             const Stage *codebook) {
  WeightStreams streams = {0};
  StreamWriter writer = {shape, codebook, &streams};
  WeightMatrix ordered = in_order(matrix);
  walk(&writer, &ordered);
  int64_t entries = streams.entries;
  if (shape->gap_bits) {
    streams.counts = NEW_ARRAY(arena, uint16_t, streams.count_count);
    streams.gaps = NEW_ARRAY(arena, uint8_t, entries);
  }
  if (shape->index_bits)
    streams.indices = NEW_ARRAY(arena, uint8_t, entries);
  else
    streams.values = NEW_ARRAY(arena, float, entries);
  streams.starts = NEW_ARRAY(arena, uint32_t, shape->blocks);
  walk(&writer, &ordered);
  return streams;
}

void pack_fields(unsigned char *out, const void *symbols, int size, int64_t count, int bits) {
  const uint8_t *bytes = symbols;
  const uint16_t *words = symbols;
  for (int64_t i = 0; i < count; i++) {
    unsigned symbol = size == 1 ? bytes[i] : words[i];
    int64_t at = i * bits;
    for (int done = 0; done < bits;) {
      int room = 8 - (int)((at + done) & 7), take = bits - done < room ? bits - done : room;
      out[(at + done) >> 3] |=
          (unsigned char)((symbol >> done & ((1u << take) - 1)) << ((at + done) & 7));
      done += take;
    }
  }
}

// --- sizes

enum { CODED_RECORD = 16 }; // what the object says of a coded segment

static int64_t coded_or_plain(Arena *arena, const StreamShape *shape, const void *symbols, int size,
                              int64_t count, int bits) {
  int64_t plain = field_bytes(count, bits);
  if (!shape->coded) return plain;
  HuffmanCoded code = huffman_encode(arena, symbols, size, count);
  return code.data && (int64_t)code.bytes + CODED_RECORD < plain
             ? (int64_t)code.bytes + CODED_RECORD
             : plain;
}

int64_t stored_bytes(Arena *arena, const WeightMatrix *matrix, const Storage *storage) {
  StreamShape shape;
  int64_t dense = matrix->rows * matrix->columns * 4;
  if (!stream_shape(storage, matrix, &shape)) {
    return coded_or_plain(arena, &shape, matrix->data, 1, dense, 8);
  }
  const Stage *codebook = storage_find(storage, STAGE_CODEBOOK);
  WeightStreams streams = weight_streams(arena, matrix, &shape, codebook);
  int64_t bytes = shape.blocks > 1 ? shape.blocks * 4 : 0;
  bytes += matrix->offset_bytes;
  if (shape.gap_bits) {
    bytes +=
        coded_or_plain(arena, &shape, streams.counts, 2, streams.count_count, shape.count_bits);
    bytes += coded_or_plain(arena, &shape, streams.gaps, 1, streams.entries, shape.gap_bits);
  }
  if (!codebook)
    return bytes + coded_or_plain(arena, &shape, streams.values, 1, streams.entries * 4, 8);
  bytes += coded_or_plain(arena, &shape, streams.indices, 1, streams.entries, shape.index_bits);
  return bytes + codebook->centroid_count * 4;
}

void storage_choose_gap(const WeightMatrix *matrix, Storage *storage) {
  const Stage *found = storage_find(storage, STAGE_SPARSE);
  if (!found) return;
  Stage stage = *found;
  int64_t best = INT64_MAX;
  int best_bits = stage.bits;
  for (int bits = 2; bits <= MAX_FIELD_BITS; bits++) {
    stage.bits = bits;
    storage_set(storage, stage);
    Arena *scratch = arena_create();
    int64_t bytes = stored_bytes(scratch, matrix, storage);
    arena_destroy(scratch);
    if (bytes < best) {
      best = bytes;
      best_bits = bits;
    }
  }
  stage.bits = best_bits;
  storage_set(storage, stage);
}
