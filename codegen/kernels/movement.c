// Elements as bits: loads, stores, runs, fills, indices.
#include "codegen/kernels/movement.h"

#include <string.h>

#include "ir/element.h"
#include "runtime/tenon.h"

enum { UNROLLED_VECTORS = 8 }; // runs of at most that many vectors are no loops

// Bits are moved, not values: packed types as the unsigned type of their width.
static ElementType packed_carrier(ElementType element) {
  return element_info[element].bits == 2 ? U2 : U4;
}
static bool is_packed(ElementType element) { return element_info[element].bits < 8; }

static LLVMTypeRef raw_type(Nest *nest, ElementType element) {
  int bits = element_info[element].bits;
  if (element == STR) return nest_element_type(nest, STR);
  return bits < 8 ? nest->i8 : LLVMIntTypeInContext(nest->context, (unsigned)bits);
}

static int raw_align(const Nest *nest, ElementType element) {
  if (element == STR) return nest->target->pointer_bits / 8;
  return element_info[element].bits > 64 ? 8 : 0;
}

int raw_lanes(const Kernel *kernel, ElementType element) {
  int bits = element_info[element].bits;
  return bits < 8 || bits > 64 ? 1 : target_lanes(kernel->target, bits);
}

Val raw_load(Kernel *kernel, ElementType element, Val pointer, Val offset, int lanes) {
  Nest *nest = kernel->nest;
  if (is_packed(element))
    return kernel_load(kernel, packed_carrier(element), pointer, offset, lanes);
  LLVMTypeRef type = raw_type(nest, element);
  return nest_load(nest, nest_vector(type, lanes), nest_address(nest, pointer, type, offset),
                   raw_align(nest, element));
}

void raw_store(Kernel *kernel, ElementType element, Val value, Val pointer, Val offset) {
  Nest *nest = kernel->nest;
  if (is_packed(element))
    kernel_store(kernel, packed_carrier(element), value, pointer, offset);
  else
    nest_store(nest, value, nest_address(nest, pointer, raw_type(nest, element), offset),
               raw_align(nest, element));
}

Val raw_constant(Kernel *kernel, ElementType element, double value) {
  unsigned char bytes[16] = {0};
  uint64_t bits = 0;
  if (element_info[element].class != CLASS_COMPLEX && element != STR)
    element_store(element, bytes, 0, value);
  memcpy(&bits, bytes, sizeof bits);
  return LLVMConstInt(raw_type(kernel->nest, element), bits, false);
}

Val raw_zero(Kernel *kernel, const Type *type) {
  return raw_constant(kernel, type->element, type->quant ? (double)type->quant->zero[0] : 0);
}

// --- runs

// Elements [done, done + lanes) of a run.
static void copy_piece(Kernel *kernel, ElementType element, Val to, Val to_offset, Val from,
                       Val from_offset, Val done, int lanes) {
  Nest *nest = kernel->nest;
  Val value = raw_load(kernel, element, from, nest_add(nest, from_offset, done), lanes);
  raw_store(kernel, element, value, to, nest_add(nest, to_offset, done));
}

static void fill_piece(Kernel *kernel, ElementType element, Val to, Val to_offset, Val value,
                       Val done, int lanes) {
  Nest *nest = kernel->nest;
  raw_store(kernel, element, nest_splat(nest, value, lanes), to, nest_add(nest, to_offset, done));
}

typedef struct Run {
  Kernel *kernel;
  ElementType element;
  Val to, to_offset, from, from_offset, value; // value: a fill
} Run;

static void run_piece(const Run *run, Val done, int lanes) {
  if (run->value)
    fill_piece(run->kernel, run->element, run->to, run->to_offset, run->value, done, lanes);
  else
    copy_piece(run->kernel, run->element, run->to, run->to_offset, run->from, run->from_offset,
               done, lanes);
}

// Vectors in a loop; a known rest in halves, quarters, .. of a vector, an unknown one by elements.
static void emit_run(const Run *run, Val count) {
  Nest *nest = run->kernel->nest;
  int lanes = raw_lanes(run->kernel, run->element);
  int64_t known, done = 0;
  if (!nest_constant(count, &known)) {
    Val whole =
        nest_mul(nest, nest_udiv(nest, count, nest_const(nest, lanes)), nest_const(nest, lanes));
    if (lanes > 1)
      FOR (nest, i, nest_const(nest, 0), whole, lanes) run_piece(run, i, lanes);
    FOR (nest, i, lanes > 1 ? whole : nest_const(nest, 0), count, 1) run_piece(run, i, 1);
    return;
  }
  if (known > UNROLLED_VECTORS * lanes) {
    done = known / lanes * lanes;
    FOR (nest, i, nest_const(nest, 0), nest_const(nest, done), lanes) run_piece(run, i, lanes);
  }
  for (; lanes >= 1; lanes /= 2)
    for (; done + lanes <= known; done += lanes) run_piece(run, nest_const(nest, done), lanes);
}

void move_run(Kernel *kernel, ElementType element, Val to, Val to_offset, Val from, Val from_offset,
              Val count) {
  emit_run(&(Run){kernel, element, to, to_offset, from, from_offset, NULL}, count);
}

void move_fill(Kernel *kernel, ElementType element, Val to, Val to_offset, Val value, Val count) {
  emit_run(&(Run){kernel, element, to, to_offset, NULL, NULL, value}, count);
}

// --- indices

void move_check(Kernel *kernel, Val wrong) {
  if (!kernel->trust_indices && node_int(kernel->node, ATTR_CHECKED))
    nest_fail_if(kernel->nest, wrong, TENON_E_INDEX);
}

Val move_index(Kernel *kernel, const View *indices, Val offset, Val size) {
  Nest *nest = kernel->nest;
  Val index = kernel_load(kernel, indices->element, indices->pointer, offset, 1);
  LLVMTypeRef type = LLVMTypeOf(index);
  if (type != nest->i64)
    index = nest_extend(nest, index, nest->index, element_is_signed(indices->element));
  Val limit = nest_extend(nest, size, LLVMTypeOf(index), false),
      zero = nest_int(LLVMTypeOf(index), 0);
  Val from_end = nest_add(nest, index, limit);
  index = nest_select(nest, nest_compare(nest, LLVMIntSLT, index, zero), from_end, index);
  move_check(kernel, nest_compare(nest, LLVMIntUGE, index, limit));
  return nest_extend(nest, index, nest->index, true);
}

// --- dims

DimTable *move_dims(const Kernel *kernel) { return kernel->node->graph->module->dims; }

void move_strides(const Kernel *kernel, const Type *type, const Dim *strides[MAX_RANK]) {
  const Dim *stride = dim_constant(move_dims(kernel), 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride = dim_mul(move_dims(kernel), stride, type->dims[i]);
  }
}

const Dim *move_product(const Kernel *kernel, const Type *type, int first, int end) {
  const Dim *product = dim_constant(move_dims(kernel), 1);
  for (int i = first; i < end; i++) product = dim_mul(move_dims(kernel), product, type->dims[i]);
  return product;
}

Val move_product_value(Nest *nest, const View *view, int first, int end) {
  Val product = nest_const(nest, 1);
  for (int i = first; i < end; i++) product = nest_mul(nest, product, view->dims[i]);
  return product;
}

int move_attribute_axis(const Kernel *kernel, int rank) {
  int64_t axis = node_int(kernel->node, ATTR_AXIS);
  return (int)(axis < 0 ? axis + rank : axis);
}
