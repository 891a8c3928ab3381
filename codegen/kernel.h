// Kernel: what a lowering gets. One kernel row per way to compute an op; the pass `place` picks the
// row by name (attribute kernel_name), code generation calls its pack and lower functions.
//
// Equal (row, types, attributes, storage) give one function in the object, called with the buffers
// of each node. Therefore `lower` must not look at names, offsets or the contents of constants
// (one-element constants of pointwise ops and epilogues excepted: their values belong to the key,
// see kernel_scalar), and whatever depends on contents is made by `pack`, once per node.
#ifndef TENON_CODEGEN_KERNEL_H
#define TENON_CODEGEN_KERNEL_H

#include "codegen/known_atoms.h"
#include "codegen/nest.h"
#include "ir/graph.h"

enum { MAX_VIEWS = 64, MAX_PACKED = 8 };

// A tensor in memory: pointer, and per axis the dim and the stride in elements.
typedef struct View {
  Val pointer; // NULL: absent operand, operand that exists only packed, or one-element constant of
               // a pointwise op or an epilogue (kernel_scalar gives its value)
  const Type *type;
  ElementType element;
  int rank;
  Val dims[MAX_RANK], strides[MAX_RANK]; // NULL: depends on a dim that the kernel is to find
} View;

typedef struct Kernel {
  Nest *nest;
  const Node *node;
  const Target *target;
  View operands[MAX_VIEWS];
  int operand_count;
  View results[MAX_VIEWS];
  int result_count;
  Val packed[MAX_PACKED]; // pointers to what the row's pack function made, in that order
  int packed_count;
  Val sizes;      // trait SIZED: where the kernel writes the dims that it has found, index words
  Val text, room; // trait MAKES_TEXT: where bytes of new strings go, and a word: how many may, at
                  // the end how many it takes
  const Dim *parallel; // set by kernel_split: number of independent units
  Val begin, end;      // the units of this call
  Arena *arena;        // scratch of this lowering
  Diag *diag;
  const Val *symbols; // values of the dims' symbols by index; NULL where the node does not use it
  KnownAtoms atoms;   // parts of dims that a block has computed,
  LLVMBasicBlockRef atoms_block; // this one
  bool in_place;                 // a result shares memory with an operand
  bool trust_indices;            // leave out index checks
  bool unsaturated; // 8-bit floats out of range become infinity or NaN (cast with saturate = 0)
} Kernel;

// --- helpers for lowerings (codegen/kernel.c)
Val kernel_dim(Kernel *kernel, const Dim *dim);                // the value of a dim expression
Val view_at(Nest *nest, const View *view, const Val *indices); // element offset
Val view_address(Nest *nest, const View *view, const Val *indices);
// Stride of an operand along an axis of the result to whose shape it broadcasts.
Val view_broadcast_stride(Nest *nest, const View *operand, const View *result, int axis);
// Loads/stores `lanes` consecutive elements in arithmetic form: f16/bf16 and smaller floats as f32,
// bool and sub-byte integers as i8, others as they lie in memory. `offset` counts elements.
LLVMTypeRef kernel_arithmetic_type(Nest *nest, ElementType element);
Val kernel_load(Kernel *kernel, ElementType element, Val pointer, Val offset, int lanes);
void kernel_store(Kernel *kernel, ElementType element, Val value, Val pointer, Val offset);
// A value in arithmetic form rounded to what the stored type can hold (f16, bf16, ...).
Val kernel_round_to(Kernel *kernel, ElementType element, Val value);
// The value of a one-element constant operand, as a scalar Val in arithmetic form; NULL: not such.
Val kernel_scalar(Kernel *kernel, int operand);
Val kernel_bytes(Kernel *kernel, const View *view); // packed bytes of the whole tensor
// Declares that units [0, extent) of the outermost loop are independent; the lowering then runs
// kernel->begin .. kernel->end only. At most once, first thing.
void kernel_split(Kernel *kernel, const Dim *extent);
// The node's epilogue region on `value` (lanes along the last axis of the result at `coordinates`);
// `value` itself if there is no region. Extra operands are loaded where they are used. With
// `count` != NULL only the first *count lanes exist in memory.
Val kernel_epilogue(Kernel *kernel, Val value, const Val *coordinates, Val count);

// --- pointwise bodies (codegen/pointwise.c)
// One pointwise op on values in arithmetic form (equal lanes).
Val pointwise_emit(Kernel *kernel, const Node *node, Val *operands);
// A region of pointwise ops: outputs from inputs. Constants inside have one element.
void pointwise_region(Kernel *kernel, const Graph *region, Val *inputs, Val *outputs);

// --- what pack functions write
// A run of bytes that one kernel reads, made from constants at compile time. The writer is called
// when the object is written (perhaps twice, for coded data), so big weights are never held.
typedef struct PackedSegment {
  size_t bytes;
  int align;
  int symbol_bits;      // width of the symbols that an entropy coder should see (8: bytes)
  int64_t symbol_count; // 0: as many as there are bits for
  bool entropy; // the constant's storage asks for Huffman coding (pack_add sets it from operand 1)
  const char *key; // equal keys: equal bytes, shared; NULL: not shared
  // Writes part `part` of `parts` equal ones: bytes / parts bytes at `out`, zeroed before.
  void (*write)(const struct PackedSegment *segment, unsigned char *out);
  int64_t parts, part; // so that big segments need little memory; pack_add sets parts = 1
  const Node *node;    // for the writer
  const void *user;    // for the writer
} PackedSegment;

typedef struct Pack {
  const Node *node;
  const Target *target;
  Arena *arena; // lives as long as the code generator
  Diag *diag;
  PackedSegment segments[MAX_PACKED];
  int count;
} Pack;
// Adds a segment with symbol_bits 8 and returns it for further settings.
PackedSegment *pack_add(Pack *pack, size_t bytes, int align, const char *key,
                        void (*write)(const PackedSegment *, unsigned char *), const void *user);

// In packed_operands: the scales of quantized operands and results lie in what pack made, so that
// nodes that differ in nothing else share a function.
enum { SCALES_PACKED = 1 << 30 };

typedef struct KernelRow {
  const char *name;
  const char *stem;         // of the ops it serves
  unsigned packed_operands; // bit i: operand i exists only packed (no dense bytes in the object)
  bool (*pack)(Pack *pack); // NULL: constant operands are passed as they are, dense
  bool (*lower)(Kernel *kernel); // false: reported
} KernelRow;

const KernelRow *kernel_find(const char *name); // NULL: no such row
// The row for a node: its kernel_name attribute, else the default row of its op (named like the
// stem).
const KernelRow *kernel_of(const Node *node);

#endif
