// tenon run: executes a model once, on given or random inputs, or on every sample of a data set.
#include "frontend/npz.h"
#include "tools/data.h"
#include "tools/model.h"
#include "tools/values.h"

static void print_tensor(Arena *arena, const Tensor *tensor) {
  enum { FEW = 8 };
  printf("%s", tensor_shape_text(arena, tensor));
  int64_t count = tensor->list ? 0 : tensor_count(tensor);
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

// An element of a list on a line of its own.
static void print_items(Arena *arena, const Tensor *list) {
  for (int64_t i = 0; list->list && i < list->dims[0]; i++) {
    const Tensor *item = &tensor_items(list)[i];
    if (item->list) {
      print_items(arena, item);
      continue;
    }
    printf("  ");
    print_tensor(arena, item);
  }
}

// Without -o and --expect: what came out, a line each.
static void print_outputs(Arena *arena, const Runnable *runnable, const Tensor *outputs) {
  for (int i = 0; i < runnable->output_count; i++) {
    printf("%s: ", runnable->outputs[i].name);
    print_tensor(arena, &outputs[i]);
    print_items(arena, &outputs[i]);
  }
}

// --data: every sample; the outputs become one array each.
static Status run_set(Tool *tool, Runnable *runnable) {
  Dataset *dataset = data_open(tool);
  const char *path = tool_text(tool, OPTION_OUTPUT);
  if (!dataset) return STATUS_REFUSED;
  if (!path) return usage_error("'run --data' wants -o OUT.npz");
  int64_t count = data_count(tool, dataset);
  int outputs = runnable->output_count;
  if (!count)
    return diag_error(&tool->diag, loc_file(dataset->path), "the data set is empty"),
           STATUS_REFUSED;
  Tensor *results =
      NEW_ARRAY(tool->arena, Tensor, (size_t)count * (size_t)outputs); // by output, then sample
  Tensor *inputs = NEW_ARRAY(tool->arena, Tensor, runnable->input_count),
         *sample = NEW_ARRAY(tool->arena, Tensor, outputs);
  for (int64_t i = 0; i < count; i++) {
    Arena *scratch = arena_create();
    bool done = data_sample(tool, dataset, runnable, i, inputs, scratch) &&
                runnable_run(runnable, inputs, sample, scratch, &tool->diag);
    for (int k = 0; k < outputs && done; k++)
      results[k * count + i] = tensor_copy(tool->arena, &sample[k]);
    arena_destroy(scratch);
    if (!done) return STATUS_REFUSED;
  }
  Tensor *stacked = NEW_ARRAY(tool->arena, Tensor, outputs);
  for (int k = 0; k < outputs; k++) {
    stacked[k] = dataset_stack(tool->arena, &tool->diag, runnable->outputs[k].name,
                               results + k * count, count);
    if (!stacked[k].data) return STATUS_REFUSED;
  }
  return npz_file_write(tool->arena, &tool->diag, path, stacked, outputs) ? STATUS_DONE
                                                                          : STATUS_REFUSED;
}

static Status run_once(Tool *tool, Runnable *runnable, const Tensor *inputs) {
  Tensor *outputs = NEW_ARRAY(tool->arena, Tensor, runnable->output_count);
  const char *path = tool_text(tool, OPTION_OUTPUT);
  Status status = STATUS_DONE;
  if (!runnable_run(runnable, inputs, outputs, tool->arena, &tool->diag)) return STATUS_REFUSED;
  if (path && !outputs_write(tool, runnable, outputs, path)) return STATUS_REFUSED;
  if (!outputs_compare(tool, runnable, outputs, &status)) return STATUS_REFUSED;
  if (!path && !tool_flag(tool, OPTION_EXPECT)) print_outputs(tool->arena, runnable, outputs);
  return status;
}

Status command_run(Tool *tool) {
  if (tool_flag(tool, OPTION_DATA)) {
    Status status;
    Runnable *runnable = runnable_open(tool, tool_argument(tool, 0), &status);
    return runnable ? run_set(tool, runnable) : status;
  }
  Runnable *runnable;
  Tensor *inputs;
  Status status = runnable_with_inputs(tool, 0, 1, &runnable, &inputs);
  return status == STATUS_DONE ? run_once(tool, runnable, inputs) : status;
}
