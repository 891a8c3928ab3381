// Text of a pipeline -> steps.
//   pipeline = item {"," item}
//   item     = name ["{" [option {"," option}] "}"] | "default" "<" level ">" | "fixpoint" ["<" N
//   ">"] "(" pipeline ")" option   = name ["=" value]        level = "O0" .. "O3" | "Os"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/suggest.h"
#include "passes/pipeline.h"

enum { FIXPOINT_REPEATS = 8, MOST_REPEATS = 100, MOST_STEPS = 10000 };

typedef struct Reader {
  const char *at;
  Arena *arena;
  Diag *diag;
  Pipeline *pipeline;
  bool named; // false inside default<..>
  int group, repeats;
} Reader;

#define PARSE_ERROR(reader, ...) diag_error((reader)->diag, loc_file("--passes"), __VA_ARGS__)

static void skip_space(Reader *reader) {
  while (isspace((unsigned char)*reader->at)) reader->at++;
}

static bool accept(Reader *reader, char wanted) {
  skip_space(reader);
  if (*reader->at != wanted) return false;
  reader->at++;
  return true;
}

static bool expect(Reader *reader, char wanted, const char *after) {
  if (accept(reader, wanted)) return true;
  if (!*reader->at)
    return PARSE_ERROR(reader, "expected '%c' after %s, found the end", wanted, after);
  return PARSE_ERROR(reader, "expected '%c' after %s, found '%.20s'", wanted, after, reader->at);
}

static const char *read_word(Reader *reader) {
  skip_space(reader);
  const char *begin = reader->at;
  while (isalnum((unsigned char)*reader->at) || *reader->at == '_') reader->at++;
  return arena_strndup(reader->arena, begin, (size_t)(reader->at - begin));
}

// Up to ',' or '}' outside of brackets.
static const char *read_value(Reader *reader) {
  skip_space(reader);
  const char *begin = reader->at;
  for (int depth = 0; *reader->at; reader->at++) {
    if (*reader->at == '[' || *reader->at == '(') depth++;
    if (*reader->at == ']' || *reader->at == ')') depth--;
    if (depth <= 0 && (*reader->at == ',' || *reader->at == '}')) break;
  }
  const char *end = reader->at;
  while (end > begin && isspace((unsigned char)end[-1])) end--;
  return arena_strndup(reader->arena, begin, (size_t)(end - begin));
}

// --- options

static bool is_int(const char *text) {
  char *end;
  errno = 0;
  (void)strtoll(text, &end, 0);
  return *text && !*end && !errno;
}

static bool is_float(const char *text) {
  char *end;
  double value = strtod(text, &end);
  return *text && !*end && isfinite(value);
}

// "true", "false" or NULL.
static const char *bool_text(const char *text) {
  static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no",
                                                                              "off"};
  for (int i = 0; i < 4; i++) {
    if (!strcmp(text, yes[i])) return "true";
    if (!strcmp(text, no[i])) return "false";
  }
  return NULL;
}

static bool is_choice(const char *choices, const char *text) {
  size_t length = strlen(text);
  for (const char *choice = choices; choice;
       choice = strchr(choice, '|') ? strchr(choice, '|') + 1 : NULL)
    if (length && !strncmp(choice, text, length) && (choice[length] == '|' || !choice[length]))
      return true;
  return false;
}

static bool set_option(Reader *reader, Step *step, int which, const char *text) {
  const PassOption *option = &step->info->options[which];
  const char *wanted = NULL, *value = text;
  switch (option->kind) {
  case OPTION_INT: wanted = is_int(text) ? NULL : "a whole number"; break;
  case OPTION_FLOAT: wanted = is_float(text) ? NULL : "a number"; break;
  case OPTION_BOOL: wanted = (value = bool_text(text)) ? NULL : "true or false"; break;
  case OPTION_CHOICE: wanted = is_choice(option->choices, text) ? NULL : option->choices; break;
  case OPTION_STRING: break;
  }
  if (wanted)
    return PARSE_ERROR(reader, "%s{%s=%.40s}: wanted %s", step->info->name, option->name, text,
                       wanted);
  step->values[which] = value;
  return true;
}

static bool unknown_option(Reader *reader, const PassInfo *info, const char *name) {
  Suggestion suggestion = suggestion_for(name, strlen(name));
  for (int i = 0; i < info->option_count; i++) suggestion_offer(&suggestion, info->options[i].name);
  if (suggestion.best)
    return PARSE_ERROR(reader, "pass '%s' has no option '%.40s'; did you mean '%s'?", info->name,
                       name, suggestion.best);
  return PARSE_ERROR(reader, "pass '%s' has no option '%.40s'", info->name, name);
}

static bool read_option(Reader *reader, Step *step) {
  const char *name = read_word(reader);
  if (!*name)
    return PARSE_ERROR(reader, "expected an option of '%s', found '%.20s'", step->info->name,
                       reader->at);
  const char *value = accept(reader, '=') ? read_value(reader) : "true";
  for (int i = 0; i < step->info->option_count; i++)
    if (!strcmp(step->info->options[i].name, name)) return set_option(reader, step, i, value);
  return unknown_option(reader, step->info, name);
}

static bool read_options(Reader *reader, Step *step) {
  if (!accept(reader, '{') || accept(reader, '}')) return true;
  do
    if (!read_option(reader, step)) return false;
  while (accept(reader, ','));
  return expect(reader, '}', "the options");
}

// --- items

static bool unknown_pass(Reader *reader, const char *name) {
  Suggestion suggestion = suggestion_for(name, strlen(name));
  for (int i = 0; i < pass_count; i++) suggestion_offer(&suggestion, pass_info[i].name);
  suggestion_offer(&suggestion, "default");
  suggestion_offer(&suggestion, "fixpoint");
  if (suggestion.best)
    return PARSE_ERROR(reader, "there is no pass '%.40s'; did you mean '%s'?", name,
                       suggestion.best);
  return PARSE_ERROR(reader, "there is no pass '%.40s' (see 'tenon passes')", name);
}

static bool read_pass(Reader *reader, const char *name) {
  const PassInfo *info = pass_find(name);
  if (!info) return unknown_pass(reader, name);
  Pipeline *pipeline = reader->pipeline;
  if (pipeline->count == MOST_STEPS) return PARSE_ERROR(reader, "more than %d passes", MOST_STEPS);
  Step step = {info, NEW_ARRAY(reader->arena, const char *, info->option_count + 1), reader->named,
               reader->group, reader->repeats};
  for (int i = 0; i < info->option_count; i++) step.values[i] = info->options[i].default_text;
  if (!read_options(reader, &step)) return false;
  ARENA_PUSH(reader->arena, pipeline->steps, pipeline->count, pipeline->capacity, step);
  return true;
}

static bool read_pipeline(Reader *reader, char end);

static bool read_default(Reader *reader) {
  if (!expect(reader, '<', "'default'")) return false;
  const char *level = read_word(reader);
  bool size = !strcmp(level, "Os"),
       known = level[0] == 'O' && level[1] >= '0' && level[1] <= '3' && !level[2];
  if (!size && !known)
    return PARSE_ERROR(reader, "default<%.20s>: wanted O0, O1, O2, O3 or Os", level);
  if (!expect(reader, '>', "the level")) return false;
  Reader inner = *reader;
  inner.at = pipeline_default(size ? 2 : level[1] - '0', size);
  inner.named = false;
  if (reader->group >= 0) return PARSE_ERROR(reader, "default<%s> cannot be repeated", level);
  return read_pipeline(&inner, 0);
}

static bool read_fixpoint(Reader *reader) {
  if (reader->group >= 0) return PARSE_ERROR(reader, "'fixpoint' inside 'fixpoint'");
  int64_t repeats = FIXPOINT_REPEATS;
  if (accept(reader, '<')) {
    const char *text = read_word(reader);
    repeats = is_int(text) ? strtoll(text, NULL, 0) : 0;
    if (repeats < 1 || repeats > MOST_REPEATS)
      return PARSE_ERROR(reader, "fixpoint<%.20s>: wanted a number from 1 to %d", text,
                         MOST_REPEATS);
    if (!expect(reader, '>', "the number of repeats")) return false;
  }
  if (!expect(reader, '(', "'fixpoint'")) return false;
  reader->group = reader->pipeline->group_count++;
  reader->repeats = (int)repeats;
  if (!read_pipeline(reader, ')')) return false;
  reader->group = -1;
  return expect(reader, ')', "the passes");
}

static bool read_item(Reader *reader) {
  const char *name = read_word(reader);
  if (!*name && !*reader->at) return PARSE_ERROR(reader, "expected a pass, found the end");
  if (!*name) return PARSE_ERROR(reader, "expected a pass, found '%.20s'", reader->at);
  if (!strcmp(name, "default")) return read_default(reader);
  if (!strcmp(name, "fixpoint")) return read_fixpoint(reader);
  return read_pass(reader, name);
}

static bool read_pipeline(Reader *reader, char end) {
  skip_space(reader);
  if (*reader->at == end) return true;
  do
    if (!read_item(reader)) return false;
  while (accept(reader, ','));
  skip_space(reader);
  return *reader->at == end ||
         PARSE_ERROR(reader, "expected ',' between passes, found '%.20s'", reader->at);
}

// --- order

static bool lists_name(const char *list, const char *name) {
  if (!strcmp(list, "*")) return true;
  size_t length = strlen(name);
  for (const char *at = list; (at = strstr(at, name)); at += length) {
    bool begins = at == list || at[-1] == ' ' || at[-1] == ',';
    if (begins && (!at[length] || at[length] == ' ' || at[length] == ',')) return true;
  }
  return false;
}

// A row's `after` lists passes that have done their work before it: none of them may follow.
static bool check_order(const Pipeline *pipeline, Diag *diag) {
  for (int i = 0; i < pipeline->count; i++)
    for (int j = i + 1; j < pipeline->count; j++) {
      const Step *first = &pipeline->steps[i], *second = &pipeline->steps[j];
      bool repeated = first->group >= 0 && first->group == second->group;
      if (repeated || !lists_name(first->info->after, second->info->name)) continue;
      return diag_error(diag, loc_file("--passes"), "pass '%s' must come before '%s'",
                        second->info->name, first->info->name);
    }
  return true;
}

bool pipeline_parse(const char *text, Arena *arena, Diag *diag, Pipeline *pipeline) {
  *pipeline = (Pipeline){0};
  Reader reader = {.at = text,
                   .arena = arena,
                   .diag = diag,
                   .pipeline = pipeline,
                   .named = true,
                   .group = -1,
                   .repeats = 1};
  return read_pipeline(&reader, 0) && check_order(pipeline, diag);
}

bool pipeline_check(const char *text, Arena *arena, Diag *diag) {
  Pipeline pipeline;
  return pipeline_parse(text, arena, diag, &pipeline);
}
