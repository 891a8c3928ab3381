// Canonical Huffman codes of at most 15 bits: how entropy-coded weights lie in the object.
//
// A coded segment: 15 numbers of codes by length (u16), the symbols in the order of their codes
// (one byte each, two where a symbol is above 255), then the codes, the highest bit of each first.
// The decoder (runtime/kernels/huffman.c) reads it with no table of its own.
#ifndef TENON_IR_HUFFMAN_H
#define TENON_IR_HUFFMAN_H

#include "ir/arena.h"

#include <stdint.h>

enum { HUFFMAN_LONGEST = 15 };

typedef struct HuffmanCoded {
  unsigned char *data;
  size_t bytes;
  int symbols;      // in the table
  int symbol_bytes; // of each of these: 1 or 2
} HuffmanCoded;

// Encodes `count` symbols of `size` bytes (1 or 2). More different ones than 15 bits can tell
// apart: no data, SIZE_MAX bytes.
HuffmanCoded huffman_encode(Arena *arena, const void *symbols, int size, int64_t count);

#endif
