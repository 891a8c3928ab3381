// The command line: a table of options (options.def), a table of commands (commands.def), and what
// the user gave.
#ifndef TENON_TOOLS_OPTIONS_H
#define TENON_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/arena.h"

// Exit statuses (DESIGN: command line).
typedef enum Status {
  STATUS_DONE = 0,
  STATUS_REFUSED = 1, // the model or data is refused; the error was printed
  STATUS_USAGE = 2,
  STATUS_MISSED = 3, // a comparison, limit or budget failed
  STATUS_FAILED = 4  // tenon or the machine failed
} Status;

typedef enum OptionId {
#define OPTION(id, ...) OPTION_##id,
#include "tools/options.def"
  OPTION_COUNT
} OptionId;

typedef enum ArgumentKind {
  ARGUMENT_FLAG,
  ARGUMENT_TEXT,
  ARGUMENT_LIST,
  ARGUMENT_NUMBER,
  ARGUMENT_SIZE,
  ARGUMENT_REAL,
  ARGUMENT_JOINED,
  ARGUMENT_OPTIONAL
} ArgumentKind;

typedef struct OptionInfo {
  const char *names; // separated by '|'
  ArgumentKind kind;
  const char *argument; // what help calls it
  unsigned groups;
  const char *help;
} OptionInfo;

extern const OptionInfo option_info[OPTION_COUNT];

typedef struct TextList {
  const char **items;
  int count, capacity;
} TextList;

typedef struct OptionValue {
  bool given;
  const char *text; // the last one given
  TextList list;    // ARGUMENT_LIST
  int64_t number;
  double real;
} OptionValue;

struct Tool;
typedef struct Command {
  const char *name;
  Status (*run)(struct Tool *tool);
  unsigned groups;
  int fewest, most;
  const char *usage, *help;
} Command;

extern const Command command_table[];
extern const int command_count;
const Command *command_find(const char *name); // NULL: no such command

typedef struct Options {
  OptionValue values[OPTION_COUNT];
  TextList arguments; // what is not an option, after the command's name
} Options;

// Reads `texts` as options and arguments of the command. False: a usage error was printed.
bool options_parse(Arena *arena, const Command *command, int count, char *const *texts,
                   Options *options);

// The options given that decide what compiled code does, in the order of the table: what an object
// file records. Neither where things lie nor how many threads worked on them, so that these do not
// change its bytes.
const char *options_recorded(Arena *arena, const Options *options);

void options_help(FILE *stream, const Command *command); // the options that a command takes
void print_cell(FILE *stream, const char *text);         // text in a cell of a Markdown table
void options_markdown(FILE *stream);                     // a table of all options, for docs/
// Prints "tenon: error: .." and gives STATUS_USAGE.
Status usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
