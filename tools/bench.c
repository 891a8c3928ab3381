// tenon bench: how long one call takes.
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "tools/json.h"
#include "tools/model.h"
#include "tools/profile.h"
#include "tools/values.h"

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare_times(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct Times {
  Arena *arena;
  double *seconds;
  int count, capacity;
} Times;

// Calls until the time is over, but at least three times, after a tenth of the time as a warm-up.
static bool measure(Tool *tool, Runnable *runnable, const Tensor *inputs, double seconds,
                    Times *times) {
  enum { FEWEST = 3 };
  double begin = now(), warm = begin + seconds / 10, end = begin + seconds;
  for (bool warming = true; warming || now() < end || times->count < FEWEST;) {
    Arena *scratch = arena_create();
    Tensor *outputs = NEW_ARRAY(scratch, Tensor, runnable->output_count);
    double start = now();
    bool done = runnable_run(runnable, inputs, outputs, scratch, &tool->diag);
    double stop = now();
    arena_destroy(scratch);
    if (!done) return false;
    if (!warming)
      ARENA_PUSH(times->arena, times->seconds, times->count, times->capacity, stop - start);
    if (stop >= warm) warming = false;
  }
  qsort(times->seconds, (size_t)times->count, sizeof *times->seconds, compare_times);
  return true;
}

static void print_times(const Tool *tool, const Runnable *runnable, const Times *times) {
  const double *sorted = times->seconds;
  double least = sorted[0] * 1e6, median = sorted[times->count / 2] * 1e6,
         p99 = sorted[(times->count - 1) * 99 / 100] * 1e6;
  printf("%s (%s): min %.1f us, median %.1f us, p99 %.1f us, %d runs\n", runnable->path,
         runnable->how, least, median, p99, times->count);
  if (!tool_flag(tool, OPTION_JSON)) return;
  json_t *json = json_object();
  json_object_set_new(json, "min_us", json_real(least));
  json_object_set_new(json, "median_us", json_real(median));
  json_object_set_new(json, "p99_us", json_real(p99));
  json_object_set_new(json, "runs", json_integer(times->count));
  json_print(json);
  json_decref(json);
}

Status command_bench(Tool *tool) {
  Runnable *runnable;
  Tensor *inputs;
  const OptionValue *seconds = tool_value(tool, OPTION_SECONDS);
  Times times = {.arena = tool->arena};
  Status status = runnable_with_inputs(tool, 0, 1, &runnable, &inputs);
  if (status != STATUS_DONE) return status;
  double length = seconds->given ? seconds->real : 2;
  if (tool_flag(tool, OPTION_PROFILE))
    return profile_run(tool, runnable, inputs, length) ? STATUS_DONE : STATUS_REFUSED;
  if (!measure(tool, runnable, inputs, length, &times)) return STATUS_REFUSED;
  print_times(tool, runnable, &times);
  return STATUS_DONE;
}
