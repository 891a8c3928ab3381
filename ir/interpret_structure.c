// Constants, shape values, copies, selection.
#include <string.h>

#include "ir/builder.h"
#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"
#include "ir/move.h"

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
  if (x->list) return evaluation->results[0] = *x, true;
  if (evaluation->results[0].bytes)
    memcpy(evaluation->results[0].data, x->data, evaluation->results[0].bytes);
  return true;
}

bool interpret_where(Evaluation *evaluation) {
  Walk walk;
  if (!walk_broadcast(&walk, evaluation, 3)) return false;
  const uint8_t *condition = evaluation->operands[0].data;
  for (Run run; walk_next(&walk, &run);)
    for (int64_t i = 0; i < run.count; i++) {
      int chosen = condition[run.start[1] + i * run.step[1]] ? 1 : 2;
      copy_elements(evaluation->results[0].element, evaluation->results[0].data,
                    run.start[0] + i * run.step[0], evaluation->operands[chosen].data,
                    run.start[chosen + 1] + i * run.step[chosen + 1], 1);
    }
  return true;
}

bool interpret_fused(Evaluation *evaluation) {
  return interpret_region(evaluation->run, evaluation->node->regions[0], evaluation->operands,
                          evaluation->results);
}
