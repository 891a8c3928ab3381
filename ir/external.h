// Custom operators: nodes that call functions which are not tenon's (trait EXTERNAL).
#ifndef TENON_IR_EXTERNAL_H
#define TENON_IR_EXTERNAL_H

#include "ir/graph.h"
#include "ir/interpret.h"

// The functions, where a model runs inside of tenon: from a library of the user's.
typedef struct Externals {
  void *(*find)(void *user,
                const char *symbol); // the address; NULL: the library has no such function
  void *user;
  const char *library; // its name, for messages
  // Calls the function at `address` for a node of the interpreter's; the status that it returns.
  int (*call)(void *address, Evaluation *evaluation);
} Externals;

// The address of the node's function; NULL: reported.
void *external_find(const Externals *externals, const Node *node, Diag *diag);

// The node's operands that are values of attributes, the last ones: how many, and their names.
int external_attributes(const Node *node, Arena *arena, const char *const **names);
bool external_symbol_valid(const char *symbol); // a C identifier

// Does the node, or one in its regions, more than its results say? Such nodes stay, and in order.
bool node_has_effects(const Node *node);

#endif
