// The inputs of an ONNX file, without importing it: what a driver needs to know to read the files
// that the user gives for them.
#ifndef TENON_FRONTEND_INPUTS_H
#define TENON_FRONTEND_INPUTS_H

#include "frontend/value_file.h"

typedef struct FileInput {
  const char *name;
  ValueKind kind;
  ElementType element;    // tensors; ELEMENT_NONE: one that is not supported
  int rank;               // -1: the file does not say
  int64_t dims[MAX_RANK]; // -1: symbolic or unknown
} FileInput;

// In the order of the file; initializers are not inputs. False: reported.
bool frontend_inputs(Arena *arena, Diag *diag, const char *path, FileInput **inputs, int *count);
// The data files that the model's tensors name, without repetition, relative to the model's folder.
bool frontend_external_files(Arena *arena, Diag *diag, const char *path, const char ***locations,
                             int *count);

#endif
