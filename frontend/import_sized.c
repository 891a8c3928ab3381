// Operators whose data decides a dim of the results: NonZero, Compress, Unique, NonMaxSuppression.
// RoiAlign, which follows them in detectors.
#include <string.h>

#include "frontend/import.h"
#include "ir/interpret.h"

// A node of constants only has constants as results, whose dims are known then.
static bool sized_outputs(OnnxNode *node, Node *made, int results) {
  Importer *importer = node->importer;
  if (!build_end(&node->builder, made)) return false;
  Tensor *operands = NEW_ARRAY(importer->arena, Tensor, made->operand_count);
  Tensor *known = NEW_ARRAY(importer->arena, Tensor, made->result_count);
  bool constant = true;
  for (int i = 0; i < made->operand_count && constant; i++)
    constant =
        !made->operands[i] || import_constant_value(importer, made->operands[i], &operands[i]);
  if (constant && !interpret_node(made, operands, known, importer->arena, importer->diag))
    return false;
  for (int i = 0; i < results; i++) {
    if (!onnx_wants_output(node, i)) continue;
    Value *result = made->results[i];
    if (constant) result = build_constant_tensor(&node->builder, &known[i], NULL);
    if (!onnx_output(node, i, result)) return false;
  }
  return true;
}

bool import_non_zero(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  if (x->type.rank == 0) x = onnx_unsqueeze(node, x, (int64_t[]){0}, 1);
  return x && sized_outputs(node, build_begin(&node->builder, OP_NONZERO, &x, 1), 1);
}

static Value *as_list(OnnxNode *node, Value *x) {
  const Dim *count = type_count(node->importer->dims, &x->type);
  return x->type.rank == 1 ? x : build_reshape(&node->builder, x, 1, &count);
}

// The positions where the condition holds: constant where it is.
static Value *positions_of(OnnxNode *node, Value *condition) {
  Tensor known;
  if (!onnx_constant_input(node, 1, &known)) {
    Value *places = build_unary(&node->builder, OP_NONZERO, condition);
    return places ? as_list(node, places) : NULL;
  }
  int64_t count = tensor_count(&known), kept = 0;
  int64_t *positions = NEW_ARRAY(node->importer->arena, int64_t, count + 1);
  for (int64_t i = 0; i < count; i++)
    if (element_load_int(BOOL, known.data, i)) positions[kept++] = i;
  return build_ints(&node->builder, positions, kept);
}

bool import_compress(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0), *condition = onnx_input(node, 1);
  int axis = 0;
  if (!onnx_attribute(node, "axis"))
    x = as_list(node, x);
  else if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis))
    return false;
  if (condition->type.element != BOOL || condition->type.rank != 1)
    return onnx_error(node, "the condition is %s, wanted a list of bool",
                      type_text(node->importer->arena, &condition->type));
  Value *positions = x ? positions_of(node, condition) : NULL;
  if (!positions) return false;
  const Dim *room = dim_sub(node->importer->dims, x->type.dims[axis], condition->type.dims[0]);
  bool checked = dim_low(room) < 0; // positions are within the condition
  return onnx_output(node, 0, onnx_gather(node, x, positions, axis, checked));
}

bool import_unique(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0);
  int axis = 0;
  if (!onnx_attribute(node, "axis"))
    x = as_list(node, x);
  else if (!onnx_axis(node, onnx_int(node, "axis", 0), x->type.rank, &axis))
    return false;
  if (!x) return false;
  Node *unique = build_begin(&node->builder, OP_UNIQUE, &x, 1);
  node_set_int(unique, ATTR_AXIS, axis);
  node_set_int(unique, ATTR_SORTED, onnx_int(node, "sorted", 1) != 0);
  return sized_outputs(node, unique, 4);
}

bool import_non_max_suppression(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  static const char *const limits[3] = {"the most boxes for each class",
                                        "the thresholds of overlap", "the thresholds of scores"};
  Value *operands[5] = {NULL};
  int count = 2;
  for (int i = 0; i < 5; i++) {
    if (!onnx_has_input(node, i)) continue;
    operands[i] = onnx_input(node, i);
    if (i >= 2) operands[i] = onnx_of_shape(node, operands[i], limits[i - 2], 0, NULL);
    if (!operands[i]) return false;
    count = i + 1;
  }
  int64_t center = onnx_int(node, "center_point_box", 0);
  if (center != 0 && center != 1)
    return onnx_error(node, "center_point_box is %lld", (long long)center);
  Node *node_made = build_begin(&node->builder, OP_NON_MAX_SUPPRESSION, operands, count);
  node_set_int(node_made, ATTR_CENTER_BOX, center);
  return sized_outputs(node, node_made, 1);
}

// Version 10 has no half pixels; what comes after has, unless it says otherwise.
bool import_roi_align(OnnxNode *node) {
  if (!onnx_need_inputs(node, 3)) return false;
  Value *x = onnx_input(node, 0);
  const char *mode = onnx_string(node, "mode", "avg");
  const char *coordinates = node->version < 16
                                ? "output_half_pixel"
                                : onnx_string(node, "coordinate_transformation_mode", "half_pixel");
  bool max = strcmp(mode, "max") == 0, half = strcmp(coordinates, "half_pixel") == 0;
  if (!max && strcmp(mode, "avg") != 0) return onnx_error(node, "mode '%s'", mode);
  if (!half && strcmp(coordinates, "output_half_pixel") != 0)
    return onnx_error(node, "coordinate_transformation_mode '%s'", coordinates);
  if (x->type.rank != 4) return onnx_error(node, "input of rank %d, wanted 4", x->type.rank);
  const Dim *sizes[2];
  const char *const names[2] = {"output_height", "output_width"};
  for (int i = 0; i < 2; i++) {
    int64_t size = onnx_int(node, names[i], 1);
    if (size < 1 || size > 1 << 20)
      return onnx_error(node, "%s is %lld", names[i], (long long)size);
    sizes[i] = import_dim(node->importer, size);
  }
  Value *last = onnx_channels_last(node, x);
  if (!last) return false;
  Node *align = build_begin(&node->builder, OP_ROI_ALIGN,
                            (Value *[]){last, onnx_input(node, 1), onnx_input(node, 2)}, 3);
  node_set_string(align, ATTR_MODE, max ? "max" : "average");
  node_set_string(align, ATTR_COORDINATES, coordinates);
  node_set_float(align, ATTR_SCALE, onnx_float(node, "spatial_scale", 1));
  node_set_int(align, ATTR_SAMPLES, onnx_int(node, "sampling_ratio", 0));
  node_set_dims(align, ATTR_SIZES, sizes, 2);
  Value *y = build_end(&node->builder, align);
  return onnx_output(node, 0, y ? onnx_channels_first(node, y) : NULL);
}
