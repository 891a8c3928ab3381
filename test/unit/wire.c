// Reading ONNX files safely: what the wire walker refuses, what tensors decode to, and that no
// damaged file crashes. With arguments: opens these models and decodes all their tensors, status 1
// if one is refused (for corpora and fuzzing by hand).
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "frontend/proto.h"
#include "frontend/value_file.h"

// ---- writing wire format

typedef struct Buffer {
  uint8_t *data;
  size_t size, capacity;
} Buffer;

static void put(Buffer *b, const void *bytes, size_t size) {
  if (b->capacity - b->size < size) {
    b->capacity = 2 * b->capacity + size + 64;
    b->data = realloc(b->data, b->capacity);
    if (!b->data) abort();
  }
  if (size) memcpy(b->data + b->size, bytes, size);
  b->size += size;
}

static void put_varint(Buffer *b, uint64_t value) {
  uint8_t byte;
  for (; value > 127; value >>= 7) put(b, (byte = (uint8_t)(value | 128), &byte), 1);
  put(b, (byte = (uint8_t)value, &byte), 1);
}

static void put_number(Buffer *b, int field, uint64_t value) {
  put_varint(b, (uint64_t)field << 3);
  put_varint(b, value);
}

static void put_field(Buffer *b, int field, const void *bytes, size_t size) {
  put_varint(b, (uint64_t)field << 3 | 2);
  put_varint(b, size);
  put(b, bytes, size);
}

static void put_text(Buffer *b, int field, const char *text) {
  put_field(b, field, text, strlen(text));
}

static void put_message(Buffer *b, int field, Buffer *message) {
  put_field(b, field, message->data, message->size);
  free(message->data);
  *message = (Buffer){0};
}

// ---- fixtures

static char folder[] = "/tmp/wire.XXXXXX"; // replaced by mkdtemp; all files of the test lie here

static const char *in_folder(const char *name) {
  static char path[4][256];
  static int next;
  char *text = path[next++ % 4];
  snprintf(text, sizeof path[0], "%s/%s", folder, name);
  return text;
}

static void write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
}

static void put_header(Buffer *b) {
  Buffer opset = {0};
  put_number(&opset, 2, 21);
  put_number(b, 1, 10);
  put_message(b, 8, &opset);
}

// A tensor `w` of the given ONNX type and dims; the caller adds the data.
static Buffer tensor_head(int type, int rank, const int64_t *dims) {
  Buffer b = {0};
  for (int i = 0; i < rank; i++) put_number(&b, 1, (uint64_t)dims[i]);
  put_number(&b, 2, (uint64_t)type);
  put_text(&b, 8, "w");
  return b;
}

static void put_node(Buffer *graph) {
  Buffer node = {0};
  put_text(&node, 1, "x");
  put_text(&node, 1, "w");
  put_text(&node, 2, "y");
  put_text(&node, 4, "Add");
  put_message(graph, 1, &node);
}

// A model with one initializer, which it takes.
static Buffer model_with(Buffer *tensor) {
  Buffer graph = {0}, model = {0};
  put_header(&model);
  put_node(&graph);
  put_text(&graph, 2, "g");
  put_message(&graph, 5, tensor);
  put_message(&model, 7, &graph);
  return model;
}

static bool decode_attributes(OnnxFile *file, size_t count,
                              Onnx__AttributeProto *const *attributes);

static bool decode_graph(OnnxFile *file, const Onnx__GraphProto *graph) {
  Tensor tensor;
  bool ok = true;
  for (size_t i = 0; i < graph->n_initializer; i++)
    ok &= onnx_tensor_bytes(file, graph->initializer[i], &tensor);
  for (size_t i = 0; i < graph->n_sparse_initializer; i++)
    ok &= onnx_sparse_tensor_bytes(file, graph->sparse_initializer[i], &tensor);
  for (size_t i = 0; i < graph->n_node; i++)
    ok &= decode_attributes(file, graph->node[i]->n_attribute, graph->node[i]->attribute);
  return ok;
}

static bool decode_attributes(OnnxFile *file, size_t count,
                              Onnx__AttributeProto *const *attributes) {
  Tensor tensor;
  bool ok = true;
  for (size_t i = 0; i < count; i++) {
    const Onnx__AttributeProto *a = attributes[i];
    if (a->t) ok &= onnx_tensor_bytes(file, a->t, &tensor);
    if (a->g) ok &= decode_graph(file, a->g);
    for (size_t k = 0; k < a->n_tensors; k++) ok &= onnx_tensor_bytes(file, a->tensors[k], &tensor);
    for (size_t k = 0; k < a->n_graphs; k++) ok &= decode_graph(file, a->graphs[k]);
  }
  return ok;
}

// Opens the file and decodes everything in it; errors go to `stream`, the first one to `error`.
static bool read_all(const char *path, FILE *stream, char error[512]) {
  Arena *arena = arena_create();
  Diag diag;
  OnnxFile *file;
  diag_init(&diag, arena, stream);
  bool ok =
      onnx_file_open(arena, &diag, path, NULL, &file) && decode_graph(file, file->model->graph);
  snprintf(error, 512, "%s", diag.first_error ? diag.first_error : "");
  CHECK(ok == (diag.errors == 0));
  arena_destroy(arena);
  return ok;
}

// Expects that the model in `b` is refused with a message that contains `wanted` (NULL: accepted).
static void expect(Buffer *b, const char *wanted) {
  char error[512];
  write_file(in_folder("model.onnx"), b->data, b->size);
  bool ok = read_all(in_folder("model.onnx"), NULL, error);
  if (ok != !wanted || (wanted && !strstr(error, wanted))) {
    check_failures++;
    fprintf(stderr, "wanted \"%s\", got \"%s\"\n", wanted ? wanted : "no error", error);
  }
  free(b->data);
  *b = (Buffer){0};
}

static Buffer good_model(void) {
  float values[6] = {1, 2, 3, 4, 5, 6};
  Buffer tensor = tensor_head(1, 2, (int64_t[]){2, 3});
  put_field(&tensor, 9, values, sizeof values);
  return model_with(&tensor);
}

// ---- the walker

static void test_wire_errors(void) {
  Buffer b = good_model();
  expect(&b, NULL);
  b = good_model();
  put_varint(&b, 2 << 3 | 3);
  expect(&b, "producer_name: a field is a group");
  b = good_model();
  put(&b, "\x12\xff", 2);
  expect(&b, "a length does not end");
  b = good_model();
  put(&b,
      "\x12\x05"
      "abc",
      5);
  expect(&b, "a length goes past the end");
  b = good_model();
  put_number(&b, 0, 1);
  expect(&b, "number 0");
  b = good_model();
  put_number(&b, 7, 1);
  expect(&b, "graph: encoded as wire type 0");
  b = good_model();
  put_field(&b, 3, "a\0b", 3);
  expect(&b, "producer_version: a NUL byte");
  b = good_model();
  put_field(&b, 3, "a\xc0\x80", 3);
  expect(&b, "not valid UTF-8");
  b = good_model();
  put_number(&b, 9000, 1);
  put_text(&b, 9001, "unknown");
  expect(&b, NULL);
  b = (Buffer){0};
  expect(&b, "empty");
  put_header(&b);
  expect(&b, "no graph");
}

static void test_other_formats(void) {
  static const char *const files[][2] = {
      {"version https://git-lfs.github.com/spec/v1\n", "Git LFS"},
      {"PK\3\4\24abc", "zip"},
      {"<!DOCTYPE html>", "HTML"},
      {"{\"a\": 1}", "JSON"},
      {"\x7f"
       "ELF\2\1\1",
       "ELF"},
      {"ir_version: 8\n", "text"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    Buffer b = {0};
    put(&b, files[i][0], strlen(files[i][0]));
    expect(&b, files[i][1]);
  }
}

static void test_path_in_message(void) {
  Buffer model = {0}, graph = {0}, attribute = {0}, node = {0};
  put_header(&model);
  put_node(&graph);
  put_text(&node, 4, "Add");
  put_text(&attribute, 1, "a");
  put_message(&node, 5, &attribute);
  put_number(&attribute, 5, 3);
  put_message(&node, 5, &attribute);
  put_message(&graph, 1, &node);
  put_message(&model, 7, &graph);
  expect(&model, "graph.node[1].attribute[1].t: encoded as wire type 0, where the schema wants 2");
}

static void test_singular_twice(void) {
  Buffer model = {0}, graph = {0}, attribute = {0}, node = {0}, tensor = {0};
  put_header(&model);
  put_message(&attribute, 5, &tensor);
  put_message(&attribute, 5, &tensor);
  put_message(&node, 5, &attribute);
  put_message(&graph, 1, &node);
  put_message(&model, 7, &graph);
  expect(&model, "graph.node[0].attribute[0].t: occurs twice");
}

static void test_graph_in_parts(void) {
  Buffer model = {0}, graph = {0}, tensor = tensor_head(1, 0, NULL);
  put_header(&model);
  put_node(&graph);
  put_message(&model, 7, &graph);
  put_field(&tensor, 9, "\0\0\0\0", 4);
  put_message(&graph, 5, &tensor);
  put_message(&model, 7, &graph);
  for (int i = 0; i < 200000; i++) put_field(&model, 7, "", 0);
  write_file(in_folder("model.onnx"), model.data, model.size);
  free(model.data);
  Arena *arena = arena_create();
  Diag diag;
  OnnxFile *file;
  diag_init(&diag, arena, stderr);
  bool ok = onnx_file_open(arena, &diag, in_folder("model.onnx"), NULL, &file);
  CHECK(ok);
  if (ok) {
    CHECK(file->model->graph->n_node == 1 && file->model->graph->n_initializer == 1);
    CHECK_TEXT(file->model->graph->node[0]->op_type, "Add");
    CHECK_TEXT(file->model->graph->node[0]->domain, "");
    CHECK_TEXT(file->model->producer_name, "");
  }
  arena_destroy(arena);
}

static void test_nesting(void) {
  Buffer graph = {0}, model = {0};
  for (int i = 0; i < 3000; i++) {
    Buffer attribute = {0}, node = {0};
    put_message(&attribute, 6, &graph);
    put_message(&node, 5, &attribute);
    put_message(&graph, 1, &node);
  }
  put_header(&model);
  put_message(&model, 7, &graph);
  expect(&model, "nested more than 100 levels");
}

static void test_empty_messages(void) {
  Buffer graph = {0}, model = {0};
  for (int i = 0; i < 5000000; i++) put(&graph, "\x0a\0", 2); // 10 MB of empty nodes
  put_header(&model);
  put_message(&model, 7, &graph);
  expect(&model, "MiB of memory");
}

// ---- tensors

static Tensor decode_one(Arena *arena, Buffer *tensor) {
  Buffer model = model_with(tensor);
  Diag diag;
  OnnxFile *file;
  Tensor result = {.data = NULL};
  write_file(in_folder("model.onnx"), model.data, model.size);
  free(model.data);
  diag_init(&diag, arena, stderr);
  bool ok = onnx_file_open(arena, &diag, in_folder("model.onnx"), NULL, &file) &&
            onnx_tensor_bytes(file, file->model->graph->initializer[0], &result);
  CHECK(ok);
  return result;
}

static void test_typed_data(void) {
  Arena *arena = arena_create();
  Buffer b = tensor_head(3, 1, (int64_t[]){4}), packed = {0}; // i8: packed, then single
  put_varint(&packed, (uint64_t)-5);
  put_varint(&packed, 127);
  put_message(&b, 5, &packed);
  put_number(&b, 5, (uint64_t)-128);
  put_number(&b, 5, 255);
  Tensor t = decode_one(arena, &b);
  CHECK(t.element == I8 && t.rank == 1 && t.bytes == 4 && !memcmp(t.data, "\xfb\x7f\x80\xff", 4));

  b = tensor_head(22, 1, (int64_t[]){3}); // i4: two in one value
  put_number(&b, 5, 0x21);
  put_number(&b, 5, 0x0f);
  t = decode_one(arena, &b);
  CHECK(t.element == I4 && t.bytes == 2 && element_load_int(I4, t.data, 2) == -1);

  b = tensor_head(1, 1, (int64_t[]){3}); // f32: packed and single
  put_field(&b, 4, (float[]){1, 2}, 8);
  put_varint(&b, 4 << 3 | 5);
  put(&b, &(float){3}, 4);
  t = decode_one(arena, &b);
  CHECK(!memcmp(t.data, (float[]){1, 2, 3}, 12) && tensor_data_is_aligned(&t));

  b = tensor_head(9, 1, (int64_t[]){3}); // bool bytes become 0 or 1
  put_field(&b, 9, "\0\2\xff", 3);
  t = decode_one(arena, &b);
  CHECK(!memcmp(t.data, "\0\1\1", 3));

  b = tensor_head(8, 1, (int64_t[]){2});
  put_field(&b, 6, "a\0b", 3);
  put_field(&b, 6, "", 0);
  t = decode_one(arena, &b);
  const TensorString *s = t.data;
  CHECK(t.element == STR && s[0].length == 3 && !memcmp(s[0].data, "a\0b", 3) && !s[1].length);
  CHECK_TEXT(t.name, "w");
  arena_destroy(arena);
}

static void test_tensor_errors(void) {
  float values[7] = {0};
  static const struct {
    int type, rank;
    int64_t dims[2];
    int field;
    size_t bytes;
    const char *wanted;
  } cases[] = {
      {1, 2, {2, 3}, 9, 24, NULL},
      {1, 2, {2, 3}, 9, 23, "tensor 'w': f32[2,3] wants 24 bytes, raw_data has 23"},
      {1, 2, {2, 3}, 9, 28, "raw_data has 28"},
      {1, 2, {2, 3}, 9, 0, "raw_data has 0"},
      {1, 2, {2, 3}, 4, 20, "wants 6 values, it has 5"},
      {1, 2, {2, 3}, 4, 23, "ends inside a value"},
      {1, 2, {2, 3}, 10, 24, "has data in double_data, where f32 wants float_data"},
      {1, 2, {-2, -3}, 9, 24, "dimension 0 is negative (-2)"},
      {1, 2, {(int64_t)1 << 32, (int64_t)1 << 32}, 9, 24, "more bytes than memory"},
      {1, 1, {((int64_t)1 << 62) + 6}, 9, 24, "more bytes than memory"},
      {1, 1, {(int64_t)1 << 40}, 9, 24, "wants 4398046511104 bytes"},
      {1, 1, {0}, 9, 0, NULL},
      {0, 1, {1}, 9, 4, "element type 0"},
      {99, 1, {1}, 9, 4, "element type 99"},
      {8, 1, {1}, 9, 3, "strings cannot be in raw_data"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Buffer b = tensor_head(cases[i].type, cases[i].rank, cases[i].dims);
    put_field(&b, cases[i].field, values, cases[i].bytes);
    b = model_with(&b);
    expect(&b, cases[i].wanted);
  }
  Buffer b = tensor_head(1, 2, (int64_t[]){2, 3});
  put_field(&b, 9, values, 24);
  put_field(&b, 4, values, 24);
  b = model_with(&b);
  expect(&b, "data both in float_data and in raw_data");
  b = tensor_head(1, 2, (int64_t[]){2, 3});
  b = model_with(&b);
  expect(&b, "f32[2,3] has no data");
  b = tensor_head(3, 1, (int64_t[]){1});
  put_number(&b, 5, 70000);
  b = model_with(&b);
  expect(&b, "does not fit i8");
}

static Buffer external_model(const char *location, const char *offset, const char *length) {
  const char *const entries[3][2] = {
      {"location", location}, {"offset", offset}, {"length", length}};
  Buffer b = tensor_head(1, 1, (int64_t[]){4});
  put_number(&b, 14, 1);
  for (int i = 0; i < 3; i++) {
    Buffer entry = {0};
    if (!entries[i][1]) continue;
    put_text(&entry, 1, entries[i][0]);
    put_text(&entry, 2, entries[i][1]);
    put_message(&b, 13, &entry);
  }
  return model_with(&b);
}

static void test_external_data(void) {
  static const char *const cases[][4] = {
      {"w.bin", "8", "16", NULL},
      {"./sub//w.bin", NULL, NULL, NULL},
      {"../w.bin", NULL, "16", "leads out of the model's folder"},
      {"sub/../w.bin", NULL, "16", "leads out of the model's folder"},
      {"/etc/passwd", NULL, "16", "absolute path"},
      {"link.bin", NULL, "16", "symbolic link"},
      {"up/w.bin", NULL, "16", "symbolic link"},
      {"hard.bin", NULL, "16", "hard links"},
      {"sub", NULL, "16", "not a regular file"},
      {"pipe", NULL, "16", "not a regular file"},
      {"none.bin", NULL, "16", "No such file"},
      {".", NULL, "16", "has no name"},
      {NULL, NULL, "16", "without a location"},
      {"w.bin", "-8", "16", "is not a number of bytes"},
      {"w.bin", "99999999999999999999999", "16", "is not a number of bytes"},
      {"w.bin", "18446744073709551608", "16", "which has only 24"},
      {"w.bin", "16", "16", "which has only 24"},
      {"w.bin", "0", "12", "its external data has 12"},
  };
  write_file(in_folder("w.bin"), "abcdefghijklmnopqrstuvwx", 24);
  write_file(in_folder("other.bin"), "abcdefghijklmnopqrstuvwx", 24);
  CHECK(!mkdir(in_folder("sub"), 0700) && !mkfifo(in_folder("pipe"), 0600));
  write_file(in_folder("sub/w.bin"), "abcdefghijklmnop", 16);
  CHECK(!symlink("w.bin", in_folder("link.bin")) && !symlink("..", in_folder("up")));
  CHECK(!link(in_folder("other.bin"), in_folder("hard.bin")));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Buffer b = external_model(cases[i][0], cases[i][1], cases[i][2]);
    expect(&b, cases[i][3]);
  }
}

static Buffer sparse_model(int count, const int64_t *indices) {
  Buffer values = tensor_head(1, 1, (int64_t[]){2}), places = tensor_head(7, 1, (int64_t[]){count});
  Buffer sparse = {0}, graph = {0}, model = {0};
  put_field(&values, 9, (float[]){1, 2}, 8);
  put_field(&places, 9, indices, (size_t)count * 8);
  put_message(&sparse, 1, &values);
  put_message(&sparse, 2, &places);
  put_number(&sparse, 3, 2);
  put_number(&sparse, 3, 3);
  put_header(&model);
  put_message(&graph, 15, &sparse);
  put_message(&model, 7, &graph);
  return model;
}

static void test_sparse(void) {
  Buffer b = sparse_model(2, (int64_t[]){1, 4});
  expect(&b, NULL);
  b = sparse_model(2, (int64_t[]){1, 6});
  expect(&b, "sparse tensor 'w': index 1 is out of range");
  b = sparse_model(2, (int64_t[]){-1, 4});
  expect(&b, "index 0 is out of range");
  b = sparse_model(2, (int64_t[]){4, 1});
  expect(&b, "not larger than the one before");
  b = sparse_model(3, (int64_t[]){1, 2, 4});
  expect(&b, "3 indices for 2 values");
}

// ---- damaged files

static Buffer rich_model(void) {
  Buffer model = good_model(), graph = {0}, node = {0}, attribute = {0}, inner = {0};
  Buffer tensor = tensor_head(8, 1, (int64_t[]){1});
  put_field(&tensor, 6, "text", 4);
  put_node(&inner);
  put_text(&attribute, 1, "body");
  put_message(&attribute, 6, &inner);
  put_message(&attribute, 5, &tensor);
  put_field(&attribute, 8, "\1\2\377\1", 4);
  put_field(&attribute, 7, (float[]){1, 2}, 8);
  put_message(&node, 5, &attribute);
  put_message(&graph, 1, &node);
  put_message(&model, 7, &graph);
  Buffer sparse = sparse_model(2, (int64_t[]){1, 4});
  put(&model, sparse.data, sparse.size);
  free(sparse.data);
  return model;
}

static void test_truncation(void) {
  Buffer model = rich_model();
  char error[512];
  for (size_t size = 0; size <= model.size; size++) {
    write_file(in_folder("model.onnx"), model.data, size);
    bool ok = read_all(in_folder("model.onnx"), NULL, error);
    CHECK(ok || *error);
    CHECK(ok || size < model.size);
  }
  free(model.data);
}

static void test_flips(int rounds) {
  Buffer model = rich_model();
  uint8_t *bytes = malloc(model.size);
  uint64_t random = 88172645463325252u;
  char error[512];
  for (int i = 0; i < rounds; i++) {
    memcpy(bytes, model.data, model.size);
    for (int flips = 1 + i % 4; flips > 0; flips--) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      bytes[random % model.size] ^= (uint8_t)(1 << (random >> 40 & 7));
    }
    write_file(in_folder("model.onnx"), bytes, model.size);
    bool ok = read_all(in_folder("model.onnx"), NULL, error);
    CHECK(ok || *error);
  }
  free(bytes);
  free(model.data);
}

// ---- value files

static void test_value_files(void) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, stderr);
  Tensor keys = {
      STR,  1,        {2}, (TensorString[]){{"a", 1}, {"bc", 2}}, 2 * sizeof(TensorString),
      NULL, LIST_NONE};
  FileValue items[2] = {
      {.kind = VALUE_TENSOR, .tensor = {F32, 2, {1, 2}, (float[]){1, 2}, 8, "one", LIST_NONE}},
      {.kind = VALUE_TENSOR, .tensor = {I4, 1, {3}, (uint8_t[]){0x21, 3}, 2, NULL, LIST_NONE}}};
  FileValue map = {.kind = VALUE_MAP, .tensor = keys, .items = items, .count = 2};
  FileValue optional = {.kind = VALUE_OPTIONAL, .items = &map, .count = 1};
  FileValue sequence = {.kind = VALUE_SEQUENCE, .name = "s", .items = &optional, .count = 1}, back;
  CHECK(onnx_value_file_write(arena, &diag, in_folder("v.pb"), &sequence));
  bool ok = onnx_value_file_read(arena, &diag, in_folder("v.pb"), VALUE_SEQUENCE, &back);
  CHECK(ok && back.count == 1 && back.items[0].kind == VALUE_OPTIONAL && back.items[0].count == 1);
  if (ok) {
    const FileValue *m = back.items[0].items;
    const TensorString *s = m->tensor.data;
    CHECK_TEXT(back.name, "s");
    CHECK(m->kind == VALUE_MAP && m->count == 2 && s[1].length == 2 && !memcmp(s[1].data, "bc", 2));
    CHECK_TEXT(m->items[0].name, "one");
    CHECK(!memcmp(m->items[0].tensor.data, (float[]){1, 2}, 8));
    CHECK(m->items[1].tensor.element == I4 && m->items[1].tensor.bytes == 2);
  }
  Tensor tensor;
  CHECK(onnx_tensor_file_write(arena, &diag, in_folder("k.pb"), &keys));
  CHECK(onnx_tensor_file_read(arena, &diag, in_folder("k.pb"), &tensor) && tensor.dims[0] == 2);
  arena_destroy(arena);
}

static int read_files(int count, char **paths) {
  char error[512];
  int refused = 0;
  for (int i = 0; i < count; i++) refused += !read_all(paths[i], stderr, error);
  return refused ? 1 : 0;
}

int main(int argc, char **argv) {
  if (argc > 1) return read_files(argc - 1, argv + 1);
  if (!mkdtemp(folder)) abort();
  test_wire_errors();
  test_other_formats();
  test_path_in_message();
  test_singular_twice();
  test_graph_in_parts();
  test_nesting();
  test_empty_messages();
  test_typed_data();
  test_tensor_errors();
  test_external_data();
  test_sparse();
  test_truncation();
  test_flips(3000);
  test_value_files();
  static const char *const files[] = {"model.onnx", "w.bin", "other.bin", "hard.bin", "link.bin",
                                      "up",         "pipe",  "sub/w.bin", "v.pb",     "k.pb"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(in_folder(files[i]));
  rmdir(in_folder("sub"));
  rmdir(folder);
  return check_status();
}
