// The file of large constants beside a .tir text: FILE.tir.weights, made to be mapped.
//
// Little-endian: 8 bytes "TENONWTS", u32 version, u32 zero, u64 number of entries, 40 zero bytes;
// the entries {u64 hash, u64 offset, u64 bytes}, ascending by hash; then the data, each at a
// multiple of 64 bytes. Equal constants are stored once.
#ifndef TENON_IR_WEIGHTS_H
#define TENON_IR_WEIGHTS_H

#include <stdio.h>

#include "ir/graph.h"

typedef struct Weights Weights;

// Maps the file until the arena is destroyed and checks its head and table. NULL: reported at
// `loc`.
Weights *weights_open(Arena *arena, const char *path, Loc loc, Diag *diag);
// The bytes of that hash; NULL if there are none, or not so many. The hash of the bytes themselves
// is for the caller to check, who knows the type.
const void *weights_find(const Weights *weights, uint64_t hash, size_t bytes);

typedef struct WeightsItem {
  uint64_t hash;
  const void *data;
  size_t bytes;
} WeightsItem;
// Sorts the items and writes each hash once. False: two different constants with the same hash
// (reported), or a write error (reported).
bool weights_write(FILE *stream, WeightsItem *items, int count, const char *path, Diag *diag);

#endif
