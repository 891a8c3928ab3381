// The reference interpreter: executes any function of the IR in plain C. It is the meaning of the
// IR; constant folding uses it, kernels and passes are tested against it.
#ifndef TENON_IR_INTERPRET_H
#define TENON_IR_INTERPRET_H

#include "ir/graph.h"
#include "ir/tensor.h"

// One running call: the values of the dims' symbols and of every Value computed so far.
typedef struct Interpretation {
  Arena *arena; // results and temporaries
  Diag *diag;
  const Graph *graph;
  const int64_t *symbols;         // by index of dim_symbol_at; -1: not known (yet)
  Arena *text;                    // bytes of strings that ops make; lives as long as the outputs
  struct InterpreterState *state; // shared by the call and its regions; private to interpret.c
} Interpretation;

// What an interpret_<stem> function gets: concrete operands, and results with type, dims and zeroed
// data. An absent operand has data NULL. Dims that depend on data are -1 and their data is NULL:
// the function sets both, with data from run->arena. That arena is scratch of the node: it is given
// back when the node is done, after results that lie in it have been copied.
typedef struct Evaluation {
  const Node *node;
  const Tensor *operands; // operand_count
  int operand_count;
  Tensor *results; // result_count
  Interpretation *run;
} Evaluation;

// Runs `graph` on `inputs` (graph->input_count, in order); writes graph->output_count tensors whose
// data lies in `arena`. Checks that the inputs fit the types, binding the symbols of dims.
bool interpret(const Graph *graph, const Tensor *inputs, Tensor *outputs, Arena *arena, Diag *diag);
// One pure node on concrete operands (constant folding); results as above.
bool interpret_node(const Node *node, const Tensor *operands, Tensor *results, Arena *arena,
                    Diag *diag);
// A region, called by ops that own one; its outputs lie in run->arena. Symbols that only the region
// knows are bound to the dims of its inputs, for this call.
bool interpret_region(Interpretation *run, const Graph *region, const Tensor *inputs,
                      Tensor *outputs);
// Binds the symbols in the types of the graph's inputs to the tensors' dims; `symbols` has
// dim_symbol_count entries. False (reported): a dim disagrees or lies outside its range.
bool bind_symbols(const Graph *graph, const Tensor *inputs, int64_t *symbols, Diag *diag);
// Dims of a type under bound symbols; -1 where a symbol is not bound.
void type_evaluate(const Type *type, const int64_t *symbols, int64_t *dims);

#endif
