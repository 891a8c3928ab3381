// lstm, gru and rnn: the loop over time, once for each direction.
//
// Some hidden units at a time: the sums of all their gates stay in registers, then come the
// activations. Little memory is needed beyond the results: the state before a step is the row of y
// that the step before wrote, the cell state lives in result c, and result h holds what gru
// multiplies after its reset gate, until the end.
//
// Constant weights are packed as [direction][panel][k][gate][vectors * lanes], so that the columns
// of a panel are adjacent; weights known at run time only are read as they lie, one unit at a time.
#include <string.h>

#include "codegen/kernels/cell.h"
#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/strip.h"

enum { SCRATCH_BYTES = 16384 };

static int gates_of(OpCode op) { return op == OP_LSTM ? 4 : op == OP_GRU ? 3 : 1; }

// Vectors of a panel for each gate, so that enough sums are in flight: lstm takes its four gates at
// once, gru most of the time one.
static int unit_vectors(const Target *target, const Node *node, ElementType element,
                        int64_t hidden) {
  int lanes = target_lanes(target, element == F64 ? 64 : 32);
  bool together = node->op == OP_LSTM || recurrent_resets_product(node);
  int64_t needed = (hidden + lanes - 1) / lanes, most = together ? 2 : MAX_UNIT_VECTORS;
  return (int)(needed < most ? (needed > 0 ? needed : 1) : most);
}

// --- rows, blocks, time

static Val length_of(const Cell *c, Val row) {
  Nest *nest = c->nest;
  if (!c->lengths) return c->time;
  Val length = kernel_load(c->kernel, c->lengths->element, c->lengths->pointer, row, 1);
  length = nest_extend(nest, length, nest->index, true);
  return nest_max(nest, nest_min(nest, length, c->time), nest_const(nest, 0));
}

static Val y_row(const Cell *c, Val t, Val row) {
  Nest *nest = c->nest;
  Val line = nest_add(nest, nest_mul(nest, t, nest_const(nest, c->recurrent.directions)),
                      nest_const(nest, c->direction));
  return nest_mul(nest, nest_add(nest, nest_mul(nest, line, c->batch), row), c->hidden);
}

static Val state_row(const Cell *c, Val row) {
  Nest *nest = c->nest;
  return nest_mul(nest,
                  nest_add(nest, nest_mul(nest, nest_const(nest, c->direction), c->batch), row),
                  c->hidden);
}

// Where the state before the first step lies: h0, or result h, which is zero until then.
static Val first_state(const Cell *c, Val state_offset) {
  const View *view = c->h0 ? c->h0 : c->h;
  return nest_address(c->nest, view->pointer, nest_element_type(c->nest, view->element),
                      state_offset);
}

static Val y_address(const Cell *c,
                     Val offset) { // not inbounds: the row before the first is not used
  return LLVMBuildGEP2(c->nest->builder, nest_element_type(c->nest, c->y->element), c->y->pointer,
                       &offset, 1, "");
}

static void enter_row(Cell *c, int which, Val row, Val length) {
  Nest *nest = c->nest;
  bool reverse = c->recurrent.reverse[c->direction];
  Val one = nest_const(nest, 1),
      t = reverse ? nest_sub(nest, nest_sub(nest, length, one), c->step) : c->step;
  Val previous = reverse ? nest_add(nest, t, one) : nest_sub(nest, t, one),
      state_offset = state_row(c, row);
  Val is_first = nest_compare(nest, LLVMIntEQ, c->step, nest_const(nest, 0));
  c->row[which] = (Row){
      .x_offset = nest_mul(nest, nest_add(nest, nest_mul(nest, t, c->batch), row), c->input),
      .y_offset = y_row(c, t, row),
      .state_offset = state_offset,
      .before = nest_select(nest, is_first, first_state(c, state_offset),
                            y_address(c, y_row(c, previous, row))),
  };
  if (!c->scratch) return;
  Val ahead = nest_sub(nest, c->step, c->scratch_step);
  c->row[which].scratch = nest_add(
      nest, nest_mul(nest, nest_sub(nest, row, c->kernel->begin), nest_const(nest, c->ahead)),
      ahead);
}

static void emit_row_tiles(Cell *c, const Block *block, BlockBody *body) {
  Nest *nest = c->nest;
  int tiles[] = {
      body == cell_lstm && c->tile_sums && dim_high(c->x->type->dims[1]) >= MAX_ROWS ? MAX_ROWS : 1,
      1};
  Val low = c->kernel->begin, high = c->kernel->end;
  for (int i = tiles[0] == 1; i < 2; i++) {
    Val whole = strip_whole(nest, low, high, tiles[i]);
    c->rows = tiles[i];
    FOR (nest, row, low, whole, tiles[i]) {
      for (int r = 0; r < tiles[i]; r++)
        enter_row(c, r, nest_add(nest, row, nest_const(nest, r)), c->time);
      body(c, block);
    }
    low = whole;
  }
}

static void emit_rows(Cell *c, const Block *block, BlockBody *body) {
  Nest *nest = c->nest;
  if (!c->lengths) {
    emit_row_tiles(c, block, body);
    return;
  }
  c->rows = 1;
  FOR (nest, row, c->kernel->begin, c->kernel->end, 1) {
    Val length = length_of(c, row);
    Branch branch = nest_if(nest, nest_compare(nest, LLVMIntSLT, c->step, length));
    enter_row(c, 0, row, length);
    body(c, block);
    nest_else(nest, &branch); // behind the end of the sequence
    cell_store_zero(c, block, y_row(c, c->step, row));
    nest_end_if(nest, &branch);
  }
}

// The inputs of the next steps; the last step again where there are fewer.
static void emit_ahead_rows(Cell *c, const Block *block, BlockBody *body) {
  Nest *nest = c->nest;
  Val first = c->scratch_step, last = nest_sub(nest, c->time, nest_const(nest, 1));
  c->rows = c->ahead;
  FOR (nest, row, c->kernel->begin, c->kernel->end, 1) {
    for (int s = 0; s < c->ahead; s++) {
      c->step = nest_add(nest, first, nest_const(nest, s));
      Val slot = nest_add(
          nest, nest_mul(nest, nest_sub(nest, row, c->kernel->begin), nest_const(nest, c->ahead)),
          nest_const(nest, s));
      c->step = nest_min(nest, c->step, last);
      enter_row(c, s, row, c->time);
      c->row[s].scratch = slot;
    }
    body(c, block);
  }
}

typedef void BlockRows(Cell *cell, const Block *block, BlockBody *body);

static void each_block(Cell *c, BlockRows *rows, BlockBody *body) {
  Nest *nest = c->nest;
  if (!c->packed) {
    FOR (nest, unit, nest_const(nest, 0), c->hidden, 1)
      rows(c, &(Block){unit, unit, 1, NULL}, body);
    return;
  }
  int64_t hidden = type_dim(c->r->type, 2), width = (int64_t)c->vectors * c->lanes,
          whole = hidden / width, rest = hidden % width;
  if (whole)
    FOR (nest, panel, nest_const(nest, 0), nest_const(nest, whole), 1)
      rows(c, &(Block){nest_mul(nest, panel, nest_const(nest, width)), panel, c->vectors, NULL},
           body);
  if (!rest) return;
  int vectors = (int)((rest + c->lanes - 1) / c->lanes),
      lanes = (int)rest - (vectors - 1) * c->lanes;
  Val partial = lanes == c->lanes ? NULL : nest_const(nest, lanes);
  rows(c, &(Block){nest_const(nest, whole * width), nest_const(nest, whole), vectors, partial},
       body);
}

static void emit_step(Cell *c) {
  if (c->op == OP_LSTM)
    each_block(c, emit_rows, cell_lstm);
  else if (c->op == OP_RNN)
    each_block(c, emit_rows, cell_rnn);
  else if (c->linear)
    each_block(c, emit_rows, cell_gru_linear);
  else {
    each_block(c, emit_rows, cell_gru_reset);
    each_block(c, emit_rows, cell_gru);
  }
}

// --- states before the first step and after the last one

static Val row_bytes(const Cell *c) {
  return nest_mul(c->nest, c->hidden, nest_const(c->nest, element_info[c->y->element].bits / 8));
}

static Val state_address(const Cell *c, const View *view, Val row) {
  return nest_address(c->nest, view->pointer, nest_element_type(c->nest, view->element),
                      state_row(c, row));
}

static void start_state(const Cell *c, const View *state, const View *initial, Val row) {
  Nest *nest = c->nest;
  Val to = state_address(c, state, row);
  if (initial) {
    nest_copy(nest, to, state_address(c, initial, row), row_bytes(c));
    return;
  }
  LLVMTypeRef type = nest_element_type(nest, state->element);
  FOR (nest, i, nest_const(nest, 0), c->hidden, 1)
    nest_store(nest, nest_zero(type), nest_address(nest, to, type, i), 0);
}

static void finish_state(const Cell *c, Val row) {
  Nest *nest = c->nest;
  Val length = length_of(c, row), zero = nest_const(nest, 0);
  Val last =
      c->recurrent.reverse[c->direction] ? zero : nest_sub(nest, length, nest_const(nest, 1));
  Branch some = nest_if(nest, nest_compare(nest, LLVMIntSGT, length, zero));
  nest_copy(nest, state_address(c, c->h, row), y_address(c, y_row(c, last, row)), row_bytes(c));
  nest_else(nest, &some);
  if (c->h0)
    nest_copy(nest, state_address(c, c->h, row), state_address(c, c->h0, row), row_bytes(c));
  nest_end_if(nest, &some);
}

static void emit_steps(Cell *c) {
  Nest *nest = c->nest;
  Val zero = nest_const(nest, 0);
  if (!c->scratch) {
    FOR (nest, step, zero, c->time, 1) {
      c->step = step;
      emit_step(c);
    }
    return;
  }
  FOR (nest, first, zero, c->time, c->ahead) {
    c->scratch_step = first;
    each_block(c, emit_ahead_rows, cell_inputs_ahead);
    FOR (nest, step, first,
         nest_min(nest, nest_add(nest, first, nest_const(nest, c->ahead)), c->time), 1) {
      c->step = step;
      emit_step(c);
    }
  }
}

static void emit_direction(Cell *c) {
  Nest *nest = c->nest;
  FOR (nest, row, c->kernel->begin, c->kernel->end, 1) {
    if (!c->h0) start_state(c, c->h, NULL, row);
    if (c->op == OP_LSTM) start_state(c, c->c, c->c0, row);
  }
  emit_steps(c);
  FOR (nest, row, c->kernel->begin, c->kernel->end, 1) finish_state(c, row);
}

// Memory for the inputs of some steps, where a few rows and a big machine make it worth while.
static void take_scratch(Cell *c) {
  int64_t batch, width = (int64_t)c->vectors * c->lanes;
  if (!c->packed || c->lanes == 1 || c->lengths || !target_has(c->kernel->target, TARGET_HOSTED))
    return;
  if (c->op == OP_LSTM && dim_high(c->x->type->dims[1]) >= MAX_ROWS)
    c->tile_sums =
        nest_local(c->nest, c->element, (int64_t)MAX_ROWS * 4 * MAX_UNIT_VECTORS * c->lanes, 64);
  if (!dim_is_constant(c->x->type->dims[1], &batch) || batch < 1 || batch >= MAX_ROWS ||
      dim_high(c->x->type->dims[0]) < 2)
    return;
  int64_t padded = (type_dim(c->r->type, 2) + width - 1) / width * width;
  int64_t step = batch * c->gates * padded * (c->element == c->nest->f64 ? 8 : 4);
  c->ahead = MAX_ROWS;
  while (c->ahead > 1 && c->ahead * step > SCRATCH_BYTES) c->ahead--;
  if (c->ahead < 2) return;
  c->scratch = nest_local(c->nest, c->element, c->ahead * batch * c->gates * padded, 64);
}

static const View *optional(Kernel *kernel, int operand) {
  return node_operand(kernel->node, operand) ? &kernel->operands[operand] : NULL;
}

static bool lower_recurrent(Kernel *kernel, bool packed) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Cell c = {.kernel = kernel,
            .nest = nest,
            .op = node->op,
            .packed = packed,
            .gates = gates_of(node->op),
            .x = &kernel->operands[RECURRENT_X],
            .w = &kernel->operands[RECURRENT_W],
            .r = &kernel->operands[RECURRENT_R],
            .bias = optional(kernel, RECURRENT_B),
            .lengths = optional(kernel, RECURRENT_LENGTHS),
            .h0 = optional(kernel, RECURRENT_H0),
            .y = &kernel->results[0],
            .h = &kernel->results[1],
            .c = &kernel->results[2]};
  if (!recurrent_describe(node, kernel->diag, &c.recurrent)) return false;
  if (c.op == OP_LSTM) {
    c.c0 = optional(kernel, RECURRENT_C0);
    c.peephole = optional(kernel, RECURRENT_PEEPHOLE);
    c.input_forget = node_int(node, ATTR_INPUT_FORGET);
  }
  c.linear = recurrent_resets_product(node);
  c.element = kernel_arithmetic_type(nest, c.y->element);
  c.lanes = packed ? target_lanes(kernel->target, c.y->element == F64 ? 64 : 32) : 1;
  c.vectors = packed ? unit_vectors(kernel->target, node, c.y->element, type_dim(c.r->type, 2)) : 1;
  c.time = c.x->dims[0];
  c.batch = c.x->dims[1];
  c.input = c.x->dims[2];
  c.hidden = c.r->dims[2];
  c.rows = 1;
  kernel_split(kernel, c.x->type->dims[1]);
  take_scratch(&c);
  for (c.direction = 0; c.direction < c.recurrent.directions; c.direction++) emit_direction(&c);
  return true;
}

bool lower_lstm(Kernel *kernel) { return lower_recurrent(kernel, false); }
bool lower_gru(Kernel *kernel) { return lower_recurrent(kernel, false); }
bool lower_rnn(Kernel *kernel) { return lower_recurrent(kernel, false); }
bool lower_lstm_panels(Kernel *kernel) { return lower_recurrent(kernel, true); }
bool lower_gru_panels(Kernel *kernel) { return lower_recurrent(kernel, true); }
bool lower_rnn_panels(Kernel *kernel) { return lower_recurrent(kernel, true); }

// --- packing

typedef struct Matrix {
  const Value *value;
  int64_t gates, width; // hidden units of a panel
} Matrix;

static void write_matrix(const PackedSegment *segment, unsigned char *out) {
  const Matrix *m = segment->user;
  const Type *type = &m->value->type;
  const char *from = value_constant(m->value)->data;
  int64_t directions = type_dim(type, 0), hidden = type_dim(type, 1) / m->gates,
          columns = type_dim(type, 2);
  int64_t panels = (hidden + m->width - 1) / m->width;
  size_t size = (size_t)element_info[type->element].bits / 8;
  for (int64_t row = 0; row < directions * m->gates * hidden; row++) {
    int64_t d = row / hidden / m->gates, gate = row / hidden % m->gates, unit = row % hidden;
    for (int64_t k = 0; k < columns; k++) {
      int64_t to = (((d * panels + unit / m->width) * columns + k) * m->gates + gate) * m->width +
                   unit % m->width;
      memcpy(out + (size_t)to * size, from + (size_t)(row * columns + k) * size, size);
    }
  }
}

bool pack_recurrent(Pack *pack) {
  const Node *node = pack->node;
  ElementType element = node->results[0]->type.element;
  int64_t hidden = type_dim(&node->operands[RECURRENT_R]->type, 2), gates = gates_of(node->op);
  int64_t width = (int64_t)unit_vectors(pack->target, node, element, hidden) *
                  target_lanes(pack->target, element == F64 ? 64 : 32);
  for (int operand = RECURRENT_W; operand <= RECURRENT_R; operand++) {
    Matrix *matrix = NEW(pack->arena, Matrix);
    *matrix = (Matrix){node->operands[operand], gates, width};
    const Type *type = &matrix->value->type;
    int64_t rows = type_dim(type, 0) * gates * ((hidden + width - 1) / width * width);
    size_t bytes = (size_t)(rows * type_dim(type, 2) * element_info[type->element].bits / 8);
    const char *name = value_constant(matrix->value)->name;
    const char *key = arena_printf(pack->arena, "recurrent:%s:%lld:%lld", name, (long long)width,
                                   (long long)gates);
    pack_add(pack, bytes, target_alignment(pack->target), key, write_matrix, matrix);
  }
  return true;
}
