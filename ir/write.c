// Writing a module as FILE.tir and, if it has large constants, FILE.tir.weights: complete or not at
// all.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

// A temporary file in the same folder, so that rename replaces the old one in one step.
static FILE *create_temporary(Arena *arena, const char *path, const char **name, Diag *diag) {
  char *text = arena_printf(arena, "%s.XXXXXX", path);
  int file = mkostemp(text, O_CLOEXEC);
  FILE *stream = file < 0 ? NULL : fdopen(file, "wb");
  if (!stream) diag_error(diag, loc_file(path), "cannot write: %s", strerror(errno));
  *name = text;
  return stream;
}

static bool finish(FILE *stream, const char *temporary, const char *path, bool good, Diag *diag) {
  if (good && (fflush(stream) || ferror(stream)))
    good = diag_error(diag, loc_file(path), "cannot write: %s", strerror(errno));
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fileno(stream), 0666 & ~mask); // as any created file; mkostemp made it private
  if (fclose(stream) && good)
    good = diag_error(diag, loc_file(path), "cannot write: %s", strerror(errno));
  if (good && rename(temporary, path))
    good = diag_error(diag, loc_file(path), "cannot write: %s", strerror(errno));
  if (!good) unlink(temporary);
  return good;
}

static bool write_weights(const Module *module, const char *path, Arena *arena, Diag *diag) {
  Items items = {0};
  collect(module->main, &items, arena);
  if (!items.count) return true;
  const char *target = arena_printf(arena, "%s.weights", path), *temporary;
  FILE *stream = create_temporary(arena, target, &temporary, diag);
  if (!stream) return false;
  bool good = weights_write(stream, items.items, items.count, target, diag);
  return finish(stream, temporary, target, good, diag);
}

bool module_write(const Module *module, const char *path, Diag *diag) {
  Arena *arena = arena_create();
  const char *temporary;
  bool good = write_weights(module, path, arena, diag);
  FILE *stream = good ? create_temporary(arena, path, &temporary, diag) : NULL;
  if (stream) module_print(stream, module);
  good = stream && finish(stream, temporary, path, true, diag);
  arena_destroy(arena);
  return good;
}
