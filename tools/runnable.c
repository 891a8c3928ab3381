// Runnable: one way to call a model, however it is executed.
#include <string.h>

#include "ir/print.h"
#include "tools/model.h"

static PortInfo port_of_value(const Value *value) {
  PortInfo port = {.name = value->name ? value->name : "",
                   .element = value->type.element,
                   .rank = value->type.rank};
  for (int i = 0; i < port.rank; i++) {
    port.low[i] = dim_low(value->type.dims[i]);
    port.high[i] = dim_high(value->type.dims[i]);
    port.dims[i] = port.low[i] == port.high[i] ? port.low[i] : -1;
  }
  return port;
}

static PortInfo *ports_of_values(Arena *arena, Value *const *values, int count) {
  PortInfo *ports = NEW_ARRAY(arena, PortInfo, count);
  for (int i = 0; i < count; i++) ports[i] = port_of_value(values[i]);
  return ports;
}

Runnable *runnable_create(Tool *tool, const ModelFile *file, Module *module) {
  Runnable *runnable = NEW(tool->arena, Runnable);
  const Graph *graph = module->main;
  if (!module_verify(module, NULL, &tool->diag)) return NULL;
  *runnable =
      (Runnable){.path = file->path,
                 .how = "interpreter",
                 .input_count = graph->input_count,
                 .output_count = graph->output_count,
                 .inputs = ports_of_values(tool->arena, graph->inputs, graph->input_count),
                 .outputs = ports_of_values(tool->arena, graph->outputs, graph->output_count)};
  runnable->executor = executor_interpreter(tool->arena);
  runnable->program =
      runnable->executor->prepare(runnable->executor, graph, tool->arena, &tool->diag);
  return runnable->program ? runnable : NULL;
}

Runnable *runnable_open(Tool *tool, const char *path) {
  ModelFile file;
  if (!model_open(tool, path, &file)) return NULL;
  Module *module = model_load(tool, &file, NULL);
  return module ? runnable_create(tool, &file, module) : NULL;
}

bool runnable_run(Runnable *runnable, const Tensor *inputs, Tensor *outputs, Arena *arena,
                  Diag *diag) {
  return runnable->executor->run(runnable->executor, runnable->program, inputs, outputs, arena,
                                 diag);
}

int runnable_find_input(const Runnable *runnable, const char *name) {
  for (int i = 0; i < runnable->input_count; i++)
    if (strcmp(runnable->inputs[i].name, name) == 0) return i;
  return -1;
}
