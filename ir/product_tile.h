// Shape of the register tile of matrix products and convolutions: place packs weights by it, code
// generation computes by it.
#ifndef TENON_IR_PRODUCT_TILE_H
#define TENON_IR_PRODUCT_TILE_H

#include "ir/element.h"
#include "ir/target.h"

typedef struct ProductTile {
  int rows, vectors, lanes;
} ProductTile;

ProductTile product_tile(const Target *target, ElementType element);

#endif
