// Addresses of taps. The comparison that finds a tap outside treats negative indices as huge.
#include "codegen/kernels/pixels.h"

static bool spatial_dims_agree(const Type *extra, const Type *result) {
  int full = 0, single = 0;
  for (int axis = 1; axis < result->rank - 1; axis++) {
    int own = axis - (result->rank - extra->rank);
    if (own < 0 || dim_is(extra->dims[own], 1))
      single++;
    else if (extra->dims[own] == result->dims[axis])
      full++;
  }
  return full == result->rank - 2 || single == result->rank - 2;
}

bool pixels_are_linear(const Pixels *pixels, const Node *node) {
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    if (pixels->window.kernel[axis] != 1 || pixels->window.stride[axis] != 1 ||
        kernel_window_padded(&pixels->window, axis))
      return false;
  for (int i = node_own_operands(node); i < node->operand_count; i++)
    if (!spatial_dims_agree(&node->operands[i]->type, &node->results[0]->type)) return false;
  return true;
}

bool pixels_padded(const Pixels *pixels) {
  for (int axis = 0; axis < WINDOW_AXES; axis++)
    if (kernel_window_padded(&pixels->window, axis)) return true;
  return false;
}

Val pixels_line(Pixels *pixels, int64_t count, int32_t value) {
  Nest *nest = pixels->nest;
  LLVMTypeRef element = nest_element_type(nest, pixels->x->element),
              type = LLVMArrayType2(element, (uint64_t)count);
  Val line = LLVMConstNull(type);
  if (value) {
    Val *items = NEW_ARRAY(nest->arena, Val, count);
    for (int64_t i = 0; i < count; i++) items[i] = LLVMConstInt(element, (uint64_t)value, true);
    line = LLVMConstArray2(element, items, (uint64_t)count);
  }
  Val global = LLVMAddGlobal(nest->module, type, "outside");
  LLVMSetInitializer(global, line);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  int bytes = element_info[pixels->x->element].bits / 8;
  LLVMSetAlignment(global, bytes < 4 ? 4 : (unsigned)bytes);
  return global;
}

Pixel pixels_at(const Pixels *pixels, Val number) {
  Nest *nest = pixels->nest;
  if (pixels->linear) return (Pixel){{nest_const(nest, 0), nest_const(nest, 0), number}};
  Val width = pixels->window.output[2], height = pixels->window.output[1];
  Val line = nest_udiv(nest, number, width);
  if (pixels->window.rank < WINDOW_AXES)
    return (Pixel){{nest_const(nest, 0), line, nest_urem(nest, number, width)}};
  return (Pixel){{nest_udiv(nest, line, height), nest_urem(nest, line, height),
                  nest_urem(nest, number, width)}};
}

// One line on where the width is passed, one layer on where the height is.
Pixel pixels_next(const Pixels *pixels, Pixel pixel) {
  Nest *nest = pixels->nest;
  Val one = nest_const(nest, 1), zero = nest_const(nest, 0), *at = pixel.at;
  if (pixels->linear) {
    at[2] = nest_add(nest, at[2], one);
    return pixel;
  }
  Val column = nest_add(nest, at[2], one),
      wraps = nest_compare(nest, LLVMIntEQ, column, pixels->window.output[2]);
  at[2] = nest_select(nest, wraps, zero, column);
  Val line = nest_select(nest, wraps, nest_add(nest, at[1], one), at[1]);
  if (pixels->window.rank < WINDOW_AXES) {
    at[1] = line;
    return pixel;
  }
  Val layer = nest_compare(nest, LLVMIntEQ, line, pixels->window.output[1]);
  at[1] = nest_select(nest, layer, zero, line);
  at[0] = nest_select(nest, layer, nest_add(nest, at[0], one), at[0]);
  return pixel;
}

Val pixels_tap(const Pixels *pixels, const Pixel *pixel, const Val *tap) {
  Nest *nest = pixels->nest;
  Val offset = pixels->offset, outside = NULL;
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    Val index = kernel_window_input(nest, &pixels->window, axis, pixel->at[axis], tap[axis]);
    offset = nest_add(nest, offset, nest_mul(nest, index, pixels->window.input_stride[axis]));
    if (!kernel_window_padded(&pixels->window, axis)) continue;
    Val beyond = nest_compare(nest, LLVMIntUGE, index, pixels->window.input[axis]);
    outside = outside ? nest_or(nest, outside, beyond) : beyond;
  }
  // Not inbounds: the address of a tap outside is computed but never used.
  Val inside = LLVMBuildGEP2(nest->builder, nest_element_type(nest, pixels->x->element),
                             pixels->x->pointer, &offset, 1, "");
  return outside ? nest_select(nest, outside, pixels->zeros, inside) : inside;
}

Val pixels_tap_inside(const Pixels *pixels, const Pixel *pixel, const Val *tap) {
  Nest *nest = pixels->nest;
  Val offset = pixels->offset;
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    Val index = kernel_window_input(nest, &pixels->window, axis, pixel->at[axis], tap[axis]);
    offset = nest_add(nest, offset, nest_mul(nest, index, pixels->window.input_stride[axis]));
  }
  return nest_address(nest, pixels->x->pointer, nest_element_type(nest, pixels->x->element),
                      offset);
}

// The first tap's index must be in [0, room), room = input - distance of the last tap.
Val pixels_inside(const Pixels *pixels, const Pixel *pixel) {
  Nest *nest = pixels->nest;
  Val inside = NULL, zero = nest_const(nest, 0);
  for (int axis = 0; axis < WINDOW_AXES; axis++) {
    const KernelWindow *window = &pixels->window;
    if (!kernel_window_padded(window, axis)) continue;
    Val reach = nest_const(nest, (window->kernel[axis] - 1) * window->dilation[axis]);
    Val room = nest_max(nest, nest_sub(nest, window->input[axis], reach), zero);
    Val fits = nest_compare(nest, LLVMIntULT,
                            kernel_window_input(nest, window, axis, pixel->at[axis], zero), room);
    inside = inside ? nest_and(nest, inside, fits) : fits;
  }
  return inside;
}
