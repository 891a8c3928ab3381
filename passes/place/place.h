// Inside of the pass `place`. The order of its parts is that of this file.
#ifndef TENON_PASSES_PLACE_PLACE_H
#define TENON_PASSES_PLACE_PLACE_H

#include "passes/pass.h"

// Control flow: nodes whose regions are functions with buffers of their own. The regions of other
// ops (fused, epilogues) live in registers and are not placed.
static inline bool is_control_flow(const Node *node) {
  return node->region_count > 0 && !node_has_trait(node, POINTWISE | ACCUMULATES);
}

// --- planes.c: operands of products with compressed weights, in planes
bool place_planes(Graph *graph, PassContext *context);

// --- kernels.c: the attributes kernel_name and tile
void place_choose_kernels(Graph *graph, const PassContext *context);

// --- operands.c: ops with more operands than a kernel takes
bool place_split_operands(Graph *graph, PassContext *context);

// --- outputs.c: copies for outputs that no node can write where they have to be
bool place_legalise_outputs(Graph *graph, PassContext *context);

// A loop's region input `input` that the body gives back unchanged: no buffer, no copy.
bool loop_passes_through(const Node *loop, int result);
// Operands of a loop or scan before those that are carried, the same for region inputs and region
// outputs; and how many are carried.
typedef struct Carried {
  int operand, input, output, count;
} Carried;
Carried node_carried(const Node *node);

// --- order.c: an order with a lower peak, if one is found
void place_order(Graph *graph, Arena *scratch);

// --- memory.c: lifetimes, sharing, offsets
// Values that share memory. One of them holds the place, the others are its aliases.
typedef struct Group {
  PlaceKind kind; // WORKSPACE, INPUT, OUTPUT, WEIGHTS
  Value *holder;
  int64_t bytes;
  int start, end; // of all members together
  int first_member, last_member;
  int64_t offset;
  bool open;             // a member's size has no bound: the dims of a run decide
  bool late;             // not even these do: it has a place when the run knows its size
  const Dim *open_bytes; // of the largest member, as a dim of the model's inputs
} Group;

typedef struct Member {
  Value *value;
  int start, end; // times of the first write and the last read
  int group, next;
} Member;

typedef struct MemoryPlan {
  PassContext *context;
  Graph *graph;
  Member *members; // by Value.mark
  int member_count, member_capacity;
  Group *groups; // by number; merged ones have no members
  int group_count, group_capacity;
  int *node_end; // by the time at which the node starts (Node.mark)
  int time_count;
  bool reuse;
  const Dim **most; // by symbol: what it is at most, as a dim of the model's inputs
} MemoryPlan;

bool place_memory(Graph *graph, PassContext *context, bool reuse);
// lifetimes.c: numbers nodes and values, finds starts and ends
bool plan_lifetimes(MemoryPlan *plan);
// sharing.c: views, in-place results, regions' inputs and outputs
void plan_sharing(MemoryPlan *plan);
// offsets.c: best fit; returns the bytes of the workspace
int64_t plan_offsets(MemoryPlan *plan, int alignment);
// The same for the groups that the caller lists.
typedef struct OffsetItem {
  Group *group;
  int64_t bytes; // rounded up to the alignment
} OffsetItem;
int64_t plan_best_fit(MemoryPlan *plan, OffsetItem *items, int count);
bool plan_live_together(const Group *a, const Group *b);
// open.c: places behind the planned part, for groups without a bound
void plan_find_late(MemoryPlan *plan);
void plan_open(MemoryPlan *plan, int alignment);
bool plan_refuse_unbounded(const MemoryPlan *plan, const Value *value);

static inline Member *plan_member(const MemoryPlan *plan, const Value *value) {
  return &plan->members[value->mark];
}
static inline Group *plan_group(const MemoryPlan *plan, const Value *value) {
  return &plan->groups[plan_member(plan, value)->group];
}

#endif
