// rows * vectors accumulators, `vectors` columns of b and one broadcast of a must fit the
// registers. Measured: 6 x 4 on 32 registers; with 7 x 4 the accumulators spill and speed falls to
// two thirds.
#include "ir/product_tile.h"

ProductTile product_tile(const Target *target, ElementType element) {
  int bits = element == F64 ? 64 : 32, lanes = target_lanes(target, bits);
  if (lanes == 1) {
    bool fpu =
        target_has(target, TARGET_FPU) && (element != F64 || target_has(target, TARGET_DOUBLE));
    if (fpu) return (ProductTile){4, 4, 1}; // 16 sums of 32 scalar registers
    return (ProductTile){2, 2, 1};
  }
  if (target->vector_registers >= 32) return (ProductTile){6, 4, lanes};
  if (target->vector_registers >= 16) return (ProductTile){6, 2, lanes};
  return (ProductTile){3, 1, lanes};
}
