// Writing a module as FILE.tir and, if it has large constants, FILE.tir.weights: complete or not at
// all.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/file.h"
#include "ir/hash.h"
#include "ir/print.h"
#include "ir/text.h"
#include "ir/weights.h"

typedef struct Items {
  WeightsItem *items;
  int count, capacity;
} Items;

static void collect(const Graph *graph, Items *items, Arena *arena) {
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->region_count; i++) collect(node->regions[i], items, arena);
    if (!node->constant) continue;
    const Type *type = &node->results[0]->type;
    if (text_constant_form(node->constant, type) != FORM_HASH) continue;
    WeightsItem item = {constant_hash(node->constant, type), node->constant->data,
                        node->constant->bytes};
    ARENA_PUSH(arena, items->items, items->count, items->capacity, item);
  }
}

// --- an OutputFile as a stream

static ssize_t to_sink(void *sink, const char *bytes, size_t size) {
  sink_write(sink, bytes, size);
  return (ssize_t)size;
}

static FILE *stream_of(OutputFile *file) {
  FILE *stream = fopencookie(output_sink(file), "wb", (cookie_io_functions_t){.write = to_sink});
  if (!stream) machine_failed("no memory for a stream");
  return stream;
}

// /dev/null and the like are written to, never replaced.
static bool is_special(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static bool write_weights(const Module *module, const char *path, Arena *arena, Diag *diag) {
  Items items = {0};
  collect(module->main, &items, arena);
  if (!items.count || is_special(path)) return true;
  const char *target = arena_printf(arena, "%s.weights", path);
  OutputFile *file = output_open(arena, diag, target);
  if (!file) return false;
  FILE *stream = stream_of(file);
  bool good = weights_write(stream, items.items, items.count, target, diag);
  good &= fclose(stream) == 0;
  if (good) return output_commit(file, diag);
  output_abort(file);
  return false;
}

static bool write_text(const Module *module, const char *path, Arena *arena, Diag *diag) {
  OutputFile *file = output_open(arena, diag, path);
  if (!file) return false;
  FILE *stream = stream_of(file);
  module_print(stream, module);
  if (fclose(stream)) machine_failed("%s: %s", path, strerror(errno));
  return output_commit(file, diag);
}

bool module_write(const Module *module, const char *path, Diag *diag) {
  Arena *arena = arena_create();
  bool good = write_weights(module, path, arena, diag) && write_text(module, path, arena, diag);
  arena_destroy(arena);
  return good;
}
