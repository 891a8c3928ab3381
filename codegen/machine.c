// LLVM's side: target machine, the kernel library, optimisation, machine code, stack depth.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "codegen/internal.h"
#include "codegen/kernel_bitcode.h"

static void fatal(const char *reason) { machine_failed("LLVM: %s", reason); }

static void initialise(void) {
  static bool done;
  if (done) return;
  done = true;
  LLVMInstallFatalErrorHandler(fatal);
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
  LLVMInitializeARMTargetInfo();
  LLVMInitializeARMTarget();
  LLVMInitializeARMTargetMC();
  LLVMInitializeARMAsmPrinter();
  LLVMInitializeARMAsmParser();
  LLVMInitializeRISCVTargetInfo();
  LLVMInitializeRISCVTarget();
  LLVMInitializeRISCVTargetMC();
  LLVMInitializeRISCVAsmPrinter();
  LLVMInitializeRISCVAsmParser();
}

// With the environment `eabi` LLVM calls __aeabi_memcpy, which libgcc lacks; `gnueabi` is the same
// calling convention with memcpy, which the module brings along (memory.c).
static char *normalised_triple(const Target *row) {
  char text[128];
  const char *eabi = target_has(row, TARGET_BARE) && !strncmp(row->family, "arm", 3)
                         ? strstr(row->triple, "-eabi")
                         : NULL;
  if (!eabi) return LLVMNormalizeTargetTriple(row->triple);
  snprintf(text, sizeof text, "%.*s-gnu%s", (int)(eabi - row->triple), row->triple, eabi + 1);
  return LLVMNormalizeTargetTriple(text);
}

LLVMTargetMachineRef machine_create(const CodegenOptions *options, Diag *diag) {
  initialise();
  const Target *row = options->target;
  LLVMTargetRef target;
  char *message = NULL;
  char *triple = normalised_triple(row);
  if (LLVMGetTargetFromTriple(triple, &target, &message)) {
    diag_error(diag, (Loc){0}, "target '%s': %s", row->triple, message);
    LLVMDisposeMessage(message);
    return NULL;
  }
  LLVMTargetMachineOptionsRef settings = LLVMCreateTargetMachineOptions();
  LLVMTargetMachineOptionsSetCPU(settings, row->cpu);
  LLVMTargetMachineOptionsSetFeatures(settings, row->features);
  if (row->abi) LLVMTargetMachineOptionsSetABI(settings, row->abi);
  LLVMTargetMachineOptionsSetCodeGenOptLevel(
      settings, options->level == 0 ? LLVMCodeGenLevelLess : LLVMCodeGenLevelDefault);
  bool pic = target_has(row, TARGET_HOSTED) || options->pic;
  LLVMTargetMachineOptionsSetRelocMode(settings, pic ? LLVMRelocPIC : LLVMRelocStatic);
  bool medium = !strncmp(row->family, "riscv", 5);
  LLVMTargetMachineOptionsSetCodeModel(settings,
                                       medium ? LLVMCodeModelMedium : LLVMCodeModelDefault);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(target, triple, settings);
  LLVMDisposeTargetMachineOptions(settings);
  LLVMDisposeMessage(triple);
  return machine;
}

enum { INLINE_INSTRUCTIONS = 100 };

// Short vector functions (exp, tanh, ..) always become part of the loop that calls them.
static bool is_short_vector_function(Val function) {
  LLVMTypeRef result = LLVMGetReturnType(LLVMGlobalGetValueType(function));
  if (LLVMGetTypeKind(result) != LLVMVectorTypeKind) return false;
  int count = 0;
  for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block;
       block = LLVMGetNextBasicBlock(block))
    for (Val i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i))
      if (++count > INLINE_INSTRUCTIONS) return false;
  return true;
}

static void machine_set_cpu(Nest *nest, Val function, const char *cpu, const char *features) {
  nest_string_attribute(nest, function, "target-cpu", cpu);
  nest_string_attribute(nest, function, "target-features", features);
}

void machine_set_baseline(Nest *nest, Val function) {
  machine_set_cpu(nest, function, "x86-64", "");
}

// Finds out whether the rest may run.
static bool runs_anywhere(Val function) {
  size_t length;
  return !strncmp(LLVMGetValueName2(function, &length), "tenon_cpu_", strlen("tenon_cpu_"));
}

// The kernel library becomes part of the module before lowering, so that lowerings find its
// functions by name; what nobody calls is dropped afterwards.
bool machine_link_library(Compiled *compiled) {
  const KernelBitcode *code = kernel_bitcode_find(compiled->target->family);
  assert(code && "every family has its bitcode");
  LLVMMemoryBufferRef buffer =
      LLVMCreateMemoryBufferWithMemoryRange((const char *)code->data, code->size, "kernels", false);
  LLVMModuleRef library;
  bool failed = LLVMGetBitcodeModuleInContext2(compiled->context, buffer, &library);
  assert(!failed && "embedded bitcode is sound");
  (void)failed;
  LLVMSetTarget(library, LLVMGetTarget(compiled->llvm));
  LLVMSetDataLayout(library, LLVMGetDataLayoutStr(compiled->llvm));
  if (LLVMLinkModules2(compiled->llvm, library)) machine_failed("the kernel library does not link");
  Nest *nest = &compiled->nest;
  for (Val f = LLVMGetFirstFunction(compiled->llvm); f; f = LLVMGetNextFunction(f)) {
    if (LLVMIsDeclaration(f)) continue;
    LLVMSetLinkage(f, LLVMInternalLinkage);
    if (is_short_vector_function(f))
      nest_attribute(nest, f, (int)LLVMAttributeFunctionIndex, "alwaysinline", 0);
    if (runs_anywhere(f))
      machine_set_baseline(nest, f);
    else
      machine_set_cpu(nest, f, compiled->target->cpu, compiled->target->features);
    nest_string_attribute(nest, f, "no-builtins", "");
    nest_string_attribute(nest, f, "warn-stack-size", "0");
    if (compiled->target->vector_bits == 512)
      nest_string_attribute(nest, f, "prefer-vector-width", "512");
  }
  return true;
}

// Builder code arrives in the shape that it should have: on big machines a short pipeline gives the
// same speed as default<O2> at a third of its time (2.0 against 4.5 s for 50 convolutions, machine
// code included). Small models of small machines can afford all of it.
static const char *pipeline_of(const Compiled *compiled) {
  if (compiled->options.level == 0) return "globaldce,always-inline,function(early-cse)";
  if (!target_has(compiled->target, TARGET_HOSTED))
    return compiled->options.optimise_size ? "globaldce,default<Os>" : "globaldce,default<O2>";
  return "globaldce,always-inline,cgscc(inline,function(sroa,early-cse<memssa>,simplifycfg,"
         "instcombine<no-verify-fixpoint>,loop-mssa(licm),early-cse,simplifycfg)),globaldce";
}

bool machine_optimise(Compiled *compiled) {
  const char *pipeline = pipeline_of(compiled);
  LLVMPassBuilderOptionsRef settings = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(compiled->llvm, pipeline, compiled->machine, settings);
  LLVMDisposePassBuilderOptions(settings);
  if (error) machine_failed("LLVM: %s", LLVMGetErrorMessage(error));
  return true;
}

// --- machine code and stack

typedef struct StackNotes {
  Compiled *compiled;
  struct StackNote {
    const char *function;
    int64_t bytes;
  } *notes;
  int count, capacity;
} StackNotes;

// "stack frame size (N) exceeds limit (0) in function 'NAME'"
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *user) {
  StackNotes *notes = user;
  char *text = LLVMGetDiagInfoDescription(info);
  const char *size = strstr(text, "stack frame size ("), *name = strstr(text, "in function '");
  if (size && name) {
    name += strlen("in function '");
    const char *end = strchr(name, '\'');
    Arena *arena = notes->compiled->arena;
    struct StackNote note = {arena_strndup(arena, name, end ? (size_t)(end - name) : strlen(name)),
                             strtoll(size + strlen("stack frame size ("), NULL, 10)};
    ARENA_PUSH(arena, notes->notes, notes->count, notes->capacity, note);
  } else if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) {
    diag_error(notes->compiled->diag, (Loc){0}, "internal error: %s", text);
  }
  LLVMDisposeMessage(text);
}

static int64_t frame_bytes(const StackNotes *notes, Val function) {
  size_t length;
  const char *name = LLVMGetValueName2(function, &length);
  for (int i = 0; i < notes->count; i++)
    if (strlen(notes->notes[i].function) == length &&
        !memcmp(notes->notes[i].function, name, length))
      return notes->notes[i].bytes;
  return 0;
}

static bool is_x86(const Compiled *compiled) { return !strcmp(compiled->target->family, "x86_64"); }

enum { MAX_CALL_DEPTH = 64 };

static int64_t stack_below(const StackNotes *notes, Val function, int depth);

// A function that is handed over is called by the callee: a kernel's task.
static int64_t stack_of_arguments(const StackNotes *notes, Val call, int depth) {
  int64_t deepest = 0;
  for (unsigned k = 0; k < LLVMGetNumArgOperands(call); k++) {
    Val function = LLVMIsAFunction(LLVMGetOperand(call, k));
    int64_t below = function ? stack_below(notes, function, depth) : 0;
    if (below > deepest) deepest = below;
  }
  return deepest;
}

// Deepest stack below `function`: its frame plus the deepest of what it calls; the call graph has
// no cycles.
static int64_t stack_below(const StackNotes *notes, Val function, int depth) {
  int64_t deepest = 0;
  if (depth > MAX_CALL_DEPTH || LLVMIsDeclaration(function)) return 0;
  for (LLVMBasicBlockRef block = LLVMGetFirstBasicBlock(function); block;
       block = LLVMGetNextBasicBlock(block))
    for (Val i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i)) {
      if (!LLVMIsACallInst(i)) continue;
      Val callee = LLVMIsAFunction(LLVMGetCalledValue(i));
      if (!callee) continue;
      int64_t below =
          stack_below(notes, callee, depth + 1) + stack_of_arguments(notes, i, depth + 1);
      if (below > deepest) deepest = below;
    }
  int64_t return_address = is_x86(notes->compiled) ? 8 : 0; // elsewhere the frame holds it
  return frame_bytes(notes, function) + return_address + deepest;
}

static LLVMMemoryBufferRef to_buffer(Compiled *compiled, LLVMModuleRef module, bool assembly,
                                     StackNotes *notes) {
  char *message = NULL;
  LLVMMemoryBufferRef buffer = NULL;
  LLVMContextSetDiagnosticHandler(compiled->context, on_diagnostic, notes);
  LLVMBool failed = LLVMTargetMachineEmitToMemoryBuffer(
      compiled->machine, module, assembly ? LLVMAssemblyFile : LLVMObjectFile, &message, &buffer);
  LLVMContextSetDiagnosticHandler(compiled->context, NULL, NULL);
  if (failed) machine_failed("LLVM: %s", message);
  return buffer;
}

LLVMMemoryBufferRef machine_to_buffer(Compiled *compiled, LLVMModuleRef module, bool assembly) {
  StackNotes notes = {.compiled = compiled};
  return to_buffer(compiled, module, assembly, &notes);
}

// Functions of the x86-64 ABI may use so much below the stack pointer without saying so.
enum { RED_ZONE = 128 };

static void measure_stack(Compiled *compiled, const StackNotes *notes) {
  for (Val f = LLVMGetFirstFunction(compiled->llvm); f; f = LLVMGetNextFunction(f)) {
    if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) == LLVMInternalLinkage) continue;
    int64_t bytes = stack_below(notes, f, 0);
    if (bytes > compiled->stack_bytes) compiled->stack_bytes = bytes;
  }
  if (is_x86(compiled)) compiled->stack_bytes += RED_ZONE;
}

bool machine_emit(Compiled *compiled) {
  StackNotes notes = {.compiled = compiled};
  int errors = compiled->diag->errors;
  if (memory_functions_wanted(compiled)) memory_functions_add(compiled);
  compiled->object = to_buffer(compiled, compiled->llvm, false, &notes);
  if (compiled->diag->errors > errors) return false;
  measure_stack(compiled, &notes);
  return true;
}
