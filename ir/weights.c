// Reading and writing of .tir.weights. The file is untrusted: nothing in it is used before the
// check of its range.
#include "ir/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, HEAD_BYTES = 64, ENTRY_BYTES = 24, ALIGN = 64 };
static const char magic[8] = "TENONWTS";

struct Weights {
  const unsigned char *map;
  size_t size;
  uint64_t count;
};

static uint64_t load_64(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

static uint64_t entry_field(const Weights *weights, uint64_t entry, int field) {
  return load_64(weights->map + HEAD_BYTES + entry * ENTRY_BYTES + (size_t)field * 8);
}

static bool check_table(Weights *weights, const char *path, Loc loc, Diag *diag) {
  uint32_t version;
  if (weights->size < HEAD_BYTES || memcmp(weights->map, magic, sizeof magic) != 0)
    return diag_error(diag, loc, "%s is not a weights file", path);
  memcpy(&version, weights->map + 8, 4);
  if (version != VERSION)
    return diag_error(diag, loc, "%s has version %u, wanted 1", path, version);
  weights->count = load_64(weights->map + 16);
  if (weights->count > (weights->size - HEAD_BYTES) / ENTRY_BYTES)
    return diag_error(diag, loc, "%s is too short for its table", path);
  for (uint64_t i = 0; i < weights->count; i++) {
    uint64_t offset = entry_field(weights, i, 1), bytes = entry_field(weights, i, 2);
    if (offset % ALIGN || offset > weights->size || bytes > weights->size - offset)
      return diag_error(diag, loc, "%s: entry %llu lies outside the file", path,
                        (unsigned long long)i);
    if (i && entry_field(weights, i, 0) <= entry_field(weights, i - 1, 0))
      return diag_error(diag, loc, "%s: the table is not sorted", path);
  }
  return true;
}

Weights *weights_open(Arena *arena, const char *path, Loc loc, Diag *diag) {
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would be waited for
  if (file < 0 || fstat(file, &status) || !S_ISREG(status.st_mode)) {
    diag_error(diag, loc, "cannot read the values of constants from %s: %s", path,
               file < 0 ? strerror(errno) : "not a file");
    if (file >= 0) close(file);
    return NULL;
  }
  Weights *weights = NEW(arena, Weights);
  weights->size = (size_t)status.st_size;
  void *map =
      weights->size ? mmap(NULL, weights->size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  close(file);
  if (map == MAP_FAILED) {
    diag_error(diag, loc, "%s is not a weights file", path);
    return NULL;
  }
  weights->map = map;
  arena_adopt_mapping(arena, map, weights->size);
  return check_table(weights, path, loc, diag) ? weights : NULL;
}

const void *weights_find(const Weights *weights, uint64_t hash, size_t bytes) {
  uint64_t low = 0, high = weights->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2, found = entry_field(weights, middle, 0);
    if (found == hash)
      return entry_field(weights, middle, 2) == bytes
                 ? weights->map + entry_field(weights, middle, 1)
                 : NULL;
    if (found < hash)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static int by_hash(const void *a, const void *b) {
  uint64_t x = ((const WeightsItem *)a)->hash, y = ((const WeightsItem *)b)->hash;
  return x < y ? -1 : x > y;
}

// Sorts and drops repetitions; -1: two contents of one hash.
static int distinct_items(WeightsItem *items, int count) {
  int kept = 0;
  qsort(items, (size_t)count, sizeof *items, by_hash);
  for (int i = 0; i < count; i++) {
    WeightsItem *last = kept ? &items[kept - 1] : NULL;
    if (!last || last->hash != items[i].hash)
      items[kept++] = items[i];
    else if (last->bytes != items[i].bytes || memcmp(last->data, items[i].data, last->bytes) != 0)
      return -1;
  }
  return kept;
}

static uint64_t align_up(uint64_t offset) { return (offset + ALIGN - 1) / ALIGN * ALIGN; }

bool weights_write(FILE *stream, WeightsItem *items, int count, const char *path, Diag *diag) {
  static const char zeros[ALIGN];
  count = distinct_items(items, count);
  if (count < 0) return diag_error(diag, loc_file(path), "two constants have the same hash");
  uint64_t head[8] = {0, VERSION, (uint64_t)count};
  memcpy(head, magic, sizeof magic);
  fwrite(head, sizeof head, 1, stream);
  uint64_t at = align_up(HEAD_BYTES + (uint64_t)count * ENTRY_BYTES);
  for (int i = 0; i < count; i++) {
    uint64_t entry[3] = {items[i].hash, at, items[i].bytes};
    fwrite(entry, sizeof entry, 1, stream);
    at = align_up(at + items[i].bytes);
  }
  at = HEAD_BYTES + (uint64_t)count * ENTRY_BYTES;
  for (int i = 0; i < count; i++) {
    fwrite(zeros, 1, align_up(at) - at, stream);
    fwrite(items[i].data, 1, items[i].bytes, stream);
    at = align_up(at) + items[i].bytes;
  }
  if (fflush(stream) || ferror(stream))
    return diag_error(diag, loc_file(path), "cannot write: %s", strerror(errno));
  return true;
}
