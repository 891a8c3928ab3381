// XXH64 as published, for little-endian hosts, and the hash of a constant made of it.
#include "ir/hash.h"

#include <string.h>

#include "ir/tensor.h"

static const uint64_t prime_1 = 0x9E3779B185EBCA87, prime_2 = 0xC2B2AE3D27D4EB4F,
                      prime_3 = 0x165667B19E3779F9, prime_4 = 0x85EBCA77C2B2AE63,
                      prime_5 = 0x27D4EB2F165667C5;

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static uint64_t load_64(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

static uint64_t round_of(uint64_t lane, uint64_t word) {
  return rotate(lane + word * prime_2, 31) * prime_1;
}

static uint64_t merge(uint64_t hash, uint64_t lane) {
  return (hash ^ round_of(0, lane)) * prime_1 + prime_4;
}

// The blocks of 32 bytes, in four independent lanes.
static uint64_t hash_blocks(const unsigned char **at, const unsigned char *end, uint64_t seed) {
  uint64_t a = seed + prime_1 + prime_2, b = seed + prime_2, c = seed, d = seed - prime_1;
  for (; end - *at >= 32; *at += 32) {
    a = round_of(a, load_64(*at));
    b = round_of(b, load_64(*at + 8));
    c = round_of(c, load_64(*at + 16));
    d = round_of(d, load_64(*at + 24));
  }
  uint64_t hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  return merge(merge(merge(merge(hash, a), b), c), d);
}

uint64_t hash_bytes(const void *data, size_t bytes, uint64_t seed) {
  static const unsigned char nothing[1];
  const unsigned char *at = bytes ? data : nothing, *end = at + bytes;
  uint64_t hash = bytes >= 32 ? hash_blocks(&at, end, seed) : seed + prime_5;
  hash += bytes;
  for (; end - at >= 8; at += 8)
    hash = rotate(hash ^ round_of(0, load_64(at)), 27) * prime_1 + prime_4;
  if (end - at >= 4) {
    uint32_t word;
    memcpy(&word, at, 4);
    hash = rotate(hash ^ word * prime_1, 23) * prime_2 + prime_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotate(hash ^ *at * prime_5, 11) * prime_1;
  hash = (hash ^ hash >> 33) * prime_2;
  hash = (hash ^ hash >> 29) * prime_3;
  return hash ^ hash >> 32;
}

static uint64_t hash_strings(const TensorString *strings, size_t count, uint64_t hash) {
  for (size_t i = 0; i < count; i++) hash = hash_bytes(strings[i].data, strings[i].length, hash);
  return hash;
}

uint64_t constant_hash(const Constant *constant, const Type *type) {
  const char *element = element_info[type->element].text;
  uint64_t hash = hash_bytes(element, strlen(element), (uint64_t)type->rank);
  for (int i = 0; i < type->rank; i++) {
    int64_t size = type_dim(type, i);
    hash = hash_bytes(&size, sizeof size, hash);
  }
  if (type->element == STR)
    hash = hash_strings(constant->data, constant->bytes / sizeof(TensorString), hash);
  else
    hash = hash_bytes(constant->data, constant->bytes, hash);
  return hash ? hash : 1;
}
