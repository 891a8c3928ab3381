// Output through temporary files, mapped input. See file.h for the rules.
#include "ir/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/arena.h"
#include "ir/diag.h"

enum { BUFFER_BYTES = 1 << 16, MOST_OUTPUTS = 64 };

struct OutputFile {
  OutputSink sink;
  const char *path;      // as the user gave it, for messages
  const char *target;    // symbolic links resolved
  const char *temporary; // NULL: written directly
  int descriptor;
  int slot; // in `unfinished`; -1: none
  size_t used;
  uint8_t buffer[BUFFER_BYTES];
};

// Copies that outlive arenas, since the exit handler runs after they are gone. The pointers are
// read by a signal handler: each changes in one atomic store.
static char *_Atomic unfinished[MOST_OUTPUTS];
static pthread_mutex_t unfinished_lock = PTHREAD_MUTEX_INITIALIZER;

void output_remove_unfinished(void) {
  for (int i = 0; i < MOST_OUTPUTS; i++) {
    const char *path = unfinished[i];
    if (path) unlink(path);
  }
}

static int remember_unfinished(const char *path) {
  static bool registered;
  int slot = 0;
  pthread_mutex_lock(&unfinished_lock);
  if (!registered) atexit(output_remove_unfinished);
  registered = true;
  while (slot < MOST_OUTPUTS && unfinished[slot]) slot++;
  if (slot < MOST_OUTPUTS) unfinished[slot] = strdup(path);
  pthread_mutex_unlock(&unfinished_lock);
  return slot < MOST_OUTPUTS ? slot : -1;
}

static void forget_unfinished(int slot) {
  if (slot < 0) return;
  char *path = unfinished[slot];
  unfinished[slot] = NULL;
  free(path);
}

void sink_write(OutputSink *sink, const void *bytes, size_t size) {
  if (!size) return;
  sink->write(sink->user, bytes, size);
  sink->written += size;
}

void sink_zeros(OutputSink *sink, uint64_t size) {
  static const uint8_t zeros[4096];
  for (uint64_t done = 0, step; done < size; done += step) {
    step = size - done < sizeof zeros ? size - done : sizeof zeros;
    sink_write(sink, zeros, (size_t)step);
  }
}

void sink_text(OutputSink *sink, const char *text) { sink_write(sink, text, strlen(text)); }

void sink_printf(OutputSink *sink, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = NULL;
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (length < 0) machine_failed("out of memory");
  sink_write(sink, text, (size_t)length);
  free(text);
}

void memory_sink_reserve(MemorySink *memory, size_t size) {
  if (size <= memory->capacity) return;
  memory->bytes = arena_grow(memory->arena, memory->bytes, memory->size, size, 1);
  memory->capacity = size;
}

static void memory_write(void *user, const void *bytes, size_t size) {
  MemorySink *memory = user;
  if (size > SIZE_MAX / 4 - memory->size) machine_failed("out of memory");
  if (memory->size + size > memory->capacity)
    memory_sink_reserve(memory, 2 * (memory->size + size));
  memcpy(memory->bytes + memory->size, bytes, size);
  memory->size += size;
}

void memory_sink_init(MemorySink *memory, Arena *arena) {
  *memory = (MemorySink){.sink = {.write = memory_write, .user = memory}, .arena = arena};
}

static void write_all(const OutputFile *file, const uint8_t *bytes, size_t size) {
  while (size) {
    ssize_t done = write(file->descriptor, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) machine_failed("%s: cannot be written: %s", file->path, strerror(errno));
    bytes += done;
    size -= (size_t)done;
  }
}

static void flush(OutputFile *file) {
  write_all(file, file->buffer, file->used);
  file->used = 0;
}

static void file_write(void *user, const void *bytes, size_t size) {
  OutputFile *file = user;
  if (size > BUFFER_BYTES - file->used) flush(file);
  if (size >= BUFFER_BYTES) {
    write_all(file, bytes, size);
    return;
  }
  memcpy(file->buffer + file->used, bytes, size);
  file->used += size;
}

// ".NAME.XXXXXX" in the target's directory: a rename works only within one file system.
static bool open_temporary(OutputFile *file, Arena *arena, Diag *diag) {
  const char *slash = strrchr(file->target, '/');
  const char *name = slash ? slash + 1 : file->target;
  char *path =
      arena_printf(arena, "%.*s.%.200s.XXXXXX", (int)(name - file->target), file->target, name);
  file->descriptor = mkostemp(path, O_CLOEXEC);
  if (file->descriptor < 0)
    return diag_error(diag, loc_file(file->path), "cannot be written: %s", strerror(errno));
  file->temporary = path;
  file->slot = remember_unfinished(path);
  return true;
}

static bool open_target(OutputFile *file, Arena *arena, Diag *diag) {
  struct stat status;
  if (!strcmp(file->path, "-")) {
    file->descriptor = STDOUT_FILENO;
    return true;
  }
  if (stat(file->path, &status) != 0) return open_temporary(file, arena, diag);
  if (S_ISDIR(status.st_mode))
    return diag_error(diag, loc_file(file->path), "cannot be written: it is a directory");
  if (!S_ISREG(status.st_mode)) {
    file->descriptor = open(file->path, O_WRONLY | O_CLOEXEC);
    if (file->descriptor >= 0) return true;
    return diag_error(diag, loc_file(file->path), "cannot be written: %s", strerror(errno));
  }
  if (access(file->path, W_OK) != 0)
    return diag_error(diag, loc_file(file->path), "cannot be written: %s", strerror(errno));
  char *real = realpath(file->path, NULL);
  if (real) file->target = arena_strdup(arena, real);
  free(real);
  return open_temporary(file, arena, diag);
}

OutputFile *output_open(Arena *arena, Diag *diag, const char *path) {
  OutputFile *file = NEW(arena, OutputFile);
  file->sink = (OutputSink){.write = file_write, .user = file};
  file->path = file->target = arena_strdup(arena, path);
  file->descriptor = file->slot = -1;
  return open_target(file, arena, diag) ? file : NULL;
}

OutputSink *output_sink(OutputFile *file) { return &file->sink; }

void output_abort(OutputFile *file) {
  if (file->descriptor > STDERR_FILENO) close(file->descriptor);
  file->descriptor = -1;
  if (file->temporary) unlink(file->temporary);
  file->temporary = NULL;
  forget_unfinished(file->slot);
  file->slot = -1;
}

// The permissions that creating the target would have given; mkostemp gives 0600.
static void set_permissions(const OutputFile *file) {
  struct stat status;
  mode_t mask = umask(0);
  umask(mask);
  mode_t mode = stat(file->target, &status) == 0 ? status.st_mode & 0777 : 0666 & ~mask;
  if (fchmod(file->descriptor, mode) != 0)
    machine_failed("%s: permissions cannot be set: %s", file->temporary, strerror(errno));
}

bool output_commit(OutputFile *file, Diag *diag) {
  flush(file);
  if (file->temporary) set_permissions(file);
  // Network file systems report a full disk no earlier than here.
  if (file->descriptor > STDERR_FILENO && close(file->descriptor) != 0)
    machine_failed("%s: cannot be written: %s", file->path, strerror(errno));
  file->descriptor = -1;
  bool renamed = !file->temporary || rename(file->temporary, file->target) == 0;
  if (!renamed) {
    diag_error(diag, loc_file(file->path), "cannot be written: %s", strerror(errno));
  } else {
    file->temporary = NULL;
  }
  output_abort(file);
  return renamed;
}

static bool open_regular(Diag *diag, const char *path, int *descriptor, struct stat *status) {
  *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*descriptor < 0 || fstat(*descriptor, status) != 0) {
    diag_error(diag, loc_file(path), "cannot be opened: %s", strerror(errno));
  } else if (S_ISDIR(status->st_mode)) {
    diag_error(diag, loc_file(path), "cannot be opened: it is a directory");
  } else if (!S_ISREG(status->st_mode)) {
    diag_error(diag, loc_file(path), "cannot be opened: it is not a regular file");
  } else {
    return true;
  }
  if (*descriptor >= 0) close(*descriptor);
  return false;
}

const uint8_t *file_map(Arena *arena, Diag *diag, const char *path, size_t *size) {
  int descriptor;
  struct stat status;
  *size = 0;
  if (!open_regular(diag, path, &descriptor, &status)) return NULL;
  *size = (size_t)status.st_size;
  if (!*size) {
    close(descriptor);
    return arena_alloc(arena, 0);
  }
  void *address = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int reason = errno;
  close(descriptor);
  if (address == MAP_FAILED) {
    diag_error(diag, loc_file(path), "cannot be mapped: %s", strerror(reason));
    return NULL;
  }
  arena_adopt_mapping(arena, address, *size);
  return address;
}

static bool has_bytes(Arena *arena, const char *path, const void *bytes, size_t size) {
  Diag quiet;
  size_t old_size;
  struct stat status;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || (uint64_t)status.st_size != size)
    return false;
  diag_init(&quiet, arena, NULL);
  const uint8_t *old = file_map(arena, &quiet, path, &old_size);
  return old && old_size == size && (!size || memcmp(old, bytes, size) == 0);
}

bool file_write_if_changed(Arena *arena, Diag *diag, const char *path, const void *bytes,
                           size_t size) {
  if (strcmp(path, "-") != 0 && has_bytes(arena, path, bytes, size)) return true;
  OutputFile *file = output_open(arena, diag, path);
  if (!file) return false;
  sink_write(&file->sink, bytes, size);
  return output_commit(file, diag);
}
