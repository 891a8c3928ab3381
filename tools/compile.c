// tenon compile: a model becomes an object file, and whatever else --emit names, with a C header.
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/interface.h"
#include "ir/file.h"
#include "ir/print.h"
#include "ir/suggest.h"
#include "tools/ctest.h"
#include "tools/depfile.h"
#include "tools/prepare.h"

typedef struct Compilation {
  Tool *tool;
  Plan plan;
  const char *source, *stem, *prefix;
  Module *module;
  Compiled *compiled;
  const char *header; // path
} Compilation;

static bool emit_shared(Compilation *c, const char *path);

static bool emit_object(Compilation *c, const char *path) {
  return compiled_write_object(c->compiled, path, &c->tool->diag);
}
static bool emit_assembly(Compilation *c, const char *path) {
  return compiled_write_assembly(c->compiled, path, &c->tool->diag);
}
static bool emit_llvm(Compilation *c, const char *path) {
  return compiled_write_llvm(c->compiled, path, false, &c->tool->diag);
}
static bool emit_bitcode(Compilation *c, const char *path) {
  return compiled_write_llvm(c->compiled, path, true, &c->tool->diag);
}
static bool emit_archive(Compilation *c, const char *path) {
  return compiled_write_archive(c->compiled, path, &c->tool->diag);
}
static bool emit_text(Compilation *c, const char *path) {
  return module_write(c->module, path, &c->tool->diag);
}
static bool emit_test(Compilation *c, const char *path) {
  return c_test_write(c->tool, c->module, c->prefix, c->header, path);
}

// What --emit knows. The suffix also says what `-o OUT` means.
static const struct Kind {
  const char *name, *suffix;
  bool (*emit)(Compilation *c, const char *path);
  bool needs_code;
} kinds[] = {
    {"obj", ".o", emit_object, true},      {"asm", ".s", emit_assembly, true},
    {"llvm", ".ll", emit_llvm, true},      {"bc", ".bc", emit_bitcode, true},
    {"archive", ".a", emit_archive, true}, {"shared", ".so", emit_shared, true},
    {"tir", ".tir", emit_text, false},     {"c-test", ".test.c", emit_test, true},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static bool has_suffix(const char *text, const char *suffix) {
  size_t length = strlen(text), size = strlen(suffix);
  return length > size && strcmp(text + length - size, suffix) == 0;
}

// --- which outputs

static bool choose_kinds(Tool *tool, bool *chosen) {
  const TextList *list = &tool_value(tool, OPTION_EMIT)->list;
  const char *output = tool_text(tool, OPTION_OUTPUT);
  for (int i = 0; i < list->count; i++) {
    char *rest = arena_strdup(tool->arena, list->items[i]);
    for (char *name; (name = strsep(&rest, ","));) {
      int kind = 0;
      while (kind < KIND_COUNT && strcmp(kinds[kind].name, name) != 0) kind++;
      Suggestion near = suggestion_for(name, strlen(name));
      for (int k = 0; k < KIND_COUNT; k++) suggestion_offer(&near, kinds[k].name);
      if (kind == KIND_COUNT && near.best)
        return usage_error("--emit: there is no '%s'; did you mean '%s'?", name, near.best), false;
      if (kind == KIND_COUNT)
        return usage_error("--emit: there is no '%s': wanted %s", name,
                           option_info[OPTION_EMIT].help),
               false;
      chosen[kind] = true;
    }
  }
  if (list->count) return true;
  for (int kind = 0; kind < KIND_COUNT && output; kind++)
    if (has_suffix(output, kinds[kind].suffix)) return chosen[kind] = true;
  return chosen[0] = true;
}

static const char *without_suffix(Arena *arena, const char *path) {
  for (int kind = KIND_COUNT - 1; kind >= 0; kind--)
    if (has_suffix(path, kinds[kind].suffix))
      return arena_strndup(arena, path, strlen(path) - strlen(kinds[kind].suffix));
  return path;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static const char *model_stem(Arena *arena, const char *path) {
  const char *base = base_name(path), *dot = strrchr(base, '.');
  return dot && dot > base ? arena_strndup(arena, base, (size_t)(dot - base)) : base;
}

static const char *kind_path(const Compilation *c, int kind, int chosen_count) {
  const char *output = tool_text(c->tool, OPTION_OUTPUT);
  if (output && chosen_count == 1) return output;
  return arena_printf(c->tool->arena, "%s%s", c->stem, kinds[kind].suffix);
}

// --- shared objects: the linker

extern char **environ;

static bool run_linker(Tool *tool, const char *command, const char *object, const char *path) {
  char **arguments = NULL, *rest = arena_strdup(tool->arena, command);
  int count = 0, capacity = 0, status;
  pid_t child;
  for (char *word; (word = strsep(&rest, " "));)
    if (*word) ARENA_PUSH(tool->arena, arguments, count, capacity, word);
  if (!count) return usage_error("--linker: no command"), false;
  const char *tail[] = {"-shared", "-o", path, object, NULL};
  for (int i = 0; i < 5; i++)
    ARENA_PUSH(tool->arena, arguments, count, capacity,
               tail[i] ? arena_strdup(tool->arena, tail[i]) : NULL);
  int error = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
  if (error)
    return diag_error(&tool->diag, loc_file(path), "the linker '%s' cannot be started: %s",
                      arguments[0], strerror(error));
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  return diag_error(&tool->diag, loc_file(path), "the linker '%s' failed", command);
}

// cc; for another machine <triple>-gcc as distributions name it.
static const char *default_linker(const Compilation *c) {
  const Target *target = c->plan.target;
  if (strcmp(target->family, "x86_64") == 0) return "cc";
  if (strcmp(target->family, "aarch64") == 0) return "aarch64-linux-gnu-gcc";
  if (strcmp(target->family, "armv7a") == 0) return "arm-linux-gnueabihf-gcc";
  if (strncmp(target->triple, "riscv64", 7) == 0) return "riscv64-linux-gnu-gcc";
  return NULL;
}

static bool emit_shared(Compilation *c, const char *path) {
  Tool *tool = c->tool;
  const char *linker =
      tool_flag(tool, OPTION_LINKER) ? tool_text(tool, OPTION_LINKER) : default_linker(c);
  if (!linker)
    return diag_error(&tool->diag, loc_file(path), "'%s' has no shared objects",
                      c->plan.target->name);
  struct stat status;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) // a rename would replace /dev/null
    return diag_error(&tool->diag, loc_file(path), "cannot be written: it is not a regular file");
  const char *object = arena_printf(tool->arena, "%s.%ld.o", path, (long)getpid());
  const char *partial = arena_printf(tool->arena, "%s.%ld.partial", path, (long)getpid());
  bool done = emit_object(c, object) && run_linker(tool, linker, object, partial);
  if (done && rename(partial, path) != 0)
    done = diag_error(&tool->diag, loc_file(path), "cannot be written: %s", strerror(errno));
  unlink(object);
  if (!done) unlink(partial);
  return done;
}

// --- sizes

static bool within_limit(Tool *tool, OptionId id, const char *what, int64_t bytes) {
  const OptionValue *limit = tool_value(tool, id);
  if (!limit->given || bytes <= limit->number) return true;
  diag_error(&tool->diag, (Loc){0}, "%s takes %" PRId64 " bytes, the limit is %" PRId64, what,
             bytes, limit->number);
  return false;
}

// 28912 -> "28,912".
static const char *grouped(Arena *arena, int64_t number) {
  if (number < 1000) return arena_printf(arena, "%" PRId64, number);
  return arena_printf(arena, "%s,%03d", grouped(arena, number / 1000), (int)(number % 1000));
}

static void print_sizes(Tool *tool, const CompiledSizes *sizes, FILE *stream) {
  Arena *arena = tool->arena;
  int64_t flash = sizes->code + sizes->weights + sizes->data;
  fprintf(stream, "flash %s (code %s, weights %s)  workspace %s%s  stack %s\n",
          grouped(arena, flash), grouped(arena, sizes->code + sizes->data),
          grouped(arena, sizes->weights), grouped(arena, sizes->workspace),
          sizes->open ? " and what dims need" : "", grouped(arena, sizes->stack));
}

static Status check_limits(Compilation *c, CompiledSizes *sizes) {
  Tool *tool = c->tool;
  *sizes = compiled_sizes(c->compiled);
  if (tool->diag.errors) return STATUS_REFUSED;
  bool good = within_limit(tool, OPTION_MAX_FLASH, "flash (code, weights and data)",
                           sizes->code + sizes->weights + sizes->data);
  good &= within_limit(tool, OPTION_MAX_WORKSPACE, "the workspace", sizes->workspace);
  if (sizes->open && tool_flag(tool, OPTION_MAX_WORKSPACE))
    good = diag_error(&tool->diag, loc_file(c->source),
                      "the workspace has no limit: --dim NAME=1..64 gives dims bounds");
  good &= within_limit(tool, OPTION_MAX_STACK, "the stack", sizes->stack);
  return good ? STATUS_DONE : STATUS_MISSED;
}

// --- the command

// With all that can be linked, also with a test, which includes it.
static bool wants_header(const Compilation *c, const bool *chosen) {
  if (tool_flag(c->tool, OPTION_HEADER)) return c->compiled != NULL;
  const char *output = tool_text(c->tool, OPTION_OUTPUT);
  if (output && (!strcmp(output, "-") || !strncmp(output, "/dev/", 5))) return false;
  for (int kind = 0; kind < KIND_COUNT; kind++)
    if (chosen[kind] && kinds[kind].needs_code && kinds[kind].emit != emit_llvm &&
        kinds[kind].emit != emit_bitcode)
      return true;
  return false;
}

// The tests, or everything else. *first: the path of the first kind.
static bool emit_kinds(Compilation *c, const bool *chosen, bool tests, const char **first) {
  int count = 0;
  for (int kind = 0; kind < KIND_COUNT; kind++) count += chosen[kind];
  *first = NULL;
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    if (!chosen[kind]) continue;
    const char *path = kind_path(c, kind, count);
    if (!*first) *first = path;
    if ((kinds[kind].emit == emit_test) == tests && !kinds[kind].emit(c, path)) return false;
  }
  return true;
}

static bool write_outputs(Compilation *c, const bool *chosen) {
  Tool *tool = c->tool;
  const char *first;
  // A test first: its data may be refused, and then nothing shall have been written.
  if (!emit_kinds(c, chosen, true, &first) || !emit_kinds(c, chosen, false, &first)) return false;
  const char *weights = tool_text(tool, OPTION_WEIGHTS);
  bool in_file = c->compiled && weights && strncmp(weights, "file:", 5) == 0;
  if (in_file && !compiled_write_weights(c->compiled, weights + 5, &tool->diag)) return false;
  if (wants_header(c, chosen) && !compiled_write_header(c->compiled, c->header, &tool->diag))
    return false;
  if (c->plan.report && !report_write(c->plan.report, tool_text(tool, OPTION_REPORT), &tool->diag))
    return false;
  return !tool_flag(tool, OPTION_DEPFILE) || depfile_write(tool, c->source, first);
}

static bool check_weights_option(const char *text) {
  if (!text || !strcmp(text, "embed") || !strncmp(text, "section:", 8) ||
      !strncmp(text, "file:", 5))
    return true;
  return usage_error("--weights=%s: wanted embed, section:NAME or file:PATH", text), false;
}

static bool check_io_option(const char *text) {
  if (!text || !strcmp(text, "caller") || !strcmp(text, "workspace")) return true;
  return usage_error("--io=%s: wanted caller or workspace", text), false;
}

static void name_outputs(Compilation *c) {
  Tool *tool = c->tool;
  const char *output = tool_text(tool, OPTION_OUTPUT), *prefix = tool_text(tool, OPTION_PREFIX);
  bool is_stream = output && strcmp(output, "-") == 0;
  c->stem = output && !is_stream ? without_suffix(tool->arena, output)
                                 : model_stem(tool->arena, c->source);
  c->prefix = interface_identifier(tool->arena, prefix ? prefix : base_name(c->stem));
  c->header = tool_flag(tool, OPTION_HEADER) ? tool_text(tool, OPTION_HEADER)
                                             : arena_printf(tool->arena, "%s.h", c->stem);
}

// Without options the code runs on any recent machine; what this one could do beyond that is worth
// a line.
static void note_native(Tool *tool, const Target *target) {
  static const OptionId choices[] = {OPTION_TARGET, OPTION_MCPU, OPTION_MARCH, OPTION_MATTR};
  const Target *native = target_native(tool->arena);
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
    if (tool_flag(tool, choices[i])) return;
  if (strcmp(native->name, target->name) != 0 && !tool_flag(tool, OPTION_NO_WARNINGS))
    diag_note(&tool->diag, (Loc){0}, "compiled for %s (%s); -mcpu=native would be %s (%s)",
              target->name, target->help, native->name, native->help);
}

Status command_compile(Tool *tool) {
  Compilation c = {.tool = tool, .source = tool_argument(tool, 0)};
  ModelFile file;
  Status status;
  CompiledSizes sizes;
  bool chosen[KIND_COUNT] = {false}, code = false;
  if (!choose_kinds(tool, chosen) || !check_weights_option(tool_text(tool, OPTION_WEIGHTS)) ||
      !check_io_option(tool_text(tool, OPTION_IO)))
    return STATUS_USAGE;
  for (int kind = 0; kind < KIND_COUNT; kind++) code |= chosen[kind] && kinds[kind].needs_code;
  name_outputs(&c);
  if (!plan_make(tool, false, &c.plan, &status)) return status;
  if (!model_open(tool, c.source, &file)) return STATUS_REFUSED;
  c.module = model_load(tool, &file, NULL, BIND_SHAPES);
  if (!c.module || !module_verify(c.module, NULL, &tool->diag)) return STATUS_REFUSED;
  model_warn_of_unused_inputs(tool, c.module);
  if (code) note_native(tool, c.plan.target);
  if (!code)
    return plan_run_passes(tool, &c.plan, c.module, true) && write_outputs(&c, chosen)
               ? STATUS_DONE
               : STATUS_REFUSED;
  c.compiled = plan_compile(tool, &c.plan, c.module, c.prefix);
  if (!c.compiled) return STATUS_REFUSED;
  status = check_limits(&c, &sizes);
  if (status != STATUS_DONE) return status;
  if (!write_outputs(&c, chosen)) return STATUS_REFUSED;
  const char *output = tool_text(tool, OPTION_OUTPUT);
  print_sizes(tool, &sizes, output && strcmp(output, "-") == 0 ? stderr : stdout);
  return STATUS_DONE;
}
