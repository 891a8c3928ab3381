#include "tools/executor.h"

#include "codegen/codegen.h"
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

Executor *executor_for_passes(Arena *arena, const Target *native) {
  Executor *executor = NEW(arena, Executor);
  Choice *choice = NEW(arena, Choice);
  *choice = (Choice){executor_jit(arena, native, place), executor_interpreter(arena)};
  *executor = (Executor){.row = native->name, .state = choice, .prepare = prepare, .run = run};
  return executor;
}
