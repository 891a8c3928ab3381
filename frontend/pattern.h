// Regular expressions in the syntax of RE2, as automata that read each byte once.
#ifndef TENON_FRONTEND_PATTERN_H
#define TENON_FRONTEND_PATTERN_H

#include <stdint.h>

#include "frontend/pattern_program.h"

// From state 0, state = table[state * (class_count + 1) + class_of[byte]]; the last column of a row
// says whether a text that ends there matches as a whole.
typedef struct Automaton {
  uint8_t class_of[256];
  int class_count, state_count;
  int32_t *table;
} Automaton;

// NULL: done; else what is wrong with the pattern, or what it asks too much of.
const char *pattern_automaton(Arena *arena, const char *pattern, Automaton *automaton);

#endif
