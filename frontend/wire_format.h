// Field numbers of the ONNX schema that are read from the wire, not through protobuf-c.
#ifndef TENON_FRONTEND_WIRE_FORMAT_H
#define TENON_FRONTEND_WIRE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_GRAPH = 7 };

enum {
  TENSOR_DIMS = 1,
  TENSOR_DATA_TYPE = 2,
  TENSOR_SEGMENT = 3,
  TENSOR_FLOAT_DATA = 4,
  TENSOR_INT32_DATA = 5,
  TENSOR_STRING_DATA = 6,
  TENSOR_INT64_DATA = 7,
  TENSOR_NAME = 8,
  TENSOR_RAW_DATA = 9,
  TENSOR_DOUBLE_DATA = 10,
  TENSOR_UINT64_DATA = 11,
  TENSOR_EXTERNAL_DATA = 13,
  TENSOR_DATA_LOCATION = 14
};

enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };

static inline bool tensor_field_is_data(uint32_t number) {
  return (number >= TENSOR_FLOAT_DATA && number <= TENSOR_INT64_DATA) ||
         (number >= TENSOR_RAW_DATA && number <= TENSOR_UINT64_DATA);
}

#endif
