// Types of resize and grid_sample.
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"
#include "ir/resize.h"

#include <string.h>

bool infer_resize(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x || !resize_check(node, diag)) return false;
  int size_count, scale_count, roi_count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &size_count);
  const double *scales = node_floats(node, ATTR_SCALES, &scale_count);
  node_floats(node, ATTR_ROI, &roi_count);
  if (size_count != x->rank || (scale_count && scale_count != x->rank) ||
      (roi_count && roi_count != 2 * x->rank))
    return refuse(node, diag, "%d sizes, %d scales, %d roi for rank %d", size_count, scale_count,
                  roi_count, x->rank);
  for (int i = 0; i < scale_count; i++)
    if (!(scales[i] > 0) || scales[i] > 1e9)
      return refuse(node, diag, "scale %g of axis %d", scales[i], i);
  if (!check_sizes(node, diag, sizes, size_count)) return false;
  bool nearest = !strcmp(node_string(node, ATTR_MODE), "nearest");
  ElementClass class = element_info[x->element].class;
  if (!nearest && (class == CLASS_STRING || class == CLASS_COMPLEX || class == CLASS_BOOLEAN))
    return refuse(node, diag, "mode %s of %s", node_string(node, ATTR_MODE),
                  element_info[x->element].text);
  Type result = *x;
  for (int i = 0; i < x->rank; i++) {
    if (x->quant && x->quant->axis == i && sizes[i] != x->dims[i])
      return refuse(node, diag, "quantization axis %d cannot be resized", i);
    result.dims[i] = sizes[i];
  }
  node->results[0]->type = result;
  return true;
}

static bool check_grid_modes(const Node *node, Diag *diag) {
  const char *mode = node_string(node, ATTR_MODE), *padding = node_string(node, ATTR_PADDING_MODE);
  if (strcmp(mode, "nearest") && strcmp(mode, "linear") && strcmp(mode, "cubic"))
    return refuse(node, diag, "mode '%s' is none of nearest, linear, cubic", mode);
  if (strcmp(padding, "zeros") && strcmp(padding, "border") && strcmp(padding, "reflection"))
    return refuse(node, diag, "padding '%s' is none of zeros, border, reflection", padding);
  return true;
}

bool infer_grid_sample(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag), *grid = tensor_operand(node, 1, diag);
  if (!x || !grid || !check_grid_modes(node, diag)) return false;
  if (!element_is_float(grid->element) ||
      !(element_is_float(x->element) || element_is_integer(x->element)))
    return refuse(node, diag, "%s at %s coordinates", element_info[x->element].text,
                  element_info[grid->element].text);
  if (x->rank < 3 || grid->rank != x->rank)
    return refuse(node, diag, "operand of rank %d, grid of rank %d", x->rank, grid->rank);
  DimTable *table = node_dim_table(node);
  if (!check_equal_dims(node, diag, "batch", x->dims[0], grid->dims[0]) ||
      !check_equal_dims(node, diag, "coordinates per point", grid->dims[x->rank - 1],
                        dim_constant(table, x->rank - 2)) ||
      !check_quant_per_tensor(node, diag, x))
    return false;
  Type result = *x;
  result.dims[0] = dim_known(x->dims[0], grid->dims[0]);
  for (int i = 1; i < x->rank - 1; i++) result.dims[i] = grid->dims[i];
  node->results[0]->type = result;
  return true;
}
