// memcpy, memset and memmove inside the object. LLVM makes calls of the memory intrinsics, and
// names these functions; a definition of the module's own with the same name takes the call, so
// that nothing is left for the linker. They stay internal: the application's memcpy is another one.
#include <string.h>

#include "codegen/internal.h"
#include "codegen/object.h"

typedef struct MemoryFunction {
  const char *name, *intrinsic;
  void (*emit)(Nest *nest, Val function);
} MemoryFunction;

static bool is_used(const Compiled *compiled, const char *intrinsic) {
  for (Val f = LLVMGetFirstFunction(compiled->llvm); f; f = LLVMGetNextFunction(f)) {
    size_t length;
    const char *name = LLVMGetValueName2(f, &length);
    if (length > strlen(intrinsic) && !memcmp(name, intrinsic, strlen(intrinsic)) &&
        LLVMGetFirstUse(f))
      return true;
  }
  return false;
}

// The machine code of a copy of the module says whether a call is left: where the sizes are small
// constants, LLVM has written loads and stores, and the functions would only take flash.
static bool is_called(Compiled *compiled, const char *name) {
  LLVMModuleRef copy = LLVMCloneModule(compiled->llvm);
  LLVMMemoryBufferRef buffer = machine_to_buffer(compiled, copy, false);
  Arena *scratch = arena_create();
  const ObjectFile *file =
      object_read(scratch, compiled->diag, name, (const uint8_t *)LLVMGetBufferStart(buffer),
                  LLVMGetBufferSize(buffer));
  bool found = false;
  for (int i = 1; file && i < file->symbol_count; i++)
    found |= file->symbols[i].section == 0 && !strcmp(file->symbols[i].name, name);
  arena_destroy(scratch);
  LLVMDisposeMemoryBuffer(buffer);
  LLVMDisposeModule(copy);
  return found;
}

// --- bodies: words or vectors, then the odd bytes

static void emit_memcpy(Nest *nest, Val function) {
  nest_copy(nest, LLVMGetParam(function, 0), LLVMGetParam(function, 1), LLVMGetParam(function, 2));
}

static void emit_memset(Nest *nest, Val function) {
  Val to = LLVMGetParam(function, 0), size = LLVMGetParam(function, 2);
  Val byte = nest_extend(nest, LLVMGetParam(function, 1), nest->i8, false);
  int lanes = target_lanes(nest->target, 8);
  Val whole =
      nest_mul(nest, nest_udiv(nest, size, nest_const(nest, lanes)), nest_const(nest, lanes));
  FOR (nest, i, nest_const(nest, 0), whole, lanes)
    nest_store(nest, nest_splat(nest, byte, lanes), nest_address(nest, to, nest->i8, i), 1);
  FOR (nest, i, whole, size, 1) nest_store(nest, byte, nest_address(nest, to, nest->i8, i), 1);
}

static void emit_memmove(Nest *nest, Val function) {
  Val to = LLVMGetParam(function, 0), from = LLVMGetParam(function, 1),
      size = LLVMGetParam(function, 2);
  Val distance = nest_sub(nest, LLVMBuildPtrToInt(nest->builder, to, nest->index, ""),
                          LLVMBuildPtrToInt(nest->builder, from, nest->index, ""));
  Branch forward = nest_if(
      nest, nest_compare(nest, LLVMIntUGE, distance, size)); // `to` is not inside the source
  FOR (nest, i, nest_const(nest, 0), size, 1)
    nest_store(nest, nest_load(nest, nest->i8, nest_address(nest, from, nest->i8, i), 1),
               nest_address(nest, to, nest->i8, i), 1);
  nest_else(nest, &forward);
  FOR (nest, i, nest_const(nest, 0), size, 1) {
    Val last = nest_sub(nest, nest_sub(nest, size, i), nest_const(nest, 1));
    nest_store(nest, nest_load(nest, nest->i8, nest_address(nest, from, nest->i8, last), 1),
               nest_address(nest, to, nest->i8, last), 1);
  }
  nest_end_if(nest, &forward);
}

static const MemoryFunction functions[] = {
    {"memcpy", "llvm.memcpy", emit_memcpy},
    {"memset", "llvm.memset", emit_memset},
    {"memmove", "llvm.memmove", emit_memmove},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

bool memory_functions_wanted(const Compiled *compiled) {
  for (int i = 0; i < FUNCTION_COUNT; i++)
    if (is_used(compiled, functions[i].intrinsic)) return true;
  return false;
}

void memory_functions_add(Compiled *compiled) {
  Nest *nest = &compiled->nest;
  bool bare = target_has(compiled->target, TARGET_BARE);
  nest->size = nest->least; // kernels call them
  for (int i = 0; i < FUNCTION_COUNT; i++) {
    const MemoryFunction *function = &functions[i];
    if (!is_used(compiled, function->intrinsic) || (bare && !is_called(compiled, function->name)))
      continue;
    bool fills = function->emit == emit_memset;
    LLVMTypeRef parameters[] = {nest->pointer, fills ? nest->i32 : nest->pointer, nest->index};
    Val made = nest_function_begin(nest, function->name, nest->pointer, parameters, 3);
    function->emit(nest, made);
    nest_function_end(nest, LLVMGetParam(made, 0));
  }
}
