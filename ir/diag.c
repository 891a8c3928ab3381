// Formats and counts messages. See diag.h for the rules.
#include "ir/diag.h"

#include <stdarg.h>
#include <string.h>

#include "ir/arena.h"

void diag_init(Diag *diag, Arena *arena, FILE *stream) {
  *diag = (Diag){.stream = stream, .arena = arena};
}

static void print_message(FILE *stream, Loc loc, const char *level, const char *format,
                          va_list arguments) {
  fprintf(stream, "%s", loc.file ? loc.file : "tenon");
  if (loc.line > 0) fprintf(stream, ":%d", loc.line);
  fprintf(stream, ": %s: ", level);
  if (loc.node) fprintf(stream, "node '%s'", loc.node);
  if (loc.node && loc.op_type) fprintf(stream, " (%s)", loc.op_type);
  if (loc.node) fputs(": ", stream);
  vfprintf(stream, format, arguments);
  fputc('\n', stream);
}

bool diag_error(Diag *diag, Loc loc, const char *format, ...) {
  va_list arguments;
  diag->errors++;
  if (!diag->first_error && diag->arena) {
    va_start(arguments, format);
    diag->first_error = arena_vprintf(diag->arena, format, arguments);
    va_end(arguments);
  }
  if (!diag->stream || (diag->error_limit && diag->errors > diag->error_limit)) return false;
  va_start(arguments, format);
  print_message(diag->stream, loc, "error", format, arguments);
  va_end(arguments);
  return false;
}

void diag_warning(Diag *diag, Loc loc, const char *format, ...) {
  if (diag->no_warnings) return;
  if (diag->warnings_are_errors) diag->errors++;
  diag->warnings++;
  if (!diag->stream) return;
  va_list arguments;
  va_start(arguments, format);
  print_message(diag->stream, loc, diag->warnings_are_errors ? "error" : "warning", format,
                arguments);
  va_end(arguments);
}

void diag_note(Diag *diag, Loc loc, const char *format, ...) {
  if (!diag->stream) return;
  va_list arguments;
  va_start(arguments, format);
  print_message(diag->stream, loc, "note", format, arguments);
  va_end(arguments);
}
