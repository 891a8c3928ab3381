/* The operators that scorer.onnx needs and ONNX does not have. Freestanding C99: for Linux and
 * firmware alike. */
#include "scorer.h"

/* y = x moved toward 0 by `threshold`, and 0 within it. */
int acme_soft_threshold(const tenon_custom *call) {
  const float *x = (const float *)call->inputs[0].data;
  float *y = (float *)call->outputs[0].data;
  float threshold = tenon_float_attribute(call, "threshold", 0.5f);
  size_t i, count = tenon_count(&call->inputs[0]);
  if (call->inputs[0].type != TENON_F32 || threshold < 0) return 1;
  for (i = 0; i < count; i++)
    y[i] = x[i] > threshold ? x[i] - threshold : x[i] < -threshold ? x[i] + threshold : 0;
  return 0;
}

/* Of each row the columns in the order of weight * value, and the largest of these. The products of
   a row lie in the workspace, that of --custom {workspace=4*in0.1}. */
int acme_weighted_rank(const tenon_custom *call) {
  const float *x = (const float *)call->inputs[0].data;
  const tenon_tensor *weights = tenon_find_attribute(call, "weights"),
                     *order = tenon_find_attribute(call, "order");
  size_t rows = call->inputs[0].dims[0], columns = call->inputs[0].dims[1], row, i, k;
  int32_t *rank = (int32_t *)call->outputs[0].data;
  float *best = (float *)call->outputs[1].data, *products = (float *)call->workspace;
  if (!weights || weights->type != TENON_F32 || tenon_count(weights) != columns) return 1;
  if (!order || order->type != TENON_STRING || ((const tenon_string *)order->data)->data[0] != 'd')
    return 2;
  if (call->workspace_bytes < columns * sizeof *products) return 3;
  for (row = 0; row < rows; row++, x += columns, rank += columns) {
    for (i = 0; i < columns; i++) {
      products[i] = x[i] * ((const float *)weights->data)[i];
      for (k = i; k > 0 && products[i] > products[rank[k - 1]]; k--) rank[k] = rank[k - 1];
      rank[k] = (int32_t)i;
    }
    best[row] = products[rank[0]];
  }
  return 0;
}
