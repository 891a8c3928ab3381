// fuse_epilogue - pointwise nodes behind a convolution or matrix product move into its epilogue:
//   g(f(x, w), y) = f(x, w, y) epilogue (r, y) { g(r, y) }
// They run while the sums are still in registers, instead of reading and writing the whole tensor
// once more. All values in between must be read there only; what else they read becomes further
// operands. Needs: fold_affine before, which leaves less to do. Leaves: nothing behind.
#include "passes/fuse.h"

enum { MAX_EXTRA = 6, MAX_EPILOGUE = 12 };

static bool may_own_epilogue(const Node *node) {
  return node_has_trait(node, ACCUMULATES) && !node->region_count &&
         !node->results[0]->type.quant && element_is_float(node->results[0]->type.element);
}

// Types that an epilogue calculates with.
static bool types_fit(const FuseGroup *group) {
  for (int i = 0; i < group->count; i++)
    if (!element_is_float(group->members[i]->results[0]->type.element)) return false;
  for (int i = 0; i < group->operand_count; i++)
    if (!element_is_float(group->operands[i]->type.element)) return false;
  return group->operand_count <= MAX_EXTRA;
}

static bool find_group(Node *product, FuseGroup *group) {
  *group = (FuseGroup){
      .graph = product->graph, .producer = product, .shape = &product->results[0]->type};
  fuse_grow(group, product);
  if (group->count > MAX_EPILOGUE) group->count = MAX_EPILOGUE;
  for (; group->count > 0; group->count--)
    if (fuse_close(group, 1) && group->results[0] == group->members[group->count - 1]->results[0] &&
        types_fit(group))
      return true;
  return false;
}

static bool fuse(Node *product, const FuseGroup *group) {
  Builder builder = builder_before(group->members[group->count - 1]);
  builder.loc = product->loc;
  Node *fused = begin_like(&builder, product, product->operands, product->operand_count);
  if (!fused) return false;
  for (int i = 0; i < group->operand_count; i++) node_add_operand(fused, group->operands[i]);
  if (!fuse_fill_region(group, node_add_region(fused, "epilogue")) || !build_end(&builder, fused))
    return false;
  fuse_replace(group, fused);
  node_remove(product);
  return true;
}

bool pass_fuse_epilogue(Graph *graph, PassContext *context) {
  fuse_number_nodes(graph);
  FuseGroup group;
  for (Node *node = graph->first, *next; node; node = next) {
    next = node->next;
    if (!may_own_epilogue(node) || !find_group(node, &group)) continue;
    while (next && fuse_is_member(&group, next)) next = next->next;
    if (!fuse(node, &group)) return false;
    context->changed += group.count;
  }
  return true;
}
