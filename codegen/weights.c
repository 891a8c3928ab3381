// The constants of the object: one section of segments, each as the kernel that reads it packed it.
#include <stdlib.h>
#include <string.h>

#include "codegen/internal.h"

static int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

int weights_add(Weights *weights, const PackedSegment *segment) {
  for (int i = 0; segment->key && i < weights->count; i++) {
    const PackedSegment *known = &weights->segments[i].segment;
    if (known->key && known->bytes == segment->bytes && !strcmp(known->key, segment->key)) return i;
  }
  CodedSegment coded = {0};
  WeightsHome home = segment->entropy && weights_code(weights->arena, segment, &coded)
                         ? HOME_DECODED
                         : HOME_WEIGHTS;
  PlacedSegment placed = {*segment, coded, home, round_up(weights->bytes[home], segment->align)};
  weights->bytes[home] = placed.offset + (int64_t)segment->bytes;
  if (segment->align > weights->align[home]) weights->align[home] = segment->align;
  ARENA_PUSH(weights->arena, weights->segments, weights->count, weights->capacity, placed);
  return weights->count - 1;
}

static void write_dense(const PackedSegment *segment, unsigned char *out) {
  const Constant *constant = segment->user;
  if (constant->bytes) memcpy(out, constant->data, constant->bytes);
}

int weights_add_dense(Weights *weights, const Constant *constant, const Type *type,
                      const Target *target) {
  int natural = element_info[type->element].bits >= 8 ? element_info[type->element].bits / 8 : 1;
  int align = constant->bytes >= 64 ? target_alignment(target) : natural;
  PackedSegment segment = {.bytes = constant->bytes,
                           .align = align < natural ? natural : align,
                           .symbol_bits = 8,
                           .parts = 1,
                           .entropy = storage_find(&constant->storage, STAGE_HUFFMAN) != NULL,
                           .key = arena_printf(weights->arena, "dense:%s", constant->name),
                           .write = write_dense,
                           .user = constant};
  return weights_add(weights, &segment);
}

static void write_parts(const PackedSegment *segment, OutputSink *sink) {
  size_t bytes = segment->bytes / (size_t)segment->parts;
  unsigned char *buffer = malloc(bytes ? bytes : 1);
  if (!buffer) machine_failed("out of memory (%zu bytes wanted)", bytes);
  PackedSegment part = *segment;
  for (part.part = 0; part.part < segment->parts; part.part++) {
    memset(buffer, 0, bytes);
    segment->write(&part, buffer);
    sink_write(sink, buffer, bytes);
  }
  free(buffer);
}

bool weights_stream(void *user, OutputSink *sink) {
  const Weights *weights = user;
  int64_t at = 0;
  for (int i = 0; i < weights->count; i++) {
    const PlacedSegment *placed = &weights->segments[i];
    if (placed->home != HOME_WEIGHTS) continue;
    sink_zeros(sink, (uint64_t)(placed->offset - at));
    at = placed->offset + (int64_t)placed->segment.bytes;
    if (placed->segment.write == write_dense) { // straight from the mapping, not through a copy
      const Constant *constant = placed->segment.user;
      sink_write(sink, constant->data, constant->bytes);
      continue;
    }
    write_parts(&placed->segment, sink);
  }
  return true;
}
