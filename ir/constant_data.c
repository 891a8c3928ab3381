// Sweeps the bytes of constants. See constant_data.h for the rules.
#include "ir/constant_data.h"

#include <assert.h>
#include <stdlib.h>

// A copy may outlive the module that it was made from, and a copy of the copy both, so the object
// is in no module's arena: whoever points into it holds it.
typedef struct ConstantData {
  Arena *bytes;
  Arena *lists;               // of what this one holds
  struct ConstantData **held; // of modules that this one's is a copy of
  int held_count, held_capacity;
  int holders;
  size_t after; // bytes of the arena after the last sweep
} ConstantData;

static void drop(void *object) {
  ConstantData *data = object;
  if (--data->holders) return;
  for (int i = 0; i < data->held_count; i++) drop(data->held[i]);
  arena_destroy(data->bytes);
  arena_destroy(data->lists);
  free(data);
}

void constant_data_create(Module *module) {
  ConstantData *data = calloc(1, sizeof *data);
  if (!data) machine_failed("out of memory");
  *data = (ConstantData){.bytes = arena_create(), .lists = arena_create(), .holders = 1};
  module->data = data;
  arena_on_destroy(module->arena, drop, data);
}

void constant_data_share(Module *to, const Module *from) {
  ConstantData *holder = to->data, *held = from->data;
  if (holder == held) return;
  for (int i = 0; i < holder->held_count; i++)
    if (holder->held[i] == held) return;
  held->holders++;
  ARENA_PUSH(holder->lists, holder->held, holder->held_count, holder->held_capacity, held);
}

Arena *module_data(const Module *module) { return module->data->bytes; }

// --- the sweep

typedef struct Addresses {
  Arena *arena;
  const void **items;
  int count, capacity;
} Addresses;

static void collect(Addresses *addresses, const Graph *graph) {
  for (const Node *node = graph->first; node; node = node->next) {
    if (node->constant && node->constant->bytes)
      ARENA_PUSH(addresses->arena, addresses->items, addresses->count, addresses->capacity,
                 node->constant->data);
    for (int i = 0; i < node->region_count; i++) collect(addresses, node->regions[i]);
  }
}

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)*(const void *const *)a, y = (uintptr_t)*(const void *const *)b;
  return x < y ? -1 : x > y;
}

static bool points_into(void *user, const void *begin, const void *end) {
  const Addresses *addresses = user;
  int low = 0, high = addresses->count; // the first that is not below `begin`
  while (low < high) {
    int middle = low + (high - low) / 2;
    if ((uintptr_t)addresses->items[middle] < (uintptr_t)begin)
      low = middle + 1;
    else
      high = middle;
  }
  return low < addresses->count && (uintptr_t)addresses->items[low] < (uintptr_t)end;
}

void module_trim(Module *module, size_t growth) {
  ConstantData *data = module->data;
  if (arena_bytes(data->bytes) < data->after + growth) return;
  arena_evict_mappings(module->arena);
  if (data->holders == 1) { // else a copy of the module may use what this one does not
    Addresses addresses = {.arena = arena_create()};
    collect(&addresses, module->main);
    if (addresses.count)
      qsort(addresses.items, (size_t)addresses.count, sizeof *addresses.items, by_address);
    arena_sweep(data->bytes, points_into, &addresses);
    arena_destroy(addresses.arena);
  }
  data->after = arena_bytes(data->bytes);
}
