// An ONNX file, opened safely: the unpacked model without tensor data, and the data on request.
//
//   OnnxFile *file;
//   if (!onnx_file_open(arena, diag, path, &limits, &file)) return false;
//   for (...) if (!onnx_tensor_bytes(file, file->model->graph->initializer[i], &tensor)) ...
//
// The data fields of the TensorProtos in `model` (raw_data, float_data, int32_data, string_data,
// int64_data, double_data, uint64_data) mean nothing: raw_data is a reference into the file, the
// others are empty. Unknown fields and doc strings are left out. Strings are valid UTF-8 (metadata
// may be in any encoding) and never NULL: absent ones are "". Only members of a oneof
// (Dimension.dim_param) and doc_string are NULL when absent.
#ifndef TENON_FRONTEND_PROTO_H
#define TENON_FRONTEND_PROTO_H

#include "frontend/tensor_proto.h"
#include "onnx-ml.pb-c.h"

typedef struct OnnxFile {
  const Onnx__ModelProto *model; // model->graph is never NULL
  TensorSource source;           // source.external.files: the data files opened so far
  OnnxLimits limits;
  int64_t messages;
} OnnxFile;

// Maps and reads the model; everything lives in `arena`. limits may be NULL (the defaults).
// false: reported.
bool onnx_file_open(Arena *arena, Diag *diag, const char *path, const OnnxLimits *limits,
                    OnnxFile **out);

// The tensor's type, shape and dense bytes: see tensor_proto_decode for where they are and how
// they are aligned. `proto` is from file->model. A tensor decoded twice is decoded anew.
bool onnx_tensor_bytes(OnnxFile *file, const Onnx__TensorProto *proto, Tensor *tensor);

// A sparse tensor as a dense one, in the arena, with the name of its values. Indices are checked:
// in range, ascending, none twice.
bool onnx_sparse_tensor_bytes(OnnxFile *file, const Onnx__SparseTensorProto *proto, Tensor *tensor);

#endif
