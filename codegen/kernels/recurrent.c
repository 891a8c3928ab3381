// lstm, gru and rnn: the loop over time, once for each direction.
//
// Some hidden units at a time: the sums of all their gates stay in registers, then come the activations.
// No memory is needed beyond the results: the state before a step is the row of y that the step before wrote, the cell
// state lives in result c, and result h holds what gru multiplies after its reset gate, until the end.
//
// Constant weights are packed as [direction][panel][k][gate][vectors * lanes], so that the columns of a
// panel are adjacent; weights known at run time only are read as they lie, one unit at a time.
#include "ir/recurrent.h"

#include <assert.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/product.h"
#include "codegen/kernels/strip.h"

enum { MAX_GATES = 4, MAX_UNIT_VECTORS = 4 };

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
  // of the current row of the batch
  Val t, x_offset, y_offset, state_offset, before; // before: pointer to the state before the step
} Cell;

// Hidden units unit .. of one panel; `partial` lanes of the last vector exist.
typedef struct Block {
  Val unit, panel;
  int vectors;
  Val partial;
} Block;

typedef struct Sums {
  Val of[MAX_GATES][MAX_UNIT_VECTORS];
} Sums;

static int gates_of(OpCode op) { return op == OP_LSTM ? 4 : op == OP_GRU ? 3 : 1; }

// Vectors of a panel for each gate: eight sums in flight.
static int unit_vectors(const Target *target, OpCode op, ElementType element, int64_t hidden) {
  int lanes = target_lanes(target, element == F64 ? 64 : 32);
  int64_t needed = (hidden + lanes - 1) / lanes, most = op == OP_RNN ? MAX_UNIT_VECTORS : 2;
  return (int)(needed < most ? (needed > 0 ? needed : 1) : most);
}

// --- memory

static Val unit_offset(const Cell *c, const Block *block, Val base, int vector) {
  return nest_add(c->nest, nest_add(c->nest, base, block->unit), nest_const(c->nest, (int64_t)vector * c->lanes));
}

static Val partial_of(const Block *block, int vector) { return vector == block->vectors - 1 ? block->partial : NULL; }

static Val load_units(const Cell *c, const Block *block, ElementType element, Val pointer, Val base, int vector) {
  Tile shape = {.lanes = c->lanes, .element = c->element};
  return tile_load_columns(c->kernel, &shape, element, pointer, unit_offset(c, block, base, vector), partial_of(block, vector));
}

static void store_units(const Cell *c, const Block *block, const View *view, Val base, int vector, Val value) {
  Tile shape = {.lanes = c->lanes, .element = c->element};
  tile_store_columns(c->kernel, &shape, view->element, value, view->pointer, unit_offset(c, block, base, vector), partial_of(block, vector));
}

// The part of a weight or bias that belongs to gate `row` (counting from the first of all directions).
static Val gate_offset(const Cell *c, int64_t row) { return nest_mul(c->nest, nest_const(c->nest, row), c->hidden); }

// --- activations

static Val activation(const Cell *c, int function, Val x) {
  Nest *nest = c->nest;
  const Activation *a = &c->recurrent.activations[c->direction][function];
  LLVMTypeRef type = LLVMTypeOf(x);
  if (c->recurrent.clip > 0) {
    x = nest_max(nest, x, nest_real(type, -c->recurrent.clip));
    x = nest_min(nest, x, nest_real(type, c->recurrent.clip));
  }
  Val zero = nest_real(type, 0), one = nest_real(type, 1), alpha = nest_real(type, a->alpha), beta = nest_real(type, a->beta);
  Val negative = nest_compare_float(nest, LLVMRealOLT, x, zero);
  switch (a->kind) {
  case ACTIVATION_SIGMOID: return maths(c->kernel, "sigmoid", x);
  case ACTIVATION_TANH: return maths(c->kernel, "tanh", x);
  case ACTIVATION_RELU: return nest_max(nest, x, zero);
  case ACTIVATION_AFFINE: return nest_fma(nest, alpha, x, beta);
  case ACTIVATION_LEAKY_RELU: return nest_select(nest, negative, nest_mul(nest, alpha, x), x);
  case ACTIVATION_THRESHOLDED_RELU: return nest_select(nest, nest_compare_float(nest, LLVMRealOGT, x, alpha), x, zero);
  case ACTIVATION_SCALED_TANH: return nest_mul(nest, alpha, maths(c->kernel, "tanh", nest_mul(nest, beta, x)));
  case ACTIVATION_HARD_SIGMOID: return nest_min(nest, nest_max(nest, nest_fma(nest, alpha, x, beta), zero), one);
  case ACTIVATION_ELU: return nest_select(nest, negative, nest_mul(nest, alpha, maths(c->kernel, "expm1", x)), x);
  case ACTIVATION_SOFTSIGN: return nest_div(nest, x, nest_add(nest, one, maths_abs(nest, x)));
  case ACTIVATION_SOFTPLUS: return maths(c->kernel, "softplus", x);
  case ACTIVATION_KINDS: break;
  }
  assert(false && "no such activation");
  return x;
}

// --- products: sums[gate] += matrix[gate] * vector, for gates [first, end)

typedef struct Factor { // the vector
  Val pointer;          // of its first element
  ElementType element;
  Val count;
  bool recurrent; // the matrix is r, else w
} Factor;

static void add_panel_product(const Cell *c, const Block *block, Sums *sums, int first, int end, const Factor *factor) {
  Nest *nest = c->nest;
  const View *matrix = factor->recurrent ? c->r : c->w;
  int64_t width = (int64_t)c->vectors * c->lanes, hidden = type_dim(c->r->type, 2), panels = (hidden + width - 1) / width;
  Val panel = nest_add(nest, block->panel, nest_const(nest, c->direction * panels));
  Val offset = nest_mul(nest, nest_mul(nest, panel, factor->count), nest_const(nest, c->gates * width));
  offset = nest_add(nest, offset, nest_const(nest, first * width));
  Val b = nest_address(nest, c->kernel->packed[factor->recurrent], nest_element_type(nest, matrix->element), offset);
  Tile tile = {.rows = 1, .vectors = (end - first) * block->vectors, .lanes = c->lanes, .element = c->element};
  for (int i = 0; i < tile.vectors; i++) tile.sum[0][i] = sums->of[first + i / block->vectors][i % block->vectors];
  tile_accumulate(c->kernel, &tile, &factor->pointer, nest_const(nest, 1), factor->element, b, nest_const(nest, c->gates * width),
                  matrix->element, factor->count, NULL);
  for (int i = 0; i < tile.vectors; i++) sums->of[first + i / block->vectors][i % block->vectors] = tile.sum[0][i];
}

typedef struct Dot {
  const Cell *cell;
  const Factor *factor;
  const View *matrix;
  Val row; // offset of the matrix' row
} Dot;

static Val dot_term(void *user, Val at, int lanes) {
  const Dot *dot = user;
  const Cell *c = dot->cell;
  Nest *nest = c->nest;
  Val a = kernel_load(c->kernel, dot->factor->element, dot->factor->pointer, at, lanes);
  Val b = kernel_load(c->kernel, dot->matrix->element, dot->matrix->pointer, nest_add(nest, dot->row, at), lanes);
  return nest_mul(nest, a, b);
}

static void add_row_product(const Cell *c, const Block *block, Sums *sums, int first, int end, const Factor *factor) {
  Nest *nest = c->nest;
  int lanes = target_lanes(c->kernel->target, c->element == nest->f64 ? 64 : 32);
  for (int g = first; g < end; g++) {
    Val unit = nest_add(nest, gate_offset(c, (int64_t)c->direction * c->gates + g), block->unit);
    Dot dot = {c, factor, factor->recurrent ? c->r : c->w, nest_mul(nest, unit, factor->count)};
    Val product = strip_reduce(nest, nest_const(nest, 0), factor->count, lanes, nest_real(c->element, 0), nest_add, dot_term, &dot);
    sums->of[g][0] = nest_add(nest, sums->of[g][0], product);
  }
}

static void add_product(const Cell *c, const Block *block, Sums *sums, int first, int end, const Factor *factor) {
  if (!c->packed) {
    add_row_product(c, block, sums, first, end, factor);
    return;
  }
  if (block->vectors == c->vectors) {
    add_panel_product(c, block, sums, first, end, factor);
    return;
  }
  for (int g = first; g < end; g++) add_panel_product(c, block, sums, g, g + 1, factor);
}

static Factor input_factor(const Cell *c) {
  Val pointer = nest_address(c->nest, c->x->pointer, nest_element_type(c->nest, c->x->element), c->x_offset);
  return (Factor){pointer, c->x->element, c->input, false};
}

static Factor state_factor(const Cell *c, Val pointer) { return (Factor){pointer, c->y->element, c->hidden, true}; }

// Biases of w (half 0) or r (half 1) of one gate, or zero.
static Val bias_of(const Cell *c, const Block *block, int gate, int half, int vector) {
  if (!c->bias) return nest_zero(nest_vector(c->element, c->lanes));
  Val base = gate_offset(c, ((int64_t)c->direction * 2 + half) * c->gates + gate);
  return load_units(c, block, c->bias->element, c->bias->pointer, base, vector);
}

static void start_sums(const Cell *c, const Block *block, Sums *sums, int first, int end) {
  for (int g = first; g < end; g++)
    for (int v = 0; v < block->vectors; v++) {
      sums->of[g][v] = bias_of(c, block, g, 0, v);
      if (c->bias) sums->of[g][v] = nest_add(c->nest, sums->of[g][v], bias_of(c, block, g, 1, v));
    }
}

static Val state_before(const Cell *c, const Block *block, int vector) {
  return load_units(c, block, c->y->element, c->before, nest_const(c->nest, 0), vector);
}

// --- one step for one block of units

static Val with_peephole(const Cell *c, const Block *block, Val sum, int gate, Val state, int vector) {
  if (!c->peephole) return sum;
  Val weight = load_units(c, block, c->peephole->element, c->peephole->pointer, gate_offset(c, (int64_t)c->direction * 3 + gate), vector);
  return nest_fma(c->nest, weight, state, sum);
}

// Gates in order i, o, f, c.
static void lstm_block(const Cell *c, const Block *block) {
  Nest *nest = c->nest;
  Sums sums;
  Factor x = input_factor(c), h = state_factor(c, c->before);
  start_sums(c, block, &sums, 0, 4);
  add_product(c, block, &sums, 0, 4, &x);
  add_product(c, block, &sums, 0, 4, &h);
  for (int v = 0; v < block->vectors; v++) {
    Val state = load_units(c, block, c->c->element, c->c->pointer, c->state_offset, v);
    Val i = activation(c, 0, with_peephole(c, block, sums.of[0][v], 0, state, v)), f;
    if (c->input_forget) f = nest_sub(nest, nest_real(LLVMTypeOf(i), 1), i);
    else f = activation(c, 0, with_peephole(c, block, sums.of[2][v], 2, state, v));
    state = nest_fma(nest, f, state, nest_mul(nest, i, activation(c, 1, sums.of[3][v])));
    Val o = activation(c, 0, with_peephole(c, block, sums.of[1][v], 1, state, v));
    store_units(c, block, c->c, c->state_offset, v, state);
    store_units(c, block, c->y, c->y_offset, v, nest_mul(nest, o, activation(c, 2, state)));
  }
}

static void rnn_block(const Cell *c, const Block *block) {
  Sums sums;
  Factor x = input_factor(c), h = state_factor(c, c->before);
  start_sums(c, block, &sums, 0, 1);
  add_product(c, block, &sums, 0, 1, &x);
  add_product(c, block, &sums, 0, 1, &h);
  for (int v = 0; v < block->vectors; v++) store_units(c, block, c->y, c->y_offset, v, activation(c, 0, sums.of[0][v]));
}

static void store_gru(const Cell *c, const Block *block, int vector, Val z, Val candidate) {
  Nest *nest = c->nest;
  Val keep = nest_mul(nest, z, state_before(c, block, vector));
  Val rest = nest_sub(nest, nest_real(LLVMTypeOf(z), 1), z);
  store_units(c, block, c->y, c->y_offset, vector, nest_fma(nest, rest, candidate, keep));
}

// Gates in order z, r, h. The reset gate applies to the product: everything in one go.
static void gru_linear_block(const Cell *c, const Block *block) {
  Nest *nest = c->nest;
  Sums sums, products;
  Factor x = input_factor(c), h = state_factor(c, c->before);
  start_sums(c, block, &sums, 0, 2);
  for (int v = 0; v < block->vectors; v++) {
    sums.of[2][v] = bias_of(c, block, 2, 0, v);
    products.of[2][v] = bias_of(c, block, 2, 1, v);
  }
  add_product(c, block, &sums, 0, 3, &x);
  add_product(c, block, &sums, 0, 2, &h);
  add_product(c, block, &products, 2, 3, &h);
  for (int v = 0; v < block->vectors; v++) {
    Val z = activation(c, 0, sums.of[0][v]), r = activation(c, 0, sums.of[1][v]);
    store_gru(c, block, v, z, activation(c, 1, nest_fma(nest, r, products.of[2][v], sums.of[2][v])));
  }
}

// The reset gate applies to the state: r * state of all units first.
static void gru_reset_block(const Cell *c, const Block *block) {
  Sums sums;
  Factor x = input_factor(c), h = state_factor(c, c->before);
  start_sums(c, block, &sums, 1, 2);
  add_product(c, block, &sums, 1, 2, &x);
  add_product(c, block, &sums, 1, 2, &h);
  for (int v = 0; v < block->vectors; v++) {
    Val r = activation(c, 0, sums.of[1][v]);
    store_units(c, block, c->h, c->state_offset, v, nest_mul(c->nest, r, state_before(c, block, v)));
  }
}

static void gru_block(const Cell *c, const Block *block) {
  Nest *nest = c->nest;
  Sums sums;
  LLVMTypeRef type = nest_element_type(nest, c->h->element);
  Factor x = input_factor(c), h = state_factor(c, c->before), reset = state_factor(c, nest_address(nest, c->h->pointer, type, c->state_offset));
  start_sums(c, block, &sums, 0, 1);
  start_sums(c, block, &sums, 2, 3);
  add_product(c, block, &sums, 0, 1, &x);
  add_product(c, block, &sums, 2, 3, &x);
  add_product(c, block, &sums, 0, 1, &h);
  add_product(c, block, &sums, 2, 3, &reset);
  for (int v = 0; v < block->vectors; v++) store_gru(c, block, v, activation(c, 0, sums.of[0][v]), activation(c, 1, sums.of[2][v]));
}

// --- rows, blocks, time

typedef void BlockBody(const Cell *cell, const Block *block);

static Val length_of(const Cell *c, Val row) {
  Nest *nest = c->nest;
  if (!c->lengths) return c->time;
  Val length = kernel_load(c->kernel, c->lengths->element, c->lengths->pointer, row, 1);
  length = nest_extend(nest, length, nest->index, true);
  return nest_max(nest, nest_min(nest, length, c->time), nest_const(nest, 0));
}

static Val y_row(const Cell *c, Val t, Val row) {
  Nest *nest = c->nest;
  Val line = nest_add(nest, nest_mul(nest, t, nest_const(nest, c->recurrent.directions)), nest_const(nest, c->direction));
  return nest_mul(nest, nest_add(nest, nest_mul(nest, line, c->batch), row), c->hidden);
}

static Val state_row(const Cell *c, Val row) {
  Nest *nest = c->nest;
  return nest_mul(nest, nest_add(nest, nest_mul(nest, nest_const(nest, c->direction), c->batch), row), c->hidden);
}

// Where the state before the first step lies: h0, or result h, which is zero until then.
static Val first_state(const Cell *c, Val state_offset) {
  const View *view = c->h0 ? c->h0 : c->h;
  return nest_address(c->nest, view->pointer, nest_element_type(c->nest, view->element), state_offset);
}

static Val y_address(const Cell *c, Val offset) { // not inbounds: the row before the first is not used
  return LLVMBuildGEP2(c->nest->builder, nest_element_type(c->nest, c->y->element), c->y->pointer, &offset, 1, "");
}

static void enter_row(Cell *c, Val row, Val length) {
  Nest *nest = c->nest;
  bool reverse = c->recurrent.reverse[c->direction];
  Val one = nest_const(nest, 1);
  c->t = reverse ? nest_sub(nest, nest_sub(nest, length, one), c->step) : c->step;
  c->x_offset = nest_mul(nest, nest_add(nest, nest_mul(nest, c->t, c->batch), row), c->input);
  c->y_offset = y_row(c, c->t, row);
  c->state_offset = state_row(c, row);
  Val previous = reverse ? nest_add(nest, c->t, one) : nest_sub(nest, c->t, one);
  Val is_first = nest_compare(nest, LLVMIntEQ, c->step, nest_const(nest, 0));
  c->before = nest_select(nest, is_first, first_state(c, c->state_offset), y_address(c, y_row(c, previous, row)));
}

static void emit_rows(Cell *c, const Block *block, BlockBody *body) {
  Nest *nest = c->nest;
  FOR(nest, row, c->kernel->begin, c->kernel->end, 1) {
    if (!c->lengths) {
      enter_row(c, row, c->time);
      body(c, block);
      continue;
    }
    Val length = length_of(c, row);
    Branch branch = nest_if(nest, nest_compare(nest, LLVMIntSLT, c->step, length));
    enter_row(c, row, length);
    body(c, block);
    nest_else(nest, &branch); // behind the end of the sequence
    Val zero = nest_zero(nest_vector(c->element, c->lanes));
    for (int v = 0; v < block->vectors; v++) store_units(c, block, c->y, y_row(c, c->step, row), v, zero);
    nest_end_if(nest, &branch);
  }
}

static void each_block(Cell *c, BlockBody *body) {
  Nest *nest = c->nest;
  if (!c->packed) {
    FOR(nest, unit, nest_const(nest, 0), c->hidden, 1) emit_rows(c, &(Block){unit, unit, 1, NULL}, body);
    return;
  }
  int64_t hidden = type_dim(c->r->type, 2), width = (int64_t)c->vectors * c->lanes, whole = hidden / width, rest = hidden % width;
  if (whole)
    FOR(nest, panel, nest_const(nest, 0), nest_const(nest, whole), 1)
      emit_rows(c, &(Block){nest_mul(nest, panel, nest_const(nest, width)), panel, c->vectors, NULL}, body);
  if (!rest) return;
  int vectors = (int)((rest + c->lanes - 1) / c->lanes), lanes = (int)rest - (vectors - 1) * c->lanes;
  Val partial = lanes == c->lanes ? NULL : nest_const(nest, lanes);
  emit_rows(c, &(Block){nest_const(nest, whole * width), nest_const(nest, whole), vectors, partial}, body);
}

static void emit_step(Cell *c) {
  if (c->op == OP_LSTM) each_block(c, lstm_block);
  else if (c->op == OP_RNN) each_block(c, rnn_block);
  else if (c->linear) each_block(c, gru_linear_block);
  else {
    each_block(c, gru_reset_block);
    each_block(c, gru_block);
  }
}

// --- states before the first step and after the last one

static Val row_bytes(const Cell *c) {
  return nest_mul(c->nest, c->hidden, nest_const(c->nest, element_info[c->y->element].bits / 8));
}

static Val state_address(const Cell *c, const View *view, Val row) {
  return nest_address(c->nest, view->pointer, nest_element_type(c->nest, view->element), state_row(c, row));
}

static void start_state(const Cell *c, const View *state, const View *initial, Val row) {
  Nest *nest = c->nest;
  Val to = state_address(c, state, row);
  if (initial) {
    nest_copy(nest, to, state_address(c, initial, row), row_bytes(c));
    return;
  }
  LLVMTypeRef type = nest_element_type(nest, state->element);
  FOR(nest, i, nest_const(nest, 0), c->hidden, 1) nest_store(nest, nest_zero(type), nest_address(nest, to, type, i), 0);
}

static void finish_state(const Cell *c, Val row) {
  Nest *nest = c->nest;
  Val length = length_of(c, row), zero = nest_const(nest, 0);
  Val last = c->recurrent.reverse[c->direction] ? zero : nest_sub(nest, length, nest_const(nest, 1));
  Branch some = nest_if(nest, nest_compare(nest, LLVMIntSGT, length, zero));
  nest_copy(nest, state_address(c, c->h, row), y_address(c, y_row(c, last, row)), row_bytes(c));
  nest_else(nest, &some);
  if (c->h0) nest_copy(nest, state_address(c, c->h, row), state_address(c, c->h0, row), row_bytes(c));
  nest_end_if(nest, &some);
}

static void emit_direction(Cell *c) {
  Nest *nest = c->nest;
  FOR(nest, row, c->kernel->begin, c->kernel->end, 1) {
    if (!c->h0) start_state(c, c->h, NULL, row);
    if (c->op == OP_LSTM) start_state(c, c->c, c->c0, row);
  }
  FOR(nest, step, nest_const(nest, 0), c->time, 1) {
    c->step = step;
    emit_step(c);
  }
  FOR(nest, row, c->kernel->begin, c->kernel->end, 1) finish_state(c, row);
}

static const View *optional(Kernel *kernel, int operand) {
  return node_operand(kernel->node, operand) ? &kernel->operands[operand] : NULL;
}

static bool lower_recurrent(Kernel *kernel, bool packed) {
  Nest *nest = kernel->nest;
  const Node *node = kernel->node;
  Cell c = {.kernel = kernel, .nest = nest, .op = node->op, .packed = packed, .gates = gates_of(node->op),
            .x = &kernel->operands[RECURRENT_X], .w = &kernel->operands[RECURRENT_W], .r = &kernel->operands[RECURRENT_R],
            .bias = optional(kernel, RECURRENT_B), .lengths = optional(kernel, RECURRENT_LENGTHS), .h0 = optional(kernel, RECURRENT_H0),
            .y = &kernel->results[0], .h = &kernel->results[1], .c = &kernel->results[2]};
  if (!recurrent_describe(node, kernel->diag, &c.recurrent)) return false;
  if (c.op == OP_LSTM) {
    c.c0 = optional(kernel, RECURRENT_C0);
    c.peephole = optional(kernel, RECURRENT_PEEPHOLE);
    c.input_forget = node_int(node, ATTR_INPUT_FORGET);
  }
  c.linear = c.op == OP_GRU && node_int(node, ATTR_LINEAR_BEFORE);
  c.element = kernel_arithmetic_type(nest, c.y->element);
  c.lanes = packed ? target_lanes(kernel->target, c.y->element == F64 ? 64 : 32) : 1;
  c.vectors = packed ? unit_vectors(kernel->target, c.op, c.y->element, type_dim(c.r->type, 2)) : 1;
  c.time = c.x->dims[0];
  c.batch = c.x->dims[1];
  c.input = c.x->dims[2];
  c.hidden = c.r->dims[2];
  kernel_split(kernel, c.x->type->dims[1]);
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
  int64_t directions = type_dim(type, 0), hidden = type_dim(type, 1) / m->gates, columns = type_dim(type, 2);
  int64_t panels = (hidden + m->width - 1) / m->width;
  size_t size = (size_t)element_info[type->element].bits / 8;
  for (int64_t row = 0; row < directions * m->gates * hidden; row++) {
    int64_t d = row / hidden / m->gates, gate = row / hidden % m->gates, unit = row % hidden;
    for (int64_t k = 0; k < columns; k++) {
      int64_t to = (((d * panels + unit / m->width) * columns + k) * m->gates + gate) * m->width + unit % m->width;
      memcpy(out + (size_t)to * size, from + (size_t)(row * columns + k) * size, size);
    }
  }
}

bool pack_recurrent(Pack *pack) {
  const Node *node = pack->node;
  ElementType element = node->results[0]->type.element;
  int64_t hidden = type_dim(&node->operands[RECURRENT_R]->type, 2), gates = gates_of(node->op);
  int64_t width = (int64_t)unit_vectors(pack->target, node->op, element, hidden) * target_lanes(pack->target, element == F64 ? 64 : 32);
  for (int operand = RECURRENT_W; operand <= RECURRENT_R; operand++) {
    Matrix *matrix = NEW(pack->arena, Matrix);
    *matrix = (Matrix){node->operands[operand], gates, width};
    const Type *type = &matrix->value->type;
    int64_t rows = type_dim(type, 0) * gates * ((hidden + width - 1) / width * width);
    size_t bytes = (size_t)(rows * type_dim(type, 2) * element_info[type->element].bits / 8);
    const char *name = value_constant(matrix->value)->name;
    const char *key = arena_printf(pack->arena, "recurrent:%s:%lld:%lld", name, (long long)width, (long long)gates);
    pack_add(pack, bytes, target_alignment(pack->target), key, write_matrix, matrix);
  }
  return true;
}
