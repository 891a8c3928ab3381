// From a placed module to machine code: library, kernels, entry points, optimisation, object.
#include "codegen/codegen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>

#include "codegen/describe.h"
#include "codegen/internal.h"

static void dispose(void *object) {
  Compiled *compiled = object;
  if (compiled->object) LLVMDisposeMemoryBuffer(compiled->object);
  nest_dispose(&compiled->nest);
  LLVMDisposeModule(compiled->llvm);
  LLVMDisposeTargetMachine(compiled->machine);
  LLVMContextDispose(compiled->context);
}

static Compiled *create(const Module *module, const CodegenOptions *options, Arena *arena,
                        Diag *diag) {
  LLVMTargetMachineRef machine = machine_create(options, diag);
  if (!machine) return NULL;
  Compiled *compiled = NEW(arena, Compiled);
  *compiled = (Compiled){.arena = arena,
                         .diag = diag,
                         .module = module,
                         .options = *options,
                         .target = options->target,
                         .machine = machine};
  compiled->weights = (Weights){.arena = arena, .align = {1, 1}};
  compiled->context = LLVMContextCreate();
  compiled->llvm = LLVMModuleCreateWithNameInContext(options->prefix, compiled->context);
  char *triple = LLVMGetTargetMachineTriple(machine);
  LLVMSetTarget(compiled->llvm, triple);
  LLVMDisposeMessage(triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetModuleDataLayout(compiled->llvm, layout);
  LLVMDisposeTargetData(layout);
  nest_init(&compiled->nest, compiled->context, compiled->llvm, options->target, arena);
  compiled->nest.size = options->level == 0 ? CODE_FAST : CODE_SHORTEST; // but for kernels
  compiled->nest.least = options->optimise_size ? CODE_SHORT : CODE_FAST;
  arena_on_destroy(arena, dispose, compiled);
  return compiled;
}

static void verify(Compiled *compiled) {
#ifndef NDEBUG
  char *message = NULL;
  if (LLVMVerifyModule(compiled->llvm, LLVMReturnStatusAction, &message)) {
    fprintf(stderr, "%s\n", message);
    assert(false && "generated code is not valid");
  }
  LLVMDisposeMessage(message);
#else
  (void)compiled;
#endif
}

Compiled *codegen_module(const Module *module, const CodegenOptions *options, Arena *arena,
                         Diag *diag) {
  assert(module->main->placed && "place comes before code generation");
  Compiled *compiled = create(module, options, arena, diag);
  if (!compiled) return NULL;
  compiled->interface = interface_create(module, options, arena, diag);
  if (!compiled->interface || !machine_link_library(compiled)) return NULL;
  work_measure(compiled);
  if (!emit_entry_points(compiled)) return NULL;
  verify(compiled);
  machine_optimise(compiled);
  return compiled;
}

// --- the object

bool compiled_weights_in_file(const Compiled *compiled) {
  return compiled->options.weights && !strncmp(compiled->options.weights, "file:", 5);
}

bool compiled_needs_init(const Compiled *compiled) {
  return compiled->weights.bytes[HOME_DECODED] > 0 || compiled_weights_in_file(compiled);
}

int compiled_max_tasks(const Compiled *compiled) {
  for (const KernelFunction *kernel = compiled->kernels; kernel; kernel = kernel->next)
    if (kernel->task) return MAX_TASKS;
  return 1;
}

static const char *weights_section(Compiled *compiled) {
  const char *where = compiled->options.weights;
  if (where && !strncmp(where, "section:", 8))
    return arena_printf(compiled->arena, "%s", where + 8);
  bool large = compiled->weights.bytes[HOME_WEIGHTS] > (int64_t)1 << 30 &&
               !strcmp(compiled->target->family, "x86_64");
  return arena_printf(compiled->arena, "%s.%s_weights", large ? ".lrodata" : ".rodata",
                      compiled->options.prefix);
}

static const char *note_text(Compiled *compiled) {
  Arena *arena = compiled->arena;
  const char *text = arena_printf(
      arena,
      "tenon %s\nmodel %s\ntarget %s %s\nabi %08x\nworkspace %lld\nstack %lld\nweights "
      "%lld\noptions %s\n",
      compiled->options.version, compiled->module->name, compiled->target->name,
      compiled->target->triple, compiled->interface->abi,
      (long long)compiled->module->main->workspace_bytes, (long long)compiled->stack_bytes,
      (long long)compiled->weights.bytes[HOME_WEIGHTS],
      compiled->options.command ? compiled->options.command : "");
  MemorySink memory;
  memory_sink_init(&memory, arena);
  sink_text(&memory.sink, text);
  for (int i = 0; i < compiled->op_count; i++)
    sink_printf(&memory.sink, "op %d %s\n", i, compiled->op_names[i]);
  sink_write(&memory.sink, "", 1);
  return (const char *)memory.bytes;
}

// Deepest stack of the compiler's own arithmetic (64-bit division, soft floats): at most 48 bytes
// were seen.
enum { LIBRARY_STACK = 64 };

// The depth of the stack is known when the machine code is, so <prefix>_model gets it afterwards,
// in the bytes of the object. Names of the compiler's own functions start with `__`.
static void settle_stack(Compiled *compiled) {
  Arena *scratch = arena_create();
  char *bytes = (char *)(uintptr_t)LLVMGetBufferStart(compiled->object);
  const ObjectFile *file = object_read(scratch, compiled->diag, compiled->options.prefix,
                                       (const uint8_t *)bytes, LLVMGetBufferSize(compiled->object));
  const char *model = arena_printf(scratch, "%s_model", compiled->options.prefix);
  const ObjectSymbol *found = NULL;
  bool library = false;
  for (int i = 1; file && i < file->symbol_count; i++) {
    const ObjectSymbol *symbol = &file->symbols[i];
    if (symbol->section == 0 && !strncmp(symbol->name, "__", 2) &&
        !compiled_external_node(compiled, symbol->name))
      library = true;
    if (symbol->section && !strcmp(symbol->name, model)) found = symbol;
  }
  assert(found && "every object has its description");
  if (library) compiled->stack_bytes += LIBRARY_STACK;
  int64_t at = (int64_t)(file->sections[found->section].offset + found->value) +
               describe_stack_offset(compiled);
  for (int i = 0; i < compiled->target->pointer_bits / 8; i++)
    bytes[at + i] = (char)(compiled->stack_bytes >> 8 * i);
  arena_destroy(scratch);
}

const char *const *compiled_exported_symbols(const Compiled *compiled) {
  static const char *const suffixes[] = {"run", "shapes", "init", "model"};
  enum { ALWAYS = sizeof suffixes / sizeof *suffixes };
  const Interface *interface = compiled->interface;
  const char **names =
      NEW_ARRAY(compiled->arena, const char *, ALWAYS + interface->output_count + 1);
  int count = 0;
  for (int i = 0; i < ALWAYS; i++)
    names[count++] = arena_printf(compiled->arena, "%s_%s", interface->prefix, suffixes[i]);
  for (int i = 0; i < interface->output_count; i++)
    if (interface->outputs[i].keys)
      names[count++] = interface_keys_symbol(interface, &interface->outputs[i], compiled->arena);
  return names;
}

// The compiler's own arithmetic, and the functions of custom operators.
static const char *const *allowed_undefined(const Compiled *compiled) {
  const char *const *own = target_allowed_symbols(compiled->target), *const *external =
                                                                         compiled_external_symbols(
                                                                             compiled);
  int count = 0;
  while (own && own[count]) count++;
  const char **all = NEW_ARRAY(compiled->arena, const char *, count + compiled->custom_count + 1);
  if (count) memcpy(all, own, (size_t)count * sizeof *all);
  memcpy(all + count, external, (size_t)compiled->custom_count * sizeof *all);
  return all;
}

bool compiled_link(Compiled *compiled) {
  if (compiled->image) return true;
  if (!compiled->object && !machine_emit(compiled)) return false;
  settle_stack(compiled);
  Arena *arena = compiled->arena;
  const char *prefix = compiled->options.prefix;
  // The image keeps pointers to these.
  ObjectInput *input = NEW(arena, ObjectInput);
  ObjectDataSymbol *symbol = NEW(arena, ObjectDataSymbol);
  ObjectDataSection *data = NEW(arena, ObjectDataSection);
  // Constants without elements: the address is passed on, so the symbol has to exist.
  uint64_t bytes = (uint64_t)compiled->weights.bytes[HOME_WEIGHTS];
  bool empty_but_named = !bytes && compiled->weights.count > 0;
  *input = (ObjectInput){prefix, (const uint8_t *)LLVMGetBufferStart(compiled->object),
                         LLVMGetBufferSize(compiled->object)};
  *symbol = (ObjectDataSymbol){arena_printf(arena, "%s_weights", prefix), 0, bytes, OBJECT_HIDDEN};
  *data = (ObjectDataSection){.name = weights_section(compiled),
                              .alignment = (uint64_t)compiled->weights.align[HOME_WEIGHTS],
                              .size = bytes,
                              .symbols = symbol,
                              .symbol_count = 1,
                              .write = weights_stream,
                              .user = &compiled->weights};
  bool bare = target_has(compiled->target, TARGET_BARE);
  const char *const *allowed = allowed_undefined(compiled);
  const char *note = note_text(compiled);
  bool in_file = compiled_weights_in_file(compiled);
  ObjectRequest request = {.inputs = input,
                           .input_count = 1,
                           .data = data,
                           .data_count = (bytes || empty_but_named) && !in_file ? 1 : 0,
                           .note = note,
                           .note_bytes = strlen(note),
                           .exported = compiled_exported_symbols(compiled),
                           .allowed_undefined = allowed,
                           .drop_stack_note = bare,
                           .drop_cantunwind = bare,
                           .loc = loc_file(compiled->module->source)};
  compiled->image = object_link(arena, compiled->diag, &request);
  return compiled->image != NULL;
}

bool compiled_write_object(Compiled *compiled, const char *path, Diag *diag) {
  if (!compiled_link(compiled)) return false;
  OutputFile *file = output_open(compiled->arena, diag, path);
  if (!file) return false;
  if (object_image_write(compiled->image, output_sink(file))) return output_commit(file, diag);
  output_abort(file);
  return false;
}

bool compiled_write_archive(Compiled *compiled, const char *path, Diag *diag) {
  if (!compiled_link(compiled)) return false;
  OutputFile *file = output_open(compiled->arena, diag, path);
  if (!file) return false;
  ArchiveMember member = {arena_printf(compiled->arena, "%s.o", compiled->options.prefix),
                          compiled->image};
  if (archive_write(compiled->arena, diag, &member, 1, output_sink(file)))
    return output_commit(file, diag);
  output_abort(file);
  return false;
}

static bool write_buffer(Compiled *compiled, const char *path, const char *bytes, size_t size,
                         Diag *diag) {
  OutputFile *file = output_open(compiled->arena, diag, path);
  if (!file) return false;
  sink_write(output_sink(file), bytes, size);
  return output_commit(file, diag);
}

bool compiled_write_assembly(Compiled *compiled, const char *path, Diag *diag) {
  if (!compiled->object && !machine_emit(compiled)) return false;
  LLVMModuleRef copy = LLVMCloneModule(compiled->llvm);
  LLVMMemoryBufferRef text = machine_to_buffer(compiled, copy, true);
  bool written =
      write_buffer(compiled, path, LLVMGetBufferStart(text), LLVMGetBufferSize(text), diag);
  LLVMDisposeMemoryBuffer(text);
  LLVMDisposeModule(copy);
  return written;
}

bool compiled_write_llvm(Compiled *compiled, const char *path, bool bitcode, Diag *diag) {
  if (!bitcode) {
    char *text = LLVMPrintModuleToString(compiled->llvm);
    bool written = write_buffer(compiled, path, text, strlen(text), diag);
    LLVMDisposeMessage(text);
    return written;
  }
  LLVMMemoryBufferRef bytes = LLVMWriteBitcodeToMemoryBuffer(compiled->llvm);
  bool written =
      write_buffer(compiled, path, LLVMGetBufferStart(bytes), LLVMGetBufferSize(bytes), diag);
  LLVMDisposeMemoryBuffer(bytes);
  return written;
}

CompiledSizes compiled_sizes(Compiled *compiled) {
  if (!compiled_link(compiled)) return (CompiledSizes){0};
  CompiledSizes sizes = {
      .workspace = compiled->module->main->workspace_bytes,
      .open = compiled->module->main->open_count + compiled->module->main->late_count > 0,
      .stack = compiled->stack_bytes,
      .decoded = compiled->weights.bytes[HOME_DECODED]};
  ObjectSizes object = object_image_sizes(compiled->image);
  sizes.weights = compiled_weights_in_file(compiled) ? 0 : compiled->weights.bytes[HOME_WEIGHTS];
  sizes.code = (int64_t)(object.code + object.read_only) - sizes.weights;
  sizes.data = (int64_t)(object.writable + object.zeroed);
  return sizes;
}
