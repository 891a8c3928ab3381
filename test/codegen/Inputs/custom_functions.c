/* Functions of the custom operators of custom_models.py. */
#include "tenon.h"

#include <stdio.h>
#include <string.h>

static int text(char *out, size_t room, const tenon_tensor *tensor) {
  int at = 0;
  size_t i, count = tenon_count(tensor);
  if (!tensor->data) return snprintf(out, room, "absent type %d rank %d", (int)tensor->type, (int)tensor->rank);
  at += snprintf(out, room, "type %d [", (int)tensor->type);
  for (i = 0; i < (size_t)tensor->rank; i++) at += snprintf(out + at, room - (size_t)at, "%s%d", i ? "," : "", (int)tensor->dims[i]);
  at += snprintf(out + at, room - (size_t)at, "]");
  if (tensor->type == TENON_I4) count = (count + 1) / 2; /* bytes */
  for (i = 0; i < count; i++) {
    const void *data = tensor->data;
    const tenon_string *string = (const tenon_string *)data + i;
    if (tensor->type == TENON_F32) at += snprintf(out + at, room - (size_t)at, " %g", (double)((const float *)data)[i]);
    if (tensor->type == TENON_I64) at += snprintf(out + at, room - (size_t)at, " %lld", (long long)((const int64_t *)data)[i]);
    if (tensor->type == TENON_U16 || tensor->type == TENON_F16) at += snprintf(out + at, room - (size_t)at, " %x", ((const uint16_t *)data)[i]);
    if (tensor->type == TENON_BOOL || tensor->type == TENON_I4) at += snprintf(out + at, room - (size_t)at, " %x", ((const uint8_t *)data)[i]);
    if (tensor->type == TENON_STRING) at += snprintf(out + at, room - (size_t)at, " %d:%.*s", (int)string->bytes, (int)string->bytes, string->data);
  }
  return at;
}

/* What it got, as text. */
int test_describe(const tenon_custom *call) {
  char *out = (char *)call->outputs[0].data;
  size_t room = tenon_count(&call->outputs[0]), at = 0;
  int i;
  memset(out, '\n', room);
  for (i = 0; i < call->input_count; i++, at++) {
    at += (size_t)sprintf(out + at, "input %d: ", i);
    at += (size_t)text(out + at, room - at, &call->inputs[i]);
  }
  for (i = 0; i < call->attribute_count; i++, at++) {
    at += (size_t)sprintf(out + at, "attribute %s: ", call->attributes[i].name);
    at += (size_t)text(out + at, room - at, &call->attributes[i].value);
  }
  at += (size_t)sprintf(out + at, "i is %lld, f is %g, missing is %g, ", (long long)tenon_int_attribute(call, "i", 7),
                        (double)tenon_float_attribute(call, "f", 7), (double)tenon_float_attribute(call, "fss", 7));
  at += (size_t)sprintf(out + at, "outputs %d, workspace %d aligned %d", (int)call->output_count, (int)call->workspace_bytes,
                        (int)((uintptr_t)call->workspace % sizeof(void *) == 0));
  if (call->workspace) memset(call->workspace, 0xee, call->workspace_bytes);
  memset(out + at, '\n', room - at);
  for (i = 0; i < (int)room; i++)
    if (!out[i]) out[i] = '\n'; /* ends of texts */
  return 0;
}

int test_scale(const tenon_custom *call) {
  float factor = tenon_float_attribute(call, "factor", 0);
  size_t i, count = tenon_count(&call->inputs[0]);
  if (count != tenon_count(&call->outputs[0])) return -1;
  for (i = 0; i < count; i++) ((float *)call->outputs[0].data)[i] = factor * ((const float *)call->inputs[0].data)[i];
  return 0;
}

/* x + the number of calls so far, for each run that begins with x = 100. */
int test_count(const tenon_custom *call) {
  static int calls;
  *(float *)call->outputs[0].data = *(const float *)call->inputs[0].data + (float)calls++;
  return 0;
}

/* Fails with 7 where the first element is negative; else every element is the number of elements. */
int test_shape(const tenon_custom *call) {
  const tenon_tensor *y = &call->outputs[0];
  size_t i, count = tenon_count(y);
  if (*(const float *)call->inputs[0].data < 0) return 7;
  for (i = 0; i < count; i++) ((float *)y->data)[i] = (float)count;
  return 0;
}

/* The strings from the last to the first, every second one a string of the function's own. */
int test_strings(const tenon_custom *call) {
  const tenon_string *x = (const tenon_string *)call->inputs[0].data, fixed = {"static", 6};
  size_t i, count = tenon_count(&call->inputs[0]);
  for (i = 0; i < count; i++) ((tenon_string *)call->outputs[0].data)[i] = i % 2 ? fixed : x[count - 1 - i];
  return 0;
}
