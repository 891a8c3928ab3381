// tenon targets, tenon passes: the tables as text.
#include "ir/target.h"
#include "passes/pass.h"
#include "tools/tool.h"

Status command_targets(Tool *tool) {
  (void)tool;
  printf("%-18s %-32s %s\n", "target", "triple", "vectors, dot products, notes");
  static const char *const dots[] = {
      [DOT_NONE] = "",       [DOT_MADD] = ", pmaddwd", [DOT_VNNI] = ", vpdpbusd",
      [DOT_SDOT] = ", sdot", [DOT_SMLAD] = ", smlad",  [DOT_MVE] = ", vmladav",
      [DOT_RVV] = ", vwmacc"};
  for (int i = 0; i < target_count(); i++) {
    const Target *target = target_at(i);
    printf("%-18s %-32s %d x %d bits%s; %s\n", target->name, target->triple,
           target->vector_registers, target->vector_bits, dots[target->dot], target->help);
  }
  return STATUS_DONE;
}

static const char *const class_text[] = {
    [PASS_EXACT] = "exact", [PASS_ROUNDING] = "rounding", [PASS_LOSSY] = "lossy"};
static const char *const kind_text[] = {"int", "float", "bool", "string", "choice"};

static void print_option(const PassOption *option) {
  const char *kind = option->choices ? option->choices : kind_text[option->kind];
  printf("    %s=%s", option->name, kind);
  if (option->default_text && *option->default_text) printf(" (%s)", option->default_text);
  printf("  %s\n", option->help);
}

Status command_passes(Tool *tool) {
  (void)tool;
  for (int i = 0; i < pass_count; i++) {
    printf("%-20s %-9s %s\n", pass_info[i].name, class_text[pass_info[i].class], pass_info[i].help);
    for (int k = 0; k < pass_info[i].option_count; k++) print_option(&pass_info[i].options[k]);
  }
  static const char *const levels[] = {"O0", "O1", "O2", "O3"};
  printf("\n");
  for (int i = 0; i < 4; i++) printf("default<%s>: %s\n", levels[i], pipeline_default(i, false));
  printf("default<Os>: %s\n", pipeline_default(2, true));
  return STATUS_DONE;
}
