// tenon run: executes a model once, on given or random inputs, or on every sample of a data set.
#include "tools/model.h"
#include "tools/values.h"

// Without -o and --expect: what came out, a line each.
static void print_outputs(const Runnable *runnable, const Tensor *outputs) {
  enum { FEW = 8 };
  for (int i = 0; i < runnable->output_count; i++) {
    const Tensor *tensor = &outputs[i];
    printf("%s: %s[", runnable->outputs[i].name, element_info[tensor->element].text);
    for (int k = 0; k < tensor->rank; k++)
      printf("%s%lld", k ? "," : "", (long long)tensor->dims[k]);
    printf("]");
    int64_t count = tensor_count(tensor);
    for (int64_t k = 0; k < count && k < FEW; k++) {
      if (tensor->element == STR)
        printf(" \"%.*s\"", (int)((TensorString *)tensor->data)[k].length,
               ((TensorString *)tensor->data)[k].data);
      else if (element_info[tensor->element].class == CLASS_COMPLEX)
        printf(" (complex)");
      else if (element_is_float(tensor->element))
        printf(" %.6g", element_load(tensor->element, tensor->data, k));
      else
        printf(" %lld", (long long)element_load_int(tensor->element, tensor->data, k));
    }
    printf(count > FEW ? " ..\n" : "\n");
  }
}

Status command_run(Tool *tool) {
  ModelFile file;
  if (!model_open(tool, tool_argument(tool, 0), &file)) return STATUS_REFUSED;
  Tensor *given = NEW_ARRAY(tool->arena, Tensor, file.input_count);
  if (!inputs_read(tool, &file, 1, given)) return STATUS_REFUSED;
  Module *module = model_load(tool, &file, given);
  Runnable *runnable = module ? runnable_create(tool, &file, module) : NULL;
  if (!runnable) return STATUS_REFUSED;
  Tensor *inputs = NEW_ARRAY(tool->arena, Tensor, runnable->input_count);
  Tensor *outputs = NEW_ARRAY(tool->arena, Tensor, runnable->output_count);
  if (!inputs_complete(tool, &file, given, runnable, inputs)) return STATUS_REFUSED;
  if (!runnable_run(runnable, inputs, outputs, tool->arena, &tool->diag)) return STATUS_REFUSED;
  const char *path = tool_text(tool, OPTION_OUTPUT);
  Status status = STATUS_DONE;
  if (path && !outputs_write(tool, runnable, outputs, path)) return STATUS_REFUSED;
  if (!outputs_compare(tool, runnable, outputs, &status)) return STATUS_REFUSED;
  if (!path && !tool_flag(tool, OPTION_EXPECT)) print_outputs(runnable, outputs);
  return status;
}
