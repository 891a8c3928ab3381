#include "codegen/kernels/fields.h"

#include <string.h>

typedef struct FieldWriter {
  const void *symbols;
  int size, bits; // of a symbol in memory, of a field
  int64_t count;
} FieldWriter;

static void write_fields(const PackedSegment *segment, unsigned char *out) {
  const FieldWriter *data = segment->user;
  if (data->bits == data->size * 8)
    memcpy(out, data->symbols, (size_t)data->count * (size_t)data->size);
  else
    pack_fields(out, data->symbols, data->size, data->count, data->bits);
}

void fields_add(Pack *pack, const char *what, const void *symbols, int size, int64_t count,
                int bits) {
  FieldWriter *data = NEW(pack->arena, FieldWriter);
  *data = (FieldWriter){symbols, size, bits, count};
  const char *key = arena_printf(
      pack->arena, "%s:%s:%d", what, value_constant(pack->node->operands[1])->name,
      (int)node_int(pack->node, pack->node->op == OP_MATMUL ? ATTR_TRANSPOSE_B : ATTR_GROUP));
  PackedSegment *segment = pack_add(pack, (size_t)field_bytes(count, bits),
                                    size * 8 == bits ? size : 1, key, write_fields, data);
  segment->symbol_bits = bits > 16 ? 8 : bits;
  segment->symbol_count = bits > 16 ? count * size : count;
}

static void add_table(Pack *pack, const char *what, const void *symbols, int64_t count) {
  fields_add(pack, what, symbols, 4, count, 32);
  pack->segments[pack->count - 1].entropy = false;
}

static void add_gaps(Pack *pack, const char *order, const WeightStreams *streams,
                     const StreamShape *shape) {
  const char *counts = arena_printf(pack->arena, "%s-counts", order),
             *gaps = arena_printf(pack->arena, "%s-gaps", order);
  if (shape->count_bits == 8) {
    uint8_t *narrow = NEW_ARRAY(pack->arena, uint8_t, streams->count_count);
    for (int64_t i = 0; i < streams->count_count; i++) narrow[i] = (uint8_t)streams->counts[i];
    fields_add(pack, counts, narrow, 1, streams->count_count, 8);
  } else
    fields_add(pack, counts, streams->counts, 2, streams->count_count, 16);
  fields_add(pack, gaps, streams->gaps, 1, streams->entries, shape->gap_bits);
}

bool fields_add_streams(Pack *pack, const WeightMatrix *matrix, const StreamShape *shape) {
  const Stage *codebook =
      storage_find(&value_constant(pack->node->operands[1])->storage, STAGE_CODEBOOK);
  const char *order = matrix->by_output ? "by-output" : "by-input"; // equal weights, other streams
  WeightStreams streams = weight_streams(pack->arena, matrix, shape, codebook);
  if (streams.entries > INT32_MAX)
    return diag_error(pack->diag, pack->node->loc,
                      "the compressed weights have more than 2^31 entries");
  if (shape->gap_bits) add_gaps(pack, order, &streams, shape);
  if (shape->index_bits) {
    fields_add(pack, arena_printf(pack->arena, "%s-indices", order), streams.indices, 1,
               streams.entries, shape->index_bits);
    float *table = NEW_ARRAY(pack->arena, float, 1 << shape->index_bits);
    memcpy(table, codebook->centroids, (size_t)codebook->centroid_count * sizeof *table);
    add_table(pack, "table", table, (int64_t)1 << shape->index_bits);
  } else
    fields_add(pack, arena_printf(pack->arena, "%s-values", order), streams.values, 4,
               streams.entries, 32);
  if (shape->blocks > 1) add_table(pack, "starts", streams.starts, shape->blocks);
  return true;
}

Val fields_load(Nest *nest, Val base, Val at, int bits) {
  if (bits % 8 == 0) {
    LLVMTypeRef type = bits == 8 ? nest->i8 : nest->i16;
    return nest_extend(nest, nest_load(nest, type, nest_address(nest, base, type, at), bits / 8),
                       nest->i32, false);
  }
  Val bit = nest_mul(nest, at, nest_const(nest, bits));
  Val byte = nest_lshr(nest, bit, nest_const(nest, 3));
  LLVMTypeRef type = 8 % bits == 0 ? nest->i8 : nest->i16;
  Val raw = nest_extend(nest, nest_load(nest, type, nest_address(nest, base, nest->i8, byte), 1),
                        nest->i32, false);
  Val shift = nest_extend(nest, nest_and(nest, bit, nest_const(nest, 7)), nest->i32, false);
  return nest_and(nest, nest_lshr(nest, raw, shift), nest_int(nest->i32, (1 << bits) - 1));
}

void fields_load_group(Nest *nest, Val base, Val at, int bits, int count, Val *fields) {
  if (bits % 8 == 0) {
    for (int i = 0; i < count; i++)
      fields[i] = fields_load(nest, base, nest_add(nest, at, nest_const(nest, i)), bits);
    return;
  }
  Val bit = nest_mul(nest, at, nest_const(nest, bits));
  Val word =
      nest_load(nest, nest->i64,
                nest_address(nest, base, nest->i8, nest_lshr(nest, bit, nest_const(nest, 3))), 1);
  word = nest_lshr(nest, word,
                   nest_extend(nest, nest_and(nest, bit, nest_const(nest, 7)), nest->i64, false));
  for (int i = 0; i < count; i++) {
    Val field =
        nest_extend(nest, nest_lshr(nest, word, nest_int(nest->i64, i * bits)), nest->i32, false);
    fields[i] = nest_and(nest, field, nest_int(nest->i32, (1 << bits) - 1));
  }
}
