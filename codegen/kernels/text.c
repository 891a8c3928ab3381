// Strings: the nests are here, what happens to one string is in runtime/kernels/text.c. Who makes
// new ones counts their bytes first, writes this number to kernel->room, and makes them if they
// have room; if not, the caller ends the run.
#include <string.h>

#include "codegen/kernels/lower.h"
#include "codegen/kernels/movement.h"
#include "runtime/tenon.h"

static Val string_count(Kernel *kernel) {
  return move_product_value(kernel->nest, &kernel->operands[0], 0, kernel->operands[0].rank);
}

// string_match: one walk through the automaton for each string.
bool lower_string_match(Kernel *kernel) {
  const View *x = &kernel->operands[0], *table = &kernel->operands[2];
  Val arguments[] = {x->pointer,           kernel->operands[1].pointer,
                     table->pointer,       kernel->results[0].pointer,
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
  Val arguments[] = {kernel->operands[0].pointer,
                     kernel->results[0].pointer,
                     string_count(kernel),
                     letter_table(nest),
                     nest_const(nest, LETTER_ROWS),
                     nest_int(nest->i32, upper),
                     kernel->text,
                     kernel->room};
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
  Val a = string_at(kernel, &kernel->operands[0], a_at),
      b = string_at(kernel, &kernel->operands[1], b_at);
  Val arguments[] = {a, b, done, kernel->text, string_at(kernel, &kernel->results[0], y_at)};
  Val next = nest_library(nest, p->writes ? "tenon_text_join" : "tenon_text_joined_bytes",
                          arguments, p->writes ? 5 : 3);
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
  FOR (nest, i, nest_const(nest, 0), result->dims[axis], 1)
    visit_pairs(p, axis + 1, nest_add(nest, a, nest_mul(nest, i, a_stride)),
                nest_add(nest, b, nest_mul(nest, i, b_stride)),
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

// --- numbers

enum { MOST_NUMBER_BYTES = 32 };

// One number behind the `done` bytes of those before it.
static Val format_number(Kernel *kernel, Val at, Val done) {
  Nest *nest = kernel->nest;
  const View *x = &kernel->operands[0];
  Val value = kernel_load(kernel, x->element, x->pointer, at, 1),
      y = string_at(kernel, &kernel->results[0], at);
  if (x->element == BOOL) {
    Val truth[] = {nest_extend(nest, value, nest->i32, false), kernel->text, done, y};
    return nest_library(nest, "tenon_text_truth", truth, 4);
  }
  if (element_is_integer(x->element)) {
    bool is_signed = element_is_signed(x->element);
    Val whole[] = {nest_extend(nest, value, nest->i64, is_signed), nest_int(nest->i32, is_signed),
                   kernel->text, done, y};
    return nest_library(nest, "tenon_text_integer", whole, 5);
  }
  int mantissa = x->element == F64 ? 52 : x->element == F16 ? 10 : x->element == BF16 ? 7 : 23;
  int least = x->element == F64 ? -1022 : x->element == F16 ? -14 : -126;
  Val real[] = {nest_float_width(nest, value, nest->f64),
                nest_int(nest->i32, mantissa),
                nest_int(nest->i32, least),
                kernel->text,
                done,
                y};
  return nest_library(nest, "tenon_text_real", real, 6);
}

// Room for the longest ones is asked for; only what they take is taken.
bool lower_string_format(Kernel *kernel) {
  Nest *nest = kernel->nest;
  Val zero = nest_const(nest, 0), count = string_count(kernel),
      room = nest_load(nest, nest->index, kernel->room, 0), overflow = NULL;
  Val bytes = nest_mul_checked(nest, count, nest_const(nest, MOST_NUMBER_BYTES), &overflow);
  if (overflow) bytes = nest_select(nest, overflow, nest_const(nest, -1), bytes);
  nest_store(nest, bytes, kernel->room, 0);
  Branch fits = nest_if(nest, nest_compare(nest, LLVMIntULE, bytes, room));
  Loop loop = nest_loop_begin(nest, zero, count, nest_const(nest, 1));
  int done = nest_carry(nest, &loop, zero);
  nest_carry_next(&loop, done, format_number(kernel, loop.index, loop.carried[done]));
  nest_loop_end(nest, &loop);
  nest_store(nest, loop.carried[done], kernel->room, 0);
  nest_end_if(nest, &fits);
  return true;
}

bool lower_string_parse(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *y = &kernel->results[0];
  bool real = y->element == F64;
  Val arguments[] = {kernel->operands[0].pointer, y->pointer, string_count(kernel),
                     nest_int(nest->i32, y->element == I64)};
  Val good = nest_library(nest, real ? "tenon_text_parse_f64" : "tenon_text_parse_i64", arguments,
                          real ? 3 : 4);
  nest_fail_if(nest, nest_compare(nest, LLVMIntEQ, good, nest_int(nest->i32, 0)), TENON_E_TEXT);
  return true;
}

// --- split

static void split_strings(Kernel *kernel, Val counts, Val parts, Val room) {
  Nest *nest = kernel->nest;
  Val limit = nest_int(nest->i64, node_int(kernel->node, ATTR_LIMIT));
  Val arguments[] = {kernel->operands[0].pointer,
                     kernel->operands[1].pointer,
                     limit,
                     string_count(kernel),
                     counts,
                     parts,
                     room};
  nest_library(nest, "tenon_text_split", arguments, 7);
}

bool lower_string_count(Kernel *kernel) {
  Nest *nest = kernel->nest;
  split_strings(kernel, kernel->results[0].pointer, LLVMConstNull(nest->pointer),
                nest_const(nest, 0));
  return true;
}

bool lower_string_split(Kernel *kernel) {
  const View *parts = &kernel->results[0];
  split_strings(kernel, LLVMConstNull(kernel->nest->pointer), parts->pointer,
                parts->dims[parts->rank - 1]);
  return true;
}
