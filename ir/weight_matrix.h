// Weights of a product as a matrix: rows are what is summed over, in the kernel's order (matmul: k;
// conv: taps, then channels), columns are the outputs. And the streams that compressed storage
// makes of it: what pack functions write, and what passes measure to say what they gained.
//
// Sparse: for each block of columns and each row the number of its entries, and for each entry the
// gap to the entry before (columns between them) and its value. A gap that does not fit is bridged
// by entries of value zero. So a row whose input is zero is skipped without looking at its entries.
// By output, the streams run the other way: for each column its entries, and gaps between rows.
// Codebook: indices of the values in ascending centroids instead of values; without the sparse
// stage every element has one. Fields of `bits` bits lie one behind another, the lowest bits first.
#ifndef TENON_IR_WEIGHT_MATRIX_H
#define TENON_IR_WEIGHT_MATRIX_H

#include "ir/graph.h"
#include "ir/target.h"

typedef struct WeightMatrix {
  const float *data;
  int64_t rows, columns, row_stride, column_stride; // strides in elements
  bool by_output;                                   // the streams go column by column
  int64_t offset_bytes; // of a table from rows to places in the input, stored beside the streams
} WeightMatrix;

// The weights (operand 1) of a matmul or conv that compressed storage can serve: f32 constant, one
// group, a not transposed. False: not such; `reason` (may be NULL) says why.
bool weight_matrix(const Node *node, WeightMatrix *matrix, const char **reason);
// Does the target's kernel for sparse weights go output by output, over vectors of positions or for
// a single one (docs/placement.md)? For nodes as they are before `place` changes the operand's
// layout. Fills by_output and offset_bytes.
bool weight_matrix_by_output(const Node *node, const Target *target, WeightMatrix *matrix);
// Positions that such a kernel runs over: pixels along padded lines, or rows of a matrix product;
// and the length of a line.
typedef struct Positions {
  int64_t count, pitch, width; // of a line `width` positions are results, the rest are not stored
  int64_t plane;               // elements of a channel of the (padded) input
} Positions;
Positions product_positions(const Node *node, bool padded);

static inline float weight_at(const WeightMatrix *m, int64_t row, int64_t column) {
  return m->data[row * m->row_stride + column * m->column_stride];
}

enum { MAX_FIELD_BITS = 8, MAX_BLOCK_COLUMNS = 1024, MAX_ENTRY_COUNT = UINT16_MAX };

// What of the storage decides the form of the streams; the contents do not.
typedef struct StreamShape {
  int gap_bits;          // 0: not sparse
  int index_bits;        // 0: values are f32
  int count_bits;        // of the number of entries in a row: 8 or 16
  int64_t block, blocks; // columns of a block (the last may have fewer)
  bool coded;            // Huffman
} StreamShape;
// False: the storage has no compressed form (no such stage, or fields that are too wide).
bool stream_shape(const Storage *storage, const WeightMatrix *matrix, StreamShape *shape);

typedef struct WeightStreams {
  int64_t count_count, entries;
  uint16_t *counts; // [blocks][rows], by output [columns]; sparse only
  uint8_t *gaps;    // [entries], sparse only
  uint8_t *indices; // [entries], codebook only
  float *values;    // [entries], without codebook
  uint32_t *starts; // [blocks]: number of the first entry of each block
} WeightStreams;
// The centroids must hold every value (the verifier sees to it).
WeightStreams weight_streams(Arena *arena, const WeightMatrix *matrix, const StreamShape *shape,
                             const Stage *codebook);

// Index of a value among ascending centroids; -1: not there.
int codebook_index(const Stage *codebook, float value);

// Bytes that the streams take in the object; of a dense matrix, or of one that no stage compresses,
// those of its f32. `arena` is scratch.
int64_t stored_bytes(Arena *arena, const WeightMatrix *matrix, const Storage *storage);
// Sets the gap width of the sparse stage that makes the streams smallest. Nothing without that
// stage.
void storage_choose_gap(const WeightMatrix *matrix, Storage *storage);

// Packs `count` symbols of `size` bytes (1 or 2) into fields of `bits` bits; `out` is zeroed.
void pack_fields(unsigned char *out, const void *symbols, int size, int64_t count, int bits);
// Bytes of a segment: fields of fewer than 8 bits are read with the bytes behind them.
enum { FIELD_SPARE = 8 };
static inline int64_t field_bytes(int64_t count, int bits) {
  return (count * bits + 7) / 8 + (bits < 8 ? FIELD_SPARE : 0);
}

#endif
