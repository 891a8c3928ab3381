#include "tools/prepare.h"

#include <string.h>

#include "ir/file.h"
#include "ir/print.h"
#include "passes/pass.h"
#include "tools/data.h"
#include "tools/executor.h"

static bool read_level(Tool *tool, Plan *plan) {
  const char *text = tool_text(tool, OPTION_LEVEL);
  plan->level = 2;
  if (!text) return true;
  plan->optimise_size = strcmp(text, "s") == 0;
  if (plan->optimise_size) return true;
  if (text[0] < '0' || text[0] > '3' || text[1])
    return usage_error("'-O%s': wanted -O0, -O1, -O2, -O3 or -Os", text), false;
  plan->level = text[0] - '0';
  return true;
}

bool plan_make(Tool *tool, bool native, Plan *plan, Status *status) {
  TargetOptions options = {.triple = tool_text(tool, OPTION_TARGET),
                           .march = tool_text(tool, OPTION_MARCH),
                           .mcpu = tool_text(tool, OPTION_MCPU),
                           .mattr = tool_text(tool, OPTION_MATTR),
                           .mabi = tool_text(tool, OPTION_MABI),
                           .mfloat_abi = tool_text(tool, OPTION_MFLOAT_ABI),
                           .mfpu = tool_text(tool, OPTION_MFPU),
                           .mthumb = tool_flag(tool, OPTION_MTHUMB)};
  bool any = options.triple || options.march || options.mcpu || options.mattr || options.mabi ||
             options.mfloat_abi || options.mfpu || options.mthumb;
  *plan = (Plan){0};
  *status = STATUS_USAGE;
  if (!read_level(tool, plan)) return false;
  *status = STATUS_REFUSED;
  plan->target = native && !any ? target_native(tool->arena)
                                : target_select(&options, tool->arena, &tool->diag);
  if (tool_flag(tool, OPTION_REPORT)) {
    plan->report = NEW(tool->arena, Report);
    plan->report->arena = tool->arena;
  }
  return plan->target != NULL;
}

// '@FILE' is the file's text; `#` starts a comment there.
static const char *pipeline_text(Tool *tool) {
  const char *text = tool_text(tool, OPTION_PASSES);
  size_t size;
  if (!text || text[0] != '@') return text ? text : "";
  const uint8_t *bytes = file_map(tool->arena, &tool->diag, text + 1, &size);
  if (!bytes) return NULL;
  char *copy = arena_strndup(tool->arena, (const char *)bytes, size);
  for (char *at = strchr(copy, '#'); at; at = strchr(at, '#'))
    while (*at && *at != '\n') *at++ = ' ';
  return copy;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n")] == 0; }

static const char *chosen_pass(Tool *tool, OptionId id) {
  if (!tool_flag(tool, id)) return NULL;
  const char *text = tool_text(tool, id);
  return *text ? text : "all";
}

bool plan_run_passes(Tool *tool, const Plan *plan, Module *module, bool optimise) {
  const char *text = pipeline_text(tool);
  const char *level = plan->optimise_size ? "s" : arena_printf(tool->arena, "%d", plan->level);
  if (!text) return false;
  if (optimise)
    text = arena_printf(tool->arena, "%s%sdefault<O%s>", text, is_blank(text) ? "" : ", ", level);
  PassContext context = {.module = module,
                         .diag = &tool->diag,
                         .target = plan->target,
                         .report = plan->report,
                         .level = plan->level,
                         .optimise_size = plan->optimise_size,
                         .strict = tool_flag(tool, OPTION_STRICT)};
  const char *io = tool_text(tool, OPTION_IO);
  context.io_workspace = io && strcmp(io, "workspace") == 0;
  context.executor =
      executor_for_passes(tool->arena, tool_text(tool, OPTION_EXECUTOR), &tool->diag);
  if (!context.executor) return false;
  if (tool_flag(tool, OPTION_DATA) && !(context.data = data_for_passes(tool))) return false;
  PipelineOptions options = {.print_before = chosen_pass(tool, OPTION_PRINT_BEFORE),
                             .print_after = chosen_pass(tool, OPTION_PRINT_AFTER),
                             .print_changed = tool_flag(tool, OPTION_PRINT_CHANGED),
                             .stop_after = tool_text(tool, OPTION_STOP_AFTER),
                             .verify = tool_flag(tool, OPTION_VERIFY_EACH),
                             .stats = tool_flag(tool, OPTION_STATS),
                             .time = tool_flag(tool, OPTION_TIME_PASSES),
                             .out = stderr};
  const char *each = tool_text(tool, OPTION_VERIFY_EACH);
  options.verify_run = each && strcmp(each, "run") == 0;
#ifndef NDEBUG
  options.verify = true;
#endif
  if (is_blank(text)) return true;
  context.scratch = arena_create();
  bool done = pipeline_run(text, &context, &options);
  arena_destroy(context.scratch);
  return done && module_verify(module, NULL, &tool->diag);
}

Compiled *plan_compile(Tool *tool, const Plan *plan, Module *module, const char *prefix) {
  const char *io = tool_text(tool, OPTION_IO);
  CodegenOptions options = {.target = plan->target,
                            .prefix = prefix,
                            .level = plan->level,
                            .optimise_size = plan->optimise_size,
                            .pic = tool_flag(tool, OPTION_PIC),
                            .debug = tool_flag(tool, OPTION_DEBUG),
                            .trust_indices = tool_flag(tool, OPTION_TRUST_INDICES),
                            .weights = tool_text(tool, OPTION_WEIGHTS),
                            .io_workspace = io && strcmp(io, "workspace") == 0,
                            .profile = tool_flag(tool, OPTION_PROFILE),
                            .version = TENON_VERSION,
                            .command = options_recorded(tool->arena, &tool->options)};
  if (!options.weights) options.weights = "embed";
  TextList names = tool_value(tool, OPTION_NAME)->list;
  ARENA_PUSH(tool->arena, names.items, names.count, names.capacity, NULL);
  options.names = names.items;
  if (!plan_run_passes(tool, plan, module, true)) return NULL;
  return codegen_module(module, &options, tool->arena, &tool->diag);
}
