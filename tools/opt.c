// tenon opt: runs passes and prints the IR.
#include <string.h>

#include "ir/print.h"
#include "passes/report.h"
#include "tools/prepare.h"

Status command_opt(Tool *tool) {
  ModelFile file;
  Plan plan;
  Status status;
  const char *path = tool_text(tool, OPTION_OUTPUT);
  if (!plan_make(tool, false, &plan, &status)) return status;
  if (!model_open(tool, tool_argument(tool, 0), &file)) return STATUS_REFUSED;
  Module *module = model_load(tool, &file, NULL, BIND_SHAPES);
  if (!module || !module_verify(module, NULL, &tool->diag)) return STATUS_REFUSED;
  // -O asks for its pipeline; without it only --passes run.
  if (!plan_run_passes(tool, &plan, module, tool_flag(tool, OPTION_LEVEL))) return STATUS_REFUSED;
  if (plan.report && !report_write(plan.report, tool_text(tool, OPTION_REPORT), &tool->diag))
    return STATUS_REFUSED;
  if (path && strcmp(path, "-") != 0)
    return module_write(module, path, &tool->diag) ? STATUS_DONE : STATUS_REFUSED;
  module_print(stdout, module);
  return STATUS_DONE;
}
