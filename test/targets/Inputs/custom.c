/* Functions of custom.tir: freestanding C99. */
#include "tenon.h"

static int put(int64_t *told, int at, const tenon_tensor *tensor) {
  int i;
  told[at++] = tensor->type * 100 + tensor->rank * 10 + (tensor->data != 0);
  for (i = 0; i < tensor->rank; i++) told[at++] = (int64_t)tensor->dims[i];
  return at;
}

/* y = scale * x by way of the workspace; told: what the call says. */
int test_mix(const tenon_custom *call) {
  const float *x = (const float *)call->inputs[0].data;
  float *y = (float *)call->outputs[0].data, *scratch = (float *)call->workspace, scale = tenon_float_attribute(call, "scale", 0);
  int64_t *told = (int64_t *)call->outputs[1].data;
  const tenon_tensor *mode = tenon_find_attribute(call, "mode"), *table = tenon_find_attribute(call, "table");
  const tenon_string *names = (const tenon_string *)call->inputs[3].data;
  size_t i, count = tenon_count(&call->inputs[0]);
  int at = 0;
  if (!mode || !table || call->workspace_bytes != count * sizeof *scratch || call->reserved) return 1;
  if (tenon_find_attribute(call, "tab") || tenon_int_attribute(call, "scale", 5) != 5) return 2;
  for (i = 0; i < count; i++) scratch[i] = scale * x[i];
  for (i = 0; i < count; i++) y[i] = scratch[i];
  for (i = 0; i < 4; i++) at = put(told, at, &call->inputs[i]);
  for (i = 0; i < 3; i++) at = put(told, at, &call->attributes[i].value);
  at = put(told, at, &call->outputs[0]);
  told[at++] = ((const int64_t *)call->inputs[2].data)[1];
  told[at++] = (int64_t)(names[0].bytes * 100 + names[1].bytes * 10 + names[2].bytes) * 1000 + names[2].data[4];
  told[at++] = ((const tenon_string *)mode->data)->data[3] * 100 + (int64_t)((const tenon_string *)mode->data)->bytes;
  told[at++] = ((const int16_t *)table->data)[2];
  told[at++] = call->input_count * 100 + call->output_count * 10 + call->attribute_count;
  return at > 24 ? 3 : 0;
}

int test_scale(const tenon_custom *call) {
  size_t i, count = tenon_count(&call->outputs[0]);
  for (i = 0; i < count; i++)
    ((float *)call->outputs[0].data)[i] = tenon_float_attribute(call, "factor", 0) * ((const float *)call->inputs[0].data)[i];
  return 0;
}
