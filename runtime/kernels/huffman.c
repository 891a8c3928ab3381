// Decoder of entropy-coded weights (format: codegen/weights_coded.c, ir/huffman.h). It needs no
// memory but the result's: symbols stand in the coded data in the order of their codes, so a code
// is found by comparing the next 15 bits with the end of each length's range.
#include <stddef.h>
#include <stdint.h>

enum { LONGEST = 15, HEAD = 8, RECORD = 16, MAGIC = 0x31485754 };

typedef struct Input {
  const unsigned char *at, *end;
  uint32_t window; // bits not yet used, the next one highest
  int bits;        // in the window
  int borrowed;    // zero bits behind the end
} Input;

static inline uint32_t word32(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t word16(const unsigned char *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline void refill(Input *input) {
  while (input->bits <= 24) {
    uint32_t byte = 0;
    if (input->at < input->end)
      byte = *input->at++;
    else
      input->borrowed += 8;
    input->window |= byte << (24 - input->bits);
    input->bits += 8;
  }
}

typedef struct Output {
  unsigned char *at;
  uint32_t window;
  int bits;
} Output;

static inline void put(Output *output, uint32_t symbol, int bits) {
  output->window |= symbol << output->bits;
  for (output->bits += bits; output->bits >= 8; output->bits -= 8) {
    *output->at++ = (unsigned char)output->window;
    output->window >>= 8;
  }
}

// One segment; 0: done.
static int decode_segment(const unsigned char *coded, size_t coded_bytes, unsigned char *memory,
                          uint32_t count, int bits, int symbol_bytes, uint32_t used) {
  uint32_t ends[LONGEST], bases[LONGEST]; // of a length: end of its codes (as 15 bits), number of
                                          // its first symbol less its first code
  uint32_t code = 0, symbols = 0;
  if (coded_bytes < 2 * LONGEST + (size_t)used * (size_t)symbol_bytes) return 1;
  for (int i = 0; i < LONGEST; i++) {
    uint32_t number = word16(coded + 2 * i);
    bases[i] = symbols - code;
    code += number;
    symbols += number;
    ends[i] = code << (LONGEST - 1 - i);
    code <<= 1;
  }
  if (symbols != used) return 1;
  const unsigned char *table = coded + 2 * LONGEST;
  Input input = {table + (size_t)used * (size_t)symbol_bytes, coded + coded_bytes, 0, 0, 0};
  Output output = {memory, 0, 0};
  uint32_t highest = (1u << bits) - 1;
  for (uint32_t i = 0; i < count; i++) {
    refill(&input);
    uint32_t next = input.window >> (32 - LONGEST);
    int length = 0;
    while (length < LONGEST && next >= ends[length]) length++;
    if (length == LONGEST) return 1;
    uint32_t index = bases[length] + (next >> (LONGEST - 1 - length));
    if (index >= used) return 1;
    uint32_t symbol = symbol_bytes == 2 ? word16(table + 2 * (size_t)index) : table[index];
    if (symbol > highest) return 1;
    input.window <<= length + 1;
    input.bits -= length + 1;
    put(&output, symbol, bits);
  }
  if (output.bits) *output.at = (unsigned char)output.window;
  return input.borrowed > input.bits; // read more than there was
}

// Decodes all segments of `coded` into `memory`. 0: done; else the data is damaged, or of another
// model.
int tenon_decode_weights(const unsigned char *coded, size_t coded_bytes, unsigned char *memory,
                         size_t memory_bytes) {
  if (coded_bytes < HEAD || word32(coded) != MAGIC) return 1;
  uint32_t segments = word32(coded + 4);
  const unsigned char *end = coded + coded_bytes;
  coded += HEAD;
  for (uint32_t i = 0; i < segments; i++) {
    if ((size_t)(end - coded) < RECORD) return 1;
    uint32_t offset = word32(coded), count = word32(coded + 4), bytes = word32(coded + 8),
             used = word16(coded + 14);
    int bits = coded[12], symbol_bytes = coded[13];
    coded += RECORD;
    if (bytes > (size_t)(end - coded) || bits < 1 || bits > 16 || symbol_bytes < 1 ||
        symbol_bytes > 2)
      return 1;
    if (offset > memory_bytes || ((uint64_t)count * (uint32_t)bits + 7) / 8 > memory_bytes - offset)
      return 1;
    if (decode_segment(coded, bytes, memory + offset, count, bits, symbol_bytes, used)) return 1;
    coded += bytes;
  }
  return coded != end;
}
