// Values for a model's inputs and outputs: from files, from random numbers, to files, compared.
#ifndef TENON_TOOLS_VALUES_H
#define TENON_TOOLS_VALUES_H

#include "tools/model.h"

// --- lists.c: sequences and optionals of files. False: reported.
ValueKind kind_of_type(const Type *type);
// A tensor whose columns have keys is a sequence of maps in files.
bool tensor_of_maps(Tool *tool, const char *path, const FileValue *value, const PortInfo *port,
                    Tensor *tensor);
FileValue maps_of_tensor(Arena *arena, const Tensor *tensor, const Tensor *keys);
const char *tensor_shape_text(Arena *arena,
                              const Tensor *tensor); // "f32[2,3]", "sequence(f32[1], f32[2])"

// Reads a value: .npy (tensors only), else .pb; `kind` as the model says. False: reported.
bool tensor_read(Tool *tool, const char *path, ValueKind kind, Tensor *tensor);

// Reads what the arguments from number `first` on give for the inputs: FILE in model order,
// NAME=FILE, one .npz with arrays by name, or a folder with input_K.pb. given[i].data stays NULL
// where there is nothing. False: reported.
bool inputs_read(Tool *tool, const ModelFile *file, int first, Tensor *given);

// Seeded numbers: floats normally distributed, integers 0 or 1 (they may be indices), 8-bit
// integers over their whole range. The dims are port->sample.
Tensor random_input(Arena *arena, const PortInfo *port, uint64_t seed);

// Inputs in the order of the runnable from those of the file (matched by name); what is missing is
// random if nothing at all was given, else an error.
bool inputs_complete(Tool *tool, const ModelFile *file, const Tensor *given,
                     const Runnable *runnable, Tensor *inputs);

// Opens the model that argument `model` names and reads its inputs from the arguments from number
// `first` on, which also give open dims their values. STATUS_DONE, or the reason was reported.
Status runnable_with_inputs(Tool *tool, int model, int first, Runnable **runnable, Tensor **inputs);

// Writes the outputs: to a folder as output_K.pb, to an .npz by name, or one to a .pb or .npy.
bool outputs_write(Tool *tool, const Runnable *runnable, const Tensor *outputs, const char *path);

// --expect: reads what is expected and compares. *status becomes STATUS_MISSED beyond tolerance.
bool outputs_compare(Tool *tool, const Runnable *runnable, const Tensor *outputs, Status *status);

// Within --rtol and --atol? Prints one line with the worst errors.
bool tensor_is_close(Tool *tool, const char *name, const Tensor *found, const Tensor *wanted);

#endif
