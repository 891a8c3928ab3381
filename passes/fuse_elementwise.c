// fuse_elementwise - groups of pointwise nodes with results of one shape become one `fused` node:
//   y = f(x), z = g(y, w)   ->   z = fused(x, w) { y = f(x), z = g(y, w) }
// Values in between stay in registers. A value that is read elsewhere too becomes a second result,
// which saves reading it again. Nothing is computed twice; operands of other shapes are only
// broadcast. Needs: fuse_epilogue before, which is worth more. Leaves: single pointwise nodes as
// they are.
#include "passes/fuse.h"

static bool find_group(Node *seed, FuseGroup *group) {
  *group = (FuseGroup){
      .graph = seed->graph, .shape = &seed->results[0]->type, .members = {seed}, .count = 1};
  fuse_grow(group, seed);
  fuse_pull(group);
  return fuse_cut(group, 2, MAX_GROUP_RESULTS);
}

static bool fuse(const FuseGroup *group) {
  Builder builder = builder_before(group->members[group->count - 1]);
  Node *fused = build_begin_results(&builder, OP_FUSED, group->operands, group->operand_count,
                                    group->result_count);
  if (!fused || !fuse_fill_region(group, node_add_region(fused, "body")) ||
      !build_end(&builder, fused))
    return false;
  fuse_replace(group, fused);
  return true;
}

static bool fits(const FuseGroup *group) { return group->operand_count > 0; }

bool pass_fuse_elementwise(Graph *graph, PassContext *context) {
  fuse_number_nodes(graph);
  FuseGroup group;
  for (Node *node = graph->first, *next; node; node = next) {
    next = node->next;
    if (!node_has_trait(node, POINTWISE) || !fuse_is_candidate(node, &node->results[0]->type))
      continue;
    if (!find_group(node, &group) || !fits(&group)) continue;
    while (next && fuse_is_member(&group, next)) next = next->next;
    if (!fuse(&group)) return false;
    context->changed += group.count;
  }
  return true;
}
