#include "codegen/table.h"

#include <string.h>

#include "ir/target_x86.h"

enum { TABLE_BYTES = 256, GROUP_BYTES = 64 }; // bytes that one tbl instruction chooses from

Table table_begin(Nest *nest, Val pointer) {
  Table table = {.pointer = pointer, .lanes = 1};
  if (x86_has(nest->target, "avx512vbmi"))
    table.lanes = 64;
  else if (!strcmp(nest->target->family, "aarch64"))
    table.lanes = 16;
  else
    return table;
  LLVMTypeRef type = nest_vector(nest->i8, table.lanes);
  for (int i = 0; i < TABLE_BYTES / table.lanes; i++) {
    Val at = nest_const(nest, (int64_t)i * table.lanes);
    table.parts[i] = nest_load(nest, type, nest_address(nest, pointer, nest->i8, at), 1);
  }
  return table;
}

// vpermi2b takes one of 128 bytes by the low seven bits; the eighth, the sign, chooses between two.
static Val lookup_x86(Nest *nest, const Val *parts, Val codes) {
  const char *name = "llvm.x86.avx512.vpermi2var.qi.512";
  Val low = nest_intrinsic(nest, name, NULL, 0, (Val[]){parts[0], codes, parts[1]}, 3);
  Val high = nest_intrinsic(nest, name, NULL, 0, (Val[]){parts[2], codes, parts[3]}, 3);
  Val upper = nest_compare(nest, LLVMIntSLT, codes, nest_zero(LLVMTypeOf(codes)));
  return nest_select(nest, upper, high, low);
}

// tbl gives 0 where the index is beyond its four registers, tbx leaves what was there.
static Val lookup_aarch64(Nest *nest, const Val *parts, Val codes) {
  LLVMTypeRef type = LLVMTypeOf(codes);
  Val found = nest_intrinsic(nest, "llvm.aarch64.neon.tbl4", &type, 1,
                             (Val[]){parts[0], parts[1], parts[2], parts[3], codes}, 5);
  for (const Val *p = parts + 4; p < parts + 16; p += 4) {
    codes = nest_sub(nest, codes, nest_int(type, GROUP_BYTES));
    found = nest_intrinsic(nest, "llvm.aarch64.neon.tbx4", &type, 1,
                           (Val[]){found, p[0], p[1], p[2], p[3], codes}, 6);
  }
  return found;
}

Val table_lookup(Nest *nest, const Table *table, Val codes) {
  int lanes = nest_lanes(codes);
  if (lanes == 64) return lookup_x86(nest, table->parts, codes);
  if (lanes == 16) return lookup_aarch64(nest, table->parts, codes);
  Val at = nest_extend(nest, codes, nest->index, false);
  return nest_load(nest, nest->i8, nest_address(nest, table->pointer, nest->i8, at), 1);
}
