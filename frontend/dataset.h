// Data sets: samples for the inputs of a model, with optional labels and expected outputs.
#ifndef TENON_FRONTEND_DATASET_H
#define TENON_FRONTEND_DATASET_H

#include "frontend/npz.h"
#include "frontend/value_file.h"

// What a model wants of an input.
typedef struct DatasetInput {
  const char *name;
  ValueKind kind;      // of lists: what lies in a folder's .pb; no dims
  int file;            // K of the folder's input_K.pb
  int map_part;        // VALUE_MAP: 0 for its keys, 1 for its values
  ElementType element; // ELEMENT_NONE: any
  int rank;
  int64_t dims[MAX_RANK]; // -1: open
  float scale;            // of a quantized input: floats become codes; 0: it is plain
  int32_t zero;
} DatasetInput;

// real = (x * scale - mean[c]) / std[c], when integers feed floats. Channels are axis 1 if that has
// as many, else the last axis. Counts of 0: not given; 1: for all channels.
typedef struct DatasetConversion {
  double scale;
  const double *mean, *std;
  int mean_count, std_count;
} DatasetConversion;

// Which array of an .npz feeds which input, where names differ: "INPUT=ARRAY", or "ARRAY" for the
// input of the same number. Arrays that are not named are not looked at then.
typedef struct DatasetArrays {
  const char *const *texts;
  int count;
} DatasetArrays;

typedef struct Dataset {
  Arena *arena;
  const char *path;     // for messages: the first one
  int64_t count;        // samples
  Npz *npz;             // an archive with [count, ..] arrays; else:
  const char **folders; // count folders with input_K.pb and output_K.pb
  int folder_capacity;
  DatasetConversion conversion;
  DatasetArrays arrays;
} Dataset;

// Paths: one .npz, or folders test_data_set_N, or folders that contain such. NULL: reported.
Dataset *dataset_open(Arena *arena, Diag *diag, const char *const *paths, int path_count,
                      DatasetConversion conversion, DatasetArrays arrays);
// Sample `index` for inputs in the model's order, in `arena` or in mapped memory. False: reported.
bool dataset_sample(Dataset *dataset, const DatasetInput *inputs, int input_count, int64_t index,
                    Tensor *tensors, Arena *arena, Diag *diag);
// The array of an .npz that has one entry for each sample; false: there is none (not reported), or
// it is damaged or of another length (reported: *refused).
bool dataset_array(Dataset *dataset, Diag *diag, const char *name, Tensor *array, bool *refused);
// The part of an array [N, ..] that belongs to sample `index`, without the first dim.
Tensor dataset_row(const Tensor *array, int64_t index);

// Several outputs of the same name as one array: [1, d..] and [d..] become [count, d..].
// NULL data (reported): their shapes differ.
Tensor dataset_stack(Arena *arena, Diag *diag, const char *name, const Tensor *samples,
                     int64_t count);

#endif
