// What the test of runtime/kernels/vector (C of any compiler) knows of its native build (clang).
#ifndef TENON_TEST_UNIT_MATH_H
#define TENON_TEST_UNIT_MATH_H

enum { MATH_LANES_MAX = 16 };

// A function at one lane count. `in` has as many rows of lanes as the function has arguments.
typedef struct {
  const char *name;
  int arguments;
  int lanes;
  void (*call_f32)(float in[][MATH_LANES_MAX], float *out); // one of the two is NULL
  void (*call_f64)(double in[][MATH_LANES_MAX], double *out);
} MathFunction;

// The functions, one lane count after the other, closed by one without a name.
extern const MathFunction math_functions[];

#endif
