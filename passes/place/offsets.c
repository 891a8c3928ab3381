// Offsets: best fit by decreasing size. Each group takes the tightest gap between the groups that
// live at the same time and already have an offset. Three orders of equal merit for other shapes of
// graphs are tried; the smallest workspace wins.
#include <stdlib.h>

#include "passes/place/place.h"

typedef OffsetItem Item;

static int compare_int64(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int compare_starts(const Item *a, const Item *b) {
  if (a->group->start != b->group->start) return compare_int64(a->group->start, b->group->start);
  return compare_int64(a->group->holder->id, b->group->holder->id);
}

static int by_size(const void *x, const void *y) {
  const Item *a = x, *b = y;
  return a->bytes != b->bytes ? compare_int64(b->bytes, a->bytes) : compare_starts(a, b);
}

static int by_area(const void *x, const void *y) {
  const Item *a = x, *b = y;
  double area_a = (double)a->bytes * (a->group->end - a->group->start + 1);
  double area_b = (double)b->bytes * (b->group->end - b->group->start + 1);
  return area_a != area_b ? (area_b > area_a) - (area_b < area_a) : by_size(x, y);
}

static int by_start(const void *x, const void *y) {
  const Item *a = x, *b = y;
  return a->group->start != b->group->start ? compare_starts(a, b) : by_size(x, y);
}

bool plan_live_together(const Group *a, const Group *b) {
  return a->start <= b->end && b->start <= a->end;
}

static int by_offset(const void *x, const void *y) {
  const Item *a = *(const Item *const *)x, *b = *(const Item *const *)y;
  return compare_int64(a->group->offset, b->group->offset);
}

// `busy`: the items that live together with `item`, by offset.
static int64_t best_gap(const Item *item, const Item **busy, int count) {
  int64_t top = 0, best = -1, best_size = INT64_MAX;
  for (int i = 0; i < count; i++) {
    int64_t gap = busy[i]->group->offset - top;
    if (gap >= item->bytes && gap < best_size) {
      best = top;
      best_size = gap;
    }
    int64_t end = busy[i]->group->offset + busy[i]->bytes;
    if (end > top) top = end;
  }
  return best >= 0 ? best : top;
}

static int64_t assign(Item *items, int count, const Item **busy) {
  int64_t total = 0;
  for (int i = 0; i < count; i++) {
    int busy_count = 0;
    for (int k = 0; k < i; k++)
      if (plan_live_together(items[i].group, items[k].group)) busy[busy_count++] = &items[k];
    qsort(busy, (size_t)busy_count, sizeof(const Item *), by_offset);
    items[i].group->offset = best_gap(&items[i], busy, busy_count);
    int64_t end = items[i].group->offset + items[i].bytes;
    if (end > total) total = end;
  }
  return total;
}

int64_t plan_best_fit(MemoryPlan *plan, OffsetItem *items, int count) {
  static int (*const orders[])(const void *, const void *) = {by_size, by_area, by_start};
  const Item **busy = NEW_ARRAY(plan->context->scratch, const Item *, count + 1);
  int64_t totals[3];
  int best = 0;
  for (int i = 0; i < 3; i++) {
    qsort(items, (size_t)count, sizeof *items, orders[i]);
    totals[i] = assign(items, count, busy);
    if (totals[i] < totals[best]) best = i;
  }
  qsort(items, (size_t)count, sizeof *items, orders[best]);
  return assign(items, count, busy);
}

int64_t plan_offsets(MemoryPlan *plan, int alignment) {
  Item *items = NEW_ARRAY(plan->context->scratch, Item, plan->group_count + 1);
  int count = 0;
  for (int i = 0; i < plan->group_count; i++) {
    Group *group = &plan->groups[i];
    if (group->first_member < 0 || group->kind != PLACE_WORKSPACE || !group->bytes) continue;
    items[count++] = (Item){group, (group->bytes + alignment - 1) / alignment * alignment};
  }
  return plan_best_fit(plan, items, count);
}
