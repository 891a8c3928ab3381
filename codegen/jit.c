// Loads a Compiled into this process: the same object bytes that `compile` writes, linked by LLVM's
// JIT.
#include "codegen/codegen.h"

#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>

#include "codegen/internal.h"
#include "ir/external.h"

struct Loaded {
  LLVMOrcLLJITRef jit;
  const struct tenon_model *model;
};

static void dispose(void *object) {
  Loaded *loaded = object;
  LLVMErrorRef error = LLVMOrcDisposeLLJIT(loaded->jit);
  if (error) LLVMConsumeError(error);
}

static bool check(LLVMErrorRef error, Diag *diag) {
  if (!error) return true;
  char *message = LLVMGetErrorMessage(error);
  diag_error(diag, (Loc){0}, "internal error: the compiled model does not load: %s", message);
  LLVMDisposeErrorMessage(message);
  return false;
}

// The bytes stay in `scratch`. The linker copies what it loads, so they are needed until the first
// symbol is found: one object, which is loaded as a whole.
static LLVMMemoryBufferRef object_bytes(Compiled *compiled, Arena *scratch) {
  MemorySink memory;
  memory_sink_init(&memory, scratch);
  if (!compiled_link(compiled)) return NULL;
  memory_sink_reserve(&memory, (size_t)object_image_size(compiled->image));
  if (!object_image_write(compiled->image, &memory.sink)) return NULL;
  return LLVMCreateMemoryBufferWithMemoryRange((const char *)memory.bytes, memory.size,
                                               compiled->options.prefix, false);
}

// The functions of custom operators, which lie in a library of the user's.
static bool define_externals(const Compiled *compiled, LLVMOrcLLJITRef jit,
                             LLVMOrcJITDylibRef library, Arena *arena, Diag *diag) {
  const char *const *symbols = compiled_external_symbols(compiled);
  size_t count = 0;
  LLVMOrcCSymbolMapPair *pairs =
      NEW_ARRAY(arena, LLVMOrcCSymbolMapPair, compiled->custom_count + 1);
  for (; symbols[count]; count++) {
    void *address = external_find(compiled->module->externals,
                                  compiled_external_node(compiled, symbols[count]), diag);
    if (!address) return false;
    pairs[count].Name = LLVMOrcLLJITMangleAndIntern(jit, symbols[count]);
    pairs[count].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)address;
    pairs[count].Sym.Flags = (LLVMJITSymbolFlags){
        LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
  }
  return !count ||
         check(LLVMOrcJITDylibDefine(library, LLVMOrcAbsoluteSymbols(pairs, count)), diag);
}

static Loaded *load(Compiled *compiled, LLVMMemoryBufferRef object, Arena *arena, Diag *diag) {
  Loaded *loaded = NEW(arena, Loaded);
  if (!check(LLVMOrcCreateLLJIT(&loaded->jit, LLVMOrcCreateLLJITBuilder()), diag)) return NULL;
  arena_on_destroy(arena, dispose, loaded);
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(loaded->jit);
  if (!define_externals(compiled, loaded->jit, library, arena, diag)) return NULL;
  if (!check(LLVMOrcLLJITAddObjectFile(loaded->jit, library, object), diag)) return NULL;
  LLVMOrcExecutorAddress address = 0;
  const char *name = arena_printf(arena, "%s_model", compiled->interface->prefix);
  if (!check(LLVMOrcLLJITLookup(loaded->jit, &address, name), diag)) return NULL;
  loaded->model = (const struct tenon_model *)(uintptr_t)address;
  return loaded;
}

Loaded *jit_load(Compiled *compiled, Arena *arena, Diag *diag) {
  Arena *scratch = arena_create();
  LLVMMemoryBufferRef object = object_bytes(compiled, scratch);
  Loaded *loaded = object ? load(compiled, object, arena, diag) : NULL;
  arena_destroy(scratch);
  return loaded;
}

const struct tenon_model *jit_model(const Loaded *loaded) { return loaded->model; }

// --- as an executor for passes

typedef struct JitState {
  const Target *target;
  PlaceFunction place;
} JitState;

struct Program {
  ModelCall *call;
};

static Program *prepare(Executor *executor, const Graph *graph, Arena *arena, Diag *diag) {
  const JitState *state = executor->state;
  Module *copy = module_clone(arena, diag, graph->module);
  if (!copy || !state->place(copy, state->target, diag)) return NULL;
  CodegenOptions options = {.target = state->target, .prefix = "jit", .level = 2, .version = ""};
  Compiled *compiled = codegen_module(copy, &options, arena, diag);
  Loaded *loaded = compiled ? jit_load(compiled, arena, diag) : NULL;
  if (!loaded) return NULL;
  Program *program = NEW(arena, Program);
  program->call = model_call_create(loaded->model, arena, diag);
  return program->call ? program : NULL;
}

static bool run(Executor *executor, Program *program, const Tensor *inputs, Tensor *outputs,
                Arena *arena, Diag *diag) {
  (void)executor;
  return model_call_run(program->call, inputs, outputs, arena, diag);
}

Executor *executor_jit(Arena *arena, const Target *target, PlaceFunction place) {
  Executor *executor = NEW(arena, Executor);
  JitState *state = NEW(arena, JitState);
  *state = (JitState){target, place};
  *executor = (Executor){.row = target->name, .state = state, .prepare = prepare, .run = run};
  return executor;
}
