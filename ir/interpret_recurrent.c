// lstm, gru and rnn: one step after the other, as the ONNX documents write them. Sums and
// activations are taken in double; states are rounded to the element type after each step.
#include "ir/interpret_ops.h"
#include "ir/move.h"
#include "ir/recurrent.h"

#include <math.h>

// One direction of one node. Weights are row-major doubles.
typedef struct Cell {
  Recurrent recurrent;
  int direction, gates;
  int64_t input, hidden;
  const double *w, *r;           // [gates * hidden][input], [gates * hidden][hidden]
  const double *w_bias, *r_bias; // [gates * hidden]; NULL: none
  const double *peephole;        // [3 * hidden], gates i, o, f; NULL: none
  bool input_forget, linear_before_reset;
  double *from_x, *from_h; // scratch [gates * hidden]
  double *reset_h;         // scratch [hidden]
} Cell;

static double activate(const Activation *activation, double clip, double x) {
  double alpha = activation->alpha, beta = activation->beta;
  if (clip > 0) x = fmin(fmax(x, -clip), clip);
  switch (activation->kind) {
  case ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
  case ACTIVATION_TANH: return tanh(x);
  case ACTIVATION_RELU: return x > 0 ? x : 0;
  case ACTIVATION_AFFINE: return alpha * x + beta;
  case ACTIVATION_LEAKY_RELU: return x < 0 ? alpha * x : x;
  case ACTIVATION_THRESHOLDED_RELU: return x > alpha ? x : 0;
  case ACTIVATION_SCALED_TANH: return alpha * tanh(beta * x);
  case ACTIVATION_HARD_SIGMOID: return fmin(fmax(alpha * x + beta, 0), 1);
  case ACTIVATION_ELU: return x < 0 ? alpha * expm1(x) : x;
  case ACTIVATION_SOFTSIGN: return x / (1 + fabs(x));
  case ACTIVATION_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
  case ACTIVATION_KINDS: break;
  }
  return x;
}

static double apply(const Cell *cell, int function, double x) {
  return activate(&cell->recurrent.activations[cell->direction][function], cell->recurrent.clip, x);
}

// y[row] = bias[row] + sum over k of matrix[row][k] * x[k], for rows [first, end).
static void multiply(double *y, const double *matrix, const double *bias, const double *x,
                     int64_t first, int64_t end, int64_t columns) {
  for (int64_t row = first; row < end; row++) {
    double sum = bias ? bias[row] : 0;
    for (int64_t k = 0; k < columns; k++) sum += matrix[row * columns + k] * x[k];
    y[row] = sum;
  }
}

static double peephole_term(const Cell *cell, int gate, int64_t j, double c) {
  return cell->peephole ? cell->peephole[gate * cell->hidden + j] * c : 0;
}

// Gates in order i, o, f, c.
static void lstm_step(const Cell *cell, double *h, double *c) {
  int64_t n = cell->hidden;
  multiply(cell->from_h, cell->r, cell->r_bias, h, 0, 4 * n, n);
  for (int64_t j = 0; j < n; j++) {
    double sum[4];
    for (int g = 0; g < 4; g++) sum[g] = cell->from_x[g * n + j] + cell->from_h[g * n + j];
    double i = apply(cell, 0, sum[0] + peephole_term(cell, 0, j, c[j]));
    double f =
        cell->input_forget ? 1 - i : apply(cell, 0, sum[2] + peephole_term(cell, 2, j, c[j]));
    c[j] = f * c[j] + i * apply(cell, 1, sum[3]);
    double o = apply(cell, 0, sum[1] + peephole_term(cell, 1, j, c[j]));
    h[j] = o * apply(cell, 2, c[j]);
  }
}

// Gates in order z, r, h.
static void gru_step(const Cell *cell, double *h) {
  int64_t n = cell->hidden;
  bool linear = cell->linear_before_reset;
  multiply(cell->from_h, cell->r, cell->r_bias, h, 0, (linear ? 3 : 2) * n, n);
  for (int64_t j = 0; j < n; j++) {
    double r = apply(cell, 0, cell->from_x[n + j] + cell->from_h[n + j]);
    if (linear)
      cell->from_h[2 * n + j] *= r;
    else
      cell->reset_h[j] = r * h[j];
  }
  if (!linear) multiply(cell->from_h, cell->r, cell->r_bias, cell->reset_h, 2 * n, 3 * n, n);
  for (int64_t j = 0; j < n; j++) {
    double z = apply(cell, 0, cell->from_x[j] + cell->from_h[j]);
    double candidate = apply(cell, 1, cell->from_x[2 * n + j] + cell->from_h[2 * n + j]);
    h[j] = (1 - z) * candidate + z * h[j];
  }
}

static void rnn_step(const Cell *cell, double *h) {
  multiply(cell->from_h, cell->r, cell->r_bias, h, 0, cell->hidden, cell->hidden);
  for (int64_t j = 0; j < cell->hidden; j++)
    h[j] = apply(cell, 0, cell->from_x[j] + cell->from_h[j]);
}

static double *load_reals(Arena *arena, const Evaluation *e, int index) {
  if (index >= e->operand_count || !e->node->operands[index]) return NULL;
  const Tensor *tensor = &e->operands[index];
  int64_t count = tensor_count(tensor);
  double *reals = NEW_ARRAY(arena, double, count);
  for (int64_t i = 0; i < count; i++) reals[i] = element_load(tensor->element, tensor->data, i);
  return reals;
}

static void round_state(ElementType element, double *state, int64_t count) {
  double stored;
  for (int64_t i = 0; i < count; i++) {
    element_store(element, &stored, 0, state[i]);
    state[i] = element_load(element, &stored, 0);
  }
}

typedef struct Operands {
  const double *x, *w, *r, *b, *h0, *c0, *peephole;
} Operands;

static Cell make_cell(const Evaluation *e, Arena *arena, const Operands *operands, int direction,
                      int gates, const Recurrent *recurrent) {
  int64_t input = e->operands[0].dims[2], hidden = e->operands[RECURRENT_R].dims[2];
  int64_t rows = gates * hidden;
  Cell cell = {.recurrent = *recurrent,
               .direction = direction,
               .gates = gates,
               .input = input,
               .hidden = hidden};
  cell.w = operands->w + direction * rows * input;
  cell.r = operands->r + direction * rows * hidden;
  if (operands->b) {
    cell.w_bias = operands->b + direction * 2 * rows;
    cell.r_bias = cell.w_bias + rows;
  }
  if (operands->peephole) cell.peephole = operands->peephole + direction * 3 * hidden;
  cell.input_forget = e->node->op == OP_LSTM && node_int(e->node, ATTR_INPUT_FORGET);
  cell.linear_before_reset = e->node->op == OP_GRU && node_int(e->node, ATTR_LINEAR_BEFORE);
  cell.from_x = NEW_ARRAY(arena, double, rows);
  cell.from_h = NEW_ARRAY(arena, double, rows);
  cell.reset_h = NEW_ARRAY(arena, double, hidden);
  return cell;
}

static void store_reals(Tensor *tensor, int64_t at, const double *reals, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    element_store(tensor->element, tensor->data, at + i, reals[i]);
}

// One sequence of the batch, `length` steps; what lies behind them in y stays zero.
static void run_sequence(const Evaluation *e, Arena *arena, const Cell *cell,
                         const Operands *operands, int64_t b, int64_t length) {
  int64_t batch = e->operands[0].dims[1], n = cell->hidden, directions = cell->recurrent.directions;
  ElementType element = e->operands[0].element;
  int64_t state_at = (cell->direction * batch + b) * n;
  double *h = NEW_ARRAY(arena, double, n), *c = NEW_ARRAY(arena, double, n);
  for (int64_t j = 0; operands->h0 && j < n; j++) h[j] = operands->h0[state_at + j];
  for (int64_t j = 0; operands->c0 && j < n; j++) c[j] = operands->c0[state_at + j];
  for (int64_t step = 0; step < length; step++) {
    int64_t t = cell->recurrent.reverse[cell->direction] ? length - 1 - step : step;
    multiply(cell->from_x, cell->w, cell->w_bias, operands->x + (t * batch + b) * cell->input, 0,
             cell->gates * n, cell->input);
    if (e->node->op == OP_LSTM)
      lstm_step(cell, h, c);
    else if (e->node->op == OP_GRU)
      gru_step(cell, h);
    else
      rnn_step(cell, h);
    round_state(element, h, n);
    round_state(element, c, n);
    store_reals(&e->results[0], ((t * directions + cell->direction) * batch + b) * n, h, n);
  }
  store_reals(&e->results[1], state_at, h, n);
  if (e->node->op == OP_LSTM) store_reals(&e->results[2], state_at, c, n);
}

static bool sequence_length(const Evaluation *e, int64_t b, int64_t *length) {
  *length = e->operands[0].dims[0];
  if (e->operand_count <= RECURRENT_LENGTHS || !e->node->operands[RECURRENT_LENGTHS]) return true;
  const Tensor *lengths = &e->operands[RECURRENT_LENGTHS];
  int64_t value = element_load_int(lengths->element, lengths->data, b);
  if (value < 0 || value > *length)
    return diag_error(e->run->diag, e->node->loc, "sequence length %lld is outside [0, %lld]",
                      (long long)value, (long long)*length);
  *length = value;
  return true;
}

static bool check_operands(const Evaluation *e, int gates, int directions) {
  const int64_t *x = e->operands[0].dims;
  int64_t hidden = e->operands[RECURRENT_R].dims[2], rows = directions * gates * hidden;
  const int64_t wanted[] = {[RECURRENT_X] = x[0] * x[1] * x[2],
                            [RECURRENT_W] = rows * x[2],
                            [RECURRENT_R] = rows * hidden,
                            [RECURRENT_B] = 2 * rows,
                            [RECURRENT_LENGTHS] = x[1],
                            [RECURRENT_H0] = directions * x[1] * hidden,
                            [RECURRENT_C0] = directions * x[1] * hidden,
                            [RECURRENT_PEEPHOLE] = directions * 3 * hidden};
  for (int i = 0; i < e->operand_count; i++)
    if (e->node->operands[i] && !check_count(e, i, wanted[i])) return false;
  return true;
}

static bool interpret_recurrent(Evaluation *e, int gates) {
  Recurrent recurrent;
  if (!recurrent_describe(e->node, e->run->diag, &recurrent) ||
      !check_operands(e, gates, recurrent.directions))
    return false;
  Arena *arena = arena_create();
  bool lstm = e->node->op == OP_LSTM, ok = true;
  Operands operands = {load_reals(arena, e, RECURRENT_X),
                       load_reals(arena, e, RECURRENT_W),
                       load_reals(arena, e, RECURRENT_R),
                       load_reals(arena, e, RECURRENT_B),
                       load_reals(arena, e, RECURRENT_H0),
                       lstm ? load_reals(arena, e, RECURRENT_C0) : NULL,
                       lstm ? load_reals(arena, e, RECURRENT_PEEPHOLE) : NULL};
  for (int d = 0; ok && d < recurrent.directions; d++) {
    Cell cell = make_cell(e, arena, &operands, d, gates, &recurrent);
    for (int64_t b = 0; ok && b < e->operands[0].dims[1]; b++) {
      int64_t length;
      ok = sequence_length(e, b, &length);
      if (ok) run_sequence(e, arena, &cell, &operands, b, length);
    }
  }
  arena_destroy(arena);
  return ok;
}

bool interpret_lstm(Evaluation *e) { return interpret_recurrent(e, 4); }
bool interpret_gru(Evaluation *e) { return interpret_recurrent(e, 3); }
bool interpret_rnn(Evaluation *e) { return interpret_recurrent(e, 1); }
