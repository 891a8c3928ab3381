#include "ir/target_x86.h"

#include <string.h>

#include "ir/arena.h"

#define YMM 0x6u
#define ZMM 0xe6u

static const struct {
  const char *name;
  X86Register where;
  int bit;
  uint32_t saved;
} known[] = {
#define FEATURE(name, where, bit, saved) {name, X86_##where, bit, saved},
#include "ir/x86_feature.def"
};
enum { KNOWN = sizeof known / sizeof *known };

static const struct {
  const char *name, *base, *features;
} cpus[] = {
#define X86_CPU(name, base, features) {name, base, features},
#include "ir/x86_cpu.def"
};
enum { CPU_COUNT = sizeof cpus / sizeof *cpus };

// Of "name" or "+name" the bit is set, of "-name" cleared. What the table does not know LLVM does
// not use on its own.
static void apply(X86Features *features, const char *text, size_t length) {
  bool clears = *text == '-';
  if (clears || *text == '+') text++, length--;
  for (int i = 0; i < KNOWN; i++) {
    if (strlen(known[i].name) != length || memcmp(known[i].name, text, length) != 0) continue;
    uint32_t bit = 1u << known[i].bit, *bits = &features->bits[known[i].where];
    *bits = clears ? *bits & ~bit : *bits | bit;
  }
}

static void apply_list(X86Features *features, const char *text) {
  while (*text) {
    size_t length = strcspn(text, ",");
    apply(features, text, length);
    text += length + (text[length] == ',');
  }
}

static void add_cpu(X86Features *features, const char *name) {
  for (int i = 0; name && i < CPU_COUNT; i++) {
    if (strcmp(cpus[i].name, name) != 0) continue;
    add_cpu(features, cpus[i].base);
    apply_list(features, cpus[i].features);
  }
}

X86Features x86_features(const Target *target) {
  X86Features features = {0};
  if (strcmp(target->family, "x86_64") != 0) return features;
  add_cpu(&features, target->cpu);
  apply_list(&features, target->features);
  for (int i = 0; i < KNOWN; i++)
    if (features.bits[known[i].where] >> known[i].bit & 1) features.saved |= known[i].saved;
  return features;
}

bool x86_has(const Target *target, const char *name) {
  X86Features features = x86_features(target);
  for (int i = 0; i < KNOWN; i++)
    if (!strcmp(known[i].name, name)) return features.bits[known[i].where] >> known[i].bit & 1;
  return false;
}

bool x86_features_none(const X86Features *features) {
  static const X86Features none;
  return x86_features_include(&none, features);
}

bool x86_features_include(const X86Features *all, const X86Features *some) {
  bool missing = (some->saved & ~all->saved) != 0;
  for (int i = 0; i < X86_REGISTERS; i++) missing |= (some->bits[i] & ~all->bits[i]) != 0;
  return !missing;
}

const char *x86_features_text(struct Arena *arena, const X86Features *features) {
  const char *text = "";
  for (int i = 0; i < KNOWN; i++)
    if (features->bits[known[i].where] >> known[i].bit & 1)
      text = arena_printf(arena, "%s%s%s", text, *text ? "," : "", known[i].name);
  return text;
}
