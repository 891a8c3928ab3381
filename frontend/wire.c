// Wire walker: checks a protobuf file against the schema's descriptors, writes the skeleton that
// protobuf-c unpacks. Depth-limited recursion, one pass, no page of tensor data is touched.
#include "frontend/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/wire_format.h"
#include "onnx-ml.pb-c.h"

enum {
  REFERENCE_BYTES = 16,
  ALLOCATION_OVERHEAD = 16,
  PARSE_RECORD = 48, // protobuf-c's temporary record of each field
  LENGTH_BYTES = 5,  // a length prefix of fixed width, so that it can be filled in afterwards
  MOST_FIELDS = 64   // of a message type in the schema
};

// A message that is being walked; the chain of parents makes the path in messages.
typedef struct Frame {
  const struct Frame *parent;
  const ProtobufCMessageDescriptor *message;
  const ProtobufCFieldDescriptor *field; // in the parent; NULL: the file itself
  uint64_t begin, offset;                // of the payload; of the tag in the parent
  uint64_t seen; // singular messages and strings, by index in the descriptor
} Frame;

typedef struct Span {
  uint64_t offset, begin, size;
} Span;

typedef struct Walk {
  Diag *diag;
  const WireFile *file;
  const OnnxLimits *limits;
  int64_t messages, memory;
  uint8_t *out;
  size_t used, capacity;
  Span *graphs; // the pieces of ModelProto.graph, joined after the other fields
  size_t num_graphs, graph_capacity;
} Walk;

// ---- messages

// The index of a repeated field's element: how many came before it in its parent.
static uint64_t count_before(const Walk *walk, const Frame *parent, uint32_t number,
                             uint64_t offset) {
  WireReader reader = {walk->file->data, parent->begin, offset};
  WireField field;
  uint64_t count = 0;
  while (reader.at < reader.end && !wire_next(&reader, &field)) count += field.number == number;
  return count;
}

static const char *element_path(const Walk *walk, Arena *scratch, const Frame *parent,
                                const char *before, const ProtobufCFieldDescriptor *field,
                                uint64_t offset) {
  const char *dot = *before ? "." : "";
  if (field->label != PROTOBUF_C_LABEL_REPEATED)
    return arena_printf(scratch, "%s%s%s", before, dot, field->name);
  return arena_printf(scratch, "%s%s%s[%llu]", before, dot, field->name,
                      (unsigned long long)count_before(walk, parent, field->id, offset));
}

static const char *frame_path(const Walk *walk, Arena *scratch, const Frame *frame) {
  if (!frame->field) return "";
  return element_path(walk, scratch, frame->parent, frame_path(walk, scratch, frame->parent),
                      frame->field, frame->offset);
}

// Keeps both ends of a path that is too long to read.
static const char *shorten(Arena *scratch, const char *path) {
  enum { LONGEST = 200, END = 90 };
  size_t length = strlen(path);
  if (length <= LONGEST) return path;
  return arena_printf(scratch, "%.*s ... %s", END, path, path + length - END);
}

// An error in `field` (NULL: in the message itself) that begins at `offset`. Always false.
static bool walk_error(const Walk *walk, const Frame *frame, const ProtobufCFieldDescriptor *field,
                       uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static bool walk_error(const Walk *walk, const Frame *frame, const ProtobufCFieldDescriptor *field,
                       uint64_t offset, const char *format, ...) {
  const char *other = wire_other_format(walk->file);
  Loc loc = loc_file(walk->file->path);
  if (other) return diag_error(walk->diag, loc, "not an ONNX file: this is %s", other);
  Arena *scratch = arena_create();
  const char *path = frame_path(walk, scratch, frame);
  if (field) path = element_path(walk, scratch, frame, path, field, offset);
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(scratch, format, arguments);
  va_end(arguments);
  diag_error(walk->diag, loc, "byte %llu: %s%s%s", (unsigned long long)offset,
             shorten(scratch, path), *path ? ": " : "", text);
  arena_destroy(scratch);
  return false;
}

// ---- skeleton

static void reserve(Walk *walk, size_t bytes) {
  if (walk->capacity - walk->used >= bytes) return;
  walk->capacity = 2 * walk->capacity + bytes + 4096;
  walk->out = realloc(walk->out, walk->capacity);
  if (!walk->out) machine_failed("out of memory (%zu bytes wanted)", walk->capacity);
}

static void put_bytes(Walk *walk, const void *bytes, size_t size) {
  reserve(walk, size);
  if (size) memcpy(walk->out + walk->used, bytes, size);
  walk->used += size;
}

static void put_varint(Walk *walk, uint64_t value) {
  reserve(walk, 10);
  while (value > 127) {
    walk->out[walk->used++] = (uint8_t)(value | 128);
    value >>= 7;
  }
  walk->out[walk->used++] = (uint8_t)value;
}

static void put_tag(Walk *walk, uint32_t number, WireType type) {
  put_varint(walk, (uint64_t)number << 3 | type);
}

static size_t open_length(Walk *walk) {
  reserve(walk, LENGTH_BYTES);
  walk->used += LENGTH_BYTES;
  return walk->used;
}

static void close_length(Walk *walk, size_t begin) {
  size_t size = walk->used - begin;
  for (int i = 0; i < LENGTH_BYTES; i++)
    walk->out[begin - LENGTH_BYTES + i] =
        (uint8_t)((size >> (7 * i) & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0));
}

static void put_reference(Walk *walk, uint64_t begin, uint64_t size) {
  put_tag(walk, TENSOR_RAW_DATA, WIRE_BYTES);
  put_varint(walk, REFERENCE_BYTES);
  put_bytes(walk, &begin, 8);
  put_bytes(walk, &size, 8);
}

void wire_tensor_place(const uint8_t reference[16], uint64_t *begin, uint64_t *size) {
  memcpy(begin, reference, 8);
  memcpy(size, reference + 8, 8);
}

// ---- the walk

static uint64_t field_bit(const Frame *frame, const ProtobufCFieldDescriptor *field) {
  return (uint64_t)1 << (field - frame->message->fields);
}

static bool is_doc_string(const ProtobufCFieldDescriptor *field) {
  return !strcmp(field->name, "doc_string");
}

static WireType wanted_type(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_FIXED32:
  case PROTOBUF_C_TYPE_SFIXED32:
  case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_BYTES:
  case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_BOOL:
  case PROTOBUF_C_TYPE_ENUM: return WIRE_VARINT;
  }
  return WIRE_VARINT;
}

// Bytes that protobuf-c will take for a field with `payload` bytes of its own.
static bool spend(Walk *walk, const Frame *frame, const ProtobufCFieldDescriptor *field,
                  uint64_t offset, uint64_t payload) {
  uint64_t left = (uint64_t)(walk->limits->memory - walk->memory);
  if (payload > left || payload + PARSE_RECORD + ALLOCATION_OVERHEAD > left)
    return walk_error(walk, frame, field, offset,
                      "the model wants more than %lld MiB of memory without its tensors, the limit",
                      (long long)(walk->limits->memory >> 20));
  walk->memory += (int64_t)payload + PARSE_RECORD + ALLOCATION_OVERHEAD;
  return true;
}

static bool walk_string(Walk *walk, Frame *frame, const ProtobufCFieldDescriptor *descriptor,
                        const WireField *field) {
  const uint8_t *text = walk->file->data + field->begin;
  if (is_doc_string(descriptor)) return true; // nobody reads it; exporters put pages there
  frame->seen |= field_bit(frame, descriptor);
  if (!spend(walk, frame, descriptor, field->offset, 2 * field->size + 16)) return false;
  if (field->size && memchr(text, 0, field->size))
    return walk_error(walk, frame, descriptor, field->offset, "a NUL byte in a string");
  // Metadata is for people and may come in any encoding; everything else names things.
  if (frame->message != &onnx__string_string_entry_proto__descriptor &&
      !wire_utf8_valid(text, field->size))
    return walk_error(walk, frame, descriptor, field->offset, "the string is not valid UTF-8");
  put_tag(walk, field->number, WIRE_BYTES);
  put_varint(walk, field->size);
  put_bytes(walk, text, field->size);
  return true;
}

static bool walk_packed(Walk *walk, const Frame *frame, const ProtobufCFieldDescriptor *descriptor,
                        const WireField *field) {
  WireType type = wanted_type(descriptor);
  uint64_t width = type == WIRE_64 ? 8 : 4, values = 0;
  WireReader reader = {walk->file->data, field->begin, field->begin + field->size};
  if (type != WIRE_VARINT && field->size % width)
    return walk_error(walk, frame, descriptor, field->offset,
                      "%llu bytes are not a whole number of %d-byte values",
                      (unsigned long long)field->size, (int)width);
  for (uint64_t value; type == WIRE_VARINT && reader.at < reader.end; values++)
    if (!wire_varint(&reader, &value))
      return walk_error(walk, frame, descriptor, reader.at, "a number does not end");
  if (!spend(walk, frame, descriptor, field->offset, field->size + 8 * values)) return false;
  put_tag(walk, field->number, WIRE_BYTES);
  put_varint(walk, field->size);
  put_bytes(walk, walk->file->data + field->begin, field->size);
  return true;
}

static bool walk_scalar(Walk *walk, const Frame *frame, const ProtobufCFieldDescriptor *descriptor,
                        const WireField *field) {
  if (!spend(walk, frame, descriptor, field->offset, 16)) return false;
  put_tag(walk, field->number, field->type);
  if (field->type == WIRE_VARINT) put_varint(walk, field->value);
  if (field->type == WIRE_32) put_bytes(walk, &(uint32_t){(uint32_t)field->value}, 4);
  if (field->type == WIRE_64) put_bytes(walk, &field->value, 8);
  return true;
}

static bool walk_fields(Walk *walk, Frame *frame, int depth, uint64_t begin, uint64_t end);

// protobuf-c leaves NULL where a string is absent: absent ones become empty, so that no reader of
// the model meets NULL.
static bool put_absent_strings(Walk *walk, const Frame *frame) {
  for (unsigned i = 0; i < frame->message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &frame->message->fields[i];
    if (field->type != PROTOBUF_C_TYPE_STRING || field->label == PROTOBUF_C_LABEL_REPEATED ||
        field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF || frame->seen & field_bit(frame, field) ||
        is_doc_string(field))
      continue;
    if (!spend(walk, frame, NULL, frame->offset, 16)) return false;
    put_tag(walk, field->id, WIRE_BYTES);
    put_varint(walk, 0);
  }
  return true;
}

static bool enter_message(Walk *walk, const Frame *parent,
                          const ProtobufCFieldDescriptor *descriptor, uint64_t offset, int depth) {
  const ProtobufCMessageDescriptor *message = descriptor->descriptor;
  if (depth > walk->limits->depth)
    return walk_error(walk, parent, descriptor, offset,
                      "messages are nested more than %d levels deep, the limit",
                      walk->limits->depth);
  if (++walk->messages > walk->limits->messages)
    return walk_error(walk, parent, descriptor, offset, "more than %lld messages, the limit",
                      (long long)walk->limits->messages);
  return spend(walk, parent, descriptor, offset, message->sizeof_message + 2 * sizeof(void *));
}

static bool walk_message(Walk *walk, Frame *parent, const ProtobufCFieldDescriptor *descriptor,
                         const WireField *field, int depth) {
  uint64_t bit = field_bit(parent, descriptor);
  if (descriptor->label != PROTOBUF_C_LABEL_REPEATED && parent->seen & bit)
    return walk_error(walk, parent, descriptor, field->offset,
                      "occurs twice in a message that may have it once");
  parent->seen |= bit;
  if (!enter_message(walk, parent, descriptor, field->offset, depth)) return false;
  Frame frame = {parent, descriptor->descriptor, descriptor, field->begin, field->offset, 0};
  assert(frame.message->n_fields <= MOST_FIELDS && "one bit a field");
  put_tag(walk, field->number, WIRE_BYTES);
  size_t open = open_length(walk);
  if (!walk_fields(walk, &frame, depth, field->begin, field->begin + field->size) ||
      !put_absent_strings(walk, &frame))
    return false;
  if (frame.message == &onnx__tensor_proto__descriptor)
    put_reference(walk, field->begin, field->size);
  close_length(walk, open);
  return true;
}

static void keep_graph(Walk *walk, const WireField *field) {
  if (walk->num_graphs == walk->graph_capacity) {
    walk->graph_capacity = 2 * walk->graph_capacity + 4;
    walk->graphs = realloc(walk->graphs, walk->graph_capacity * sizeof *walk->graphs);
    if (!walk->graphs) machine_failed("out of memory");
  }
  walk->graphs[walk->num_graphs++] = (Span){field->offset, field->begin, field->size};
}

static bool walk_field(Walk *walk, Frame *frame, int depth,
                       const ProtobufCFieldDescriptor *descriptor, const WireField *field) {
  bool packed = descriptor->label == PROTOBUF_C_LABEL_REPEATED && field->type == WIRE_BYTES;
  WireType wanted = wanted_type(descriptor);
  if (field->type != wanted && !packed)
    return walk_error(walk, frame, descriptor, field->offset,
                      "encoded as wire type %d, where the schema wants %d", (int)field->type,
                      (int)wanted);
  if (frame->message == &onnx__tensor_proto__descriptor && tensor_field_is_data(field->number))
    return true; // stays in the file
  if (frame->message == &onnx__model_proto__descriptor && field->number == MODEL_GRAPH) {
    keep_graph(walk, field);
    return true;
  }
  if (descriptor->type == PROTOBUF_C_TYPE_MESSAGE)
    return walk_message(walk, frame, descriptor, field, depth + 1);
  if (descriptor->type == PROTOBUF_C_TYPE_STRING)
    return walk_string(walk, frame, descriptor, field);
  if (wanted != WIRE_BYTES)
    return packed ? walk_packed(walk, frame, descriptor, field)
                  : walk_scalar(walk, frame, descriptor, field);
  if (!spend(walk, frame, descriptor, field->offset, 2 * field->size + 16)) return false;
  put_tag(walk, field->number, WIRE_BYTES);
  put_varint(walk, field->size);
  put_bytes(walk, walk->file->data + field->begin, field->size);
  return true;
}

static bool walk_fields(Walk *walk, Frame *frame, int depth, uint64_t begin, uint64_t end) {
  WireReader reader = {walk->file->data, begin, end};
  WireField field;
  while (reader.at < reader.end) {
    const char *wrong = wire_next(&reader, &field);
    const ProtobufCFieldDescriptor *descriptor =
        field.number <= INT32_MAX
            ? protobuf_c_message_descriptor_get_field(frame->message, field.number)
            : NULL;
    if (wrong) return walk_error(walk, frame, descriptor, field.offset, "%s", wrong);
    if (!descriptor) continue; // unknown: newer than the schema, or somebody's extension
    if (!walk_field(walk, frame, depth, descriptor, &field)) return false;
  }
  return true;
}

// A message that comes in several parts means the parts one after the other. Only the graph is
// allowed to: writers that stream append to it. protobuf-c would take quadratic time to merge.
static bool walk_graph(Walk *walk, Frame *root) {
  if (!walk->num_graphs) return true;
  const ProtobufCFieldDescriptor *descriptor =
      protobuf_c_message_descriptor_get_field(root->message, MODEL_GRAPH);
  Frame frame = {root, descriptor->descriptor, descriptor, 0, 0, 0};
  put_tag(walk, MODEL_GRAPH, WIRE_BYTES);
  size_t open = open_length(walk);
  for (size_t i = 0; i < walk->num_graphs; i++) {
    Span part = walk->graphs[i];
    frame.begin = part.begin;
    frame.offset = part.offset;
    if (!enter_message(walk, root, descriptor, part.offset, 1) ||
        !walk_fields(walk, &frame, 1, part.begin, part.begin + part.size))
      return false;
  }
  if (!put_absent_strings(walk, &frame)) return false;
  close_length(walk, open);
  return true;
}

bool wire_walk(Diag *diag, const WireFile *file, const ProtobufCMessageDescriptor *root,
               const OnnxLimits *limits, WireSkeleton *skeleton) {
  Walk walk = {.diag = diag, .file = file, .limits = limits, .messages = 1};
  Frame frame = {.message = root};
  *skeleton = (WireSkeleton){0};
  if (!file->size) return diag_error(diag, loc_file(file->path), "the file is empty");
  bool ok = walk_fields(&walk, &frame, 0, 0, file->size) && walk_graph(&walk, &frame) &&
            put_absent_strings(&walk, &frame);
  free(walk.graphs);
  if (!ok) {
    free(walk.out);
    return false;
  }
  *skeleton = (WireSkeleton){walk.out, walk.used, walk.messages};
  return true;
}
