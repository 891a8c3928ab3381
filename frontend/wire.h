// Wire walker: the first reader of an ONNX file, before protobuf-c sees a byte of it.
//
// protobuf-c overflows the stack on deep nesting, copies tensor bytes, takes a hundred times the
// size of a file of empty messages, and gives no reason for a refusal. The walker checks all of it
// against the schema's own descriptors and writes a *skeleton*: the same model with only the known
// fields, in canonical encoding, without tensor data. In the skeleton every TensorProto has a
// raw_data of 16 bytes, which says where the message lies in the file (wire_tensor_place). All
// original raw_data is left out, so a file cannot forge one.
#ifndef TENON_FRONTEND_WIRE_H
#define TENON_FRONTEND_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/arena.h"
#include "ir/diag.h"

struct ProtobufCMessageDescriptor;

// What a file may ask for. ONNX_LIMITS_DEFAULT suits models far beyond today's largest.
typedef struct OnnxLimits {
  int depth;        // messages inside messages
  int64_t messages; // of all kinds
  int64_t memory;   // estimated bytes after unpacking, tensor data not counted
  int64_t dense;    // bytes of one sparse tensor made dense
} OnnxLimits;

#define ONNX_LIMITS_DEFAULT                                                                        \
  ((OnnxLimits){                                                                                   \
      .depth = 100, .messages = 20000000, .memory = (int64_t)3 << 28, .dense = (int64_t)1 << 30})

// Bytes of a file and its name for messages. The bytes stay valid as long as the arena that maps
// them.
typedef struct WireFile {
  const char *path;
  const uint8_t *data;
  uint64_t size;
} WireFile;

typedef enum WireType { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } WireType;

// Reads field after field of the message in data[at .. end); offsets count from the file's start.
typedef struct WireReader {
  const uint8_t *data;
  uint64_t at, end;
} WireReader;

typedef struct WireField {
  uint32_t number;
  WireType type;
  uint64_t offset;      // of the tag
  uint64_t value;       // WIRE_VARINT, WIRE_64, WIRE_32
  uint64_t begin, size; // WIRE_BYTES: the payload
} WireField;

// The next field, while reader->at < reader->end. NULL: done; otherwise what is wrong, and
// field->offset is where.
const char *wire_next(WireReader *reader, WireField *field);
// A varint at reader->at. false: it does not end inside the message, or has more than 10 bytes.
bool wire_varint(WireReader *reader, uint64_t *value);
bool wire_utf8_valid(const uint8_t *text, uint64_t size);

typedef struct WireSkeleton {
  uint8_t *data; // malloc'ed: the caller frees it as soon as it is unpacked
  size_t size;
  int64_t messages;
} WireSkeleton;

// Walks file as a message of type `root`. false: reported with offset and path, or with what the
// file is instead of an ONNX model.
bool wire_walk(Diag *diag, const WireFile *file, const struct ProtobufCMessageDescriptor *root,
               const OnnxLimits *limits, WireSkeleton *skeleton);
// Where the TensorProto lies whose skeleton has these 16 bytes of raw_data.
void wire_tensor_place(const uint8_t reference[16], uint64_t *begin, uint64_t *size);
// What a file that is not ONNX seems to be ("a zip archive"), or NULL if nothing is known.
const char *wire_other_format(const WireFile *file);

#endif
