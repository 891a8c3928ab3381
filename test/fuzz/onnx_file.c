// Any bytes as an ONNX model: opened, all tensors decoded; and as a value file of each kind.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "frontend/proto.h"
#include "frontend/value_file.h"
#include "frontend/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_graph(TensorSource *source, const Onnx__GraphProto *graph);

static void decode_tensor(TensorSource *source, const Onnx__TensorProto *proto) {
  uint64_t begin, size;
  Tensor tensor;
  if (!proto) return;
  wire_tensor_place(proto->raw_data.data, &begin, &size);
  tensor_proto_decode(source, begin, size, &tensor);
}

static void decode_attribute(TensorSource *source, const Onnx__AttributeProto *attribute) {
  decode_tensor(source, attribute->t);
  for (size_t i = 0; i < attribute->n_tensors; i++) decode_tensor(source, attribute->tensors[i]);
  if (attribute->g) decode_graph(source, attribute->g);
  for (size_t i = 0; i < attribute->n_graphs; i++) decode_graph(source, attribute->graphs[i]);
}

static void decode_graph(TensorSource *source, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++) decode_tensor(source, graph->initializer[i]);
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_attribute; k++)
      decode_attribute(source, graph->node[i]->attribute[k]);
}

static void read_model(Arena *arena, Diag *diag, WireFile file) {
  WireSkeleton skeleton;
  OnnxLimits limits = ONNX_LIMITS_DEFAULT;
  if (!wire_walk(diag, &file, &onnx__model_proto__descriptor, &limits, &skeleton)) return;
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, skeleton.size, skeleton.data);
  free(skeleton.data);
  if (!model) __builtin_trap(); // the walker let something through that protobuf-c refuses
  TensorSource source = tensor_source(arena, diag, file);
  if (model->graph) decode_graph(&source, model->graph);
  onnx__model_proto__free_unpacked(model, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  WireFile file = {"/nowhere/fuzz.onnx", data, size};
  if (size) read_model(arena, &diag, file);
  for (int kind = VALUE_TENSOR; kind <= VALUE_MAP; kind++) {
    FileValue value;
    onnx_value_decode(arena, &diag, file, (ValueKind)kind, &value);
  }
  arena_destroy(arena);
  return 0;
}
