// Names of the file and what they stand for.
#include <string.h>

#include "frontend/import.h"

typedef struct NameEntry {
  const char *name;
  Item *item;
} NameEntry;

// Open addressing; the capacity is a power of two and at most half full.
struct NameMap {
  NameEntry *entries;
  size_t count, capacity;
};

static uint64_t name_hash(const char *name) {
  uint64_t hash = 14695981039346656037u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
  return hash;
}

static NameEntry *map_slot(const NameMap *map, const char *name) {
  size_t at = (size_t)name_hash(name) & (map->capacity - 1);
  while (map->entries[at].name && strcmp(map->entries[at].name, name) != 0)
    at = (at + 1) & (map->capacity - 1);
  return &map->entries[at];
}

static void map_grow(Arena *arena, NameMap *map) {
  NameMap bigger = {.count = map->count, .capacity = map->capacity ? 2 * map->capacity : 16};
  bigger.entries = NEW_ARRAY(arena, NameEntry, bigger.capacity);
  for (size_t i = 0; i < map->capacity; i++)
    if (map->entries[i].name) *map_slot(&bigger, map->entries[i].name) = map->entries[i];
  *map = bigger;
}

Scope *scope_create(Importer *importer, Scope *parent, Graph *graph) {
  Scope *scope = NEW(importer->arena, Scope);
  scope->parent = parent;
  scope->graph = graph;
  scope->names = NEW(importer->arena, NameMap);
  scope->call = parent ? parent->call : NULL;
  map_grow(importer->arena, scope->names);
  return scope;
}

Item *scope_define(Importer *importer, Scope *scope, const char *name) {
  NameMap *map = scope->names;
  if (2 * (map->count + 1) > map->capacity) map_grow(importer->arena, map);
  NameEntry *entry = map_slot(map, name);
  if (entry->name) return NULL;
  map->count++;
  *entry = (NameEntry){name, NEW(importer->arena, Item)};
  return entry->item;
}

Item *scope_find_here(const Scope *scope, const char *name) {
  NameEntry *entry = map_slot(scope->names, name);
  return entry->name ? entry->item : NULL;
}

Item *scope_find(const Scope *scope, const char *name) {
  for (; scope; scope = scope->parent) {
    Item *item = scope_find_here(scope, name);
    if (item) return item;
  }
  return NULL;
}

bool scope_shadows(const Scope *scope, const char *name) {
  while ((scope = scope->parent ? scope->parent : scope->outer) != NULL)
    if (scope_find_here(scope, name)) return true;
  return false;
}

bool import_initializer(Importer *importer, Scope *scope, Item *item, const char *name) {
  Loc loc = {.file = importer->module->source, .node = name};
  Tensor tensor;
  if (!onnx_tensor_bytes(importer->file, item->initializer, &tensor)) return false;
  if (tensor.rank > MAX_RANK)
    return diag_error(importer->diag, loc, "rank %d is above %d", tensor.rank, MAX_RANK);
  Builder builder = builder_at_end(scope->graph, loc);
  item->value = build_constant_tensor(&builder, &tensor, name);
  item->initializer = NULL;
  return item->value != NULL;
}
