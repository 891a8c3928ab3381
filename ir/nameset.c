// Open hashing over strings.
#include "ir/nameset.h"

#include <string.h>

typedef struct Entry {
  struct Entry *next;
  const char *name;
  int last_suffix; // tried so far, so that a thousand equal names take linear time
} Entry;

enum { BUCKETS = 4096 };

struct NameSet {
  Arena *arena;
  Entry *buckets[BUCKETS];
};

NameSet *nameset_create(Arena *arena) {
  NameSet *set = NEW(arena, NameSet);
  set->arena = arena;
  return set;
}

static unsigned hash_name(const char *name) {
  unsigned hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return hash % BUCKETS;
}

static Entry *find_entry(const NameSet *set, const char *name) {
  for (Entry *e = set->buckets[hash_name(name)]; e; e = e->next)
    if (!strcmp(e->name, name)) return e;
  return NULL;
}

bool nameset_has(const NameSet *set, const char *name) { return find_entry(set, name) != NULL; }

static const char *add_entry(NameSet *set, const char *name) {
  Entry *entry = NEW(set->arena, Entry), **bucket = &set->buckets[hash_name(name)];
  *entry = (Entry){*bucket, arena_strdup(set->arena, name), 1};
  *bucket = entry;
  return entry->name;
}

const char *nameset_add_unique(NameSet *set, const char *name) {
  Entry *first = find_entry(set, name);
  if (!first) return add_entry(set, name);
  const char *candidate;
  do candidate = arena_printf(set->arena, "%s_%d", name, ++first->last_suffix);
  while (find_entry(set, candidate));
  return add_entry(set, candidate);
}
