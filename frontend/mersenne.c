#include "frontend/mersenne.h"

#include <math.h>

enum { WORDS = 624, SHIFT = 397 };

void mersenne_seed(Mersenne *state, uint32_t seed) {
  *state = (Mersenne){.words = {seed}, .next = WORDS};
  for (uint32_t i = 1; i < WORDS; i++) {
    uint32_t before = state->words[i - 1];
    state->words[i] = 1812433253u * (before ^ before >> 30) + i;
  }
}

static void refill(Mersenne *state) {
  uint32_t *words = state->words;
  for (int i = 0; i < WORDS; i++) {
    uint32_t joined = (words[i] & 0x80000000u) | (words[(i + 1) % WORDS] & 0x7fffffffu);
    words[i] = words[(i + SHIFT) % WORDS] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
  }
  state->next = 0;
}

static uint32_t draw(Mersenne *state) {
  if (state->next == WORDS) refill(state);
  uint32_t word = state->words[state->next++];
  word ^= word >> 11;
  word ^= word << 7 & 0x9d2c5680u;
  word ^= word << 15 & 0xefc60000u;
  return word ^ word >> 18;
}

double mersenne_uniform(Mersenne *state) {
  double high = draw(state) >> 5, low = draw(state) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

// Marsaglia's polar method.
double mersenne_normal(Mersenne *state) {
  if (state->has_spare) {
    state->has_spare = false;
    return state->spare;
  }
  double x, y, square;
  do {
    x = 2 * mersenne_uniform(state) - 1;
    y = 2 * mersenne_uniform(state) - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  double factor = sqrt(-2 * log(square) / square);
  state->has_spare = true;
  state->spare = factor * x;
  return factor * y;
}
