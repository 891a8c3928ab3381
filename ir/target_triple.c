// Target triples: architecture-vendor-system-environment, with parts left out as people do.
#include <string.h>

#include "ir/suggest.h"
#include "ir/target_choice.h"

typedef struct ArchitectureName {
  const char *name, *canonical; // as typed; as LLVM normalises it
  Architecture architecture;
  const char *row;      // baseline
  const char *features; // of the baseline, instead of the row's
  unsigned lacking;     // flags of the row that the architecture does not promise
} ArchitectureName;

#define NO_FPU (TARGET_FPU | TARGET_DOUBLE | TARGET_FMA | TARGET_F16C)
static const ArchitectureName names[] = {
#define ARCHITECTURE(name, canonical, architecture, row, features, lacking)                        \
  {name, canonical, ARCH_##architecture, row, features, lacking},
#include "ir/target_march.def"
};
enum { NAME_COUNT = sizeof names / sizeof *names };

static const ArchitectureName *find_name(const char *name) {
  for (int i = 0; i < NAME_COUNT; i++)
    if (!strcmp(names[i].name, name)) return &names[i];
  return NULL;
}

Architecture target_architecture(const Target *row) {
  if (!strcmp(row->family, "x86_64")) return ARCH_X86_64;
  if (!strcmp(row->family, "aarch64")) return ARCH_AARCH64;
  if (!strcmp(row->family, "armv7a")) return ARCH_ARM_A;
  if (!strcmp(row->family, "armm")) return ARCH_ARM_M;
  return row->pointer_bits == 64 ? ARCH_RISCV64 : ARCH_RISCV32;
}

bool target_unknown(Diag *diag, const char *what, const char *name, const char *const *known) {
  Suggestion near = suggestion_for(name, strlen(name));
  for (int i = 0; known[i]; i++) suggestion_offer(&near, known[i]);
  if (near.best)
    return diag_error(diag, (Loc){0}, "there is no %s '%s'; did you mean '%s'?", what, name,
                      near.best);
  if (known[0] && known[1] && known[2] && !known[3])
    return diag_error(diag, (Loc){0}, "there is no %s '%s': wanted %s, %s or %s", what, name,
                      known[0], known[1], known[2]);
  return diag_error(diag, (Loc){0}, "there is no %s '%s' (tenon targets)", what, name);
}

static bool is_one_of(const char *text, const char *const *list) {
  for (; *list; list++)
    if (!strcmp(*list, text)) return true;
  return false;
}

static const char *const environments[] = {"gnu",      "gnueabi",    "gnueabihf", "musl",
                                           "musleabi", "musleabihf", "android",   "androideabi",
                                           "eabi",     "eabihf",     "elf",       NULL};
static const char *const bare_systems[] = {"none", "elf", "eabi", "eabihf", NULL};
static const char *const other_systems[] = {"windows", "win32",   "mingw32", "darwin",
                                            "macos",   "macosx",  "ios",     "freebsd",
                                            "netbsd",  "openbsd", NULL};

// One part after the architecture. "none" may stand for the vendor, the system, or both.
static bool add_part(Diag *diag, const char *whole, const char *part, int position, Triple *triple,
                     bool *has_system) {
  if (!strcmp(part, "linux")) {
    triple->hosted = *has_system = true;
    return true;
  }
  if (is_one_of(part, other_systems) || !strncmp(part, "darwin", 6) || !strncmp(part, "macos", 5))
    return diag_error(diag, (Loc){0},
                      "target '%s': objects are ELF files, for linux and for bare metal (none)",
                      whole);
  bool environment = is_one_of(part, environments);
  if (environment) triple->environment = part;
  if (is_one_of(part, bare_systems))
    *has_system = true;
  else if (!environment && position > 0)
    return target_unknown(diag, "system or environment of a target", part, environments);
  return true;
}

bool triple_parse(Arena *arena, Diag *diag, const char *text, Triple *triple) {
  char *rest = arena_strdup(arena, text), *part = strsep(&rest, "-");
  const ArchitectureName *name = find_name(part);
  if (!name) {
    const char *known[NAME_COUNT + 1] = {NULL};
    for (int i = 0; i < NAME_COUNT; i++) known[i] = names[i].name;
    return target_unknown(diag, "architecture", part, known);
  }
  *triple =
      (Triple){.architecture = name->architecture, .name = name->canonical, .environment = ""};
  bool has_system = false;
  for (int position = 0; (part = strsep(&rest, "-")); position++)
    if (*part && !add_part(diag, text, part, position, triple, &has_system)) return false;
  if (!has_system)
    triple->hosted = triple->architecture != ARCH_ARM_M && triple->architecture != ARCH_RISCV32;
  if (triple->architecture == ARCH_ARM_A && !triple->hosted) return true; // decided by -mcpu
  bool is_arm = triple->architecture == ARCH_ARM_A || triple->architecture == ARCH_ARM_M;
  if (is_arm && !strstr(triple->environment, "eabi"))
    triple->environment = triple->hosted ? "gnueabihf" : "eabi";
  return true;
}

const char *triple_text(Arena *arena, const Triple *triple) {
  const char *environment = triple->environment;
  if (!*environment) environment = triple->hosted ? "gnu" : "elf";
  return arena_printf(arena, "%s-unknown-%s-%s", triple->name, triple->hosted ? "linux" : "none",
                      environment);
}

// A processor of ARM's M profile that the triple does not name: only what the architecture
// promises; `eabihf` promises the architecture's single-precision unit.
static void arm_baseline(Target *target, const Triple *triple) {
  bool hard = strstr(triple->environment, "hf") != NULL;
  target->cpu = "generic";
  if (!hard) return;
  bool old = !strcmp(triple->name, "thumbv7em");
  target->features = old ? "+vfp4d16sp" : "+fp-armv8d16sp";
  target->flags |= TARGET_FPU | TARGET_FMA;
}

const Target *triple_baseline(Arena *arena, const Triple *triple) {
  const ArchitectureName *name = NULL;
  for (int i = 0; i < NAME_COUNT && !name; i++)
    if (!strcmp(names[i].canonical, triple->name)) name = &names[i];
  Target *target = NEW(arena, Target);
  *target = *target_find(name->row);
  if (name->features) target->features = name->features;
  target->flags &= ~name->lacking;
  if (triple->architecture == ARCH_ARM_M) arm_baseline(target, triple);
  return target;
}
