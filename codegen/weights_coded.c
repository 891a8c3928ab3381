// Entropy-coded weights: each segment that asks for it is Huffman-coded when it is added, and lies
// in the object as code only; _init decodes all of them into the caller's memory.
//
//   u32 "TWH1", u32 number of segments; for each segment
//   u32 offset in the decoded memory, u32 symbols, u32 bytes that follow,
//   u8 bits of a symbol in memory, u8 bytes of a symbol in the table, u16 symbols in the table;
//   numbers of codes by length, table, codes (ir/huffman.h)
// A segment that coding would not make smaller stays among the others.
#include <stdlib.h>
#include <string.h>

#include "codegen/internal.h"
#include "ir/huffman.h"

enum { HEAD = 8, RECORD = 16, CODED_LIMIT = 1 << 30 };

static unsigned char *segment_bytes(const PackedSegment *segment, Arena *arena) {
  size_t bytes = segment->bytes / (size_t)segment->parts;
  unsigned char *all = arena_alloc(arena, segment->bytes);
  PackedSegment part = *segment;
  for (part.part = 0; part.part < segment->parts; part.part++)
    segment->write(&part, all + (size_t)part.part * bytes);
  return all;
}

// Fields of fewer than 8 bits, one byte each.
static uint8_t *unpack_fields(const unsigned char *packed, int64_t count, int bits, Arena *arena) {
  uint8_t *symbols = NEW_ARRAY(arena, uint8_t, count);
  for (int64_t i = 0; i < count; i++) {
    int64_t at = i * bits;
    unsigned pair = packed[at >> 3];
    if ((at & 7) + bits > 8) pair |= (unsigned)packed[(at >> 3) + 1] << 8;
    symbols[i] = (uint8_t)(pair >> (at & 7) & ((1u << bits) - 1));
  }
  return symbols;
}

bool weights_code(Arena *arena, const PackedSegment *segment, CodedSegment *coded) {
  if (segment->bytes < 64 || segment->bytes > CODED_LIMIT) return false;
  Arena *scratch = arena_create();
  int bits = segment->symbol_bits;
  const void *symbols = segment_bytes(segment, scratch);
  int64_t count =
      segment->symbol_count ? segment->symbol_count : (int64_t)segment->bytes * 8 / bits;
  if (bits < 8) symbols = unpack_fields(symbols, count, bits, scratch);
  HuffmanCoded code = huffman_encode(arena, symbols, bits <= 8 ? 1 : 2, count);
  arena_destroy(scratch);
  *coded = (CodedSegment){code.data, code.bytes, count, bits, code.symbol_bytes, code.symbols};
  return code.data && code.bytes + RECORD < segment->bytes;
}

static void put16(unsigned char **out, uint32_t value) {
  for (int i = 0; i < 2; i++) *(*out)++ = (unsigned char)(value >> 8 * i);
}

static void put32(unsigned char **out, uint32_t value) {
  put16(out, value);
  put16(out, value >> 16);
}

static void write_coded(const PackedSegment *segment, unsigned char *out) {
  const Weights *weights = segment->user;
  memcpy(out, "TWH1", 4);
  out += 4;
  uint32_t number = 0;
  for (int i = 0; i < weights->count; i++) number += weights->segments[i].home == HOME_DECODED;
  put32(&out, number);
  for (int i = 0; i < weights->count; i++) {
    const PlacedSegment *placed = &weights->segments[i];
    const CodedSegment *coded = &placed->coded;
    if (placed->home != HOME_DECODED) continue;
    put32(&out, (uint32_t)placed->offset);
    put32(&out, (uint32_t)coded->symbol_count);
    put32(&out, (uint32_t)coded->bytes);
    *out++ = (unsigned char)coded->bits;
    *out++ = (unsigned char)coded->symbol_bytes;
    put16(&out, (uint32_t)coded->table_symbols);
    memcpy(out, coded->data, coded->bytes);
    out += coded->bytes;
  }
}

int weights_add_coded(Weights *weights) {
  size_t bytes = 0;
  for (int i = 0; i < weights->count; i++)
    if (weights->segments[i].home == HOME_DECODED)
      bytes += RECORD + weights->segments[i].coded.bytes;
  if (!bytes) return -1;
  weights->coded_bytes = (int64_t)bytes + HEAD;
  PackedSegment segment = {.bytes = bytes + HEAD,
                           .align = 1,
                           .symbol_bits = 8,
                           .parts = 1,
                           .write = write_coded,
                           .user = weights};
  return weights_add(weights, &segment);
}
