// numpy's .npz files: a zip archive of .npy members.
#ifndef TENON_FRONTEND_NPZ_H
#define TENON_FRONTEND_NPZ_H

#include "ir/diag.h"
#include "ir/file.h"
#include "ir/tensor.h"

typedef struct NpzMember {
  const char *name; // of the array, without ".npy"
  uint16_t method;
  uint32_t crc;
  uint64_t packed, size, header; // bytes in the file, bytes of the .npy, offset of the local header
  bool read;
  Tensor tensor; // once it was read
} NpzMember;

typedef struct Npz {
  Arena *arena;
  const char *path;
  const uint8_t *bytes;
  size_t size;
  NpzMember *members;
  int count;
} Npz;

// Maps the file and reads its directory; arrays are read when they are asked for. NULL: reported.
Npz *npz_open(Arena *arena, Diag *diag, const char *path);
// The same of bytes in memory, which must outlive the result.
Npz *npz_from_bytes(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes, size_t size);
NpzMember *npz_find(const Npz *npz, const char *name); // NULL: no such array
// The array: stored members stay in the mapping, deflated ones are inflated into the arena. The
// checksum is tested. False: reported.
bool npz_array(Npz *npz, Diag *diag, NpzMember *member, Tensor *tensor);

// Writes tensors under their names; members are stored, not deflated.
bool npz_file_write(Arena *arena, Diag *diag, const char *path, const Tensor *tensors, int count);

#endif
