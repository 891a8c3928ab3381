// A pattern as steps of a nondeterministic automaton.
#ifndef TENON_FRONTEND_PATTERN_PROGRAM_H
#define TENON_FRONTEND_PATTERN_PROGRAM_H

#include "ir/arena.h"

typedef enum StepKind { STEP_MATCH, STEP_BYTE, STEP_SPLIT, STEP_ASSERT } StepKind;
typedef enum Assertion {
  ASSERT_BEGIN = 1,
  ASSERT_END = 2,
  ASSERT_BOUNDARY = 4,
  ASSERT_INSIDE = 8
} Assertion;

typedef struct Step {
  StepKind kind;
  unsigned char low, high; // STEP_BYTE
  Assertion assertion;
  int next, other; // other: STEP_SPLIT
} Step;

typedef struct PatternProgram {
  Step *steps;
  int count, capacity, start;
} PatternProgram;

enum { MAX_STEPS = 4000 };

// NULL: done; else what is wrong.
const char *pattern_program(Arena *arena, const char *pattern, PatternProgram *program);

#endif
