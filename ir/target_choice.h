// Inside of the choice of a target: what target_select.c and its parsers share.
#ifndef TENON_IR_TARGET_CHOICE_H
#define TENON_IR_TARGET_CHOICE_H

#include "ir/arena.h"
#include "ir/target.h"

typedef enum Architecture {
  ARCH_X86_64,
  ARCH_AARCH64,
  ARCH_ARM_A,
  ARCH_ARM_M,
  ARCH_RISCV32,
  ARCH_RISCV64,
  ARCH_NONE
} Architecture;

// A triple in its parts: thumbv7em-none-eabi is {ARCH_ARM_M, "thumbv7em", bare, "eabi"}.
typedef struct Triple {
  Architecture architecture;
  const char *name; // of the architecture, as LLVM writes it
  bool hosted;
  const char *environment; // "gnu", "eabihf", ...; "" where there is none
} Triple;

// False: reported.
bool triple_parse(Arena *arena, Diag *diag, const char *text, Triple *triple);
const char *triple_text(Arena *arena, const Triple *triple); // normalised
Architecture target_architecture(const Target *row);
// Is it one of the names of ARM's architectures without a processor ("thumbv7em")? Gives the row
// and what a processor of this architecture need not have.
const Target *triple_baseline(Arena *arena, const Triple *triple);

// -march for each architecture: changes `target`. False: reported.
bool march_aarch64(Arena *arena, Diag *diag, const char *march, Target *target);
bool march_arm(Arena *arena, Diag *diag, const char *march, Triple *triple, Target *target);
bool march_riscv(Arena *arena, Diag *diag, const char *march, Target *target);
// Which architecture such a text is meant for; ARCH_NONE: none that is known.
Architecture march_architecture(const char *march);

void target_set_features(Arena *arena, Target *target, const char *features); // appends "+a,-b"
void target_without_fpu(Arena *arena, Target *target); // integer registers and library calls only
// "... did you mean '...'?" where one of the names is near.
bool target_unknown(Diag *diag, const char *what, const char *name, const char *const *known);

#endif
