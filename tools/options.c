// Options: parsing by the table. `-x`, `--x`, `--x=V`, `--x V`, `-O2`; a wrong name suggests the
// nearest right one.
#include "tools/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/suggest.h"
#include "tools/tool.h"

enum {
  ALL = 1 << 0,
  MODEL = 1 << 1,
  PASSES = 1 << 2,
  DATA = 1 << 3,
  LEVEL = 1 << 4,
  TARGET = 1 << 5,
  CODE = 1 << 6,
  THREADS = 1 << 7,
  COMPILE = 1 << 8,
  OUTPUT = 1 << 9,
  DUMP = 1 << 10,
  REPORT = 1 << 11,
  EXECUTE = 1 << 12,
  RUN = 1 << 13,
  TOLERANCE = 1 << 14,
  RANDOM = 1 << 15,
  EVAL = 1 << 16,
  COMPARE = 1 << 17,
  BENCH = 1 << 18,
  INSPECT = 1 << 19,
  LIBRARY = 1 << 20,
  TABLE = 1 << 21,
  JSON = 1 << 22
};

const OptionInfo option_info[OPTION_COUNT] = {
#define OPTION(id, names, kind, argument, groups, help)                                            \
  [OPTION_##id] = {names, ARGUMENT_##kind, argument, groups, help},
#include "tools/options.def"
};

const Command command_table[] = {
#define COMMAND(name, groups, fewest, most, usage, help)                                           \
  {#name, command_##name, (groups) | ALL, fewest, most, usage, help},
#include "tools/commands.def"
};
const int command_count = sizeof command_table / sizeof *command_table;

const Command *command_find(const char *name) {
  for (int i = 0; i < command_count; i++)
    if (strcmp(command_table[i].name, name) == 0) return &command_table[i];
  return NULL;
}

Status usage_error(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("tenon: error: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return STATUS_USAGE;
}

// Is the text of `length` bytes one of the option's names?
static bool option_has_name(const OptionInfo *option, const char *text, size_t length) {
  for (const char *name = option->names; name;) {
    const char *bar = strchr(name, '|');
    size_t size = bar ? (size_t)(bar - name) : strlen(name);
    if (size == length && memcmp(name, text, length) == 0) return true;
    name = bar ? bar + 1 : NULL;
  }
  return false;
}

static int find_option(const Command *command, const char *text, size_t length) {
  for (int i = 0; i < OPTION_COUNT; i++)
    if ((option_info[i].groups & command->groups) && option_has_name(&option_info[i], text, length))
      return i;
  return -1;
}

// `-O2`, `-ofile`, `-MFfile`: the longest joined name that the text starts with.
static int find_joined(const Command *command, const char *text, size_t *length) {
  int found = -1;
  *length = 0;
  for (int i = 0; i < OPTION_COUNT; i++) {
    size_t size = strlen(option_info[i].names);
    if (option_info[i].kind != ARGUMENT_JOINED || !(option_info[i].groups & command->groups))
      continue;
    if (size > *length && strncmp(option_info[i].names, text, size) == 0) {
      found = i;
      *length = size;
    }
  }
  return found;
}

// `text` is what was typed, dashes included, up to a `=`.
static bool wrong_option(Arena *arena, const Command *command, const char *text, size_t length) {
  const char *typed = arena_strndup(arena, text, length), *name = typed + strspn(typed, "-");
  bool elsewhere = false;
  Suggestion near = suggestion_for(name, strlen(name));
  for (int i = 0; i < OPTION_COUNT; i++) {
    elsewhere |= option_has_name(&option_info[i], name, strlen(name));
    if (!(option_info[i].groups & command->groups)) continue;
    char *names = arena_strdup(arena, option_info[i].names), *rest = names;
    for (char *candidate; (candidate = strsep(&rest, "|"));) suggestion_offer(&near, candidate);
  }
  const char *dashes =
      near.best && near.best[1] && typed[1] == '-' ? "--" : "-"; // as they were typed
  if (elsewhere)
    usage_error("'tenon %s' has no option '%s'; other commands have it", command->name, typed);
  else if (near.best)
    usage_error("'tenon %s' has no option '%s'; did you mean '%s%s'?", command->name, typed, dashes,
                near.best);
  else
    usage_error("'tenon %s' has no option '%s' (tenon help %s)", command->name, typed,
                command->name);
  return false;
}

// "64K", "1.5M", "2048": bytes, with K = 1024.
static bool parse_size(const char *text, int64_t *bytes) {
  char *end;
  double value = strtod(text, &end);
  double unit = 1;
  if (end == text) return false;
  if (*end == 'K' || *end == 'k') unit = 1024;
  if (*end == 'M') unit = 1024 * 1024;
  if (*end == 'G') unit = 1024 * 1024 * 1024;
  if (unit > 1) end++;
  if (unit > 1 && *end == 'i') end++;
  if (*end == 'B') end++;
  value *= unit;
  if (*end || !(value >= 0 && value < 9e15)) return false;
  *bytes = (int64_t)value;
  return true;
}

static bool set_number(OptionValue *value, ArgumentKind kind, const char *text) {
  char *end;
  errno = 0;
  if (kind == ARGUMENT_SIZE) return parse_size(text, &value->number);
  if (kind == ARGUMENT_REAL)
    value->real = strtod(text, &end);
  else
    value->number = strtoll(text, &end, 10);
  return end != text && *end == 0 && errno == 0 && value->number >= 0 && value->real >= 0;
}

static bool set_option(Arena *arena, Options *options, int id, const char *text) {
  const OptionInfo *info = &option_info[id];
  OptionValue *value = &options->values[id];
  value->given = true;
  value->text = text;
  if (info->kind == ARGUMENT_LIST)
    ARENA_PUSH(arena, value->list.items, value->list.count, value->list.capacity, text);
  if (info->kind == ARGUMENT_NUMBER || info->kind == ARGUMENT_SIZE || info->kind == ARGUMENT_REAL)
    if (!set_number(value, info->kind, text)) {
      usage_error("'%s': '%s' is not a %s", info->names, text,
                  info->kind == ARGUMENT_SIZE ? "size (64K, 2M, 1000)" : "number that fits");
      return false;
    }
  return true;
}

static bool takes_value(ArgumentKind kind) {
  return kind != ARGUMENT_FLAG && kind != ARGUMENT_OPTIONAL;
}

// Parses texts[*index], an option, and its value; moves *index to the last text that it took.
static bool parse_option(Arena *arena, const Command *command, int count, char *const *texts,
                         int *index, Options *options) {
  const char *text = texts[*index], *name = text + 1;
  bool two_dashes = *name == '-';
  if (two_dashes) name++;
  const char *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  const char *value = equals ? equals + 1 : NULL;
  int id = find_option(command, name, length);
  size_t joined = 0;
  if (id < 0 && !two_dashes && (id = find_joined(command, name, &joined)) >= 0)
    value = name + joined;
  if (id < 0) return wrong_option(arena, command, text, (size_t)(name - text) + length);
  ArgumentKind kind = option_info[id].kind;
  if (!value && takes_value(kind)) {
    if (*index + 1 >= count)
      return usage_error("'%s' wants a value: %s", text, option_info[id].argument), false;
    value = texts[++*index];
  }
  if (value && kind == ARGUMENT_FLAG)
    return usage_error("'%.*s' takes no value", (int)(equals - text), text), false;
  return set_option(arena, options, id, value ? value : "");
}

bool options_parse(Arena *arena, const Command *command, int count, char *const *texts,
                   Options *options) {
  bool only_arguments = false;
  for (int i = 0; i < count; i++) {
    TextList *list = &options->arguments;
    if (!only_arguments && strcmp(texts[i], "--") == 0) {
      only_arguments = true;
    } else if (only_arguments || texts[i][0] != '-' || !texts[i][1]) {
      ARENA_PUSH(arena, list->items, list->count, list->capacity, texts[i]);
    } else if (!parse_option(arena, command, count, texts, &i, options)) {
      return false;
    }
  }
  if (options->values[OPTION_HELP].given) return true;
  int arguments = options->arguments.count;
  if (arguments < command->fewest)
    return usage_error("usage: tenon %s %s (tenon help %s)", command->name, command->usage,
                       command->name),
           false;
  if (command->most >= 0 && arguments > command->most)
    return usage_error("'%s' is one argument too many: usage: tenon %s %s",
                       options->arguments.items[command->most], command->name, command->usage),
           false;
  return true;
}

// Options that gcc has too are written as gcc writes them: -mcpu=, -fPIC, -Werror.
static bool has_one_dash(const OptionInfo *option) {
  const char *name = option->names;
  return option->kind == ARGUMENT_JOINED || strcspn(name, "|") == 1 ||
         isupper((unsigned char)name[0]) || strncmp(name, "fPIC", 4) == 0 ||
         strcmp(name, "fstrict") == 0 || (option->groups == TARGET && name[0] == 'm');
}

// "--dim=N=LOW..HIGH", "-o OUT", "--verify-each[=run]".
static const char *option_form(Arena *arena, const OptionInfo *option) {
  int length = (int)strcspn(option->names, "|");
  bool joined = option->kind == ARGUMENT_JOINED, may_lack = option->kind == ARGUMENT_OPTIONAL,
       flag = option->kind == ARGUMENT_FLAG;
  return arena_printf(arena, "%s%.*s%s%s%s", has_one_dash(option) ? "-" : "--", length,
                      option->names,
                      flag       ? ""
                      : may_lack ? "[="
                      : joined   ? " "
                                 : "=",
                      option->argument, may_lack ? "]" : "");
}

// The last part of a path: `dir/x.npz` is x.npz, `x=dir/y` is y.
static const char *file_part(const char *text) {
  const char *slash = strrchr(text, '/');
  return slash ? slash + 1 : text;
}

static const char *add_recorded(Arena *arena, const char *recorded, int id, const char *text) {
  const OptionInfo *info = &option_info[id];
  int name = (int)strcspn(info->names, "|");
  bool joined = info->kind == ARGUMENT_FLAG || info->kind == ARGUMENT_JOINED;
  if (id == OPTION_DATA) text = file_part(text);
  return arena_printf(arena, "%s%s%s%.*s%s%s", recorded, *recorded ? " " : "",
                      name > 1 ? "--" : "-", name, info->names, joined ? "" : "=", text);
}

const char *options_recorded(Arena *arena, const Options *options) {
  const char *recorded = "";
  for (int id = 0; id < OPTION_COUNT; id++) {
    const OptionValue *value = &options->values[id];
    if (!value->given ||
        !(option_info[id].groups & (MODEL | PASSES | DATA | LEVEL | TARGET | CODE)))
      continue;
    if (option_info[id].kind != ARGUMENT_LIST)
      recorded = add_recorded(arena, recorded, id, value->text);
    for (int i = 0; i < value->list.count; i++)
      recorded = add_recorded(arena, recorded, id, value->list.items[i]);
  }
  return recorded;
}

void options_help(FILE *stream, const Command *command) {
  Arena *arena = arena_create();
  for (int i = 0; i < OPTION_COUNT; i++)
    if (option_info[i].groups & command->groups)
      fprintf(stream, "  %-30s %s\n", option_form(arena, &option_info[i]), option_info[i].help);
  arena_destroy(arena);
}

void print_cell(FILE *stream, const char *text) { // `|` ends the cell of a Markdown table
  for (; *text; text++) {
    if (*text == '|') fputc('\\', stream);
    fputc(*text, stream);
  }
}

void options_markdown(FILE *stream) {
  Arena *arena = arena_create();
  fprintf(stream, "| option | commands | |\n|---|---|---|\n");
  for (int i = 0; i < OPTION_COUNT; i++) {
    fprintf(stream, "| `");
    print_cell(stream, option_form(arena, &option_info[i]));
    fprintf(stream, "` | ");
    bool first = true;
    for (int k = 0; k < command_count && option_info[i].groups != ALL; k++) {
      if (!(option_info[i].groups & command_table[k].groups)) continue;
      fprintf(stream, "%s%s", first ? "" : ", ", command_table[k].name);
      first = false;
    }
    fprintf(stream, "%s | ", first ? "all" : "");
    print_cell(stream, option_info[i].help);
    fprintf(stream, " |\n");
  }
  arena_destroy(arena);
}
