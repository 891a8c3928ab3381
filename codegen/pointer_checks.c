// _run's check of the pointers in its structs: those that are needed are there, and aligned to an
// element.
#include "codegen/entry.h"
#include "codegen/internal.h"

enum { NOT_CHECKED = -1 };

// The low bits that have to be 0; NOT_CHECKED: nothing is read or written there, or NULL says
// something.
static int low_bits(const Compiled *compiled, const InterfaceValue *value, bool output) {
  const Type *type = &value->value->type;
  bool set_by_run = output && interface_is_open(value),
       unused = !output && value_is_unused(value->value);
  if (value->bytes == 0 || interface_workspace_offset(value) >= 0 || set_by_run || unused)
    return NOT_CHECKED;
  if (type->kind == TYPE_OPTIONAL) return NOT_CHECKED; // NULL: no element
  bool of_pointers = type_is_list(type) || type->element == STR;
  int align =
      of_pointers ? compiled->target->pointer_bits / 8 : element_info[type->element].bits / 8;
  return align > 8 ? 7 : align > 1 ? align - 1 : 0;
}

// Not 0 where the pointer is wrong. As a number: a long `or` of conditions LLVM would make a branch
// each.
static Val check(Nest *nest, Val number, Val bits, Val required) {
  Val null = LLVMBuildZExt(
      nest->builder, nest_compare(nest, LLVMIntEQ, number, nest_const(nest, 0)), nest->index, "");
  return nest_or(nest, nest_and(nest, null, required), nest_and(nest, number, bits));
}

static Val check_few(Compiled *compiled, Val words, const InterfaceValue *values, int count,
                     bool outputs) {
  Nest *nest = &compiled->nest;
  Val bad = nest_const(nest, 0);
  for (int i = 0; i < count; i++) {
    int bits = low_bits(compiled, &values[i], outputs);
    if (bits == NOT_CHECKED) continue;
    Val number = entry_load_word(nest, words, values[i].word, nest->index);
    bad = nest_or(nest, bad, check(nest, number, nest_const(nest, bits), nest_const(nest, 1)));
  }
  return bad;
}

// A byte for each pointer: the low bits, and the highest one if it is checked at all.
static Val make_table(Compiled *compiled, const InterfaceValue *values, int count, bool outputs) {
  Nest *nest = &compiled->nest;
  Val *bytes = NEW_ARRAY(compiled->arena, Val, count);
  for (int i = 0; i < count; i++) {
    int bits = low_bits(compiled, &values[i], outputs);
    bytes[i] = LLVMConstInt(nest->i8, bits == NOT_CHECKED ? 0 : 0x80u | (unsigned)bits, false);
  }
  Val data = LLVMConstArray2(nest->i8, bytes, (uint64_t)count),
      table = LLVMAddGlobal(compiled->llvm, LLVMTypeOf(data), "pointers");
  LLVMSetInitializer(table, data);
  LLVMSetGlobalConstant(table, true);
  LLVMSetLinkage(table, LLVMPrivateLinkage);
  return table;
}

// The pointers are the first words of the struct, one behind the other.
static Val check_many(Compiled *compiled, Val words, const InterfaceValue *values, int count,
                      bool outputs) {
  Nest *nest = &compiled->nest;
  Val table = make_table(compiled, values, count, outputs), zero = nest_const(nest, 0);
  Loop loop = nest_loop_begin(nest, zero, nest_const(nest, count), nest_const(nest, 1));
  int bad = nest_carry(nest, &loop, zero);
  Val number = nest_load(nest, nest->index,
                         nest_address(nest, words, nest->index,
                                      nest_add(nest, loop.index, nest_const(nest, values[0].word))),
                         0);
  Val entry = nest_extend(
      nest, nest_load(nest, nest->i8, nest_address(nest, table, nest->i8, loop.index), 1),
      nest->index, false);
  Val wrong = check(nest, number, nest_and(nest, entry, nest_const(nest, 7)),
                    nest_lshr(nest, entry, nest_const(nest, 7)));
  nest_carry_next(&loop, bad, nest_or(nest, loop.carried[bad], wrong));
  nest_loop_end(nest, &loop);
  return loop.carried[bad];
}

Val emit_pointer_checks(Compiled *compiled, Val words, const InterfaceValue *values, int count,
                        bool outputs) {
  Nest *nest = &compiled->nest;
  if (!count) return nest_int(nest->i1, 0);
  Val bad = (count <= MOST_KEPT_POINTERS ? check_few : check_many)(compiled, words, values, count,
                                                                   outputs);
  return nest_compare(nest, LLVMIntNE, bad, nest_const(nest, 0));
}
