#include "tools/help.h"

#include <string.h>

#include "ir/suggest.h"
#include "tools/tool.h"

void help_overview(FILE *stream) {
  fprintf(stream, "tenon: an ONNX model becomes a native object file and a C header\n\n"
                  "  tenon compile model.onnx -o model.o     and include model.h\n"
                  "  tenon run model.onnx input.pb -o folder\n\ncommands:\n");
  for (int i = 0; i < command_count; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s %s", command_table[i].name, command_table[i].usage);
    fprintf(stream, "  %-34s %s\n", left, command_table[i].help);
  }
  fprintf(stream, "\ntenon help COMMAND tells its options; topics: data, exit, models. "
                  "tenon --version\n");
}

Status help_command(const Command *command) {
  printf("usage: tenon %s %s\n%s\n\noptions:\n", command->name, command->usage, command->help);
  options_help(stdout, command);
  return STATUS_DONE;
}

Status help_version(void) {
  printf("tenon %s\n", TENON_VERSION);
  return STATUS_DONE;
}

static const struct {
  const char *name, *title, *text;
} topics[] = {
    {"data", "Data sets",
     "A data set is one of\n"
     "  D.npz              an array for each input of the model, by its name, and optional "
     "labels:\n"
     "                     [N,d1,..] or [N,1,d1,..] for an input [1,d1,..], else [N,d0,d1,..]\n"
     "  test_data_set_0    a folder with input_0.pb, ..: one sample; several folders may be given\n"
     "  a folder of these\n"
     "Integer arrays feed float inputs: (x * scale - mean) / std, with --scale, --mean and "
     "--std.\n"},
    {"exit", "Exit statuses",
     "0  done\n"
     "1  the model or data is refused; the error says why\n"
     "2  the command line is wrong\n"
     "3  a comparison, limit or budget failed\n"
     "4  tenon or the machine failed: a bug, memory, disk\n"
     "An output file is complete or absent.\n"},
    {"models", "Models",
     "MODEL is an .onnx file or the text form of the IR, .tir (tenon opt -o x.tir writes one). For "
     "run,\n"
     "eval and bench it may be a shared object that tenon compiled, for inspect an object file.\n"
     "--dim, --shape, --inputs and --outputs change what an ONNX model is before anything else is "
     "done.\n"},
};

// docs/command-line.md
static Status print_markdown(void) {
  printf("# The command line\n\nMade by `tenon help --markdown` from `tools/commands.def` and "
         "`tools/options.def`: change those, not this page.\n\n"
         "## Commands\n\n| | |\n|---|---|\n");
  for (int i = 0; i < command_count; i++) {
    printf("| `tenon %s%s", command_table[i].name, *command_table[i].usage ? " " : "");
    print_cell(stdout, command_table[i].usage);
    printf("` | %s |\n", command_table[i].help);
  }
  printf("\n## Options\n\nOne dash or two; `--x=V` or `--x V`; `-O2` and `-oFILE` may be joined. "
         "`--` ends the options.\n\n");
  options_markdown(stdout);
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
    printf("\n## %s\n\n```\n%s```\n", topics[i].title, topics[i].text);
  return STATUS_DONE;
}

Status command_help(Tool *tool) {
  if (tool_flag(tool, OPTION_MARKDOWN)) return print_markdown();
  if (!tool->options.arguments.count) {
    help_overview(stdout);
    return STATUS_DONE;
  }
  const char *name = tool_argument(tool, 0);
  const Command *command = command_find(name);
  Suggestion near = suggestion_for(name, strlen(name));
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
    if (strcmp(topics[i].name, name) == 0) return fputs(topics[i].text, stdout), STATUS_DONE;
    suggestion_offer(&near, topics[i].name);
  }
  if (command) return help_command(command);
  for (int i = 0; i < command_count; i++) suggestion_offer(&near, command_table[i].name);
  if (near.best) return usage_error("there is no topic '%s'; did you mean '%s'?", name, near.best);
  return usage_error("there is no topic '%s' (tenon help)", name);
}
