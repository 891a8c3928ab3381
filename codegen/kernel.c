// Helpers that lowerings share: dims, element access, epilogues; and the table of kernels.
#include "codegen/kernel.h"

#include <assert.h>
#include <string.h>

#include "ir/builder.h"
#include "ir/tensor.h"

#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"

static const KernelRow rows[] = {
#define KERNEL(name, stem, packed, pack) {#name, #stem, packed, pack, lower_##name},
#include "codegen/kernels.def"
};

const KernelRow *kernel_find(const char *name) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

const KernelRow *kernel_of(const Node *node) {
  const char *name = node_string(node, ATTR_KERNEL_NAME);
  return kernel_find(*name ? name : op_info[node->op].stem);
}

PackedSegment *pack_add(Pack *pack, size_t bytes, int align, const char *key,
                        void (*write)(const PackedSegment *, unsigned char *), const void *user) {
  assert(pack->count < MAX_PACKED && "more segments than a kernel may have");
  PackedSegment *segment = &pack->segments[pack->count++];
  *segment = (PackedSegment){.bytes = bytes,
                             .align = align,
                             .symbol_bits = 8,
                             .parts = 1,
                             .key = key,
                             .write = write,
                             .node = pack->node,
                             .user = user};
  const Constant *weights =
      node_operand(pack->node, 1) ? value_constant(pack->node->operands[1]) : NULL;
  segment->entropy = weights && storage_find(&weights->storage, STAGE_HUFFMAN);
  return segment;
}

// --- dims

// What the basic block at hand has computed.
static KnownAtoms *known_atoms(Kernel *kernel) {
  LLVMBasicBlockRef block = LLVMGetInsertBlock(kernel->nest->builder);
  if (kernel->atoms_block != block) kernel->atoms.count = 0;
  kernel->atoms_block = block;
  return &kernel->atoms;
}

static Val compute_atom(Kernel *kernel, const Atom *atom) {
  Nest *nest = kernel->nest;
  Val left = kernel_dim(kernel, atom->left), right = kernel_dim(kernel, atom->right);
  if (atom->kind == ATOM_MIN) return nest_min(nest, left, right);
  if (atom->kind == ATOM_MAX) return nest_max(nest, left, right);
  if (dim_low(atom->left) >= 0) return nest_udiv(nest, left, right);
  // Toward minus infinity: subtract what is missing to a multiple first.
  Val zero = nest_const(nest, 0), remainder = LLVMBuildSRem(nest->builder, left, right, "");
  Val below = nest_compare(nest, LLVMIntSLT, remainder, zero);
  Val quotient = LLVMBuildSDiv(nest->builder, left, right, "");
  return nest_select(nest, below, nest_sub(nest, quotient, nest_const(nest, 1)), quotient);
}

static Val atom_value(Kernel *kernel, const Atom *atom) {
  if (atom->kind == ATOM_SYMBOL) {
    Val value = kernel->symbols[atom->index];
    assert(value && "the kernel does not have this symbol");
    return value;
  }
  Val value = known_atom(known_atoms(kernel), atom);
  if (value) return value;
  value = compute_atom(kernel, atom);
  return known_atom_add(known_atoms(kernel), kernel->arena, atom, value);
}

Val kernel_dim(Kernel *kernel, const Dim *dim) {
  Nest *nest = kernel->nest;
  int64_t constant;
  if (dim_is_constant(dim, &constant)) return nest_const(nest, constant);
  Val sum = NULL;
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    Val product = nest_const(nest, term->coefficient);
    for (int k = 0; k < term->atom_count; k++) {
      Val factor = atom_value(kernel, term->atoms[k]);
      product = k == 0 && term->coefficient == 1 ? factor : nest_mul(nest, product, factor);
    }
    sum = sum ? nest_add(nest, sum, product) : product;
  }
  return sum;
}

Val view_at(Nest *nest, const View *view, const Val *indices) {
  Val offset = nest_const(nest, 0);
  for (int i = 0; i < view->rank; i++) {
    int64_t zero;
    if (nest_constant(indices[i], &zero) && zero == 0) continue;
    offset = nest_add(nest, offset, nest_mul(nest, indices[i], view->strides[i]));
  }
  return offset;
}

Val view_address(Nest *nest, const View *view, const Val *indices) {
  return nest_address(nest, view->pointer, nest_element_type(nest, view->element),
                      view_at(nest, view, indices));
}

Val view_broadcast_stride(Nest *nest, const View *operand, const View *result, int axis) {
  int own = axis - (result->rank - operand->rank);
  if (own < 0 || dim_is(operand->type->dims[own], 1)) return nest_const(nest, 0);
  const Dim *dim = operand->type->dims[own];
  if (dim == result->type->dims[axis] || dim_is_constant(dim, NULL)) return operand->strides[own];
  Val is_one = nest_compare(nest, LLVMIntEQ, operand->dims[own], nest_const(nest, 1));
  return nest_select(nest, is_one, nest_const(nest, 0), operand->strides[own]);
}

void kernel_split(Kernel *kernel, const Dim *extent) {
  assert(!kernel->parallel && "a kernel splits once");
  kernel->parallel = extent;
  if (!kernel->begin) {
    kernel->begin = nest_const(kernel->nest, 0);
    kernel->end = kernel_dim(kernel, extent);
  }
}

// --- elements

LLVMTypeRef kernel_arithmetic_type(Nest *nest, ElementType element) {
  if (element_is_float(element)) return element == F64 ? nest->f64 : nest->f32;
  return nest_element_type(nest, element);
}

// tenon_f16_to_f32, tenon_f32_to_f16, ...: runtime/kernels, for every stored float format.
static Val widen_float(Nest *nest, ElementType element, Val value) {
  char name[64];
  snprintf(name, sizeof name, "tenon_%s_to_f32", element_info[element].text);
  return nest_library(nest, name, &value, 1);
}

static Val narrow_float(Kernel *kernel, ElementType element, Val value) {
  char name[64];
  bool unsaturated = kernel->unsaturated && element_info[element].bits == 8;
  snprintf(name, sizeof name, "tenon_f32_to_%s%s", element_info[element].text,
           unsaturated ? "_unsaturated" : "");
  return nest_library(kernel->nest, name, &value, 1);
}

static bool is_stored_float(ElementType element) {
  return element_is_float(element) && element != F32 && element != F64;
}

Val kernel_round_to(Kernel *kernel, ElementType element, Val value) {
  if (!is_stored_float(element)) return value;
  return widen_float(kernel->nest, element, narrow_float(kernel, element, value));
}

static Val load_sub_byte(Kernel *kernel, ElementType element, Val pointer, Val offset) {
  Nest *nest = kernel->nest;
  int bits = element_info[element].bits, per_byte = 8 / bits;
  Val byte = nest_load(
      nest, nest->i8,
      nest_address(nest, pointer, nest->i8, nest_udiv(nest, offset, nest_const(nest, per_byte))),
      1);
  Val place =
      nest_mul(nest, nest_urem(nest, offset, nest_const(nest, per_byte)), nest_const(nest, bits));
  Val up = nest_shl(
      nest, byte,
      nest_extend(nest, nest_sub(nest, nest_const(nest, 8 - bits), place), nest->i8, false));
  Val by = nest_int(nest->i8, 8 - bits);
  return element_is_signed(element) ? nest_ashr(nest, up, by) : nest_lshr(nest, up, by);
}

static Val load_one(Kernel *kernel, ElementType element, Val pointer, Val offset) {
  Nest *nest = kernel->nest;
  if (element_info[element].bits < 8) {
    Val raw = load_sub_byte(kernel, element, pointer, offset);
    return element == F4E2M1 ? widen_float(nest, element, raw) : raw;
  }
  LLVMTypeRef type = nest_element_type(nest, element);
  Val address = nest_address(nest, pointer, type, offset);
  if (element == STR) return address;
  Val raw = nest_load(nest, type, address, 0);
  return is_stored_float(element) ? widen_float(nest, element, raw) : raw;
}

Val kernel_load(Kernel *kernel, ElementType element, Val pointer, Val offset, int lanes) {
  Nest *nest = kernel->nest;
  if (lanes == 1) return load_one(kernel, element, pointer, offset);
  bool whole = element_info[element].bits >= 8;
  if (whole) {
    LLVMTypeRef type = nest_element_type(nest, element);
    Val raw =
        nest_load(nest, nest_vector(type, lanes), nest_address(nest, pointer, type, offset), 0);
    return is_stored_float(element) ? widen_float(nest, element, raw) : raw;
  }
  Val vector = nest_zero(nest_vector(kernel_arithmetic_type(nest, element), lanes));
  for (int i = 0; i < lanes; i++)
    vector = nest_set_lane(
        nest, vector,
        load_one(kernel, element, pointer, nest_add(nest, offset, nest_const(nest, i))), i);
  return vector;
}

static void store_sub_byte(Kernel *kernel, ElementType element, Val value, Val pointer,
                           Val offset) {
  Nest *nest = kernel->nest;
  int bits = element_info[element].bits, per_byte = 8 / bits;
  Val address =
      nest_address(nest, pointer, nest->i8, nest_udiv(nest, offset, nest_const(nest, per_byte)));
  Val place = nest_extend(
      nest,
      nest_mul(nest, nest_urem(nest, offset, nest_const(nest, per_byte)), nest_const(nest, bits)),
      nest->i8, false);
  Val mask = nest_shl(nest, nest_int(nest->i8, (1 << bits) - 1), place);
  Val kept = nest_and(nest, nest_load(nest, nest->i8, address, 1),
                      nest_xor(nest, mask, nest_int(nest->i8, -1)));
  nest_store(nest, nest_or(nest, kept, nest_and(nest, nest_shl(nest, value, place), mask)), address,
             1);
}

void kernel_store(Kernel *kernel, ElementType element, Val value, Val pointer, Val offset) {
  Nest *nest = kernel->nest;
  if (is_stored_float(element)) value = narrow_float(kernel, element, value);
  if (element_info[element].bits < 8) {
    for (int i = 0; i < nest_lanes(value); i++)
      store_sub_byte(kernel, element, nest_lane(nest, value, i), pointer,
                     nest_add(nest, offset, nest_const(nest, i)));
    return;
  }
  LLVMTypeRef type = nest_element_type(nest, element);
  Val address = nest_address(nest, pointer, type, offset);
  int align = element == STR ? nest->target->pointer_bits / 8 : 0;
  if (element == STR) value = nest_load(nest, type, value, align);
  nest_store(nest, value, address, align);
}

// Extra operands broadcast to the result; along the lanes they are a vector, or one value for all.
static Val load_extra(Kernel *kernel, int operand, int lanes, const Val *coordinates, Val count) {
  Nest *nest = kernel->nest;
  Val scalar = kernel_scalar(kernel, operand);
  if (scalar) return nest_splat(nest, scalar, lanes);
  const View *view = &kernel->operands[operand], *result = &kernel->results[0];
  int skip = result->rank - view->rank;
  Val offset = nest_const(nest, 0);
  for (int i = 0; i < view->rank; i++)
    if (!dim_is(view->type->dims[i], 1))
      offset = nest_add(nest, offset, nest_mul(nest, coordinates[i + skip], view->strides[i]));
  bool along = view->rank && !dim_is(view->type->dims[view->rank - 1], 1);
  if (!along)
    return nest_splat(nest, kernel_load(kernel, view->element, view->pointer, offset, 1), lanes);
  if (!count || lanes == 1) return kernel_load(kernel, view->element, view->pointer, offset, lanes);
  LLVMTypeRef type = nest_element_type(nest, view->element);
  if (view->element == F32 || view->element == F64 ||
      (!element_is_float(view->element) && element_info[view->element].bits >= 8))
    return nest_load_lanes(nest, nest_vector(type, lanes),
                           nest_address(nest, view->pointer, type, offset), count);
  int64_t known;
  bool constant = nest_constant(count, &known);
  Val vector = nest_zero(nest_vector(kernel_arithmetic_type(nest, view->element), lanes));
  for (int i = 0; i < lanes && (!constant || i < known);
       i++) { // lanes past the end read the last element
    Val lane = nest_const(nest, i);
    if (!constant) lane = nest_umin(nest, lane, nest_sub(nest, count, nest_const(nest, 1)));
    vector = nest_set_lane(
        nest, vector,
        kernel_load(kernel, view->element, view->pointer, nest_add(nest, offset, lane), 1), i);
  }
  return vector;
}

Val kernel_epilogue(Kernel *kernel, Val value, const Val *coordinates, Val count) {
  const Graph *region = node_epilogue(kernel->node);
  if (!region) return value;
  Val inputs[MAX_VIEWS], output;
  int own = node_own_operands(kernel->node), lanes = nest_lanes(value);
  inputs[0] = value;
  for (int i = 1; i < region->input_count; i++)
    inputs[i] = load_extra(kernel, own + i - 1, lanes, coordinates, count);
  pointwise_region(kernel, region, inputs, &output);
  return output;
}

Val kernel_scalar(Kernel *kernel, int operand) {
  const Value *value = node_operand(kernel->node, operand);
  Tensor tensor;
  if (!value || !value_tensor(value, &tensor) || tensor_count(&tensor) != 1) return NULL;
  LLVMTypeRef type = kernel_arithmetic_type(kernel->nest, tensor.element);
  if (element_is_float(tensor.element))
    return nest_real(type, element_load(tensor.element, tensor.data, 0));
  return nest_int(type, element_load_int(tensor.element, tensor.data, 0));
}
