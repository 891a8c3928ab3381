// Files with one value, as ONNX's test data has them: TensorProto, SequenceProto, OptionalProto or
// MapProto (.pb). The file does not say which it is; the model's type of the input or output does.
#ifndef TENON_FRONTEND_VALUE_FILE_H
#define TENON_FRONTEND_VALUE_FILE_H

#include "frontend/wire.h"
#include "ir/tensor.h"

typedef enum ValueKind { VALUE_TENSOR, VALUE_SEQUENCE, VALUE_OPTIONAL, VALUE_MAP } ValueKind;

typedef struct FileValue {
  ValueKind kind;
  const char *name;        // may be NULL
  Tensor tensor;           // VALUE_TENSOR: the value; VALUE_MAP: the keys, i64[count] or str[count]
  struct FileValue *items; // sequence: elements; optional: none or one; map: the values
  int count;
} FileValue;

// Data of tensors as tensor_proto_decode gives it (read-only, maybe in the mapping). false:
// reported.
bool onnx_value_file_read(Arena *arena, Diag *diag, const char *path, ValueKind kind,
                          FileValue *value);
// The same of bytes in memory; the path is for messages and for external data.
bool onnx_value_decode(Arena *arena, Diag *diag, WireFile file, ValueKind kind, FileValue *value);
// A value as a tensor, or a list of tensors; false: it is or holds a map (reported). And back.
bool onnx_value_tensor(Arena *arena, Diag *diag, const char *path, const FileValue *value,
                       Tensor *tensor);
// A map as a list of two tensors, its keys and its values, both [n].
bool onnx_value_map(Arena *arena, Diag *diag, const char *path, const FileValue *value,
                    Tensor *pair);
FileValue onnx_value_of_tensor(Arena *arena, const Tensor *tensor);
bool onnx_tensor_file_read(Arena *arena, Diag *diag, const char *path, Tensor *tensor);

// Complete or absent, as ir/file.h writes. Numbers as raw_data, strings as string_data.
bool onnx_value_file_write(Arena *arena, Diag *diag, const char *path, const FileValue *value);
bool onnx_tensor_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensor);

#endif
