// Which features each x86-64 processor is said to have; test/targets/x86_features.py compares with
// clang.
#include <stdio.h>
#include <string.h>

#include "ir/arena.h"
#include "ir/target_x86.h"

static const char *const names[] = {
#define X86_CPU(name, base, features) name,
#include "ir/x86_cpu.def"
};

// LLVM's names of the processors that -mcpu= knows.
static const struct {
  const char *row, *cpu;
} chosen[] = {
#define CPU(name, row, cpu, features, lacking) {row, cpu},
#include "ir/target_cpu.def"
};

// How many of them the table of features lacks.
static int unknown_processors(void) {
  int unknown = 0;
  for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
    bool found = strncmp(chosen[i].row, "x86-64", strlen("x86-64")) != 0;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
      found |= !strcmp(names[k], chosen[i].cpu);
    if (!found) printf("no features are known of %s\n", chosen[i].cpu);
    unknown += !found;
  }
  return unknown;
}

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
  print(arena, "x86-64-v3", "+avx512vnni,-lzcnt,+unheard-of");
  X86Features none = x86_features(target_find("x86-64")),
              arm = x86_features(target_find("aarch64-dotprod"));
  printf("baseline %d, other family %d\n", x86_features_none(&none), x86_features_none(&arm));
  arena_destroy(arena);
  return unknown_processors();
}
