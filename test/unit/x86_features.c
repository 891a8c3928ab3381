// Which features each x86-64 processor is said to have; test/targets/x86_features.py compares with clang.
#include <stdio.h>
#include <string.h>

#include "ir/arena.h"
#include "ir/target_x86.h"

static const char *const names[] = {
#define X86_CPU(name, base, features) name,
#include "ir/x86_cpu.def"
};

static void print(Arena *arena, const char *cpu, const char *mattr) {
  Target target = *target_find("x86-64");
  target.cpu = cpu;
  target.features = mattr;
  X86Features features = x86_features(&target);
  printf("%s%s%s: %s\n", cpu, *mattr ? " " : "", mattr, x86_features_text(arena, &features));
}

int main(void) {
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) print(arena, names[i], "");
  print(arena, "x86-64-v3", "+avx512vnni,-lzcnt,+unheard-of"); // CHECK: x86-64-v3 {{.*}}: {{.*}}avx512vnni
  X86Features none = x86_features(target_find("x86-64")), arm = x86_features(target_find("aarch64-dotprod"));
  printf("baseline %d, other family %d\n", x86_features_none(&none), x86_features_none(&arm));
  arena_destroy(arena);
  return 0;
}
