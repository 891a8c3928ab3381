// Files: mapping inputs, and outputs that are either complete or absent.
//
// Everything that tenon writes goes through an OutputSink, so that the same code can stream into a
// file, into memory or into a member of an archive. The file system's refusals that the user can
// cause (no such directory, no permission) go to Diag; a disk that fills up ends the process
// (machine_failed, exit status 4), and the temporary file is removed on the way out.
#ifndef TENON_IR_FILE_H
#define TENON_IR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Arena;
struct Diag;

// Where bytes go. `write` takes all bytes or does not return.
typedef struct OutputSink {
  void (*write)(void *user, const void *bytes, size_t size);
  void *user;
  uint64_t written; // bytes so far
} OutputSink;

void sink_write(OutputSink *sink, const void *bytes, size_t size);
void sink_zeros(OutputSink *sink, uint64_t size);
void sink_text(OutputSink *sink, const char *text);
void sink_printf(OutputSink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A sink that collects what is written in a growing block of `arena`: bytes[0 .. size).
typedef struct MemorySink {
  OutputSink sink;
  struct Arena *arena;
  uint8_t *bytes;
  size_t size, capacity;
} MemorySink;

void memory_sink_init(MemorySink *memory, struct Arena *arena);
// Room for `size` bytes in all, so that writing them copies none of them a second time.
void memory_sink_reserve(MemorySink *memory, size_t size);

// A file that is being written. Until output_commit its bytes are in a temporary file beside the
// target, which takes the target's place in one step. A target that is not a regular file
// (/dev/null, a pipe) is written directly; "-" is the standard output.
typedef struct OutputFile OutputFile;

// NULL: the error was reported. The object lives in `arena`, but destroying the arena does not end
// it: commit or abort it.
OutputFile *output_open(struct Arena *arena, struct Diag *diag, const char *path);
OutputSink *output_sink(OutputFile *file);
// Flushes and renames. false: the target cannot be replaced (reported); the temporary file is gone.
bool output_commit(OutputFile *file, struct Diag *diag);
void output_abort(OutputFile *file);
// Removes the temporary files of all outputs that are neither committed nor aborted. Runs at exit;
// async-signal-safe, so that a handler of SIGINT or SIGTERM may call it too.
void output_remove_unfinished(void);

// Maps a whole regular file, read-only, until the arena is destroyed. Never NULL for an empty file.
// NULL: the error was reported.
const uint8_t *file_map(struct Arena *arena, struct Diag *diag, const char *path, size_t *size);

// Writes the file unless it has exactly these bytes already (make should not rebuild for the same
// header). false: reported.
bool file_write_if_changed(struct Arena *arena, struct Diag *diag, const char *path,
                           const void *bytes, size_t size);

#endif
