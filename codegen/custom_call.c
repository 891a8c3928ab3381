// The interpreter's tensors as what a custom operator's function gets (tenon_custom).
#include "codegen/custom_call.h"

#include <string.h>

#include "codegen/list_call.h"

_Static_assert(sizeof(TensorString) == sizeof(tenon_string), "strings are handed over as they are");

static tenon_tensor describe(const Tensor *tensor, Arena *arena) {
  if (!tensor->data) return (tenon_tensor){0};
  size_t *dims = NEW_ARRAY(arena, size_t, tensor->rank + 1);
  for (int i = 0; i < tensor->rank; i++) dims[i] = (size_t)tensor->dims[i];
  return (tenon_tensor){tensor->data, dims, tensor->rank, type_of_element(tensor->element)};
}

static tenon_tensor *describe_all(const Tensor *tensors, int count, Arena *arena) {
  tenon_tensor *list = NEW_ARRAY(arena, tenon_tensor, count + 1);
  for (int i = 0; i < count; i++) list[i] = describe(&tensors[i], arena);
  return list;
}

int custom_call(void *address, Evaluation *e) {
  int (*function)(const tenon_custom *);
  memcpy(&function, &address, sizeof function);
  Arena *arena = e->run->arena;
  const char *const *names;
  int attributes = external_attributes(e->node, arena, &names),
      inputs = e->operand_count - attributes;
  int scratch = node_int(e->node, ATTR_SCRATCH) != 0, outputs = e->node->result_count - scratch;
  tenon_attribute *list = NEW_ARRAY(arena, tenon_attribute, attributes + 1);
  for (int i = 0; i < attributes; i++)
    list[i] = (tenon_attribute){names[i], describe(&e->operands[inputs + i], arena)};
  tenon_context context = {.op = -1};
  tenon_custom call = {.context = &context,
                       .inputs = describe_all(e->operands, inputs, arena),
                       .outputs = describe_all(e->results, outputs, arena),
                       .attributes = list,
                       .workspace = scratch ? e->results[outputs].data : NULL,
                       .workspace_bytes = scratch ? e->results[outputs].bytes : 0,
                       .input_count = inputs,
                       .output_count = outputs,
                       .attribute_count = attributes};
  return function(&call);
}
