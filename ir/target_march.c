// -march: ARM's architecture names with extensions (armv8.2-a+dotprod), RISC-V's ISA strings
// (rv32imc_zba).
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ir/target_choice.h"

void target_set_features(Arena *arena, Target *target, const char *features) {
  if (!*features) return;
  target->features =
      *target->features ? arena_printf(arena, "%s,%s", target->features, features) : features;
}

void target_without_fpu(Arena *arena, Target *target) {
  target->flags &=
      ~(unsigned)(TARGET_FPU | TARGET_DOUBLE | TARGET_FMA | TARGET_F16C | TARGET_ROUND);
  if (target->dot == DOT_MVE) {
    target->dot = DOT_SMLAD;
    target->vector_bits = 32;
    target->vector_registers = 13;
    target_set_features(arena, target, "-mve.fp,-mve");
  } else if (target->vector_bits > 32) { // NEON shares the registers
    target->vector_bits = 32;
    target_set_features(arena, target, "-neon");
  }
  target_set_features(arena, target, "+soft-float");
}

Architecture march_architecture(const char *march) {
  if (!strncmp(march, "rv32", 4)) return ARCH_RISCV32;
  if (!strncmp(march, "rv64", 4)) return ARCH_RISCV64;
  if (!strncmp(march, "armv8", 5) || !strncmp(march, "armv9", 5))
    return strstr(march, "-m") ? ARCH_ARM_M : ARCH_AARCH64;
  if (!strncmp(march, "armv7-a", 7) || !strcmp(march, "armv7")) return ARCH_ARM_A;
  if (!strncmp(march, "armv6-m", 7) || !strncmp(march, "armv7-m", 7) ||
      !strncmp(march, "armv7e-m", 8))
    return ARCH_ARM_M;
  return ARCH_NONE;
}

// --- ARM

typedef struct Extension {
  const char *name, *feature;
} Extension;

static const Extension aarch64_extensions[] = {
    {"fp", "+fp-armv8"}, {"simd", "+neon"},       {"crc", "+crc"},          {"lse", "+lse"},
    {"rdma", "+rdm"},    {"dotprod", "+dotprod"}, {"fp16", "+fullfp16"},    {"fp16fml", "+fp16fml"},
    {"i8mm", "+i8mm"},   {"bf16", "+bf16"},       {"crypto", "+aes,+sha2"}, {"aes", "+aes"},
    {"sha2", "+sha2"},   {"rcpc", "+rcpc"},       {"sve", "+sve"},          {"sve2", "+sve2"},
    {NULL, NULL}};
static const Extension arm_extensions[] = {
    {"fp", "+fp"},         {"fp.dp", "+fp.dp"}, {"dsp", "+dsp"},   {"mve", "+mve"},
    {"mve.fp", "+mve.fp"}, {"nofp", "-fp"},     {"simd", "+neon"}, {NULL, NULL}};

static const char *find_extension(Diag *diag, const Extension *extensions, const char *name) {
  const char *known[32] = {NULL};
  for (int i = 0; extensions[i].name; i++) {
    if (!strcmp(extensions[i].name, name)) return extensions[i].feature;
    known[i] = extensions[i].name;
  }
  target_unknown(diag, "extension", name, known);
  return NULL;
}

bool march_aarch64(Arena *arena, Diag *diag, const char *march, Target *target) {
  char *rest = arena_strdup(arena, march), *part = strsep(&rest, "+"), *end;
  long major = strncmp(part, "armv", 4) ? 0 : strtol(part + 4, &end, 10), minor = 0;
  if (major && *end == '.') minor = strtol(end + 1, &end, 10);
  if ((major != 8 && major != 9) || minor < 0 || minor > 9 || strcmp(end, "-a") != 0)
    return diag_error(diag, (Loc){0}, "-march=%s: wanted armv8-a, armv8.2-a, ... with +extensions",
                      march);
  bool dot = major == 9 || minor >= 4;
  target->features = "";
  target->cpu = "generic";
  if (major == 9 || minor)
    target->features =
        arena_printf(arena, major == 9 && !minor ? "+v%lda" : "+v%ld.%lda", major, minor);
  while ((part = strsep(&rest, "+"))) {
    const char *feature = find_extension(diag, aarch64_extensions, part);
    if (!feature) return false;
    dot |= !strcmp(part, "dotprod");
    target_set_features(arena, target, feature);
  }
  target->dot = dot ? DOT_SDOT : DOT_NONE;
  return true;
}

static void add_arm_fpu(Arena *arena, Target *target, const Triple *triple, bool has_double) {
  bool old = !strcmp(triple->name, "thumbv7em");
  target->flags |= TARGET_FPU | TARGET_FMA | (has_double ? TARGET_DOUBLE : 0u);
  target_set_features(arena, target,
                      old          ? has_double ? "+fp-armv8d16" : "+vfp4d16sp"
                      : has_double ? "+fp-armv8d16"
                                   : "+fp-armv8d16sp");
}

static bool add_arm_extension(Arena *arena, Diag *diag, const char *name, const Triple *triple,
                              Target *target) {
  if (!find_extension(diag, arm_extensions, name)) return false;
  bool is_m = triple->architecture == ARCH_ARM_M;
  if (!strcmp(name, "fp") || !strcmp(name, "fp.dp")) {
    if (is_m) add_arm_fpu(arena, target, triple, name[2] != 0);
  } else if (!strcmp(name, "nofp")) {
    target_without_fpu(arena, target);
  } else if (!strcmp(name, "simd")) {
    if (is_m)
      return diag_error(diag, (Loc){0},
                        "-march: 'simd' belongs to the A profile; the M profile has 'mve'");
  } else if (!strcmp(name, "dsp")) {
    target->dot = DOT_SMLAD;
    target_set_features(arena, target, "+dsp");
  } else { // mve, mve.fp
    const Target *mve = target_find("cortex-m55");
    bool with_floats = strlen(name) > 3;
    target->dot = DOT_MVE;
    target->vector_bits = mve->vector_bits;
    target->vector_registers = mve->vector_registers;
    if (with_floats) add_arm_fpu(arena, target, triple, false);
    if (with_floats) target->flags |= TARGET_F16C;
    target_set_features(arena, target, with_floats ? "+mve.fp" : "+mve");
  }
  return true;
}

bool march_arm(Arena *arena, Diag *diag, const char *march, Triple *triple, Target *target) {
  static const struct {
    const char *march, *name;
    Architecture architecture;
  } architectures[] = {{"armv7-a", "armv7a", ARCH_ARM_A},
                       {"armv7", "armv7a", ARCH_ARM_A},
                       {"armv6-m", "thumbv6m", ARCH_ARM_M},
                       {"armv6s-m", "thumbv6m", ARCH_ARM_M},
                       {"armv7-m", "thumbv7m", ARCH_ARM_M},
                       {"armv7e-m", "thumbv7em", ARCH_ARM_M},
                       {"armv8-m.base", "thumbv8m.base", ARCH_ARM_M},
                       {"armv8-m.main", "thumbv8m.main", ARCH_ARM_M},
                       {"armv8.1-m.main", "thumbv8.1m.main", ARCH_ARM_M}};
  enum { COUNT = sizeof architectures / sizeof *architectures };
  const char *known[COUNT + 1] = {NULL};
  char *rest = arena_strdup(arena, march), *part = strsep(&rest, "+");
  int found = 0;
  for (int i = 0; i < COUNT; i++) known[i] = architectures[i].march;
  while (found < COUNT && strcmp(architectures[found].march, part) != 0) found++;
  if (found == COUNT) return target_unknown(diag, "architecture for -march", part, known);
  triple->name = architectures[found].name;
  triple->architecture = architectures[found].architecture;
  if (!*triple->environment) triple->environment = triple->hosted ? "gnueabihf" : "eabi";
  *target = *triple_baseline(arena, triple);
  while ((part = strsep(&rest, "+")))
    if (!add_arm_extension(arena, diag, part, triple, target)) return false;
  return true;
}

// --- RISC-V

static const char *const riscv_extensions[] = {
    "zicsr",   "zifencei", "zihintpause", "zicond",  "zicntr", "zihpm",  "zmmul",   "zba",
    "zbb",     "zbc",      "zbs",         "zbkb",    "zbkc",   "zbkx",   "zca",     "zcb",
    "zcd",     "zcf",      "zcmp",        "zcmt",    "zfh",    "zfhmin", "zfa",     "zve32x",
    "zve32f",  "zve64x",   "zve64f",      "zve64d",  "zvl32b", "zvl64b", "zvl128b", "zvl256b",
    "zvl512b", "zvl1024b", "zvfh",        "zvfhmin", "zvbb",   "zvbc",   "zvkb",    "zaamo",
    "zalrsc",  "zawrs",    "zicbom",      "zicbop",  "zicboz", NULL};

// Skips a version, "2" or "2p0".
static const char *skip_version(const char *at) {
  const char *end = at;
  while (isdigit((unsigned char)*end)) end++;
  if (end > at && *end == 'p' && isdigit((unsigned char)end[1]))
    for (end++; isdigit((unsigned char)*end);) end++;
  return end;
}

static bool add_riscv_name(Arena *arena, Diag *diag, const char **at, Target *target) {
  size_t length = strcspn(*at, "_");
  const char *name = arena_strndup(arena, *at, length);
  for (int i = 0; riscv_extensions[i]; i++) {
    size_t size = strlen(riscv_extensions[i]);
    if (strncmp(name, riscv_extensions[i], size) != 0 || *skip_version(name + size)) continue;
    target_set_features(arena, target, arena_printf(arena, "+%s", riscv_extensions[i]));
    *at += length;
    return true;
  }
  return target_unknown(diag, "RISC-V extension", name, riscv_extensions);
}

// One letter of the string; sets the bit 1 << (letter - 'a') of `set`.
static bool add_riscv_letter(Diag *diag, const char *march, char letter, unsigned *set) {
  static const char *const implied[26] = {
      ['g' - 'a'] = "imafd", ['d' - 'a'] = "f", ['v' - 'a'] = "fd", ['b' - 'a'] = ""};
  if (letter == 'e')
    return diag_error(diag, (Loc){0},
                      "-march=%s: the embedded base with 16 registers (e) is not supported", march);
  if (!letter || !strchr("imafdcvgb", letter))
    return diag_error(diag, (Loc){0},
                      "-march=%s: there is no RISC-V extension '%c'; wanted rv32 or rv64, i or g, "
                      "then m, a, f, d, c, v, _zba, ...",
                      march, letter);
  *set |= 1u << (letter - 'a');
  for (const char *more = implied[letter - 'a']; more && *more; more++) *set |= 1u << (*more - 'a');
  return true;
}

static void set_riscv_row(Target *target, unsigned set) {
  bool f = set >> ('f' - 'a') & 1, d = set >> ('d' - 'a') & 1, v = set >> ('v' - 'a') & 1;
  target->flags &= ~(unsigned)(TARGET_FPU | TARGET_FMA | TARGET_DOUBLE | TARGET_ROUND);
  target->flags |=
      (f ? TARGET_FPU | TARGET_FMA : 0u) | (d ? TARGET_DOUBLE : 0u) | (v ? TARGET_ROUND : 0u);
  target->vector_bits = v ? 128 : target->pointer_bits;
  target->vector_registers = v || target->pointer_bits == 64 ? 32 : 24;
  target->dot = v ? DOT_RVV : DOT_NONE;
  bool wide = target->pointer_bits == 64;
  target->abi = d      ? wide ? "lp64d" : "ilp32d"
                : f    ? wide ? "lp64f" : "ilp32f"
                : wide ? "lp64"
                       : "ilp32";
}

bool march_riscv(Arena *arena, Diag *diag, const char *march, Target *target) {
  const char *bits = target->pointer_bits == 64 ? "rv64" : "rv32", *at = march + 4;
  if (strncmp(march, bits, 4) != 0)
    return diag_error(diag, (Loc){0}, "-march=%s: wanted %s... for this target", march, bits);
  unsigned set = 0;
  if (*at != 'i' && *at != 'g' && *at != 'e')
    return diag_error(diag, (Loc){0}, "-march=%s: wanted i or g after %s", march, bits);
  target->features = "";
  target->cpu = target->pointer_bits == 64 ? "generic-rv64" : "generic-rv32";
  const char *single = at;
  while (*single && *single != '_' && *single != 'z') {
    if (!add_riscv_letter(diag, march, *single, &set)) return false;
    single = skip_version(single + 1);
  }
  for (const char *letter = "mafdcv"; *letter; letter++)
    if (set >> (*letter - 'a') & 1)
      target_set_features(arena, target, arena_printf(arena, "+%c", *letter));
  if (set >> ('b' - 'a') & 1) target_set_features(arena, target, "+zba,+zbb,+zbs");
  for (at = single; *at;) {
    if (*at == '_') at++;
    if (at[0] && at[0] != 'z' && (!at[1] || at[1] == '_' || isdigit((unsigned char)at[1]))) {
      if (!add_riscv_letter(diag, march, *at, &set)) return false;
      target_set_features(arena, target, arena_printf(arena, "+%c", *at));
      at = skip_version(at + 1);
    } else if (!add_riscv_name(arena, diag, &at, target)) {
      return false;
    }
  }
  set_riscv_row(target, set);
  return true;
}
