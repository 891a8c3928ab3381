// What the two fusion passes share: groups of pointwise nodes, and their regions.
#ifndef TENON_PASSES_FUSE_H
#define TENON_PASSES_FUSE_H

#include "passes/rewrite.h"

enum { MAX_GROUP = 24, MAX_GROUP_OPERANDS = 12, MAX_GROUP_RESULTS = 3, LOOK_AHEAD = 96 };

// Nodes in execution order, the values that they read from outside (constants of one element go
// into the region instead) and those that are read outside.
typedef struct FuseGroup {
  Graph *graph;
  const Node *producer; // its result is inside too, as the region's first input; NULL: none
  const Type *shape;    // of every member's result
  Node *members[MAX_GROUP];
  int count;
  Value *operands[MAX_GROUP_OPERANDS];
  int operand_count;
  Value *results[MAX_GROUP_RESULTS];
  int result_count;
} FuseGroup;

// Gives every node its position as mark; to be called before a pass fuses, nodes made later get
// the mark of the node that they replace.
void fuse_number_nodes(Graph *graph);
// Pointwise, one result of this shape, plain (not quantized) values, no region.
bool fuse_is_candidate(const Node *node, const Type *shape);
bool fuse_is_member(const FuseGroup *group, const Node *node);
// Collects nodes after `from` that read the group's values, as many as the limits allow.
void fuse_grow(FuseGroup *group, const Node *from);
// Adds producers whose results only the group reads, before its members.
void fuse_pull(FuseGroup *group);
// Finds operands and results. False: more than the limits, or a result is read before the last
// member.
bool fuse_close(FuseGroup *group, int result_limit);
// Cuts the group to its longest beginning that closes; false: none with at least `least` members.
bool fuse_cut(FuseGroup *group, int least, int result_limit);
// Copies the members into `region`, whose inputs are the producer's result (if any) and the
// operands.
bool fuse_fill_region(const FuseGroup *group, Graph *region);
// Replaces the results by those of `node` and removes the members.
void fuse_replace(const FuseGroup *group, Node *node);

#endif
