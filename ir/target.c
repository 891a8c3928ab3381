// Target rows and questions about them. The choice of a row from options is in target_select.c.
#include "ir/target.h"

#include <stddef.h>
#include <string.h>

#define FPU TARGET_FPU
#define DOUBLE TARGET_DOUBLE
#define FMA TARGET_FMA
#define ROUND TARGET_ROUND
#define F16C TARGET_F16C
#define MASKED TARGET_MASKED
#define HOSTED TARGET_HOSTED
#define BARE TARGET_BARE

static const Target rows[] = {
#define TARGET(name, triple, cpu, features, family, pointer, vector, registers, flags, dot, l1,    \
               l2, abi, help)                                                                      \
  {name,   triple,    cpu,   features,  family, help, pointer,                                     \
   vector, registers, flags, DOT_##dot, l1,     l2,   abi},
#include "ir/target.def"
};

int target_count(void) { return (int)(sizeof rows / sizeof *rows); }
const Target *target_at(int index) { return &rows[index]; }

const Target *target_find(const char *name) {
  for (int i = 0; i < target_count(); i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

int target_alignment(const Target *target) {
  if (target_has(target, TARGET_HOSTED)) return 64;
  return target->vector_bits >= 128 ? 16 : 4;
}

// What libgcc (or compiler-rt) offers on every target of the kind: integer division, 64-bit shifts
// and multiplication, soft floating point. Never a function of the C library.
static const char *const arm_symbols[] = {"__aeabi_idiv",
                                          "__aeabi_uidiv",
                                          "__aeabi_idivmod",
                                          "__aeabi_uidivmod",
                                          "__aeabi_ldivmod",
                                          "__aeabi_uldivmod",
                                          "__aeabi_lmul",
                                          "__aeabi_llsl",
                                          "__aeabi_llsr",
                                          "__aeabi_lasr",
                                          "__aeabi_fadd",
                                          "__aeabi_fsub",
                                          "__aeabi_frsub",
                                          "__aeabi_fmul",
                                          "__aeabi_fdiv",
                                          "__aeabi_fcmpeq",
                                          "__aeabi_fcmplt",
                                          "__aeabi_fcmple",
                                          "__aeabi_fcmpge",
                                          "__aeabi_fcmpgt",
                                          "__aeabi_fcmpun",
                                          "__aeabi_f2iz",
                                          "__aeabi_f2uiz",
                                          "__aeabi_i2f",
                                          "__aeabi_ui2f",
                                          "__aeabi_l2f",
                                          "__aeabi_ul2f",
                                          "__aeabi_f2lz",
                                          "__aeabi_f2ulz",
                                          "__aeabi_f2d",
                                          "__aeabi_d2f",
                                          "__aeabi_dadd",
                                          "__aeabi_dsub",
                                          "__aeabi_drsub",
                                          "__aeabi_dmul",
                                          "__aeabi_ddiv",
                                          "__aeabi_dcmpeq",
                                          "__aeabi_dcmplt",
                                          "__aeabi_dcmple",
                                          "__aeabi_dcmpge",
                                          "__aeabi_dcmpgt",
                                          "__aeabi_dcmpun",
                                          "__aeabi_d2iz",
                                          "__aeabi_d2uiz",
                                          "__aeabi_i2d",
                                          "__aeabi_ui2d",
                                          "__aeabi_l2d",
                                          "__aeabi_ul2d",
                                          "__aeabi_d2lz",
                                          "__aeabi_d2ulz",
                                          "__clzsi2",
                                          "__ctzsi2",
                                          "__popcountsi2",
                                          "__gnu_thumb1_case_uqi",
                                          "__gnu_thumb1_case_sqi",
                                          "__gnu_thumb1_case_uhi",
                                          "__gnu_thumb1_case_shi",
                                          "__gnu_thumb1_case_si",
                                          NULL};
static const char *const riscv_symbols[] = {
    "__divdi3",      "__udivdi3",     "__moddi3",      "__umoddi3",
    "__muldi3",      "__ashldi3",     "__ashrdi3",     "__lshrdi3",
    "__addsf3",      "__subsf3",      "__mulsf3",      "__divsf3",
    "__negsf2",      "__eqsf2",       "__nesf2",       "__ltsf2",
    "__lesf2",       "__gtsf2",       "__gesf2",       "__unordsf2",
    "__fixsfsi",     "__fixunssfsi",  "__fixsfdi",     "__fixunssfdi",
    "__floatsisf",   "__floatunsisf", "__floatdisf",   "__floatundisf",
    "__extendsfdf2", "__truncdfsf2",  "__adddf3",      "__subdf3",
    "__muldf3",      "__divdf3",      "__eqdf2",       "__nedf2",
    "__ltdf2",       "__ledf2",       "__gtdf2",       "__gedf2",
    "__unorddf2",    "__fixdfsi",     "__fixunsdfsi",  "__fixdfdi",
    "__fixunsdfdi",  "__floatsidf",   "__floatunsidf", "__floatdidf",
    "__floatundidf", "__clzsi2",      "__ctzsi2",      "__clzdi2",
    "__ctzdi2",      "__popcountsi2", "__popcountdi2", NULL};
static const char *const no_symbols[] = {"_GLOBAL_OFFSET_TABLE_", NULL};

const char *const *target_allowed_symbols(const Target *target) {
  if (!strncmp(target->family, "arm", 3)) return arm_symbols;
  return !strncmp(target->family, "riscv", 5) ? riscv_symbols : no_symbols;
}
