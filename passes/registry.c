// The pass table, expanded from passes.def, and access to a running pass's options.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

#define EACH false
#define WHOLE true
#define O(name, kind, standard, choices, help) {#name, OPTION_##kind, standard, choices, help},
#define OPTIONS(...) ((const PassOption[]){__VA_ARGS__{NULL, OPTION_INT, NULL, NULL, NULL}})
#define COUNT(...) (int)(sizeof OPTIONS(__VA_ARGS__) / sizeof(PassOption)) - 1
#define PASS(name, class, scope, after, options, help)                                             \
  {#name, help, PASS_##class, pass_##name, scope, OPTIONS(options), COUNT(options), after},

const PassInfo pass_info[] = {
#include "passes/passes.def"
};
const int pass_count = (int)(sizeof pass_info / sizeof pass_info[0]);

const PassInfo *pass_find(const char *name) {
  for (int i = 0; i < pass_count; i++)
    if (!strcmp(pass_info[i].name, name)) return &pass_info[i];
  return NULL;
}

static const char *option_text(const PassContext *context, const char *name) {
  for (int i = 0; i < context->info->option_count; i++)
    if (!strcmp(context->info->options[i].name, name)) return context->option_values[i];
  assert(false && "the row of the pass declares no such option");
  return "";
}

int64_t pass_option_int(const PassContext *context, const char *name) {
  return strtoll(option_text(context, name), NULL, 0);
}

double pass_option_float(const PassContext *context, const char *name) {
  return strtod(option_text(context, name), NULL);
}

bool pass_option_bool(const PassContext *context, const char *name) {
  return !strcmp(option_text(context, name), "true");
}

const char *pass_option_string(const PassContext *context, const char *name) {
  return option_text(context, name);
}
