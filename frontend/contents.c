// What is known at compile time about the elements of small tensors: constants, and integers that
// depend on the dims of the inputs. Shapes that the model computes become lists of Dims this way.
//
// Integer and boolean results are followed as soon as their node exists; everything else is
// computed when a shape needs it (import_constant_value), through the interpreter.
#include <math.h>
#include <string.h>

#include "frontend/import.h"
#include "ir/interpret.h"

enum {
  FOLLOWED_ELEMENTS = 4096,  // results that are computed without being asked for
  SYMBOLIC_ELEMENTS = 256,   // elements that may be expressions
  FOLDED_ELEMENTS = 1 << 24, // results that are computed on demand
  RESOLVE_DEPTH = 400        // nodes in a row that are computed on demand
};

// --- the table

static Contents *slot(Importer *importer, const Value *value) {
  if (value->id >= importer->contents_capacity) {
    int capacity = 2 * value->id + 64;
    importer->contents =
        arena_grow(importer->arena, importer->contents, (size_t)importer->contents_capacity,
                   (size_t)capacity, sizeof(Contents));
    importer->contents_capacity = capacity;
  }
  return &importer->contents[value->id];
}

void import_set_contents(Importer *importer, const Value *value, Contents contents) {
  *slot(importer, value) = contents;
}

static bool contents_known(const Contents *contents) { return contents->tensor || contents->dims; }

// Constants have their tensor made at the first question.
static Contents *contents_of(Importer *importer, const Value *value) {
  Contents *contents = slot(importer, value);
  if (contents_known(contents) || !value_is_constant(value)) return contents;
  Tensor *tensor = NEW(importer->arena, Tensor);
  if (value_tensor(value, tensor)) contents->tensor = tensor;
  return contents;
}

Contents import_contents(Importer *importer, const Value *value) {
  return *contents_of(importer, value);
}

// Integers of a constant as dims, so that constants and expressions mix.
static bool has_dims(Importer *importer, Contents *contents) {
  if (contents->dims) return true;
  if (!contents->tensor) return false;
  int64_t count = tensor_count(contents->tensor);
  ElementType element = contents->tensor->element;
  if (count > SYMBOLIC_ELEMENTS || element == STR || element_info[element].class == CLASS_COMPLEX)
    return false;
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, count + 1);
  for (int i = 0; i < count; i++) {
    double value = element_is_float(element) ? element_load(element, contents->tensor->data, i) : 0;
    if (value != floor(value) || fabs(value) > 1e15) return false;
    dims[i] = import_dim(importer, element_is_float(element)
                                       ? (int64_t)value
                                       : element_load_int(element, contents->tensor->data, i));
  }
  contents->dims = dims;
  contents->count = (int)count;
  contents->denominator = 1;
  return true;
}

// --- folding

bool import_static_count(const Value *value, int64_t *count) {
  return value->type.kind == TYPE_TENSOR && value->type.element != STR &&
         type_is_static(&value->type) && type_max_count(&value->type, count);
}

static bool all_constant(Importer *importer, const Node *node, Tensor *operands) {
  for (int i = 0; i < node->operand_count; i++) {
    operands[i] = (Tensor){0};
    if (!node->operands[i]) continue;
    const Contents *contents = contents_of(importer, node->operands[i]);
    if (!contents->tensor) return false;
    operands[i] = *contents->tensor;
  }
  return true;
}

// Errors inside stay silent: whether the node is ever executed is not known here.
static bool run_node(Importer *importer, const Node *node, const Tensor *operands,
                     Tensor *results) {
  Diag quiet;
  diag_init(&quiet, importer->arena, NULL);
  return interpret_node(node, operands, results, importer->arena, &quiet);
}

static bool fold(Importer *importer, const Node *node) {
  Tensor *operands = NEW_ARRAY(importer->arena, Tensor, node->operand_count + 1);
  if (!all_constant(importer, node, operands)) return false;
  Tensor *results = NEW_ARRAY(importer->arena, Tensor, node->result_count);
  if (!run_node(importer, node, operands, results)) return false;
  for (int i = 0; i < node->result_count; i++)
    import_set_contents(importer, node->results[i], (Contents){.tensor = &results[i]});
  return true;
}

// --- expressions

// What only moves elements is executed on their numbers instead of the elements themselves.
static bool move_elements(Importer *importer, const Node *node, int first, int last,
                          Contents *result) {
  Tensor operands[64];
  const Dim *pool[64 * SYMBOLIC_ELEMENTS];
  int pooled = 0;
  int64_t denominator = 0;
  if (node->operand_count > 64) return false;
  for (int i = 0; i < node->operand_count; i++) {
    Value *operand = node->operands[i];
    operands[i] = (Tensor){0};
    if (!operand) continue;
    Contents *contents = contents_of(importer, operand);
    if (i < first || i > last) {
      if (!contents->tensor) return false;
      operands[i] = *contents->tensor;
      continue;
    }
    if (!has_dims(importer, contents) || (denominator && denominator != contents->denominator))
      return false;
    denominator = contents->denominator;
    int64_t dims[MAX_RANK];
    for (int axis = 0; axis < operand->type.rank; axis++)
      dims[axis] = type_dim(&operand->type, axis);
    operands[i] = tensor_create(importer->arena, operand->type.element, operand->type.rank, dims);
    for (int k = 0; k < contents->count; k++) {
      element_store_int(operand->type.element, operands[i].data, k, pooled);
      pool[pooled++] = contents->dims[k];
    }
  }
  Tensor moved = {0};
  if (!run_node(importer, node, operands, &moved)) return false;
  int64_t count = tensor_count(&moved);
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, count + 1);
  for (int64_t i = 0; i < count; i++) {
    int64_t number = element_load_int(moved.element, moved.data, i);
    if (number < 0 || number >= pooled) return false;
    dims[i] = pool[number];
  }
  *result =
      (Contents){.dims = dims, .count = (int)count, .denominator = denominator ? denominator : 1};
  return true;
}

// -1: not decided by the ranges of the symbols.
static int decide(Importer *importer, OpCode op, const Dim *a, const Dim *b) {
  const Dim *difference = dim_sub(importer->dims, a, b);
  int64_t low = dim_low(difference), high = dim_high(difference);
  if (op == OP_EQUAL) return low == 0 && high == 0 ? 1 : low > 0 || high < 0 ? 0 : -1;
  if (op == OP_LESS) return high < 0 ? 1 : low >= 0 ? 0 : -1;
  return high <= 0 ? 1 : low > 0 ? 0 : -1;
}

static const Dim *divide(Importer *importer, bool integer, const Dim *a, const Dim *b) {
  if (!integer || dim_low(b) <= 0) return NULL;
  if (dim_low(a) >= 0) return dim_floordiv(importer->dims, a, b);
  return NULL; // toward zero and toward minus infinity differ
}

static const Dim *binary_element(Importer *importer, const Node *node, bool integer, const Dim *a,
                                 const Dim *b) {
  DimTable *table = importer->dims;
  switch ((int)node->op) {
  case OP_ADD: return dim_add(table, a, b);
  case OP_SUB: return dim_sub(table, a, b);
  case OP_MUL: return dim_mul(table, a, b);
  case OP_DIV: return divide(importer, integer, a, b);
  case OP_MIN: return dim_min(table, a, b);
  case OP_MAX: return dim_max(table, a, b);
  case OP_MOD: {
    const Dim *quotient = divide(importer, integer, a, b);
    return quotient ? dim_sub(table, a, dim_mul(table, quotient, b)) : NULL;
  }
  case OP_EQUAL:
  case OP_LESS:
  case OP_LESS_EQUAL: {
    int decided = decide(importer, node->op, a, b);
    return decided < 0 ? NULL : import_dim(importer, decided);
  }
  default: return NULL;
  }
}

// x * 0.5 and x / 3 of floats: the numbers keep a common denominator until floor or a cast.
static bool scale_elements(Importer *importer, const Node *node, Contents *x, const Contents *by,
                           Contents *result) {
  if (!has_dims(importer, x) || !by->tensor || tensor_count(by->tensor) != 1) return false;
  double factor = element_load(by->tensor->element, by->tensor->data, 0);
  int64_t numerator = 1, denominator = 1;
  if (node->op == OP_DIV) {
    if (factor != floor(factor) || factor < 1 || factor > 1 << 20) return false;
    denominator = (int64_t)factor;
  } else {
    while (factor != floor(factor) && denominator < 1 << 20) factor *= 2, denominator *= 2;
    if (factor != floor(factor) || factor < 1 || factor > 1 << 20) return false;
    numerator = (int64_t)factor;
  }
  if (x->denominator > (1 << 20)) return false;
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, x->count + 1);
  for (int i = 0; i < x->count; i++) dims[i] = dim_mul_int(importer->dims, x->dims[i], numerator);
  *result =
      (Contents){.dims = dims, .count = x->count, .denominator = x->denominator * denominator};
  return true;
}

static bool binary_elements(Importer *importer, const Node *node, int64_t count, Contents *result) {
  Contents *a = contents_of(importer, node->operands[0]),
           *b = contents_of(importer, node->operands[1]);
  bool integer = !element_is_float(node->operands[0]->type.element);
  if (!integer && (node->op == OP_DIV || node->op == OP_MUL) &&
      scale_elements(importer, node, a, b, result))
    return true;
  if (!integer && node->op == OP_MUL && scale_elements(importer, node, b, a, result)) return true;
  if (!has_dims(importer, a) || !has_dims(importer, b) || a->denominator != 1 ||
      b->denominator != 1)
    return false;
  if ((a->count != count && a->count != 1) || (b->count != count && b->count != 1)) return false;
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, count + 1);
  for (int64_t i = 0; i < count; i++) {
    dims[i] = binary_element(importer, node, integer, a->dims[a->count == 1 ? 0 : i],
                             b->dims[b->count == 1 ? 0 : i]);
    if (!dims[i]) return false;
  }
  *result = (Contents){.dims = dims, .count = (int)count, .denominator = 1};
  return true;
}

static bool unary_elements(Importer *importer, const Node *node, Contents *result) {
  Contents *x = contents_of(importer, node->operands[0]);
  if (!has_dims(importer, x)) return false;
  bool to_integer = node->op == OP_CAST && element_is_integer(node->results[0]->type.element);
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, x->count + 1);
  const Dim *denominator = import_dim(importer, x->denominator);
  *result = (Contents){.dims = dims, .count = x->count, .denominator = 1};
  for (int i = 0; i < x->count; i++) {
    dims[i] = x->dims[i];
    if (node->op == OP_NEG)
      dims[i] = dim_mul_int(importer->dims, dims[i], -1);
    else if (node->op == OP_CEIL)
      dims[i] = dim_ceildiv(importer->dims, dims[i], denominator);
    else if (node->op == OP_FLOOR)
      dims[i] = dim_floordiv(importer->dims, dims[i], denominator);
    else if (to_integer && x->denominator != 1 && dim_low(dims[i]) < 0)
      return false;
    else if (to_integer)
      dims[i] = dim_floordiv(importer->dims, dims[i], denominator);
    else if (node->op == OP_ABS && (dim_low(dims[i]) < 0 || x->denominator != 1))
      return false;
  }
  if (node->op == OP_NEG || (node->op == OP_CAST && !to_integer))
    result->denominator = x->denominator;
  return true;
}

static bool reduce_elements(Importer *importer, const Node *node, int64_t count, Contents *result) {
  Contents *x = contents_of(importer, node->operands[0]);
  if (count != 1 || !has_dims(importer, x) || x->denominator != 1 || x->count == 0) return false;
  const Dim *total = x->dims[0];
  for (int i = 1; i < x->count; i++)
    total = node->op == OP_REDUCE_PROD  ? dim_mul(importer->dims, total, x->dims[i])
            : node->op == OP_REDUCE_SUM ? dim_add(importer->dims, total, x->dims[i])
            : node->op == OP_REDUCE_MAX ? dim_max(importer->dims, total, x->dims[i])
                                        : dim_min(importer->dims, total, x->dims[i]);
  const Dim **dims = NEW(importer->arena, const Dim *);
  dims[0] = total;
  *result = (Contents){.dims = dims, .count = 1, .denominator = 1};
  return true;
}

static bool range_elements(Importer *importer, const Node *node, int64_t count, Contents *result) {
  Contents *start = contents_of(importer, node->operands[0]),
           *delta = contents_of(importer, node->operands[1]);
  if (!has_dims(importer, start) || !has_dims(importer, delta) ||
      start->denominator * delta->denominator != 1)
    return false;
  const Dim **dims = NEW_ARRAY(importer->arena, const Dim *, count + 1);
  for (int64_t i = 0; i < count; i++)
    dims[i] =
        dim_add(importer->dims, start->dims[0], dim_mul_int(importer->dims, delta->dims[0], i));
  *result = (Contents){.dims = dims, .count = (int)count, .denominator = 1};
  return true;
}

static bool shape_elements(Importer *importer, const Node *node, Contents *result) {
  int count;
  const Dim *const *dims = node_dims(node, ATTR_DIMS, &count);
  const Dim **copy = NEW_ARRAY(importer->arena, const Dim *, count + 1);
  for (int i = 0; i < count; i++) copy[i] = dims[i];
  *result = (Contents){.dims = copy, .count = count, .denominator = 1};
  return true;
}

static bool express(Importer *importer, const Node *node, int64_t count, Contents *result) {
  switch ((int)node->op) {
  case OP_SHAPE: return shape_elements(importer, node, result);
  case OP_ADD:
  case OP_SUB:
  case OP_MUL:
  case OP_DIV:
  case OP_MIN:
  case OP_MAX:
  case OP_MOD:
  case OP_EQUAL:
  case OP_LESS:
  case OP_LESS_EQUAL: return binary_elements(importer, node, count, result);
  case OP_NEG:
  case OP_ABS:
  case OP_FLOOR:
  case OP_CEIL:
  case OP_CAST: return unary_elements(importer, node, result);
  case OP_REDUCE_PROD:
  case OP_REDUCE_SUM:
  case OP_REDUCE_MAX:
  case OP_REDUCE_MIN: return reduce_elements(importer, node, count, result);
  case OP_RANGE: return range_elements(importer, node, count, result);
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_SLICE:
  case OP_EXPAND:
  case OP_TILE:
  case OP_COPY:
  case OP_GATHER:
  case OP_GATHER_ELEMENTS:
  case OP_GATHER_ND: return move_elements(importer, node, 0, 0, result);
  case OP_CONCAT: return move_elements(importer, node, 0, node->operand_count - 1, result);
  case OP_WHERE: return move_elements(importer, node, 1, 2, result);
  default: return false;
  }
}

// Expressions that turned out to be constants become a tensor.
static void make_tensor(Importer *importer, const Value *value, Contents *contents) {
  if (contents->denominator != 1) return;
  for (int i = 0; i < contents->count; i++)
    if (!dim_is_constant(contents->dims[i], NULL)) return;
  int64_t dims[MAX_RANK];
  for (int i = 0; i < value->type.rank; i++) dims[i] = type_dim(&value->type, i);
  Tensor *tensor = NEW(importer->arena, Tensor);
  *tensor = tensor_create(importer->arena, value->type.element, value->type.rank, dims);
  for (int i = 0; i < contents->count; i++)
    element_store_int(value->type.element, tensor->data, i, dim_value(contents->dims[i]));
  contents->tensor = tensor;
}

static void note_node(Importer *importer, const Node *node, int64_t limit) {
  if (node->op == OP_CONST || node->op == OP_PACK || node->region_count ||
      !node_has_trait(node, PURE) || node_has_trait(node, EXTERNAL))
    return;
  if (node->result_count == 0 || contents_known(slot(importer, node->results[0]))) return;
  int64_t count = 0;
  for (int i = 0; i < node->result_count; i++) {
    int64_t elements;
    if (!import_static_count(node->results[i], &elements) || elements > limit) return;
    if (i == 0) count = elements;
  }
  if (fold(importer, node) || node->result_count != 1 || count > SYMBOLIC_ELEMENTS) return;
  Contents result = {0};
  if (!express(importer, node, count, &result) || result.count != count) return;
  make_tensor(importer, node->results[0], &result);
  import_set_contents(importer, node->results[0], result);
}

// Followed without being asked for: what may become a shape or the condition of a branch.
void import_note_contents(Importer *importer, Graph *graph, const Node *last) {
  for (const Node *node = last ? last->next : graph->first; node; node = node->next) {
    if (!node->result_count) continue;
    ElementType element = node->results[0]->type.element;
    bool number = element_is_integer(element) || element == BOOL;
    note_node(importer, node, number ? FOLLOWED_ELEMENTS : 64);
  }
}

// --- on demand

static void resolve(Importer *importer, Value *value, int depth) {
  Contents *contents = contents_of(importer, value);
  if (contents_known(contents) || contents->tried || depth == 0) return;
  contents->tried = true;
  if (!value->definition) {
    const FrontendOptions *options = importer->options;
    if (value->graph->owner || !value->name || !options->value_of_input) return;
    const Tensor *tensor = options->value_of_input(options->user, value->name);
    if (!tensor || tensor->element != value->type.element || tensor->rank != value->type.rank)
      return;
    slot(importer, value)->tensor = tensor;
    return;
  }
  // One operand that is not known is enough to give up: no weights are folded behind a tensor.
  for (int i = 0; i < value->definition->operand_count; i++) {
    Value *operand = value->definition->operands[i];
    if (!operand) continue;
    resolve(importer, operand, depth - 1);
    if (!contents_known(contents_of(importer, operand))) return;
  }
  note_node(importer, value->definition, FOLDED_ELEMENTS);
}

bool import_constant_value(Importer *importer, Value *value, Tensor *tensor) {
  resolve(importer, value, RESOLVE_DEPTH);
  Contents *contents = contents_of(importer, value);
  if (!contents->tensor) return false;
  *tensor = *contents->tensor;
  return true;
}

const Dim *const *import_dims(Importer *importer, Value *value, int *count) {
  if (value->type.rank > 1 || element_is_float(value->type.element)) return NULL;
  resolve(importer, value, RESOLVE_DEPTH);
  Contents *contents = contents_of(importer, value);
  if (!has_dims(importer, contents)) return NULL;
  *count = contents->count;
  return contents->dims;
}

Value *import_folded(Importer *importer, Builder *builder, Value *value) {
  const Contents *contents = slot(importer, value);
  if (!contents->tensor || value_is_constant(value) || !value->definition) return value;
  const char *name = value->name;
  Value *constant = build_constant_tensor(builder, contents->tensor, name);
  return constant ? constant : value;
}
