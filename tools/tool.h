// Tool: what every command works with.
#ifndef TENON_TOOLS_TOOL_H
#define TENON_TOOLS_TOOL_H

#include "ir/arena.h"
#include "ir/diag.h"
#include "tools/options.h"

typedef struct Tool {
  Arena *arena;
  Diag diag;
  const Command *command;
  Options options;
  const struct Externals *externals; // --custom-library, when it is open; NULL: none
} Tool;

static inline const OptionValue *tool_value(const Tool *tool, OptionId id) {
  return &tool->options.values[id];
}
static inline bool tool_flag(const Tool *tool, OptionId id) {
  return tool->options.values[id].given;
}
// The option's text; NULL if it was not given.
static inline const char *tool_text(const Tool *tool, OptionId id) {
  return tool->options.values[id].text;
}
static inline const char *tool_argument(const Tool *tool, int index) {
  return tool->options.arguments.items[index];
}

#define COMMAND(name, ...) Status command_##name(Tool *tool);
#include "tools/commands.def"

#endif
