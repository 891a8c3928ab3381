// Loop; one whose number of iterations has to be known is unrolled.
#include "frontend/import_region.h"

enum { SHAPE_ROUNDS = 3 };

typedef struct Loop {
  Region region;
  const Onnx__GraphProto *body;
  Value *trips, *condition; // NULL: absent
  int carried, scanned;
  Value **initial; // of the carried values
  Type *types;     // of the same inside
} Loop;

static Value *initial_value(OnnxNode *node, int index) {
  const Item *item = index < node->input_count ? node->inputs[index] : NULL;
  if (!item) return onnx_error(node, "input %d is missing", index), NULL;
  if (item->value) return item->value;
  return import_list(node->importer, &node->builder, item,
                     item_is_optional(item) ? TYPE_OPTIONAL : TYPE_SEQUENCE, NULL);
}

// The number of iterations as a dim, where it is one: then the results have that length.
static Value *trip_count(OnnxNode *node, Value *trips) {
  int count;
  const Dim *const *dims = import_dims(node->importer, trips, &count);
  int64_t constant;
  if (!dims || count != 1 || dim_is_constant(dims[0], &constant)) return trips;
  return onnx_dim_scalar(node, dims[0]);
}

static bool loop_begin(OnnxNode *node, Loop *loop) {
  *loop = (Loop){.body = onnx_graph(node, "body")};
  if (!loop->body) return false;
  loop->trips = onnx_input(node, 0);
  loop->condition = onnx_input(node, 1);
  loop->carried = node->input_count > 2 ? node->input_count - 2 : 0;
  loop->scanned = (int)loop->body->n_output - 1 - loop->carried;
  if (loop->body->n_input != (size_t)loop->carried + 2 || loop->scanned < 0 ||
      node->output_count > loop->carried + loop->scanned)
    return onnx_error(node, "%d carried values, the body has %zu inputs and %zu outputs",
                      loop->carried, loop->body->n_input, loop->body->n_output);
  if (loop->trips && loop->trips->type.rank)
    loop->trips = build_reshape(&node->builder, loop->trips, 0, NULL);
  if (loop->trips) loop->trips = trip_count(node, loop->trips);
  if (loop->condition && loop->condition->type.rank)
    loop->condition = build_reshape(&node->builder, loop->condition, 0, NULL);
  loop->types = NEW_ARRAY(node->importer->arena, Type, loop->carried + 1);
  loop->initial = NEW_ARRAY(node->importer->arena, Value *, loop->carried + 1);
  for (int i = 0; i < loop->carried; i++)
    if (!(loop->initial[i] = initial_value(node, 2 + i))) return false;
  for (int i = 0; i < loop->carried; i++) loop->types[i] = loop->initial[i]->type;
  return !node->builder.failed && region_begin(node, &loop->region, loop->body, NULL);
}

static Node *begin_loop(OnnxNode *node, const Loop *loop) {
  const Region *region = &loop->region;
  int count = 2 + loop->carried + region->value_count,
      results = loop->carried + region->value_count + loop->scanned;
  Value **operands = NEW_ARRAY(node->importer->arena, Value *, count);
  operands[0] = loop->trips;
  operands[1] = loop->condition;
  for (int i = 0; i < loop->carried; i++) operands[2 + i] = loop->initial[i];
  for (int i = 0; i < region->value_count; i++) operands[2 + loop->carried + i] = region->values[i];
  return build_begin_results(&node->builder, OP_LOOP, operands, count, results);
}

static Value *carried_list(const Region *region, Scope *scope, const char *name, const Type *type) {
  const Item *item = region_item(region, scope, name);
  Builder builder = builder_at_end(scope->graph, region->node->loc);
  return item ? import_list(region->node->importer, &builder, item, type->kind, type) : NULL;
}

// The body: outputs are the condition, what is carried, the captures again, what is collected.
static bool import_loop_body(const Loop *loop, Node *owner) {
  const Region *region = &loop->region;
  Scope *scope = region_scope(region, owner, "body");
  region_input(region, scope, loop->body, 0, type_tensor(I64, 0, NULL));
  region_input(region, scope, loop->body, 1, type_tensor(BOOL, 0, NULL));
  for (int i = 0; i < loop->carried; i++)
    region_input(region, scope, loop->body, (size_t)i + 2, loop->types[i]);
  if (!region_define_captures(region, scope) || !region_import(region, scope, loop->body))
    return false;
  for (int i = 0; i <= loop->carried + loop->scanned; i++) {
    bool list = i > 0 && i <= loop->carried && type_is_list(&loop->types[i - 1]);
    const char *name = loop->body->output[i]->name;
    Value *value = list ? carried_list(region, scope, name, &loop->types[i - 1])
                        : region_output(region, scope, name);
    if (!value) return false;
    if (i == loop->carried + 1)
      for (int k = 0; k < region->value_count; k++)
        graph_add_output(scope->graph, scope->graph->inputs[2 + loop->carried + k]);
    graph_add_output(scope->graph, value);
  }
  for (int k = 0; loop->scanned == 0 && k < region->value_count; k++)
    graph_add_output(scope->graph, scope->graph->inputs[2 + loop->carried + k]);
  return true;
}

// Dims that change from iteration to iteration become symbols of the body, also where the loop
// begins with a dim of the model: what it begins with says nothing about what the body makes.
// False: there are none.
static bool loosen_dims(OnnxNode *node, Loop *loop, const Node *owner) {
  bool changed = false;
  for (int i = 0; i < loop->carried; i++) {
    const Type *after = &owner->regions[0]->outputs[1 + i]->type;
    Type *before = &loop->types[i];
    Type joined;
    if (type_is_list(before) && !type_includes(before, after) &&
        type_join(node->importer->arena, before, after, &joined)) {
      *before = joined;
      changed = true;
    }
    if (after->kind != TYPE_TENSOR || after->rank != before->rank) continue;
    for (int k = 0; k < before->rank; k++) {
      bool loose = before->dims[k] != loop->initial[i]->type.dims[k];
      if (loose || after->dims[k] == before->dims[k]) continue;
      before->dims[k] =
          dim_fresh_symbol(node->importer->dims, arena_printf(node->importer->arena, "loop_d%d", k),
                           0, DIM_UNBOUNDED);
      changed = true;
    }
  }
  return changed;
}

static bool loop_outputs(OnnxNode *node, const Loop *loop, const Node *owner) {
  for (int i = 0; i < node->output_count; i++) {
    int result = i < loop->carried ? i : i + loop->region.value_count;
    if (!onnx_output_any(node, i, owner->results[result])) return false;
  }
  return true;
}

static bool build_loop(OnnxNode *node, Loop *loop) {
  for (int round = 0; round < SHAPE_ROUNDS; round++) {
    Node *owner = begin_loop(node, loop);
    if (!owner) return false;
    bool good = import_loop_body(loop, owner);
    if (good && (round == SHAPE_ROUNDS - 1 || !loosen_dims(node, loop, owner))) {
      build_end(&node->builder, owner);
      return !node->builder.failed && loop_outputs(node, loop, owner);
    }
    region_drop_operands(owner);
    if (!good) return false;
  }
  return false;
}

// --- loops whose number of iterations is known, without a loop

typedef struct Unrolled {
  Item *carried;
  Value **scanned; // scanned[iteration * loop->scanned + i]
} Unrolled;

static bool unroll_iteration(OnnxNode *node, const Loop *loop, int iteration, Unrolled *unrolled,
                             bool *goes_on) {
  Importer *importer = node->importer;
  const Onnx__GraphProto *body = loop->body;
  Scope *scope = scope_create(importer, node->scope, node->scope->graph);
  Tensor number = tensor_create(importer->arena, I64, 0, NULL);
  *(int64_t *)number.data = iteration;
  for (int i = 0; i < loop->carried + 2; i++) {
    Item *item = scope_define(importer, scope, body->input[i]->name);
    if (!item) return onnx_error(node, "body input '%s' is defined twice", body->input[i]->name);
    if (i == 0) item->value = build_constant_tensor(&node->builder, &number, NULL);
    if (i == 1) item->value = build_scalar(&node->builder, BOOL, 1);
    if (i >= 2) *item = unrolled->carried[i - 2];
  }
  importer->depth++;
  bool good = import_graph_body(importer, scope, body);
  importer->depth--;
  if (!good) return false;
  for (int i = 0; i <= loop->carried + loop->scanned; i++) {
    bool carried = i > 0 && i <= loop->carried;
    const Item *item = carried ? region_item(&loop->region, scope, body->output[i]->name) : NULL;
    Value *value = carried ? NULL : region_output(&loop->region, scope, body->output[i]->name);
    Tensor condition;
    if (!value && !item) return false;
    if (i == 0) {
      if (!import_constant_value(importer, value, &condition))
        return onnx_error(node,
                          "the shape of the result depends on data: the condition of the loop");
      *goes_on = element_load_int(BOOL, condition.data, 0) != 0;
    } else if (i <= loop->carried)
      unrolled->carried[i - 1] = *item;
    else
      unrolled->scanned[iteration * loop->scanned + i - loop->carried - 1] = value;
  }
  return true;
}

static bool copy_item(OnnxNode *node, int index, const Item *item) {
  if (onnx_wants_output(node, index)) node->outputs[index] = *item;
  return true;
}

static bool unroll_loop(OnnxNode *node, const Loop *loop, int iterations) {
  Importer *importer = node->importer;
  Unrolled unrolled = {NEW_ARRAY(importer->arena, Item, loop->carried + 1),
                       NEW_ARRAY(importer->arena, Value *, iterations * loop->scanned + 1)};
  for (int i = 0; i < loop->carried; i++) unrolled.carried[i] = *node->inputs[2 + i];
  bool goes_on = true;
  int done = 0;
  for (; done < iterations && goes_on; done++)
    if (!unroll_iteration(node, loop, done, &unrolled, &goes_on)) return false;
  for (int i = 0; i < loop->carried && i < node->output_count; i++)
    if (unrolled.carried[i].value ? !onnx_output(node, i, unrolled.carried[i].value)
                                  : !copy_item(node, i, &unrolled.carried[i]))
      return false;
  for (int i = 0; i < loop->scanned && loop->carried + i < node->output_count; i++) {
    Value **slices = NEW_ARRAY(importer->arena, Value *, done + 1);
    for (int k = 0; k < done; k++)
      slices[k] = onnx_unsqueeze(node, unrolled.scanned[k * loop->scanned + i], (int64_t[]){0}, 1);
    if (!onnx_output(node, loop->carried + i, build_concat(&node->builder, slices, done, 0)))
      return false;
  }
  return true;
}

// The number of iterations, if it is small and known, and nothing but it ends the loop at once; -1:
// no.
static int known_iterations(OnnxNode *node, const Loop *loop) {
  Tensor trips, condition;
  if (loop->condition && (!import_constant_value(node->importer, loop->condition, &condition) ||
                          !element_load_int(BOOL, condition.data, 0)))
    return -1;
  if (!loop->trips || !import_constant_value(node->importer, loop->trips, &trips) ||
      tensor_count(&trips) != 1)
    return -1;
  int64_t count = element_load_int(trips.element, trips.data, 0);
  return count > 0 && count <= UNROLL_LIMIT ? (int)count : -1;
}

static bool carries_known_list(const OnnxNode *node, const Loop *loop) {
  bool any = false;
  for (int i = 0; i < loop->carried; i++) any |= node->inputs[2 + i]->is_sequence;
  return any;
}

// Tried as a loop without a word first: slices by the iteration's number, say, only work unrolled.
// Lists that are known stay known where the loop is unrolled.
bool import_loop(OnnxNode *node) {
  Loop loop;
  Attempt attempt;
  if (!loop_begin(node, &loop)) return false;
  if (carries_known_list(node, &loop) && known_iterations(node, &loop) > 0) {
    attempt_begin(node, &attempt);
    if (attempt_end(node, &attempt, unroll_loop(node, &loop, known_iterations(node, &loop))))
      return true;
  }
  int iterations = known_iterations(node, &loop);
  bool before = node->importer->measures_no_body;
  node->importer->measures_no_body |= iterations > 0; // known sizes are better
  attempt_begin(node, &attempt);
  bool good = attempt_end(node, &attempt, build_loop(node, &loop));
  node->importer->measures_no_body = before;
  if (good) return true;
  if (iterations > 0) return unroll_loop(node, &loop, iterations);
  for (int i = 0; i < loop.carried; i++) loop.types[i] = loop.initial[i]->type;
  return build_loop(node, &loop);
}
