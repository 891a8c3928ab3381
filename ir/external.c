// What passes, interpreter and code generation ask of a custom operator's node.
#include "ir/external.h"

#include <ctype.h>
#include <string.h>

void *external_find(const Externals *externals, const Node *node, Diag *diag) {
  const char *symbol = node_string(node, ATTR_SYMBOL);
  if (!externals) {
    diag_error(
        diag, node->loc,
        "the function '%s' of this custom operator is not here: --custom-library=FILE.so gives it",
        symbol);
    return NULL;
  }
  void *address = externals->find(externals->user, symbol);
  if (!address)
    diag_error(diag, node->loc, "'%s' has no function '%s'", externals->library, symbol);
  return address;
}

int external_attributes(const Node *node, Arena *arena, const char *const **names) {
  const char *text = node_string(node, ATTR_ATTRIBUTES);
  const char **list = NULL;
  int count = 0, capacity = 0;
  for (const char *at = text; *at;) {
    size_t length = strcspn(at, ",");
    ARENA_PUSH(arena, list, count, capacity, arena_strndup(arena, at, length));
    at += length + (at[length] == ',');
  }
  if (names) *names = list;
  return count;
}

bool external_symbol_valid(const char *symbol) {
  if (!isalpha((unsigned char)*symbol) && *symbol != '_') return false;
  for (; *symbol; symbol++)
    if (!isalnum((unsigned char)*symbol) && *symbol != '_') return false;
  return true;
}

bool node_has_effects(const Node *node) {
  if (node_has_trait(node, EXTERNAL) && !node_has_trait(node, PURE)) return true;
  for (int i = 0; i < node->region_count; i++)
    for (const Node *inner = node->regions[i]->first; inner; inner = inner->next)
      if (node_has_effects(inner)) return true;
  return false;
}
