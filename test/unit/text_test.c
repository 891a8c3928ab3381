// Text form: numbers, hashes, a module written and read back, clones, the
// weights file, errors.
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "ir/builder.h"
#include "ir/hash.h"
#include "ir/number.h"
#include "ir/print.h"

static char folder[] = "text_test_XXXXXX";

static const char *path_of(Arena *arena, const char *name) {
  return arena_printf(arena, "%s/%s", folder, name);
}

static char *print_to_text(const Module *module) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  module_print(out, module);
  fclose(out);
  return text;
}

static Module *parse_text(Arena *arena, Diag *diag, const char *text, size_t length) {
  const char *path = path_of(arena, "t.tir");
  FILE *out = fopen(path, "wb");
  fwrite(text, 1, length, out);
  fclose(out);
  return module_parse(arena, diag, path);
}

static void check_numbers(void) {
  char text[NUMBER_TEXT];
  float_text(text, 0.1f);
  CHECK_TEXT(text, "0.1");
  float_text(text, -0.0f);
  CHECK_TEXT(text, "-0");
  double_text(text, 1.0 / 3);
  double third;
  CHECK(double_from_text(text, &third) && third == 1.0 / 3);
  for (uint32_t bits = 0; bits < 0xffff0000u; bits += 65521) {
    float value, back;
    memcpy(&value, &bits, 4);
    float_text(text, value);
    CHECK(float_from_text(text, &back) && !memcmp(&back, &value, 4));
  }
  for (int e = 0; e < ELEMENT_COUNT; e++) { // every code of the types up to 16 bits
    int bits = element_info[e].bits;
    if (bits > 16 || e == BOOL) continue;
    for (unsigned code = 0; code < 1u << bits; code++) {
      uint16_t stored = (uint16_t)code, back = 0;
      element_value_text(text, (ElementType)e, &stored, 0);
      CHECK(element_value_from_text((ElementType)e, &back, 0, text));
      CHECK(element_bits((ElementType)e, &back, 0) == code);
    }
  }
  int64_t number;
  CHECK(int_from_text("-9223372036854775808", &number) && number == INT64_MIN);
  CHECK(!int_from_text("9223372036854775808", &number) && !int_from_text("1.5", &number));
  int8_t small;
  CHECK(!element_value_from_text(I8, &small, 0, "128") &&
        !element_value_from_text(U8, &small, 0, "-1"));
}

static void check_hash(void) { // the published test values of XXH64
  CHECK(hash_bytes("", 0, 0) == 0xEF46DB3751D8E999);
  CHECK(hash_bytes("a", 1, 0) == 0xD24EC4F1A98C6E5B);
  CHECK(hash_bytes("abc", 3, 0) == 0x44BC2CF5AD770999);
  CHECK(hash_bytes("Nobody inspects the spammish repetition", 39, 0) == 0xFBCEA83C8A378BF1);
}

// A module with something of everything.
static Module *build_sample(Arena *arena, Diag *diag) {
  Module *module = module_create(arena, diag, "sample");
  module->producer = "unit \"test\"";
  const Dim *n = dim_symbol(module->dims, "N");
  dim_symbol_range(module->dims, n, 1, 64);
  Type type = type_tensor(F32, 2, (const Dim *[]){n, dim_constant(module->dims, 8)});
  Value *x = graph_add_input(module->main, type, "input.1");
  Builder b = builder_at_end(module->main, (Loc){"sample.onnx", 0, "/fc/MatMul", "MatMul"});
  float *weights = NEW_ARRAY(arena, float, 64);
  for (int i = 0; i < 64; i++) weights[i] = i % 7 ? 1.25f : 0;
  Value *w = build_constant(&b, type_static(module->dims, F32, 2, (int64_t[]){8, 8}), weights,
                            "fc weight");
  static const float centroids[2] = {0, 1.25f};
  storage_set(&value_constant(w)->storage,
              (Stage){.kind = STAGE_LAYOUT, .layout = LAYOUT_PANELS, .tile = 16});
  storage_set(&value_constant(w)->storage,
              (Stage){.kind = STAGE_SPARSE, .block_rows = 1, .block_columns = 16});
  storage_set(
      &value_constant(w)->storage,
      (Stage){.kind = STAGE_CODEBOOK, .bits = 1, .centroids = centroids, .centroid_count = 2});
  storage_set(&value_constant(w)->storage, (Stage){.kind = STAGE_HUFFMAN});
  static const int64_t kept[] = {0, 3};
  CompressionRecord *record = NEW(arena, CompressionRecord);
  *record = (CompressionRecord){0x123, 4096, 31.5, 2, kept, "prune{sparsity=0.9}"};
  value_constant(w)->record = record;
  Value *y = build_matmul(&b, x, w, NULL);
  Value *z =
      build_binary(&b, OP_ADD, y, build_floats(&b, (float[]){1, 2, -0.0f, 4, 5, 6, 7, 1e-9f}, 8));
  z = build_unary(&b, OP_RELU, z);
  z->name = "input.1"; // the second of that name
  CHECK(!b.failed);
  graph_add_output(module->main, z);
  y->placement = (Placement){PLACE_WORKSPACE, 64, NULL};
  x->placement = (Placement){PLACE_INPUT, 0, NULL};
  z->placement = (Placement){PLACE_ALIAS, 0, y};
  module->main->placed = true;
  module->main->workspace_bytes = 64 + 64 * 8 * 4;
  return module;
}

static void check_round_trip(void) {
  Arena *arena = arena_create(), *other = arena_create();
  Diag diag;
  diag_init(&diag, arena, stderr);
  Module *module = build_sample(arena, &diag);
  CHECK(module_verify(module, NULL, &diag));
  char *text = print_to_text(module);
  const char *path = path_of(arena, "sample.tir");
  CHECK(module_write(module, path, &diag));
  Module *back = module_parse(arena, &diag, path);
  CHECK(back != NULL);
  if (back) {
    char *again = print_to_text(back);
    CHECK_TEXT(again, text);
    free(again);
    Module *clone = module_clone(other, &diag, back);
    CHECK(module_verify(clone, "clone", &diag));
    again = print_to_text(clone);
    CHECK_TEXT(again, text);
    free(again);
  }
  CHECK(module_verify(module, NULL, &diag));
  free(text);
  arena_destroy(other);
  arena_destroy(arena);
}

// Bytes of the weights file one by one turned over: refused or unchanged, never
// a crash.
static void check_damaged_weights(void) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  Module *module = build_sample(arena, &diag);
  const char *path = path_of(arena, "damaged.tir"),
             *weights = path_of(arena, "damaged.tir.weights");
  CHECK(module_write(module, path, &diag));
  FILE *file = fopen(weights, "rb");
  char good[4096];
  size_t size = fread(good, 1, sizeof good, file);
  fclose(file);
  int refused = 0;
  for (size_t i = 0; i <= size; i++) {
    if (i < size) good[i] = (char)(good[i] ^ 0x41);
    file = fopen(weights, "wb");
    fwrite(good, 1, i < size ? size : size / 2, file);
    fclose(file);
    if (i < size) good[i] = (char)(good[i] ^ 0x41);
    refused += !module_parse(arena, &diag, path);
  }
  CHECK(refused > 64 * 4); // all data, and most of the head and table
  unlink(weights);
  CHECK(!module_parse(arena, &diag, path));
  arena_destroy(arena);
}

typedef struct BadText {
  const char *text, *error;
} BadText;

static const BadText bad_texts[] = {
    {"tenon 2\n", "version 2 of the text form, wanted 1"},
    {"input %x : f32[2]\n%y = relo %x\nreturn %y", "unknown operator 'relo'"},
    {"input %x : f32[2]\n%y = relu %z\nreturn %y", "%z is not defined before its use"},
    {"input %x : f32[2]\n%x = relu %x\nreturn %x", "%x is defined twice"},
    {"input %x : f32[2]\n%y = relu %x, %x\nreturn %y", "relu: 2 operands, wanted 1"},
    {"input %x : f32[2]\n%y = relu _\nreturn %y", "relu: operand 0 is absent"},
    {"input %x : f32[2]\n%y = relu %x {axis=1}\nreturn %y", "relu has no attribute 'axis'"},
    {"input %x : f32[2]\n%y, %z = relu %x\nreturn %y", "relu has 1 results, 2 are named"},
    {"input %x : f32[-1]\nreturn %x", "dimension 0 is negative"},
    {"input %x : g32[1]\nreturn %x", "unknown type 'g32'"},
    {"input %x : f32[1,1,1,1,1,1,1,1,1]\nreturn %x", "more than 8 dimensions"},
    {"input %x : u8[2] quant(scale=0)\nreturn %x", "scale 0 is not positive"},
    {"input %x : u8[2] quant(scale=1, zero=256)\nreturn %x", "zero point 256 is no value of u8"},
    {"input %x : u8[2] quant(axis=0, scale=[1,2,3])\nreturn %x",
     "3 scales along an axis of size 2"},
    {"input %x : f32[2] quant(scale=1)\nreturn %x", "f32 cannot be quantized"},
    {"%c = const [1, 2] : f32[3]\nreturn %c", "the constant has 2 values, its type 3"},
    {"%c = const [1, 256] : u8[2]\nreturn %c", "256 is not a value of u8"},
    {"%c = const [1, 2]\nreturn %c", "a constant needs a tensor type whose dimensions are numbers"},
    {"%c = const : f32[N]\nreturn %c",
     "a constant needs a tensor type whose dimensions are numbers"},
    {"%c = const : f32[4] store sparse layout(rows)\nreturn %c",
     "storage stages are in the order layout, sparse, codebook, huffman, each "
     "once"},
    {"%c = const : f32[4] store codebook(bits=9, centroids=[1])\nreturn %c",
     "a codebook of 9 bits, possible are 1 to 8"},
    {"%c = const : f32[4] store codebook(bits=1, centroids=[1, 2, 3])\nreturn "
     "%c",
     "3 centroids for 1 bits"},
    {"%c = const : f32[4] store codebook(bits=1, centroids=[2, 1])\nreturn %c",
     "centroids are not ascending"},
    {"%c = const [1, 3] : f32[2] store codebook(bits=1, centroids=[1, 2])\nreturn %c",
     "constant @c: element 1 (3) is no centroid"},
    {"%c = const [1, 2] : f32[2] store sparse codebook(bits=1, centroids=[1, 2])\nreturn %c",
     "constant @c is sparse, but zero is no centroid"},
    {"%c = const : f32[4] store layout(panels)\nreturn %c", "layout panels needs a tile"},
    {"%c = const : f32[1000000,1000000]\nreturn %c",
     "constants of more than 256 MiB without a weights file"},
    {"%c = const random(seed=3) : u2[3,20000000,8]\nreturn %c",
     "constants of more than 67108864 values without a weights file"},
    {"%c = const @a : f32[1]\n%d = const @a : f32[1]\nreturn %c",
     "@a is used twice or is no name for a symbol"},
    {"input %x : f32[2]\n%y = relu %x : f32[3]\nreturn %y", NULL},
    {"input %x : f32[2] at workspace+0\nreturn %x",
     "a placed value in a function that is not placed"},
    {"func @main(%x: f32[4] at workspace+8) placed(workspace=16, fast=0) { "
     "return %x }",
     "bytes 8 to 24 lie outside the 16 of the workspace"},
    {"input %x : f32[2] at alias %q\nreturn %x", "%q is not defined"},
    {"symbol N 0..\nfunc @f(%x: f32[N] at workspace+0) placed(workspace=16, fast=0) { return %x }",
     "a value without a bound in the planned part of the workspace"},
    {"symbol N 0..\nfunc @f(%x: f32[N] at open+1) placed(workspace=16, fast=0, open=[4*N over []]) "
     "{ "
     "return %x }",
     "placed at open+1 of 1"},
    {"symbol N 0..\nfunc @f(%x: f32[N] at open+0) placed(workspace=16, fast=0, open=[4*N over "
     "[0]]) { "
     "return %x }",
     "0 is not a whole number from 0 to -1"},
    {"module \"a", "a string without its closing quote"},
    {"module \"\\q\"", "an unknown escape in a string"},
    {"symbol N 5..1\n", "1 is not a whole number from 5 to 9223372036854775806"},
    {"input %x : f32[2]\nreturn %x }", "expected the end of the file, found '}'"},
    {"input %x : f32[2]\n", "expected a node or 'return', found the end of the file"},
    {"input %x : f32[((((((((N]\nreturn %x",
     "not a dimension (a number, a symbol, +, *, div, min, max of these)"},
    {"input %x : f32[2]\nreturn %x, _", "expected a value (%name), found '_'"},
    {"input %x : f32[4-N]\n%y = relu %x\nreturn %y, %z", "%z is not defined before its use"},
    {"\x01", "expected a node or 'return', found"}};

static void check_errors(void) {
  for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
    Arena *arena = arena_create();
    Diag diag;
    diag_init(&diag, arena, NULL);
    CHECK(!parse_text(arena, &diag, bad_texts[i].text, strlen(bad_texts[i].text)));
    CHECK(diag.errors == 1 && diag.first_error);
    if (bad_texts[i].error && diag.first_error && bad_texts[i].text[0] != 1)
      CHECK_TEXT(diag.first_error, bad_texts[i].error);
    arena_destroy(arena);
  }
}

// The parser says yes or no to any text; a yes prints and reads back as the
// same.
static void check_mutations(const char *seed_text, int rounds) {
  size_t length = strlen(seed_text);
  uint64_t state = 88172645463325252;
  int accepted = 0;
  for (int round = 0; round < rounds; round++) {
    Arena *arena = arena_create();
    Diag diag;
    diag_init(&diag, arena, NULL);
    char *text = arena_strndup(arena, seed_text, length);
    for (int i = 0; i < 1 + round % 4; i++) {
      state ^= state << 13, state ^= state >> 7,
          state ^= state << 17; // xorshift
      size_t at = state % length, from = state / length % length;
      if (state >> 62 == 0)
        memmove(text + at, text + from, (length - (at > from ? at : from)) % 64);
      else
        text[at] =
            state >> 61 & 1 ? "%@\"[](){}:,.=+-0x19_Nab;\n"[state >> 20 & 15] : seed_text[from];
    }
    Module *module = parse_text(arena, &diag, text, length);
    CHECK(!module == (diag.errors != 0));
    if (module) {
      accepted++;
      char *first = print_to_text(module), *second;
      const char *path = path_of(arena, "m.tir");
      CHECK(module_write(module, path, &diag));
      Module *back = module_parse(arena, &diag, path);
      CHECK(back != NULL);
      if (back) {
        second = print_to_text(back);
        CHECK_TEXT(second, first);
        free(second);
      }
      free(first);
    }
    arena_destroy(arena);
  }
  CHECK(accepted > 0);
}

static const char *sample_text =
    "; a comment\n"
    "tenon 1\nmodule \"m\"\nproducer \"p\"\nsource \"s.onnx\"\nsymbol N "
    "1..64\nsymbol M 0..\n"
    "func @main(%x \"the input\": f32[N,2*M+1,4] at input, %i: "
    "i64[div(N+1,2),min(M,7)], %q: u8[3] quant(scale=0.5, zero=128))"
    " placed(workspace=4096, fast=0, open=[32*N*M+16*N over [], 64 over [0]]) {\n"
    "  %a = relu %x : f32[N,2*M+1,4] at open+0 loc(\"node a\", \"Relu\")\n"
    "  %v1 \"a/b c\" = clip %a {low=-1.5, high=0x7ff0000000000000} loc(_, "
    "\"Clip\")\n"
    "  %c = const @c [1, -0, 0x7fc00000, 2.5] : f32[4] at weights\n"
    "  %s = const @s splat(3) : i8[5,5]\n"
    "  %r = const @r random(seed=7) : f16[6,6] store sparse(block=1x4, bits=4) "
    "codebook(bits=2, centroids=[-1, 0, 1.5]) huffman\n"
    "  %t = const @t [\"a\", \"b\\x00\\n\"] : str[2]\n"
    "  %z = const @z (1, 2) : c64[]\n"
    "  %n = const @n [true, false] : bool[2] record(original=0x1, bytes=7, "
    "sqnr=2.5, kept=[1,2], history=\"x\")\n"
    "  %y = add %v1, %c : f32[N,2*M+1,4] at alias %a\n"
    "  return %y, %x\n}\n";

int main(int argc, char **argv) {
  if (!mkdtemp(folder)) return 1;
  check_numbers();
  check_hash();
  check_round_trip();
  check_damaged_weights();
  check_errors();
  check_mutations(sample_text, argc > 1 ? atoi(argv[1]) : 2000);
  Arena *arena = arena_create();
  const char *names[] = {"t.tir",      "m.tir", "m.tir.weights", "sample.tir", "sample.tir.weights",
                         "damaged.tir"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(path_of(arena, names[i]));
  rmdir(folder);
  arena_destroy(arena);
  return check_status();
}
