// Lists of storage stages.
#include "ir/storage.h"

#include <assert.h>
#include <string.h>

static const char *const stage_texts[STAGE_COUNT] = {
#define STAGE(name, text, help) [STAGE_##name] = text,
#include "ir/storage.def"
};

static const char *const layout_texts[] = {[LAYOUT_DENSE] = "dense",
                                           [LAYOUT_PANELS] = "panels",
                                           [LAYOUT_PANELS_DOT] = "panels_dot",
                                           [LAYOUT_ROWS] = "rows",
                                           [LAYOUT_ROWS_BLOCK] = "rows_block"};
enum { LAYOUT_COUNT = sizeof layout_texts / sizeof *layout_texts };

const char *stage_text(StageKind kind) { return stage_texts[kind]; }

bool stage_parse(const char *text, StageKind *kind) {
  for (int i = 0; i < STAGE_COUNT; i++)
    if (!strcmp(text, stage_texts[i])) return *kind = (StageKind)i, true;
  return false;
}

const char *layout_text(LayoutKind kind) {
  return (int)kind < LAYOUT_COUNT ? layout_texts[kind] : "unknown";
}

bool layout_parse(const char *text, LayoutKind *kind) {
  for (int i = 0; i < LAYOUT_COUNT; i++)
    if (!strcmp(text, layout_texts[i])) return *kind = (LayoutKind)i, true;
  return false;
}

const Stage *storage_find(const Storage *storage, StageKind kind) {
  for (int i = 0; i < storage->count; i++)
    if (storage->stages[i].kind == kind) return &storage->stages[i];
  return NULL;
}

void storage_drop(Storage *storage, StageKind kind) {
  int kept = 0;
  for (int i = 0; i < storage->count; i++)
    if (storage->stages[i].kind != kind) storage->stages[kept++] = storage->stages[i];
  storage->count = kept;
}

void storage_set(Storage *storage, Stage stage) {
  storage_drop(storage, stage.kind);
  assert(storage->count < MAX_STAGES && "one stage of a kind");
  int at = storage->count++;
  for (; at > 0 && storage->stages[at - 1].kind > stage.kind; at--)
    storage->stages[at] = storage->stages[at - 1];
  storage->stages[at] = stage;
}
