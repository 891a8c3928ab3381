// NameSet: names that must be unique; a second "x" becomes "x_2".
#ifndef TENON_IR_NAMESET_H
#define TENON_IR_NAMESET_H

#include <stdbool.h>

#include "ir/arena.h"

typedef struct NameSet NameSet;

NameSet *nameset_create(Arena *arena);
bool nameset_has(const NameSet *set, const char *name);
// Adds `name`, or the first free of name_2, name_3, ...; returns what was added (arena memory).
const char *nameset_add_unique(NameSet *set, const char *name);

#endif
