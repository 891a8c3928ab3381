// --weights=file:PATH: the weights in a file of their own, which the application maps.
//
// 64 bytes of head, then the weights as they would lie in the object. The head names them by a hash
// that _init knows, so that a file of another model is refused.
#include <string.h>

#include "codegen/internal.h"

static void hash_bytes(void *user, const void *bytes, size_t size) {
  uint64_t hash = *(uint64_t *)user;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
  *(uint64_t *)user = hash;
}

void weights_file_head(Weights *weights, uint32_t head[WEIGHTS_HEAD_BYTES / 4]) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325), bytes = (uint64_t)weights->bytes[HOME_WEIGHTS];
  OutputSink sink = {.write = hash_bytes, .user = &hash};
  weights_stream(weights, &sink);
  memset(head, 0, WEIGHTS_HEAD_BYTES);
  memcpy(head, "tenonwts", 8);
  memcpy(head + 2, &hash, 8);
  memcpy(head + 4, &bytes, 8);
}

bool compiled_write_weights(Compiled *compiled, const char *path, Diag *diag) {
  uint32_t head[WEIGHTS_HEAD_BYTES / 4];
  OutputFile *file = output_open(compiled->arena, diag, path);
  if (!file) return false;
  weights_file_head(&compiled->weights, head);
  sink_write(output_sink(file), head, sizeof head);
  weights_stream(&compiled->weights, output_sink(file));
  return output_commit(file, diag);
}
