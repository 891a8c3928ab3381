// A model as the commands meet it: a file of one of several formats, loaded with the options that
// shape it, made ready to run.
#ifndef TENON_TOOLS_MODEL_H
#define TENON_TOOLS_MODEL_H

#include "frontend/inputs.h"
#include "ir/executor.h"
#include "ir/graph.h"
#include "tools/tool.h"

typedef enum ModelFormat { FORMAT_ONNX, FORMAT_TEXT, FORMAT_SHARED, FORMAT_OBJECT } ModelFormat;

typedef struct ModelFile {
  ModelFormat format;
  const char *path;
  FileInput *inputs; // what is known before loading
  int input_count;
  Module *parsed; // FORMAT_TEXT
} ModelFile;

// Looks into the file: which format, which inputs. A shared object's inputs are known when it is
// loaded. False: reported.
bool model_open(Tool *tool, const char *path, ModelFile *file);

// How far values that are given for inputs shape the module.
typedef enum Binding {
  BIND_SHAPES, // open dims get the dims of the given tensors
  BIND_VALUES  // and shapes that depend on the values of inputs are computed: right for these only
} Binding;

// Values of inputs that are known already, one for each of file->inputs: data NULL where there is
// none. `given` may be NULL. NULL: reported.
Module *model_load(Tool *tool, const ModelFile *file, const Tensor *given, Binding binding);

void model_warn_of_unused_inputs(Tool *tool, const Module *module);

// What runs: an interpreted module, a compiled one, or a shared object.
typedef struct PortInfo {
  const char *name;
  ValueKind kind; // of a list: no more is said
  ElementType element;
  int rank;
  int64_t dims[MAX_RANK];   // -1: open
  int64_t sample[MAX_RANK]; // dims that fit together, small: for made-up inputs
  float scale;              // quantized as a whole: floats become codes by it; 0: plain
  int32_t zero;
  Tensor keys;        // of the columns: files have maps instead of rows; data NULL: none
  bool is_map_values; // of a map, whose keys are the input before
} PortInfo;

// The inputs as files have them, where a map is one; returns how many.
int file_inputs_of_ports(Arena *arena, const PortInfo *ports, int count, FileInput *inputs);
// What the module says of its inputs or outputs.
PortInfo *ports_of_values(Arena *arena, const Module *module, Value *const *values, int count);

typedef struct Runnable {
  const char *path, *how; // "interpreter", "compiled", "shared object"
  PortInfo *inputs, *outputs;
  int input_count, output_count;
  Executor *executor; // interpreter; else NULL
  Program *program;
  struct ModelCall *call;    // compiled code
  struct Compiled *compiled; // what it was made of; NULL: a shared object
} Runnable;

// Passes run on the module as the options say; without --interpret it is compiled for this machine.
// A shared object needs no module. NULL: reported, *status says how.
Runnable *runnable_create(Tool *tool, const ModelFile *file, Module *module, Status *status);
// Opens, loads and prepares in one step. The first sample of --data gives open dims their values.
Runnable *runnable_open(Tool *tool, const char *path, Status *status);
// Outputs lie in `arena`.
bool runnable_run(Runnable *runnable, const Tensor *inputs, Tensor *outputs, Arena *arena,
                  Diag *diag);
// Fills file->inputs of a shared object with what its description says.
void model_describe_runnable(Tool *tool, ModelFile *file, const Runnable *runnable);
int runnable_find_input(const Runnable *runnable, const char *name); // -1: none

#endif
