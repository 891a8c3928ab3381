// Mutations of ONNX models as messages: fields, elements of lists and whole messages are changed, removed, doubled,
// exchanged, so that a model stays readable and most of it valid.  Every kind of message is changed by the same code,
// from protobuf-c's description of its fields.  Crossing two models joins their graphs.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/proto.h"
#include "frontend/wire.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size, uint8_t *out,
                                 size_t max_size, unsigned seed);

typedef struct Mutator {
  Arena *arena;
  ProtobufCAllocator allocator;
  uint64_t state;
  char **names; // strings of the model, to be used elsewhere in it
  int name_count, name_capacity;
  ProtobufCMessage **messages;
  int message_count, message_capacity;
} Mutator;

static void *allocate(void *arena, size_t size) { return arena_alloc(arena, size ? size : 1); }
static void keep(void *arena, void *block) { (void)arena, (void)block; }

static unsigned pick(Mutator *m, unsigned below) { // xorshift64*
  m->state ^= m->state >> 12;
  m->state ^= m->state << 25;
  m->state ^= m->state >> 27;
  return below ? (unsigned)((m->state * 2685821657736338717u) >> 33) % below : 0;
}

static Mutator mutator_create(unsigned seed) {
  Mutator m = {.arena = arena_create(), .state = seed * 0x9e3779b97f4a7c15u + 1};
  m.allocator = (ProtobufCAllocator){allocate, keep, m.arena};
  return m;
}

// --- what a model consists of

static size_t *list_count(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  return (size_t *)((char *)message + field->quantifier_offset);
}

static void *member(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) { return (char *)message + field->offset; }

static bool is_list(const ProtobufCFieldDescriptor *field) { return field->label == PROTOBUF_C_LABEL_REPEATED; }

static bool is_in_oneof(const ProtobufCFieldDescriptor *field) { return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0; }

// Is the field the one that its oneof holds?
static bool is_chosen(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  return !is_in_oneof(field) || *(uint32_t *)((char *)message + field->quantifier_offset) == field->id;
}

static void collect(Mutator *m, ProtobufCMessage *message) {
  ARENA_PUSH(m->arena, m->messages, m->message_count, m->message_capacity, message);
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    bool text = field->type == PROTOBUF_C_TYPE_STRING;
    if ((!text && field->type != PROTOBUF_C_TYPE_MESSAGE) || !is_chosen(message, field)) continue;
    void **items = is_list(field) ? *(void ***)member(message, field) : member(message, field);
    size_t count = is_list(field) ? *list_count(message, field) : *items != NULL;
    for (size_t k = 0; k < count; k++) {
      if (!text) collect(m, items[k]);
      else ARENA_PUSH(m->arena, m->names, m->name_count, m->name_capacity, items[k]);
    }
  }
}

// --- new values

static int64_t new_integer(Mutator *m, int64_t old) {
  static const int64_t odd[] = {0, 1, 2, 3, 4, 7, 8, 16, 64, 127, 128, 255, 1000, -1, -2, -3, -128, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, (int64_t)1 << 31, (int64_t)1 << 40};
  switch (pick(m, 4)) {
  case 0: return (int64_t)((uint64_t)old + 1);
  case 1: return (int64_t)((uint64_t)old - 1);
  case 2: return (int64_t)((uint64_t)old ^ (uint64_t)1 << pick(m, 6));
  default: return odd[pick(m, sizeof odd / sizeof *odd)];
  }
}

static float new_float(Mutator *m, float old) {
  static const float odd[] = {0, -0.0f, 1, -1, 0.5f, 2, 1e-30f, 3e38f, -3e38f, __builtin_inff(), -__builtin_inff(), __builtin_nanf("")};
  return pick(m, 3) ? odd[pick(m, sizeof odd / sizeof *odd)] : old * 1.5f;
}

// An operator, another name of the model, or the name with a byte more.
static char *new_name(Mutator *m, const char *field, char *old) {
  static const char *const operators[] = {
#define ONNX_OPERATOR(domain, type, version, function, argument) #type,
#include "frontend/importers.def"
  };
  if (!strcmp(field, "op_type") && pick(m, 4)) return arena_strdup(m->arena, operators[pick(m, sizeof operators / sizeof *operators)]);
  if (m->name_count && pick(m, 8)) return m->names[pick(m, (unsigned)m->name_count)];
  return pick(m, 2) ? arena_printf(m->arena, "%s1", old ? old : "") : arena_strdup(m->arena, "");
}

static void change_bytes(Mutator *m, ProtobufCBinaryData *bytes) {
  enum { MORE = 16 };
  uint8_t *copy = arena_alloc(m->arena, bytes->len + MORE);
  if (bytes->len) memcpy(copy, bytes->data, bytes->len);
  // Mostly of the same length: a tensor's bytes have to fit its dims.
  size_t length = LLVMFuzzerMutate(copy, bytes->len, pick(m, 4) ? bytes->len + (bytes->len == 0) : bytes->len + MORE);
  bytes->data = copy;
  if (length > bytes->len || !pick(m, 2)) bytes->len = length;
}

// Changes the value at `at`, which is no message.
static void change_value(Mutator *m, const ProtobufCFieldDescriptor *field, void *at) {
  switch ((int)field->type) {
  case PROTOBUF_C_TYPE_STRING: *(char **)at = new_name(m, field->name, *(char **)at); break;
  case PROTOBUF_C_TYPE_BYTES: change_bytes(m, at); break;
  case PROTOBUF_C_TYPE_FLOAT: *(float *)at = new_float(m, *(float *)at); break;
  case PROTOBUF_C_TYPE_DOUBLE: *(double *)at = (double)new_float(m, (float)*(double *)at); break;
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_UINT64: *(int64_t *)at = new_integer(m, *(int64_t *)at); break;
  case PROTOBUF_C_TYPE_ENUM: *(int32_t *)at = (int32_t)pick(m, 27); break;
  case PROTOBUF_C_TYPE_INT32: // element types are integers in the schema
    *(int32_t *)at = strstr(field->name, "type") ? (int32_t)pick(m, 27) : (int32_t)new_integer(m, *(int32_t *)at);
    break;
  default: break;
  }
}

static size_t item_size(const ProtobufCFieldDescriptor *field) {
  switch ((int)field->type) {
  case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_DOUBLE: return sizeof(int64_t);
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
  default: return sizeof(int32_t);
  }
}

// A message with nothing in it, or a copy of one of its kind from elsewhere in the model.
static ProtobufCMessage *new_message(Mutator *m, const ProtobufCMessageDescriptor *kind) {
  int first = m->message_count ? (int)pick(m, (unsigned)m->message_count) : 0;
  for (int i = 0; i < m->message_count && pick(m, 8 * (unsigned)m->message_count); i++) {
    const ProtobufCMessage *found = m->messages[(first + i) % m->message_count];
    if (found->descriptor != kind) continue;
    size_t size = protobuf_c_message_get_packed_size(found);
    uint8_t *packed = arena_alloc(m->arena, size + 1);
    protobuf_c_message_pack(found, packed);
    return protobuf_c_message_unpack(kind, &m->allocator, size, packed);
  }
  ProtobufCMessage *fresh = arena_alloc(m->arena, kind->sizeof_message);
  protobuf_c_message_init(kind, fresh);
  return fresh;
}

static void fill(Mutator *m, const ProtobufCFieldDescriptor *field, void *at) {
  memset(at, 0, item_size(field));
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) *(ProtobufCMessage **)at = new_message(m, field->descriptor);
  else change_value(m, field, at);
}

// --- a change to a field

static void change_list(Mutator *m, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  size_t *count = list_count(message, field), size = item_size(field);
  char *old = *(char **)member(message, field), *items = arena_alloc(m->arena, (*count + 1) * size);
  if (*count) memcpy(items, old, *count * size);
  *(char **)member(message, field) = items;
  unsigned place = pick(m, (unsigned)*count + 1), other = pick(m, (unsigned)*count);
  char *at = items + place * size;
  unsigned change = *count ? pick(m, 6) : 0;
  if (change < 2) { // one more: a new one, or one doubled
    memmove(at + size, at, (*count - place) * size);
    if (change == 0) fill(m, field, at);
    else memcpy(at, items + (other + (other >= place)) * size, size);
    ++*count;
  } else if (place == *count) {
    if (*count) --*count;
  } else if (change == 2) { // one less
    memmove(at, at + size, (*count - place - 1) * size);
    --*count;
  } else if (change == 3) {
    memcpy(at, items + other * size, size);
  } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
    *(ProtobufCMessage **)at = new_message(m, field->descriptor);
  } else {
    change_value(m, field, at);
  }
}

static void change_single(Mutator *m, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  void *at = member(message, field);
  bool pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
  bool absent = !pick(m, 8);
  if (is_in_oneof(field)) {
    uint32_t *chosen = (uint32_t *)((char *)message + field->quantifier_offset);
    bool was = *chosen == field->id;
    *chosen = absent ? 0 : field->id;
    if (!was) memset(at, 0, item_size(field));
  } else if (!pointer && field->label == PROTOBUF_C_LABEL_OPTIONAL) {
    *(protobuf_c_boolean *)((char *)message + field->quantifier_offset) = !absent;
  }
  if (absent && pointer) *(void **)at = field->type == PROTOBUF_C_TYPE_STRING ? (void *)(uintptr_t)field->default_value : NULL;
  if (absent) return;
  if (field->type == PROTOBUF_C_TYPE_MESSAGE) fill(m, field, at);
  else change_value(m, field, at);
}

static void change_field(Mutator *m) {
  ProtobufCMessage *message = m->messages[pick(m, (unsigned)m->message_count)];
  if (!message->descriptor->n_fields) return;
  const ProtobufCFieldDescriptor *field = &message->descriptor->fields[pick(m, message->descriptor->n_fields)];
  // Tensor bytes that are empty and texts that nobody reads are left alone mostly.
  if (!strcmp(field->name, "doc_string") || strstr(field->name, "metadata")) return;
  if (is_list(field)) change_list(m, message, field);
  else change_single(m, message, field);
}

// --- changes to a model

// Every tensor and value of one element type gets another: a single change is mostly refused.
static void change_element_type(Mutator *m) {
  int32_t from = (int32_t)pick(m, 2) ? 1 : (int32_t)pick(m, 26), to = (int32_t)(1 + pick(m, 25));
  for (int i = 0; i < m->message_count; i++) {
    ProtobufCMessage *message = m->messages[i];
    if (message->descriptor == &onnx__type_proto__tensor__descriptor) {
      Onnx__TypeProto__Tensor *type = (Onnx__TypeProto__Tensor *)message;
      if (type->elem_type == from) type->elem_type = to;
    }
    if (message->descriptor != &onnx__tensor_proto__descriptor) continue;
    Onnx__TensorProto *tensor = (Onnx__TensorProto *)message;
    if (tensor->data_type == from) tensor->data_type = to;
  }
}

// The same dim everywhere.
static void change_dim(Mutator *m) {
  int64_t from = 1 + pick(m, 8), to = new_integer(m, from);
  for (int i = 0; i < m->message_count; i++) {
    if (m->messages[i]->descriptor != &onnx__tensor_shape_proto__dimension__descriptor) continue;
    Onnx__TensorShapeProto__Dimension *dim = (Onnx__TensorShapeProto__Dimension *)m->messages[i];
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value == from) dim->dim_value = to;
  }
}

static Onnx__ModelProto *read_model(Mutator *m, const uint8_t *data, size_t size) {
  Diag diag;
  WireSkeleton skeleton;
  OnnxLimits limits = ONNX_LIMITS_DEFAULT;
  WireFile file = {"fuzz.onnx", data, size};
  diag_init(&diag, m->arena, NULL);
  if (!size || !wire_walk(&diag, &file, &onnx__model_proto__descriptor, &limits, &skeleton)) return NULL;
  free(skeleton.data); // only asked for: is it safe to unpack?
  Onnx__ModelProto *model = onnx__model_proto__unpack(&m->allocator, size, data);
  return model && model->graph ? model : NULL;
}

static size_t write_model(const Onnx__ModelProto *model, uint8_t *out, size_t most) {
  size_t size = onnx__model_proto__get_packed_size(model);
  return size <= most ? onnx__model_proto__pack(model, out) : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  Mutator m = mutator_create(seed);
  size_t written = 0;
  Onnx__ModelProto *model = pick(&m, 20) ? read_model(&m, data, size) : NULL;
  if (model) {
    collect(&m, &model->base);
    for (unsigned i = 0, count = 1 + pick(&m, 3); i < count; i++) {
      unsigned kind = pick(&m, 16);
      if (kind == 0) change_element_type(&m);
      else if (kind == 1) change_dim(&m);
      else if (kind == 2) model->has_model_version = true, model->model_version = pick(&m, 1u << 13);
      else change_field(&m);
    }
    written = write_model(model, data, max_size);
  }
  arena_destroy(m.arena);
  return written ? written : LLVMFuzzerMutate(data, size, max_size);
}

// --- two models as one

// All that a graph names gets another name, so that it can stand beside another graph.
static void rename_all(Mutator *m, Onnx__GraphProto *graph) {
  m->message_count = 0;
  collect(m, &graph->base);
  for (int i = 0; i < m->message_count; i++) {
    ProtobufCMessage *message = m->messages[i];
    if (message->descriptor == &onnx__attribute_proto__descriptor) continue;
    for (unsigned k = 0; k < message->descriptor->n_fields; k++) {
      const ProtobufCFieldDescriptor *field = &message->descriptor->fields[k];
      bool named = !strcmp(field->name, "name") || !strcmp(field->name, "input") || !strcmp(field->name, "output");
      if (!named || field->type != PROTOBUF_C_TYPE_STRING) continue;
      char **texts = is_list(field) ? *(char ***)member(message, field) : member(message, field);
      for (size_t t = 0, count = is_list(field) ? *list_count(message, field) : 1; t < count; t++)
        if (texts[t] && texts[t][0]) texts[t] = arena_printf(m->arena, "%s'", texts[t]);
    }
  }
}

static void append(Mutator *m, void *list, size_t *count, void *more, size_t more_count) {
  void **joined = arena_alloc(m->arena, (*count + more_count + 1) * sizeof(void *));
  if (*count) memcpy(joined, *(void ***)list, *count * sizeof(void *));
  if (more_count) memcpy(joined + *count, more, more_count * sizeof(void *));
  *(void ***)list = joined;
  *count += more_count;
}

// What the second graph reads as an input becomes an output of the first one.
static void connect(Mutator *m, Onnx__GraphProto *first, Onnx__GraphProto *second) {
  if (!first->n_output || !second->n_input || !pick(m, 4)) return;
  const char *output = first->output[pick(m, (unsigned)first->n_output)]->name;
  unsigned index = pick(m, (unsigned)second->n_input);
  const char *input = second->input[index]->name;
  if (!input || !output) return; // a changed model may lack names
  for (size_t i = 0; i < second->n_node; i++)
    for (size_t k = 0; k < second->node[i]->n_input; k++)
      if (!strcmp(second->node[i]->input[k], input)) second->node[i]->input[k] = arena_strdup(m->arena, output);
  second->input[index] = second->input[--second->n_input];
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size, uint8_t *out,
                                 size_t max_size, unsigned seed) {
  Mutator m = mutator_create(seed);
  Onnx__ModelProto *a = read_model(&m, first, first_size), *b = a ? read_model(&m, second, second_size) : NULL;
  size_t written = 0;
  if (b) {
    rename_all(&m, b->graph);
    connect(&m, a->graph, b->graph);
#define APPEND(field) append(&m, &a->graph->field, &a->graph->n_##field, b->graph->field, b->graph->n_##field)
    APPEND(node);
    APPEND(input);
    APPEND(output);
    APPEND(initializer);
    APPEND(sparse_initializer);
#undef APPEND
    if (pick(&m, 2)) a->opset_import = b->opset_import, a->n_opset_import = b->n_opset_import;
    written = write_model(a, out, max_size);
  }
  arena_destroy(m.arena);
  return written;
}
