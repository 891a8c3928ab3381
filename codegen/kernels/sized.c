// nonzero, unique, non_max_suppression: data decides a dim of the results. The kernel counts first,
// or into memory at the upper bound, and leaves the dim in kernel->sizes.
#include <stdio.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "runtime/tenon.h"

// --- nonzero

static Val is_nonzero(Kernel *kernel, const View *x, Val at) {
  Nest *nest = kernel->nest;
  Val value = kernel_load(kernel, x->element, x->pointer, at, 1);
  if (nest_is_float(value))
    return nest_compare_float(nest, LLVMRealUNE, value, nest_real(LLVMTypeOf(value), 0));
  return nest_compare(nest, LLVMIntNE, value, nest_int(LLVMTypeOf(value), 0));
}

typedef struct Search {
  Kernel *kernel;
  const View *x, *y;
  Val total, column; // how many there are; pointer to the number of those found so far
  Val index[MAX_RANK];
} Search;

static void note_found(const Search *s) {
  Nest *nest = s->kernel->nest;
  Val column = nest_load(nest, nest->index, s->column, 0);
  for (int axis = 0; axis < s->x->rank; axis++) {
    Val to = nest_add(nest, nest_mul(nest, nest_const(nest, axis), s->total), column);
    kernel_store(s->kernel, I64, nest_extend(nest, s->index[axis], nest->i64, false), s->y->pointer,
                 to);
  }
  nest_store(nest, nest_add(nest, column, nest_const(nest, 1)), s->column, 0);
}

static void search_axes(Search *s, int axis, Val at) {
  Nest *nest = s->kernel->nest;
  if (axis == s->x->rank) {
    Branch branch = nest_if(nest, is_nonzero(s->kernel, s->x, at));
    note_found(s);
    nest_end_if(nest, &branch);
    return;
  }
  FOR (nest, i, nest_const(nest, 0), s->x->dims[axis], 1) {
    s->index[axis] = i;
    search_axes(s, axis + 1, nest_add(nest, at, nest_mul(nest, i, s->x->strides[axis])));
  }
}

bool lower_nonzero(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0];
  Search s = {.kernel = kernel,
              .x = x,
              .y = &kernel->results[0],
              .column = nest_local(nest, nest->index, 1, 0)};
  Val zero = nest_const(nest, 0), count = move_product_value(nest, x, 0, x->rank);
  Loop loop = nest_loop_begin(nest, zero, count, nest_const(nest, 1));
  int found = nest_carry(nest, &loop, zero);
  Val one_more = nest_extend(nest, is_nonzero(kernel, x, loop.index), nest->index, false);
  nest_carry_next(&loop, found, nest_add(nest, loop.carried[found], one_more));
  nest_loop_end(nest, &loop);
  s.total = loop.carried[found];
  nest_store(nest, s.total, kernel->sizes, 0);
  nest_store(nest, zero, s.column, 0);
  search_axes(&s, 0, zero);
  return true;
}

// --- measure

bool lower_measure(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0];
  int64_t count = x->rank ? type_dim(x->type, 0) : 1;
  for (int64_t i = 0; i < count; i++) {
    Val at = nest_const(nest, i), size = kernel_load(kernel, x->element, x->pointer, at, 1);
    kernel_store(kernel, x->element, size, kernel->results[0].pointer, at);
    Val word = nest_extend(nest, size, nest->index, true),
        back = nest_extend(nest, word, LLVMTypeOf(size), true);
    nest_fail_if(nest, nest_compare(nest, LLVMIntSLT, size, nest_int(LLVMTypeOf(size), 0)),
                 TENON_E_INDEX);
    nest_fail_if(nest,
                 nest_or(nest, nest_compare(nest, LLVMIntSLT, word, nest_const(nest, 0)),
                         nest_compare(nest, LLVMIntNE, back, size)),
                 TENON_E_INDEX);
    nest_store(nest, word, nest_address(nest, kernel->sizes, nest->index, at), 0);
  }
  return true;
}

// --- unique

bool lower_unique(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  int bits = element_info[x->element].bits, axis = move_attribute_axis(kernel, x->rank);
  if (bits < 8 || (element_is_float(x->element) && bits < 16))
    return diag_error(kernel->diag, kernel->node->loc, "unique of %s is not compiled",
                      element_info[x->element].text);
  char name[32];
  snprintf(name, sizeof name, "tenon_unique_%s",
           x->element == BOOL ? "u8" : element_info[x->element].text);
  Val zero = nest_const(nest, 0), outer = move_product_value(nest, x, 0, axis),
      inner = move_product_value(nest, x, axis + 1, x->rank);
  Val size = x->dims[axis], first = kernel->results[1].pointer;
  Val arguments[] = {x->pointer,
                     first,
                     kernel->results[2].pointer,
                     kernel->results[3].pointer,
                     outer,
                     size,
                     inner,
                     nest_int(nest->i32, node_int(kernel->node, ATTR_SORTED) != 0)};
  Val count = nest_library(nest, name, arguments, 8);
  nest_store(nest, count, kernel->sizes, 0);
  FOR (nest, i, zero, count, 1) {
    Val source = nest_extend(nest, kernel_load(kernel, I64, first, i, 1), nest->index, false);
    FOR (nest, o, zero, outer, 1) {
      Val to = nest_mul(nest, nest_add(nest, nest_mul(nest, o, count), i), inner);
      Val from = nest_mul(nest, nest_add(nest, nest_mul(nest, o, size), source), inner);
      move_run(kernel, x->element, y->pointer, to, x->pointer, from, inner);
    }
  }
  return true;
}

// --- non_max_suppression

static Val one_number(Kernel *kernel, int operand, LLVMTypeRef type) {
  bool present = node_operand(kernel->node, operand) != NULL;
  if (!present) return nest_zero(type);
  return nest_load(kernel->nest, type, kernel->operands[operand].pointer, 0);
}

bool lower_non_max_suppression(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *boxes = &kernel->operands[0], *scores = &kernel->operands[1];
  bool has_lowest = node_operand(kernel->node, 4) != NULL;
  Val arguments[] = {boxes->pointer,
                     scores->pointer,
                     kernel->results[0].pointer,
                     kernel->results[1].pointer,
                     boxes->dims[0],
                     scores->dims[1],
                     boxes->dims[1],
                     one_number(kernel, 2, nest->i64),
                     one_number(kernel, 3, nest->f32),
                     one_number(kernel, 4, nest->f32),
                     nest_int(nest->i32, has_lowest),
                     nest_int(nest->i32, node_int(kernel->node, ATTR_CENTER_BOX) != 0)};
  nest_store(nest, nest_library(nest, "tenon_non_max_suppression", arguments, 12), kernel->sizes,
             0);
  return true;
}
