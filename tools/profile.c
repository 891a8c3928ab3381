// bench --profile: the compiled model calls a clock before each op; the least time of each counts.
#include "tools/profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegen/codegen.h"
#include "tools/json.h"
#include "tools/work.h"

typedef struct Profile {
  int count;
  double *least, *run; // seconds of each op: in the best run, in the current one
  int current;         // op that runs; -1: none
  double since;
} Profile;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void tick(void *user, int op) {
  Profile *profile = user;
  double time = now();
  if (profile->current >= 0) profile->run[profile->current] += time - profile->since;
  profile->current = op;
  profile->since = now();
}

static bool measure(Tool *tool, Runnable *runnable, const Tensor *inputs, double seconds,
                    Profile *profile) {
  double end = now() + seconds;
  bool first = true;
  do {
    Arena *scratch = arena_create();
    Tensor *outputs = NEW_ARRAY(scratch, Tensor, runnable->output_count);
    memset(profile->run, 0, (size_t)profile->count * sizeof *profile->run);
    profile->current = -1;
    bool done = runnable_run(runnable, inputs, outputs, scratch, &tool->diag);
    arena_destroy(scratch);
    if (!done) return false;
    for (int i = 0; i < profile->count; i++)
      if (first || profile->run[i] < profile->least[i]) profile->least[i] = profile->run[i];
    first = false;
  } while (now() < end);
  return true;
}

static int64_t macs_of(Tool *tool, const Node *node) {
  const DimTable *dims = node->graph->module->dims;
  int symbols = dim_symbol_count(dims);
  int64_t *sample = NEW_ARRAY(tool->arena, int64_t, symbols + 1);
  for (int i = 0; i < symbols; i++)
    sample[i] = dim_symbol_at(dims, i)->low > 0 ? dim_symbol_at(dims, i)->low : 1;
  return work_macs(node, sample);
}

static const char *shape_text(Tool *tool, const Value *value) {
  const char *text = "";
  for (int i = 0; value && i < value->type.rank; i++)
    text = arena_printf(tool->arena, "%s%s%s", text, i ? "x" : "",
                        dim_text(tool->arena, value->type.dims[i]));
  return text;
}

static const char *window_text(Tool *tool, const Node *node) {
  if (node->op != OP_CONV) return "";
  const Type *w = &node->operands[1]->type;
  const char *text = " k";
  for (int i = 1; i < w->rank - 1; i++)
    text = arena_printf(tool->arena, "%s%s%" PRId64, text, i > 1 ? "x" : "", type_dim(w, i));
  return arena_printf(tool->arena, "%s s%" PRId64, text, node_ints_at(node, ATTR_STRIDES, 0, 1));
}

static void print_op(Tool *tool, const Node *node, double seconds, double total, double peak) {
  const char *kernel = node_string(node, ATTR_KERNEL_NAME);
  double gflops = seconds > 0 ? 2e-9 * (double)macs_of(tool, node) / seconds : 0;
  printf("%10.1f %5.1f%% ", seconds * 1e6, 100 * seconds / total);
  if (gflops > 0)
    printf("%8.1f", gflops);
  else
    printf("%8s", "");
  if (gflops > 0 && peak > 0)
    printf(" %4.0f%%", 100 * gflops / peak);
  else
    printf(" %5s", "");
  const char *name = node->loc.node && *node->loc.node ? node->loc.node : node->results[0]->name;
  printf("  %-15s %s <- %s%s  %s\n", kernel ? kernel : op_info[node->op].text,
         shape_text(tool, node->result_count ? node->results[0] : NULL),
         shape_text(tool, node->operand_count ? node->operands[0] : NULL), window_text(tool, node),
         name ? name : "");
}

bool profile_run(Tool *tool, Runnable *runnable, const Tensor *inputs, double seconds) {
  if (!runnable->call || !runnable->compiled)
    return diag_error(&tool->diag, loc_file(runnable->path),
                      "--profile wants a model that is compiled here: .onnx or .tir");
  Profile profile = {.count = 0};
  while (compiled_op(runnable->compiled, profile.count)) profile.count++;
  profile.least = NEW_ARRAY(tool->arena, double, profile.count + 1);
  profile.run = NEW_ARRAY(tool->arena, double, profile.count + 1);
  model_call_set_clock(runnable->call, tick, &profile);
  bool done = measure(tool, runnable, inputs, seconds, &profile);
  model_call_set_clock(runnable->call, NULL, NULL);
  if (!done) return false;
  double peak = profile_peak(), total = 0;
  int64_t macs = 0;
  for (int i = 0; i < profile.count; i++) {
    total += profile.least[i];
    macs += macs_of(tool, compiled_op(runnable->compiled, i));
  }
  printf("%10s %6s %8s %5s  %-15s\n", "us", "time", "GFLOP/s", peak > 0 ? "peak" : "",
         "kernel, result <- operand, name");
  for (int i = 0; i < profile.count; i++)
    print_op(tool, compiled_op(runnable->compiled, i), profile.least[i], total, peak);
  printf("%10.1f us in all ops, %.1f GFLOP/s of products; one core's peak: %.1f\n", total * 1e6,
         total > 0 ? 2e-9 * (double)macs / total : 0, peak);
  return true;
}
