// .npy: a magic number, a version, the length of the header, and the header: the text of a Python
// dict with 'descr', 'fortran_order' and 'shape'. All of it is untrusted.
#include "frontend/npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct Header {
  ElementType element;
  int64_t characters; // of a `<U` or `|S` string; 0: no string
  bool wide;          // UTF-32
  bool big_endian, fortran_order;
  int rank;
  int64_t dims[MAX_RANK];
  size_t data_offset;
  int64_t count, needed; // elements, and the bytes that they take in the file
} Header;

typedef struct Dtype {
  char kind;
  int size;
  ElementType element;
} Dtype;

// The first row of an element type is what is written.
static const Dtype dtypes[] = {
    {'f', 4, F32}, {'f', 8, F64},  {'f', 2, F16}, {'i', 1, I8},    {'i', 2, I16},
    {'i', 4, I32}, {'i', 8, I64},  {'u', 1, U8},  {'u', 2, U16},   {'u', 4, U32},
    {'u', 8, U64}, {'b', 1, BOOL}, {'c', 8, C64}, {'c', 16, C128}, {'V', 2, BF16},
};

typedef struct Reader {
  Arena *arena;
  Diag *diag;
  const char *path;
  const char *at, *end; // what is left of the header
} Reader;

static bool npy_error(Reader *reader, const char *wrong) {
  return diag_error(reader->diag, loc_file(reader->path), "not a .npy file that can be read: %s",
                    wrong);
}

static void skip_space(Reader *reader) {
  while (reader->at < reader->end &&
         (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t'))
    reader->at++;
}

static bool take(Reader *reader, char wanted) {
  skip_space(reader);
  if (reader->at == reader->end || *reader->at != wanted) return false;
  reader->at++;
  return true;
}

// A Python string without escapes; NULL: there is none.
static const char *take_string(Reader *reader) {
  skip_space(reader);
  if (reader->at == reader->end || (*reader->at != '\'' && *reader->at != '"')) return NULL;
  const char *start = reader->at + 1,
             *close = memchr(start, *reader->at, (size_t)(reader->end - start));
  if (!close) return NULL;
  reader->at = close + 1;
  return arena_strndup(reader->arena, start, (size_t)(close - start));
}

static bool take_word(Reader *reader, const char *word) {
  size_t length = strlen(word);
  skip_space(reader);
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
    return false;
  reader->at += length;
  return true;
}

static bool take_number(Reader *reader, int64_t *number) {
  skip_space(reader);
  const char *start = reader->at;
  *number = 0;
  for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++)
    if (__builtin_mul_overflow(*number, 10, number) ||
        __builtin_add_overflow(*number, *reader->at - '0', number))
      return false;
  if (reader->at < reader->end && *reader->at == 'L') reader->at++; // Python 2
  return reader->at > start;
}

static bool read_dtype(Reader *reader, Header *header) {
  const char *text = take_string(reader);
  if (!text) return npy_error(reader, "its elements are structures");
  bool ordered = *text && strchr("<>|=", *text);
  header->big_endian = *text == '>';
  const char *kind = text + ordered;
  char *end;
  long size = *kind ? strtol(kind + 1, &end, 10) : 0;
  if (*kind == 'O') return npy_error(reader, "its elements are Python objects");
  if (!*kind || *end || size < 0 || size > INT32_MAX)
    return npy_error(reader, "its 'descr' is not understood");
  if (*kind == 'U' || *kind == 'S') {
    header->element = STR;
    header->wide = *kind == 'U';
    header->characters = size;
    return true;
  }
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (dtypes[i].kind != *kind || dtypes[i].size != size) continue;
    header->element = dtypes[i].element;
    return true;
  }
  return diag_error(reader->diag, loc_file(reader->path), "elements of type '%s' are not supported",
                    text);
}

static bool read_shape(Reader *reader, Header *header) {
  if (!take(reader, '(')) return npy_error(reader, "its 'shape' is not a tuple");
  header->rank = 0;
  while (!take(reader, ')')) {
    if (header->rank == MAX_RANK) return npy_error(reader, "it has more than 8 dimensions");
    if (!take_number(reader, &header->dims[header->rank++]))
      return npy_error(reader, "a dimension is not a number");
    if (!take(reader, ',')) {
      if (!take(reader, ')')) return npy_error(reader, "its 'shape' is not a tuple");
      break;
    }
  }
  return true;
}

static bool read_dict(Reader *reader, Header *header) {
  bool has_dtype = false, has_shape = false;
  if (!take(reader, '{')) return npy_error(reader, "its header is not a dict");
  while (!take(reader, '}')) {
    const char *key = take_string(reader);
    if (!key || !take(reader, ':')) return npy_error(reader, "its header is not a dict");
    if (strcmp(key, "descr") == 0) {
      if (!read_dtype(reader, header)) return false;
      has_dtype = true;
    } else if (strcmp(key, "shape") == 0) {
      if (!read_shape(reader, header)) return false;
      has_shape = true;
    } else if (strcmp(key, "fortran_order") == 0) {
      header->fortran_order = take_word(reader, "True");
      if (!header->fortran_order && !take_word(reader, "False"))
        return npy_error(reader, "'fortran_order' is neither True nor False");
    } else {
      return npy_error(reader, "its header has an unknown key");
    }
    take(reader, ',');
  }
  return has_dtype && has_shape ? true : npy_error(reader, "its header lacks 'descr' or 'shape'");
}

static bool read_header(Reader *reader, const uint8_t *bytes, size_t size, Header *header) {
  if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
    return npy_error(reader, "its first bytes are others");
  if (bytes[6] < 1 || bytes[6] > 3) return npy_error(reader, "its version is unknown");
  size_t start = bytes[6] == 1 ? 10 : 12, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (size < start) return npy_error(reader, "it is cut off");
  if (bytes[6] > 1) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (length > size - start) return npy_error(reader, "it is cut off");
  reader->at = (const char *)bytes + start;
  reader->end = reader->at + length;
  header->data_offset = start + length;
  return read_dict(reader, header);
}

// --- data

// Index in Fortran order of the element that is number `index` in C order.
static int64_t fortran_index(const Header *header, int64_t index) {
  int64_t result = 0, coordinates[MAX_RANK] = {0};
  for (int i = header->rank - 1; i >= 0; i--) {
    coordinates[i] = index % header->dims[i];
    index /= header->dims[i];
  }
  for (int i = header->rank - 1; i >= 0; i--) result = result * header->dims[i] + coordinates[i];
  return result;
}

static void copy_element(uint8_t *to, const uint8_t *from, size_t bytes, size_t part, bool swap) {
  memcpy(to, from, bytes);
  if (!swap) return;
  for (size_t start = 0; start < bytes; start += part)
    for (size_t i = 0; i < part; i++) to[start + i] = from[start + part - 1 - i];
}

static void convert_data(const Header *header, const uint8_t *data, int64_t count, Tensor *tensor) {
  size_t bytes = (size_t)element_info[header->element].bits / 8;
  size_t part = element_info[header->element].class == CLASS_COMPLEX ? bytes / 2 : bytes;
  for (int64_t i = 0; i < count; i++) {
    int64_t from = header->fortran_order ? fortran_index(header, i) : i;
    copy_element((uint8_t *)tensor->data + (size_t)i * bytes, data + (size_t)from * bytes, bytes,
                 part, header->big_endian);
  }
}

static size_t put_utf8(char *to, uint32_t code) {
  if (code < 0x80) return to[0] = (char)code, 1;
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
  to[0] = (char)((0xf00u >> length & 0xf0u) | code);
  return length;
}

// Zeros at the end are none of the string's characters, as numpy has it; others are.
static int64_t count_characters(const Header *header, const uint8_t *data) {
  int64_t width = header->wide ? 4 : 1, bytes = header->characters * width;
  while (bytes > 0 && !data[bytes - 1]) bytes--;
  return (bytes + width - 1) / width;
}

static TensorString read_string(Arena *arena, const Header *header, const uint8_t *data) {
  int64_t count = count_characters(header, data);
  if (!header->wide) return (TensorString){(const char *)data, (size_t)count};
  char *text = arena_alloc(arena, (size_t)count * 4);
  size_t length = 0;
  for (int64_t i = 0; i < count; i++, data += 4) {
    uint8_t code[4];
    copy_element(code, data, 4, 4, header->big_endian);
    uint32_t value = (uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 |
                     (uint32_t)code[3] << 24;
    length += put_utf8(text + length, value < 0x110000 ? value : 0xfffd);
  }
  return (TensorString){text, length};
}

static int64_t string_width(const Header *header) {
  return header->characters * (header->wide ? 4 : 1);
}

static bool decode_strings(Reader *reader, const Header *header, const uint8_t *data, size_t size,
                           Tensor *tensor) {
  int64_t width = string_width(header), count = header->count;
  if ((uint64_t)header->needed > size || (width == 0 && count > (int64_t)size))
    return npy_error(reader, "it is cut off");
  *tensor = tensor_create(reader->arena, STR, header->rank, header->dims);
  for (int64_t i = 0; i < count; i++) {
    int64_t from = header->fortran_order ? fortran_index(header, i) : i;
    ((TensorString *)tensor->data)[i] = read_string(reader->arena, header, data + from * width);
  }
  return true;
}

// Reads the header of a file whose first bytes are given, and what its data takes.
static bool read_sizes(Reader *reader, const uint8_t *bytes, size_t size, Header *header) {
  *header = (Header){.element = ELEMENT_NONE};
  if (!read_header(reader, bytes, size, header)) return false;
  bool fits = tensor_checked_bytes(header->element, header->rank, header->dims, &header->count,
                                   &header->needed);
  if (header->element == STR) // its characters, not the pointers of memory
    fits = fits && !__builtin_mul_overflow(header->count, string_width(header), &header->needed);
  return fits || npy_error(reader, "its shape is too large");
}

bool npy_decode(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size,
                Tensor *tensor) {
  Reader reader = {arena, diag, path, NULL, NULL};
  Header header;
  if (!read_sizes(&reader, bytes, size, &header)) return false;
  const uint8_t *data = bytes + header.data_offset;
  size -= header.data_offset;
  if (header.element == STR) return decode_strings(&reader, &header, data, size, tensor);
  if ((uint64_t)header.needed > size)
    return diag_error(diag, loc_file(path), "the array is cut off: %" PRId64 " bytes are missing",
                      header.needed - (int64_t)size);
  if (header.fortran_order || header.big_endian) {
    *tensor = tensor_create(arena, header.element, header.rank, header.dims);
    convert_data(&header, data, header.count, tensor);
    return true;
  }
  *tensor = (Tensor){.element = header.element,
                     .rank = header.rank,
                     .data = (void *)(uintptr_t)data,
                     .bytes = (size_t)header.needed};
  memcpy(tensor->dims, header.dims, sizeof header.dims);
  return true;
}

bool npy_extent(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size,
                uint64_t *extent) {
  Reader reader = {arena, diag, path, NULL, NULL};
  Header header;
  if (!read_sizes(&reader, bytes, size, &header)) return false;
  *extent = header.data_offset + (uint64_t)header.needed;
  return true;
}

bool npy_file_read(Arena *arena, Diag *diag, const char *path, Tensor *tensor) {
  size_t size;
  const uint8_t *bytes = file_map(arena, diag, path, &size);
  return bytes && npy_decode(arena, diag, path, bytes, size, tensor);
}

// --- writing

static int64_t longest_string(const Tensor *tensor) {
  int64_t longest = 1;
  const TensorString *strings = tensor->data;
  for (int64_t i = 0, n = tensor_count(tensor); i < n; i++)
    if ((int64_t)strings[i].length > longest) longest = (int64_t)strings[i].length;
  return longest;
}

const uint8_t *npy_payload(Arena *arena, const Tensor *tensor, size_t *size) {
  *size = tensor->bytes;
  if (tensor->element != STR) return tensor->data;
  int64_t count = tensor_count(tensor), width = longest_string(tensor);
  char *text = arena_alloc_array(arena, (size_t)count, (size_t)width);
  for (int64_t i = 0; i < count; i++)
    memcpy(text + i * width, ((TensorString *)tensor->data)[i].data,
           ((TensorString *)tensor->data)[i].length);
  *size = (size_t)(count * width);
  return (const uint8_t *)text;
}

static const char *dtype_text(Arena *arena, const Tensor *tensor) {
  if (tensor->element == STR) return arena_printf(arena, "|S%" PRId64, longest_string(tensor));
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (dtypes[i].element == tensor->element)
      return arena_printf(arena, "%c%c%d", dtypes[i].size == 1 ? '|' : '<', dtypes[i].kind,
                          dtypes[i].size);
  return NULL;
}

const char *npy_header(Arena *arena, Diag *diag, const char *path, const Tensor *tensor,
                       size_t *size) {
  enum { START = 10, ALIGNMENT = 64 };
  const char *dtype = dtype_text(arena, tensor);
  if (!dtype) {
    diag_error(diag, loc_file(path), "numpy has no type for %s: write a .pb file",
               element_info[tensor->element].text);
    return NULL;
  }
  const char *shape = "";
  for (int i = 0; i < tensor->rank; i++)
    shape = arena_printf(arena, "%s%" PRId64 "%s", shape, tensor->dims[i],
                         tensor->rank == 1      ? ","
                         : i + 1 < tensor->rank ? ", "
                                                : "");
  const char *dict =
      arena_printf(arena, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, shape);
  size_t length = strlen(dict);
  *size = (START + length + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  char *header = arena_alloc(arena, *size);
  memset(header, ' ', *size);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = (char)((*size - START) & 0xff);
  header[9] = (char)((*size - START) >> 8);
  memcpy(header + START, dict, length);
  header[*size - 1] = '\n';
  return header;
}

bool npy_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensor) {
  size_t header_size, size;
  const char *header = npy_header(arena, diag, path, tensor, &header_size);
  if (!header) return false;
  OutputFile *file = output_open(arena, diag, path);
  if (!file) return false;
  const uint8_t *data = npy_payload(arena, tensor, &size);
  sink_write(output_sink(file), header, header_size);
  sink_write(output_sink(file), data, size);
  return output_commit(file, diag);
}
