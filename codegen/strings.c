// Constants of strings: pointers into read-only bytes, which the linker has to set. They are data
// of the module, unlike all other constants, which are bytes of the weights.
#include <string.h>

#include "codegen/internal.h"
#include "ir/tensor.h"

static Val constant_data(Compiled *compiled, const char *name, Val value, unsigned align) {
  Val global = LLVMAddGlobal(compiled->llvm, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetAlignment(global, align);
  return global;
}

// All bytes lie one behind the other.
static Val string_bytes(Compiled *compiled, const char *name, const TensorString *strings,
                        size_t count) {
  size_t total = 0, at = 0;
  for (size_t i = 0; i < count; i++) total += strings[i].length;
  char *bytes = arena_alloc(compiled->arena, total + 1);
  for (size_t i = 0; i < count; at += strings[i++].length)
    if (strings[i].length) memcpy(bytes + at, strings[i].data, strings[i].length);
  Val text = LLVMConstStringInContext2(compiled->nest.context, bytes, total, true);
  return constant_data(compiled, arena_printf(compiled->arena, "%s.text", name), text, 1);
}

Val emit_strings(Compiled *compiled, const Constant *constant) {
  const char *name =
      arena_printf(compiled->arena, "%s_strings_%s", compiled->interface->prefix, constant->name);
  Val known = LLVMGetNamedGlobal(compiled->llvm, name);
  return known ? known : emit_string_table(compiled, constant, name);
}

Val emit_string_table(Compiled *compiled, const Constant *constant, const char *name) {
  Nest *nest = &compiled->nest;
  const TensorString *strings = constant->data;
  size_t count = constant->bytes / sizeof *strings;
  Val bytes = string_bytes(compiled, name, strings, count),
      *items = NEW_ARRAY(compiled->arena, Val, count);
  for (size_t i = 0, at = 0; i < count; at += strings[i++].length) {
    Val offset = nest_const(nest, (int64_t)at),
        length = nest_const(nest, (int64_t)strings[i].length);
    Val fields[] = {LLVMConstInBoundsGEP2(nest->i8, bytes, &offset, 1), length};
    items[i] = LLVMConstStructInContext(nest->context, fields, 2, false);
  }
  Val table = LLVMConstArray2(LLVMTypeOf(items[0]), items, count);
  return constant_data(compiled, name, table, (unsigned)compiled->target->pointer_bits / 8);
}
