// Zip archives, as far as numpy writes them: stored and deflated members, zip64. Every number in
// the file is untrusted; what is read is what the central directory says.
#include "frontend/npz.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "frontend/npy.h"

enum {
  END_RECORD = 0x06054b50,
  END64_RECORD = 0x06064b50,
  END64_LOCATOR = 0x07064b50,
  DIRECTORY_ENTRY = 0x02014b50,
  LOCAL_HEADER = 0x04034b50,
  END_SIZE = 22,
  END64_SIZE = 56,
  LOCATOR_SIZE = 20,
  ENTRY_SIZE = 46,
  LOCAL_SIZE = 30,
  LONGEST_COMMENT = 65535,
  STORED = 0,
  DEFLATED = 8,
  ENCRYPTED_FLAG = 1,
  UTF8_FLAG = 0x800,
  ZIP64_EXTRA = 1,
  HEADER_LIMIT = 1 << 20, // of a .npy file
  BEST_RATIO = 1040       // deflate makes nothing smaller than by 1032
};

static uint64_t load(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

static bool zip_error(Diag *diag, const Npz *npz, const char *wrong) {
  return diag_error(diag, loc_file(npz->path), "not a .npz file that can be read: %s", wrong);
}

// --- the directory

typedef struct Directory {
  uint64_t offset, size, entries;
} Directory;

static bool find_directory64(Diag *diag, const Npz *npz, size_t end, Directory *directory) {
  if (end < LOCATOR_SIZE || load(npz->bytes + end - LOCATOR_SIZE, 4) != END64_LOCATOR) return true;
  uint64_t offset = load(npz->bytes + end - LOCATOR_SIZE + 8, 8);
  if (offset > npz->size || npz->size - offset < END64_SIZE ||
      load(npz->bytes + offset, 4) != END64_RECORD)
    return zip_error(diag, npz, "its zip64 directory is damaged");
  const uint8_t *record = npz->bytes + offset;
  *directory = (Directory){load(record + 48, 8), load(record + 40, 8), load(record + 32, 8)};
  return true;
}

static bool find_directory(Diag *diag, const Npz *npz, Directory *directory) {
  if (npz->size < END_SIZE || memcmp(npz->bytes, "PK", 2) != 0)
    return zip_error(diag, npz, "its first bytes are others");
  size_t lowest =
      npz->size > END_SIZE + LONGEST_COMMENT ? npz->size - END_SIZE - LONGEST_COMMENT : 0;
  for (size_t at = npz->size - END_SIZE;; at--) {
    const uint8_t *record = npz->bytes + at;
    if (load(record, 4) == END_RECORD) {
      *directory = (Directory){load(record + 16, 4), load(record + 12, 4), load(record + 10, 2)};
      if (!find_directory64(diag, npz, at, directory)) return false;
      if (directory->offset > npz->size || directory->size > npz->size - directory->offset)
        return zip_error(diag, npz, "its directory lies outside");
      return directory->entries <= directory->size / ENTRY_SIZE
                 ? true
                 : zip_error(diag, npz, "its directory is cut off");
    }
    if (at == lowest) break;
  }
  return zip_error(diag, npz, "it has no directory (is it cut off?)");
}

// Sizes and offsets that are all ones in the entry stand in a zip64 extra field, in this order.
static bool read_extra(const uint8_t *extra, size_t size, NpzMember *member) {
  uint64_t *const fields[] = {&member->size, &member->packed, &member->header};
  while (size >= 4) {
    size_t length = (size_t)load(extra + 2, 2);
    if (length > size - 4) return false;
    if (load(extra, 2) == ZIP64_EXTRA) {
      const uint8_t *at = extra + 4, *end = at + length;
      for (int i = 0; i < 3; i++) {
        if (*fields[i] != UINT32_MAX) continue;
        if (end - at < 8) return false;
        *fields[i] = load(at, 8);
        at += 8;
      }
    }
    extra += 4 + length;
    size -= 4 + length;
  }
  return true;
}

static const char *member_name(Arena *arena, const uint8_t *text, size_t length) {
  if (memchr(text, 0, length)) return NULL;
  if (length > 4 && memcmp(text + length - 4, ".npy", 4) == 0) length -= 4;
  return arena_strndup(arena, (const char *)text, length);
}

static bool read_directory(Diag *diag, Npz *npz, const Directory *directory) {
  const uint8_t *at = npz->bytes + directory->offset, *end = at + directory->size;
  npz->members = NEW_ARRAY(npz->arena, NpzMember, directory->entries);
  for (uint64_t i = 0; i < directory->entries; i++) {
    if (end - at < ENTRY_SIZE || load(at, 4) != DIRECTORY_ENTRY)
      return zip_error(diag, npz, "its directory is damaged");
    size_t name = load(at + 28, 2), extra = load(at + 30, 2), comment = load(at + 32, 2);
    if ((size_t)(end - at) < ENTRY_SIZE + name + extra + comment)
      return zip_error(diag, npz, "its directory is cut off");
    NpzMember member = {.name = member_name(npz->arena, at + ENTRY_SIZE, name),
                        .method = (uint16_t)load(at + 10, 2),
                        .crc = (uint32_t)load(at + 16, 4),
                        .packed = load(at + 20, 4),
                        .size = load(at + 24, 4),
                        .header = load(at + 42, 4)};
    if (load(at + 8, 2) & ENCRYPTED_FLAG) return zip_error(diag, npz, "it is encrypted");
    if (!member.name || !read_extra(at + ENTRY_SIZE + name, extra, &member))
      return zip_error(diag, npz, "its directory is damaged");
    if (npz_find(npz, member.name)) return zip_error(diag, npz, "two members have one name");
    npz->members[npz->count++] = member;
    at += ENTRY_SIZE + name + extra + comment;
  }
  return true;
}

Npz *npz_from_bytes(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size) {
  Npz *npz = NEW(arena, Npz);
  Directory directory = {0, 0, 0};
  *npz = (Npz){.arena = arena, .path = path, .bytes = bytes, .size = size};
  return find_directory(diag, npz, &directory) && read_directory(diag, npz, &directory) ? npz
                                                                                        : NULL;
}

Npz *npz_open(Arena *arena, Diag *diag, const char *path) {
  size_t size;
  const uint8_t *bytes = file_map(arena, diag, path, &size);
  return bytes ? npz_from_bytes(arena, diag, path, bytes, size) : NULL;
}

NpzMember *npz_find(const Npz *npz, const char *name) {
  for (int i = 0; i < npz->count; i++)
    if (strcmp(npz->members[i].name, name) == 0) return &npz->members[i];
  return NULL;
}

// --- members

// The first `wanted` bytes of a deflated member; NULL: there are not so many, or all are wanted and
// there are more.
static const uint8_t *inflate_member(Npz *npz, const NpzMember *member, const uint8_t *packed,
                                     uint64_t wanted) {
  z_stream stream = {0};
  uint8_t *bytes = arena_alloc(npz->arena, wanted);
  uint64_t read = 0, written = 0;
  bool all = wanted == member->size;
  int state = inflateInit2(&stream, -MAX_WBITS);
  while (state == Z_OK && (all || written < wanted)) {
    uint64_t in = member->packed - read, out = wanted - written;
    stream.next_in = (Bytef *)(uintptr_t)(packed + read);
    stream.avail_in = in > UINT_MAX ? UINT_MAX : (uInt)in;
    stream.next_out = bytes + written;
    stream.avail_out = out > UINT_MAX ? UINT_MAX : (uInt)out;
    uInt had_in = stream.avail_in, had_out = stream.avail_out;
    state = inflate(&stream, Z_NO_FLUSH);
    read += had_in - stream.avail_in;
    written += had_out - stream.avail_out;
    if (state == Z_OK && had_in == stream.avail_in && had_out == stream.avail_out) break;
  }
  inflateEnd(&stream);
  return written == wanted && (!all || state == Z_STREAM_END) ? bytes : NULL;
}

// A small file can inflate to much: what is beyond the array that the header describes is not even
// unpacked.
static bool check_extent(Npz *npz, Diag *diag, const char *path, const NpzMember *member,
                         const uint8_t *packed) {
  uint64_t extent;
  if (member->size <= HEADER_LIMIT) return true;
  const uint8_t *start = inflate_member(npz, member, packed, HEADER_LIMIT);
  if (!start) return diag_error(diag, loc_file(path), "the data is damaged");
  if (!npy_extent(npz->arena, diag, path, start, HEADER_LIMIT, &extent)) return false;
  return extent == member->size ||
         diag_error(diag, loc_file(path),
                    "holds %" PRIu64 " bytes, where its header describes %" PRIu64, member->size,
                    extent);
}

static uint32_t checksum(const uint8_t *bytes, uint64_t size) {
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

// Where the member's packed bytes start; NULL: outside of the file.
static const uint8_t *member_bytes(const Npz *npz, const NpzMember *member) {
  if (member->header > npz->size || npz->size - member->header < LOCAL_SIZE) return NULL;
  const uint8_t *local = npz->bytes + member->header;
  if (load(local, 4) != LOCAL_HEADER) return NULL;
  uint64_t start = member->header + LOCAL_SIZE + load(local + 26, 2) + load(local + 28, 2);
  if (start > npz->size || member->packed > npz->size - start) return NULL;
  return npz->bytes + start;
}

bool npz_array(Npz *npz, Diag *diag, NpzMember *member, Tensor *tensor) {
  if (!member->read) {
    const uint8_t *bytes = member_bytes(npz, member);
    const char *path = arena_printf(npz->arena, "%s(%s)", npz->path, member->name);
    if (!bytes) return zip_error(diag, npz, "a member lies outside of the file");
    if (member->method == DEFLATED) {
      if (member->size / BEST_RATIO > member->packed + 64)
        return zip_error(diag, npz, "a member claims to be impossibly large");
      if (!check_extent(npz, diag, path, member, bytes)) return false;
      bytes = inflate_member(npz, member, bytes, member->size);
    } else if (member->method != STORED || member->size != member->packed) {
      return diag_error(diag, loc_file(path), "neither stored nor deflated (method %d)",
                        member->method);
    }
    if (!bytes || checksum(bytes, member->size) != member->crc)
      return diag_error(diag, loc_file(path), "the data is damaged");
    if (!npy_decode(npz->arena, diag, path, bytes, member->size, &member->tensor)) return false;
    member->tensor.name = member->name;
    member->read = true;
  }
  *tensor = member->tensor;
  return true;
}

// --- writing

typedef struct Entry {
  const char *name;
  uint64_t offset, size;
  uint32_t crc;
} Entry;

static void put(OutputSink *sink, uint64_t value, int count) {
  uint8_t bytes[8];
  for (int i = 0; i < count; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  sink_write(sink, bytes, (size_t)count);
}

// What local header and directory entry have in common. Sizes are in the zip64 field. The time is
// the earliest that the format knows, 1980-01-01 00:00: the same data give the same bytes.
static void put_common(OutputSink *sink, const Entry *entry, int extra) {
  put(sink, 45, 2);
  put(sink, UTF8_FLAG, 2);
  put(sink, STORED, 2);
  put(sink, 0, 2);
  put(sink, 0x21, 2);
  put(sink, entry->crc, 4);
  put(sink, UINT32_MAX, 4);
  put(sink, UINT32_MAX, 4);
  put(sink, strlen(entry->name), 2);
  put(sink, (uint64_t)extra, 2);
}

static bool write_member(OutputSink *sink, Arena *arena, Diag *diag, const char *path,
                         const Tensor *tensor, Entry *entry) {
  size_t header_size, size;
  const char *header = npy_header(arena, diag, path, tensor, &header_size);
  if (!header) return false;
  const uint8_t *data = npy_payload(arena, tensor, &size);
  *entry = (Entry){arena_printf(arena, "%s.npy", tensor->name), sink->written, header_size + size,
                   (uint32_t)crc32_z(checksum((const uint8_t *)header, header_size),
                                     size ? data : (const uint8_t *)"", size)};
  put(sink, LOCAL_HEADER, 4);
  put_common(sink, entry, 20);
  sink_text(sink, entry->name);
  put(sink, ZIP64_EXTRA, 2);
  put(sink, 16, 2);
  put(sink, entry->size, 8);
  put(sink, entry->size, 8);
  sink_write(sink, header, header_size);
  sink_write(sink, data, size);
  return true;
}

static void write_directory(OutputSink *sink, const Entry *entries, int count) {
  uint64_t start = sink->written;
  for (int i = 0; i < count; i++) {
    put(sink, DIRECTORY_ENTRY, 4);
    put(sink, 45, 2);
    put_common(sink, &entries[i], 28);
    put(sink, 0, 2); // comment
    put(sink, 0, 4); // disk, internal attributes
    put(sink, 0, 4); // external attributes
    put(sink, UINT32_MAX, 4);
    sink_text(sink, entries[i].name);
    put(sink, ZIP64_EXTRA, 2);
    put(sink, 24, 2);
    put(sink, entries[i].size, 8);
    put(sink, entries[i].size, 8);
    put(sink, entries[i].offset, 8);
  }
  uint64_t end = sink->written;
  put(sink, END64_RECORD, 4);
  put(sink, END64_SIZE - 12, 8);
  put(sink, 45 | 45 << 16, 4);
  put(sink, 0, 8); // this disk, disk of the directory
  put(sink, (uint64_t)count, 8);
  put(sink, (uint64_t)count, 8);
  put(sink, end - start, 8);
  put(sink, start, 8);
  put(sink, END64_LOCATOR, 4);
  put(sink, 0, 4);
  put(sink, end, 8);
  put(sink, 1, 4);
  put(sink, END_RECORD, 4);
  put(sink, 0, 4);
  put(sink, UINT32_MAX, 4);
  put(sink, UINT32_MAX, 4);
  put(sink, UINT32_MAX, 4);
  put(sink, 0, 2);
}

bool npz_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensors, int count) {
  Entry *entries = NEW_ARRAY(arena, Entry, count);
  OutputFile *file = output_open(arena, diag, path);
  if (!file) return false;
  for (int i = 0; i < count; i++) {
    if (write_member(output_sink(file), arena, diag, path, &tensors[i], &entries[i])) continue;
    output_abort(file);
    return false;
  }
  write_directory(output_sink(file), entries, count);
  return output_commit(file, diag);
}
