// The nearest right word for a wrong one: options, passes, targets.
#ifndef TENON_IR_SUGGEST_H
#define TENON_IR_SUGGEST_H

#include <stddef.h>

// Number of insertions, deletions, replacements and exchanges of neighbours from `a` to `b`.
int edit_distance(const char *a, size_t a_length, const char *b);

// Collects candidates; keeps the nearest one that is near enough to be meant.
typedef struct Suggestion {
  const char *wrong;
  size_t length;
  const char *best; // NULL: nothing is near
  int distance;
} Suggestion;

Suggestion suggestion_for(const char *wrong, size_t length);
void suggestion_offer(Suggestion *suggestion, const char *candidate);

#endif
