#include "tools/executor.h"

#include <string.h>

#include "codegen/codegen.h"
#include "ir/target.h"
#include "ir/tensor.h"
#include "passes/pass.h"

typedef struct Choice {
  Executor *compiled, *interpreter;
} Choice;

struct Program {
  Executor *executor; // the one that took it
  Program *program;
};

static bool place(Module *module, const Target *target, Diag *diag) {
  PassContext context = {
      .module = module, .diag = diag, .target = target, .level = 2, .scratch = arena_create()};
  PipelineOptions options = {.out = stderr};
  bool done = pipeline_run("default<O2>", &context, &options);
  arena_destroy(context.scratch);
  return done;
}

// What the code generator refuses is not the user's business as long as the interpreter takes it.
static Program *prepare(Executor *executor, const Graph *graph, Arena *arena, Diag *diag) {
  const Choice *choice = executor->state;
  Program *program = NEW(arena, Program);
  Diag quiet;
  diag_init(&quiet, arena, NULL);
  program->executor = choice->compiled;
  program->program = choice->compiled->prepare(choice->compiled, graph, arena, &quiet);
  if (program->program) return program;
  program->executor = choice->interpreter;
  program->program = choice->interpreter->prepare(choice->interpreter, graph, arena, diag);
  return program->program ? program : NULL;
}

static bool run(Executor *executor, Program *program, const Tensor *inputs, Tensor *outputs,
                Arena *arena, Diag *diag) {
  (void)executor;
  return program->executor->run(program->executor, program->program, inputs, outputs, arena, diag);
}

static const Target *target_of_row(Arena *arena, const char *row, Diag *diag) {
  if (!row) { // machines that can run the default agree to the last bit
    const Target *usual = target_select(&(TargetOptions){0}, arena, diag);
    return usual && target_runs_here(usual) ? usual : target_native(arena);
  }
  const Target *target = target_find(row);
  if (target && target_runs_here(target)) return target;
  diag_error(diag, (Loc){0},
             target ? "--executor=%s: this machine cannot run that code"
                    : "--executor=%s: there is no such row (tenon targets)",
             row);
  diag_note(diag, (Loc){0}, "this machine's best row is %s", target_native(arena)->name);
  return NULL;
}

Executor *executor_for_passes(Arena *arena, const char *row, Diag *diag) {
  if (row && strcmp(row, "interpreter") == 0) return executor_interpreter(arena);
  const Target *target = target_of_row(arena, row, diag);
  if (!target) return NULL;
  Executor *executor = NEW(arena, Executor);
  Choice *choice = NEW(arena, Choice);
  *choice = (Choice){executor_jit(arena, target, place), executor_interpreter(arena)};
  *executor = (Executor){.row = target->name, .state = choice, .prepare = prepare, .run = run};
  return executor;
}
