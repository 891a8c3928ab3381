// tenon: the command. The first argument says what to do (commands.def); each command is a file.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/file.h"
#include "ir/suggest.h"
#include "tools/help.h"
#include "tools/tool.h"

// No temporary file stays behind; then the signal does what it does by default.
static void end_by_signal(int signal_number) {
  output_remove_unfinished();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

// A crash is a bug of ours (or a mapped file that shrank): no half-written output, and exit status
// 4 instead of a signal.
static void end_by_crash(int signal_number) {
  static const char text[] = "tenon: fatal: internal error (a bug in tenon; please report it with "
                             "the model and the command)\n";
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  output_remove_unfinished();
  (void)signal_number;
  _exit(STATUS_FAILED);
}

// Sanitizers report crashes better than this does.
#if defined __SANITIZE_ADDRESS__
#define HAS_SANITIZER 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

static void catch_crashes(void) {
  enum { STACK_BYTES = 64 * 1024 };
  static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
  static char stack[STACK_BYTES]; // the handler must run when the usual stack is used up
  stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = end_by_crash,
                             .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
  if (HAS_SANITIZER) return;
  sigaltstack(&alternative, NULL);
  for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
    sigaction(crashes[i], &action, NULL);
}

static Status wrong_command(const char *name) {
  Suggestion near = suggestion_for(name, strlen(name));
  for (int i = 0; i < command_count; i++) suggestion_offer(&near, command_table[i].name);
  if (near.best)
    return usage_error("there is no command '%s'; did you mean '%s'?", name, near.best);
  return usage_error("there is no command '%s' (tenon help)", name);
}

static Status run_command(const Command *command, int count, char *const *texts) {
  Arena *arena = arena_create();
  Tool *tool = NEW(arena, Tool);
  Status status = STATUS_USAGE;
  tool->arena = arena;
  tool->command = command;
  diag_init(&tool->diag, arena, stderr);
  if (options_parse(arena, command, count, texts, &tool->options)) {
    tool->diag.warnings_are_errors = tool_flag(tool, OPTION_WARNINGS_ERRORS);
    tool->diag.no_warnings = tool_flag(tool, OPTION_NO_WARNINGS);
    status = tool_flag(tool, OPTION_HELP) ? help_command(command) : command->run(tool);
  }
  if (status == STATUS_DONE && tool->diag.errors) status = STATUS_REFUSED;
  arena_destroy(arena);
  return status;
}

int main(int count, char **texts) {
  signal(SIGINT, end_by_signal);
  signal(SIGTERM, end_by_signal);
  signal(SIGHUP, end_by_signal);
  catch_crashes();
  if (count < 2) {
    help_overview(stderr);
    return STATUS_USAGE;
  }
  const char *name = texts[1] + (texts[1][0] == '-') + (texts[1][0] == '-' && texts[1][1] == '-');
  bool dashed = name != texts[1];
  Status status;
  if (dashed && (strcmp(name, "version") == 0 || strcmp(name, "v") == 0)) {
    status = help_version();
  } else if (dashed && (strcmp(name, "help") == 0 || strcmp(name, "h") == 0)) {
    help_overview(stdout);
    status = STATUS_DONE;
  } else {
    const Command *command = command_find(texts[1]);
    status = command ? run_command(command, count - 2, texts + 2) : wrong_command(texts[1]);
  }
  // Output that did not reach its file is a failure of the machine, and not a success.
  if (fflush(stdout) != 0 || ferror(stdout))
    machine_failed("writing to the standard output failed");
  return status;
}
