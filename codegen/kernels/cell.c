// One step of a cell: gate sums, activations, state.
#include "codegen/kernels/cell.h"

#include <assert.h>

#include "codegen/kernels/product.h"
#include "codegen/kernels/strip.h"

// --- memory

static Val unit_offset(const Cell *c, const Block *block, Val base, int vector) {
  return nest_add(c->nest, nest_add(c->nest, base, block->unit),
                  nest_const(c->nest, (int64_t)vector * c->lanes));
}

static Val partial_of(const Block *block, int vector) {
  return vector == block->vectors - 1 ? block->partial : NULL;
}

static Val load_units(const Cell *c, const Block *block, ElementType element, Val pointer, Val base,
                      int vector) {
  Tile shape = {.lanes = c->lanes, .element = c->element};
  return tile_load_columns(c->kernel, &shape, element, pointer, unit_offset(c, block, base, vector),
                           partial_of(block, vector));
}

static void store_units(const Cell *c, const Block *block, const View *view, Val base, int vector,
                        Val value) {
  Tile shape = {.lanes = c->lanes, .element = c->element};
  tile_store_columns(c->kernel, &shape, view->element, value, view->pointer,
                     unit_offset(c, block, base, vector), partial_of(block, vector));
}

// The part of a weight or bias that belongs to gate `row` (counting from the first of all
// directions).
static Val gate_offset(const Cell *c, int64_t row) {
  return nest_mul(c->nest, nest_const(c->nest, row), c->hidden);
}

// --- activations

static Val activation(const Cell *c, int function, Val x) {
  Nest *nest = c->nest;
  const Activation *a = &c->recurrent.activations[c->direction][function];
  LLVMTypeRef type = LLVMTypeOf(x);
  if (c->recurrent.clip > 0) {
    x = nest_max(nest, x, nest_real(type, -c->recurrent.clip));
    x = nest_min(nest, x, nest_real(type, c->recurrent.clip));
  }
  Val zero = nest_real(type, 0), one = nest_real(type, 1), alpha = nest_real(type, a->alpha),
      beta = nest_real(type, a->beta);
  Val negative = nest_compare_float(nest, LLVMRealOLT, x, zero);
  switch (a->kind) {
  case ACTIVATION_SIGMOID: return maths(c->kernel, "sigmoid", x);
  case ACTIVATION_TANH: return maths(c->kernel, "tanh", x);
  case ACTIVATION_RELU: return nest_max(nest, x, zero);
  case ACTIVATION_AFFINE: return nest_fma(nest, alpha, x, beta);
  case ACTIVATION_LEAKY_RELU: return nest_select(nest, negative, nest_mul(nest, alpha, x), x);
  case ACTIVATION_THRESHOLDED_RELU:
    return nest_select(nest, nest_compare_float(nest, LLVMRealOGT, x, alpha), x, zero);
  case ACTIVATION_SCALED_TANH:
    return nest_mul(nest, alpha, maths(c->kernel, "tanh", nest_mul(nest, beta, x)));
  case ACTIVATION_HARD_SIGMOID:
    return nest_min(nest, nest_max(nest, nest_fma(nest, alpha, x, beta), zero), one);
  case ACTIVATION_ELU:
    return nest_select(nest, negative, nest_mul(nest, alpha, maths(c->kernel, "expm1", x)), x);
  case ACTIVATION_SOFTSIGN: return nest_div(nest, x, nest_add(nest, one, maths_abs(nest, x)));
  case ACTIVATION_SOFTPLUS: return maths(c->kernel, "softplus", x);
  case ACTIVATION_KINDS: break;
  }
  assert(false && "no such activation");
  return x;
}

// --- products: sums[gate] += matrix[gate] * vector, for gates [first, end)

typedef struct Factor { // the vector
  Val rows[MAX_ROWS];   // pointers to its first element, for each row
  ElementType element;
  Val count;
  bool recurrent; // the matrix is r, else w
} Factor;

static void add_panel_product(const Cell *c, const Block *block, Sums *sums, int first, int end,
                              const Factor *factor) {
  Nest *nest = c->nest;
  const View *matrix = factor->recurrent ? c->r : c->w;
  int64_t width = (int64_t)c->vectors * c->lanes, hidden = type_dim(c->r->type, 2),
          panels = (hidden + width - 1) / width;
  Val panel = nest_add(nest, block->panel, nest_const(nest, c->direction * panels));
  Val offset =
      nest_mul(nest, nest_mul(nest, panel, factor->count), nest_const(nest, c->gates * width));
  offset = nest_add(nest, offset, nest_const(nest, first * width));
  Val b = nest_address(nest, c->kernel->packed[factor->recurrent],
                       nest_element_type(nest, matrix->element), offset);
  Tile tile = {.rows = c->rows,
               .vectors = (end - first) * block->vectors,
               .lanes = c->lanes,
               .element = c->element};
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < tile.vectors; i++)
      tile.sum[r][i] = sums->of[r][first + i / block->vectors][i % block->vectors];
  tile_accumulate(c->kernel, &tile, factor->rows, nest_const(nest, 1), factor->element, b,
                  nest_const(nest, c->gates * width), matrix->element, factor->count, NULL);
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < tile.vectors; i++)
      sums->of[r][first + i / block->vectors][i % block->vectors] = tile.sum[r][i];
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
  Val a = kernel_load(c->kernel, dot->factor->element, dot->factor->rows[0], at, lanes);
  Val b = kernel_load(c->kernel, dot->matrix->element, dot->matrix->pointer,
                      nest_add(nest, dot->row, at), lanes);
  return nest_mul(nest, a, b);
}

static void add_row_product(const Cell *c, const Block *block, Sums *sums, int first, int end,
                            const Factor *factor) {
  Nest *nest = c->nest;
  int lanes = target_lanes(c->kernel->target, c->element == nest->f64 ? 64 : 32);
  for (int g = first; g < end; g++) {
    Val unit = nest_add(nest, gate_offset(c, (int64_t)c->direction * c->gates + g), block->unit);
    Dot dot = {c, factor, factor->recurrent ? c->r : c->w, nest_mul(nest, unit, factor->count)};
    Val product = strip_reduce(nest, nest_const(nest, 0), factor->count, lanes,
                               nest_real(c->element, 0), nest_add, dot_term, &dot);
    sums->of[0][g][0] = nest_add(nest, sums->of[0][g][0], product);
  }
}

static void add_product(const Cell *c, const Block *block, Sums *sums, int first, int end,
                        const Factor *factor) {
  if (!c->packed) {
    add_row_product(c, block, sums, first, end, factor);
    return;
  }
  if (c->rows == 1 && block->vectors == c->vectors) {
    add_panel_product(c, block, sums, first, end, factor);
    return;
  }
  for (int g = first; g < end; g++) add_panel_product(c, block, sums, g, g + 1, factor);
}

static Factor input_factor(const Cell *c) {
  Factor factor = {.element = c->x->element, .count = c->input, .recurrent = false};
  LLVMTypeRef type = nest_element_type(c->nest, c->x->element);
  for (int r = 0; r < c->rows; r++)
    factor.rows[r] = nest_address(c->nest, c->x->pointer, type, c->row[r].x_offset);
  return factor;
}

static Factor state_factor(const Cell *c) {
  Factor factor = {.element = c->y->element, .count = c->hidden, .recurrent = true};
  for (int r = 0; r < c->rows; r++) factor.rows[r] = c->row[r].before;
  return factor;
}

static Factor reset_factor(const Cell *c) { // gru: the state after the reset gate
  Factor factor = {.element = c->h->element, .count = c->hidden, .recurrent = true};
  LLVMTypeRef type = nest_element_type(c->nest, c->h->element);
  for (int r = 0; r < c->rows; r++)
    factor.rows[r] = nest_address(c->nest, c->h->pointer, type, c->row[r].state_offset);
  return factor;
}

// Biases of w (half 0) or r (half 1) of one gate, or zero.
static Val bias_of(const Cell *c, const Block *block, int gate, int half, int vector) {
  if (!c->bias) return nest_zero(nest_vector(c->element, c->lanes));
  Val base = gate_offset(c, ((int64_t)c->direction * 2 + half) * c->gates + gate);
  return load_units(c, block, c->bias->element, c->bias->pointer, base, vector);
}

// Where a vector of sums lies in the scratch memory: [row][step][gate][unit, whole panels].
static Val scratch_address(const Cell *c, const Block *block, int row, int gate, int vector) {
  Nest *nest = c->nest;
  int64_t width = (int64_t)c->vectors * c->lanes,
          padded = (type_dim(c->r->type, 2) + width - 1) / width * width;
  Val at = nest_add(nest, nest_mul(nest, c->row[row].scratch, nest_const(nest, c->gates * padded)),
                    nest_const(nest, gate * padded));
  return nest_address(nest, c->scratch, c->element, unit_offset(c, block, at, vector));
}

// What the inputs and biases add to gates [first, end). The candidate of a gru that resets the
// product keeps the bias of r apart.
static void make_input_sums(const Cell *c, const Block *block, Sums *sums, int first, int end) {
  for (int g = first; g < end; g++)
    for (int v = 0; v < block->vectors; v++) {
      Val bias = bias_of(c, block, g, 0, v);
      bool apart = c->linear && g == 2;
      if (c->bias && !apart) bias = nest_add(c->nest, bias, bias_of(c, block, g, 1, v));
      for (int r = 0; r < c->rows; r++) sums->of[r][g][v] = bias;
    }
  Factor x = input_factor(c);
  add_product(c, block, sums, first, end, &x);
}

static void input_sums(const Cell *c, const Block *block, Sums *sums, int first, int end) {
  if (!c->scratch) {
    make_input_sums(c, block, sums, first, end);
    return;
  }
  LLVMTypeRef type = nest_vector(c->element, c->lanes);
  for (int r = 0; r < c->rows; r++)
    for (int g = first; g < end; g++)
      for (int v = 0; v < block->vectors; v++)
        sums->of[r][g][v] = nest_load(c->nest, type, scratch_address(c, block, r, g, v), 0);
}

static Val state_before(const Cell *c, const Block *block, int row, int vector) {
  return load_units(c, block, c->y->element, c->row[row].before, nest_const(c->nest, 0), vector);
}

// --- one step for one block of units

static Val with_peephole(const Cell *c, const Block *block, Val sum, int gate, Val state,
                         int vector) {
  if (!c->peephole) return sum;
  Val weight = load_units(c, block, c->peephole->element, c->peephole->pointer,
                          gate_offset(c, (int64_t)c->direction * 3 + gate), vector);
  return nest_fma(c->nest, weight, state, sum);
}

// Gates in order i, o, f, c.
static void finish_lstm(const Cell *c, const Block *block, const Sums *sums, int row, int v) {
  Nest *nest = c->nest;
  const Val(*gate)[MAX_UNIT_VECTORS] = sums->of[row];
  const Row *at = &c->row[row];
  Val state = load_units(c, block, c->c->element, c->c->pointer, at->state_offset, v);
  Val i = activation(c, 0, with_peephole(c, block, gate[0][v], 0, state, v)), f;
  if (c->input_forget)
    f = nest_sub(nest, nest_real(LLVMTypeOf(i), 1), i);
  else
    f = activation(c, 0, with_peephole(c, block, gate[2][v], 2, state, v));
  state = nest_fma(nest, f, state, nest_mul(nest, i, activation(c, 1, gate[3][v])));
  Val o = activation(c, 0, with_peephole(c, block, gate[1][v], 1, state, v));
  store_units(c, block, c->c, at->state_offset, v, state);
  store_units(c, block, c->y, at->y_offset, v, nest_mul(nest, o, activation(c, 2, state)));
}

// Several rows, one gate after the other: all sums at once would not fit the registers. A loop over
// the rows takes them up again.
static void lstm_rows(const Cell *c, const Block *block) {
  Nest *nest = c->nest;
  LLVMTypeRef type = nest_vector(c->element, c->lanes);
  Factor h = state_factor(c);
  for (int g = 0; g < 4; g++) {
    Sums sums;
    input_sums(c, block, &sums, g, g + 1);
    add_product(c, block, &sums, g, g + 1, &h);
    for (int i = 0; i < c->rows * block->vectors; i++) {
      int r = i / block->vectors, v = i % block->vectors;
      Val at = nest_const(nest, (int64_t)((r * 4 + g) * MAX_UNIT_VECTORS + v) * c->lanes);
      nest_store(nest, sums.of[r][g][v], nest_address(nest, c->tile_sums, c->element, at), 0);
    }
  }
  FOR (nest, row, nest_const(nest, 0), nest_const(nest, c->rows), 1) {
    Cell one = *c;
    Sums sums;
    Val further = nest_mul(nest, row, c->hidden);
    one.rows = 1;
    one.row[0].y_offset = nest_add(nest, c->row[0].y_offset, further);
    one.row[0].state_offset = nest_add(nest, c->row[0].state_offset, further);
    for (int i = 0; i < 4 * block->vectors; i++) {
      int g = i / block->vectors, v = i % block->vectors;
      Val at = nest_mul(
          nest, nest_add(nest, nest_mul(nest, row, nest_const(nest, 4)), nest_const(nest, g)),
          nest_const(nest, MAX_UNIT_VECTORS));
      at = nest_mul(nest, nest_add(nest, at, nest_const(nest, v)), nest_const(nest, c->lanes));
      sums.of[0][g][v] = nest_load(nest, type, nest_address(nest, c->tile_sums, c->element, at), 0);
    }
    for (int v = 0; v < block->vectors; v++) finish_lstm(&one, block, &sums, 0, v);
  }
}

void cell_lstm(const Cell *c, const Block *block) {
  if (c->rows > 1) {
    lstm_rows(c, block);
    return;
  }
  Sums sums;
  Factor h = state_factor(c);
  input_sums(c, block, &sums, 0, 4);
  add_product(c, block, &sums, 0, 4, &h);
  for (int v = 0; v < block->vectors; v++) finish_lstm(c, block, &sums, 0, v);
}

void cell_rnn(const Cell *c, const Block *block) {
  Sums sums;
  Factor h = state_factor(c);
  input_sums(c, block, &sums, 0, 1);
  add_product(c, block, &sums, 0, 1, &h);
  for (int r = 0; r < c->rows; r++)
    for (int v = 0; v < block->vectors; v++)
      store_units(c, block, c->y, c->row[r].y_offset, v, activation(c, 0, sums.of[r][0][v]));
}

static void store_gru(const Cell *c, const Block *block, int row, int vector, Val z,
                      Val candidate) {
  Nest *nest = c->nest;
  Val keep = nest_mul(nest, z, state_before(c, block, row, vector));
  Val rest = nest_sub(nest, nest_real(LLVMTypeOf(z), 1), z);
  store_units(c, block, c->y, c->row[row].y_offset, vector, nest_fma(nest, rest, candidate, keep));
}

// Gates in order z, r, h. The reset gate applies to the product: everything in one go.
void cell_gru_linear(const Cell *c, const Block *block) {
  Nest *nest = c->nest;
  Sums sums, products;
  Factor h = state_factor(c);
  input_sums(c, block, &sums, 0, 3);
  for (int r = 0; r < c->rows; r++)
    for (int v = 0; v < block->vectors; v++) products.of[r][2][v] = bias_of(c, block, 2, 1, v);
  add_product(c, block, &sums, 0, 2, &h);
  add_product(c, block, &products, 2, 3, &h);
  for (int r = 0; r < c->rows; r++)
    for (int v = 0; v < block->vectors; v++) {
      Val z = activation(c, 0, sums.of[r][0][v]), reset = activation(c, 0, sums.of[r][1][v]);
      store_gru(c, block, r, v, z,
                activation(c, 1, nest_fma(nest, reset, products.of[r][2][v], sums.of[r][2][v])));
    }
}

// The reset gate applies to the state: r * state of all units first.
void cell_gru_reset(const Cell *c, const Block *block) {
  Sums sums;
  Factor h = state_factor(c);
  input_sums(c, block, &sums, 1, 2);
  add_product(c, block, &sums, 1, 2, &h);
  for (int r = 0; r < c->rows; r++)
    for (int v = 0; v < block->vectors; v++) {
      Val reset = activation(c, 0, sums.of[r][1][v]);
      store_units(c, block, c->h, c->row[r].state_offset, v,
                  nest_mul(c->nest, reset, state_before(c, block, r, v)));
    }
}

void cell_gru(const Cell *c, const Block *block) {
  Sums sums;
  Factor h = state_factor(c), reset = reset_factor(c);
  input_sums(c, block, &sums, 0, 1);
  input_sums(c, block, &sums, 2, 3);
  add_product(c, block, &sums, 0, 1, &h);
  add_product(c, block, &sums, 2, 3, &reset);
  for (int r = 0; r < c->rows; r++)
    for (int v = 0; v < block->vectors; v++)
      store_gru(c, block, r, v, activation(c, 0, sums.of[r][0][v]),
                activation(c, 1, sums.of[r][2][v]));
}

void cell_inputs_ahead(const Cell *c, const Block *block) {
  for (int g = 0; g < c->gates; g++) {
    Sums sums;
    make_input_sums(c, block, &sums, g, g + 1);
    for (int r = 0; r < c->rows; r++)
      for (int v = 0; v < block->vectors; v++)
        nest_store(c->nest, sums.of[r][g][v], scratch_address(c, block, r, g, v), 0);
  }
}

void cell_store_zero(const Cell *c, const Block *block, Val y_offset) {
  Val zero = nest_zero(nest_vector(c->element, c->lanes));
  for (int v = 0; v < block->vectors; v++) store_units(c, block, c->y, y_offset, v, zero);
}
