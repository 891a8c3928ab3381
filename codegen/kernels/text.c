// Strings: the nests are here, what happens to one string is in runtime/kernels/text.c. Who makes new ones counts their
// bytes first, writes this number to kernel->room, and makes them if they have room; if not, the caller ends the run.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"

static Val string_count(Kernel *kernel) { return move_product_value(kernel->nest, &kernel->operands[0], 0, kernel->operands[0].rank); }

// string_match: one walk through the automaton for each string.
bool lower_string_match(Kernel *kernel) {
  const View *x = &kernel->operands[0], *table = &kernel->operands[2];
  Val arguments[] = {x->pointer, kernel->operands[1].pointer, table->pointer, kernel->results[0].pointer,
                     string_count(kernel), table->dims[1]};
  nest_library(kernel->nest, "tenon_text_match", arguments, 6);
  return true;
}

// --- case

static const uint16_t letters[][3] = {
#define LETTERS(first, last, forms) {first, last, forms},
#include "ir/letters.def"
};
enum { LETTER_ROWS = sizeof letters / sizeof *letters };

// The table as a constant of the module.
static Val letter_table(Nest *nest) {
  Val table = LLVMGetNamedGlobal(nest->module, "tenon_letters"), items[3 * LETTER_ROWS];
  if (table) return table;
  for (int i = 0; i < 3 * LETTER_ROWS; i++) items[i] = nest_int(nest->i16, letters[i / 3][i % 3]);
  Val values = LLVMConstArray2(nest->i16, items, 3 * LETTER_ROWS);
  table = LLVMAddGlobal(nest->module, LLVMTypeOf(values), "tenon_letters");
  LLVMSetInitializer(table, values);
  LLVMSetGlobalConstant(table, true);
  LLVMSetLinkage(table, LLVMPrivateLinkage);
  LLVMSetAlignment(table, 2);
  return table;
}

bool lower_string_case(Kernel *kernel) {
  Nest *nest = kernel->nest;
  bool upper = !strcmp(node_string(kernel->node, ATTR_MODE), "upper");
  Val arguments[] = {kernel->operands[0].pointer, kernel->results[0].pointer, string_count(kernel), letter_table(nest),
                     nest_const(nest, LETTER_ROWS), nest_int(nest->i32, upper), kernel->text, kernel->room};
  nest_library(nest, "tenon_text_case", arguments, 8);
  return true;
}

// --- concat

typedef struct Pairs {
  Kernel *kernel;
  Val slot; // bytes so far
  bool writes;
} Pairs;

static Val string_at(Kernel *kernel, const View *view, Val at) {
  Nest *nest = kernel->nest;
  return nest_address(nest, view->pointer, nest_element_type(nest, STR), at);
}

static void visit_pair(const Pairs *p, Val a_at, Val b_at, Val y_at) {
  Kernel *kernel = p->kernel;
  Nest *nest = kernel->nest;
  Val done = nest_load(nest, nest->index, p->slot, 0);
  Val a = string_at(kernel, &kernel->operands[0], a_at), b = string_at(kernel, &kernel->operands[1], b_at);
  Val arguments[] = {a, b, done, kernel->text, string_at(kernel, &kernel->results[0], y_at)};
  Val next = nest_library(nest, p->writes ? "tenon_text_join" : "tenon_text_joined_bytes", arguments, p->writes ? 5 : 3);
  nest_store(nest, next, p->slot, 0);
}

static void visit_pairs(const Pairs *p, int axis, Val a, Val b, Val y) {
  Kernel *kernel = p->kernel;
  Nest *nest = kernel->nest;
  const View *result = &kernel->results[0];
  if (axis == result->rank) {
    visit_pair(p, a, b, y);
    return;
  }
  Val a_stride = view_broadcast_stride(nest, &kernel->operands[0], result, axis);
  Val b_stride = view_broadcast_stride(nest, &kernel->operands[1], result, axis);
  FOR(nest, i, nest_const(nest, 0), result->dims[axis], 1)
    visit_pairs(p, axis + 1, nest_add(nest, a, nest_mul(nest, i, a_stride)), nest_add(nest, b, nest_mul(nest, i, b_stride)),
                nest_add(nest, y, nest_mul(nest, i, result->strides[axis])));
}

bool lower_string_concat(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Val zero = nest_const(nest, 0), room = nest_load(nest, nest->index, kernel->room, 0);
  Pairs pairs = {kernel, nest_local(nest, nest->index, 1, 0), false};
  nest_store(nest, zero, pairs.slot, 0);
  visit_pairs(&pairs, 0, zero, zero, zero);
  Val bytes = nest_load(nest, nest->index, pairs.slot, 0);
  nest_store(nest, bytes, kernel->room, 0);
  Branch fits = nest_if(nest, nest_compare(nest, LLVMIntULE, bytes, room));
  nest_store(nest, zero, pairs.slot, 0);
  pairs.writes = true;
  visit_pairs(&pairs, 0, zero, zero, zero);
  nest_end_if(nest, &fits);
  return true;
}

// --- split

static void split_strings(Kernel *kernel, Val counts, Val parts, Val room) {
  Nest *nest = kernel->nest;
  Val limit = nest_int(nest->i64, node_int(kernel->node, ATTR_LIMIT));
  Val arguments[] = {kernel->operands[0].pointer, kernel->operands[1].pointer, limit, string_count(kernel), counts, parts, room};
  nest_library(nest, "tenon_text_split", arguments, 7);
}

bool lower_string_count(Kernel *kernel) {
  Nest *nest = kernel->nest;
  split_strings(kernel, kernel->results[0].pointer, LLVMConstNull(nest->pointer), nest_const(nest, 0));
  return true;
}

bool lower_string_split(Kernel *kernel) {
  const View *parts = &kernel->results[0];
  split_strings(kernel, LLVMConstNull(kernel->nest->pointer), parts->pointer, parts->dims[parts->rank - 1]);
  return true;
}
