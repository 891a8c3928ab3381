// What code for an x86-64 target needs of the processor that runs it, in the words of cpuid.
#ifndef TENON_IR_TARGET_X86_H
#define TENON_IR_TARGET_X86_H

#include "ir/target.h"

// Registers of cpuid leaves: 1, 7, 7.1, 0x80000001.
typedef enum X86Register {
  X86_ECX1,
  X86_EBX7,
  X86_ECX7,
  X86_EDX7,
  X86_EAX7_1,
  X86_EDX7_1,
  X86_ECX_EXTENDED,
  X86_REGISTERS
} X86Register;

typedef struct X86Features {
  uint32_t bits[X86_REGISTERS];
  uint32_t saved; // XCR0: registers that the operating system saves
} X86Features;

// Of the target's processor and its features (-mattr); none for other families and the baseline.
X86Features x86_features(const Target *target);
// Does the target have a feature of ir/x86_feature.def? No for other families.
bool x86_has(const Target *target, const char *name);
bool x86_features_none(const X86Features *features);
bool x86_features_include(const X86Features *all, const X86Features *some);
// Their names, in the order of the table, with commas.
const char *x86_features_text(struct Arena *arena, const X86Features *features);

#endif
