// tenon check: can this model be compiled? Everything that is unsupported or wrong, at once.
#include "ir/print.h"
#include "tools/prepare.h"

Status command_check(Tool *tool) {
  ModelFile file;
  Plan plan;
  Status status;
  if (!plan_make(tool, false, &plan, &status)) return status;
  if (!model_open(tool, tool_argument(tool, 0), &file)) return STATUS_REFUSED;
  Module *module = model_load(tool, &file, NULL, BIND_SHAPES);
  if (!module || !module_verify(module, NULL, &tool->diag)) return STATUS_REFUSED;
  model_warn_of_unused_inputs(tool, module);
  int ops = module->main->node_count;
  if (!plan_compile(tool, &plan, module, "model")) return STATUS_REFUSED;
  printf("%s: can be compiled for %s (%d ops)\n", file.path, plan.target->name, ops);
  return STATUS_DONE;
}
