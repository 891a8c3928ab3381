// Runs of elements and walks over broadcast shapes.
#include "ir/interpret_values.h"

#include <string.h>

void load_doubles(const Tensor *tensor, int64_t start, int64_t step, int64_t count,
                  double *values) {
  if (tensor->element == F32) {
    const float *data = (const float *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = (double)data[i * step];
  } else if (tensor->element == F64) {
    const double *data = (const double *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = data[i * step];
  } else {
    for (int64_t i = 0; i < count; i++)
      values[i] = element_load(tensor->element, tensor->data, start + i * step);
  }
}

void load_ints(const Tensor *tensor, int64_t start, int64_t step, int64_t count, int64_t *values) {
  if (tensor->element == I64 || tensor->element == U64) {
    const int64_t *data = (const int64_t *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = data[i * step];
  } else if (tensor->element == I8) {
    const int8_t *data = (const int8_t *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = data[i * step];
  } else if (tensor->element == U8) {
    const uint8_t *data = (const uint8_t *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = data[i * step];
  } else if (tensor->element == I32) {
    const int32_t *data = (const int32_t *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) values[i] = data[i * step];
  } else {
    for (int64_t i = 0; i < count; i++)
      values[i] = element_load_int(tensor->element, tensor->data, start + i * step);
  }
}

void store_doubles(Tensor *tensor, int64_t start, int64_t step, int64_t count,
                   const double *values) {
  if (tensor->element == F32) {
    float *data = (float *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) data[i * step] = (float)values[i];
  } else if (tensor->element == F64) {
    double *data = (double *)tensor->data + start;
    for (int64_t i = 0; i < count; i++) data[i * step] = values[i];
  } else {
    bool over_f32 = tensor->element == F16 || tensor->element == BF16;
    for (int64_t i = 0; i < count; i++)
      element_store(tensor->element, tensor->data, start + i * step,
                    over_f32 ? (double)(float)values[i] : values[i]);
  }
}

void store_ints(Tensor *tensor, int64_t start, int64_t step, int64_t count, const int64_t *values) {
  for (int64_t i = 0; i < count; i++)
    element_store_int(tensor->element, tensor->data, start + i * step, values[i]);
}

double *all_doubles(Evaluation *evaluation, const Tensor *tensor) {
  int64_t count = tensor_count(tensor);
  double *values = NEW_ARRAY(evaluation->run->arena, double, count);
  load_doubles(tensor, 0, 1, count, values);
  return values;
}

int64_t *all_ints(Evaluation *evaluation, const Tensor *tensor) {
  int64_t count = tensor_count(tensor);
  int64_t *values = NEW_ARRAY(evaluation->run->arena, int64_t, count);
  load_ints(tensor, 0, 1, count, values);
  return values;
}

void dense_strides(int rank, const int64_t *dims, int64_t *strides) {
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= dims[i];
  }
}

// Appends a dim, or merges it into the one before where every tensor's memory allows it.
static void append_dim(Walk *walk, int64_t dim, int axis, const int64_t (*strides)[MAX_RANK]) {
  int last = walk->rank - 1;
  bool merges = last >= 0;
  for (int t = 0; t < walk->tensors && merges; t++)
    merges = walk->strides[t][last] == strides[t][axis] * dim;
  if (merges)
    walk->dims[last] *= dim;
  else
    walk->dims[++last] = dim;
  for (int t = 0; t < walk->tensors; t++) walk->strides[t][last] = strides[t][axis];
  walk->rank = last + 1;
}

void walk_start(Walk *walk, int rank, const int64_t *dims, int tensors,
                const int64_t (*strides)[MAX_RANK]) {
  *walk = (Walk){.tensors = tensors};
  for (int i = 0; i < rank; i++) {
    if (dims[i] == 0) walk->done = true;
    if (dims[i] != 1) append_dim(walk, dims[i], i, strides);
  }
  if (walk->rank) return;
  walk->rank = 1;
  walk->dims[0] = 1;
}

static bool broadcast_strides(Evaluation *evaluation, const Tensor *operand, int number,
                              int64_t *strides) {
  const Tensor *result = &evaluation->results[0];
  int64_t dense[MAX_RANK];
  dense_strides(operand->rank, operand->dims, dense);
  int lead = result->rank - operand->rank;
  for (int i = 0; i < result->rank; i++) {
    strides[i] = 0;
    if (i < lead || operand->dims[i - lead] == 1) continue;
    if (operand->dims[i - lead] != result->dims[i])
      return diag_error(evaluation->run->diag, evaluation->node->loc,
                        "%s: operand %d has dim %d = %lld, wanted %lld or 1",
                        op_info[evaluation->node->op].text, number, i - lead,
                        (long long)operand->dims[i - lead], (long long)result->dims[i]);
    strides[i] = dense[i - lead];
  }
  return true;
}

bool walk_broadcast(Walk *walk, Evaluation *evaluation, int operands) {
  const Tensor *result = &evaluation->results[0];
  int64_t strides[WALK_TENSORS][MAX_RANK];
  dense_strides(result->rank, result->dims, strides[0]);
  for (int i = 0; i < operands; i++)
    if (!broadcast_strides(evaluation, &evaluation->operands[i], i, strides[i + 1])) return false;
  walk_start(walk, result->rank, result->dims, operands + 1, (const int64_t(*)[MAX_RANK])strides);
  return true;
}

static void advance(Walk *walk) {
  walk->inner = 0;
  for (int i = walk->rank - 2; i >= 0; i--) {
    if (++walk->index[i] < walk->dims[i]) return;
    walk->index[i] = 0;
  }
  walk->done = true;
}

bool walk_next(Walk *walk, Run *run) {
  if (walk->done) return false;
  int last = walk->rank - 1;
  int64_t left = walk->dims[last] - walk->inner;
  run->count = left < RUN_LENGTH ? left : RUN_LENGTH;
  for (int t = 0; t < walk->tensors; t++) {
    run->step[t] = walk->strides[t][last];
    run->start[t] = walk->inner * run->step[t];
    for (int i = 0; i < last; i++) run->start[t] += walk->index[i] * walk->strides[t][i];
  }
  walk->inner += run->count;
  if (walk->inner == walk->dims[last]) advance(walk);
  return true;
}

AxisView axis_view(const Tensor *tensor, int64_t axis) {
  AxisView view = {1, 1, 1};
  if (axis < 0) axis += tensor->rank;
  for (int i = 0; i < tensor->rank; i++) {
    if (i < axis)
      view.outer *= tensor->dims[i];
    else if (i == axis)
      view.length = tensor->dims[i];
    else
      view.inner *= tensor->dims[i];
  }
  return view;
}
