// Moving elements as they lie in memory: runs, fills, and nests of strided copies.
#ifndef TENON_CODEGEN_KERNELS_MOVEMENT_H
#define TENON_CODEGEN_KERNELS_MOVEMENT_H

#include "codegen/kernel.h"

// --- elements as bits; offsets and counts in elements, packed ones too
int raw_lanes(const Kernel *kernel, ElementType element); // of the widest vector that moves them
Val raw_load(Kernel *kernel, ElementType element, Val pointer, Val offset, int lanes);
void raw_store(Kernel *kernel, ElementType element, Val value, Val pointer, Val offset);
// The bits of one element that means `value`: a code for quantized types, else a number (bool: 0,
// 1).
Val raw_constant(Kernel *kernel, ElementType element, double value);
// The padding of a type: 0, or the zero point of a quantized one.
Val raw_zero(Kernel *kernel, const Type *type);

// Copies or fills `count` neighbouring elements.
void move_run(Kernel *kernel, ElementType element, Val to, Val to_offset, Val from, Val from_offset,
              Val count);
void move_fill(Kernel *kernel, ElementType element, Val to, Val to_offset, Val value, Val count);
// An element of an index tensor, i32 or i64, and where it points in an axis of `size` elements:
// negative ones count from the end. Leaves the kernel where it is outside, if the node and the
// options want checks.
Val move_index(Kernel *kernel, const View *indices, Val offset, Val size);

// Transposes a square of `side` (a power of two, at most MAX_TRANSPOSED) vectors in registers.
enum { MAX_TRANSPOSED = 16 };
void transpose_registers(Nest *nest, Val *rows, int side);

// Leaves the kernel with TENON_E_INDEX where `wrong` holds, if the node and the options want
// checks.
void move_check(Kernel *kernel, Val wrong);

// --- nests: to[base + sum index * to] = from[base + sum index * from]

typedef struct MoveAxis {
  const Dim *size, *to, *from; // strides in elements
  Val from_value;              // a stride that is no dim expression; replaces `from`
} MoveAxis;

enum { MAX_MOVE_AXES = 2 * MAX_RANK };

typedef struct Move {
  Kernel *kernel;
  ElementType element;
  Val to, from, to_base, from_base; // bases NULL: 0
  MoveAxis axes[MAX_MOVE_AXES];     // outermost first
  int axis_count;
  bool split; // threads may share the outermost loop
} Move;

Move move_begin(Kernel *kernel, const View *to, const View *from);
void move_axis(Move *move, const Dim *size, const Dim *to, const Dim *from);
void move_emit(Move *move);

// Strides of a row-major tensor as dims.
void move_strides(const Kernel *kernel, const Type *type, const Dim *strides[MAX_RANK]);
DimTable *move_dims(const Kernel *kernel);
// Product of dims [first, end), as a dim and as a value.
const Dim *move_product(const Kernel *kernel, const Type *type, int first, int end);
Val move_product_value(Nest *nest, const View *view, int first, int end);
// Attribute AXIS in [0, rank).
int move_attribute_axis(const Kernel *kernel, int rank);

#endif
