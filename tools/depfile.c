#include "tools/depfile.h"

#include <string.h>
#include <unistd.h>

#include "frontend/inputs.h"
#include "ir/file.h"

// A name as make reads it.
static void put_name(OutputSink *sink, const char *name) {
  for (; *name; name++) {
    if (*name == '$') sink_text(sink, "$");
    if (*name == ' ' || *name == '#' || *name == '\\') sink_text(sink, "\\");
    sink_write(sink, name, 1);
  }
}

static void put_file(OutputSink *sink, const char *name) {
  sink_text(sink, " \\\n  ");
  put_name(sink, name);
}

static bool put_files(Tool *tool, OutputSink *sink, const char *source) {
  const char *slash = strrchr(source, '/'), *passes = tool_text(tool, OPTION_PASSES);
  const char *folder =
      slash ? arena_strndup(tool->arena, source, (size_t)(slash - source) + 1) : "";
  const TextList *data = &tool_value(tool, OPTION_DATA)->list;
  const char **locations = NULL;
  int count = 0;
  bool is_text = strlen(source) > 4 && strcmp(source + strlen(source) - 4, ".tir") == 0;
  put_file(sink, source);
  if (!is_text && !frontend_external_files(tool->arena, &tool->diag, source, &locations, &count))
    return false;
  const char *weights = arena_printf(tool->arena, "%s.weights", source);
  if (is_text && access(weights, F_OK) == 0)
    put_file(sink, weights); // a text without large constants has none
  for (int i = 0; i < count; i++)
    put_file(sink, arena_printf(tool->arena, "%s%s", folder, locations[i]));
  for (int i = 0; i < data->count; i++) put_file(sink, data->items[i]);
  if (passes && passes[0] == '@') put_file(sink, passes + 1);
  sink_text(sink, "\n");
  return true;
}

bool depfile_write(Tool *tool, const char *source, const char *output) {
  const char *path = tool_flag(tool, OPTION_DEPFILE_NAME)
                         ? tool_text(tool, OPTION_DEPFILE_NAME)
                         : arena_printf(tool->arena, "%s.d", output);
  const char *target =
      tool_flag(tool, OPTION_DEPFILE_TARGET) ? tool_text(tool, OPTION_DEPFILE_TARGET) : output;
  OutputFile *file = output_open(tool->arena, &tool->diag, path);
  if (!file) return false;
  put_name(output_sink(file), target);
  sink_text(output_sink(file), ":");
  if (put_files(tool, output_sink(file), source)) return output_commit(file, &tool->diag);
  output_abort(file);
  return false;
}
