// Random numbers. A compiled model has no state, so each run draws the same ones: with a seed and
// few numbers those of ONNX's reference evaluator, as a constant; else a hash of each element's
// position.
#include <math.h>
#include <string.h>

#include "frontend/import.h"
#include "frontend/mersenne.h"
#include "ir/hash.h"

enum { TABLE_LIMIT = 1 << 16 };

typedef struct Draw {
  OnnxNode *node;
  int rank;
  const Dim *dims[MAX_RANK];
  ElementType element;
  const Dim *count; // product of dims
  bool has_seed;
  uint32_t seed;
} Draw;

static Draw draw_begin(OnnxNode *node, int rank, const Dim *const *dims, ElementType element) {
  Draw draw = {
      .node = node, .rank = rank, .element = element, .count = import_dim(node->importer, 1)};
  for (int i = 0; i < rank; i++) {
    draw.dims[i] = dims[i];
    draw.count = dim_mul(node->importer->dims, draw.count, dims[i]);
  }
  const Onnx__AttributeProto *seed = onnx_attribute(node, "seed");
  draw.has_seed = seed != NULL;
  if (seed && seed->has_i) // Dropout's is an integer
    draw.seed = (uint32_t)(uint64_t)onnx_int(node, "seed", 0);
  else if (seed) {
    double number = onnx_float(node, "seed", 0);
    draw.seed = fabs(number) < 4e9 ? (uint32_t)(int64_t)number : 0;
  } else
    draw.seed =
        (uint32_t)hash_bytes(node->loc.node, node->loc.node ? strlen(node->loc.node) : 0, 0);
  return draw;
}

// As a constant, if they are few; NULL: they are not.
static Value *table(const Draw *draw, double (*number)(Mersenne *)) {
  OnnxNode *node = draw->node;
  int64_t dims[MAX_RANK], count;
  if (!draw->has_seed || !dim_is_constant(draw->count, &count) || count > TABLE_LIMIT) return NULL;
  for (int i = 0; i < draw->rank; i++) dims[i] = dim_value(draw->dims[i]);
  Tensor tensor = tensor_create(node->importer->arena, draw->element, draw->rank, dims);
  Mersenne *state = NEW(node->importer->arena, Mersenne);
  mersenne_seed(state, draw->seed);
  for (int64_t i = 0; i < count; i++) element_store(draw->element, tensor.data, i, number(state));
  return build_constant_tensor(&node->builder, &tensor,
                               arena_printf(node->importer->arena, "%s.random", node->loc.node));
}

static Value *word(OnnxNode *node, uint32_t value) {
  return build_scalar(&node->builder, U32, value);
}

// x ^ x >> bits
static Value *folded(OnnxNode *node, Value *x, uint32_t bits) {
  Value *by = word(node, bits);
  if (!x || !by) return NULL;
  Node *shift = build_begin(&node->builder, OP_BIT_SHIFT, (Value *[]){x, by}, 2);
  node_set_string(shift, ATTR_DIRECTION, "right");
  return onnx_binary(node, OP_BIT_XOR, x, build_end(&node->builder, shift));
}

// Hashes of 0, 1, .. as f32 in [0, 1): the finalizer of MurmurHash3 over the position and the seed.
static Value *hashes(const Draw *draw, uint32_t stream) {
  OnnxNode *node = draw->node;
  Value *x = onnx_convert(node, onnx_positions(node, draw->count), U32);
  x = onnx_binary(node, OP_MUL, x, word(node, 2));
  x = onnx_binary(node, OP_ADD, x, word(node, stream));
  x = onnx_binary(node, OP_MUL, x, word(node, 0x9e3779b9u));
  x = onnx_binary(node, OP_ADD, x, word(node, draw->seed * 0x85ebca6bu + 0x27d4eb2fu));
  x = onnx_binary(node, OP_MUL, folded(node, x, 16), word(node, 0x85ebca6bu));
  x = onnx_binary(node, OP_MUL, folded(node, x, 13), word(node, 0xc2b2ae35u));
  x = folded(node, x, 16);
  Value *by = word(node, 8);
  if (!x || !by) return NULL;
  Node *shift = build_begin(&node->builder, OP_BIT_SHIFT, (Value *[]){x, by}, 2);
  node_set_string(shift, ATTR_DIRECTION, "right");
  Value *real = onnx_convert(node, build_end(&node->builder, shift), F32);
  return onnx_binary(node, OP_MUL, real, onnx_scalar_like(node, real, ldexp(1, -24)));
}

static Value *in_shape(const Draw *draw, Value *flat) {
  OnnxNode *node = draw->node;
  Value *x = flat ? build_reshape(&node->builder, flat, draw->rank, draw->dims) : NULL;
  return onnx_convert(node, x, draw->element);
}

static Value *uniform(const Draw *draw) {
  Value *constant = table(draw, mersenne_uniform);
  return constant ? constant : in_shape(draw, hashes(draw, 0));
}

// sqrt(-2 log(1 - u)) * cos(2 pi v)
static Value *normal(const Draw *draw) {
  OnnxNode *node = draw->node;
  Value *constant = table(draw, mersenne_normal);
  if (constant) return constant;
  Value *u = hashes(draw, 0), *v = hashes(draw, 1);
  Value *rest = onnx_binary(node, OP_SUB, onnx_scalar_like(node, u, 1), u);
  Value *log = onnx_unary(node, OP_LOG, rest);
  Value *radius =
      onnx_unary(node, OP_SQRT, onnx_binary(node, OP_MUL, log, onnx_scalar_like(node, log, -2)));
  Value *angle = onnx_binary(node, OP_MUL, v, onnx_scalar_like(node, v, 2 * acos(-1)));
  return in_shape(draw, onnx_binary(node, OP_MUL, radius, onnx_unary(node, OP_COS, angle)));
}

// The attribute dtype, or what the operand is; ELEMENT_NONE: reported.
static ElementType result_type(OnnxNode *node, ElementType otherwise) {
  int64_t code = onnx_int(node, "dtype", 0);
  ElementType element = code ? onnx_number_type(code) : otherwise;
  if (element == ELEMENT_NONE) onnx_unsupported(node, "this element type");
  return element;
}

static bool is_calculated(ElementType element) {
  return element == F32 || element == F64 || element == F16 || element == BF16;
}

// RandomUniform (argument 0) and RandomNormal (1).
static bool random_tensor(OnnxNode *node, int rank, const Dim *const *dims, ElementType otherwise) {
  ElementType element = result_type(node, otherwise);
  if (element == ELEMENT_NONE) return false;
  if (!is_calculated(element))
    return onnx_error(node, "random numbers of type %s", element_info[element].text);
  Draw draw = draw_begin(node, rank, dims, element);
  bool is_normal = node->row->argument != 0;
  double first = onnx_float(node, is_normal ? "mean" : "low", 0),
         second = onnx_float(node, is_normal ? "scale" : "high", 1);
  Value *x = is_normal ? normal(&draw) : uniform(&draw);
  double factor = is_normal ? second : second - first;
  Value *scaled = onnx_binary(node, OP_MUL, x, onnx_scalar_like(node, x, factor));
  return onnx_output(node, 0,
                     onnx_binary(node, OP_ADD, scaled, onnx_scalar_like(node, scaled, first)));
}

bool import_random(OnnxNode *node) {
  int count;
  const int64_t *shape = onnx_ints(node, "shape", &count);
  const Dim *dims[MAX_RANK];
  if (!shape || count > MAX_RANK) return onnx_error(node, "a shape with %d dims", count);
  for (int i = 0; i < count; i++) {
    if (shape[i] < 0) return onnx_error(node, "the shape has the dim %lld", (long long)shape[i]);
    dims[i] = import_dim(node->importer, shape[i]);
  }
  return random_tensor(node, count, dims, F32);
}

bool import_random_like(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const Type *x = &onnx_input(node, 0)->type;
  return random_tensor(node, x->rank, x->dims, is_calculated(x->element) ? x->element : F32);
}

// 1 with the probability that the element says.
bool import_bernoulli(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  ElementType element = result_type(node, x->type.element);
  if (element == ELEMENT_NONE) return false;
  Draw draw = draw_begin(node, x->type.rank, x->type.dims, x->type.element == F64 ? F64 : F32);
  Value *u = uniform(&draw);
  Value *one = onnx_binary(node, OP_LESS, u, onnx_convert(node, x, draw.element));
  return onnx_output(node, 0, onnx_convert(node, one, element));
}

// x: unnormalised logarithms of probabilities, [batch, classes]. A sample is the number of classes
// whose running sum of probabilities is not above a uniform number.
bool import_multinomial(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int64_t samples = onnx_int(node, "sample_size", 1);
  ElementType element = result_type(node, I32);
  if (element == ELEMENT_NONE) return false;
  if (x->type.rank != 2 || samples < 1 || samples > 1 << 24 || !element_is_integer(element))
    return onnx_error(node, "input of rank %d, sample_size %lld, results of %s", x->type.rank,
                      (long long)samples, element_info[element].text);
  Value *chances = onnx_unary(node, OP_SOFTMAX, onnx_convert(node, x, F32));
  Node *sum = chances ? build_begin(&node->builder, OP_CUM_SUM, &chances, 1) : NULL;
  if (!sum) return false;
  node_set_int(sum, ATTR_AXIS, 1);
  Value *running = onnx_unsqueeze(node, build_end(&node->builder, sum), (int64_t[]){1}, 1);
  const Dim *dims[3] = {x->type.dims[0], import_dim(node->importer, samples),
                        import_dim(node->importer, 1)};
  Draw draw = draw_begin(node, 3, dims, F32);
  Value *below = onnx_convert(node, onnx_binary(node, OP_LESS_EQUAL, running, uniform(&draw)), I32);
  Value *index = onnx_reduce_one(node, OP_REDUCE_SUM, below, 2, false);
  const Dim *last = dim_add_int(node->importer->dims, x->type.dims[1], -1); // the sum may miss 1
  Value *highest = onnx_convert(node, onnx_dim_scalar(node, last), I32);
  return onnx_output(node, 0,
                     onnx_convert(node, onnx_binary(node, OP_MIN, index, highest), element));
}

// --- dropout

// x where the random number reaches the ratio, scaled to keep the sum; x itself outside of
// training.
static bool training_dropout(OnnxNode *node, Value *x, Value *training) {
  Draw draw = draw_begin(node, x->type.rank, x->type.dims, x->type.element == F64 ? F64 : F32);
  Value *ratio = onnx_has_input(node, 1) ? onnx_convert(node, onnx_input(node, 1), draw.element)
                                         : build_scalar(&node->builder, draw.element, 0.5);
  Value *u = uniform(&draw), *one = build_scalar(&node->builder, draw.element, 1),
        *zero = build_scalar(&node->builder, draw.element, 0);
  Value *keeps = onnx_binary(node, OP_LESS_EQUAL, ratio, u);
  Value *scale = onnx_binary(node, OP_DIV, one, onnx_binary(node, OP_SUB, one, ratio));
  Value *factor = onnx_where(node, keeps, scale, zero);
  Value *wide = onnx_convert(node, x, draw.element);
  Value *dropped = onnx_convert(node, onnx_binary(node, OP_MUL, wide, factor), x->type.element);
  Value *y = onnx_where(node, training, dropped, x);
  return onnx_output(node, 0, y) &&
         onnx_output(node, 1, onnx_binary(node, OP_OR, keeps, onnx_unary(node, OP_NOT, training)));
}

static bool is_zero(OnnxNode *node, int input) {
  Tensor tensor;
  return onnx_constant_input(node, input, &tensor) && tensor_count(&tensor) == 1 &&
         element_load(tensor.element, tensor.data, 0) == 0;
}

// Outside of training the identity, and a mask of ones.
bool import_dropout(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *training = onnx_input(node, 2);
  if (training && training->type.element != BOOL)
    return onnx_error(node, "training_mode is %s", element_info[training->type.element].text);
  if (training && training->type.rank) training = build_reshape(&node->builder, training, 0, NULL);
  if (training && !is_zero(node, 1) && !is_zero(node, 2))
    return training_dropout(node, x, training);
  if (onnx_wants_output(node, 1)) {
    ElementType element = node->version >= 10 ? BOOL : x->type.element;
    Value *one = build_scalar(&node->builder, element, 1);
    if (!onnx_output(node, 1,
                     one ? build_expand(&node->builder, one, x->type.rank, x->type.dims) : NULL))
      return false;
  }
  return onnx_output(node, 0, x);
}
