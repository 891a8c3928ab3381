// Static archives in the GNU format: a symbol index, a table of long names, the objects.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codegen/object.h"
#include "ir/arena.h"

enum { HEADER_BYTES = 60, SHORT_NAME = 15 };
#define MAGIC "!<arch>\n"
#define LARGEST_MEMBER UINT64_C(9999999999) // ten decimal digits

// Members start at even offsets.
static uint64_t padded(uint64_t size) { return size + size % 2; }

static void write_header(OutputSink *sink, const char *name, uint64_t size, int mode) {
  char header[HEADER_BYTES + 1];
  snprintf(header, sizeof header, "%-16s%-12d%-6d%-6d%-8o%-10" PRIu64 "`\n", name, 0, 0, 0,
           (unsigned)mode, size);
  sink_write(sink, header, HEADER_BYTES);
}

static void write_padding(OutputSink *sink, uint64_t size) { sink_write(sink, "\n", size % 2); }

// Big-endian, whatever the target.
static void write_number(OutputSink *sink, uint64_t number, int bytes) {
  uint8_t text[8];
  for (int i = 0; i < bytes; i++) text[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
  sink_write(sink, text, (size_t)bytes);
}

typedef struct Archive {
  const ArchiveMember *members;
  int count;
  MemorySink long_names; // "name/\n" each
  char (*names)[17];     // as they stand in the headers: "short.o/" or "/offset in long_names"
  uint64_t symbol_count, symbol_bytes;
  int width; // of numbers in the index: 4, or 8 beyond 4 GiB
} Archive;

static void name_members(Archive *archive, Arena *arena) {
  archive->names = arena_alloc_array(arena, (size_t)archive->count, sizeof *archive->names);
  memory_sink_init(&archive->long_names, arena);
  for (int i = 0; i < archive->count; i++) {
    const char *name = archive->members[i].name;
    if (strlen(name) <= SHORT_NAME) {
      snprintf(archive->names[i], sizeof archive->names[i], "%.15s/", name);
    } else {
      snprintf(archive->names[i], sizeof archive->names[i], "/%u",
               (unsigned)archive->long_names.size);
      sink_printf(&archive->long_names.sink, "%s/\n", name);
    }
  }
}

static uint64_t index_bytes(const Archive *archive) {
  return (archive->symbol_count + 1) * (uint64_t)archive->width + archive->symbol_bytes;
}

static uint64_t first_member(const Archive *archive) {
  uint64_t names = archive->long_names.size;
  return strlen(MAGIC) + HEADER_BYTES + padded(index_bytes(archive)) +
         (names ? HEADER_BYTES + padded(names) : 0);
}

static void measure(Archive *archive) {
  uint64_t total = 0;
  for (int i = 0; i < archive->count; i++) {
    const ObjectImage *object = archive->members[i].object;
    total += HEADER_BYTES + padded(object_image_size(object));
    for (const char *const *name = object_image_globals(object); *name; name++) {
      archive->symbol_count++;
      archive->symbol_bytes += strlen(*name) + 1;
    }
  }
  archive->width = 4;
  if (first_member(archive) + total > UINT32_MAX) archive->width = 8;
}

// Number of symbols, offset of the member of each, their names.
static void write_index(const Archive *archive, OutputSink *sink) {
  uint64_t size = index_bytes(archive), offset = first_member(archive);
  write_header(sink, archive->width == 8 ? "/SYM64/" : "/", size, 0);
  write_number(sink, archive->symbol_count, archive->width);
  for (int i = 0; i < archive->count; i++) {
    const ObjectImage *object = archive->members[i].object;
    for (const char *const *name = object_image_globals(object); *name; name++)
      write_number(sink, offset, archive->width);
    offset += HEADER_BYTES + padded(object_image_size(object));
  }
  for (int i = 0; i < archive->count; i++)
    for (const char *const *name = object_image_globals(archive->members[i].object); *name; name++)
      sink_write(sink, *name, strlen(*name) + 1);
  write_padding(sink, size);
}

bool archive_write(Arena *arena, Diag *diag, const ArchiveMember *members, int count,
                   OutputSink *sink) {
  Archive archive = {.members = members, .count = count};
  for (int i = 0; i < count; i++)
    if (object_image_size(members[i].object) > LARGEST_MEMBER)
      return diag_error(diag, loc_file(members[i].name),
                        "object of %" PRIu64 " bytes; an archive has room for %" PRIu64,
                        object_image_size(members[i].object), LARGEST_MEMBER);
  name_members(&archive, arena);
  measure(&archive);
  sink_text(sink, MAGIC);
  write_index(&archive, sink);
  if (archive.long_names.size) {
    // GNU ar leaves the other fields of this header blank.
    sink_printf(sink, "%-48s%-10zu`\n", "//", archive.long_names.size);
    sink_write(sink, archive.long_names.bytes, archive.long_names.size);
    write_padding(sink, archive.long_names.size);
  }
  for (int i = 0; i < count; i++) {
    uint64_t size = object_image_size(members[i].object);
    write_header(sink, archive.names[i], size, 0644);
    if (!object_image_write(members[i].object, sink)) return false;
    write_padding(sink, size);
  }
  return true;
}
