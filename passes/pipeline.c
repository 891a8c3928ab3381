// The runner: executes a pipeline and does what concerns every pass: timing, statistics, dumps,
// verification, and the warning for a named pass that found nothing to do.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/constant_data.h"
#include "ir/print.h"
#include "passes/pipeline.h"

typedef struct StepRecord {
  double seconds;
  int64_t changed;
  int runs;
  int64_t nodes_before, nodes_after;
} StepRecord;

typedef struct Runner {
  PassContext *context;
  const PipelineOptions *options;
  Pipeline pipeline;
  StepRecord *records;
} Runner;

#define CLEAN "simplify_control, canonicalise, common_subexpressions, dead_code"
#define CODES                                                                                      \
  "fixpoint<8>(dead_code, fold_constants, " CLEAN                                                  \
  ", sink_transposes, dead_code, fuse_qdq), dead_code, fold_constants{dequantize=true}, "

#define REWRITE                                                                                    \
  "fixpoint<8>(dead_code, fold_constants, " CLEAN                                                  \
  ", sink_transposes, dead_code, recognise, fold_affine), "                                        \
  "fixpoint<8>(flatten_products, canonicalise, common_subexpressions, dead_code), "                \
  "fold_constants, dead_code, "
#define FUSE "tabulate, dead_code, fuse_epilogue, fuse_elementwise, dead_code, place"

// First what imported models say of codes becomes integer ops, then weights that stay floats are
// unfolded. The order behind that: what recognise looks for, fold_affine would spread over
// neighbouring constants. dead_code first: fold_constants takes the place of weights only if the
// node that they were rewritten from is gone.
const char *pipeline_default(int level, bool optimise_size) {
  (void)optimise_size; // the same rewrites make code small and fast
  if (level <= 0) return "dead_code, place";
  if (level == 1) return CODES "fixpoint<8>(fold_constants, " CLEAN "), place";
  if (level == 2) return CODES REWRITE FUSE;
  return CODES REWRITE "winograd, dead_code, " FUSE;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int64_t count_nodes(const Graph *graph) {
  int64_t count = graph->node_count;
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->region_count; i++) count += count_nodes(node->regions[i]);
  return count;
}

// --- running one pass

// Bodies of pointwise ops belong to their kernel: passes that rewrite functions leave them alone.
static bool owns_functions(const Node *node) {
  return node->region_count > 0 && !node_has_trait(node, POINTWISE | ACCUMULATES);
}

static bool run_on_each(const PassInfo *info, Graph *graph, PassContext *context) {
  FOR_EACH_NODE (node, graph) {
    if (!owns_functions(node)) continue;
    for (int i = 0; i < node->region_count; i++)
      if (!run_on_each(info, node->regions[i], context)) return false;
  }
  return info->run(graph, context);
}

// -fstrict: no pass of the -O pipeline may round differently; a named one does as it was told.
static bool is_refused(const Runner *runner, const Step *step) {
  return runner->context->strict && (!step->named || runner->options->quiet) &&
         step->info->class != PASS_EXACT;
}

static bool run_pass(Runner *runner, const Step *step, StepRecord *record) {
  PassContext *context = runner->context;
  Graph *graph = context->module->main;
  Arena *outer = context->scratch;
  context->scratch = arena_create();
  context->option_values = step->values;
  context->info = step->info;
  context->changed = 0;
  if (!record->runs) record->nodes_before = runner->options->stats ? count_nodes(graph) : 0;
  double begin = now();
  bool done = step->info->whole_model ? step->info->run(graph, context)
                                      : run_on_each(step->info, graph, context);
  record->seconds += now() - begin;
  record->changed += context->changed;
  record->runs++;
  if (runner->options->stats) record->nodes_after = count_nodes(graph);
  arena_destroy(context->scratch);
  context->scratch = outer;
  module_trim(context->module, TRIM_GROWTH);
  return done;
}

// --- what surrounds it

static bool is_chosen(const char *choice, const PassInfo *info) {
  return choice && (!strcmp(choice, "all") || !strcmp(choice, info->name));
}

static void print_module(const Runner *runner, const char *when, const PassInfo *info) {
  fprintf(runner->options->out, "; --- IR %s %s\n", when, info->name);
  module_print(runner->options->out, runner->context->module);
}

static void print_changes(const Runner *runner, const PassInfo *info, const char *before) {
  char *after = module_to_text(runner->context->module);
  if (strcmp(before, after) != 0) {
    fprintf(runner->options->out, "; --- changed by %s\n", info->name);
    print_text_diff(runner->options->out, before, after);
  }
  free(after);
}

static bool verify_after(const Runner *runner, const PassInfo *info, const Module *before) {
  const PipelineOptions *options = runner->options;
  const Module *module = runner->context->module;
  if ((options->verify || options->verify_run) &&
      !module_verify(module, info->name, runner->context->diag))
    return false;
  return !before || check_same_results(before, module, runner->context, options);
}

static bool run_step(Runner *runner, int index) {
  const Step *step = &runner->pipeline.steps[index];
  const PipelineOptions *options = runner->options;
  PassContext *context = runner->context;
  context->changed = 0;
  if (is_refused(runner, step)) return true;
  if (is_chosen(options->print_before, step->info)) print_module(runner, "before", step->info);
  char *text = options->print_changed ? module_to_text(context->module) : NULL;
  Arena *kept = options->verify_run ? arena_create() : NULL;
  const Module *before = kept ? module_clone(kept, context->diag, context->module) : NULL;
  bool good = run_pass(runner, step, &runner->records[index]);
  if (good && text) print_changes(runner, step->info, text);
  free(text);
  if (good && is_chosen(options->print_after, step->info))
    print_module(runner, "after", step->info);
  good = good && verify_after(runner, step->info, before);
  arena_destroy(kept);
  return good;
}

static void warn_if_idle(const Runner *runner, int index) {
  const Step *step = &runner->pipeline.steps[index];
  const StepRecord *record = &runner->records[index];
  if (!step->named || step->group >= 0 || runner->options->quiet || record->changed ||
      !record->runs)
    return;
  diag_warning(runner->context->diag, loc_file(runner->context->module->source),
               "pass '%s' changed nothing", step->info->name);
}

static void print_statistics(const Runner *runner) {
  FILE *out = runner->options->out;
  for (int i = 0; i < runner->pipeline.count; i++) {
    const StepRecord *record = &runner->records[i];
    if (!record->runs) continue;
    fprintf(out, "; %-24s", runner->pipeline.steps[i].info->name);
    if (runner->options->stats)
      fprintf(out, " %6lld rewrites  %6lld -> %lld nodes", (long long)record->changed,
              (long long)record->nodes_before, (long long)record->nodes_after);
    if (record->runs > 1) fprintf(out, "  %d runs", record->runs);
    if (runner->options->time) fprintf(out, "  %9.3f ms", record->seconds * 1e3);
    fputc('\n', out);
  }
}

// Runs the steps [begin, end) of one group until a round changes nothing.
static bool run_group(Runner *runner, int begin, int end, bool *stop) {
  const Step *steps = runner->pipeline.steps;
  int rounds = steps[begin].group >= 0 ? steps[begin].repeats : 1;
  for (int round = 0; round < rounds && !*stop; round++) {
    int64_t changed = 0;
    for (int i = begin; i < end && !*stop; i++) {
      if (!run_step(runner, i)) return false;
      changed += runner->context->changed;
      *stop =
          runner->options->stop_after && !strcmp(runner->options->stop_after, steps[i].info->name);
    }
    if (!changed) break;
  }
  return true;
}

static bool run_all(Runner *runner) {
  const Step *steps = runner->pipeline.steps;
  bool stop = false;
  for (int begin = 0, end; begin < runner->pipeline.count && !stop; begin = end) {
    for (end = begin + 1; end < runner->pipeline.count; end++)
      if (steps[begin].group < 0 || steps[end].group != steps[begin].group) break;
    if (!run_group(runner, begin, end, &stop)) return false;
    for (int i = begin; i < end; i++) warn_if_idle(runner, i);
  }
  return true;
}

static bool known_or_all(const char *choice, const char *option, Diag *diag) {
  if (!choice || !strcmp(choice, "all") || pass_find(choice)) return true;
  return diag_error(diag, loc_file(option), "there is no pass '%.40s' (see 'tenon passes')",
                    choice);
}

bool pipeline_run(const char *text, PassContext *context, const PipelineOptions *options) {
  Arena *arena = arena_create();
  Runner runner = {.context = context, .options = options};
  bool good = known_or_all(options->print_before, "--print-before", context->diag) &&
              known_or_all(options->print_after, "--print-after", context->diag) &&
              known_or_all(options->stop_after, "--stop-after", context->diag) &&
              pipeline_parse(text, arena, context->diag, &runner.pipeline);
  if (good) {
    runner.records = NEW_ARRAY(arena, StepRecord, runner.pipeline.count + 1);
    good = run_all(&runner);
    module_trim(context->module, 0);
    if (good && options->out && (options->stats || options->time)) print_statistics(&runner);
  }
  arena_destroy(arena);
  return good;
}
