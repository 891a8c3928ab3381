// From the options of the command line to a target: row, processor, features, calling convention.
//
// The triple says architecture, system and float convention; -mcpu (or -march) the row; -mfpu,
// -mfloat-abi, -mabi and -mattr change single things. LLVM's C API has no option for the float
// convention, so it goes into the triple: hard is `eabihf`, softfp `eabi`, soft `eabi` without a
// unit.
#include <string.h>

#include "ir/suggest.h"
#include "ir/target_choice.h"

typedef struct Cpu {
  const char *name, *row, *cpu, *features;
  unsigned lacking;
} Cpu;

static const Cpu cpus[] = {
#define CPU(name, row, cpu, features, lacking) {name, row, cpu, features, lacking},
#include "ir/target_cpu.def"
};
enum { CPU_COUNT = sizeof cpus / sizeof *cpus };

// The processor of this name, of the wanted architecture (ARCH_NONE: of any).
static const Target *find_cpu(Arena *arena, const char *name, Architecture wanted) {
  const Target *row = target_find(name);
  if (row && (wanted == ARCH_NONE || target_architecture(row) == wanted)) return row;
  for (int i = 0; i < CPU_COUNT; i++) {
    row = target_find(cpus[i].row);
    if (strcmp(cpus[i].name, name) != 0 ||
        (wanted != ARCH_NONE && target_architecture(row) != wanted))
      continue;
    Target *target = NEW(arena, Target);
    *target = *row;
    target->cpu = cpus[i].cpu;
    if (cpus[i].features) target->features = cpus[i].features;
    target->flags &= ~cpus[i].lacking;
    if (!strcmp(cpus[i].name, "cortex-m23")) target->triple = "thumbv8m.base-unknown-none-eabi";
    return target;
  }
  return NULL;
}

static bool unknown_cpu(Diag *diag, const char *name, Architecture wanted) {
  const char *known[CPU_COUNT + 64] = {NULL};
  int count = 0;
  for (int i = 0; i < CPU_COUNT; i++)
    if (wanted == ARCH_NONE || target_architecture(target_find(cpus[i].row)) == wanted)
      known[count++] = cpus[i].name;
  for (int i = 0; i < target_count() && count < CPU_COUNT + 63; i++)
    if (wanted == ARCH_NONE || target_architecture(target_at(i)) == wanted)
      known[count++] = target_at(i)->name;
  return target_unknown(diag, "processor", name, known);
}

static const Target *host_baseline(void) {
  const Target *native = target_native(NULL);
  switch ((int)target_architecture(native)) {
  case ARCH_X86_64: return target_find("x86-64-v3");
  case ARCH_AARCH64: return target_find("aarch64");
  case ARCH_RISCV64: return target_find("rv64gc");
  default: return native;
  }
}

// --- which row

typedef struct Choice {
  Arena *arena;
  Diag *diag;
  const TargetOptions *options;
  Triple triple;
  Target target;
} Choice;

static bool take_triple_of_row(Choice *c) {
  return triple_parse(c->arena, c->diag, c->target.triple, &c->triple);
}

// A bare-metal triple of the A profile with -mcpu=cortex-m4 means the M profile: arm-none-eabi.
static Architecture wanted_architecture(const Choice *c) {
  const TargetOptions *options = c->options;
  bool open = c->triple.architecture == ARCH_ARM_A && !c->triple.hosted;
  if (!open) return c->triple.architecture;
  if (options->mcpu && find_cpu(c->arena, options->mcpu, ARCH_ARM_M)) return ARCH_ARM_M;
  if (options->march && march_architecture(options->march) == ARCH_ARM_M) return ARCH_ARM_M;
  return ARCH_ARM_A;
}

static bool choose_cpu(Choice *c, const char *name, Architecture architecture) {
  if (!strcmp(name, "native")) {
    const Target *native = target_native(c->arena);
    if (c->options->triple && target_architecture(native) != architecture)
      return diag_error(c->diag, (Loc){0},
                        "-mcpu=native: this machine is not of the target's architecture");
    c->target = *native;
    return true;
  }
  const Target *found = find_cpu(c->arena, name, architecture);
  if (!found && find_cpu(c->arena, name, ARCH_NONE))
    return diag_error(c->diag, (Loc){0}, "processor '%s' does not belong to target '%s'", name,
                      c->options->triple);
  if (!found) return unknown_cpu(c->diag, name, architecture);
  c->target = *found;
  return true;
}

// The architecture of the chosen processor with the system and the environment of the given triple.
static bool join_triple(Choice *c, Architecture architecture) {
  Triple own;
  if (!triple_parse(c->arena, c->diag, c->target.triple, &own)) return false;
  if (architecture == ARCH_ARM_M) c->triple.name = own.name;
  c->triple.architecture = architecture;
  bool is_arm = architecture == ARCH_ARM_A || architecture == ARCH_ARM_M;
  if (is_arm && !strstr(c->triple.environment, "eabi"))
    c->triple.environment = c->triple.hosted ? "gnueabihf" : "eabi";
  return true;
}

static bool choose_with_triple(Choice *c) {
  const TargetOptions *options = c->options;
  if (!triple_parse(c->arena, c->diag, options->triple, &c->triple)) return false;
  Architecture architecture = wanted_architecture(c);
  bool x86 = architecture == ARCH_X86_64;
  const char *cpu = options->mcpu ? options->mcpu : x86 ? options->march : NULL;
  if (cpu) return choose_cpu(c, cpu, architecture) && join_triple(c, architecture);
  bool open = c->triple.architecture == ARCH_ARM_A && !c->triple.hosted;
  if (open && !options->march && !strncmp(options->triple, "arm-", 4))
    return diag_error(c->diag, (Loc){0},
                      "target '%s' names no processor: add -mcpu=cortex-m4, or -march=armv7-a",
                      options->triple);
  if (open && !*c->triple.environment) c->triple.environment = "eabi";
  // The default of x86-64 is the level that machines of the last ten years have.
  c->target =
      x86 && c->triple.hosted ? *target_find("x86-64-v3") : *triple_baseline(c->arena, &c->triple);
  return true;
}

static bool choose_without_triple(Choice *c) {
  const TargetOptions *options = c->options;
  Architecture architecture = options->march ? march_architecture(options->march) : ARCH_NONE;
  if (options->mcpu) return choose_cpu(c, options->mcpu, ARCH_NONE) && take_triple_of_row(c);
  if (!options->march) {
    c->target = *host_baseline();
    return take_triple_of_row(c);
  }
  static const char *const rows[] = {[ARCH_AARCH64] = "aarch64",
                                     [ARCH_ARM_A] = "armv7-a",
                                     [ARCH_ARM_M] = "cortex-m3",
                                     [ARCH_RISCV32] = "rv32imc",
                                     [ARCH_RISCV64] = "rv64gc"};
  if (architecture == ARCH_NONE)
    return choose_cpu(c, options->march, ARCH_NONE) && take_triple_of_row(c);
  c->target = *target_find(rows[architecture]);
  return take_triple_of_row(c);
}

static bool choose_row(Choice *c) {
  const TargetOptions *options = c->options;
  const Target *row = options->triple ? target_find(options->triple) : NULL;
  if (!row) return options->triple ? choose_with_triple(c) : choose_without_triple(c);
  c->target = *row; // --target=cortex-m4
  return take_triple_of_row(c) &&
         (!options->mcpu || choose_cpu(c, options->mcpu, target_architecture(row)));
}

// --- single changes

// One toolchain, riscv64-unknown-elf, serves both widths.
static void choose_riscv_width(Choice *c, Architecture wanted) {
  bool other =
      wanted != c->triple.architecture && (wanted == ARCH_RISCV32 || wanted == ARCH_RISCV64);
  if (!other || c->triple.hosted) return;
  c->triple.architecture = wanted;
  c->triple.name = wanted == ARCH_RISCV32 ? "riscv32" : "riscv64";
  c->target = *triple_baseline(c->arena, &c->triple);
}

static bool apply_march(Choice *c) {
  const char *march = c->options->march;
  if (!march) return true;
  switch (c->triple.architecture) {
  case ARCH_AARCH64: return march_aarch64(c->arena, c->diag, march, &c->target);
  case ARCH_ARM_A:
  case ARCH_ARM_M:
    return c->options->mcpu ? true : march_arm(c->arena, c->diag, march, &c->triple, &c->target);
  case ARCH_RISCV32:
  case ARCH_RISCV64:
    choose_riscv_width(c, march_architecture(march));
    return march_riscv(c->arena, c->diag, march, &c->target);
  case ARCH_X86_64: // the same as -mcpu, which wins
  case ARCH_NONE: break;
  }
  return true;
}

static bool is_arm(const Choice *c) {
  return c->triple.architecture == ARCH_ARM_A || c->triple.architecture == ARCH_ARM_M;
}

static bool apply_fpu(Choice *c) {
  static const struct {
    const char *name, *features;
    unsigned flags; // exactly these of FPU, DOUBLE, FMA
    bool neon;
  } units[] = {
      {"fpv4-sp-d16", "+vfp4d16sp,-fp64", TARGET_FPU | TARGET_FMA, false},
      {"fpv5-sp-d16", "+fp-armv8d16sp,-fp64", TARGET_FPU | TARGET_FMA, false},
      {"fpv5-d16", "+fp-armv8d16,+fp64", TARGET_FPU | TARGET_FMA | TARGET_DOUBLE, false},
      {"vfpv3-d16", "+vfp3d16,-neon", TARGET_FPU | TARGET_DOUBLE, false},
      {"vfpv3", "+vfp3,-neon", TARGET_FPU | TARGET_DOUBLE, false},
      {"vfpv4-d16", "+vfp4d16,-neon", TARGET_FPU | TARGET_DOUBLE | TARGET_FMA, false},
      {"vfpv4", "+vfp4,-neon", TARGET_FPU | TARGET_DOUBLE | TARGET_FMA, false},
      {"neon", "+neon", TARGET_FPU | TARGET_DOUBLE, true},
      {"neon-vfpv3", "+neon", TARGET_FPU | TARGET_DOUBLE, true},
      {"neon-vfpv4", "+neon,+vfp4", TARGET_FPU | TARGET_DOUBLE | TARGET_FMA, true},
      {"neon-fp-armv8", "+neon,+fp-armv8", TARGET_FPU | TARGET_DOUBLE | TARGET_FMA, true},
  };
  enum { COUNT = sizeof units / sizeof *units };
  const char *fpu = c->options->mfpu, *known[COUNT + 3] = {"auto", "none"};
  Target *target = &c->target;
  if (!fpu || !strcmp(fpu, "auto")) return true;
  if (!is_arm(c)) return diag_error(c->diag, (Loc){0}, "-mfpu is for ARM targets");
  if (!strcmp(fpu, "none")) return target_without_fpu(c->arena, target), true;
  for (int i = 0; i < COUNT; i++) {
    known[i + 2] = units[i].name;
    if (strcmp(units[i].name, fpu) != 0) continue;
    if (units[i].neon && c->triple.architecture == ARCH_ARM_M)
      return diag_error(c->diag, (Loc){0}, "-mfpu=%s: the M profile has no NEON", fpu);
    target->flags =
        (target->flags & ~(unsigned)(TARGET_FPU | TARGET_DOUBLE | TARGET_FMA)) | units[i].flags;
    bool was_neon = c->triple.architecture == ARCH_ARM_A;
    if (was_neon) target->features = "";
    if (was_neon && !units[i].neon) target->vector_bits = 32;
    target_set_features(c->arena, target, units[i].features);
    return true;
  }
  return target_unknown(c->diag, "unit for -mfpu", fpu, known);
}

static bool apply_float_abi(Choice *c) {
  static const char *const known[] = {"soft", "softfp", "hard", NULL};
  const char *abi = c->options->mfloat_abi;
  if (!abi) return true;
  if (!is_arm(c))
    return diag_error(c->diag, (Loc){0},
                      "-mfloat-abi is for ARM targets; for RISC-V there is -mabi");
  bool hard = !strcmp(abi, "hard"), soft = !strcmp(abi, "soft");
  if (!hard && !soft && strcmp(abi, "softfp") != 0)
    return target_unknown(c->diag, "float ABI", abi, known);
  if (hard && !target_has(&c->target, TARGET_FPU))
    return diag_error(c->diag, (Loc){0},
                      "-mfloat-abi=hard: '%s' has no floating-point unit (-mfpu=)", c->target.cpu);
  if (soft && target_has(&c->target, TARGET_FPU)) target_without_fpu(c->arena, &c->target);
  const char *start =
      c->triple.hosted ? !strncmp(c->triple.environment, "musl", 4) ? "musl" : "gnu" : "";
  c->triple.environment = arena_printf(c->arena, "%seabi%s", start, hard ? "hf" : "");
  return true;
}

static bool has_feature(const Target *target, char letter) {
  for (const char *at = target->features; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (at[0] == '+' && at[1] == letter && (at[2] == ',' || !at[2])) return true;
  return false;
}

static bool apply_abi(Choice *c) {
  const char *abi = c->options->mabi;
  Target *target = &c->target;
  if (!abi) return true;
  bool riscv = c->triple.architecture == ARCH_RISCV32 || c->triple.architecture == ARCH_RISCV64;
  if (!riscv) {
    const char *only = is_arm(c)                                ? "aapcs"
                       : c->triple.architecture == ARCH_AARCH64 ? "lp64"
                                                                : "sysv";
    return !strcmp(abi, only)
               ? true
               : diag_error(c->diag, (Loc){0}, "-mabi=%s: wanted %s for this target", abi, only);
  }
  static const char *const narrow[] = {"ilp32", "ilp32f", "ilp32d", NULL}, *const wide[] = {
                                                                               "lp64", "lp64f",
                                                                               "lp64d", NULL};
  const char *const *known = target->pointer_bits == 64 ? wide : narrow;
  int found = 0;
  while (known[found] && strcmp(known[found], abi) != 0) found++;
  if (!known[found]) return target_unknown(c->diag, "calling convention", abi, known);
  if ((found == 1 && !has_feature(target, 'f')) || (found == 2 && !has_feature(target, 'd')))
    return diag_error(c->diag, (Loc){0}, "-mabi=%s: the instruction set lacks '%c' (-march=)", abi,
                      found == 1 ? 'f' : 'd');
  target->abi = known[found];
  return true;
}

// +dotprod, +avx512vnni, +avxvnni give the row its dot product; others only reach LLVM.
static bool apply_features(Choice *c) {
  const char *text = c->options->mattr;
  if (!text || !*text) return true;
  char *rest = arena_strdup(c->arena, text);
  for (char *feature; (feature = strsep(&rest, ","));) {
    if (feature[0] != '+' && feature[0] != '-')
      return diag_error(c->diag, (Loc){0},
                        "-mattr=%s: wanted +FEATURE or -FEATURE, separated by commas", text);
    bool on = feature[0] == '+';
    if (!strcmp(feature + 1, "dotprod")) c->target.dot = on ? DOT_SDOT : DOT_NONE;
    if (!strcmp(feature + 1, "avx512vnni") || !strcmp(feature + 1, "avxvnni"))
      c->target.dot = on ? DOT_VNNI : DOT_MADD;
    if (on && !strcmp(feature + 1, "soft-float")) target_without_fpu(c->arena, &c->target);
  }
  target_set_features(c->arena, &c->target, text);
  return true;
}

static bool apply_thumb(Choice *c) {
  if (!c->options->mthumb) return true;
  if (!is_arm(c)) return diag_error(c->diag, (Loc){0}, "-mthumb is for ARM targets");
  if (c->triple.architecture == ARCH_ARM_A) c->triple.name = "thumbv7a";
  return true;
}

static void apply_system(Choice *c) {
  Target *target = &c->target;
  target->flags &= ~(unsigned)(TARGET_HOSTED | TARGET_BARE);
  target->flags |= c->triple.hosted ? TARGET_HOSTED : TARGET_BARE;
  target->triple = triple_text(c->arena, &c->triple);
}

const Target *target_select(const TargetOptions *options, struct Arena *arena, Diag *diag) {
  TargetOptions given = *options;
  if (given.march && !strcmp(given.march, "native")) given.mcpu = given.march, given.march = NULL;
  if (given.mcpu && !strcmp(given.mcpu, "generic")) given.mcpu = NULL;
  Choice choice = {.arena = arena, .diag = diag, .options = &given};
  Choice *c = &choice;
  if (!choose_row(c) || !apply_march(c) || !apply_fpu(c) || !apply_float_abi(c) || !apply_abi(c) ||
      !apply_features(c) || !apply_thumb(c))
    return NULL;
  apply_system(c);
  Target *target = NEW(arena, Target);
  *target = c->target;
  return target;
}
