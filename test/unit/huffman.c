// Entropy coding there and back: the encoder of ir/, the decoder that objects contain; damaged data
// is refused, and never read or written beyond its ends (the sanitizers watch).
#include <stdlib.h>
#include <string.h>

#include "ir/huffman.h"
#include "ir/weight_matrix.h"
#include "test/unit/check.h"

int tenon_decode_weights(const unsigned char *coded, size_t coded_bytes, unsigned char *memory,
                         size_t memory_bytes);

#include "runtime/kernels/huffman.c"

static uint32_t state = 1;
static uint32_t random_word(void) {
  state ^= state << 13;
  state ^= state >> 17;
  return state ^= state << 5;
}

static void store32(unsigned char *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out[i] = (unsigned char)(value >> 8 * i);
}

// What codegen/weights_coded.c writes, for one segment at offset 0. Exactly as large as it has to
// be.
static unsigned char *make_coded(Arena *arena, const void *symbols, int size, int64_t count,
                                 int bits, size_t *bytes) {
  HuffmanCoded code = huffman_encode(arena, symbols, size, count);
  *bytes = 24 + code.bytes;
  unsigned char *coded = malloc(*bytes);
  memcpy(coded, "TWH1", 4);
  store32(coded + 4, 1);
  store32(coded + 8, 0);
  store32(coded + 12, (uint32_t)count);
  store32(coded + 16, (uint32_t)code.bytes);
  coded[20] = (unsigned char)bits;
  coded[21] = (unsigned char)code.symbol_bytes;
  coded[22] = (unsigned char)code.symbols;
  coded[23] = (unsigned char)(code.symbols >> 8);
  memcpy(coded + 24, code.data, code.bytes);
  return coded;
}

static void check_damage(const unsigned char *coded, size_t bytes, size_t memory_bytes) {
  unsigned char *memory = malloc(memory_bytes ? memory_bytes : 1);
  for (size_t length = 0; length < bytes; length += 1 + length / 8) {
    unsigned char *cut = malloc(length ? length : 1);
    memcpy(cut, coded, length);
    CHECK(tenon_decode_weights(cut, length, memory, memory_bytes) != 0);
    free(cut);
  }
  for (int i = 0; i < 200; i++) { // what the flip gives is not known; that it stays in bounds is
    unsigned char *flipped = malloc(bytes);
    memcpy(flipped, coded, bytes);
    flipped[random_word() % bytes] ^= (unsigned char)(1u << random_word() % 8);
    tenon_decode_weights(flipped, bytes, memory, memory_bytes);
    free(flipped);
  }
  if (memory_bytes) CHECK(tenon_decode_weights(coded, bytes, memory, memory_bytes - 1) != 0);
  free(memory);
}

static void check_symbols(int bits, int64_t count, uint32_t skew) {
  Arena *arena = arena_create();
  uint16_t *wide = NEW_ARRAY(arena, uint16_t, count);
  uint8_t *narrow = NEW_ARRAY(arena, uint8_t, count);
  for (int64_t i = 0; i < count; i++) {
    uint32_t symbol = random_word() & ((1u << bits) - 1);
    for (uint32_t k = 0; k < skew; k++) symbol &= random_word();
    wide[i] = (uint16_t)symbol;
    narrow[i] = (uint8_t)symbol;
  }
  int size = bits <= 8 ? 1 : 2;
  const void *symbols = size == 1 ? (const void *)narrow : wide;
  size_t coded_bytes, memory_bytes = (size_t)((count * bits + 7) / 8);
  unsigned char *coded = make_coded(arena, symbols, size, count, bits, &coded_bytes),
                *memory = malloc(memory_bytes + 1);
  unsigned char *wanted = arena_alloc(arena, memory_bytes + 1);
  pack_fields(wanted, symbols, size, count, bits);
  CHECK(tenon_decode_weights(coded, coded_bytes, memory, memory_bytes) == 0);
  CHECK(!memcmp(memory, wanted, memory_bytes));
  check_damage(coded, coded_bytes, memory_bytes);
  free(memory);
  free(coded);
  arena_destroy(arena);
}

// Frequencies like Fibonacci's numbers want codes longer than 15 bits.
static void check_long_codes(void) {
  Arena *arena = arena_create();
  uint8_t *symbols = NEW_ARRAY(arena, uint8_t, 1 << 20);
  int64_t count = 0, number = 1, before = 0;
  for (int s = 0; s < 25; s++) {
    for (int64_t i = 0; i < number; i++) symbols[count++] = (uint8_t)(s * 9);
    int64_t next = number + before;
    before = number;
    number = next;
  }
  size_t bytes;
  unsigned char *coded = make_coded(arena, symbols, 1, count, 8, &bytes),
                *memory = malloc((size_t)count);
  CHECK(tenon_decode_weights(coded, bytes, memory, (size_t)count) == 0);
  CHECK(!memcmp(memory, symbols, (size_t)count));
  free(memory);
  free(coded);
  arena_destroy(arena);
}

int main(void) {
  static const int64_t counts[] = {1, 2, 7, 64, 1000};
  for (int bits = 1; bits <= 16; bits += bits < 8 ? 1 : 8)
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
      for (uint32_t skew = 0; skew < 3; skew++) check_symbols(bits, counts[i], skew);
  check_long_codes();
  return check_status();
}
