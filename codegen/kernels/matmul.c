// y[.., m, n] = epilogue(sum over k of a[.., m, k] * b[.., k, n] + bias[n]), float.
//
// Columns in panels of one tile's width outermost, so that a panel of b stays in the cache while
// the rows of a run past it. Rows and columns that do not fill a tile are tiles with smaller
// numbers.
#include <assert.h>
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/kernels/product.h"

typedef struct Matmul {
  Kernel *kernel;
  Nest *nest;
  const View *a, *b, *bias, *result;
  Val m, n, k;
  Val a_row, a_column;        // strides of a
  Val b_pointer, b_row;       // of the current batch or panel
  ElementType b_element, own; // own: of the product before an epilogue
  bool packed;                // b in panels of `width` columns
  int64_t matrix;             // elements of all panels of one matrix
  int rows, vectors, lanes, width;
  RowTiles tiles;
  Val a_pointer, coordinates[MAX_RANK]; // of the current batch
} Matmul;

static Val clamp_batch(Matmul *mm, const View *view, int axis, Val index) {
  int own = axis - (mm->result->rank - view->rank);
  if (own < 0 || dim_is(view->type->dims[own], 1)) return nest_const(mm->nest, 0);
  if (view->type->dims[own] == mm->result->type->dims[axis]) return index;
  Val one = nest_compare(mm->nest, LLVMIntEQ, view->dims[own], nest_const(mm->nest, 1));
  return nest_select(mm->nest, one, nest_const(mm->nest, 0), index);
}

static Val batch_pointer(Matmul *mm, const View *view) {
  Nest *nest = mm->nest;
  Val offset = nest_const(nest, 0);
  for (int axis = 0; axis < mm->result->rank - 2; axis++) {
    int own = axis - (mm->result->rank - view->rank);
    if (own < 0) continue;
    offset = nest_add(
        nest, offset,
        nest_mul(nest, clamp_batch(mm, view, axis, mm->coordinates[axis]), view->strides[own]));
  }
  return nest_address(nest, view->pointer, nest_element_type(nest, view->element), offset);
}

static void emit_tile(Matmul *mm, Val row, int rows, Val column, int vectors, Val partial, Val b,
                      Val b_row) {
  Nest *nest = mm->nest;
  LLVMTypeRef element = kernel_arithmetic_type(nest, mm->own);
  Tile tile = {.rows = rows, .vectors = vectors, .lanes = mm->lanes, .element = element};
  TileColumns columns = {column, partial};
  Val pointers[MAX_TILE_ROWS];
  for (int r = 0; r < rows; r++) {
    Val offset = nest_mul(nest, nest_add(nest, row, nest_const(nest, r)), mm->a_row);
    pointers[r] =
        nest_address(nest, mm->a_pointer, nest_element_type(nest, mm->a->element), offset);
  }
  tile_start(mm->kernel, &tile, mm->bias, &columns);
  tile_accumulate(mm->kernel, &tile, pointers, mm->a_column, mm->a->element, b, b_row,
                  mm->b_element, mm->k, mm->packed ? NULL : partial);
  int rank = mm->result->rank;
  for (int r = 0; r < rows; r++) {
    mm->coordinates[rank - 2] = nest_add(nest, row, nest_const(nest, r));
    mm->coordinates[rank - 1] = column;
    tile_store_row(mm->kernel, &tile, r, mm->coordinates, &columns);
  }
}

// One panel of b.
typedef struct Panel {
  Matmul *mm;
  Val column;
  int vectors;
  Val partial, b, b_row;
} Panel;

static void emit_panel_tile(void *user, Val row, int rows) {
  const Panel *panel = user;
  emit_tile(panel->mm, row, rows, panel->column, panel->vectors, panel->partial, panel->b,
            panel->b_row);
}

static void emit_panel(Matmul *mm, Val begin, Val end, Val column, int vectors, Val partial, Val b,
                       Val b_row) {
  Panel panel = {mm, column, vectors, partial, b, b_row};
  row_tiles_each(mm->nest, &mm->tiles, begin, end, emit_panel_tile, &panel);
}

// First element of the panel that starts at `column`, and the distance of its rows.
static Val panel_pointer(Matmul *mm, Val column, Val *b_row) {
  Nest *nest = mm->nest;
  LLVMTypeRef type = nest_element_type(nest, mm->b_element);
  if (mm->packed) {
    *b_row = nest_const(nest, mm->width);
    return nest_address(nest, mm->b_pointer, type,
                        nest_mul(nest, column, mm->k)); // [n / width][k][width]
  }
  *b_row = mm->b_row;
  return nest_address(nest, mm->b_pointer, type, column);
}

// Tiles of rows row_begin .. row_end by panels panel_begin .. panel_end.
static void emit_columns(Matmul *mm, Val row_begin, Val row_end, Val panel_begin, Val panel_end) {
  Nest *nest = mm->nest;
  Val width = nest_const(nest, mm->width), b_row;
  Val whole = nest_umin(nest, panel_end, nest_udiv(nest, mm->n, width));
  FOR (nest, panel, panel_begin, whole, 1) {
    Val column = nest_mul(nest, panel, width);
    Val b = panel_pointer(mm, column, &b_row);
    emit_panel(mm, row_begin, row_end, column, mm->vectors, NULL, b, b_row);
  }
  int64_t n;
  bool known = nest_constant(mm->n, &n);
  if (known && n % mm->width == 0) return;
  // The last panel, with fewer columns, belongs to whoever has the end of the range.
  Branch last = nest_if(nest, nest_compare(nest, LLVMIntULT, whole, panel_end));
  Val column = nest_mul(nest, whole, width), b = panel_pointer(mm, column, &b_row);
  if (known) {
    int rest = (int)(n % mm->width), vectors = (rest + mm->lanes - 1) / mm->lanes,
        lanes = rest - (vectors - 1) * mm->lanes;
    emit_panel(mm, row_begin, row_end, column, vectors,
               lanes == mm->lanes ? NULL : nest_const(nest, lanes), b, b_row);
  } else { // one vector at a time
    FOR (nest, at, column, mm->n, mm->lanes) {
      Val rest = nest_sub(nest, mm->n, at);
      Val inner = mm->packed ? nest_address(nest, b, nest_element_type(nest, mm->b_element),
                                            nest_sub(nest, at, column))
                             : panel_pointer(mm, at, &b_row);
      if (mm->lanes == 1)
        emit_panel(mm, row_begin, row_end, at, 1, NULL, inner, b_row);
      else
        emit_panel(mm, row_begin, row_end, at, 1,
                   nest_umin(nest, rest, nest_const(nest, mm->lanes)), inner, b_row);
    }
  }
  nest_end_if(nest, &last);
}

static const Dim *panel_count(Matmul *mm, const Dim *n) {
  DimTable *dims = mm->kernel->node->graph->module->dims;
  return dim_ceildiv(dims, n, dim_constant(dims, mm->width));
}

enum { FEW_ROWS = 64 };

// Few rows: threads share the columns; else they share the rows.
static void emit_matrix(Matmul *mm) {
  Nest *nest = mm->nest;
  int rank = mm->result->rank;
  const Dim *m = mm->result->type->dims[rank - 2], *n = mm->result->type->dims[rank - 1];
  const Dim *tiles = row_tiles_dim(&mm->tiles, mm->kernel->node->graph->module->dims, m);
  Val zero = nest_const(nest, 0), panels = kernel_dim(mm->kernel, panel_count(mm, n)),
      rows = kernel_dim(mm->kernel, tiles);
  if (rank > 2) {
    emit_columns(mm, zero, rows, zero, panels);
    return;
  }
  if (dim_high(m) < FEW_ROWS) {
    kernel_split(mm->kernel, panel_count(mm, n));
    emit_columns(mm, zero, rows, mm->kernel->begin, mm->kernel->end);
    return;
  }
  kernel_split(mm->kernel, tiles);
  emit_columns(mm, mm->kernel->begin, mm->kernel->end, zero, panels);
}

static void emit_batches(Matmul *mm, int axis) {
  Nest *nest = mm->nest;
  if (axis < mm->result->rank - 2) {
    bool split = axis == 0;
    if (split) kernel_split(mm->kernel, mm->result->type->dims[0]);
    Val low = split ? mm->kernel->begin : nest_const(nest, 0),
        high = split ? mm->kernel->end : mm->result->dims[axis];
    FOR (nest, i, low, high, 1) {
      mm->coordinates[axis] = i;
      emit_batches(mm, axis + 1);
    }
    return;
  }
  mm->a_pointer = batch_pointer(mm, mm->a);
  if (!mm->packed)
    mm->b_pointer = batch_pointer(mm, mm->b);
  else if (mm->b->rank == 3)
    mm->b_pointer =
        nest_address(nest, mm->kernel->packed[0], nest_element_type(nest, mm->b_element),
                     nest_mul(nest, mm->coordinates[0], nest_const(nest, mm->matrix)));
  emit_matrix(mm);
}

static Matmul describe(Kernel *kernel) {
  const View *a = &kernel->operands[0], *b = &kernel->operands[1], *result = &kernel->results[0];
  bool transposed = node_int(kernel->node, ATTR_TRANSPOSE_A);
  Matmul mm = {.kernel = kernel,
               .nest = kernel->nest,
               .a = a,
               .b = b,
               .result = result,
               .b_element = b->element,
               .own = node_own_type(kernel->node)->element};
  if (node_own_operands(kernel->node) > 2 && node_operand(kernel->node, 2))
    mm.bias = &kernel->operands[2];
  mm.m = result->dims[result->rank - 2];
  mm.n = result->dims[result->rank - 1];
  mm.k = a->dims[transposed ? a->rank - 2 : a->rank - 1];
  mm.a_row = a->strides[transposed ? a->rank - 1 : a->rank - 2];
  mm.a_column = a->strides[transposed ? a->rank - 2 : a->rank - 1];
  tile_shape(kernel->target, mm.own, &mm.rows, &mm.vectors);
  mm.lanes = target_lanes(kernel->target, mm.own == F64 ? 64 : 32);
  return mm;
}

// --- b packed: float [k, n] or [batch, k, n] constant, panels of `tile[0]` vectors

typedef struct PanelShape {
  int64_t k, n, width, panels, batch; // of a panel: columns; of a matrix: panels
} PanelShape;

static PanelShape panel_shape(const Node *node, int64_t width) {
  const Type *type = &node->operands[1]->type;
  bool transposed = node_int(node, ATTR_TRANSPOSE_B);
  int64_t rows = type_dim(type, type->rank - 2), columns = type_dim(type, type->rank - 1);
  PanelShape shape = {transposed ? columns : rows, transposed ? rows : columns, width, 0,
                      type->rank == 3 ? type_dim(type, 0) : 1};
  shape.panels = (shape.n + width - 1) / width;
  return shape;
}

bool lower_matmul_panels(Kernel *kernel) {
  Matmul mm = describe(kernel);
  mm.packed = true;
  mm.b_pointer = kernel->packed[0];
  mm.vectors = (int)node_ints_at(kernel->node, ATTR_TILE, 0, mm.vectors);
  mm.width = mm.vectors * mm.lanes;
  PanelShape shape = panel_shape(kernel->node, mm.width);
  mm.matrix = shape.panels * shape.width * shape.k;
  mm.tiles = row_tiles(mm.m, (int)node_ints_at(kernel->node, ATTR_TILE, 1, mm.rows));
  emit_batches(&mm, 0);
  return true;
}

static void write_panels(const PackedSegment *segment, unsigned char *out) {
  const Node *node = segment->node;
  const Constant *b = value_constant(node->operands[1]);
  bool transposed = node_int(node, ATTR_TRANSPOSE_B);
  PanelShape s = panel_shape(node, (int64_t)(intptr_t)segment->user);
  size_t size = (size_t)element_info[node->operands[1]->type.element].bits / 8;
  const char *matrix = (const char *)b->data +
                       (size_t)(segment->part / s.panels * s.k * s.n) * size; // a part is a panel
  int64_t first = segment->part % s.panels * s.width,
          last = first + s.width < s.n ? first + s.width : s.n;
  for (int64_t row = 0; row < s.k; row++)
    for (int64_t column = first; column < last; column++) {
      int64_t from = transposed ? column * s.k + row : row * s.n + column,
              to = row * s.width + column - first;
      memcpy(out + (size_t)to * size, matrix + (size_t)from * size, size);
    }
}

bool pack_matmul_panels(Pack *pack) {
  const Node *node = pack->node;
  const Type *type = &node->operands[1]->type;
  int rows, vectors;
  tile_shape(pack->target, node_own_type(node)->element, &rows, &vectors);
  vectors = (int)node_ints_at(node, ATTR_TILE, 0, vectors);
  int64_t width =
      (int64_t)vectors * target_lanes(pack->target, node_own_type(node)->element == F64 ? 64 : 32);
  PanelShape shape = panel_shape(node, width);
  int64_t parts = shape.panels * shape.batch,
          bytes = parts * width * shape.k * element_info[type->element].bits / 8;
  const char *key =
      arena_printf(pack->arena, "panels:%s:%lld:%d", value_constant(node->operands[1])->name,
                   (long long)width, (int)node_int(node, ATTR_TRANSPOSE_B));
  pack_add(pack, (size_t)bytes, target_alignment(pack->target), key, write_panels,
           (const void *)(intptr_t)width)
      ->parts = parts;
  return true;
}

// --- any other b

// b^T[n, k] from memory: columns are not adjacent, so each is a dot product along k.
static void lower_transposed(Matmul *mm, int axis) {
  Nest *nest = mm->nest;
  const View *b = mm->b, *result = mm->result;
  if (axis < result->rank) {
    FOR (nest, i, nest_const(nest, 0), result->dims[axis], 1) {
      mm->coordinates[axis] = i;
      lower_transposed(mm, axis + 1);
    }
    return;
  }
  LLVMTypeRef element = kernel_arithmetic_type(nest, mm->own);
  Val a_row = nest_address(nest, batch_pointer(mm, mm->a), nest_element_type(nest, mm->a->element),
                           nest_mul(nest, mm->coordinates[axis - 2], mm->a_row));
  Val b_row = nest_address(nest, batch_pointer(mm, b), nest_element_type(nest, b->element),
                           nest_mul(nest, mm->coordinates[axis - 1], b->strides[b->rank - 2]));
  int64_t unit;
  int lanes = nest_constant(mm->a_column, &unit) && unit == 1 ? mm->lanes : 1;
  Val whole =
          nest_mul(nest, nest_udiv(nest, mm->k, nest_const(nest, lanes)), nest_const(nest, lanes)),
      sum = nest_zero(element);
  if (lanes > 1) {
    Loop loop = nest_loop_begin(nest, nest_const(nest, 0), whole, nest_const(nest, lanes));
    int s = nest_carry(nest, &loop, nest_zero(nest_vector(element, lanes)));
    Val x = nest_float_width(
        nest, kernel_load(mm->kernel, mm->a->element, a_row, loop.index, lanes), element);
    Val y = nest_float_width(nest, kernel_load(mm->kernel, b->element, b_row, loop.index, lanes),
                             element);
    nest_carry_next(&loop, s, nest_fma(nest, x, y, loop.carried[s]));
    nest_loop_end(nest, &loop);
    sum = nest_reduce_lanes(nest, loop.carried[s], nest_add);
  } else
    whole = nest_const(nest, 0);
  Loop rest = nest_loop_begin(nest, whole, mm->k, nest_const(nest, 1));
  int s = nest_carry(nest, &rest, sum);
  Val x = nest_float_width(
      nest,
      kernel_load(mm->kernel, mm->a->element, a_row, nest_mul(nest, rest.index, mm->a_column), 1),
      element);
  Val y =
      nest_float_width(nest, kernel_load(mm->kernel, b->element, b_row, rest.index, 1), element);
  nest_carry_next(&rest, s, nest_fma(nest, x, y, rest.carried[s]));
  nest_loop_end(nest, &rest);
  Val value = rest.carried[s];
  if (mm->bias) {
    Val bias =
        kernel_load(mm->kernel, mm->bias->element, mm->bias->pointer, mm->coordinates[axis - 1], 1);
    value = nest_add(nest, value, nest_float_width(nest, bias, element));
  }
  value = kernel_epilogue(mm->kernel, value, mm->coordinates, NULL);
  kernel_store(mm->kernel, result->element, value, result->pointer,
               view_at(nest, result, mm->coordinates));
}

// Integers: wrap-around sums of (a - zero) * (b - zero) in the result's type.
static Val integer_operand(Kernel *kernel, int which, Val pointer, Val offset, LLVMTypeRef wide) {
  const View *view = &kernel->operands[which];
  Val value = kernel_load(kernel, view->element, pointer, offset, 1);
  value = nest_extend(kernel->nest, value, wide, element_is_signed(view->element));
  if (!view->type->quant || view->type->quant->count != 1) return value;
  return nest_sub(kernel->nest, value, nest_int(wide, view->type->quant->zero[0]));
}

static void lower_integers(Matmul *mm, int axis) {
  Nest *nest = mm->nest;
  const View *result = mm->result, *b = mm->b;
  if (axis < result->rank) {
    FOR (nest, i, nest_const(nest, 0), result->dims[axis], 1) {
      mm->coordinates[axis] = i;
      lower_integers(mm, axis + 1);
    }
    return;
  }
  LLVMTypeRef wide = nest_element_type(nest, mm->own);
  bool transposed = node_int(mm->kernel->node, ATTR_TRANSPOSE_B);
  Val b_k = b->strides[transposed ? b->rank - 1 : b->rank - 2],
      b_n = b->strides[transposed ? b->rank - 2 : b->rank - 1];
  Val a_row = nest_address(nest, batch_pointer(mm, mm->a), nest_element_type(nest, mm->a->element),
                           nest_mul(nest, mm->coordinates[axis - 2], mm->a_row));
  Val b_column = nest_address(nest, batch_pointer(mm, b), nest_element_type(nest, b->element),
                              nest_mul(nest, mm->coordinates[axis - 1], b_n));
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), mm->k, nest_const(nest, 1));
  int s = nest_carry(nest, &loop, nest_zero(wide));
  Val x = integer_operand(mm->kernel, 0, a_row, nest_mul(nest, loop.index, mm->a_column), wide);
  Val y = integer_operand(mm->kernel, 1, b_column, nest_mul(nest, loop.index, b_k), wide);
  nest_carry_next(&loop, s, nest_add(nest, loop.carried[s], nest_mul(nest, x, y)));
  nest_loop_end(nest, &loop);
  Val value = loop.carried[s];
  if (mm->bias)
    value = nest_add(
        nest, value,
        integer_operand(mm->kernel, 2, mm->bias->pointer, mm->coordinates[axis - 1], wide));
  value = kernel_epilogue(mm->kernel, value, mm->coordinates, NULL);
  kernel_store(mm->kernel, result->element, value, result->pointer,
               view_at(nest, result, mm->coordinates));
}

bool lower_matmul(Kernel *kernel) {
  Matmul mm = describe(kernel);
  if (node_own_type(kernel->node)->quant)
    return diag_error(kernel->diag, kernel->node->loc,
                      "internal error: a quantized product has no kernel here");
  if (!element_is_float(mm.own)) {
    lower_integers(&mm, 0);
    return true;
  }
  if (node_int(kernel->node, ATTR_TRANSPOSE_B)) {
    lower_transposed(&mm, 0);
    return true;
  }
  mm.width = mm.vectors * mm.lanes;
  mm.b_row = mm.b->strides[mm.b->rank - 2];
  mm.tiles = row_tiles(mm.m, mm.rows);
  emit_batches(&mm, 0);
  return true;
}
