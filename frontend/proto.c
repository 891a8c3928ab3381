// Opening an ONNX file: map, walk, unpack the skeleton, and the way back from it to tensor bytes.
#include "frontend/proto.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ir/file.h"

static void *allocate(void *unused, size_t bytes) {
  (void)unused;
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) machine_failed("out of memory (%zu bytes wanted)", bytes);
  return memory;
}

static void release(void *unused, void *memory) {
  (void)unused;
  free(memory);
}

static ProtobufCAllocator allocator = {allocate, release, NULL};

static void free_model(void *model) { onnx__model_proto__free_unpacked(model, &allocator); }

static bool check_model(Diag *diag, const WireFile *file, const Onnx__ModelProto *model) {
  Loc loc = loc_file(file->path);
  const char *other = wire_other_format(file);
  if ((!model->has_ir_version || !model->graph) && other)
    return diag_error(diag, loc, "not an ONNX file: this is %s", other);
  if (!model->graph) return diag_error(diag, loc, "not an ONNX model: it has no graph");
  if (!model->has_ir_version || model->ir_version < 1)
    return diag_error(diag, loc, "not an ONNX model: it has no ir_version");
  return true;
}

bool onnx_file_open(Arena *arena, Diag *diag, const char *path, const OnnxLimits *limits,
                    OnnxFile **out) {
  OnnxFile *file = NEW(arena, OnnxFile);
  WireSkeleton skeleton;
  size_t size;
  const uint8_t *data = file_map(arena, diag, path, &size);
  if (!data) return false;
  file->limits = limits ? *limits : ONNX_LIMITS_DEFAULT;
  file->source = tensor_source(arena, diag, (WireFile){arena_strdup(arena, path), data, size});
  if (!wire_walk(diag, &file->source.file, &onnx__model_proto__descriptor, &file->limits,
                 &skeleton))
    return false;
  Onnx__ModelProto *model = onnx__model_proto__unpack(&allocator, skeleton.size, skeleton.data);
  free(skeleton.data);
  if (!model) return diag_error(diag, loc_file(path), "the model's structure cannot be read");
  arena_on_destroy(arena, free_model, model);
  if (!check_model(diag, &file->source.file, model)) return false;
  file->model = model;
  file->messages = skeleton.messages;
  *out = file;
  return true;
}

bool onnx_tensor_bytes(OnnxFile *file, const Onnx__TensorProto *proto, Tensor *tensor) {
  uint64_t begin, size;
  assert(proto->has_raw_data && proto->raw_data.len == 16 && "a tensor of the skeleton");
  wire_tensor_place(proto->raw_data.data, &begin, &size);
  return tensor_proto_decode(&file->source, begin, size, tensor);
}

// ---- sparse tensors

typedef struct Sparse {
  OnnxFile *file;
  Tensor values, indices, dense;
  const char *name;
  int64_t count; // of values
} Sparse;

static bool sparse_error(const Sparse *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool sparse_error(const Sparse *s, const char *format, ...) {
  const TensorSource *source = &s->file->source;
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(source->arena, format, arguments);
  va_end(arguments);
  return diag_error(source->diag, loc_file(source->file.path), "sparse tensor '%s': %s", s->name,
                    text);
}

static bool sparse_shape(Sparse *s, const Onnx__SparseTensorProto *proto) {
  int64_t count = 1, bytes = 0;
  if (proto->n_dims > MAX_RANK)
    return sparse_error(s, "has %zu dimensions, at most %d are supported", proto->n_dims, MAX_RANK);
  s->dense = (Tensor){.element = s->values.element, .rank = (int)proto->n_dims, .name = s->name};
  for (size_t i = 0; i < proto->n_dims; i++) {
    s->dense.dims[i] = proto->dims[i];
    if (proto->dims[i] <= 0)
      return sparse_error(s, "dimension %zu is %lld", i, (long long)proto->dims[i]);
    if (__builtin_mul_overflow(count, proto->dims[i], &count)) count = INT64_MAX;
  }
  if (!element_bytes(s->dense.element, count, &bytes) || bytes > s->file->limits.dense)
    return sparse_error(s, "is larger than %lld MiB when dense, the limit",
                        (long long)(s->file->limits.dense >> 20));
  s->dense.bytes = (size_t)bytes;
  return true;
}

static bool sparse_parts(Sparse *s) {
  const Tensor *indices = &s->indices;
  if (s->values.rank != 1)
    return sparse_error(s, "values have rank %d, wanted is 1", s->values.rank);
  if (s->values.element == STR) return sparse_error(s, "strings are not supported");
  if (indices->element != I64)
    return sparse_error(s, "indices are %s, wanted is i64", element_info[indices->element].text);
  s->count = s->values.dims[0];
  if (indices->rank < 1 || indices->rank > 2)
    return sparse_error(s, "indices have rank %d, wanted is 1 or 2", indices->rank);
  if (indices->dims[0] != s->count)
    return sparse_error(s, "%lld indices for %lld values", (long long)indices->dims[0],
                        (long long)s->count);
  if (indices->rank == 2 && indices->dims[1] != s->dense.rank)
    return sparse_error(s, "indices of %lld numbers for %d dimensions", (long long)indices->dims[1],
                        s->dense.rank);
  return true;
}

// The row-major index of value `i`; -1: outside.
static int64_t sparse_index(const Sparse *s, int64_t i, int64_t total) {
  if (s->indices.rank == 1) {
    int64_t index = element_load_int(I64, s->indices.data, i);
    return index < 0 || index >= total ? -1 : index;
  }
  int64_t linear = 0;
  for (int axis = 0; axis < s->dense.rank; axis++) {
    int64_t index = element_load_int(I64, s->indices.data, i * s->dense.rank + axis);
    if (index < 0 || index >= s->dense.dims[axis]) return -1;
    linear = linear * s->dense.dims[axis] + index;
  }
  return linear;
}

static void sparse_put(Sparse *s, int64_t to, int64_t from) {
  size_t width = (size_t)element_info[s->dense.element].bits / 8;
  uint8_t *dense = s->dense.data;
  const uint8_t *values = s->values.data;
  if (width) {
    memcpy(dense + (size_t)to * width, values + (size_t)from * width, width);
    return;
  }
  // Any sub-byte type of this width moves the same bits.
  ElementType bits = element_info[s->dense.element].bits == 4 ? U4 : U2;
  element_store_int(bits, dense, to, element_load_int(bits, values, from));
}

static bool sparse_fill(Sparse *s) {
  int64_t total = 1, previous = -1;
  for (int i = 0; i < s->dense.rank; i++) total *= s->dense.dims[i];
  s->dense.data = arena_alloc(s->file->source.arena, s->dense.bytes);
  for (int64_t i = 0; i < s->count; i++) {
    int64_t index = sparse_index(s, i, total);
    if (index < 0) return sparse_error(s, "index %lld is out of range", (long long)i);
    if (index <= previous)
      return sparse_error(s, "index %lld is not larger than the one before", (long long)i);
    previous = index;
    sparse_put(s, index, i);
  }
  return true;
}

bool onnx_sparse_tensor_bytes(OnnxFile *file, const Onnx__SparseTensorProto *proto,
                              Tensor *tensor) {
  Sparse s = {.file = file, .name = proto->values ? proto->values->name : ""};
  if (!proto->values || !proto->indices)
    return sparse_error(&s, "has no %s", proto->values ? "indices" : "values");
  if (!onnx_tensor_bytes(file, proto->values, &s.values) ||
      !onnx_tensor_bytes(file, proto->indices, &s.indices) || !sparse_shape(&s, proto) ||
      !sparse_parts(&s) || !sparse_fill(&s))
    return false;
  *tensor = s.dense;
  return true;
}
