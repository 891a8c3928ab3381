// The inner part of an 8-bit product as a function of the object, shared by all layers whose rows
// lie one behind the other (gathered taps, 1 x 1 convolutions, matrices) and whose tiles and tables
// look alike, on targets with vectors.
//
// Depth, columns and rows are arguments: the loops are the same, and a model of ten layers has
// their code once. Rows beyond the last one are the last one again: they are summed, but not
// stored.
#include <string.h>

#include "codegen/kernels/product_int8.h"

// --- sums

int64_t int8_sums_width(const Dot *dot, const Int8Sums *sums) {
  return (int64_t)sums->vectors * dot->lanes;
}

void int8_sums_step(Nest *nest, const Dot *dot, Int8Sums *sums, const DotOperand *x, Val w) {
  for (int v = 0; v < sums->vectors; v++) {
    DotOperand columns = dot_load_w(
        nest, dot,
        nest_byte_address(nest, w, nest_const(nest, (int64_t)v * dot->lanes * dot->group)));
    for (int r = 0; r < sums->rows; r++)
      sums->sum[r][v] = dot_step(nest, dot, sums->sum[r][v], x[r], columns);
  }
}

void int8_sums_carry(Nest *nest, Int8Sums *sums, Loop *loop) {
  for (int r = 0; r < sums->rows; r++)
    for (int v = 0; v < sums->vectors; v++)
      sums->sum[r][v] = loop->carried[nest_carry(nest, loop, sums->sum[r][v])];
}

void int8_sums_next(Int8Sums *sums, Loop *loop) {
  for (int r = 0; r < sums->rows; r++)
    for (int v = 0; v < sums->vectors; v++) {
      int which = r * sums->vectors + v;
      nest_carry_next(loop, which, sums->sum[r][v]);
      if (loop->header) sums->sum[r][v] = loop->carried[which];
    }
}

// --- the function

enum { ARGUMENTS = 7 };

typedef struct Body {
  Nest *nest;
  const Int8Tile *tile;
  Int8TileCall given;
  ChannelTable table;
  Val last;    // row
  Val spilled; // sums of a tile on their way to a loop over its rows
} Body;

typedef struct Panel {
  Val column, weights, block;
  int vectors;
  Val partial; // lanes of the last vector that exist; NULL: all
} Panel;

// The row behind `row`, but none behind the last one.
static Val row_behind(const Body *b, Val row) {
  Nest *nest = b->nest;
  // Not inbounds: what lies behind the last row is computed but not used.
  Val next = LLVMBuildGEP2(nest->builder, b->tile->widened ? nest->i16 : nest->i8, row,
                           (Val[]){b->given.k}, 1, "");
  Val beyond = nest_compare(nest, LLVMIntUGT, next, b->last);
  return nest_select(nest, beyond, b->last, next);
}

// Where a row begins.
static Val row_of(const Body *b, Val number) {
  Nest *nest = b->nest;
  Val offset = nest_mul(nest, number, b->given.k);
  return nest_address(nest, b->given.x, b->tile->widened ? nest->i16 : nest->i8, offset);
}

static void accumulate(const Body *b, Int8Sums *sums, const Panel *panel, Val number) {
  Nest *nest = b->nest;
  const Int8Tile *tile = b->tile;
  const Dot *dot = &tile->dot;
  Val rows[MAX_ROWS];
  for (int r = 0; r < tile->rows; r++) rows[r] = r ? row_behind(b, rows[r - 1]) : row_of(b, number);
  for (int v = 0; v < sums->vectors; v++) {
    Val bias = channel_table_bias(&b->table, panel->block, sums->vectors * dot->lanes,
                                  v * dot->lanes, dot->lanes);
    for (int r = 0; r < sums->rows; r++) sums->sum[r][v] = bias;
  }
  FOR (nest, k, nest_const(nest, 0), b->given.k, dot->group) {
    int8_sums_carry(nest, sums, &k_loop);
    DotOperand x[MAX_ROWS];
    for (int r = 0; r < tile->rows; r++) {
      if (tile->widened)
        x[r] = dot_load_x_wide(nest, dot, nest_address(nest, rows[r], nest->i16, k));
      else
        x[r] = dot_load_x(nest, dot, tile->x, nest_byte_address(nest, rows[r], k));
    }
    int8_sums_step(
        nest, dot, sums, x,
        nest_byte_address(nest, panel->weights,
                          nest_mul(nest, k, nest_const(nest, int8_sums_width(dot, sums)))));
    int8_sums_next(sums, &k_loop);
  }
}

static void store_row(const Body *b, const Val *sums, const Panel *panel, Val number) {
  Nest *nest = b->nest;
  int lanes = b->tile->dot.lanes;
  LLVMTypeRef element = nest_element_type(nest, b->tile->layout.element);
  Val offset = nest_add(nest, nest_mul(nest, number, b->given.columns), panel->column);
  for (int v = 0; v < panel->vectors; v++) {
    Val value = sums[v],
        at = nest_address(nest, b->given.y, element,
                          nest_add(nest, offset, nest_const(nest, (int64_t)v * lanes)));
    if (b->tile->layout.form != CHANNEL_SUMS)
      value = nest_extend(nest,
                          channel_table_requantize(&b->table, value, panel->block,
                                                   panel->vectors * lanes, v * lanes),
                          element, true);
    if (panel->partial && v == panel->vectors - 1)
      nest_store_lanes(nest, value, at, panel->partial);
    else
      nest_store(nest, value, at, 1);
  }
}

// Sums go through memory: the code for one row, and only of the rows that exist.
static void store_tile(const Body *b, const Int8Sums *sums, const Panel *panel, Val number) {
  Nest *nest = b->nest;
  Val count = nest_min(nest, nest_sub(nest, b->given.rows, number), nest_const(nest, sums->rows));
  int lanes = b->tile->dot.lanes;
  for (int r = 0; r < sums->rows; r++)
    for (int v = 0; v < sums->vectors; v++)
      nest_store(nest, sums->sum[r][v],
                 nest_address(nest, b->spilled, nest->i32,
                              nest_const(nest, ((int64_t)r * sums->vectors + v) * lanes)),
                 0);
  FOR (nest, r, nest_const(nest, 0), count, 1) {
    Val row[MAX_VECTORS];
    for (int v = 0; v < sums->vectors; v++) {
      Val at = nest_mul(
          nest,
          nest_add(nest, nest_mul(nest, r, nest_const(nest, sums->vectors)), nest_const(nest, v)),
          nest_const(nest, lanes));
      row[v] = nest_load(nest, nest_vector(nest->i32, lanes),
                         nest_address(nest, b->spilled, nest->i32, at), 0);
    }
    store_row(b, row, panel, nest_add(nest, number, r));
  }
}

// A panel's weights serve all rows.
static void emit_panel(const Body *b, Val column, int vectors, Val partial) {
  Nest *nest = b->nest;
  Panel panel = {.column = column, .vectors = vectors, .partial = partial};
  panel.weights = nest_byte_address(nest, b->given.weights, nest_mul(nest, column, b->given.k));
  panel.block = channel_table_block(&b->table, column);
  FOR (nest, number, nest_const(nest, 0), b->given.rows, b->tile->rows) {
    Int8Sums sums = {.rows = b->tile->rows, .vectors = vectors};
    accumulate(b, &sums, &panel, number);
    store_tile(b, &sums, &panel, number);
  }
}

static void emit_body(Nest *nest, const Int8Tile *tile, const Val *arguments) {
  Body b = {.nest = nest, .tile = tile};
  b.given = (Int8TileCall){arguments[0], arguments[1], arguments[2], arguments[3],
                           arguments[4], arguments[5], arguments[6]};
  b.table = channel_table_open(nest, &tile->layout, b.given.table);
  b.last = row_of(&b, nest_sub(nest, b.given.rows, nest_const(nest, 1)));
  int lanes = tile->dot.lanes, width = tile->vectors * lanes;
  b.spilled = nest_local(nest, nest->i32, (int64_t)tile->rows * width, lanes * 4);
  Val rest = nest_const(nest, tile->rest), whole = nest_sub(nest, b.given.columns, rest);
  FOR (nest, column, nest_const(nest, 0), whole, width) emit_panel(&b, column, tile->vectors, NULL);
  if (!tile->rest) return;
  int vectors = (int)(tile->rest + lanes - 1) / lanes,
      last = (int)tile->rest - (vectors - 1) * lanes;
  emit_panel(&b, whole, vectors, last == lanes ? NULL : nest_const(nest, last));
}

// Everything that the code depends on.
static const char *function_name(Nest *nest, const Int8Tile *tile) {
  const ChannelLayout *layout = &tile->layout;
  return arena_printf(nest->arena, "tenon_product_int8_%s%s_%dx%d_rest%d_%s%d%s_zero%d",
                      element_info[tile->x].text, tile->widened ? "_wide" : "", tile->rows,
                      tile->vectors, (int)tile->rest, element_info[layout->element].text,
                      (int)layout->form, layout->high_only ? "_high" : "", (int)layout->zero);
}

static Val make_function(Nest *nest, const Int8Tile *tile, const char *name) {
  Nest saved = *nest;
  nest->size = nest->least; // others that call it may be hot
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  LLVMTypeRef types[ARGUMENTS] = {nest->pointer, nest->pointer, nest->pointer, nest->pointer,
                                  nest->index,   nest->index,   nest->index};
  Val function = nest_function_begin(nest, name, nest->nothing, types, ARGUMENTS),
      arguments[ARGUMENTS];
  nest_attribute(nest, function, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  for (int i = 0; i < ARGUMENTS; i++) {
    arguments[i] = LLVMGetParam(function, (unsigned)i);
    if (types[i] != nest->pointer) continue;
    nest_attribute(nest, function, i + 1, "nocapture", 0);
    nest_attribute(nest, function, i + 1, "noalias", 0);
  }
  emit_body(nest, tile, arguments);
  nest_function_end(nest, NULL);
  nest->function = saved.function;
  nest->size = saved.size;
  nest->failure = saved.failure;
  nest->failure_code = saved.failure_code;
  LLVMPositionBuilderAtEnd(nest->builder, here);
  return function;
}

void int8_tile_call(Nest *nest, const Int8Tile *tile, const Int8TileCall *call) {
  const char *name = function_name(nest, tile);
  Val function = LLVMGetNamedFunction(nest->module, name);
  if (!function) function = make_function(nest, tile, name);
  Val arguments[ARGUMENTS] = {call->x, call->weights, call->table, call->y,
                              call->k, call->columns, call->rows};
  LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(function), function, arguments, ARGUMENTS,
                 "");
}
