// Code generation: a placed module -> machine code. See docs/codegen.md for the way of the data.
#ifndef TENON_CODEGEN_CODEGEN_H
#define TENON_CODEGEN_CODEGEN_H

#include "ir/executor.h"
#include "ir/graph.h"
#include "ir/target.h"
#include "ir/tensor.h"

typedef struct CodegenOptions {
  const Target *target;
  const char *prefix; // of every symbol, a C identifier
  int level;          // -O0..3
  bool optimise_size; // -Os
  bool pic;           // -fPIC asked for on bare metal
  bool debug;         // -g
  bool trust_indices;
  bool profile; // calls context->reserved[0] before each op, see model_call_set_clock; not for
                // objects
  const char *weights; // "embed", "section:NAME", "file:PATH"
  bool io_workspace;   // --io=workspace: inputs and outputs lie in the workspace
  const char *const
      *names; // --name: "TENSOR=field" of the header's structs, NULL-terminated; NULL: none
  const char *version; // of the compiler, for .tenon and the header
  const char *command; // options as text, for .tenon
} CodegenOptions;

typedef struct Compiled Compiled; // everything that the outputs are made of; owned by the arena

// NULL: reported. The module must have been placed.
Compiled *codegen_module(const Module *module, const CodegenOptions *options, Arena *arena,
                         Diag *diag);

typedef struct CompiledSizes {
  int64_t code, weights, workspace, stack, data, state, decoded;
  bool open; // the workspace needs more, as the dims of a run decide (_shapes)
} CompiledSizes;
CompiledSizes compiled_sizes(Compiled *compiled); // emits and links; all 0: an error was reported

// Outputs. Each writes a temporary file and renames it.
bool compiled_write_object(Compiled *compiled, const char *path, Diag *diag);
bool compiled_write_assembly(Compiled *compiled, const char *path, Diag *diag);
bool compiled_write_llvm(Compiled *compiled, const char *path, bool bitcode, Diag *diag);
bool compiled_write_archive(Compiled *compiled, const char *path, Diag *diag);
bool compiled_write_header(Compiled *compiled, const char *path,
                           Diag *diag); // and tenon.h beside it
bool compiled_write_weights(Compiled *compiled, const char *path, Diag *diag); // --weights=file

// The JIT: a Compiled loaded into this process (the very bytes that compile writes).
typedef struct Loaded Loaded;
Loaded *jit_load(Compiled *compiled, Arena *arena, Diag *diag);
struct tenon_model;
const struct tenon_model *jit_model(const Loaded *loaded);
// Calls a model through its description: any tenon_model, from the JIT or from a shared object.
// Output data lies in `arena`.
typedef struct ModelCall ModelCall; // buffers kept between calls
ModelCall *model_call_create(const struct tenon_model *model, Arena *arena, Diag *diag);
struct tenon_executor;
void model_call_set_executor(ModelCall *call,
                             const struct tenon_executor *executor); // NULL: serial
// Of modules compiled with options.profile: called before each op with its number, and with -1 at
// the end.
typedef void ProfileClock(void *user, int op);
void model_call_set_clock(ModelCall *call, ProfileClock *clock, void *user);
// The node of an op by its number; NULL past the last one.
const Node *compiled_op(const Compiled *compiled, int op);
bool model_call_run(ModelCall *call, const Tensor *inputs, Tensor *outputs, Arena *arena,
                    Diag *diag);

// The JIT as an executor for passes: runs the -O pipeline and code generation on a copy of the
// graph. `place` is the driver's pipeline (passes are not known here).
typedef bool (*PlaceFunction)(Module *module, const Target *target, Diag *diag);
Executor *executor_jit(Arena *arena, const Target *target, PlaceFunction place);

#endif
