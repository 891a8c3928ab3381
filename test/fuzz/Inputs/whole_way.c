#include "test/fuzz/Inputs/whole_way.h"

#include "codegen/codegen.h"
#include "ir/print.h"
#include "passes/pass.h"

bool way_run_passes(Arena *arena, Diag *diag, Module *module, const Way *way) {
  PassContext context = {.module = module, .diag = diag, .target = way->target, .level = way->level, .optimise_size = way->small};
  PipelineOptions options = {.verify = true, .quiet = true};
  context.executor = executor_interpreter(arena);
  context.scratch = arena_create();
  bool done = pipeline_run(way->pipeline, &context, &options);
  arena_destroy(context.scratch);
  return done && module_verify(module, NULL, diag);
}

bool way_make_object(Arena *arena, Diag *diag, const Module *placed, const Way *way) {
  CodegenOptions options = {.target = way->target, .prefix = "fuzz", .level = way->level, .optimise_size = way->small,
                            .weights = "embed", .version = "fuzz", .command = ""};
  Compiled *compiled = codegen_module(placed, &options, arena, diag);
  if (compiled) compiled_sizes(compiled); // emits and links
  return compiled && !diag->errors;
}
