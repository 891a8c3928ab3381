// External data: files beside the model that hold tensor bytes. The model's text chooses their
// names, so they are opened without ever leaving the model's folder.
#ifndef TENON_FRONTEND_EXTERNAL_H
#define TENON_FRONTEND_EXTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/arena.h"
#include "ir/diag.h"

typedef struct ExternalFile {
  const char *location; // relative to the model's folder, "/"-separated, without "." components
  const uint8_t *data;
  uint64_t size;
} ExternalFile;

// The external files of one model, each mapped once, until `arena` is destroyed.
typedef struct ExternalFiles {
  Arena *arena;
  Diag *diag;
  const char *model_path; // its folder is where locations start; also for messages
  ExternalFile *files;
  int count, capacity;
} ExternalFiles;

// `tensor` names the tensor in messages. Refused: absolute paths, `..`, symbolic links, files with
// several hard links, anything but regular files. NULL: reported.
const ExternalFile *external_open(ExternalFiles *files, const char *tensor, const char *location);

#endif
