// Reading protobuf's wire format: fields, varints, UTF-8, and what a file is that has none of it.
#include <string.h>

#include "frontend/wire.h"

bool wire_varint(WireReader *reader, uint64_t *value) {
  uint64_t result = 0;
  for (int i = 0; i < 10 && reader->at + (uint64_t)i < reader->end; i++) {
    uint8_t byte = reader->data[reader->at + (uint64_t)i];
    result |= (uint64_t)(byte & 127) << (7 * i);
    if (byte & 128) continue;
    reader->at += (uint64_t)i + 1;
    *value = result;
    return true;
  }
  return false;
}

static const char *fixed_value(WireReader *reader, WireField *field, int width) {
  if (reader->end - reader->at < (uint64_t)width) return "a fixed-width value is cut off";
  memcpy(&field->value, reader->data + reader->at, (size_t)width);
  reader->at += (uint64_t)width;
  return NULL;
}

const char *wire_next(WireReader *reader, WireField *field) {
  uint64_t tag;
  *field = (WireField){.offset = reader->at};
  if (!wire_varint(reader, &tag)) return "a field's tag does not end";
  if (tag >> 3 == 0) return "a field has the number 0";
  if (tag > UINT32_MAX) return "a field's number is too large";
  field->number = (uint32_t)(tag >> 3);
  int type = (int)(tag & 7);
  field->type = (WireType)type;
  switch (type) {
  case WIRE_VARINT: return wire_varint(reader, &field->value) ? NULL : "a number does not end";
  case WIRE_64: return fixed_value(reader, field, 8);
  case WIRE_32: return fixed_value(reader, field, 4);
  case WIRE_BYTES:
    if (!wire_varint(reader, &field->size)) return "a length does not end";
    if (field->size > reader->end - reader->at)
      return "a length goes past the end of the message around it: the file is damaged or cut off";
    field->begin = reader->at;
    reader->at += field->size;
    return NULL;
  case 3:
  case 4: return "a field is a group, which ONNX does not use";
  default: return "a field has an undefined wire type";
  }
}

// Length of the sequence that starts with `lead`, and its smallest code point; 0: no lead byte.
static int utf8_length(uint8_t lead, uint32_t *smallest) {
  *smallest = lead >= 0xf0 ? 0x10000 : lead >= 0xe0 ? 0x800 : lead >= 0xc0 ? 0x80 : 0;
  return lead < 0x80   ? 1
         : lead < 0xc0 ? 0
         : lead < 0xe0 ? 2
         : lead < 0xf0 ? 3
         : lead < 0xf8 ? 4
                       : 0;
}

bool wire_utf8_valid(const uint8_t *text, uint64_t size) {
  for (uint64_t at = 0; at < size;) {
    uint32_t smallest;
    int length = utf8_length(text[at], &smallest);
    if (!length || size - at < (uint64_t)length) return false;
    uint32_t point = length == 1 ? text[at] : text[at] & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
      uint8_t next = text[at + (uint64_t)i];
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    at += (uint64_t)length;
  }
  return true;
}

static bool is_text(const WireFile *file) {
  uint64_t size = file->size < 512 ? file->size : 512;
  for (uint64_t i = 0; i < size; i++) {
    uint8_t c = file->data[i];
    if (c == 127 || (c < 32 && (c < 9 || c > 13))) return false;
  }
  return size > 0;
}

typedef struct Magic {
  uint64_t offset, size;
  const char *bytes, *meaning;
} Magic;

static const Magic magics[] = {
    {0, 7, "version", "a Git LFS pointer, not the model itself (run `git lfs pull`)"},
    {0, 4, "PK\3\4",
     "a zip archive (unpack it first; PyTorch and Keras files are zip archives too)"},
    {0, 2, "\x1f\x8b", "gzip data (unpack it first)"},
    {0, 4,
     "\x7f"
     "ELF",
     "an ELF file"},
    {0, 4, "GGUF", "a GGUF file"},
    {0, 8, "\x89HDF\r\n\x1a\n", "an HDF5 file (Keras?)"},
    {0, 6, "\x93NUMPY", "a numpy array"},
    {4, 4, "TFL3", "a TensorFlow Lite model"},
    {4, 4, "ORTM", "an ORT-format model (wanted is the .onnx file that it was made from)"},
    {0, 2, "\x80\2", "a Python pickle (PyTorch?)"},
    {0, 2, "\x80\4", "a Python pickle (PyTorch?)"},
    {0, 1, "<", "an HTML or XML page, perhaps of a failed download"},
    {0, 1, "{", "JSON"},
};

const char *wire_other_format(const WireFile *file) {
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
    const Magic *m = &magics[i];
    if (file->size < m->offset + m->size) continue;
    if (memcmp(file->data + m->offset, m->bytes, m->size)) continue;
    if (*m->bytes == 'v' && !is_text(file)) continue;
    return m->meaning;
  }
  return is_text(file) ? "a text file" : NULL;
}
