// tenon check: can this model be compiled? Everything that is unsupported or wrong, at once.
#include "ir/print.h"
#include "tools/model.h"

Status command_check(Tool *tool) {
  ModelFile file;
  if (!model_open(tool, tool_argument(tool, 0), &file)) return STATUS_REFUSED;
  Module *module = model_load(tool, &file, NULL);
  if (!module || !module_verify(module, NULL, &tool->diag)) return STATUS_REFUSED;
  printf("%s: can be compiled (%d ops)\n", file.path, module->main->node_count);
  return STATUS_DONE;
}
