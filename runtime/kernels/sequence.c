// Sequences of tensors. A sequence is never changed: what is made from one is a new one, which
// shares its tensors. The caller gives the memory. Only appending to the newest of a row of
// sequences uses room behind the items that they share, so that a loop which appends takes memory
// in proportion to its turns.
#include <stddef.h>
#include <stdint.h>

#include "runtime/tenon.h"

// What lies behind a tenon_sequence that was made here, which those of the caller lack.
typedef struct Own {
  tenon_sequence sequence;
  size_t *used; // items of the block that belong to some sequence
  size_t capacity;
} Own;

typedef struct Block {
  Own own;
  size_t used, unused; // the second word keeps items aligned
  tenon_tensor items[];
} Block;

static inline void move_tensors(tenon_tensor *to, const tenon_tensor *from, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = from[i];
}

static tenon_tensor *begin(void *memory, size_t count, size_t capacity) {
  Block *block = memory;
  block->own.sequence.items = block->items;
  block->own.sequence.count = block->used = count;
  block->own.used = &block->used;
  block->own.capacity = capacity;
  return block->items;
}

size_t tenon_sequence_bytes(size_t capacity) {
  return sizeof(Block) + capacity * sizeof(tenon_tensor);
}

tenon_tensor *tenon_sequence_begin(void *memory, size_t count) {
  return begin(memory, count, count);
}

// --- insert: how many bytes it takes, then the place of the new tensor in the sequence at `memory`

static inline size_t has_room(const tenon_sequence *from, int own, size_t at) {
  const Own *made = (const Own *)from;
  return own && at == from->count && from->count == *made->used && from->count < made->capacity;
}

static inline size_t room_for(const tenon_sequence *from, size_t at) {
  return at == from->count ? 2 * from->count + 4 : from->count + 1;
}

size_t tenon_sequence_insert_bytes(const tenon_sequence *from, int own, size_t at) {
  return has_room(from, own, at) ? sizeof(Own) : tenon_sequence_bytes(room_for(from, at));
}

tenon_tensor *tenon_sequence_insert(const tenon_sequence *from, int own, size_t at, void *memory) {
  if (has_room(from, own, at)) {
    Own *made = memory;
    *made = *(const Own *)from;
    *made->used = ++made->sequence.count;
    return (tenon_tensor *)made->sequence.items + at;
  }
  tenon_tensor *items = begin(memory, from->count + 1, room_for(from, at));
  move_tensors(items, from->items, at);
  move_tensors(items + at + 1, from->items + at, from->count - at);
  return items + at;
}

void tenon_sequence_erase(const tenon_sequence *from, size_t at, void *memory) {
  tenon_tensor *items = begin(memory, from->count - 1, from->count);
  move_tensors(items, from->items, at);
  move_tensors(items + at, from->items + at + 1, from->count - at - 1);
}

// --- concat: dims of the result, then its elements

int tenon_sequence_concat_dims(const tenon_sequence *from, int axis, int stacks, int rank, int type,
                               size_t *dims) {
  if (!from->count) return TENON_E_INDEX;
  size_t length = 0;
  for (size_t k = 0; k < from->count; k++) {
    const tenon_tensor *item = &from->items[k];
    if (item->rank != rank || item->type != type) return TENON_E_DIM;
    for (int i = 0; i < rank; i++)
      if ((stacks || i != axis) && item->dims[i] != from->items[0].dims[i]) return TENON_E_DIM;
    if (__builtin_add_overflow(length, stacks ? 1 : item->dims[axis], &length)) return TENON_E_DIM;
  }
  for (int i = 0; i < rank + stacks; i++)
    dims[i] = i == axis ? length : from->items[0].dims[i - (stacks && i > axis)];
  return TENON_OK;
}

static inline void move_bytes(char *to, const char *from, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) to[i] = from[i];
}

void tenon_sequence_concat(const tenon_sequence *from, char *to, int axis, int stacks, int rank,
                           const size_t *dims, size_t element_bytes) {
  size_t outer = 1, inner = element_bytes, at = 0;
  for (int i = 0; i < axis; i++) outer *= dims[i];
  for (int i = axis + 1; i < rank; i++) inner *= dims[i];
  for (size_t k = 0; k < from->count; k++) {
    const tenon_tensor *item = &from->items[k];
    size_t run = stacks ? inner : item->dims[axis] * inner;
    for (size_t o = 0; o < outer; o++)
      move_bytes(to + o * dims[axis] * inner + at, (const char *)item->data + o * run, run);
    at += run;
  }
}

// --- split: `sizes` of i32 or i64 (wide); `listed`: each part's, else one for all but the last

static inline int64_t size_at(const void *sizes, int wide, size_t i) {
  return wide ? ((const int64_t *)sizes)[i] : ((const int32_t *)sizes)[i];
}

// The number of parts; -1: they do not make up the axis.
int64_t tenon_sequence_split_count(size_t total, const void *sizes, int wide, int listed,
                                   size_t count) {
  uint64_t sum = 0;
  if (!listed) {
    int64_t size = sizes ? size_at(sizes, wide, 0) : 1;
    return size < 1 ? -1 : (int64_t)(total / (uint64_t)size + (total % (uint64_t)size != 0));
  }
  for (size_t i = 0; i < count; i++) {
    int64_t size = size_at(sizes, wide, i);
    if (size < 0 || (uint64_t)size > total - sum) return -1;
    sum += (uint64_t)size;
  }
  return sum == total ? (int64_t)count : -1;
}

// `memory` holds the sequence, then dims of all parts; `data` their elements, one part behind the
// other.
void tenon_sequence_split(void *memory, char *data, const char *x, const size_t *dims, int rank,
                          int axis, int type, size_t element_bytes, const void *sizes, int wide,
                          int listed, size_t count, int drops) {
  tenon_tensor *items = begin(memory, count, count);
  size_t *part_dims = (size_t *)(items + count), outer = 1, inner = element_bytes, start = 0;
  for (int i = 0; i < axis; i++) outer *= dims[i];
  for (int i = axis + 1; i < rank; i++) inner *= dims[i];
  for (size_t k = 0; k < count; k++) {
    size_t size = listed  ? (size_t)size_at(sizes, wide, k)
                  : sizes ? (size_t)size_at(sizes, wide, 0)
                          : 1;
    if (size > dims[axis] - start) size = dims[axis] - start;
    int kept = 0;
    for (int i = 0; i < rank; i++)
      if (!drops || i != axis) part_dims[kept++] = i == axis ? size : dims[i];
    items[k] = (tenon_tensor){data, part_dims, kept, type};
    for (size_t o = 0; o < outer; o++) {
      move_bytes(data, x + (o * dims[axis] + start) * inner, size * inner);
      data += size * inner;
    }
    part_dims += kept;
    start += size;
  }
}
