// Executor: something that runs a function of the IR over data. The interpreter is one, the JIT is
// another; passes get theirs from the driver and do not know which.
#ifndef TENON_IR_EXECUTOR_H
#define TENON_IR_EXECUTOR_H

#include "ir/graph.h"
#include "ir/tensor.h"

typedef struct Executor Executor;
typedef struct Program Program; // a function made ready to run

struct Executor {
  const char *row; // target row whose order of summation it uses ("interpreter", "x86-64-v3")
  void *state;
  // The graph is not changed and not kept. NULL: reported. Destroyed with `arena`.
  Program *(*prepare)(Executor *executor, const Graph *graph, Arena *arena, Diag *diag);
  // Outputs lie in `arena`.
  bool (*run)(Executor *executor, Program *program, const Tensor *inputs, Tensor *outputs,
              Arena *arena, Diag *diag);
};

Executor *executor_interpreter(Arena *arena);

#endif
