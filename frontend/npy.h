// numpy's .npy files: one array.
#ifndef TENON_FRONTEND_NPY_H
#define TENON_FRONTEND_NPY_H

#include "ir/diag.h"
#include "ir/file.h"
#include "ir/tensor.h"

// Reads the array in bytes[0 .. size), which must outlive the tensor: little-endian C-ordered data
// is used where it lies (read-only, maybe misaligned: element_load), anything else is converted
// into `arena`. Strings become STR. An 2-byte void type is bfloat16, as ml_dtypes saves it.
// `path` is for messages. False: reported.
bool npy_decode(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size,
                Tensor *tensor);
// The bytes that header and data take together, by the header alone: `size` bytes from the
// beginning hold it. False: reported.
bool npy_extent(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size,
                uint64_t *extent);
bool npy_file_read(Arena *arena, Diag *diag, const char *path, Tensor *tensor);

// The header of a tensor's .npy file; NULL (reported): numpy has no such element type.
const char *npy_header(Arena *arena, Diag *diag, const char *path, const Tensor *tensor,
                       size_t *size);
bool npy_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensor);
// The elements as the file has them, following the header: strings padded, anything else as it is.
const uint8_t *npy_payload(Arena *arena, const Tensor *tensor, size_t *size);

#endif
