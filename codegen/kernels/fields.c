#include "codegen/kernels/fields.h"

#include <string.h>

#include "ir/weight_matrix.h"

typedef struct FieldWriter {
  const void *symbols;
  int size, bits; // of a symbol in memory, of a field
  int64_t count;
} FieldWriter;

static void write_fields(const PackedSegment *segment, unsigned char *out) {
  const FieldWriter *data = segment->user;
  if (data->bits == data->size * 8) memcpy(out, data->symbols, (size_t)data->count * (size_t)data->size);
  else pack_fields(out, data->symbols, data->size, data->count, data->bits);
}

void fields_add(Pack *pack, const char *what, const void *symbols, int size, int64_t count, int bits) {
  FieldWriter *data = NEW(pack->arena, FieldWriter);
  *data = (FieldWriter){symbols, size, bits, count};
  const char *key = arena_printf(pack->arena, "%s:%s:%d", what, value_constant(pack->node->operands[1])->name,
                                 (int)node_int(pack->node, pack->node->op == OP_MATMUL ? ATTR_TRANSPOSE_B : ATTR_GROUP));
  PackedSegment *segment = pack_add(pack, (size_t)field_bytes(count, bits), size * 8 == bits ? size : 1, key, write_fields, data);
  segment->symbol_bits = bits > 16 ? 8 : bits;
  segment->symbol_count = bits > 16 ? count * size : count;
}

Val fields_load(Nest *nest, Val base, Val at, int bits) {
  if (bits % 8 == 0) {
    LLVMTypeRef type = bits == 8 ? nest->i8 : nest->i16;
    return nest_extend(nest, nest_load(nest, type, nest_address(nest, base, type, at), bits / 8), nest->i32, false);
  }
  Val bit = nest_mul(nest, at, nest_const(nest, bits));
  Val byte = nest_lshr(nest, bit, nest_const(nest, 3));
  LLVMTypeRef type = 8 % bits == 0 ? nest->i8 : nest->i16;
  Val raw = nest_extend(nest, nest_load(nest, type, nest_address(nest, base, nest->i8, byte), 1), nest->i32, false);
  Val shift = nest_extend(nest, nest_and(nest, bit, nest_const(nest, 7)), nest->i32, false);
  return nest_and(nest, nest_lshr(nest, raw, shift), nest_int(nest->i32, (1 << bits) - 1));
}

void fields_load_group(Nest *nest, Val base, Val at, int bits, int count, Val *fields) {
  if (bits % 8 == 0) {
    for (int i = 0; i < count; i++) fields[i] = fields_load(nest, base, nest_add(nest, at, nest_const(nest, i)), bits);
    return;
  }
  Val bit = nest_mul(nest, at, nest_const(nest, bits));
  Val word = nest_load(nest, nest->i64, nest_address(nest, base, nest->i8, nest_lshr(nest, bit, nest_const(nest, 3))), 1);
  word = nest_lshr(nest, word, nest_extend(nest, nest_and(nest, bit, nest_const(nest, 7)), nest->i64, false));
  for (int i = 0; i < count; i++) {
    Val field = nest_extend(nest, nest_lshr(nest, word, nest_int(nest->i64, i * bits)), nest->i32, false);
    fields[i] = nest_and(nest, field, nest_int(nest->i32, (1 << bits) - 1));
  }
}
