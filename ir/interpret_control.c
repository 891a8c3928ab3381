// if, loop and scan: regions run once per iteration.
#include "ir/interpret_ops.h"
#include "ir/move.h"

#include <string.h>

static bool is_true(const Tensor *condition) {
  return tensor_count(condition) > 0 && element_load_int(BOOL, condition->data, 0);
}

// A tensor of one element with the rank of a region's input.
static Tensor single(Arena *arena, const Value *input, int64_t value) {
  Tensor tensor = tensor_create(arena, input->type.element, input->type.rank, (int64_t[]){1});
  element_store_int(tensor.element, tensor.data, 0, value);
  return tensor;
}

// Makes `tensor` a result; its shape must be the one that the types promise where they know it.
// Strings are copied with their characters, which lie in the arena of the iteration.
static bool set_result(Evaluation *e, int index, const Tensor *tensor) {
  Tensor *result = &e->results[index];
  bool fits = tensor->rank == result->rank;
  for (int i = 0; fits && i < result->rank; i++)
    fits = result->dims[i] < 0 || result->dims[i] == tensor->dims[i];
  if (!fits)
    return diag_error(e->run->diag, e->node->loc,
                      "%s: result %d has another shape than its type %s", op_info[e->node->op].text,
                      index, type_text(e->run->arena, &e->node->results[index]->type));
  if (!result->data || tensor->element == STR) {
    memcpy(result->dims, tensor->dims, sizeof result->dims);
    *result = tensor_copy(e->run->arena, tensor);
  } else if (tensor->bytes) {
    memcpy(result->data, tensor->data, tensor->bytes);
  }
  return true;
}

bool interpret_if(Evaluation *e) {
  const Graph *region = e->node->regions[is_true(&e->operands[0]) ? 0 : 1];
  Tensor *outputs = NEW_ARRAY(e->run->arena, Tensor, region->output_count);
  if (!interpret_region(e->run, region, e->operands + 1, outputs)) return false;
  for (int i = 0; i < region->output_count; i++)
    if (!set_result(e, i, &outputs[i])) return false;
  return true;
}

// --- iterations

// Values that go from one iteration to the next, and slices that each leaves behind.
typedef struct Iterations {
  Evaluation *e;
  const Graph *region;
  int carried, first_output; // outputs of the region from there on are carried, then stacked
  int stacked;
  Tensor *values;  // carried
  Tensor **slices; // per stacked output
  int *slice_count, *slice_capacity;
  Arena *current; // where `values` lie
} Iterations;

static Iterations begin_iterations(Evaluation *e, int first_operand, int carried,
                                   int first_output) {
  Arena *arena = e->run->arena;
  Iterations iterations = {.e = e,
                           .region = e->node->regions[0],
                           .carried = carried,
                           .first_output = first_output,
                           .stacked = e->node->result_count - carried};
  iterations.values = NEW_ARRAY(arena, Tensor, carried);
  for (int i = 0; i < carried; i++) iterations.values[i] = e->operands[first_operand + i];
  iterations.slices = NEW_ARRAY(arena, Tensor *, iterations.stacked);
  iterations.slice_count = NEW_ARRAY(arena, int, iterations.stacked);
  iterations.slice_capacity = NEW_ARRAY(arena, int, iterations.stacked);
  return iterations;
}

// One iteration. Its outputs lie in an arena of their own, which lives until the next one is done.
static bool iterate(Iterations *it, const Tensor *inputs, bool *go_on) {
  Interpretation inner = *it->e->run;
  inner.arena = arena_create();
  Tensor *outputs = NEW_ARRAY(inner.arena, Tensor, it->region->output_count);
  if (!interpret_region(&inner, it->region, inputs, outputs)) {
    arena_destroy(inner.arena);
    return false;
  }
  if (go_on) *go_on = is_true(&outputs[0]);
  for (int i = 0; i < it->carried; i++) it->values[i] = outputs[it->first_output + i];
  for (int i = 0; i < it->stacked; i++) {
    Tensor slice = tensor_copy(it->e->run->arena, &outputs[it->first_output + it->carried + i]);
    ARENA_PUSH(it->e->run->arena, it->slices[i], it->slice_count[i], it->slice_capacity[i], slice);
  }
  arena_destroy(it->current);
  it->current = inner.arena;
  return true;
}

// Stacks slices along a new axis; `backward`: the last one first.
static bool stack(Evaluation *e, int result, const Tensor *slices, int count, int axis,
                  bool backward) {
  const Tensor *known = &e->results[result];
  Tensor shape = {.element = known->element, .rank = known->rank};
  for (int i = 0, from = 0; i < shape.rank; i++) {
    if (i == axis)
      shape.dims[i] = count;
    else
      shape.dims[i] = count ? slices[0].dims[from++] : known->dims[i] < 0 ? 0 : known->dims[i];
  }
  for (int k = 1; k < count; k++)
    if (memcmp(slices[k].dims, slices[0].dims, sizeof slices[0].dims) != 0)
      return diag_error(e->run->diag, e->node->loc,
                        "%s: result %d has another shape in iteration %d than in 0",
                        op_info[e->node->op].text, result, k);
  int64_t elements, bytes;
  if (!tensor_checked_bytes(shape.element, shape.rank, shape.dims, &elements, &bytes))
    return diag_error(e->run->diag, e->node->loc, "%s: result %d is too large",
                      op_info[e->node->op].text, result);
  Tensor stacked = tensor_create(e->run->arena, shape.element, shape.rank, shape.dims);
  int64_t outer = dims_product(&stacked, 0, axis),
          inner = dims_product(&stacked, axis + 1, stacked.rank);
  for (int k = 0; k < count; k++)
    for (int64_t o = 0; o < outer; o++)
      copy_elements(stacked.element, stacked.data,
                    (o * count + (backward ? count - 1 - k : k)) * inner, slices[k].data, o * inner,
                    inner);
  return set_result(e, result, &stacked);
}

static bool finish_carried(Iterations *it) {
  for (int i = 0; i < it->carried; i++)
    if (!set_result(it->e, i, &it->values[i])) return false;
  return true;
}

// --- loop

static bool run_loop(Evaluation *e, Iterations *it) {
  const Node *node = e->node;
  int64_t trips = INT64_MAX;
  if (node_operand(node, 0) && !check_count(e, 0, 1)) return false;
  if (node_operand(node, 0)) trips = element_load_int(I64, e->operands[0].data, 0);
  bool go_on = !node_operand(node, 1) || is_true(&e->operands[1]);
  Tensor *inputs = NEW_ARRAY(e->run->arena, Tensor, it->region->input_count);
  Tensor number = single(e->run->arena, it->region->inputs[0], 0);
  Tensor condition = single(e->run->arena, it->region->inputs[1], 0);
  for (int64_t i = 0; i < trips && go_on; i++) {
    element_store_int(I64, number.data, 0, i);
    element_store_int(BOOL, condition.data, 0, go_on);
    inputs[0] = number;
    inputs[1] = condition;
    for (int k = 0; k < it->carried; k++) inputs[2 + k] = it->values[k];
    if (!iterate(it, inputs, &go_on)) return false;
  }
  for (int i = 0; i < it->stacked; i++)
    if (!stack(e, it->carried + i, it->slices[i], it->slice_count[i], 0, false)) return false;
  return finish_carried(it);
}

bool interpret_loop(Evaluation *e) {
  Iterations iterations = begin_iterations(e, 2, e->operand_count - 2, 1);
  bool done = run_loop(e, &iterations);
  arena_destroy(iterations.current);
  return done;
}

// --- scan

static int axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }

// Slice `at` of x along an axis.
static Tensor take_slice(Arena *arena, const Tensor *x, int axis, int64_t at) {
  int64_t dims[MAX_RANK];
  for (int i = 0, k = 0; i < x->rank; i++)
    if (i != axis) dims[k++] = x->dims[i];
  Tensor slice = tensor_create(arena, x->element, x->rank - 1, dims);
  int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
  for (int64_t o = 0; o < outer; o++)
    copy_elements(x->element, slice.data, o * inner, x->data, (o * x->dims[axis] + at) * inner,
                  inner);
  return slice;
}

static bool scan_step(Iterations *it, int64_t step, int64_t length) {
  const Node *node = it->e->node;
  Arena *arena = arena_create();
  Tensor *inputs = NEW_ARRAY(arena, Tensor, node->operand_count);
  for (int i = 0; i < it->carried; i++) inputs[i] = it->values[i];
  for (int i = it->carried; i < node->operand_count; i++) {
    const Tensor *x = &it->e->operands[i];
    int axis = axis_of(node_ints_at(node, ATTR_SCAN_INPUT_AXES, i - it->carried, 0), x->rank);
    bool backward = node_ints_at(node, ATTR_SCAN_DIRECTIONS, i - it->carried, 0) != 0;
    inputs[i] = take_slice(arena, x, axis, backward ? length - 1 - step : step);
  }
  bool done = iterate(it, inputs, NULL);
  arena_destroy(arena);
  return done;
}

static bool run_scan(Evaluation *e, Iterations *it) {
  const Node *node = e->node;
  int scanned = (int)node_int(node, ATTR_SCAN_INPUTS);
  int64_t length = -1;
  for (int i = it->carried; i < node->operand_count; i++) {
    const Tensor *x = &e->operands[i];
    int64_t found =
        x->dims[axis_of(node_ints_at(node, ATTR_SCAN_INPUT_AXES, i - it->carried, 0), x->rank)];
    if (length >= 0 && found != length)
      return diag_error(e->run->diag, node->loc, "scan: scanned inputs have %lld and %lld slices",
                        (long long)length, (long long)found);
    length = found;
  }
  for (int64_t step = 0; step < length; step++)
    if (!scan_step(it, step, length)) return false;
  for (int i = 0; i < it->stacked; i++) {
    int result = it->carried + i, rank = e->results[result].rank;
    int axis = axis_of(node_ints_at(node, ATTR_SCAN_OUTPUT_AXES, i, 0), rank);
    bool backward = node_ints_at(node, ATTR_SCAN_DIRECTIONS, scanned + i, 0) != 0;
    if (!stack(e, result, it->slices[i], it->slice_count[i], axis, backward)) return false;
  }
  return finish_carried(it);
}

bool interpret_scan(Evaluation *e) {
  Iterations iterations =
      begin_iterations(e, 0, e->node->operand_count - (int)node_int(e->node, ATTR_SCAN_INPUTS), 0);
  bool done = run_scan(e, &iterations);
  arena_destroy(iterations.current);
  return done;
}
