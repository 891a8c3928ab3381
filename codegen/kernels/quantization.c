// quantize, dequantize, requantize along an axis: the parameters are a packed table, loaded as
// vectors where the axis is the last one. Tensors with one scale are ordinary pointwise ops.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/pack.h"
#include "codegen/pointwise_quantized.h"
#include "ir/quant.h"

static const Quant *quant_of(const Node *node) {
  return node->op == OP_QUANTIZE ? node->results[0]->type.quant : node->operands[0]->type.quant;
}

// --- packing: scales (f32), zero points, multipliers, shifts (i32), `count` of each

static void write_tables(const PackedSegment *segment, unsigned char *out) {
  const Node *node = segment->node;
  const Quant *quant = quant_of(node);
  bool high_only = quantized_shifts_are_high(node);
  for (int i = 0; i < quant->count; i++) {
    memcpy(out + 4 * (size_t)i, &quant->scale[i], 4);
    pack_word(out, quant->count + i, quant->zero[i]);
    if (node->op != OP_REQUANTIZE) continue;
    Requantization by =
        requantization_of((double)quant->scale[i] / (double)node->results[0]->type.quant->scale[0]);
    pack_word(out, 2 * (int64_t)quant->count + i, by.multiplier);
    pack_word(out, 3 * (int64_t)quant->count + i, high_only ? by.shift - 33 : by.shift);
  }
}

bool pack_quantization(Pack *pack) {
  const Quant *quant = quant_of(pack->node);
  if (quant->count == 1) return true;
  size_t columns = pack->node->op == OP_REQUANTIZE ? 4 : 2;
  pack_add(pack, columns * (size_t)quant->count * 4, 4, NULL, write_tables, NULL);
  return true;
}

// --- code

static Val load_column(Kernel *kernel, int column, LLVMTypeRef type, Val index, int lanes) {
  Nest *nest = kernel->nest;
  Val at = nest_add(nest, index, nest_const(nest, (int64_t)column * quant_of(kernel->node)->count));
  return nest_load(nest, nest_vector(type, lanes), nest_address(nest, kernel->packed[0], type, at),
                   4);
}

static QuantLanes load_parameters(Kernel *kernel, Val index, int lanes) {
  Nest *nest = kernel->nest;
  QuantLanes by = {.scale = load_column(kernel, 0, nest->f32, index, lanes),
                   .zero = load_column(kernel, 1, nest->i32, index, lanes)};
  if (kernel->node->op != OP_REQUANTIZE) return by;
  by.multiplier = load_column(kernel, 2, nest->i32, index, lanes);
  by.shift = load_column(kernel, 3, nest->i32, index, lanes);
  return by;
}

static QuantLanes splat_parameters(Nest *nest, QuantLanes by, int lanes) {
  Val *values[] = {&by.scale, &by.zero, &by.multiplier, &by.shift};
  for (int i = 0; i < 4; i++)
    if (*values[i]) *values[i] = nest_splat(nest, *values[i], lanes);
  return by;
}

static void convert_at(Kernel *kernel, Val offset, int lanes, const QuantLanes *by) {
  const View *x = &kernel->operands[0], *y = &kernel->results[0];
  Val value = kernel_load(kernel, x->element, x->pointer, offset, lanes);
  kernel_store(kernel, y->element, quantized_convert(kernel, kernel->node, value, by), y->pointer,
               offset);
}

// `length` elements in a row, one scale each (along) or all with the scale at `index`.
static void convert_row(Kernel *kernel, Val base, Val index, Val length, int lanes, bool along) {
  Nest *nest = kernel->nest;
  QuantLanes one = {0};
  if (!along) one = load_parameters(kernel, index, 1);
  Val whole =
      nest_mul(nest, nest_udiv(nest, length, nest_const(nest, lanes)), nest_const(nest, lanes));
  for (int part = 0; part < (lanes > 1 ? 2 : 1); part++) {
    int step = part ? 1 : lanes;
    FOR (nest, i, part ? whole : nest_const(nest, 0), part ? length : whole, step) {
      QuantLanes by = along ? load_parameters(kernel, i, step) : splat_parameters(nest, one, step);
      convert_at(kernel, nest_add(nest, base, i), step, &by);
    }
  }
}

static bool lower_along_axis(Kernel *kernel) {
  Nest *nest = kernel->nest;
  const View *y = &kernel->results[0];
  int axis = quant_of(kernel->node)->axis;
  Val outer = nest_const(nest, 1), inner = nest_const(nest, 1);
  for (int i = 0; i < axis; i++) outer = nest_mul(nest, outer, y->dims[i]);
  for (int i = axis + 1; i < y->rank; i++) inner = nest_mul(nest, inner, y->dims[i]);
  bool last = axis == y->rank - 1;
  bool bytes =
      element_info[y->element].bits >= 8 && element_info[kernel->operands[0].element].bits >= 8;
  int lanes = bytes ? target_lanes(kernel->target, 32) : 1;
  FOR (nest, o, nest_const(nest, 0), outer, 1) {
    Val row = nest_mul(nest, o, nest_mul(nest, y->dims[axis], inner));
    if (last)
      convert_row(kernel, row, NULL, y->dims[axis], lanes, true);
    else
      FOR (nest, c, nest_const(nest, 0), y->dims[axis], 1)
        convert_row(kernel, nest_add(nest, row, nest_mul(nest, c, inner)), c, inner, lanes, false);
  }
  return true;
}

static bool lower_conversion(Kernel *kernel) {
  return quant_of(kernel->node)->count == 1 ? lower_cast(kernel) : lower_along_axis(kernel);
}

bool lower_quantize(Kernel *kernel) { return lower_conversion(kernel); }
bool lower_dequantize(Kernel *kernel) { return lower_conversion(kernel); }
bool lower_requantize(Kernel *kernel) { return lower_conversion(kernel); }
