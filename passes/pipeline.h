// Inside of the pipeline: what parsing, running and checking share.
#ifndef TENON_PASSES_PIPELINE_H
#define TENON_PASSES_PIPELINE_H

#include "passes/pass.h"

// A pass with its options. Steps of one group (>= 0) follow each other and are repeated.
typedef struct Step {
  const PassInfo *info;
  const char **values; // of the options, defaults filled in
  bool named;          // by the user, not by default<..>
  int group;           // -1: none
  int repeats;         // of the group
} Step;

typedef struct Pipeline {
  Step *steps;
  int count, capacity;
  int group_count;
} Pipeline;

// False: reported.
bool pipeline_parse(const char *text, Arena *arena, Diag *diag, Pipeline *pipeline);

// --print-changed=diff: the lines that differ, with two lines around them.
void print_text_diff(FILE *out, const char *before, const char *after);
// The module as text (malloc'd).
char *module_to_text(const Module *module);

// --verify-each=run: do both functions give the same, as far as the class of the pass asks?
bool check_same_results(const Module *before, const Module *after, const PassContext *context,
                        const PipelineOptions *options);

#endif
