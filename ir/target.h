// Target rows: what passes and code generation need to know of a processor.
#ifndef TENON_IR_TARGET_H
#define TENON_IR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/diag.h"

typedef enum DotKind { // how integer products are summed
  DOT_NONE,            // multiply and add
  DOT_MADD,            // x86 pmaddwd: pairs of i16 into i32
  DOT_VNNI,            // x86 vpdpbusd: four u8 * i8 into i32
  DOT_SDOT,            // AArch64: four i8 * i8 into i32
  DOT_SMLAD,           // Cortex-M DSP: two i16 * i16 into i32
  DOT_MVE,             // Cortex-M55 vmladav
  DOT_RVV              // widening vector multiply-accumulate
} DotKind;

enum {
  TARGET_FPU = 1,     // single-precision arithmetic in hardware
  TARGET_DOUBLE = 2,  // double precision too
  TARGET_FMA = 4,     // fused multiply-add
  TARGET_ROUND = 8,   // floor, ceil, trunc, round half even of floats are instructions
  TARGET_F16C = 16,   // f16 <-> f32 conversion instructions
  TARGET_MASKED = 32, // masked vector loads and stores
  TARGET_HOSTED = 64, // an operating system: PIC, unwind tables, threads
  TARGET_BARE = 128   // bare metal: static relocation, no GNU-stack note
};

typedef struct Target {
  const char *name, *triple, *cpu, *features, *family, *help;
  int pointer_bits, vector_bits, vector_registers;
  unsigned flags;
  DotKind dot;
  int64_t l1_bytes, l2_bytes; // 0: no cache
  const char *abi;            // RISC-V: ilp32, ilp32f, lp64d; else NULL
} Target;

static inline bool target_has(const Target *target, unsigned flag) {
  return (target->flags & flag) != 0;
}
// Lanes of a vector register for elements of `bits` bits; at least 1.
static inline int target_lanes(const Target *target, int bits) {
  return target->vector_bits > bits ? target->vector_bits / bits : 1;
}
// Alignment of buffers in the workspace and of weights.
int target_alignment(const Target *target);
// Names of symbols that an object may leave undefined: the compiler's own arithmetic.
// NULL-terminated.
const char *const *target_allowed_symbols(const Target *target);

int target_count(void);
const Target *target_at(int index);
const Target *target_find(const char *name); // NULL: no such row

// What the command line says; NULL where not given.
typedef struct TargetOptions {
  const char *triple, *march, *mcpu, *mattr, *mabi, *mfloat_abi, *mfpu;
  bool mthumb;
} TargetOptions;
// The row for these options, with cpu, features and triple adjusted to them (a copy in `arena`).
// Without options: x86-64-v3 (or the host family's baseline). mcpu "native": what this machine has.
// NULL: reported.
const Target *target_select(const TargetOptions *options, struct Arena *arena, Diag *diag);
const Target *target_native(struct Arena *arena); // the best row that this machine can run
bool target_runs_here(const Target *target);      // can this machine run the row's code?

#endif
