// External data files, opened component by component so that no link leads out of the folder.
#include "frontend/external.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool location_error(const ExternalFiles *files, const char *tensor, const char *location,
                           const char *reason) {
  return diag_error(files->diag, loc_file(files->model_path),
                    "tensor '%s': external data file '%.200s' %s", tensor, location, reason);
}

// "./a//b" becomes "a/b"; NULL: reported.
static const char *normalise(const ExternalFiles *files, const char *tensor, const char *location) {
  char *text = arena_alloc(files->arena, strlen(location) + 1);
  size_t used = 0;
  if (*location == '/')
    return location_error(files, tensor, location,
                          "is an absolute path: it must lie in the model's folder"),
           NULL;
  for (const char *at = location; *at;) {
    size_t length = strcspn(at, "/");
    bool here = length == 0 || (length == 1 && *at == '.');
    if (length == 2 && !memcmp(at, "..", 2))
      return location_error(files, tensor, location, "leads out of the model's folder"), NULL;
    if (!here && used) text[used++] = '/';
    if (!here) memcpy(text + used, at, length);
    if (!here) used += length;
    at += length + (at[length] == '/');
  }
  if (!used) return location_error(files, tensor, location, "has no name"), NULL;
  return text;
}

static int open_folder(const ExternalFiles *files) {
  const char *slash = strrchr(files->model_path, '/');
  const char *folder = ".";
  if (slash == files->model_path)
    folder = "/";
  else if (slash)
    folder = arena_strndup(files->arena, files->model_path, (size_t)(slash - files->model_path));
  return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Explains a failed open of `name` in `folder`; errno is that of the open.
static bool open_error(const ExternalFiles *files, const char *tensor, const char *location,
                       int folder, const char *name) {
  const char *reason = strerror(errno);
  struct stat status;
  if (!fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) && S_ISLNK(status.st_mode))
    reason = "goes through a symbolic link, which could lead out of the model's folder";
  else
    reason = arena_printf(files->arena, "cannot be opened: %s", reason);
  return location_error(files, tensor, location, reason);
}

// A descriptor of the file at the normalised `location`; -1: reported.
static int open_inside(const ExternalFiles *files, const char *tensor, const char *location) {
  int folder = open_folder(files);
  if (folder < 0) {
    location_error(files, tensor, location, "cannot be opened: the model's folder is not readable");
    return -1;
  }
  for (const char *at = location;;) {
    size_t length = strcspn(at, "/");
    bool last = !at[length];
    const char *name = arena_strndup(files->arena, at, length);
    // O_NONBLOCK: a pipe must not stop us before it is refused.
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | (last ? O_NONBLOCK : O_DIRECTORY);
    int next = openat(folder, name, flags);
    if (next < 0) open_error(files, tensor, location, folder, name);
    close(folder);
    if (next < 0 || last) return next;
    folder = next;
    at += length + 1;
  }
}

// Maps the regular file behind `descriptor`. false: reported.
static bool map_descriptor(ExternalFiles *files, const char *tensor, int descriptor,
                           ExternalFile *file) {
  struct stat status;
  if (fstat(descriptor, &status) || !S_ISREG(status.st_mode))
    return location_error(files, tensor, file->location, "is not a regular file");
  if (status.st_nlink > 1)
    return location_error(files, tensor, file->location,
                          "has several hard links, so it may be a file from outside the model's "
                          "folder: make a copy of it");
  file->size = (uint64_t)status.st_size;
  file->data = (const uint8_t *)"";
  if (!file->size) return true;
  void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED)
    return location_error(files, tensor, file->location, "cannot be mapped into memory");
  arena_adopt_mapping(files->arena, data, (size_t)status.st_size);
  file->data = data;
  return true;
}

const ExternalFile *external_open(ExternalFiles *files, const char *tensor, const char *location) {
  const char *normal = normalise(files, tensor, location);
  if (!normal) return NULL;
  for (int i = 0; i < files->count; i++)
    if (!strcmp(files->files[i].location, normal)) return &files->files[i];
  ExternalFile file = {.location = normal};
  int descriptor = open_inside(files, tensor, normal);
  if (descriptor < 0) return NULL;
  bool ok = map_descriptor(files, tensor, descriptor, &file);
  close(descriptor);
  if (!ok) return NULL;
  ARENA_PUSH(files->arena, files->files, files->count, files->capacity, file);
  return &files->files[files->count - 1];
}
