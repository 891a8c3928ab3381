// The interpreter's core and the arithmetic ops: against values worked out by hand, and against
// loops that index one element at a time.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "ir/builder.h"
#include "ir/executor.h"
#include "ir/interpret.h"
#include "ir/quant.h"

typedef struct Bench {
  Arena *arena;
  Diag diag;
  Module *module;
  Builder builder;
  Tensor inputs[4];
  int input_count;
} Bench;

static Bench *bench_create(void) {
  Arena *arena = arena_create();
  Bench *bench = NEW(arena, Bench);
  bench->arena = arena;
  diag_init(&bench->diag, arena, NULL);
  bench->module = module_create(arena, &bench->diag, "test");
  bench->builder = builder_at_end(bench->module->main, (Loc){.node = "n"});
  return bench;
}

static void bench_destroy(Bench *bench) { arena_destroy(bench->arena); }

typedef struct Shape {
  int rank;
  int64_t dims[MAX_RANK];
} Shape;
#define SHAPE(...)                                                                                 \
  (Shape) {                                                                                        \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), { __VA_ARGS__ }                                   \
  }

// An input with these values, or with a fixed pseudo-random sequence in -8..7 (floats: / 4).
static Value *input(Bench *bench, ElementType element, Shape shape, const Quant *quant,
                    const double *values) {
  Type type = type_static(bench->module->dims, element, shape.rank, shape.dims);
  type.quant = quant;
  Tensor made = tensor_create(bench->arena, element, shape.rank, shape.dims);
  uint32_t state = 17 + (uint32_t)bench->input_count;
  for (int64_t i = 0; i < tensor_count(&made); i++) {
    state = state * 1664525u + 1013904223u;
    double random = (double)(state >> 28) - 8;
    if (element_info[element].class == CLASS_UNSIGNED) random += 8;
    element_store(element, made.data, i,
                  values                      ? values[i]
                  : element_is_float(element) ? random / 4
                                              : random);
  }
  bench->inputs[bench->input_count++] = made;
  return graph_add_input(bench->module->main, type, "x");
}

static const Quant *quant(Bench *bench, float scale, int32_t zero) {
  return quant_per_tensor(bench->arena, scale, zero);
}

static bool run(Bench *bench, Value *output, Tensor *result) {
  *result = (Tensor){.rank = 1};
  if (!output) return false;
  graph_add_output(bench->module->main, output);
  return interpret(bench->module->main, bench->inputs, result, bench->arena, &bench->diag);
}

static bool same(double a, double b) {
  return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-6 * fabs(b);
}

static void check_values(const Tensor *found, int64_t count, const double *wanted, int line) {
  bool equal = tensor_count(found) == count;
  for (int64_t i = 0; equal && i < count; i++)
    equal = same(element_load(found->element, found->data, i), wanted[i]);
  if (equal) return;
  check_failures++;
  fprintf(stderr, "line %d: %lld elements:", line, (long long)tensor_count(found));
  for (int64_t i = 0; i < tensor_count(found); i++)
    fprintf(stderr, " %g", element_load(found->element, found->data, i));
  fprintf(stderr, "\n");
}
#define CHECK_VALUES(found, ...)                                                                   \
  check_values(&(found), (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),              \
               (double[]){__VA_ARGS__}, __LINE__)

static void check_error(Bench *bench, const char *text, int line) {
  const char *found = bench->diag.first_error ? bench->diag.first_error : "no error";
  if (!strcmp(found, text)) return;
  check_failures++;
  fprintf(stderr, "line %d: \"%s\", not \"%s\"\n", line, found, text);
}

// --- pointwise

static void expect_binary(OpCode op, ElementType element, const char *mode, const double *a,
                          const double *b, int count, const double *wanted, int line) {
  Bench *bench = bench_create();
  Value *x = input(bench, element, SHAPE(count), NULL, a),
        *y = input(bench, element, SHAPE(count), NULL, b);
  Node *node = build_begin(&bench->builder, op, (Value *[]){x, y}, 2);
  if (mode) node_set_string(node, op == OP_MOD ? ATTR_MODULO : ATTR_DIRECTION, mode);
  Tensor result;
  CHECK(run(bench, build_end(&bench->builder, node), &result));
  check_values(&result, count, wanted, line);
  bench_destroy(bench);
}
#define D(...) ((double[]){__VA_ARGS__})
#define EXPECT_BINARY(op, element, mode, a, b, wanted)                                             \
  expect_binary(op, element, mode, a, b, (int)(sizeof(a) / sizeof(double)), wanted, __LINE__)

static void test_binary(void) {
  EXPECT_BINARY(OP_ADD, I8, NULL, D(127, -128, 100), D(1, -1, 27), D(-128, 127, 127));
  EXPECT_BINARY(OP_MUL, U8, NULL, D(16, 255), D(16, 255), D(0, 1));
  EXPECT_BINARY(OP_DIV, I32, NULL, D(-7, 7, 5, -2147483648.0), D(2, -2, 0, -1),
                D(-3, -3, 0, -2147483648.0));
  EXPECT_BINARY(OP_MOD, I32, "floor", D(-7, 7, 5, -2147483648.0), D(2, -2, 0, -1), D(1, -1, 0, 0));
  EXPECT_BINARY(OP_MOD, I32, "trunc", D(-7, 7, 5), D(2, -2, 0), D(-1, 1, 0));
  EXPECT_BINARY(OP_MOD, F32, "floor", D(-7.5, 7.5), D(2, -2), D(0.5, -0.5));
  EXPECT_BINARY(OP_MIN, F32, NULL, D(1, NAN, 3, -0.0), D(2, 1, NAN, 5), D(1, NAN, NAN, 0));
  EXPECT_BINARY(OP_MAX, F32, NULL, D(1, NAN, 3, INFINITY), D(2, 1, NAN, 5),
                D(2, NAN, NAN, INFINITY));
  EXPECT_BINARY(OP_MAX, U64, NULL, D(0x1p63, 1), D(3, 2), D(0x1p63, 2));
  EXPECT_BINARY(OP_DIV, U64, NULL, D(0x1p63, 9), D(0x1p62, 0), D(2, 0));
  EXPECT_BINARY(OP_BIT_SHIFT, U8, "left", D(1, 255, 7), D(3, 4, 8), D(8, 240, 0));
  EXPECT_BINARY(OP_BIT_SHIFT, I32, "right", D(-8, -8, 8), D(1, 40, 2), D(-4, -1, 2));
  EXPECT_BINARY(OP_POW, I32, NULL, D(3, 2, 2, -1), D(3, 31, -1, -3), D(27, -2147483648.0, 0, -1));
  EXPECT_BINARY(OP_ADD, F16, NULL, D(2048, 1), D(1, 0.0001), D(2048, 1));
  EXPECT_BINARY(OP_LESS, U64, NULL, D(0x1p63), D(1), D(0));
  EXPECT_BINARY(OP_EQUAL, F32, NULL, D(NAN, 1), D(NAN, 1), D(0, 1));
}

static void expect_unary(OpCode op, ElementType element, const double *x, int count,
                         const double *wanted, int line) {
  Bench *bench = bench_create();
  Node *node = build_begin(&bench->builder, op,
                           (Value *[]){input(bench, element, SHAPE(count), NULL, x)}, 1);
  if (op == OP_CLIP) {
    node_set_float(node, ATTR_LOW, -1.5);
    node_set_float(node, ATTR_HIGH, 100.25);
  }
  Tensor result;
  CHECK(run(bench, build_end(&bench->builder, node), &result));
  check_values(&result, count, wanted, line);
  bench_destroy(bench);
}
#define EXPECT_UNARY(op, element, x, wanted)                                                       \
  expect_unary(op, element, x, (int)(sizeof(x) / sizeof(double)), wanted, __LINE__)

static void test_unary(void) {
  EXPECT_UNARY(OP_ABS, I8, D(-128, -3, 3), D(-128, 3, 3));
  EXPECT_UNARY(OP_SIGN, F32, D(-2, 0, NAN, 5), D(-1, 0, NAN, 1));
  EXPECT_UNARY(OP_RELU, F32, D(-2, NAN, 5), D(0, NAN, 5));
  EXPECT_UNARY(OP_RELU, I32, D(-2, 0, 5), D(0, 0, 5));
  EXPECT_UNARY(OP_CLIP, F32, D(-2, NAN, 500), D(-1.5, NAN, 100.25));
  EXPECT_UNARY(OP_CLIP, I32, D(-2, 0, 500), D(-1, 0, 100));
  EXPECT_UNARY(OP_CLIP, U8, D(0, 99, 200), D(0, 99, 100));
  EXPECT_UNARY(OP_ROUND, F32, D(0.5, 1.5, -2.5, 2.4), D(0, 2, -2, 2));
  EXPECT_UNARY(OP_SIGMOID, F32, D(0, 1000, -1000), D(0.5, 1, 0));
  EXPECT_UNARY(OP_GELU, F32, D(0, 1), D(0, 0.841344746));
  EXPECT_UNARY(OP_SOFTPLUS, F32, D(0, 1000, -1000), D(0.693147181, 1000, 0));
  EXPECT_UNARY(OP_SELU, F32, D(1, -1), D(1.05070098, -1.11133070));
  EXPECT_UNARY(OP_HARD_SWISH, F32, D(-4, 1, 4), D(0, 2.0 / 3, 4));
  EXPECT_UNARY(OP_BIT_NOT, U8, D(0, 255, 1), D(255, 0, 254));
}

static void test_broadcast(void) {
  Bench *bench = bench_create();
  Value *a = input(bench, F32, SHAPE(2, 1, 3), NULL, D(1, 2, 3, 4, 5, 6));
  Value *b = input(bench, F32, SHAPE(2, 1), NULL, D(10, 20));
  Tensor result;
  CHECK(run(bench, build_binary(&bench->builder, OP_ADD, a, b), &result));
  CHECK(result.rank == 3 && result.dims[1] == 2);
  CHECK_VALUES(result, 11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26);
  Value *c = input(bench, F32, SHAPE(4), NULL, NULL);
  CHECK(!build_binary(&bench->builder, OP_ADD, a, c));
  check_error(bench, "add: shapes [2,1,3] and [4] do not broadcast: 3 and 4 differ", __LINE__);
  bench_destroy(bench);
}

// --- products

// conv by its definition, one output element at a time.
static double conv_element(const Tensor *x, const Tensor *w, int group, int64_t stride,
                           int64_t dilation, int64_t pad, const int64_t *at) {
  int64_t m = w->dims[0] / group, first = at[3] / m * w->dims[3];
  double sum = 0;
  for (int64_t r = 0; r < w->dims[1]; r++)
    for (int64_t s = 0; s < w->dims[2]; s++)
      for (int64_t c = 0; c < w->dims[3]; c++) {
        int64_t row = at[1] * stride + r * dilation - pad, column = at[2] * stride + s * dilation;
        if (row < 0 || row >= x->dims[1] || column >= x->dims[2]) continue;
        int64_t in = ((at[0] * x->dims[1] + row) * x->dims[2] + column) * x->dims[3] + first + c;
        int64_t tap = ((at[3] * w->dims[1] + r) * w->dims[2] + s) * w->dims[3] + c;
        sum += element_load(x->element, x->data, in) * element_load(w->element, w->data, tap);
      }
  return sum;
}

// Padding on top, at the bottom and on the right only, so that a mix-up of the ends shows.
static Node *conv_node(Bench *bench, OpCode op, Value *const *operands, int count, int group,
                       int64_t stride, int64_t dilation, int64_t pad) {
  Node *node = build_begin(&bench->builder, op, operands, count);
  node_set_ints(node, ATTR_STRIDES, (int64_t[]){stride, stride}, 2);
  node_set_ints(node, ATTR_DILATIONS, (int64_t[]){dilation, dilation}, 2);
  node_set_ints(node, ATTR_PADS, (int64_t[]){pad, 0, pad, pad}, 4);
  node_set_int(node, ATTR_GROUP, group);
  return node;
}

static void check_conv(ElementType element, int group, int64_t stride, int64_t dilation,
                       int64_t pad) {
  Bench *bench = bench_create();
  Value *x = input(bench, element, SHAPE(2, 7, 5, 6), NULL, NULL);
  Value *w = input(bench, element, SHAPE(6, 3, 2, 6 / group), NULL, NULL);
  Node *node = conv_node(bench, OP_CONV, (Value *[]){x, w}, 2, group, stride, dilation, pad);
  Tensor y;
  CHECK(run(bench, build_end(&bench->builder, node), &y));
  CHECK(y.element == (element_is_float(element) ? element : I32));
  int64_t at[4], i = 0;
  for (at[0] = 0; at[0] < 2; at[0]++)
    for (at[1] = 0; at[1] < y.dims[1]; at[1]++)
      for (at[2] = 0; at[2] < y.dims[2]; at[2]++)
        for (at[3] = 0; at[3] < 6; at[3]++, i++)
          CHECK(element_load(y.element, y.data, i) == conv_element(&bench->inputs[0],
                                                                   &bench->inputs[1], group, stride,
                                                                   dilation, pad, at));
  CHECK(i == tensor_count(&y));
  bench_destroy(bench);
}

static void test_conv(void) {
  for (int group = 1; group <= 6; group += group)
    if (6 % group == 0) check_conv(F32, group, 1, 1, 1);
  check_conv(F32, 6, 2, 1, 1);
  check_conv(F64, 3, 2, 2, 2);
  check_conv(I8, 1, 1, 1, 1);
  Bench *bench = bench_create();
  Value *x = input(bench, F32, SHAPE(1, 4, 4, 3), NULL, NULL),
        *w = input(bench, F32, SHAPE(2, 3, 3, 4), NULL, NULL);
  CHECK(!build_end(&bench->builder, conv_node(bench, OP_CONV, (Value *[]){x, w}, 2, 1, 1, 1, 0)));
  check_error(bench, "conv: the input has 3 channels, the weight wants 4", __LINE__);
  bench_destroy(bench);
}

// <conv(x), y> = <x, conv_transpose(y)>: with the same weights (in and out exchanged) they are
// adjoint.
static void test_conv_transpose(void) {
  Bench *bench = bench_create();
  Value *y = input(bench, F64, SHAPE(1, 4, 3, 4), NULL, NULL),
        *w = input(bench, F64, SHAPE(4, 3, 2, 3), NULL, NULL);
  Node *node = conv_node(bench, OP_CONV_TRANSPOSE, (Value *[]){y, w}, 2, 2, 2, 1, 1);
  const Dim *sizes[] = {dim_constant(bench->module->dims, 7), dim_constant(bench->module->dims, 6)};
  node_set_dims(node, ATTR_SIZES, sizes, 2);
  Tensor back;
  CHECK(run(bench, build_end(&bench->builder, node), &back));
  CHECK(back.rank == 4 && back.dims[1] == 7 && back.dims[2] == 6 && back.dims[3] == 6);
  Tensor x = tensor_create(bench->arena, F64, 4, back.dims);
  double *values = x.data, left = 0, right = 0;
  for (int64_t i = 0; i < tensor_count(&x); i++) values[i] = (double)(i * 7 % 11) - 5;
  const double *ty = bench->inputs[0].data, *tb = back.data, *tw = bench->inputs[1].data;
  for (int64_t i = 0; i < tensor_count(&x); i++) right += values[i] * tb[i];
  for (int64_t h = 0; h < 4; h++)
    for (int64_t v = 0; v < 3; v++)
      for (int64_t m = 0; m < 4; m++)
        for (int64_t r = 0; r < 3; r++)
          for (int64_t s = 0; s < 2; s++)
            for (int64_t c = 0; c < 3; c++) {
              int64_t row = h * 2 + r - 1, column = v * 2 + s;
              if (row < 0 || row >= 7 || column >= 6) continue;
              left += ty[(h * 3 + v) * 4 + m] * tw[((m * 3 + r) * 2 + s) * 3 + c] *
                      values[(row * 6 + column) * 6 + m / 2 * 3 + c];
            }
  CHECK(left == right);
  bench_destroy(bench);
}

static void test_matmul(void) {
  Bench *bench = bench_create();
  Value *a = input(bench, F32, SHAPE(2, 1, 2, 3), NULL, D(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  Value *b = input(bench, F32, SHAPE(2, 2, 3), NULL, D(1, 0, 0, 0, 1, 1, 2, 0, 0, 0, 2, 2));
  Value *bias = input(bench, F32, SHAPE(2), NULL, D(100, 200));
  Node *node = build_begin(&bench->builder, OP_MATMUL, (Value *[]){a, b, bias}, 3);
  node_set_int(node, ATTR_TRANSPOSE_B, 1);
  Tensor y;
  CHECK(run(bench, build_end(&bench->builder, node), &y));
  CHECK_VALUES(y, 101, 205, 104, 211, 102, 210, 108, 222, 107, 217, 110, 223, 114, 234, 120, 246);
  CHECK(!build_matmul(&bench->builder, a, a, NULL));
  check_error(bench, "matmul: inner dimensions 3 and 2 differ", __LINE__);
  bench_destroy(bench);
}

// --- quantization

static void test_requantization(void) {
  double scales[] = {0.4999, 0.25, 0.3, 1e-3, 0x1p-31, 0.9999999999, 3.7, 1000};
  for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
    Requantization by = requantization_of(scales[i]);
    CHECK(by.multiplier >= 1 << 30 && by.shift >= 1 && by.shift <= 62);
    CHECK(scales[i] >= 0.5 || by.shift >= 32);
    CHECK(fabs(ldexp(by.multiplier, -by.shift) / scales[i] - 1) < 0x1p-21);
  }
  CHECK(requantization_of(0).multiplier == 0 && requantization_of(0x1p-33).multiplier == 0);
  Requantization half = requantization_of(0.5), quarter = requantization_of(0.25);
  CHECK(requantize(3, half, 0, -128, 127) == 2 && requantize(-3, half, 0, -128, 127) == -1);
  CHECK(requantize(6, quarter, 10, -128, 127) == 12 &&
        requantize(INT32_MIN, half, 5, -128, 127) == -128);
  AddRequantization sum = add_requantization_of(0.1, 0.05, 0.2);
  CHECK(sum.multiplier_a >= 1 << 19 && sum.multiplier_a < 1 << 20);
  CHECK(abs(sum.multiplier_a - 2 * sum.multiplier_b) <= 1);
}

// Integer accumulators, a bias, then one rounding half up with a multiplier per output channel.
static void test_quantized_conv(void) {
  Bench *bench = bench_create();
  const Quant *weights =
      quant_per_axis(bench->arena, 0, 2, (float[]){0.5f, 0.25f}, (int32_t[]){0, 1});
  Value *x = input(bench, U8, SHAPE(1, 1, 2, 2), quant(bench, 0.5f, 10), D(12, 9, 20, 10));
  Value *w = input(bench, I8, SHAPE(2, 1, 1, 2), weights, D(3, -2, 5, 7));
  Value *bias = input(bench, I32, SHAPE(2), NULL, D(4, -1));
  Node *node = build_begin(&bench->builder, OP_CONV, (Value *[]){x, w, bias}, 3);
  node->results[0]->type =
      (Type){.kind = TYPE_TENSOR, .element = I8, .quant = quant(bench, 1.0f, -3)};
  Tensor y;
  CHECK(run(bench, build_end(&bench->builder, node), &y));
  // Accumulators: 2*3 + -1*-2 + 4 = 12, 2*4 + -1*6 - 1 = 1, 34, 39; scales 1/4 and 1/8.
  CHECK_VALUES(y, 0, -3, 6, 2);
  bench_destroy(bench);
}

static void expect_quantized(OpCode op, ElementType element, float scale, int32_t zero,
                             const double *wanted, int line) {
  Bench *bench = bench_create();
  Value *a = input(bench, U8, SHAPE(3), quant(bench, 0.5f, 4), D(4, 10, 255));
  Value *b = input(bench, U8, SHAPE(3), quant(bench, 0.25f, 0), D(8, 3, 200));
  Node *node = build_begin(&bench->builder, op, (Value *[]){a, b}, 2);
  node->results[0]->type =
      (Type){.kind = TYPE_TENSOR, .element = element, .quant = quant(bench, scale, zero)};
  Tensor y;
  CHECK(run(bench, build_end(&bench->builder, node), &y));
  check_values(&y, 3, wanted, line);
  bench_destroy(bench);
}

static void test_quantized_pointwise(void) {
  expect_quantized(OP_ADD, U8, 0.5f, 0, D(4, 8, 255), __LINE__);  // 2, 3.75 (7.5 up), 175.5
  expect_quantized(OP_SUB, I8, 0.5f, 1, D(-3, 6, 127), __LINE__); // -2, 2.25 (4.5 up), 75.5
  expect_quantized(OP_MUL, I8, 4, 0, D(0, 1, 127), __LINE__);     // 0, 2.25 (0.56), 6275
  Bench *bench = bench_create();
  Value *x = input(bench, I8, SHAPE(4), quant(bench, 0.5f, -2), D(-128, -2, 0, 127));
  Node *clip = build_begin(&bench->builder, OP_CLIP,
                           (Value *[]){build_unary(&bench->builder, OP_RELU, x)}, 1);
  node_set_float(clip, ATTR_HIGH, 6);
  Value *clipped = build_end(&bench->builder, clip);
  Tensor y;
  CHECK(run(bench, clipped, &y));
  CHECK_VALUES(y, -2, -2, 0, 10);
  CHECK(!build_unary(&bench->builder, OP_SIGMOID, x));
  check_error(
      bench,
      "sigmoid: not defined on quantized values (operand 0 is i8[4] quant(scale=0.5, zero=-2))",
      __LINE__);
  bench_destroy(bench);
}

static void test_quantize(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, SHAPE(2, 3), NULL, D(0.25, -0.25, 100, 1, 0.75, -100));
  Node *node = build_begin(&bench->builder, OP_QUANTIZE, (Value *[]){x}, 1);
  const Quant *rows = quant_per_axis(bench->arena, 0, 2, (float[]){0.5f, 0.25f}, (int32_t[]){0, 3});
  node->results[0]->type = (Type){.kind = TYPE_TENSOR, .element = I8, .quant = rows};
  Value *codes = build_end(&bench->builder, node);
  Value *floats = build_unary(&bench->builder, OP_DEQUANTIZE, codes);
  graph_add_output(bench->module->main, codes);
  Tensor y[2];
  graph_add_output(bench->module->main, floats);
  CHECK(interpret(bench->module->main, bench->inputs, y, bench->arena, &bench->diag));
  CHECK_VALUES(y[0], 0, 0, 127, 7, 6, -128);
  CHECK_VALUES(y[1], 0, 0, 63.5, 1, 0.75, -32.75);
  bench_destroy(bench);
}

// --- pools, norms, reductions

static void expect_pool(OpCode op, ElementType element, const Quant *codes, bool padding, bool ceil,
                        const double *wanted, int count, int line) {
  Bench *bench = bench_create();
  Value *x = input(bench, element, SHAPE(1, 4, 1), codes, D(1, -4, 3, 7));
  Node *node = build_begin(&bench->builder, op, (Value *[]){x}, 1);
  node_set_ints(node, ATTR_KERNEL, (int64_t[]){3}, 1);
  node_set_ints(node, ATTR_STRIDES, (int64_t[]){2}, 1);
  node_set_ints(node, ATTR_PADS, (int64_t[]){1, 0}, 2);
  node_set_int(node, ATTR_CEIL_MODE, ceil);
  if (op == OP_AVERAGE_POOL) node_set_int(node, ATTR_COUNT_PADDING, padding);
  Tensor y;
  CHECK(run(bench, build_end(&bench->builder, node), &y));
  check_values(&y, count, wanted, line);
  bench_destroy(bench);
}

static void test_pools(void) {
  expect_pool(OP_MAX_POOL, F32, NULL, false, false, D(1, 7), 2, __LINE__);
  expect_pool(OP_MAX_POOL, I8, NULL, false, true, D(1, 7, 7), 2, __LINE__);
  expect_pool(OP_AVERAGE_POOL, F32, NULL, false, false, D(-1.5, 2), 2, __LINE__);
  expect_pool(OP_AVERAGE_POOL, F32, NULL, true, false, D(-1, 2), 2, __LINE__);
  expect_pool(OP_LP_POOL, F32, NULL, false, false, D(sqrt(17), sqrt(74)), 2, __LINE__);
  float scale = 0.5f;
  int32_t zero = -2;
  Quant codes = {-1, 1, &scale, &zero};
  expect_pool(OP_AVERAGE_POOL, I8, &codes, false, false, D(-1, 2), 2, __LINE__); // -1.5 goes up
  expect_pool(OP_AVERAGE_POOL, I8, &codes, true, false, D(-2, 2), 2,
              __LINE__); // (1 - 4 - 2) / 3 = -1.67
}

static void test_unpool(void) {
  Bench *bench = bench_create();
  Value *x =
      input(bench, F32, SHAPE(1, 2, 4, 2), NULL, D(1, 9, 2, 8, 3, 7, 4, 6, 8, 1, 7, 2, 6, 3, 5, 4));
  Node *pool = build_begin(&bench->builder, OP_MAX_POOL_INDICES, (Value *[]){x}, 1);
  node_set_ints(pool, ATTR_KERNEL, (int64_t[]){2, 2}, 2);
  node_set_ints(pool, ATTR_STRIDES, (int64_t[]){2, 2}, 2);
  Value *most = build_end(&bench->builder, pool);
  Node *back = build_begin(&bench->builder, OP_MAX_UNPOOL, (Value *[]){most, pool->results[1]}, 2);
  node_set_dims(back, ATTR_SIZES, x->type.dims + 1, 2);
  graph_add_output(bench->module->main, pool->results[1]);
  graph_add_output(bench->module->main, build_end(&bench->builder, back));
  Tensor y[2];
  CHECK(interpret(bench->module->main, bench->inputs, y, bench->arena, &bench->diag));
  CHECK_VALUES(y[0], 4, 8, 6, 10);
  CHECK_VALUES(y[1], 0, 9, 0, 0, 0, 7, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0);
  bench_destroy(bench);
}

static void expect_reduce(OpCode op, ElementType element, Shape shape, int64_t axis,
                          const double *x, const double *wanted, int count, int line) {
  Bench *bench = bench_create();
  Tensor y;
  Value *value = input(bench, element, shape, NULL, x);
  CHECK(run(bench, build_reduce(&bench->builder, op, value, &axis, 1, false), &y));
  check_values(&y, count, wanted, line);
  bench_destroy(bench);
}

static void test_reduce(void) {
  const double *x = D(1, -2, 3, 4, 5, -6);
  expect_reduce(OP_REDUCE_SUM, F32, SHAPE(2, 3), 0, x, D(5, 3, -3), 3, __LINE__);
  expect_reduce(OP_REDUCE_MEAN, I32, SHAPE(2, 3), 1, D(1, -2, -3, 4, 5, -7), D(-1, 0), 2, __LINE__);
  expect_reduce(OP_REDUCE_MAX, F32, SHAPE(2, 3), -1, D(1, NAN, 3, 4, 5, 6), D(NAN, 6), 2, __LINE__);
  expect_reduce(OP_REDUCE_MIN, I8, SHAPE(2, 0), 1, x, D(127, 127), 2, __LINE__);
  expect_reduce(OP_REDUCE_PROD, I32, SHAPE(2, 3), 1, x, D(-6, -120), 2, __LINE__);
  expect_reduce(OP_REDUCE_L1, F32, SHAPE(2, 3), 1, x, D(6, 15), 2, __LINE__);
  expect_reduce(OP_REDUCE_SQUARES, U8, SHAPE(2, 3), 1, D(1, 2, 3, 16, 0, 1), D(14, 1), 2, __LINE__);
  expect_reduce(OP_REDUCE_LOG_SUM_EXP, F32, SHAPE(2, 2), 1, D(1000, 1000, -INFINITY, -INFINITY),
                D(1000.693147, -INFINITY), 2, __LINE__);
}

static void test_lines(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, SHAPE(2, 3), NULL, D(1, 3, 2, 5, 5, 0));
  Node *last = build_begin(&bench->builder, OP_ARG_MAX, (Value *[]){x}, 1);
  node_set_int(last, ATTR_AXIS, 1);
  node_set_int(last, ATTR_SELECT_LAST, 1);
  Node *sum = build_begin(&bench->builder, OP_CUM_SUM, (Value *[]){x}, 1);
  node_set_int(sum, ATTR_AXIS, 1);
  node_set_int(sum, ATTR_EXCLUSIVE, 1);
  node_set_int(sum, ATTR_REVERSE, 1);
  Value *outputs[] = {build_end(&bench->builder, last), build_end(&bench->builder, sum),
                      build_unary(&bench->builder, OP_SOFTMAX, x),
                      build_unary(&bench->builder, OP_HARDMAX, x),
                      build_unary(&bench->builder, OP_LAYER_NORM, x)};
  for (int i = 0; i < 5; i++) graph_add_output(bench->module->main, outputs[i]);
  Tensor y[5];
  CHECK(interpret(bench->module->main, bench->inputs, y, bench->arena, &bench->diag));
  CHECK_VALUES(y[0], 1, 1);
  CHECK_VALUES(y[1], 5, 2, 0, 5, 0, 0);
  CHECK_VALUES(y[2], 0.09003057, 0.66524096, 0.24472847, 0.4983211, 0.4983211, 0.00335766);
  CHECK_VALUES(y[3], 0, 1, 0, 1, 0, 0);
  CHECK_VALUES(y[4], -1.22473574, 1.22473574, 0, 0.70710615, 0.70710615, -1.4142123);
  bench_destroy(bench);
}

// --- symbols, regions, executor

static void check_binding(int64_t rows, int64_t columns, int64_t twice, const char *error) {
  Bench *bench = bench_create();
  DimTable *table = bench->module->dims;
  const Dim *n = dim_symbol(table, "N");
  dim_symbol_range(table, n, 1, 64);
  Type doubled = type_tensor(F32, 1, (const Dim *[]){dim_mul_int(table, n, 2)});
  Value *y = graph_add_input(bench->module->main, doubled, "y");
  Value *x = graph_add_input(bench->module->main, type_tensor(F32, 2, (const Dim *[]){n, n}), "x");
  Value *sum = build_binary(&bench->builder, OP_ADD, x, x);
  graph_add_output(bench->module->main, sum);
  graph_add_output(bench->module->main, build_unary(&bench->builder, OP_NEG, y));
  Tensor inputs[2] = {tensor_create(bench->arena, F32, 1, &twice),
                      tensor_create(bench->arena, F32, 2, (int64_t[]){rows, columns})};
  Tensor outputs[2];
  bool done = interpret(bench->module->main, inputs, outputs, bench->arena, &bench->diag);
  CHECK(done == !error);
  if (done) CHECK(outputs[0].dims[1] == columns && outputs[1].dims[0] == twice);
  if (error) check_error(bench, error, __LINE__);
  bench_destroy(bench);
}

static void test_symbols(void) {
  check_binding(4, 4, 8, NULL);
  check_binding(4, 5, 8, "input 'x' has dim 1 = 5, wanted N = 4");
  check_binding(4, 4, 7, "input 'y' has dim 0 = 7, wanted 2*N = 8");
  check_binding(70, 70, 140, "input 'y' has dim 0 = 140, but 2*N lies in 2 to 128");
}

// conv with the epilogue relu(result + extra), run through the executor's copy of the graph.
static void test_epilogue(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, SHAPE(1, 2, 2), NULL, D(1, 2, -3, -4));
  Value *w = input(bench, F32, SHAPE(2, 1, 2), NULL, D(1, 1, 2, 0));
  Value *extra = input(bench, F32, SHAPE(2), NULL, D(-1, -1));
  Node *node = build_begin(&bench->builder, OP_CONV, (Value *[]){x, w}, 2);
  Value *product = build_end(&bench->builder, node);
  Graph *region = node_add_region(node, "epilogue");
  Value *r = graph_add_input(region, product->type, NULL),
        *e = graph_add_input(region, extra->type, NULL);
  Builder inside = builder_at_end(region, node->loc);
  Value *added = build_binary(&inside, OP_ADD, r, e);
  graph_add_output(region, build_unary(&inside, OP_RELU, added));
  node_add_operand(node, extra);
  CHECK(op_info[OP_CONV].infer(node, &bench->diag));
  graph_add_output(bench->module->main, product);
  Executor *executor = executor_interpreter(bench->arena);
  Program *program = executor->prepare(executor, bench->module->main, bench->arena, &bench->diag);
  Tensor y;
  CHECK(program && executor->run(executor, program, bench->inputs, &y, bench->arena, &bench->diag));
  CHECK_VALUES(y, 2, 1, 0, 0);
  bench_destroy(bench);
}

static void test_node(void) {
  Bench *bench = bench_create();
  DimTable *table = bench->module->dims;
  Type type = type_tensor(F32, 1, (const Dim *[]){dim_symbol(table, "N")});
  Value *y = build_unary(&bench->builder, OP_NEG, graph_add_input(bench->module->main, type, "x"));
  char bytes[9] = {0};
  float values[2] = {1, -2};
  memcpy(bytes + 1, values, 8); // operands of a constant may lie at any address
  Tensor operand = {.element = F32, .rank = 1, .dims = {2}, .data = bytes + 1, .bytes = 8}, result;
  CHECK(interpret_node(y->definition, &operand, &result, bench->arena, &bench->diag));
  CHECK_VALUES(result, -1, 2);
  bench_destroy(bench);
}

int main(void) {
  test_binary();
  test_unary();
  test_broadcast();
  test_conv();
  test_conv_transpose();
  test_matmul();
  test_requantization();
  test_quantized_conv();
  test_quantized_pointwise();
  test_quantize();
  test_pools();
  test_unpool();
  test_reduce();
  test_lines();
  test_symbols();
  test_epilogue();
  test_node();
  return check_status();
}
