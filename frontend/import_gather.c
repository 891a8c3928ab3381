// Elements by index.
#include <string.h>

#include "frontend/import.h"

bool import_gather(OnnxNode *node) { // Gather, GatherElements
  if (!onnx_need_inputs(node, 2)) return false;
  int axis;
  Value *x = onnx_input(node, 0);
  if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis)) return false;
  if (!onnx_check_indices(node, 1, x->type.dims[axis])) return false;
  Node *gather = build_begin(&node->builder, (OpCode)node->row->argument,
                             (Value *[]){x, onnx_input(node, 1)}, 2);
  node_set_int(gather, ATTR_AXIS, axis);
  return onnx_output(node, 0, build_end(&node->builder, gather));
}

bool import_gather_nd(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int64_t batch = onnx_int(node, "batch_dims", 0);
  if (batch < 0 || batch > MAX_RANK) return onnx_error(node, "batch_dims %lld", (long long)batch);
  if (!onnx_check_index_rows(node, 1, &onnx_input(node, 0)->type, (int)batch)) return false;
  Node *gather = build_begin(&node->builder, OP_GATHER_ND,
                             (Value *[]){onnx_input(node, 0), onnx_input(node, 1)}, 2);
  node_set_int(gather, ATTR_BATCH_DIMS, onnx_int(node, "batch_dims", 0));
  return onnx_output(node, 0, build_end(&node->builder, gather));
}

bool import_scatter(OnnxNode *node) { // Scatter, ScatterElements, ScatterND
  if (!onnx_need_inputs(node, 3)) return false;
  OpCode op = (OpCode)node->row->argument;
  Value *operands[] = {onnx_input(node, 0), onnx_input(node, 1), onnx_input(node, 2)};
  int axis = 0;
  if (op == OP_SCATTER_ELEMENTS &&
      !onnx_axis(node, onnx_int(node, "axis", 0), operands[0]->type.rank, &axis))
    return false;
  const char *reduction = onnx_string(node, "reduction", "none");
  if (strcmp(reduction, "none") != 0 && strcmp(reduction, "add") != 0 &&
      strcmp(reduction, "mul") != 0 && strcmp(reduction, "min") != 0 &&
      strcmp(reduction, "max") != 0)
    return onnx_error(node, "reduction '%s'", reduction);
  bool rows = op == OP_SCATTER_ND;
  if (rows ? !onnx_check_index_rows(node, 1, &operands[0]->type, 0)
           : !onnx_check_indices(node, 1, operands[0]->type.dims[axis]))
    return false;
  Node *scatter = build_begin(&node->builder, op, operands, 3);
  if (op == OP_SCATTER_ELEMENTS) node_set_int(scatter, ATTR_AXIS, axis);
  node_set_string(scatter, ATTR_REDUCTION, reduction);
  return onnx_output(node, 0, build_end(&node->builder, scatter));
}

bool import_one_hot(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *indices = onnx_input(node, 0);
  int axis, count;
  Tensor number;
  const Dim *depth;
  if (!onnx_axis(node, onnx_int(node, "axis", -1), indices->type.rank + 1, &axis)) return false;
  if (element_is_float(onnx_input(node, 1)->type.element) &&
      onnx_constant_input(node, 1, &number) && tensor_count(&number) == 1) {
    depth = import_dim(node->importer, (int64_t)element_load(number.element, number.data, 0));
  } else if (element_is_float(onnx_input(node, 1)->type.element)) {
    Value *whole = onnx_convert(node, onnx_input(node, 1), I64);
    if (!whole || !(depth = onnx_measured_dim(node, whole))) return false;
  } else {
    const Dim *const *dims = onnx_dims_input(node, 1, &count);
    if (!dims) return false;
    if (count != 1) return onnx_error(node, "depth has %d elements, wanted 1", count);
    depth = dims[0];
  }
  if (dim_high(depth) < 0) return onnx_error(node, "negative depth");
  if (element_is_float(indices->type.element)) indices = onnx_convert(node, indices, I64);
  if (!indices) return false;
  // Negative indices count from the end.
  Value *size = build_shape(&node->builder, &depth, 1);
  size = size ? build_reshape(&node->builder, size, 0, NULL) : NULL;
  Value *wide = onnx_convert(node, indices, I64);
  Value *negative = onnx_binary(node, OP_LESS, wide, onnx_scalar_like(node, wide, 0));
  Value *moved = onnx_binary(node, OP_ADD, wide, size);
  Value *wrapped = onnx_where(node, negative, moved, wide);
  if (!wrapped) return false;
  Node *one_hot =
      build_begin(&node->builder, OP_ONE_HOT, (Value *[]){wrapped, onnx_input(node, 2)}, 2);
  node_set_int(one_hot, ATTR_AXIS, axis);
  node_set_dims(one_hot, ATTR_SIZES, &depth, 1);
  return onnx_output(node, 0, build_end(&node->builder, one_hot));
}

// The op wants batch at axis 0 and time at 1 or the other way round.
bool import_reverse_sequence(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  int time, batch, rank = onnx_input(node, 0)->type.rank;
  if (!onnx_axis(node, onnx_int(node, "time_axis", 0), rank, &time) ||
      !onnx_axis(node, onnx_int(node, "batch_axis", 1), rank, &batch))
    return false;
  const Tensor *lengths = import_contents(node->importer, onnx_input(node, 1)).tensor;
  int64_t steps;
  for (int64_t i = 0; lengths && dim_is_constant(onnx_input(node, 0)->type.dims[time], &steps) &&
                      i < tensor_count(lengths);
       i++)
    if (element_load_int(lengths->element, lengths->data, i) < 0 ||
        element_load_int(lengths->element, lengths->data, i) > steps)
      return onnx_error(node, "length %lld of %lld",
                        (long long)element_load_int(lengths->element, lengths->data, i),
                        (long long)steps);
  if (time == batch) return onnx_error(node, "time_axis and batch_axis are both %d", time);
  Node *reverse = build_begin(&node->builder, OP_REVERSE_SEQUENCE,
                              (Value *[]){onnx_input(node, 0), onnx_input(node, 1)}, 2);
  node_set_int(reverse, ATTR_AXIS, time);
  node_set_int(reverse, ATTR_BATCH_DIMS, batch);
  return onnx_output(node, 0, build_end(&node->builder, reverse));
}
