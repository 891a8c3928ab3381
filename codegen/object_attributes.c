// Edits the build attributes of ARM objects.
//
// ld refuses to link objects of different float calling conventions unless one says that it passes
// no floats: Tag_ABI_VFP_args = 3. No float crosses the interface of a compiled model, so one
// object links with soft, softfp and hard-float firmware.
//
// Layout: 'A', then [length u32][vendor, NUL] sections, in "aeabi" a [tag][length u32] subsection
// for the file, in it pairs of a tag and a value. Lengths include themselves and what precedes.
#include <string.h>

#include "codegen/object_image.h"

enum {
  TAG_FILE = 1,
  TAG_CPU_RAW_NAME = 4,
  TAG_CPU_NAME = 5,
  TAG_ABI_VFP_ARGS = 28,
  TAG_COMPATIBILITY = 32,
  VFP_ARGS_COMPATIBLE = 3,
};

typedef struct Cursor {
  const uint8_t *at, *end;
} Cursor;

static bool skip_text(Cursor *c) {
  const uint8_t *end = memchr(c->at, 0, (size_t)(c->end - c->at));
  if (end) c->at = end + 1;
  return end != NULL;
}

static bool read_uleb(Cursor *c, uint64_t *value) {
  *value = 0;
  for (int shift = 0; c->at < c->end && shift < 63; shift += 7) {
    uint8_t byte = *c->at++;
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

// Which form a value has is known from its tag, also for tags of the future.
static bool skip_value(Cursor *c, uint64_t tag) {
  uint64_t number;
  if (tag == TAG_COMPATIBILITY) return read_uleb(c, &number) && skip_text(c);
  bool is_text =
      tag == TAG_CPU_RAW_NAME || tag == TAG_CPU_NAME || (tag > TAG_COMPATIBILITY && tag % 2);
  return is_text ? skip_text(c) : read_uleb(c, &number);
}

static bool read_length(Cursor *c, uint32_t least, uint32_t *length) {
  if (c->end - c->at < 4) return false;
  memcpy(length, c->at, 4);
  return *length >= least;
}

// Copies the attributes of the file with the one value exchanged, in ascending order of tags.
static bool copy_attributes(Cursor c, OutputSink *sink) {
  static const uint8_t compatible[] = {TAG_ABI_VFP_ARGS, VFP_ARGS_COMPATIBLE};
  bool written = false;
  while (c.at < c.end) {
    const uint8_t *start = c.at;
    uint64_t tag;
    if (!read_uleb(&c, &tag) || !skip_value(&c, tag)) return false;
    if (tag >= TAG_ABI_VFP_ARGS && tag <= TAG_COMPATIBILITY && !written) {
      sink_write(sink, compatible, sizeof compatible);
      written = true;
    }
    if (tag != TAG_ABI_VFP_ARGS) sink_write(sink, start, (size_t)(c.at - start));
  }
  if (!written) sink_write(sink, compatible, sizeof compatible);
  return true;
}

static void write_length(OutputSink *sink, size_t length) {
  uint32_t word = (uint32_t)length;
  sink_write(sink, &word, sizeof word);
}

// The [tag][length] subsections of one vendor; only the file's own attributes change.
static bool copy_subsections(Arena *arena, Cursor c, OutputSink *sink) {
  while (c.at < c.end) {
    const uint8_t *start = c.at++;
    uint32_t length;
    if (!read_length(&c, 5, &length) || length > (size_t)(c.end - start)) return false;
    c.at = start + length;
    if (*start != TAG_FILE) {
      sink_write(sink, start, length);
      continue;
    }
    MemorySink attributes;
    memory_sink_init(&attributes, arena);
    if (!copy_attributes((Cursor){start + 5, c.at}, &attributes.sink)) return false;
    sink_write(sink, start, 1);
    write_length(sink, attributes.size + 5);
    sink_write(sink, attributes.bytes, attributes.size);
  }
  return true;
}

static bool copy_vendors(Arena *arena, Cursor c, OutputSink *sink) {
  if (c.at == c.end || *c.at != 'A') return false;
  sink_write(sink, c.at++, 1);
  while (c.at < c.end) {
    const uint8_t *start = c.at;
    uint32_t length;
    if (!read_length(&c, 5, &length) || length > (size_t)(c.end - start)) return false;
    Cursor inside = {start + 4, start + length};
    c.at = inside.end;
    const char *vendor = (const char *)inside.at;
    if (!skip_text(&inside)) return false;
    if (strcmp(vendor, "aeabi") != 0) {
      sink_write(sink, start, length);
      continue;
    }
    MemorySink subsections;
    memory_sink_init(&subsections, arena);
    if (!copy_subsections(arena, inside, &subsections.sink)) return false;
    write_length(sink, 4 + strlen(vendor) + 1 + subsections.size);
    sink_write(sink, vendor, strlen(vendor) + 1);
    sink_write(sink, subsections.bytes, subsections.size);
  }
  return true;
}

bool arm_allow_every_float_abi(Arena *arena, Diag *diag, Loc loc, ObjectSection *section) {
  MemorySink content;
  memory_sink_init(&content, arena);
  Cursor all = {section->bytes, section->bytes + section->size};
  if (!copy_vendors(arena, all, &content.sink))
    return diag_error(diag, loc, "internal error: section '%s' is damaged", section->name);
  section->bytes = content.bytes;
  section->size = content.size;
  return true;
}
