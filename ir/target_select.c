// The target row for what the command line says of a processor, in gcc's and clang's words.
//
// -mcpu= decides, then -march=, then the first part of the triple. The rest of the triple says
// where the code runs (Linux or bare metal) and which float ABI it has.
#include <ctype.h>
#include <string.h>

#include "ir/arena.h"
#include "ir/suggest.h"
#include "ir/target.h"

#if defined __x86_64__
#include <cpuid.h>
#elif defined __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

typedef struct NamedRow {
  const char *name, *row;
} NamedRow;

static const NamedRow cpus[] = {
#define CPU(name, row) {name, row},
#include "ir/target_cpu.def"
};
static const NamedRow architectures[] = {
#define ARCHITECTURE(name, row) {name, row},
#include "ir/target_march.def"
};

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

static const char *find_named(const NamedRow *rows, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(rows[i].name, name) == 0) return rows[i].row;
  return NULL;
}

static bool target_error(Diag *diag, const char *what, const char *name, Suggestion *near) {
  if (near && near->best)
    return diag_error(diag, (Loc){0}, "there is no %s '%s'; did you mean '%s'? (tenon targets)",
                      what, name, near->best);
  return diag_error(diag, (Loc){0}, "there is no %s '%s' (tenon targets)", what, name);
}

static Target *copy_row(struct Arena *arena, const char *name) {
  const Target *row = target_find(name);
  Target *copy = NEW(arena, Target);
  *copy = *row;
  return copy;
}

// --- this machine

#if defined __x86_64__
static bool has_avx_vnni(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static const char *native_name(void) {
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  if (v4) return __builtin_cpu_supports("avx512vnni") ? "x86-64-v4-vnni" : "x86-64-v4";
  if (v3) return has_avx_vnni() ? "x86-64-v3-vnni" : "x86-64-v3";
  return v2 ? "x86-64-v2" : "x86-64";
}
static const char host_name[] = "x86-64-v3";
#elif defined __aarch64__
static const char *native_name(void) {
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? "aarch64-dotprod" : "aarch64";
}
static const char host_name[] = "aarch64";
#elif defined __arm__
static const char *native_name(void) { return "armv7-a"; }
static const char host_name[] = "armv7-a";
#else
static const char *native_name(void) { return "rv64gc"; }
static const char host_name[] = "rv64gc";
#endif

const Target *target_native(struct Arena *arena) { return copy_row(arena, native_name()); }

// --- RISC-V ISA strings

typedef struct Isa {
  int bits;
  bool letters[26];
  const char *features;
} Isa;

static bool isa_error(Diag *diag, const char *text) {
  return diag_error(
      diag, (Loc){0},
      "-march=%s: wanted rv32 or rv64, `i` or `g`, letters of extensions, then _zba and the like",
      text);
}

// "rv32imc_zba_zbb": single letters, `g` for imafd, then longer names.
static bool parse_isa(struct Arena *arena, Diag *diag, const char *text, Isa *isa) {
  const char *at = text + 4;
  isa->bits = text[2] == '3' ? 32 : 64;
  isa->features = "";
  for (; *at && *at != '_' && *at != 'z' && *at != 'x'; at++) {
    if (!strchr("imafdcgv", *at)) return isa_error(diag, text);
    for (const char *letter = *at == 'g' ? "imafd" : (char[]){*at, 0}; *letter; letter++)
      isa->letters[*letter - 'a'] = true;
  }
  if (!isa->letters['i' - 'a']) return isa_error(diag, text);
  for (const char *letter = "mafdcv"; *letter; letter++)
    if (isa->letters[*letter - 'a'])
      isa->features =
          arena_printf(arena, "%s%s+%c", isa->features, *isa->features ? "," : "", *letter);
  while (*at) {
    at += *at == '_';
    size_t length = strcspn(at, "_");
    if (length < 2 || (*at != 'z' && *at != 'x' && *at != 's')) return isa_error(diag, text);
    isa->features =
        arena_printf(arena, "%s%s+%.*s", isa->features, *isa->features ? "," : "", (int)length, at);
    at += length;
  }
  return true;
}

static Target *row_of_isa(struct Arena *arena, Diag *diag, const char *text) {
  Isa isa = {0};
  if (!parse_isa(arena, diag, text, &isa)) return NULL;
  bool f = isa.letters['f' - 'a'], d = isa.letters['d' - 'a'], v = isa.letters['v' - 'a'];
  Target *row = copy_row(arena, isa.bits == 32 ? (f ? "rv32imafc" : "rv32imc")
                                : v            ? "rv64gcv"
                                               : "rv64gc");
  row->features = isa.features;
  if (isa.bits == 64) row->abi = d ? "lp64d" : f ? "lp64f" : "lp64";
  if (!f) row->flags &= ~(unsigned)(TARGET_FPU | TARGET_FMA | TARGET_DOUBLE | TARGET_ROUND);
  if (!d) row->flags &= ~(unsigned)TARGET_DOUBLE;
  return row;
}

static bool is_isa(const char *text) {
  return strncmp(text, "rv32", 4) == 0 || strncmp(text, "rv64", 4) == 0;
}

// --- the row

static Target *row_of_cpu(struct Arena *arena, Diag *diag, const char *name) {
  const char *row = target_find(name) ? name : find_named(cpus, COUNT(cpus), name);
  if (!row && is_isa(name)) return row_of_isa(arena, diag, name);
  if (!row) {
    Suggestion near = suggestion_for(name, strlen(name));
    for (int i = 0; i < COUNT(cpus); i++) suggestion_offer(&near, cpus[i].name);
    for (int i = 0; i < target_count(); i++) suggestion_offer(&near, target_at(i)->name);
    target_error(diag, "processor", name, &near);
    return NULL;
  }
  Target *copy = copy_row(arena, row);
  if (strcmp(row, name) != 0) copy->cpu = arena_strdup(arena, name);
  return copy;
}

static Target *row_of_architecture(struct Arena *arena, Diag *diag, const char *what,
                                   const char *name) {
  const char *row = find_named(architectures, COUNT(architectures), name);
  if (row) return copy_row(arena, row);
  Suggestion near = suggestion_for(name, strlen(name));
  for (int i = 0; i < COUNT(architectures); i++) suggestion_offer(&near, architectures[i].name);
  target_error(diag, what, name, &near);
  return NULL;
}

static Target *row_of_march(struct Arena *arena, Diag *diag, const char *name) {
  if (is_isa(name)) return row_of_isa(arena, diag, name);
  if (target_find(name) || find_named(cpus, COUNT(cpus), name))
    return row_of_cpu(arena, diag, name); // as gcc on x86
  return row_of_architecture(arena, diag, "architecture", name);
}

// --- the triple

typedef struct Triple {
  const char *architecture, *system, *environment;
  bool bare;
} Triple;

static bool is_one_of(const char *text, const char *const *names) {
  for (; *names; names++)
    if (strcmp(text, *names) == 0) return true;
  return false;
}

static const char *const bare_systems[] = {"none", "elf", "eabi", "eabihf", "baremetal", NULL};
static const char *const environments[] = {"gnu",      "musl",       "gnueabi",     "gnueabihf",
                                           "musleabi", "musleabihf", "eabi",        "eabihf",
                                           "elf",      "android",    "androideabi", NULL};

// "aarch64-linux-gnu", "thumbv7em-none-eabi", "riscv64-unknown-elf": parts after the first are told
// apart by what they are, not by their place.
static bool parse_triple(struct Arena *arena, Diag *diag, const char *text, Triple *triple) {
  char *rest = arena_strdup(arena, text);
  *triple = (Triple){.architecture = strsep(&rest, "-"), .environment = ""};
  for (char *part; (part = strsep(&rest, "-"));) {
    if (strcmp(part, "linux") == 0)
      triple->system = part;
    else if (is_one_of(part, bare_systems))
      triple->bare = true;
    if (is_one_of(part, environments)) triple->environment = part;
    if (strncmp(part, "darwin", 6) == 0 || strncmp(part, "macos", 5) == 0 ||
        strncmp(part, "windows", 7) == 0 || strcmp(part, "mingw32") == 0)
      return diag_error(diag, (Loc){0},
                        "--target=%s: only ELF objects are made: for Linux (-linux-gnu) or bare "
                        "metal (-none-eabi, -elf)",
                        text);
  }
  if (triple->system) triple->bare = false;
  return true;
}

static bool family_fits(const Target *row, const char *architecture) {
  const char *family = row->family;
  if (strcmp(family, "x86_64") == 0)
    return strcmp(architecture, "x86_64") == 0 || strcmp(architecture, "amd64") == 0;
  if (strcmp(family, "aarch64") == 0)
    return strcmp(architecture, "aarch64") == 0 || strcmp(architecture, "arm64") == 0;
  if (strcmp(family, "riscv32") == 0 ||
      strcmp(family, "riscv64") == 0) // riscv64-unknown-elf-gcc serves both
    return strcmp(architecture, "riscv32") == 0 || strcmp(architecture, "riscv64") == 0;
  return strncmp(architecture, "arm", 3) == 0 || strncmp(architecture, "thumb", 5) == 0;
}

// The system and environment of the triple, in the row's own triple.
static void apply_triple(struct Arena *arena, Target *row, const Triple *triple) {
  bool arm = strcmp(row->family, "armm") == 0 || strcmp(row->family, "armv7a") == 0;
  bool hard = strstr(triple->environment, "eabihf") != NULL;
  const char *architecture = arena_strndup(arena, row->triple, strcspn(row->triple, "-"));
  if (!triple->bare && !triple->system) return;
  const char *environment = arm            ? (triple->bare ? (hard ? "eabihf" : "eabi")
                                              : hard       ? "gnueabihf"
                                                           : "gnueabi")
                            : triple->bare ? "elf"
                                           : "gnu";
  row->triple = arena_printf(arena, "%s-unknown-%s-%s", architecture,
                             triple->bare ? "none" : "linux", environment);
  row->flags &= ~(unsigned)(TARGET_HOSTED | TARGET_BARE);
  row->flags |= triple->bare ? TARGET_BARE : TARGET_HOSTED;
}

// --- float ABI, features

static bool is_arm(const Target *row) {
  return strcmp(row->family, "armm") == 0 || strcmp(row->family, "armv7a") == 0;
}

static const char *add_features(struct Arena *arena, const char *features, const char *more) {
  return *features ? arena_printf(arena, "%s,%s", features, more) : more;
}

static void remove_fpu(struct Arena *arena, Target *row) {
  row->features = add_features(arena, row->features, "+soft-float");
  row->flags &= ~(unsigned)(TARGET_FPU | TARGET_DOUBLE | TARGET_FMA | TARGET_ROUND | TARGET_F16C);
}

// No float crosses the interface of an object, so hard and softfp only differ in the triple.
static bool apply_float_abi(struct Arena *arena, Diag *diag, Target *row, const char *abi) {
  static const char *const known[] = {"soft", "softfp", "hard", NULL};
  if (!is_arm(row))
    return diag_error(diag, (Loc){0}, "-mfloat-abi is for ARM, not for '%s'", row->name);
  if (!is_one_of(abi, known))
    return diag_error(diag, (Loc){0}, "-mfloat-abi=%s: wanted soft, softfp or hard", abi);
  if (strcmp(abi, "hard") == 0 && !target_has(row, TARGET_FPU))
    return diag_error(diag, (Loc){0}, "-mfloat-abi=hard: '%s' has no floating-point unit",
                      row->name);
  char *triple = arena_strdup(arena, row->triple);
  size_t length = strlen(triple);
  if (length > 2 && strcmp(triple + length - 2, "hf") == 0) triple[length - 2] = 0;
  row->triple = strcmp(abi, "hard") == 0 ? arena_printf(arena, "%shf", triple) : triple;
  if (strcmp(abi, "soft") == 0) {
    if (row->vector_bits > 32)
      return diag_error(diag, (Loc){0},
                        "-mfloat-abi=soft: the vector unit of '%s' needs softfp or hard",
                        row->name);
    remove_fpu(arena, row);
  }
  return true;
}

static bool apply_fpu(struct Arena *arena, Diag *diag, Target *row, const char *fpu) {
  static const char *const known[] = {"auto",        "none",          "fpv4-sp-d16",
                                      "fpv5-sp-d16", "fpv5-d16",      "neon",
                                      "neon-vfpv4",  "neon-fp-armv8", NULL};
  if (!is_arm(row)) return diag_error(diag, (Loc){0}, "-mfpu is for ARM, not for '%s'", row->name);
  if (!is_one_of(fpu, known))
    return diag_error(
        diag, (Loc){0},
        "-mfpu=%s: wanted auto, none, fpv4-sp-d16, fpv5-sp-d16, fpv5-d16, neon or neon-vfpv4", fpu);
  if (strcmp(fpu, "none") == 0) return apply_float_abi(arena, diag, row, "soft");
  if (strcmp(fpu, "fpv4-sp-d16") == 0 || strcmp(fpu, "fpv5-sp-d16") == 0) {
    if (target_has(row, TARGET_DOUBLE)) row->features = add_features(arena, row->features, "-fp64");
    row->flags &= ~(unsigned)TARGET_DOUBLE;
  }
  return true;
}

static bool apply_abi(Diag *diag, Target *row, const char *abi) {
  static const char *const known32[] = {"ilp32", "ilp32f", NULL}, *const known64[] = {
                                                                      "lp64", "lp64f", "lp64d",
                                                                      NULL};
  if (!row->abi) return diag_error(diag, (Loc){0}, "-mabi is for RISC-V, not for '%s'", row->name);
  if (!is_one_of(abi, row->pointer_bits == 32 ? known32 : known64))
    return diag_error(diag, (Loc){0}, "-mabi=%s: wanted %s", abi,
                      row->pointer_bits == 32 ? "ilp32 or ilp32f" : "lp64, lp64f or lp64d");
  bool f = abi[strlen(abi) - 1] == 'f', d = abi[strlen(abi) - 1] == 'd';
  if ((f && !target_has(row, TARGET_FPU)) || (d && !target_has(row, TARGET_DOUBLE)))
    return diag_error(diag, (Loc){0}, "-mabi=%s: '%s' has no such floating-point unit", abi,
                      row->name);
  row->abi = abi;
  return true;
}

static bool apply_attributes(struct Arena *arena, Diag *diag, Target *row, const char *attributes) {
  char *rest = arena_strdup(arena, attributes);
  for (char *one; (one = strsep(&rest, ","));) {
    if ((one[0] != '+' && one[0] != '-') || !one[1])
      return diag_error(diag, (Loc){0}, "-mattr: '%s' does not start with + or -", one);
    row->features = add_features(arena, row->features, one);
    if (strcmp(one, "+avx512vnni") == 0 || strcmp(one, "+avxvnni") == 0) row->dot = DOT_VNNI;
    if (strcmp(one, "+dotprod") == 0) row->dot = DOT_SDOT;
  }
  return true;
}

// --- all of it

static Target *choose_row(const TargetOptions *options, struct Arena *arena, Diag *diag,
                          const Triple *triple) {
  const char *cpu = options->mcpu                                             ? options->mcpu
                    : options->march && strcmp(options->march, "native") == 0 ? "native"
                                                                              : NULL;
  if (cpu && strcmp(cpu, "native") == 0) return copy_row(arena, native_name());
  if (cpu && strcmp(cpu, "generic") != 0) return row_of_cpu(arena, diag, cpu);
  if (options->march) return row_of_march(arena, diag, options->march);
  if (!options->triple) return copy_row(arena, host_name);
  if (strcmp(triple->architecture, "arm") == 0 && !triple->bare) return copy_row(arena, "armv7-a");
  if (strcmp(triple->architecture, "arm") == 0) {
    diag_error(diag, (Loc){0}, "--target=%s: which processor? -mcpu=cortex-m4 for example",
               options->triple);
    return NULL;
  }
  return row_of_architecture(arena, diag, "target", triple->architecture);
}

const Target *target_select(const TargetOptions *options, struct Arena *arena, Diag *diag) {
  Triple triple = {.architecture = "", .environment = ""};
  bool is_row = options->triple && target_find(options->triple); // the row's name will do
  TargetOptions given = *options;
  if (is_row && !given.mcpu) given.mcpu = given.triple;
  if (is_row) given.triple = NULL;
  if (given.triple && !parse_triple(arena, diag, given.triple, &triple)) return NULL;
  Target *row = choose_row(&given, arena, diag, &triple);
  if (!row) return NULL;
  if (given.triple && !family_fits(row, triple.architecture)) {
    diag_error(diag, (Loc){0}, "--target=%s is not of the family of '%s'", given.triple,
               given.mcpu    ? given.mcpu
               : given.march ? given.march
                             : row->name);
    return NULL;
  }
  if (given.mthumb && !is_arm(row)) {
    diag_error(diag, (Loc){0}, "-mthumb is for ARM, not for '%s'", row->name);
    return NULL;
  }
  if (given.triple) apply_triple(arena, row, &triple);
  bool done = (!given.mfpu || apply_fpu(arena, diag, row, given.mfpu)) &&
              (!given.mfloat_abi || apply_float_abi(arena, diag, row, given.mfloat_abi)) &&
              (!given.mabi || apply_abi(diag, row, given.mabi)) &&
              (!given.mattr || apply_attributes(arena, diag, row, given.mattr));
  return done ? row : NULL;
}
