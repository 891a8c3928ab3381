// tenon opt: runs passes and prints the IR.
#include <string.h>

#include "ir/print.h"
#include "tools/model.h"

Status command_opt(Tool *tool) {
  ModelFile file;
  const char *path = tool_text(tool, OPTION_OUTPUT);
  if (!model_open(tool, tool_argument(tool, 0), &file)) return STATUS_REFUSED;
  Module *module = model_load(tool, &file, NULL);
  if (!module || !module_verify(module, NULL, &tool->diag)) return STATUS_REFUSED;
  if (path && strcmp(path, "-") != 0)
    return module_write(module, path, &tool->diag) ? STATUS_DONE : STATUS_REFUSED;
  module_print(stdout, module);
  return STATUS_DONE;
}
