// TensorProto decoding: one pass over its fields to see what there is, checks, then the data.
#include "frontend/tensor_proto.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "frontend/wire_format.h"

enum { SMALL_COPY = 1 << 20, LOCATION_EXTERNAL = 1, MOST_TENSOR_FIELD = 16 };

// How ONNX stores an element type: its number, our type, and which typed field may hold it.
typedef struct TypeRow {
  ElementType element;
  int field;
} TypeRow;

static const TypeRow type_rows[] = {
    [0] = {ELEMENT_NONE, 0},
    [1] = {F32, TENSOR_FLOAT_DATA},
    [2] = {U8, TENSOR_INT32_DATA},
    [3] = {I8, TENSOR_INT32_DATA},
    [4] = {U16, TENSOR_INT32_DATA},
    [5] = {I16, TENSOR_INT32_DATA},
    [6] = {I32, TENSOR_INT32_DATA},
    [7] = {I64, TENSOR_INT64_DATA},
    [8] = {STR, TENSOR_STRING_DATA},
    [9] = {BOOL, TENSOR_INT32_DATA},
    [10] = {F16, TENSOR_INT32_DATA},
    [11] = {F64, TENSOR_DOUBLE_DATA},
    [12] = {U32, TENSOR_UINT64_DATA},
    [13] = {U64, TENSOR_UINT64_DATA},
    [14] = {C64, TENSOR_FLOAT_DATA},
    [15] = {C128, TENSOR_DOUBLE_DATA},
    [16] = {BF16, TENSOR_INT32_DATA},
    [17] = {F8E4M3FN, TENSOR_INT32_DATA},
    [18] = {F8E4M3FNUZ, TENSOR_INT32_DATA},
    [19] = {F8E5M2, TENSOR_INT32_DATA},
    [20] = {F8E5M2FNUZ, TENSOR_INT32_DATA},
    [21] = {U4, TENSOR_INT32_DATA},
    [22] = {I4, TENSOR_INT32_DATA},
    [23] = {F4E2M1, TENSOR_INT32_DATA},
    [24] = {F8E8M0, TENSOR_INT32_DATA},
    [25] = {U2, TENSOR_INT32_DATA},
    [26] = {I2, TENSOR_INT32_DATA},
};
enum { TYPE_ROWS = sizeof type_rows / sizeof *type_rows };

ElementType onnx_element_type(int32_t code) {
  return code > 0 && code < TYPE_ROWS ? type_rows[code].element : ELEMENT_NONE;
}

int32_t onnx_element_code(ElementType element) {
  for (int32_t code = 1; code < TYPE_ROWS; code++)
    if (type_rows[code].element == element) return code;
  return 0;
}

typedef struct Bytes {
  uint64_t begin, size;
} Bytes;

// What a TensorProto has, found in one pass over its fields.
typedef struct Contents {
  const char *label; // its name for messages
  const char *name;
  int32_t code; // element type
  int rank;     // counts on beyond MAX_RANK
  int64_t dims[MAX_RANK];
  int64_t count, bytes; // of the whole tensor
  bool has_raw, has_segment, is_external;
  Bytes raw;
  uint64_t values[MOST_TENSOR_FIELD]; // in the typed fields, by number; strings too
  Bytes only[MOST_TENSOR_FIELD];      // the last packed part of a typed field
  int parts[MOST_TENSOR_FIELD];       // how many occurrences a typed field has
  const char *location, *offset, *length;
} Contents;

static bool tensor_error(const TensorSource *source, const Contents *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool tensor_error(const TensorSource *source, const Contents *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(source->arena, format, arguments);
  va_end(arguments);
  return diag_error(source->diag, loc_file(source->file.path), "tensor '%s': %s", c->label, text);
}

TensorSource tensor_source(Arena *arena, Diag *diag, WireFile file) {
  return (TensorSource){arena, diag, file, {.arena = arena, .diag = diag, .model_path = file.path}};
}

// ---- what there is

static WireReader payload(const TensorSource *source, const WireField *field) {
  return (WireReader){source->file.data, field->begin, field->begin + field->size};
}

static bool wire_error(const TensorSource *source, const Contents *c, uint64_t offset,
                       const char *wrong) {
  return tensor_error(source, c, "byte %" PRIu64 ": %s", offset, wrong);
}

// A string of the file, NULL if it has a NUL inside or is no string.
static const char *field_text(const TensorSource *source, const WireField *field) {
  const char *text = (const char *)source->file.data + field->begin;
  if (field->type != WIRE_BYTES || (field->size && memchr(text, 0, field->size))) return NULL;
  return arena_strndup(source->arena, text, field->size);
}

static void add_dim(Contents *c, uint64_t value) {
  if (c->rank < MAX_RANK) c->dims[c->rank] = (int64_t)value;
  if (c->rank < INT32_MAX) c->rank++;
}

static bool read_dims(const TensorSource *source, Contents *c, const WireField *field) {
  if (field->type == WIRE_VARINT) {
    add_dim(c, field->value);
    return true;
  }
  if (field->type != WIRE_BYTES)
    return wire_error(source, c, field->offset, "dims of a wrong wire type");
  WireReader reader = payload(source, field);
  for (uint64_t value; reader.at < reader.end; add_dim(c, value))
    if (!wire_varint(&reader, &value))
      return wire_error(source, c, reader.at, "a dimension does not end");
  return true;
}

static bool read_external(const TensorSource *source, Contents *c, const WireField *field) {
  if (field->type != WIRE_BYTES)
    return wire_error(source, c, field->offset, "external_data of a wrong wire type");
  WireReader reader = payload(source, field);
  const char *text[3] = {"", "", ""};
  while (reader.at < reader.end) {
    WireField part;
    const char *wrong = wire_next(&reader, &part);
    if (wrong) return wire_error(source, c, part.offset, wrong);
    if (part.number != ENTRY_KEY && part.number != ENTRY_VALUE) continue;
    text[part.number] = field_text(source, &part);
    if (!text[part.number])
      return tensor_error(source, c, "an external_data entry has a NUL byte in its text");
  }
  const char **to = !strcmp(text[ENTRY_KEY], "location") ? &c->location
                    : !strcmp(text[ENTRY_KEY], "offset") ? &c->offset
                    : !strcmp(text[ENTRY_KEY], "length") ? &c->length
                                                         : NULL;
  if (!to) return true; // checksum, or somebody's own
  if (*to) return tensor_error(source, c, "external_data has '%s' twice", text[ENTRY_KEY]);
  *to = text[ENTRY_VALUE];
  return true;
}

static WireType typed_wire(uint32_t number) {
  return number == TENSOR_FLOAT_DATA    ? WIRE_32
         : number == TENSOR_DOUBLE_DATA ? WIRE_64
                                        : WIRE_VARINT;
}

// Counts the values of a typed field; packed and single ones may be mixed.
static bool count_values(const TensorSource *source, Contents *c, const WireField *field) {
  WireType type = typed_wire(field->number);
  uint64_t width = type == WIRE_32 ? 4 : 8, count = 0;
  if (c->parts[field->number] < INT32_MAX) c->parts[field->number]++;
  if (field->type == type) {
    c->values[field->number]++;
    return true;
  }
  if (field->type != WIRE_BYTES)
    return wire_error(source, c, field->offset, "data of a wrong wire type");
  c->only[field->number] = (Bytes){field->begin, field->size};
  if (type != WIRE_VARINT) {
    if (field->size % width)
      return wire_error(source, c, field->offset, "packed data ends inside a value");
    c->values[field->number] += field->size / width;
    return true;
  }
  WireReader reader = payload(source, field);
  for (uint64_t value; reader.at < reader.end; count++)
    if (!wire_varint(&reader, &value))
      return wire_error(source, c, reader.at, "a value does not end");
  c->values[field->number] += count;
  return true;
}

static bool read_field(const TensorSource *source, Contents *c, const WireField *field) {
  switch (field->number) {
  case TENSOR_DIMS: return read_dims(source, c, field);
  case TENSOR_DATA_TYPE: c->code = (int32_t)field->value; return true;
  case TENSOR_SEGMENT: c->has_segment = true; return true;
  case TENSOR_NAME:
    c->name = field_text(source, field);
    if (!c->name || !wire_utf8_valid(source->file.data + field->begin, field->size))
      return wire_error(source, c, field->offset, "a tensor's name is not valid UTF-8 text");
    c->label = c->name;
    return true;
  case TENSOR_RAW_DATA:
    if (field->type != WIRE_BYTES)
      return wire_error(source, c, field->offset, "raw_data of a wrong wire type");
    c->has_raw = true;
    c->raw = (Bytes){field->begin, field->size};
    return true;
  case TENSOR_STRING_DATA:
    if (field->type != WIRE_BYTES)
      return wire_error(source, c, field->offset, "string_data of a wrong wire type");
    c->values[TENSOR_STRING_DATA]++;
    return true;
  case TENSOR_FLOAT_DATA:
  case TENSOR_INT32_DATA:
  case TENSOR_INT64_DATA:
  case TENSOR_DOUBLE_DATA:
  case TENSOR_UINT64_DATA: return count_values(source, c, field);
  case TENSOR_EXTERNAL_DATA: return read_external(source, c, field);
  case TENSOR_DATA_LOCATION: c->is_external = field->value == LOCATION_EXTERNAL; return true;
  default: return true;
  }
}

static bool read_contents(const TensorSource *source, uint64_t begin, uint64_t size, Contents *c) {
  WireReader reader = {source->file.data, begin, begin + size};
  WireField field;
  *c = (Contents){.label = ""};
  while (reader.at < reader.end) {
    const char *wrong = wire_next(&reader, &field);
    if (wrong) return wire_error(source, c, field.offset, wrong);
    if (!read_field(source, c, &field)) return false;
  }
  return true;
}

// ---- checks

static const char *shape_text(const TensorSource *source, const Contents *c) {
  const char *text =
      arena_printf(source->arena, "%s[", element_info[type_rows[c->code].element].text);
  for (int i = 0; i < c->rank; i++)
    text = arena_printf(source->arena, "%s%s%" PRId64, text, i ? "," : "", c->dims[i]);
  return arena_printf(source->arena, "%s]", text);
}

// Elements and bytes; nothing is allocated before they are known to be there.
static bool check_shape(const TensorSource *source, Contents *c) {
  if (onnx_element_type(c->code) == ELEMENT_NONE)
    return tensor_error(source, c, "element type %d is %s", c->code,
                        c->code == 27 || c->code == 28 ? "not supported" : "not one of ONNX's");
  if (c->rank > MAX_RANK)
    return tensor_error(source, c, "has %d dimensions, at most %d are supported", c->rank,
                        MAX_RANK);
  bool empty = false, overflow = false;
  c->count = 1;
  for (int i = 0; i < c->rank; i++) {
    if (c->dims[i] < 0)
      return tensor_error(source, c, "dimension %d is negative (%" PRId64 ")", i, c->dims[i]);
    empty |= c->dims[i] == 0;
    overflow |= __builtin_mul_overflow(c->count, c->dims[i], &c->count);
  }
  if (empty)
    c->count = 0;
  else if (overflow || !element_bytes(onnx_element_type(c->code), c->count, &c->bytes))
    return tensor_error(source, c, "%s has more bytes than memory has addresses",
                        shape_text(source, c));
  return true;
}

// Only the typed field that belongs to the element type may have values.
static bool check_fields(const TensorSource *source, const Contents *c) {
  static const char *const names[MOST_TENSOR_FIELD] = {
      [TENSOR_FLOAT_DATA] = "float_data",   [TENSOR_INT32_DATA] = "int32_data",
      [TENSOR_STRING_DATA] = "string_data", [TENSOR_INT64_DATA] = "int64_data",
      [TENSOR_DOUBLE_DATA] = "double_data", [TENSOR_UINT64_DATA] = "uint64_data"};
  int wanted = type_rows[c->code].field;
  if (c->has_segment)
    return tensor_error(source, c, "is stored in segments, which is not supported");
  for (int i = 0; i < MOST_TENSOR_FIELD; i++) {
    if (!c->values[i]) continue;
    if (i != wanted)
      return tensor_error(source, c, "has data in %s, where %s wants %s", names[i],
                          element_info[type_rows[c->code].element].text, names[wanted]);
    if (c->is_external || c->raw.size)
      return tensor_error(source, c, "has data both in %s and in %s", names[i],
                          c->is_external ? "an external file" : "raw_data");
  }
  if (c->is_external && c->raw.size)
    return tensor_error(source, c, "has data both in raw_data and in an external file");
  return true;
}

// ---- data

static bool decimal(const char *text, uint64_t *value) {
  *value = 0;
  if (!*text) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9' || __builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
      return false;
  }
  return true;
}

static void normalise_bool(Arena *arena, Tensor *tensor) {
  const uint8_t *bytes = tensor->data;
  size_t i = 0;
  while (i < tensor->bytes && bytes[i] <= 1) i++;
  if (i == tensor->bytes) return;
  uint8_t *copy = arena_alloc(arena, tensor->bytes);
  for (i = 0; i < tensor->bytes; i++) copy[i] = bytes[i] != 0;
  tensor->data = copy;
}

// Makes mapped bytes the tensor's data. The cast drops const: a Tensor's data from a file is
// documented to be read-only.
static void use_mapped(Arena *arena, Tensor *tensor, const uint8_t *bytes) {
  tensor->data = (void *)(uintptr_t)bytes;
  if (!tensor_data_is_aligned(tensor) && tensor->bytes < SMALL_COPY) {
    tensor->data = arena_alloc(arena, tensor->bytes);
    memcpy(tensor->data, bytes, tensor->bytes);
  }
  if (tensor->element == BOOL) normalise_bool(arena, tensor);
}

static bool decode_external(TensorSource *source, const Contents *c, Tensor *tensor) {
  uint64_t offset = 0, length = tensor->bytes;
  if (tensor->element == STR)
    return tensor_error(source, c, "strings cannot be in an external file");
  if (!c->location || !*c->location)
    return tensor_error(source, c, "external data without a location");
  if (c->offset && !decimal(c->offset, &offset))
    return tensor_error(
        source, c, "the offset of its external data, '%.40s', is not a number of bytes", c->offset);
  if (c->length && !decimal(c->length, &length))
    return tensor_error(
        source, c, "the length of its external data, '%.40s', is not a number of bytes", c->length);
  if (length != tensor->bytes)
    return tensor_error(source, c, "%s wants %zu bytes, its external data has %" PRIu64,
                        shape_text(source, c), tensor->bytes, length);
  const ExternalFile *file = external_open(&source->external, c->label, c->location);
  if (!file) return false;
  if (offset > file->size || length > file->size - offset)
    return tensor_error(source, c,
                        "wants bytes %" PRIu64 " to %" PRIu64 " of '%s', which has only %" PRIu64,
                        offset, offset + length, file->location, file->size);
  use_mapped(source->arena, tensor, file->data + offset);
  return true;
}

static bool decode_strings(const TensorSource *source, uint64_t begin, uint64_t size,
                           Tensor *tensor) {
  WireReader reader = {source->file.data, begin, begin + size};
  WireField field;
  TensorString *strings =
      NEW_ARRAY(source->arena, TensorString, tensor->bytes / sizeof(TensorString));
  tensor->data = strings;
  while (reader.at < reader.end && !wire_next(&reader, &field))
    if (field.number == TENSOR_STRING_DATA)
      *strings++ = (TensorString){(const char *)source->file.data + field.begin, field.size};
  return true;
}

// Where decoded values go: whole elements, or packed bytes of the sub-byte types.
typedef struct Fill {
  Tensor *tensor;
  ElementType unit; // of what one value of the field is
  int64_t at;
  bool out_of_range;
} Fill;

// Values of int32_data are sign-extended, or bit patterns of the unsigned and float types.
static bool fits(ElementType unit, int64_t value) {
  int bits = element_info[unit].bits;
  if (unit == BOOL || bits >= 64) return true;
  return value >= -((int64_t)1 << (bits - 1)) && value < (int64_t)1 << bits;
}

static void put_value(Fill *fill, uint64_t value) {
  int64_t number = (int64_t)value;
  fill->out_of_range |= !fits(fill->unit, number);
  element_store_int(fill->unit, fill->tensor->data, fill->at++, number);
}

static void fill_from(Fill *fill, const TensorSource *source, const WireField *field) {
  WireType type = typed_wire(field->number);
  size_t width = type == WIRE_32 ? 4 : 8;
  uint8_t *to = (uint8_t *)fill->tensor->data + (size_t)fill->at * width;
  if (field->type == WIRE_BYTES && type == WIRE_VARINT) {
    WireReader reader = payload(source, field);
    for (uint64_t value; reader.at < reader.end && wire_varint(&reader, &value);)
      put_value(fill, value);
  } else if (type == WIRE_VARINT) {
    put_value(fill, field->value);
  } else if (field->type == WIRE_BYTES) {
    if (field->size) memcpy(to, source->file.data + field->begin, field->size);
    fill->at += (int64_t)(field->size / width);
  } else {
    memcpy(to, &field->value, width);
    fill->at++;
  }
}

// What one value of a typed field stands for: an integer type of the element's width; the sub-byte
// types come packed in bytes.
static ElementType value_unit(ElementType element) {
  if (element == BOOL) return BOOL;
  bool is_signed = element_is_signed(element);
  switch (element_info[element].bits) {
  case 16: return is_signed ? I16 : U16;
  case 32: return is_signed ? I32 : U32;
  case 64: return is_signed ? I64 : U64;
  default: return is_signed && element == I8 ? I8 : U8;
  }
}

static bool decode_typed(const TensorSource *source, uint64_t begin, uint64_t size,
                         const Contents *c, Tensor *tensor) {
  int number = type_rows[c->code].field;
  // One packed run of floats is already what we want.
  if (typed_wire((uint32_t)number) != WIRE_VARINT && c->parts[number] == 1 &&
      c->only[number].size == tensor->bytes) {
    use_mapped(source->arena, tensor, source->file.data + c->only[number].begin);
    return true;
  }
  Fill fill = {tensor, value_unit(tensor->element), 0, false};
  WireReader reader = {source->file.data, begin, begin + size};
  WireField field;
  tensor->data = arena_alloc(source->arena, tensor->bytes);
  while (reader.at < reader.end && !wire_next(&reader, &field))
    if (field.number == (uint32_t)number) fill_from(&fill, source, &field);
  if (fill.out_of_range)
    return tensor_error(source, c, "a value in int32_data or uint64_data does not fit %s",
                        element_info[tensor->element].text);
  return true;
}

// How many values the typed field must have: complex numbers take two, sub-byte types share one.
static uint64_t wanted_values(const Tensor *tensor, int64_t count) {
  const ElementInfo *info = &element_info[tensor->element];
  if (info->class == CLASS_COMPLEX) return 2 * (uint64_t)count;
  return info->bits < 8 ? tensor->bytes : (uint64_t)count;
}

bool tensor_proto_decode(TensorSource *source, uint64_t begin, uint64_t size, Tensor *tensor) {
  Contents c;
  assert(begin <= source->file.size && size <= source->file.size - begin && "a span of the file");
  if (!read_contents(source, begin, size, &c) || !check_shape(source, &c) ||
      !check_fields(source, &c))
    return false;
  *tensor = (Tensor){.element = onnx_element_type(c.code),
                     .rank = c.rank,
                     .bytes = (size_t)c.bytes,
                     .name = c.name};
  memcpy(tensor->dims, c.dims, sizeof tensor->dims);
  if (c.is_external) return decode_external(source, &c, tensor);
  uint64_t found = c.values[type_rows[c.code].field], wanted = wanted_values(tensor, c.count);
  if (c.has_raw && !found) {
    if (tensor->element == STR && c.raw.size)
      return tensor_error(source, &c, "strings cannot be in raw_data");
    if (c.raw.size != tensor->bytes)
      return tensor_error(source, &c, "%s wants %zu bytes, raw_data has %" PRIu64,
                          shape_text(source, &c), tensor->bytes, c.raw.size);
    use_mapped(source->arena, tensor, source->file.data + c.raw.begin);
    return true;
  }
  if (!found && wanted) return tensor_error(source, &c, "%s has no data", shape_text(source, &c));
  if (found != wanted)
    return tensor_error(source, &c, "%s wants %" PRIu64 " values, it has %" PRIu64,
                        shape_text(source, &c), wanted, found);
  return tensor->element == STR ? decode_strings(source, begin, size, tensor)
                                : decode_typed(source, begin, size, &c, tensor);
}
