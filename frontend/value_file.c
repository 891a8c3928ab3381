// Reading and writing .pb files with one value. Nested values come from sequences of sequences and
// optionals of sequences, so reading is recursive, with a depth limit.
#include "frontend/value_file.h"

#include <inttypes.h>
#include <string.h>

#include "frontend/tensor_proto.h"
#include "frontend/wire_format.h"
#include "ir/file.h"

enum { DEEPEST_VALUE = 100 };

// SequenceProto, OptionalProto and MapProto: fields 3.. hold a value of each kind, in this order.
enum {
  VALUE_NAME = 1,
  VALUE_ELEMENT = 2, // what it holds: ELEMENT_TENSOR + (field - FIELD_TENSOR)
  FIELD_TENSOR = 3,
  FIELD_SPARSE = 4,
  FIELD_SEQUENCE = 5,
  FIELD_MAP = 6,
  FIELD_OPTIONAL = 7,
  HOLDS_TENSOR = 1
};
// In an OptionalProto a sequence, a map and an optional have the fields of the same numbers. A
// MapProto:
enum { MAP_KEY_TYPE = 2, MAP_KEYS = 3, MAP_STRING_KEYS = 4, MAP_VALUES = 5 };

typedef struct Reading {
  TensorSource source;
  int depth;
} Reading;

static bool read_value(Reading *reading, ValueKind kind, uint64_t begin, uint64_t size,
                       FileValue *value);

static bool read_error(Reading *reading, uint64_t offset, const char *wrong) {
  return diag_error(reading->source.diag, loc_file(reading->source.file.path),
                    "byte %" PRIu64 ": %s", offset, wrong);
}

static ValueKind field_kind(uint32_t number) {
  return number == FIELD_TENSOR     ? VALUE_TENSOR
         : number == FIELD_SEQUENCE ? VALUE_SEQUENCE
         : number == FIELD_MAP      ? VALUE_MAP
                                    : VALUE_OPTIONAL;
}

// An element of a sequence, or the value of an optional.
static bool read_item(Reading *reading, FileValue *value, const WireField *field, int *capacity) {
  FileValue item;
  if (field->number == FIELD_SPARSE)
    return read_error(reading, field->offset, "sparse tensors are not supported here");
  if (!read_value(reading, field_kind(field->number), field->begin, field->size, &item))
    return false;
  ARENA_PUSH(reading->source.arena, value->items, value->count, *capacity, item);
  return true;
}

static bool read_container(Reading *reading, uint64_t begin, uint64_t size, FileValue *value) {
  WireReader reader = {reading->source.file.data, begin, begin + size};
  WireField field;
  int capacity = 0;
  while (reader.at < reader.end) {
    const char *wrong = wire_next(&reader, &field);
    if (wrong) return read_error(reading, field.offset, wrong);
    // Names and kinds agree with no other message: a tensor's file is not taken for an empty list.
    if (field.type != (field.number == VALUE_ELEMENT ? WIRE_VARINT : WIRE_BYTES) ||
        field.number > FIELD_OPTIONAL)
      return read_error(reading, field.offset,
                        value->kind == VALUE_SEQUENCE ? "this is no sequence"
                                                      : "this is no optional");
    if (field.number == VALUE_NAME)
      value->name =
          arena_strndup(reading->source.arena, (const char *)reader.data + field.begin, field.size);
    if (field.number < FIELD_TENSOR) continue;
    if (!read_item(reading, value, &field, &capacity)) return false;
  }
  if (value->kind == VALUE_OPTIONAL && value->count > 1)
    return read_error(reading, begin, "an optional with several values");
  for (int i = 1; i < value->count; i++)
    if (value->items[i].kind != value->items[0].kind)
      return read_error(reading, begin, "a sequence of values of different kinds");
  return true;
}

typedef struct Keys {
  TensorString *strings;
  int64_t *integers;
  int num_strings, num_integers, string_capacity, integer_capacity;
} Keys;

static bool read_keys(Reading *reading, const WireField *field, Keys *keys) {
  Arena *arena = reading->source.arena;
  const char *text = (const char *)reading->source.file.data + field->begin;
  if (field->number == MAP_STRING_KEYS && field->type == WIRE_BYTES) {
    ARENA_PUSH(arena, keys->strings, keys->num_strings, keys->string_capacity,
               ((TensorString){text, field->size}));
    return true;
  }
  if (field->number != MAP_KEYS)
    return read_error(reading, field->offset, "a key of a wrong wire type");
  if (field->type == WIRE_VARINT) {
    ARENA_PUSH(arena, keys->integers, keys->num_integers, keys->integer_capacity,
               (int64_t)field->value);
    return true;
  }
  if (field->type != WIRE_BYTES)
    return read_error(reading, field->offset, "a key of a wrong wire type");
  WireReader reader = {reading->source.file.data, field->begin, field->begin + field->size};
  for (uint64_t value; reader.at < reader.end;) {
    if (!wire_varint(&reader, &value)) return read_error(reading, reader.at, "a key does not end");
    ARENA_PUSH(arena, keys->integers, keys->num_integers, keys->integer_capacity, (int64_t)value);
  }
  return true;
}

static bool read_map(Reading *reading, uint64_t begin, uint64_t size, FileValue *value) {
  WireReader reader = {reading->source.file.data, begin, begin + size};
  WireField field;
  FileValue values = {.kind = VALUE_SEQUENCE};
  Keys keys = {0};
  while (reader.at < reader.end) {
    const char *wrong = wire_next(&reader, &field);
    if (wrong) return read_error(reading, field.offset, wrong);
    if (field.number == MAP_KEYS || field.number == MAP_STRING_KEYS) {
      if (!read_keys(reading, &field, &keys)) return false;
    } else if (field.number == MAP_VALUES) {
      if (field.type != WIRE_BYTES || values.count)
        return read_error(reading, field.offset, "the map's values are not one sequence");
      if (!read_value(reading, VALUE_SEQUENCE, field.begin, field.size, &values)) return false;
    }
  }
  int count = keys.num_strings ? keys.num_strings : keys.num_integers;
  if ((keys.num_strings && keys.num_integers) || count != values.count)
    return read_error(reading, begin, "a map with another number of keys than values");
  value->tensor = (Tensor){.element = keys.num_strings ? STR : I64, .rank = 1, .dims = {count}};
  value->tensor.data = keys.num_strings ? (void *)keys.strings : (void *)keys.integers;
  if (!count) value->tensor.data = arena_alloc(reading->source.arena, 0);
  value->tensor.bytes = (size_t)count * (keys.num_strings ? sizeof(TensorString) : 8);
  value->items = values.items;
  value->count = values.count;
  return true;
}

static bool read_value(Reading *reading, ValueKind kind, uint64_t begin, uint64_t size,
                       FileValue *value) {
  *value = (FileValue){.kind = kind};
  if (kind == VALUE_TENSOR) {
    if (!tensor_proto_decode(&reading->source, begin, size, &value->tensor)) return false;
    value->name = value->tensor.name;
    return true;
  }
  if (++reading->depth > DEEPEST_VALUE)
    return read_error(reading, begin, "values are nested too deep");
  bool ok = kind == VALUE_MAP ? read_map(reading, begin, size, value)
                              : read_container(reading, begin, size, value);
  reading->depth--;
  return ok;
}

// Test data of ONNX has a map as a sequence of one.
static bool is_sequence_of_maps(WireFile file) {
  WireReader reader = {file.data, 0, file.size};
  WireField field;
  while (reader.at < reader.end && !wire_next(&reader, &field))
    if (field.number == FIELD_MAP) return true;
  return false;
}

static bool decode_map(Reading *reading, FileValue *value) {
  FileValue sequence;
  WireFile file = reading->source.file;
  if (!is_sequence_of_maps(file)) return read_value(reading, VALUE_MAP, 0, file.size, value);
  if (!read_value(reading, VALUE_SEQUENCE, 0, file.size, &sequence)) return false;
  if (sequence.count != 1) return read_error(reading, 0, "wanted one map");
  *value = sequence.items[0];
  return true;
}

bool onnx_value_decode(Arena *arena, Diag *diag, WireFile file, ValueKind kind, FileValue *value) {
  // An empty file is an empty sequence, optional or map, but no tensor.
  if (!file.size && kind == VALUE_TENSOR)
    return diag_error(diag, loc_file(file.path), "the file is empty");
  Reading reading = {tensor_source(arena, diag, file), 0};
  return kind == VALUE_MAP ? decode_map(&reading, value)
                           : read_value(&reading, kind, 0, file.size, value);
}

bool onnx_value_file_read(Arena *arena, Diag *diag, const char *path, ValueKind kind,
                          FileValue *value) {
  size_t size;
  const uint8_t *data = file_map(arena, diag, path, &size);
  return data && onnx_value_decode(arena, diag, (WireFile){path, data, size}, kind, value);
}

bool onnx_tensor_file_read(Arena *arena, Diag *diag, const char *path, Tensor *tensor) {
  FileValue value;
  if (!onnx_value_file_read(arena, diag, path, VALUE_TENSOR, &value)) return false;
  *tensor = value.tensor;
  return true;
}

// ---- writing: sizes first, so that large tensors stream out

static int varint_size(uint64_t value) {
  int size = 1;
  while (value >>= 7) size++;
  return size;
}

static void write_varint(OutputSink *sink, uint64_t value) {
  uint8_t bytes[10];
  size_t size = 0;
  for (; value > 127; value >>= 7) bytes[size++] = (uint8_t)(value | 128);
  bytes[size++] = (uint8_t)value;
  sink_write(sink, bytes, size);
}

static void write_tag(OutputSink *sink, uint32_t number, WireType type) {
  write_varint(sink, (uint64_t)number << 3 | type);
}

static void write_number(OutputSink *sink, uint32_t number, uint64_t value) {
  write_tag(sink, number, WIRE_VARINT);
  write_varint(sink, value);
}

static void write_bytes(OutputSink *sink, uint32_t number, const void *bytes, size_t size) {
  write_tag(sink, number, WIRE_BYTES);
  write_varint(sink, size);
  sink_write(sink, bytes, size);
}

// All field numbers here are below 16: a tag is one byte.
static uint64_t bytes_size(uint64_t size) { return 1 + (uint64_t)varint_size(size) + size; }

static uint64_t tensor_size(const Tensor *tensor) {
  uint64_t size = 1 + (uint64_t)varint_size((uint64_t)onnx_element_code(tensor->element));
  if (tensor->name) size += bytes_size(strlen(tensor->name));
  for (int i = 0; i < tensor->rank; i++)
    size += 1 + (uint64_t)varint_size((uint64_t)tensor->dims[i]);
  if (tensor->element != STR) return size + bytes_size(tensor->bytes);
  const TensorString *strings = tensor->data;
  for (size_t i = 0; i < tensor->bytes / sizeof *strings; i++)
    size += bytes_size(strings[i].length);
  return size;
}

static void write_tensor(OutputSink *sink, const Tensor *tensor) {
  for (int i = 0; i < tensor->rank; i++) write_number(sink, TENSOR_DIMS, (uint64_t)tensor->dims[i]);
  write_number(sink, TENSOR_DATA_TYPE, (uint64_t)onnx_element_code(tensor->element));
  const TensorString *strings = tensor->data;
  for (size_t i = 0; tensor->element == STR && i < tensor->bytes / sizeof *strings; i++)
    write_bytes(sink, TENSOR_STRING_DATA, strings[i].data, strings[i].length);
  if (tensor->name) write_bytes(sink, TENSOR_NAME, tensor->name, strlen(tensor->name));
  if (tensor->element != STR) write_bytes(sink, TENSOR_RAW_DATA, tensor->data, tensor->bytes);
}

static uint32_t kind_field(ValueKind kind) {
  return kind == VALUE_TENSOR     ? FIELD_TENSOR
         : kind == VALUE_SEQUENCE ? FIELD_SEQUENCE
         : kind == VALUE_MAP      ? FIELD_MAP
                                  : FIELD_OPTIONAL;
}

// An empty sequence is one of tensors: readers refuse one of nothing.
static uint64_t holds(const FileValue *value) {
  if (!value->count) return value->kind == VALUE_SEQUENCE ? HOLDS_TENSOR : 0;
  return kind_field(value->items[0].kind) - FIELD_TENSOR + HOLDS_TENSOR;
}

static uint64_t value_size(const FileValue *value);

static uint64_t items_size(const FileValue *value) {
  uint64_t size = 0;
  for (int i = 0; i < value->count; i++) size += bytes_size(value_size(&value->items[i]));
  return size;
}

static uint64_t keys_size(const Tensor *keys) {
  uint64_t size = 0;
  const TensorString *strings = keys->data;
  for (int64_t i = 0; i < keys->dims[0]; i++)
    size += keys->element == STR
                ? bytes_size(strings[i].length)
                : 1 + (uint64_t)varint_size((uint64_t)element_load_int(I64, keys->data, i));
  return size;
}

// The values of a map are a SequenceProto of their own.
static FileValue map_values(const FileValue *map) {
  return (FileValue){.kind = VALUE_SEQUENCE, .items = map->items, .count = map->count};
}

static uint64_t value_size(const FileValue *value) {
  if (value->kind == VALUE_TENSOR) return tensor_size(&value->tensor);
  uint64_t size = value->name ? bytes_size(strlen(value->name)) : 0;
  if (value->kind != VALUE_MAP) return size + 2 + items_size(value);
  FileValue values = map_values(value);
  return size + 2 + keys_size(&value->tensor) + bytes_size(value_size(&values));
}

static void write_value(OutputSink *sink, const FileValue *value);

static void write_item(OutputSink *sink, uint32_t number, const FileValue *item) {
  write_tag(sink, number, WIRE_BYTES);
  write_varint(sink, value_size(item));
  write_value(sink, item);
}

static void write_keys(OutputSink *sink, const Tensor *keys) {
  const TensorString *strings = keys->data;
  write_number(sink, MAP_KEY_TYPE, (uint64_t)onnx_element_code(keys->element));
  for (int64_t i = 0; i < keys->dims[0]; i++)
    if (keys->element == STR)
      write_bytes(sink, MAP_STRING_KEYS, strings[i].data, strings[i].length);
    else
      write_number(sink, MAP_KEYS, (uint64_t)element_load_int(I64, keys->data, i));
}

static void write_value(OutputSink *sink, const FileValue *value) {
  if (value->kind == VALUE_TENSOR) {
    write_tensor(sink, &value->tensor);
    return;
  }
  if (value->name) write_bytes(sink, VALUE_NAME, value->name, strlen(value->name));
  if (value->kind == VALUE_MAP) {
    FileValue values = map_values(value);
    write_keys(sink, &value->tensor);
    write_item(sink, MAP_VALUES, &values);
    return;
  }
  write_number(sink, VALUE_ELEMENT, holds(value));
  for (int i = 0; i < value->count; i++)
    write_item(sink, kind_field(value->items[i].kind), &value->items[i]);
}

bool onnx_value_file_write(Arena *arena, Diag *diag, const char *path, const FileValue *value) {
  OutputFile *file = output_open(arena, diag, path);
  if (!file) return false;
  write_value(output_sink(file), value);
  return output_commit(file, diag);
}

bool onnx_tensor_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensor) {
  FileValue value = {.kind = VALUE_TENSOR, .name = tensor->name, .tensor = *tensor};
  return onnx_value_file_write(arena, diag, path, &value);
}
