// Any bytes as a target, a pipeline and a text of the IR: `TARGET PIPELINE`, and from the second
// line on the module, or nothing for the one below. The pipeline is parsed and run; a module that
// it placed becomes an object in memory, where the target is one that there is: most changed inputs
// are fast because theirs is not.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ir/print.h"
#include "passes/pass.h"
#include "test/fuzz/Inputs/whole_way.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A bit of everything that passes look for.
static const char own_module[] = "tenon 1\n"
                                 "symbol N 1..3\n"
                                 "input %x : f32[N,6,6,4]\n"
                                 "%k = const random(seed=1) : f32[8,3,3,4]\n"
                                 "%b = const random(seed=2) : f32[8]\n"
                                 "%c = conv %x, %k, %b {pads=[1,1,1,1]}\n"
                                 "%s = sigmoid %c\n"
                                 "%m = mul %c, %s\n"
                                 "%p = max_pool %m {kernel=[2,2], strides=[2,2]}\n"
                                 "%w = const random(seed=3) : f32[8,16]\n"
                                 "%d = matmul %p, %w\n"
                                 "%r = relu %d\n"
                                 "%v = const random(seed=4) : f32[16,16]\n"
                                 "%e = matmul %r, %v\n"
                                 "%z = softmax %e {axis=-1}\n"
                                 "return %z, %r\n";

// What runs the model takes as long as the model is large, and so do constants.
enum { LARGEST = 1 << 16, MOST_NODES = 200 };

static bool is_small(const Graph *graph) {
  int64_t count;
  if (graph->node_count > MOST_NODES) return false;
  for (int i = 0; i < graph->input_count; i++)
    if (type_is_list(&graph->inputs[i]->type) || !type_max_count(&graph->inputs[i]->type, &count) ||
        count > LARGEST)
      return false;
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->result_count; i++)
      if (node->results[i] && !type_is_list(&node->results[i]->type) &&
          (!type_max_count(&node->results[i]->type, &count) || count > LARGEST))
        return false;
    for (int i = 0; i < node->region_count; i++)
      if (!is_small(node->regions[i])) return false;
  }
  return true;
}

// The steps of a group are repeated, and passes that run the model take their time.
static bool is_short(const char *text) {
  enum { MOST_BYTES = 300 };
  return strlen(text) < MOST_BYTES && !strstr(text, "fixpoint<");
}

static void run(Arena *arena, Diag *diag, char *line, const char *text, size_t size) {
  Way way = {.pipeline = line, .level = 2};
  char *space = strchr(line, ' ');
  if (space) *space = 0, way.pipeline = space + 1;
  const Target *named = target_find(line);
  way.target = named ? named : target_find("cortex-m0plus");
  bool good = pipeline_check(way.pipeline, arena, diag);
  if (good != !diag->errors) __builtin_trap(); // refused without a reason, or accepted with one
  if (!good || !is_short(way.pipeline)) return;
  Module *module = module_parse_text(arena, diag, "/nowhere/fuzz.tir", text, size);
  if (!module || !module_verify(module, NULL, diag) || !is_small(module->main)) return;
  bool placed = way_run_passes(arena, diag, module, &way) && module->main->placed;
  if (placed && named) way_make_object(arena, diag, module, &way);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
  size_t length = end ? (size_t)(end - data) : size, rest = end ? size - length - 1 : 0;
  char *line = arena_strndup(arena, (const char *)data, length);
  run(arena, &diag, line, rest ? (const char *)end + 1 : own_module,
      rest ? rest : sizeof own_module - 1);
  arena_destroy(arena);
  return 0;
}
