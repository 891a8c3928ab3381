// TensorProto: from its bytes in a file to a Tensor. Reads the wire format itself, so that data in
// a mapped file is used where it lies.
#ifndef TENON_FRONTEND_TENSOR_PROTO_H
#define TENON_FRONTEND_TENSOR_PROTO_H

#include "frontend/external.h"
#include "frontend/wire.h"
#include "ir/tensor.h"

// Element types by ONNX's numbers (TensorProto.DataType).
ElementType onnx_element_type(int32_t code); // ELEMENT_NONE: undefined, or not supported
int32_t onnx_element_code(ElementType element);

// What tensors of one file share.
typedef struct TensorSource {
  Arena *arena; // owns decoded data
  Diag *diag;
  WireFile file;
  ExternalFiles external;
} TensorSource;

TensorSource tensor_source(Arena *arena, Diag *diag, WireFile file);

// Decodes the TensorProto in file.data[begin .. begin + size). The tensor's data is read-only:
//  - raw, external and packed little-endian data stays in the mapping; it is copied into the arena
//    if it is misaligned for its element type and smaller than 1 MiB. Larger data may be
//    misaligned: read it with memcpy or element_load, or test tensor_data_is_aligned.
//  - typed fields (int32_data, ...) are decoded into the arena; bool bytes are 0 or 1.
//  - STR tensors hold an array of TensorString whose bytes lie in the file, without a NUL behind.
//  - never NULL, even without elements. `name` is NULL if the tensor has none.
// false: reported.
bool tensor_proto_decode(TensorSource *source, uint64_t begin, uint64_t size, Tensor *tensor);

static inline bool tensor_data_is_aligned(const Tensor *tensor) {
  size_t bytes = (size_t)element_info[tensor->element].bits / 8;
  size_t align = bytes > 8 ? 8 : bytes > 0 ? bytes : 1;
  return (uintptr_t)tensor->data % align == 0;
}

#endif
