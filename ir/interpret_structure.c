// Constants, shape values, copies, selection.
#include <string.h>

#include "ir/builder.h"
#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

bool interpret_const(Evaluation *evaluation) {
  Tensor tensor;
  if (!value_tensor(evaluation->node->results[0], &tensor)) return false;
  if (tensor.bytes) memcpy(evaluation->results[0].data, tensor.data, tensor.bytes);
  return true;
}

bool interpret_shape(Evaluation *evaluation) {
  int count;
  const Dim *const *dims = node_dims(evaluation->node, ATTR_DIMS, &count);
  int64_t *values = evaluation->results[0].data;
  for (int i = 0; i < count; i++) {
    Type one = type_tensor(I64, 1, &dims[i]);
    type_evaluate(&one, evaluation->run->symbols, &values[i]);
    if (values[i] < 0)
      return diag_error(evaluation->run->diag, evaluation->node->loc,
                        "shape: the value of %s is not known",
                        dim_text(evaluation->run->arena, dims[i]));
  }
  return true;
}

bool interpret_pack(Evaluation *evaluation) { return interpret_copy(evaluation); }

bool interpret_copy(Evaluation *evaluation) {
  const Tensor *x = &evaluation->operands[0];
  if (evaluation->results[0].bytes)
    memcpy(evaluation->results[0].data, x->data, evaluation->results[0].bytes);
  return true;
}

static void copy_element(Tensor *to, int64_t to_index, const Tensor *from, int64_t from_index) {
  size_t bytes = (size_t)element_info[from->element].bits / 8;
  if (bytes)
    memcpy((char *)to->data + to_index * (int64_t)bytes,
           (const char *)from->data + from_index * (int64_t)bytes, bytes);
  else if (element_is_float(from->element))
    element_store(to->element, to->data, to_index,
                  element_load(from->element, from->data, from_index));
  else
    element_store_int(to->element, to->data, to_index,
                      element_load_int(from->element, from->data, from_index));
}

bool interpret_where(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 3)) return false;
  const uint8_t *condition = evaluation->operands[0].data;
  for (Run run; walk_next(&walk, &run);)
    for (int64_t i = 0; i < run.count; i++) {
      int chosen = condition[run.start[1] + i * run.step[1]] ? 1 : 2;
      copy_element(&evaluation->results[0], run.start[0] + i * run.step[0],
                   &evaluation->operands[chosen], run.start[chosen + 1] + i * run.step[chosen + 1]);
    }
  return true;
}

bool interpret_fused(Evaluation *evaluation) {
  return interpret_region(evaluation->run, evaluation->node->regions[0], evaluation->operands,
                          evaluation->results);
}
