// Cells of recurrent nets: one step of lstm, gru or rnn for a block of hidden units and some rows.
#ifndef TENON_CODEGEN_KERNELS_CELL_H
#define TENON_CODEGEN_KERNELS_CELL_H

#include "codegen/kernel.h"
#include "ir/recurrent.h"

enum { MAX_GATES = 4, MAX_UNIT_VECTORS = 4, MAX_ROWS = 4 };

// One row of the batch in one step.
typedef struct Row {
  Val x_offset, y_offset, state_offset, before; // before: pointer to the state before the step
  Val scratch;                                  // offset of its gates in the scratch memory
} Row;

typedef struct Cell {
  Kernel *kernel;
  Nest *nest;
  OpCode op;
  Recurrent recurrent;
  const View *x, *w, *r, *bias, *lengths, *h0, *c0, *peephole; // NULL: absent
  const View *y, *h, *c;
  bool packed, input_forget, linear; // linear: gru resets after the product
  int gates, lanes, vectors, direction;
  LLVMTypeRef element;
  Val time, batch, input, hidden, step;
  int rows; // that are worked on together
  Row row[MAX_ROWS];
  // What the inputs of the next `ahead` steps add to the gates, made at once, so that w is read
  // once for all of them; NULL: made in each step.
  Val scratch, scratch_step;
  int ahead;
  Val tile_sums; // memory for the sums of MAX_ROWS rows of one block
} Cell;

// Hidden units unit .. of one panel; `partial` lanes of the last vector exist.
typedef struct Block {
  Val unit, panel;
  int vectors;
  Val partial;
} Block;

typedef struct Sums {
  Val of[MAX_ROWS][MAX_GATES][MAX_UNIT_VECTORS];
} Sums;

static inline bool recurrent_resets_product(const Node *node) {
  return node->op == OP_GRU && node_int(node, ATTR_LINEAR_BEFORE);
}

// The step of c->rows rows: reads the state before it, writes y (and c; gru_reset: h, for gru).
typedef void BlockBody(const Cell *cell, const Block *block);
BlockBody cell_lstm, cell_rnn, cell_gru_linear, cell_gru_reset, cell_gru;
// What the inputs of c->rows steps add to all gates, into c->scratch.
BlockBody cell_inputs_ahead;
void cell_store_zero(const Cell *cell, const Block *block, Val y_offset);

#endif
