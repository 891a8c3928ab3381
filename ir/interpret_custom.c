// Custom operators are the user's own code, from a library that was given.
#include "ir/external.h"
#include "ir/interpret_ops.h"

bool interpret_custom(Evaluation *e) {
  const Externals *externals = e->node->graph->module->externals;
  const char *symbol = node_string(e->node, ATTR_SYMBOL);
  for (int i = 0; i < e->node->result_count; i++)
    if (!e->results[i].data)
      return diag_error(e->run->diag, e->node->loc,
                        "custom: nothing says how large result %d, %s, is", i,
                        type_text(e->run->arena, &e->node->results[i]->type));
  void *address = external_find(externals, e->node, e->run->diag);
  if (!address) return false;
  int status = externals->call(address, e);
  return !status || diag_error(e->run->diag, e->node->loc, "custom operator failed: %s returned %d",
                               symbol, status);
}
