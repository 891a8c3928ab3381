// Types of ops whose data decides a dim of the results, and of roi_align.
#include <string.h>

#include "ir/builder.h"
#include "ir/infer_ops.h"
#include "ir/infer_types.h"
#include "ir/sized.h"

static bool check_numbers(const Node *node, Diag *diag, const Type *x) {
  ElementClass class = element_info[x->element].class;
  if (class != CLASS_STRING && class != CLASS_COMPLEX) return true;
  return refuse(node, diag, "of %s", element_info[x->element].text);
}

bool infer_nonzero(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x || !check_numbers(node, diag, x)) return false;
  if (x->rank < 1) return refuse(node, diag, "of a scalar");
  if (x->quant) return refuse_quantized(node, diag, 0);
  DimTable *table = node_dim_table(node);
  const Dim *dims[2] = {dim_constant(table, x->rank), NULL};
  dims[1] = infer_run_dim(node, 0, 1, 2, 0, dim_high(type_count(table, x)));
  node->results[0]->type = type_tensor(I64, 2, dims);
  return true;
}

bool infer_unique(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  int axis;
  if (!x || !check_numbers(node, diag, x)) return false;
  if (!check_axis(node, diag, node_int(node, ATTR_AXIS), x->rank, &axis)) return false;
  if (!check_quant_per_tensor(node, diag, x)) return false;
  const Dim *size = x->dims[axis];
  const Dim *count = infer_run_dim(node, 0, axis, x->rank, 0, dim_high(size));
  Type values = *x;
  values.dims[axis] = count;
  node->results[0]->type = values;
  node->results[1]->type = type_tensor(I64, 1, &count);
  node->results[2]->type = type_tensor(I64, 1, &size);
  node->results[3]->type = type_tensor(I64, 1, &count);
  return true;
}

// --- non_max_suppression

static bool check_limit(const Node *node, Diag *diag, int operand, ElementType element) {
  const Value *value = node_operand(node, operand);
  if (!value) return true;
  int64_t count;
  bool one = type_max_count(&value->type, &count) && count == 1 && type_is_static(&value->type);
  if (value->type.kind == TYPE_TENSOR && value->type.element == element && one) return true;
  return refuse(node, diag, "operand %d is %s, wanted one %s", operand,
                type_text(node_arena(node), &value->type), element_info[element].text);
}

// How many boxes may be chosen at most.
static const Dim *most_boxes(const Node *node, const Type *boxes, const Type *scores) {
  DimTable *table = node_dim_table(node);
  const Dim *each = boxes->dims[1], *zero = dim_constant(table, 0);
  Tensor limit;
  if (!node_operand(node, 2))
    each = zero;
  else if (value_tensor(node->operands[2], &limit))
    each = dim_min(table, each,
                   dim_max(table, zero, dim_constant(table, element_load_int(I64, limit.data, 0))));
  return dim_mul(table, dim_mul(table, boxes->dims[0], scores->dims[1]), each);
}

bool infer_non_max_suppression(Node *node, Diag *diag) {
  const Type *boxes = tensor_operand(node, 0, diag), *scores = tensor_operand(node, 1, diag);
  if (!boxes || !scores) return false;
  DimTable *table = node_dim_table(node);
  for (int i = 0; i < 2; i++)
    if (node->operands[i]->type.element != F32) return refuse_element(node, diag, i);
  if (boxes->rank != 3 || scores->rank != 3)
    return refuse(node, diag, "boxes of rank %d, scores of rank %d, wanted 3", boxes->rank,
                  scores->rank);
  if (!check_equal_dims(node, diag, "numbers of a box", boxes->dims[2], dim_constant(table, 4)) ||
      !check_equal_dims(node, diag, "images", boxes->dims[0], scores->dims[0]) ||
      !check_equal_dims(node, diag, "boxes", boxes->dims[1], scores->dims[2]) ||
      !check_limit(node, diag, 2, I64) || !check_limit(node, diag, 3, F32) ||
      !check_limit(node, diag, 4, F32))
    return false;
  const Dim *dims[2] = {NULL, dim_constant(table, 3)};
  dims[0] = infer_run_dim(node, 0, 0, 2, 0, dim_high(most_boxes(node, boxes, scores)));
  node->results[0]->type = type_tensor(I64, 2, dims);
  node->results[1]->type = type_tensor(I32, 1, &boxes->dims[1]);
  return true;
}

bool infer_measure(Node *node, Diag *diag) {
  const Type *x = index_operand(node, 0, diag);
  int count;
  int64_t elements;
  const Dim *const *dims = node_dims(node, ATTR_DIMS, &count);
  if (!x) return false;
  if (x->rank > 1 || !type_is_static(x) || !type_max_count(x, &elements) || elements != count ||
      count > MAX_SIZES)
    return refuse(node, diag, "of %s into %d dims", type_text(node_arena(node), x), count);
  for (int i = 0; i < count; i++)
    if (!dim_symbol_name(dims[i]))
      return refuse(node, diag, "dim %s is no symbol", dim_text(node_arena(node), dims[i]));
  node->results[0]->type = *x;
  return true;
}

const Dim *sized_limit(const Node *node) {
  if (node->op == OP_MEASURE) return NULL;
  const Type *x = &node->operands[0]->type;
  if (node->op == OP_NONZERO) return type_count(node_dim_table(node), x);
  if (node->op == OP_NON_MAX_SUPPRESSION) return most_boxes(node, x, &node->operands[1]->type);
  int64_t axis = node_int(node, ATTR_AXIS);
  return x->dims[axis < 0 ? axis + x->rank : axis];
}

// --- roi_align

static bool check_roi_modes(const Node *node, Diag *diag) {
  const char *mode = node_string(node, ATTR_MODE),
             *coordinates = node_string(node, ATTR_COORDINATES);
  if (strcmp(mode, "average") && strcmp(mode, "max"))
    return refuse(node, diag, "mode '%s' is none of average, max", mode);
  if (strcmp(coordinates, "half_pixel") && strcmp(coordinates, "output_half_pixel"))
    return refuse(node, diag, "coordinates '%s' are none of half_pixel, output_half_pixel",
                  coordinates);
  if (node_int(node, ATTR_SAMPLES) < 0 || node_int(node, ATTR_SAMPLES) > 1 << 12)
    return refuse(node, diag, "samples = %lld", (long long)node_int(node, ATTR_SAMPLES));
  return true;
}

bool infer_roi_align(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *rois = tensor_operand(node, 1, diag),
             *images = index_operand(node, 2, diag);
  int sizes;
  const Dim *const *size = node_dims(node, ATTR_SIZES, &sizes);
  if (!x || !rois || !images || !check_roi_modes(node, diag)) return false;
  if (!element_calculates(x->element)) return refuse_element(node, diag, 0);
  if (rois->element != x->element) return refuse_element(node, diag, 1);
  if (x->rank != 4 || rois->rank != 2 || images->rank != 1 || sizes != 2)
    return refuse(node, diag, "operands of rank %d, %d and %d with %d sizes, wanted 4, 2, 1 and 2",
                  x->rank, rois->rank, images->rank, sizes);
  DimTable *table = node_dim_table(node);
  if (!check_sizes(node, diag, size, 2) ||
      !check_equal_dims(node, diag, "numbers of a region", rois->dims[1], dim_constant(table, 4)) ||
      !check_equal_dims(node, diag, "regions", rois->dims[0], images->dims[0]))
    return false;
  const Dim *dims[4] = {dim_known(rois->dims[0], images->dims[0]), size[0], size[1], x->dims[3]};
  node->results[0]->type = type_tensor(x->element, 4, dims);
  return true;
}
