// Operands: a kernel takes a bounded number of them. A concat of more is made of smaller ones; its
// data is copied once for each factor of MOST_PARTS, so that thousands of parts take a few copies.
#include <string.h>

#include "ir/builder.h"
#include "passes/place/place.h"
#include "passes/rewrite.h"

enum { MOST_PARTS = 32 };

static bool split_concat(Node *node, PassContext *context) {
  Builder builder = builder_before(node);
  int64_t axis = node_int(node, ATTR_AXIS);
  int count = node->operand_count;
  Value **parts = NEW_ARRAY(context->scratch, Value *, count);
  memcpy(parts, node->operands, (size_t)count * sizeof *parts);
  while (count > MOST_PARTS) {
    int made = 0;
    for (int i = 0; i < count; i += MOST_PARTS) {
      int some = count - i < MOST_PARTS ? count - i : MOST_PARTS;
      Value *part = some == 1 ? parts[i] : build_concat(&builder, parts + i, some, axis);
      if (!part) return false;
      parts[made++] = part;
    }
    count = made;
  }
  Value *whole = build_concat(&builder, parts, count, axis);
  if (!whole) return false;
  rewrite_value(node->results[0], whole);
  node_remove(node);
  return true;
}

bool place_split_operands(Graph *graph, PassContext *context) {
  for (Node *node = graph->first, *next; node; node = next) {
    next = node->next;
    if (node->op == OP_CONCAT && node->operand_count > MOST_PARTS && !split_concat(node, context))
      return false;
  }
  return true;
}
