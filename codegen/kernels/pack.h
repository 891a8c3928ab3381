// Pack functions named in kernels.def.
#ifndef TENON_CODEGEN_KERNELS_PACK_H
#define TENON_CODEGEN_KERNELS_PACK_H

#include <string.h>

#include "codegen/kernel.h"

bool pack_matmul_panels(Pack *pack);
bool pack_conv_panels(Pack *pack);
bool pack_depthwise(Pack *pack);
bool pack_recurrent(Pack *pack);
bool pack_tree_ensemble(Pack *pack);
bool pack_conv_int8(Pack *pack);
bool pack_matmul_int8(Pack *pack);
bool pack_resize(Pack *pack); // tables of taps, where dims are static
bool pack_depthwise_int8(Pack *pack);
bool pack_quantization(Pack *pack);
bool pack_matmul_sparse(Pack *pack); // streams of compressed weights, all four
bool pack_matmul_codebook(Pack *pack);
bool pack_conv_sparse(Pack *pack);
bool pack_conv_codebook(Pack *pack);
bool pack_matmul_planes(Pack *pack);
bool pack_conv_planes(Pack *pack);

// Entry `index` of a table of 32-bit numbers.
static inline void pack_word(unsigned char *table, int64_t index, int32_t value) {
  memcpy(table + 4 * index, &value, sizeof value);
}

#endif
