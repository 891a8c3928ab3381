// Moving, indexing, recurrent, tree and control-flow ops: types and interpreter, against values
// worked out by hand. Packed types, strings, negative steps and errors are what node tests lack.
#include <math.h>

#include "check.h"
#include "ir/builder.h"
#include "ir/interpret.h"
#include "ir/tree.h"

typedef struct Bench {
  Arena *arena;
  Diag diag;
  Module *module;
  Builder builder;
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

#define STATIC_DIMS(bench, ...)                                                                    \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8),                                                     \
      dims_of((bench), (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__})

static const Dim *const *dims_of(Bench *bench, int count, const int64_t *values) {
  const Dim **dims = NEW_ARRAY(bench->arena, const Dim *, count);
  for (int i = 0; i < count; i++) dims[i] = dim_constant(bench->module->dims, values[i]);
  return dims;
}

static Value *input(Bench *bench, ElementType element, int rank, const Dim *const *dims) {
  return graph_add_input(bench->module->main, type_tensor(element, rank, dims), "x");
}

static Tensor tensor(Bench *bench, ElementType element, int rank, const Dim *const *dims,
                     const double *values) {
  int64_t concrete[MAX_RANK];
  for (int i = 0; i < rank; i++) concrete[i] = dim_value(dims[i]);
  Tensor made = tensor_create(bench->arena, element, rank, concrete);
  for (int64_t i = 0; values && i < tensor_count(&made); i++)
    element_store(element, made.data, i, values[i]);
  return made;
}

static Value *constant(Bench *bench, ElementType element, int rank, const Dim *const *dims,
                       const double *values) {
  Tensor made = tensor(bench, element, rank, dims, values);
  return build_constant_tensor(&bench->builder, &made, "c");
}

static bool run(Bench *bench, Value *output, const Tensor *inputs, Tensor *result) {
  if (!output) return false;
  graph_add_output(bench->module->main, output);
  return interpret(bench->module->main, inputs, result, bench->arena, &bench->diag);
}

static void check_values(const Tensor *found, int64_t count, const double *wanted, int line) {
  bool same = tensor_count(found) == count;
  for (int64_t i = 0; same && i < count; i++)
    same = fabs(element_load(found->element, found->data, i) - wanted[i]) <= 1e-6;
  if (same) return;
  check_failures++;
  fprintf(stderr, "line %d: %lld elements:", line, (long long)tensor_count(found));
  for (int64_t i = 0; i < tensor_count(found); i++)
    fprintf(stderr, " %g", element_load(found->element, found->data, i));
  fprintf(stderr, "\n");
}
#define CHECK_VALUES(found, ...)                                                                   \
  check_values(&(found), (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),              \
               (double[]){__VA_ARGS__}, __LINE__)

#define CHECK_ERROR(bench, text)                                                                   \
  do {                                                                                             \
    CHECK((bench)->diag.errors == 1);                                                              \
    if ((bench)->diag.first_error) CHECK_TEXT((bench)->diag.first_error, text);                    \
  } while (0)

// Packed 4-bit elements move as bits: 3 columns, so that rows start in the middle of a byte.
static void test_transpose_packed(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, I4, STATIC_DIMS(bench, 2, 3));
  Tensor in = tensor(bench, I4, STATIC_DIMS(bench, 2, 3), (double[]){1, -2, 3, -4, 5, -6}), out;
  CHECK(run(bench, build_transpose(&bench->builder, x, (int64_t[]){1, 0}), &in, &out));
  CHECK_VALUES(out, 1, -4, -2, 5, 3, -6);
  bench_destroy(bench);
}

static void test_concat_strings(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, STR, STATIC_DIMS(bench, 2));
  Tensor in = tensor(bench, STR, STATIC_DIMS(bench, 2), NULL), out;
  ((TensorString *)in.data)[0] = (TensorString){"a", 1};
  ((TensorString *)in.data)[1] = (TensorString){"bc", 2};
  CHECK(run(bench, build_concat(&bench->builder, (Value *[]){x, x}, 2, 0), &in, &out));
  CHECK(out.dims[0] == 4 && ((TensorString *)out.data)[3].length == 2);
  bench_destroy(bench);
}

static void test_slice(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, I32, STATIC_DIMS(bench, 5));
  const Dim *start = dim_constant(bench->module->dims, 4),
            *size = dim_constant(bench->module->dims, 3);
  Tensor in = tensor(bench, I32, STATIC_DIMS(bench, 5), (double[]){0, 1, 2, 3, 4}), out;
  CHECK(run(bench, build_slice_axis(&bench->builder, x, 0, start, size, -2), &in, &out));
  CHECK_VALUES(out, 4, 2, 0);
  CHECK(!build_slice_axis(&bench->builder, x, 0, start, size, -3));
  CHECK_ERROR(bench, "slice: 3 elements from 4 by -3 leave axis 0 of 5 elements");
  bench_destroy(bench);
}

static void check_pad(const char *mode, int64_t begin, int64_t end, int64_t count,
                      const double *wanted) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 3));
  Tensor in = tensor(bench, F32, STATIC_DIMS(bench, 3), (double[]){1, 2, 3}), out;
  Node *node = build_begin(&bench->builder, OP_PAD, &x, 1);
  node_set_ints(node, ATTR_PADS, (int64_t[]){begin, end}, 2);
  node_set_string(node, ATTR_MODE, mode);
  CHECK(run(bench, build_end(&bench->builder, node), &in, &out));
  check_values(&out, count, wanted, __LINE__);
  bench_destroy(bench);
}

static void test_pad(void) {
  check_pad("constant", 1, -1, 3, (double[]){0, 1, 2});
  check_pad("reflect", 2, 2, 7, (double[]){3, 2, 1, 2, 3, 2, 1});
  check_pad("reflect", 5, 0, 8, (double[]){2, 1, 2, 3, 2, 1, 2, 3});
  check_pad("edge", 1, 2, 6, (double[]){1, 1, 2, 3, 3, 3});
  check_pad("wrap", 2, 1, 6, (double[]){2, 3, 1, 2, 3, 1});
  check_pad("wrap", -1, 1, 3, (double[]){2, 3, 2});
}

static void test_reshape(void) {
  Bench *bench = bench_create();
  DimTable *table = bench->module->dims;
  const Dim *n = dim_symbol(table, "N");
  Value *x = input(bench, F32, 2, (const Dim *[]){n, dim_constant(table, 6)});
  Value *y = build_reshape(&bench->builder, x, 2,
                           (const Dim *[]){dim_mul_int(table, n, 2), dim_constant(table, 3)});
  CHECK(y && y->type.dims[0] == dim_mul_int(table, n, 2));
  CHECK(!build_reshape(&bench->builder, x, 1,
                       (const Dim *[]){dim_add_int(table, dim_mul_int(table, n, 6), 1)}));
  CHECK_ERROR(bench, "reshape: 6*N elements of [N,6] do not fill [6*N+1]");
  bench_destroy(bench);
}

// Quantization along an axis goes with the axis, and cannot be split.
static void test_quantized(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, I8, STATIC_DIMS(bench, 2, 3));
  static const float scales[] = {1, 2, 3};
  static const int32_t zeros[] = {0, 0, 0};
  static const Quant quant = {1, 3, scales, zeros};
  x->type.quant = &quant;
  Value *y = build_transpose(&bench->builder, x, (int64_t[]){1, 0});
  CHECK(y && y->type.quant && y->type.quant->axis == 0);
  CHECK(!build_reshape_static(&bench->builder, x, 1, (int64_t[]){6}));
  CHECK_ERROR(bench, "reshape: quantization axis 1 is split or merged");
  bench_destroy(bench);
}

static void test_gather(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 3, 2)),
        *indices = input(bench, I64, STATIC_DIMS(bench, 2));
  Node *node = build_begin(&bench->builder, OP_GATHER, (Value *[]){x, indices}, 2);
  Value *y = build_end(&bench->builder, node);
  Tensor out, in[2] = {tensor(bench, F32, STATIC_DIMS(bench, 3, 2), (double[]){0, 1, 2, 3, 4, 5}),
                       tensor(bench, I64, STATIC_DIMS(bench, 2), (double[]){-1, 0})};
  CHECK(run(bench, y, in, &out));
  CHECK_VALUES(out, 4, 5, 0, 1);
  element_store_int(I64, in[1].data, 1, 3);
  CHECK(!interpret(bench->module->main, in, &out, bench->arena, &bench->diag));
  CHECK_ERROR(bench, "index 3 is outside [-3, 2] of axis 0");
  bench_destroy(bench);
}

static void test_scatter(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, I8, STATIC_DIMS(bench, 4)),
        *indices = input(bench, I32, STATIC_DIMS(bench, 3, 1));
  Value *updates = input(bench, I8, STATIC_DIMS(bench, 3));
  Node *node = build_begin(&bench->builder, OP_SCATTER_ND, (Value *[]){x, indices, updates}, 3);
  node_set_string(node, ATTR_REDUCTION, "max");
  Value *y = build_end(&bench->builder, node);
  Tensor out, in[3] = {tensor(bench, I8, STATIC_DIMS(bench, 4), (double[]){1, 1, 1, 1}),
                       tensor(bench, I32, STATIC_DIMS(bench, 3, 1), (double[]){-1, 0, -1}),
                       tensor(bench, I8, STATIC_DIMS(bench, 3), (double[]){5, -7, 4})};
  CHECK(run(bench, y, in, &out));
  CHECK_VALUES(out, 1, 1, 1, 5);
  bench_destroy(bench);
}

static void test_top_k(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 4, 1));
  Node *node = build_begin(&bench->builder, OP_TOP_K, &x, 1);
  node_set_int(node, ATTR_AXIS, 0);
  node_set_dims(node, ATTR_SIZES, dims_of(bench, 1, (int64_t[]){3}), 1);
  CHECK(build_end(&bench->builder, node));
  graph_add_output(bench->module->main, node->results[1]);
  Tensor out[2], in = tensor(bench, F32, STATIC_DIMS(bench, 4, 1), (double[]){1, 7, 7, 3});
  CHECK(interpret(bench->module->main, &in, out, bench->arena, &bench->diag));
  CHECK_VALUES(out[0], 1, 2, 3);
  bench_destroy(bench);
}

static void check_resize(const char *mode, const char *coordinates, int64_t size,
                         const double *wanted) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 4));
  Node *node = build_begin(&bench->builder, OP_RESIZE, &x, 1);
  node_set_string(node, ATTR_MODE, mode);
  node_set_string(node, ATTR_COORDINATES, coordinates);
  node_set_dims(node, ATTR_SIZES, dims_of(bench, 1, &size), 1);
  Tensor out, in = tensor(bench, F32, STATIC_DIMS(bench, 4), (double[]){0, 1, 2, 3});
  CHECK(run(bench, build_end(&bench->builder, node), &in, &out));
  check_values(&out, size, wanted, __LINE__);
  bench_destroy(bench);
}

static void test_resize(void) {
  check_resize("linear", "align_corners", 7, (double[]){0, 0.5, 1, 1.5, 2, 2.5, 3});
  check_resize("linear", "half_pixel", 2, (double[]){0.5, 2.5});
  check_resize("nearest", "asymmetric", 8, (double[]){0, 0, 1, 1, 2, 2, 3, 3});
  check_resize("cubic", "asymmetric", 4, (double[]){0, 1, 2, 3});
}

// One unit, weights 1, no bias: h' = tanh(x + h), stopped after two of three steps.
static void test_rnn_lengths(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 3, 1, 1)),
        *lengths = input(bench, I32, STATIC_DIMS(bench, 1));
  Value *one = constant(bench, F32, STATIC_DIMS(bench, 1, 1, 1), (double[]){1});
  Node *node = build_begin(&bench->builder, OP_RNN, (Value *[]){x, one, one, NULL, lengths}, 5);
  Value *y = build_end(&bench->builder, node);
  if (y) graph_add_output(bench->module->main, node->results[1]);
  Tensor out[2], in[2] = {tensor(bench, F32, STATIC_DIMS(bench, 3, 1, 1), (double[]){1, 2, 3}),
                          tensor(bench, I32, STATIC_DIMS(bench, 1), (double[]){2})};
  CHECK(y && interpret(bench->module->main, in, out, bench->arena, &bench->diag));
  CHECK_VALUES(out[0], tanh(2 + tanh(1)));
  graph_set_output(bench->module->main, 0, y);
  CHECK(interpret(bench->module->main, in, out, bench->arena, &bench->diag));
  CHECK_VALUES(out[0], tanh(1), tanh(2 + tanh(1)), 0);
  bench_destroy(bench);
}

// x[0] <= 0.5 ? leaf 0 (target 1 += 2) : NaN or x[1] > 3 ? leaf 1 (both targets) : nothing
static void test_tree(void) {
  Bench *bench = bench_create();
  Value *x = input(bench, F32, STATIC_DIMS(bench, 4, 2));
  Value *operands[7] = {x};
  operands[1] = constant(bench, I32, STATIC_DIMS(bench, 2, TREE_COLUMNS),
                         (double[]){0, TREE_LESS_EQUAL, -1, 1, 0, 1, TREE_GREATER, -2, -3, 1});
  operands[2] = constant(bench, F32, STATIC_DIMS(bench, 2), (double[]){0.5, 3});
  operands[3] = constant(bench, I32, STATIC_DIMS(bench, 1), (double[]){0});
  operands[4] = constant(bench, I32, STATIC_DIMS(bench, 3, 2), (double[]){0, 1, 1, 3, 3, 3});
  operands[5] = constant(bench, I32, STATIC_DIMS(bench, 3), (double[]){1, 0, 1});
  operands[6] = constant(bench, F32, STATIC_DIMS(bench, 3), (double[]){2, 10, 20});
  Node *node = build_begin(&bench->builder, OP_TREE_ENSEMBLE, operands, 7);
  node_set_int(node, ATTR_TARGETS, 2);
  Tensor out,
      in = tensor(bench, F32, STATIC_DIMS(bench, 4, 2), (double[]){0, 0, 1, 4, 1, NAN, 1, 3});
  CHECK(run(bench, build_end(&bench->builder, node), &in, &out));
  CHECK_VALUES(out, 0, 2, 10, 20, 10, 20, 0, 0);
  bench_destroy(bench);
}

// loop: carried v doubles its length (a symbol of the region); i is stacked; stops when the
// condition fails.
static void test_loop(void) {
  Bench *bench = bench_create();
  DimTable *table = bench->module->dims;
  Value *v = input(bench, F32, STATIC_DIMS(bench, 1)), *limit = input(bench, I64, 0, NULL);
  Node *node =
      build_begin_results(&bench->builder, OP_LOOP, (Value *[]){NULL, NULL, v, limit}, 4, 3);
  Graph *body = node_add_region(node, "body");
  Value *i = graph_add_input(body, type_tensor(I64, 0, NULL), "i");
  graph_add_input(body, type_tensor(BOOL, 0, NULL), "condition");
  const Dim *length = dim_symbol(table, "L");
  Value *carried = graph_add_input(body, type_tensor(F32, 1, &length), "v");
  Value *inner_limit = graph_add_input(body, type_tensor(I64, 0, NULL), "limit");
  Builder inside = builder_at_end(body, (Loc){.node = "body"});
  graph_add_output(body, build_binary(&inside, OP_LESS, i, inner_limit));
  graph_add_output(body, build_concat(&inside, (Value *[]){carried, carried}, 2, 0));
  graph_add_output(body, inner_limit);
  graph_add_output(body, i);
  CHECK(build_end(&bench->builder, node));
  graph_add_output(bench->module->main, node->results[0]);
  graph_add_output(bench->module->main, node->results[2]);
  CHECK(node->results[0]->type.rank == 1 && dim_symbol_name(node->results[0]->type.dims[0]));
  Type before = node->results[0]->type;
  CHECK(op_info[OP_LOOP].infer(node, &bench->diag) && type_equal(&before, &node->results[0]->type));
  Tensor out[2], in[2] = {tensor(bench, F32, STATIC_DIMS(bench, 1), (double[]){3}),
                          tensor(bench, I64, 0, NULL, (double[]){1})};
  CHECK(interpret(bench->module->main, in, out, bench->arena, &bench->diag));
  CHECK_VALUES(out[0], 3, 3, 3, 3);
  CHECK_VALUES(out[1], 0, 1);
  bench_destroy(bench);
}

// Branches of different length: the result's dim is a symbol between the two.
static void test_if(void) {
  Bench *bench = bench_create();
  Value *condition = input(bench, BOOL, 0, NULL), *x = input(bench, F32, STATIC_DIMS(bench, 2));
  Node *node = build_begin_results(&bench->builder, OP_IF, (Value *[]){condition, x}, 2, 1);
  Graph *then = node_add_region(node, "then"), *otherwise = node_add_region(node, "else");
  graph_add_output(then, graph_add_input(then, x->type, "x"));
  Value *inner = graph_add_input(otherwise, x->type, "x");
  Builder inside = builder_at_end(otherwise, (Loc){.node = "else"});
  graph_add_output(otherwise, build_concat(&inside, (Value *[]){inner, inner}, 2, 0));
  Value *y = build_end(&bench->builder, node);
  CHECK(y && dim_low(y->type.dims[0]) == 2 && dim_high(y->type.dims[0]) == 4);
  Tensor out, in[2] = {tensor(bench, BOOL, 0, NULL, (double[]){0}),
                       tensor(bench, F32, STATIC_DIMS(bench, 2), (double[]){1, 2})};
  CHECK(run(bench, y, in, &out));
  CHECK_VALUES(out, 1, 2, 1, 2);
  bench_destroy(bench);
}

// Running sum over the columns of x, from the last to the first; sums stacked along axis 1.
static void test_scan(void) {
  Bench *bench = bench_create();
  Value *state = input(bench, F32, STATIC_DIMS(bench, 2)),
        *x = input(bench, F32, STATIC_DIMS(bench, 2, 3));
  Node *node = build_begin_results(&bench->builder, OP_SCAN, (Value *[]){state, x}, 2, 2);
  node_set_int(node, ATTR_SCAN_INPUTS, 1);
  node_set_ints(node, ATTR_SCAN_INPUT_AXES, (int64_t[]){1}, 1);
  node_set_ints(node, ATTR_SCAN_OUTPUT_AXES, (int64_t[]){-1}, 1);
  node_set_ints(node, ATTR_SCAN_DIRECTIONS, (int64_t[]){1, 0}, 2);
  Graph *body = node_add_region(node, "body");
  Value *a = graph_add_input(body, state->type, "a"), *b = graph_add_input(body, state->type, "b");
  Builder inside = builder_at_end(body, (Loc){.node = "body"});
  Value *sum = build_binary(&inside, OP_ADD, a, b);
  graph_add_output(body, sum);
  graph_add_output(body, sum);
  CHECK(build_end(&bench->builder, node));
  Tensor out, in[2] = {tensor(bench, F32, STATIC_DIMS(bench, 2), (double[]){0, 10}),
                       tensor(bench, F32, STATIC_DIMS(bench, 2, 3), (double[]){1, 2, 3, 4, 5, 6})};
  CHECK(run(bench, node->results[1], in, &out));
  CHECK_VALUES(out, 3, 5, 6, 16, 21, 25);
  bench_destroy(bench);
}

int main(void) {
  test_transpose_packed();
  test_concat_strings();
  test_slice();
  test_pad();
  test_reshape();
  test_quantized();
  test_gather();
  test_scatter();
  test_top_k();
  test_resize();
  test_rnn_lengths();
  test_tree();
  test_loop();
  test_if();
  test_scan();
  return check_status();
}
