// lookup: any function of an 8-bit code, read from its table of 256 results.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/strip.h"
#include "codegen/table.h"

enum { UNROLLED = 4 }; // single bytes, or vectors, of one turn

typedef struct Lookup {
  Kernel *kernel;
  Table table;
} Lookup;

static void look_up(void *user, Val at, int count, int lanes) {
  const Lookup *l = user;
  Nest *nest = l->kernel->nest;
  LLVMTypeRef type = nest_vector(nest->i8, lanes);
  for (int i = 0; i < count; i++) {
    Val offset = nest_add(nest, at, nest_const(nest, (int64_t)i * lanes));
    Val from = nest_address(nest, l->kernel->operands[0].pointer, nest->i8, offset),
        to = nest_address(nest, l->kernel->results[0].pointer, nest->i8, offset);
    nest_store(nest, table_lookup(nest, &l->table, nest_load(nest, type, from, 1)), to, 1);
  }
}

bool lower_lookup(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const Type *type = kernel->results[0].type;
  int last = type->rank ? type->rank - 1 : 0;
  Val inner = view_extent(kernel, type, last, type->rank);
  kernel_split(kernel, view_extent_dim(kernel, type, 0, last));
  Lookup l = {kernel, table_begin(nest, kernel->operands[1].pointer)};
  Val low = nest_mul(nest, kernel->begin, inner), high = nest_mul(nest, kernel->end, inner);
  strip_blocks(nest, low, high, UNROLLED, l.table.lanes, look_up, &l);
  return true;
}
