// The Mersenne Twister MT19937 and what numpy's RandomState draws from it: the numbers of ONNX's
// reference evaluator for a seed.
#ifndef TENON_FRONTEND_MERSENNE_H
#define TENON_FRONTEND_MERSENNE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Mersenne {
  uint32_t words[624];
  int next;
  bool has_spare;
  double spare; // the other one of a pair of normal numbers
} Mersenne;

void mersenne_seed(Mersenne *state, uint32_t seed);
double mersenne_uniform(Mersenne *state); // [0, 1), 53 bits
double mersenne_normal(Mersenne *state);  // mean 0, deviation 1

#endif
