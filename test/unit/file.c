// Output files are complete or absent; mapped files.
#include "ir/file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "ir/arena.h"
#include "ir/diag.h"

static bool holds(Arena *arena, Diag *diag, const char *path, const char *text) {
  size_t size;
  const uint8_t *bytes = file_map(arena, diag, path, &size);
  return bytes && size == strlen(text) && !memcmp(bytes, text, size);
}

static void check_outputs(Arena *arena, Diag *diag, const char *path) {
  OutputFile *file = output_open(arena, diag, path);
  sink_printf(output_sink(file), "%d and ", 1);
  sink_text(output_sink(file), "2");
  CHECK(access(path, F_OK) != 0);
  CHECK(output_commit(file, diag));
  CHECK(holds(arena, diag, path, "1 and 2"));
  CHECK(output_sink(file)->written == 7);

  file = output_open(arena, diag, path);
  sink_text(output_sink(file), "other");
  output_abort(file);
  CHECK(holds(arena, diag, path, "1 and 2"));

  chmod(path, 0640);
  const char *link = arena_printf(arena, "%s.link", path);
  CHECK(symlink("file", link) == 0);
  file = output_open(arena, diag, link);
  sink_text(output_sink(file), "through a link");
  CHECK(output_commit(file, diag));
  struct stat status;
  CHECK(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
  CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0640);
  CHECK(holds(arena, diag, path, "through a link"));
  unlink(link);
}

static void check_unchanged(Arena *arena, Diag *diag, const char *path) {
  struct stat before, after;
  CHECK(file_write_if_changed(arena, diag, path, "same", 4));
  CHECK(stat(path, &before) == 0);
  CHECK(file_write_if_changed(arena, diag, path, "same", 4));
  CHECK(stat(path, &after) == 0 && before.st_ino == after.st_ino);
  CHECK(file_write_if_changed(arena, diag, path, "sane", 4));
  CHECK(holds(arena, diag, path, "sane"));
  CHECK(file_write_if_changed(arena, diag, path, "", 0));
  CHECK(holds(arena, diag, path, ""));
}

static void check_errors(Arena *arena, Diag *diag, const char *folder) {
  size_t size;
  CHECK(!file_map(arena, diag, folder, &size));
  CHECK_TEXT(diag->first_error, "cannot be opened: it is a directory");
  CHECK(!file_map(arena, diag, "/dev/null", &size));
  CHECK(!file_map(arena, diag, arena_printf(arena, "%s/none", folder), &size));
  CHECK(!output_open(arena, diag, folder));
  CHECK(!output_open(arena, diag, arena_printf(arena, "%s/none/file", folder)));
  CHECK(diag->errors == 5);
}

static void check_memory(Arena *arena) {
  MemorySink memory;
  memory_sink_init(&memory, arena);
  for (int i = 0; i < 1000; i++) sink_printf(&memory.sink, "%04d", i);
  sink_zeros(&memory.sink, 10000);
  CHECK(memory.size == 14000 && memory.sink.written == 14000);
  CHECK(!memcmp(memory.bytes + 3996, "0999\0\0", 6) && !memory.bytes[13999]);
}

int main(void) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  char folder[] = "tenon-file-XXXXXX";
  CHECK(mkdtemp(folder));
  const char *path = arena_printf(arena, "%s/file", folder);
  check_outputs(arena, &diag, path);
  check_unchanged(arena, &diag, path);
  CHECK(!diag.errors);
  check_errors(arena, &diag, folder);
  check_memory(arena);
  unlink(path);
  CHECK(rmdir(folder) == 0); // no temporary file is left
  arena_destroy(arena);
  return check_status();
}
