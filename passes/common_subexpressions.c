// common_subexpressions - of equal pure nodes, and of equal constants, the first one stays.
// Equal: op, attributes, operands (in any order where the op is commutative), types of the results.
// Needs: nothing. Leaves: nodes without a use.
#include <string.h>

#include "passes/rewrite.h"

enum { BUCKETS = 1 << 14 };

typedef struct Entry {
  struct Entry *next;
  Node *node;
} Entry;

static uint64_t mix(uint64_t hash, uint64_t value) {
  return (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15) ^ (hash >> 29);
}

// Cheap: the bytes of a large constant are compared only with those of one that starts the same.
static uint64_t hash_node(const Node *node) {
  uint64_t hash = mix(node->op, (uint64_t)node->operand_count), operands = 0;
  for (int i = 0; i < node->operand_count; i++) {
    uint64_t id = node->operands[i] ? (uint64_t)node->operands[i]->id + 1 : 0;
    operands += mix(id, node_has_trait(node, COMMUTATIVE) ? 0 : (uint64_t)i);
  }
  hash = mix(hash, operands);
  for (int i = 0; i < node->attribute_count; i++) hash = mix(hash, node->attributes[i].id);
  if (!node->constant) return hash;
  hash = mix(hash, node->constant->bytes);
  const unsigned char *bytes = node->constant->data;
  for (size_t i = 0; i < node->constant->bytes && i < 64; i++) hash = mix(hash, bytes[i]);
  return hash;
}

static bool same_operands(const Node *a, const Node *b) {
  if (a->operand_count != b->operand_count) return false;
  bool same = true;
  for (int i = 0; i < a->operand_count; i++) same &= a->operands[i] == b->operands[i];
  if (same || !node_has_trait(a, COMMUTATIVE)) return same;
  return a->operands[0] == b->operands[1] && a->operands[1] == b->operands[0];
}

static bool same_attributes(const Node *a, const Node *b) {
  if (a->attribute_count != b->attribute_count) return false;
  for (int i = 0; i < a->attribute_count; i++)
    if (!attribute_equal(&a->attributes[i], &b->attributes[i])) return false;
  return true;
}

static bool same_constant(const Constant *a, const Constant *b) {
  if (!a || !b) return a == b;
  if (a->storage.count || b->storage.count || a->record || b->record || a->bytes != b->bytes)
    return false;
  return a->data == b->data || !memcmp(a->data, b->data, a->bytes);
}

static bool same_node(const Node *a, const Node *b) {
  if (a->op != b->op || a->result_count != b->result_count || !same_operands(a, b) ||
      !same_attributes(a, b))
    return false;
  for (int i = 0; i < a->result_count; i++)
    if (!type_equal(&a->results[i]->type, &b->results[i]->type)) return false;
  return same_constant(a->constant, b->constant);
}

static bool may_merge(const Node *node) {
  if (!node_has_trait(node, PURE) || node->region_count || node->op == OP_COPY) return false;
  return node->op != OP_CONST || node->results[0]->type.element != STR;
}

bool pass_common_subexpressions(Graph *graph, PassContext *context) {
  Entry **buckets = NEW_ARRAY(context->scratch, Entry *, BUCKETS);
  FOR_EACH_NODE (node, graph) {
    if (!may_merge(node)) continue;
    Entry **bucket = &buckets[hash_node(node) % BUCKETS], *entry = *bucket;
    while (entry && !same_node(entry->node, node)) entry = entry->next;
    if (entry) {
      for (int i = 0; i < node->result_count; i++)
        rewrite_value(node->results[i], entry->node->results[i]);
      node_remove(node);
      context->changed++;
      continue;
    }
    entry = NEW(context->scratch, Entry);
    *entry = (Entry){*bucket, node};
    *bucket = entry;
  }
  return true;
}
