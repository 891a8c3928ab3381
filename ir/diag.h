// Diagnostics: the one object through which every message about the user's input goes.
//
// Only the user's mistakes come here. Our own mistakes are `assert`, the machine's are
// `machine_failed`. A function that can meet a user's mistake returns bool; false means that the
// message has been given already: `return diag_error(...)`, `if (!f()) return false;`.
#ifndef TENON_IR_DIAG_H
#define TENON_IR_DIAG_H

#include <stdbool.h>
#include <stdio.h>

struct Arena;

// Where something comes from; copied into each node and value once by the importer or parser.
typedef struct Loc {
  const char *file;    // NULL: unknown
  int line;            // 0: none (binary file)
  const char *node;    // ONNX name of the node, or of the value if the node has none; NULL: none
  const char *op_type; // operator as the user knows it ("Conv"); NULL: none
} Loc;

typedef enum DiagLevel { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR } DiagLevel;

typedef struct Diag {
  FILE *stream;        // where messages go; NULL: nowhere (only counted and kept)
  struct Arena *arena; // keeps the text of the first error
  int errors, warnings;
  bool warnings_are_errors; // -Werror
  bool no_warnings;         // -w
  int error_limit;          // further errors are counted but not printed; 0: no limit
  const char *first_error;  // text without location, for tests and JSON
} Diag;

void diag_init(Diag *diag, struct Arena *arena, FILE *stream);

// Prints "file:line: error: node 'name' (Op): text". Text: lower case, no full stop, what was
// found and what was wanted. Always returns false.
bool diag_error(Diag *diag, Loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(Diag *diag, Loc loc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Belongs to the message before it: what to do about it.
void diag_note(Diag *diag, Loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline Loc loc_file(const char *file) { return (Loc){.file = file}; }

#endif
