// Any bytes as a .npz archive, all of whose arrays are read, and as a .npy file.
#include <stddef.h>
#include <stdint.h>

#include "frontend/npy.h"
#include "frontend/npz.h"
#include "ir/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Every element is looked at, so that a wrong pointer shows.
static void touch(const Tensor *tensor) {
  volatile unsigned char sum = 0;
  for (size_t i = 0; i < tensor->bytes; i++) sum ^= ((const unsigned char *)tensor->data)[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Diag diag;
  Tensor tensor;
  diag_init(&diag, arena, NULL);
  Npz *npz = npz_from_bytes(arena, &diag, "fuzz.npz", data, size);
  for (int i = 0; npz && i < npz->count; i++)
    if (npz_array(npz, &diag, &npz->members[i], &tensor)) touch(&tensor);
  if (npy_decode(arena, &diag, "fuzz.npy", data, size, &tensor)) touch(&tensor);
  arena_destroy(arena);
  return 0;
}
