// Content hash of bytes and of constants: names the values of large constants in the text form.
#ifndef TENON_IR_HASH_H
#define TENON_IR_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "ir/graph.h"

// The published 64-bit xxHash (XXH64): fast, good, not cryptographic.
uint64_t hash_bytes(const void *data, size_t bytes, uint64_t seed);
// Hash of a constant's element type, shape and values (not of its quantization, name or storage);
// never 0. Computed anew each time: `constant->hash` is only a cache that passes may keep.
uint64_t constant_hash(const Constant *constant, const Type *type);

#endif
