// Between loading a model and using it: target, passes, code generation, as the options say.
#ifndef TENON_TOOLS_PREPARE_H
#define TENON_TOOLS_PREPARE_H

#include "codegen/codegen.h"
#include "passes/report.h"
#include "tools/model.h"

// What the options of a command ask for; made once.
typedef struct Plan {
  const Target *target;
  int level;
  bool optimise_size;
  Report *report; // NULL: not asked for
} Plan;

// `native`: without target options this machine's processor is meant. False: *status says why.
bool plan_make(Tool *tool, bool native, Plan *plan, Status *status);
// Runs --passes and, with `optimise`, the -O pipeline, which places the model. False: reported.
bool plan_run_passes(Tool *tool, const Plan *plan, Module *module, bool optimise);
// Passes and code generation. NULL: reported.
Compiled *plan_compile(Tool *tool, const Plan *plan, Module *module, const char *prefix);

#endif
