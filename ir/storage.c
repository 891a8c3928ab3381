// Lists of storage stages.
#include "ir/storage.h"

#include <assert.h>

static const char *const stage_texts[STAGE_COUNT] = {
#define STAGE(name, text, help) [STAGE_##name] = text,
#include "ir/storage.def"
};

const char *stage_text(StageKind kind) { return stage_texts[kind]; }

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
