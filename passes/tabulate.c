// tabulate - a function of one 8-bit tensor, element by element, becomes a table of 256 results:
//   quantize(mul(dequantize(x), sigmoid(dequantize(x)))) = lookup(x, table)
// Whatever pointwise ops lie between the codes of x and the codes of the result, the table holds
// what the interpreter computes for each of the 256 codes, so nothing is rounded anew. Needs:
// fuse_qdq, quantize before it, which make codes; pointwise nodes that are not fused yet. Leaves:
// nodes without a use.
#include "ir/builder.h"
#include "ir/interpret.h"
#include "passes/rewrite.h"

enum {
  CODES = 256,
  MOST_NODES = 64,     // of one function
  MOST_STEPS = 256,    // of the search for it
  FEWEST_NODES = 3,    // dequantize, something, quantize: fewer are as fast as a table
  FEWEST_RESULTS = 256 // of the nodes that a table saves: it takes as many bytes
};

// The nodes between the codes `source` and the result of `root`, in order of execution.
typedef struct Cone {
  Value *source; // NULL: not met yet
  const Value *root;
  Node *nodes[MOST_NODES];
  int count, steps;
} Cone;

static bool is_whole(const Type *type) { // no scales along an axis
  return type->kind == TYPE_TENSOR && (!type->quant || type->quant->axis < 0);
}

static bool is_code(const Value *value) {
  return is_whole(&value->type) && (value->type.element == I8 || value->type.element == U8);
}

static bool is_elementwise(const Node *node) {
  bool converts = node->op == OP_QUANTIZE || node->op == OP_DEQUANTIZE || node->op == OP_REQUANTIZE;
  return (converts || node_has_trait(node, POINTWISE)) && node_has_trait(node, PURE) &&
         !node_has_trait(node, MAKES_TEXT) && !node->region_count && node->result_count == 1;
}

static int64_t most_elements(const Value *value) {
  int64_t count;
  return type_max_count(&value->type, &count) ? count : INT64_MAX;
}

static bool has_node(const Cone *cone, const Node *node) {
  for (int i = 0; i < cone->count; i++)
    if (cone->nodes[i] == node) return true;
  return false;
}

static bool take_operand(Cone *cone, Value *operand);

// Adds the node and those it needs; as it was where they are not a function of one tensor of codes.
static bool take_node(Cone *cone, Node *node) {
  if (has_node(cone, node)) return true;
  if (cone->steps++ >= MOST_STEPS) return false;
  Value *source = cone->source;
  const Type *type = &node->results[0]->type;
  int count = cone->count;
  bool fits = is_elementwise(node) && is_whole(type) && type_same_shape(type, &cone->root->type);
  for (int i = 0; fits && i < node->operand_count; i++)
    fits = take_operand(cone, node->operands[i]);
  if (fits && cone->count < MOST_NODES) {
    cone->nodes[cone->count++] = node;
    return true;
  }
  cone->source = source;
  cone->count = count;
  return false;
}

// A constant, the result of a node of the cone, or its source: codes that come from elsewhere.
static bool take_operand(Cone *cone, Value *operand) {
  if (!operand || operand->type.kind != TYPE_TENSOR || operand->type.element == STR) return false;
  if (operand == cone->source) return true;
  if (value_is_constant(operand)) return most_elements(operand) == 1;
  if (!type_same_shape(&operand->type, &cone->root->type)) return false;
  if (operand->definition && take_node(cone, operand->definition)) return true;
  if (cone->source || !is_code(operand)) return false;
  cone->source = operand;
  return true;
}

// Nodes that nobody else needs.
static int saved_nodes(const Cone *cone) {
  bool dead[MOST_NODES] = {0};
  int saved = 0;
  for (int i = cone->count - 1; i >= 0; i--) {
    const Value *result = cone->nodes[i]->results[0];
    dead[i] = !result->output_uses || result == cone->root;
    for (int u = 0; u < result->use_count && result != cone->root; u++) {
      bool by_dead = false;
      for (int k = i + 1; k < cone->count; k++)
        by_dead |= dead[k] && cone->nodes[k] == result->uses[u].user;
      dead[i] &= by_dead;
    }
    saved += dead[i];
  }
  return saved;
}

static bool is_worth_a_table(const Cone *cone) {
  int saved = saved_nodes(cone);
  return saved >= FEWEST_NODES && most_elements(cone->root) >= FEWEST_RESULTS / saved;
}

// --- the table

// The type with the shape [1, .., 1, 256].
static Type tabulated(const Value *value) {
  Type type = value->type;
  for (int i = 0; i < type.rank; i++)
    type.dims[i] = dim_constant(value->graph->module->dims, i + 1 < type.rank ? 1 : CODES);
  return type;
}

// Its place among the cone's values: those of the nodes, then the source.
static int position_of(const Cone *cone, const Value *value) {
  int at = 0;
  while (at < cone->count && cone->nodes[at]->results[0] != value) at++;
  return at;
}

static Value *copy_constant(Builder *builder, const Value *value) {
  const Constant *constant = value_constant(value);
  const char *name = module_constant_name(builder->graph->module, constant->name);
  return build_constant(builder, value->type, constant->data, name);
}

static Value *copy_node(Builder *builder, const Cone *cone, const Node *node, Value **copies,
                        Arena *scratch) {
  Value **operands = NEW_ARRAY(scratch, Value *, node->operand_count + 1);
  for (int i = 0; i < node->operand_count; i++)
    operands[i] = value_is_constant(node->operands[i])
                      ? copy_constant(builder, node->operands[i])
                      : copies[position_of(cone, node->operands[i])];
  Node *copy = begin_like(builder, node, operands, node->operand_count);
  if (copy) copy->results[0]->type = tabulated(node->results[0]);
  return build_end(builder, copy);
}

// The nodes as a function of 256 elements, run on all codes. NULL: reported.
static const void *compute(const Cone *cone, PassContext *context) {
  Graph *function = graph_create(context->module, "table");
  Builder builder = builder_at_end(function, cone->root->definition->loc);
  Value *copies[MOST_NODES + 1];
  Type type = tabulated(cone->source);
  copies[cone->count] = graph_add_input(function, type, "codes");
  for (int i = 0; i < cone->count && !builder.failed; i++)
    copies[i] = copy_node(&builder, cone, cone->nodes[i], copies, context->scratch);
  if (builder.failed) return NULL;
  graph_add_output(function, copies[cone->count - 1]);
  uint8_t codes[CODES];
  for (int i = 0; i < CODES; i++) codes[i] = (uint8_t)i;
  Tensor input = {.element = type.element, .rank = type.rank, .data = codes, .bytes = CODES},
         output;
  for (int i = 0; i < type.rank; i++) input.dims[i] = i + 1 < type.rank ? 1 : CODES;
  bool done = interpret(function, &input, &output, context->module->arena, context->diag);
  return done ? output.data : NULL;
}

// The lookup in the place of the root, with the nodes that nobody else needs gone. NULL: reported.
static Node *tabulate(Node *root, const Cone *cone, PassContext *context) {
  const void *table = compute(cone, context);
  if (!table) return NULL;
  Builder builder = builder_before(root);
  int64_t codes = CODES;
  Type type = type_static(context->module->dims, root->results[0]->type.element, 1, &codes);
  type.quant = root->results[0]->type.quant;
  const char *name = module_constant_name(context->module, "table");
  Value *operands[] = {cone->source, build_constant(&builder, type, table, name)};
  Value *result = build_end(&builder, build_begin(&builder, OP_LOOKUP, operands, 2));
  if (!result) return NULL;
  rewrite_value(root->results[0], result);
  for (int i = cone->count - 1; i >= 0; i--)
    if (value_is_unused(cone->nodes[i]->results[0])) node_remove(cone->nodes[i]);
  context->changed++;
  return result->definition;
}

// From the end: what is part of a larger function needs no table of its own.
bool pass_tabulate(Graph *graph, PassContext *context) {
  for (Node *node = graph->last; node; node = node->previous) {
    if (node->result_count != 1 || !is_code(node->results[0])) continue;
    Cone cone = {.root = node->results[0]};
    if (!take_node(&cone, node) || !cone.source || !is_worth_a_table(&cone)) continue;
    if (!(node = tabulate(node, &cone, context))) return false;
  }
  return true;
}
