// From steps to an automaton without choices: a state is the set of steps where a run may be. What
// comes before a byte and after it decides assertions, so a state also knows whether the last byte
// was part of a word.
#include "frontend/pattern.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_STATES = 1000 };

typedef struct State {
  unsigned char *steps; // by step: may be there, before assertions are looked at
  bool at_begin, in_word;
} State;

typedef struct Maker {
  Arena *arena;
  const PatternProgram *program;
  State states[MAX_STATES];
  int state_count;
  unsigned char *reached; // by step: with what assertions allow
  int *pending;
} Maker;

static bool is_word(int byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z') || byte == '_';
}

// Bytes that no step and no assertion tells apart share a class.
static void make_classes(const PatternProgram *program, Automaton *automaton) {
  bool starts[257] = {false};
  starts['0'] = starts['9' + 1] = starts['A'] = starts['Z' + 1] = starts['_'] = starts['_' + 1] =
      starts['a'] = starts['z' + 1] = true;
  for (int i = 0; i < program->count; i++) {
    const Step *step = &program->steps[i];
    if (step->kind != STEP_BYTE || step->low > step->high) continue;
    starts[step->low] = starts[step->high + 1] = true;
  }
  automaton->class_count = 1;
  for (int byte = 0; byte < 256; byte++) {
    if (byte && starts[byte]) automaton->class_count++;
    automaton->class_of[byte] = (uint8_t)(automaton->class_count - 1);
  }
}

// maker->reached: what follows from the state where these assertions hold.
static void reach(Maker *maker, const State *state, int holds) {
  const PatternProgram *program = maker->program;
  int count = 0;
  memset(maker->reached, 0, (size_t)program->count);
  for (int i = 0; i < program->count; i++)
    if (state->steps[i]) maker->reached[i] = 1, maker->pending[count++] = i;
  while (count) {
    const Step *step = &program->steps[maker->pending[--count]];
    int next[2] = {-1, -1};
    if (step->kind == STEP_SPLIT) next[0] = step->next, next[1] = step->other;
    if (step->kind == STEP_ASSERT && (step->assertion & (unsigned)holds)) next[0] = step->next;
    for (int i = 0; i < 2; i++)
      if (next[i] >= 0 && !maker->reached[next[i]])
        maker->reached[next[i]] = 1, maker->pending[count++] = next[i];
  }
}

static int assertions(const State *state, bool next_in_word, bool at_end) {
  return (state->at_begin ? ASSERT_BEGIN : 0) | (at_end ? ASSERT_END : 0) |
         (state->in_word != next_in_word ? ASSERT_BOUNDARY : ASSERT_INSIDE);
}

// The state's number; -1: there are too many.
static int find_state(Maker *maker, State wanted) {
  size_t bytes = (size_t)maker->program->count;
  for (int i = 0; i < maker->state_count; i++) {
    const State *known = &maker->states[i];
    if (known->at_begin == wanted.at_begin && known->in_word == wanted.in_word &&
        !memcmp(known->steps, wanted.steps, bytes))
      return i;
  }
  if (maker->state_count == MAX_STATES) return -1;
  State *made = &maker->states[maker->state_count];
  *made = wanted;
  made->steps = arena_alloc(maker->arena, bytes);
  memcpy(made->steps, wanted.steps, bytes);
  return maker->state_count++;
}

// Where a byte leads from what is reached.
static int follow(Maker *maker, int byte, unsigned char *steps) {
  const PatternProgram *program = maker->program;
  memset(steps, 0, (size_t)program->count);
  for (int i = 0; i < program->count; i++) {
    const Step *step = &program->steps[i];
    if (maker->reached[i] && step->kind == STEP_BYTE && byte >= step->low && byte <= step->high)
      steps[step->next] = 1;
  }
  return find_state(maker, (State){.steps = steps, .in_word = is_word(byte)});
}

// One row; false: too many states.
static bool fill_row(Maker *maker, const Automaton *automaton, int number, int32_t *row,
                     unsigned char *steps) {
  for (int in_word = 0; in_word < 2; in_word++) {
    reach(maker, &maker->states[number], assertions(&maker->states[number], in_word != 0, false));
    for (int byte = 0; byte < 256; byte++) {
      bool first = !byte || automaton->class_of[byte] != automaton->class_of[byte - 1];
      if (!first || is_word(byte) != (in_word != 0)) continue;
      int next = follow(maker, byte, steps);
      if (next < 0) return false;
      row[automaton->class_of[byte]] = next;
    }
  }
  reach(maker, &maker->states[number], assertions(&maker->states[number], false, true));
  row[automaton->class_count] = maker->reached[0]; // step 0 is the match
  return true;
}

const char *pattern_automaton(Arena *arena, const char *pattern, Automaton *automaton) {
  PatternProgram program;
  const char *error = pattern_program(arena, pattern, &program);
  if (error) return error;
  make_classes(&program, automaton);
  Maker *maker = NEW(arena, Maker);
  maker->arena = arena;
  maker->program = &program;
  maker->reached = arena_alloc(arena, (size_t)program.count);
  maker->pending = NEW_ARRAY(arena, int, program.count);
  unsigned char *steps = arena_alloc(arena, (size_t)program.count);
  int columns = automaton->class_count + 1, capacity = 0, count = 0;
  steps[program.start] = 1;
  find_state(maker, (State){.steps = steps, .at_begin = true});
  automaton->table = NULL;
  for (int number = 0; number < maker->state_count; number++) {
    for (int i = 0; i < columns; i++) ARENA_PUSH(arena, automaton->table, count, capacity, 0);
    if (!fill_row(maker, automaton, number, automaton->table + number * columns, steps))
      return "its automaton has more than 1000 states";
  }
  automaton->state_count = maker->state_count;
  return NULL;
}
