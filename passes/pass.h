// Passes: rewrites of the IR. One file a pass, one row a pass in passes.def.
#ifndef TENON_PASSES_PASS_H
#define TENON_PASSES_PASS_H

#include "ir/executor.h"
#include "ir/graph.h"
#include "ir/target.h"

typedef enum PassClass { PASS_EXACT, PASS_ROUNDING, PASS_LOSSY } PassClass;

typedef enum OptionKind {
  OPTION_INT,
  OPTION_FLOAT,
  OPTION_BOOL,
  OPTION_STRING,
  OPTION_CHOICE
} OptionKind;
typedef struct PassOption {
  const char *name;
  OptionKind kind;
  const char *default_text;
  const char *choices; // "element|neuron|filter"; else NULL
  const char *help;
} PassOption;

// A data set: samples for the inputs of the model (docs/data.md). Owned by the driver.
typedef struct DataSet {
  int64_t count;
  // Fills `inputs` (one tensor per graph input, in order) with sample `index`; false: reported.
  bool (*sample)(struct DataSet *data, const Graph *graph, int64_t index, Tensor *inputs,
                 Arena *arena, Diag *diag);
  void *state;
} DataSet;

typedef struct PassContext {
  Module *module;
  Diag *diag;
  Arena *scratch; // freed after the pass
  const Target *target;
  Executor *executor;    // runs the model; NULL: passes that need it report that
  DataSet *data;         // --data; NULL: none given
  struct Report *report; // rows about layers; NULL: nobody asked
  int level;             // -O0..3
  bool optimise_size, strict;
  bool io_workspace;                // --io=workspace: inputs and outputs lie in the workspace
  const char *const *option_values; // by number of the row's options; defaults filled in
  const struct PassInfo *info;
  int64_t changed; // rewrites made by this pass, for --stats
} PassContext;

typedef struct PassInfo {
  const char *name, *help;
  PassClass class;
  bool (*run)(Graph *graph, PassContext *context); // false: an error was already reported
  bool whole_model; // run once on the model's function; else on every function, inner ones first
  const PassOption *options;
  int option_count;
  const char *after; // passes that must not come later ("fold, place"), "*": none may; may be ""
} PassInfo;

extern const PassInfo pass_info[];
extern const int pass_count;
const PassInfo *pass_find(const char *name);

#define PASS(name, ...) bool pass_##name(Graph *graph, PassContext *context);
#include "passes/passes.def"

int64_t pass_option_int(const PassContext *context, const char *name);
double pass_option_float(const PassContext *context, const char *name);
bool pass_option_bool(const PassContext *context, const char *name);
const char *pass_option_string(const PassContext *context, const char *name);

typedef struct PipelineOptions {
  const char *print_before, *print_after; // pass name or "all"; NULL: none
  bool print_changed;                     // diff
  const char *stop_after;
  bool verify;     // verifier between passes
  bool verify_run; // hold each pass to its class on data
  bool stats, time;
  bool quiet; // run by a pass, not by the user: passes without effect are no cause for a warning
  FILE *out;  // where dumps go (stderr)
} PipelineOptions;

// A pipeline is text: 'prune{sparsity=0.9}, cluster{bits=5}, default<O2>'; @FILE is expanded by the
// driver. `fixpoint<N>(a, b)` repeats passes until none of them changes anything, N times at most.
// Parsed and checked wholly before anything runs. False: reported.
bool pipeline_run(const char *text, PassContext *context, const PipelineOptions *options);
// Only the parsing and checking.
bool pipeline_check(const char *text, Arena *arena, Diag *diag);
const char *pipeline_default(int level, bool optimise_size); // what default<O2> stands for

#endif
