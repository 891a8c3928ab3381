// Convolutions of any element type, weights in memory as [m, taps, c]: loops with a sum along the
// channels. Serves weights that are computed at run time, integers, and the transposed convolution.
#include "codegen/kernels/lower.h"
#include "codegen/kernels/window.h"

typedef struct AnyConv {
  Kernel *kernel;
  Nest *nest;
  const View *x, *w, *bias, *y;
  KernelWindow window;
  int64_t group;
  Val group_in, group_out; // channels of a group: weights that are computed may have open ones
  LLVMTypeRef sum;         // type of the accumulator
  bool is_float, transposed;
  int lanes;
  Val coordinates[MAX_RANK];
} AnyConv;

static Val load_term(AnyConv *c, const View *view, Val offset, int lanes) {
  Val value = kernel_load(c->kernel, view->element, view->pointer, offset, lanes);
  if (c->is_float) return nest_float_width(c->nest, value, c->sum);
  value = nest_extend(c->nest, value, c->sum, element_is_signed(view->element));
  if (!view->type->quant || view->type->quant->count != 1) return value;
  return nest_sub(c->nest, value, nest_int(LLVMTypeOf(value), view->type->quant->zero[0]));
}

// sum over count channels of x[x_at + i] * w[w_at + i * w_step].
static Val dot(AnyConv *c, Val x_at, Val w_at, Val w_step, Val start, Val count) {
  Nest *nest = c->nest;
  int64_t step;
  int lanes = nest_constant(w_step, &step) && step == 1 ? c->lanes : 1;
  Val whole = nest_const(nest, 0);
  if (lanes > 1) {
    whole =
        nest_mul(nest, nest_udiv(nest, count, nest_const(nest, lanes)), nest_const(nest, lanes));
    Loop loop = nest_loop_begin(nest, nest_const(nest, 0), whole, nest_const(nest, lanes));
    int s = nest_carry(nest, &loop, nest_zero(nest_vector(c->sum, lanes)));
    Val a = load_term(c, c->x, nest_add(nest, x_at, loop.index), lanes),
        b = load_term(c, c->w, nest_add(nest, w_at, loop.index), lanes);
    nest_carry_next(&loop, s, nest_fma(nest, a, b, loop.carried[s]));
    nest_loop_end(nest, &loop);
    start = nest_add(nest, start, nest_reduce_lanes(nest, loop.carried[s], nest_add));
  }
  Loop rest = nest_loop_begin(nest, whole, count, nest_const(nest, 1));
  int s = nest_carry(nest, &rest, start);
  Val a = load_term(c, c->x, nest_add(nest, x_at, rest.index), 1);
  Val b = load_term(c, c->w, nest_add(nest, w_at, nest_mul(nest, rest.index, w_step)), 1);
  nest_carry_next(&rest, s, nest_fma(nest, a, b, rest.carried[s]));
  nest_loop_end(nest, &rest);
  return rest.carried[s];
}

static Val weight_offset(AnyConv *c, Val channel, const Val *taps) {
  Nest *nest = c->nest;
  int skip = WINDOW_AXES - c->window.rank;
  Val offset = nest_mul(nest, channel, c->w->strides[c->transposed ? c->w->rank - 1 : 0]);
  for (int axis = skip; axis < WINDOW_AXES; axis++)
    offset = nest_add(nest, offset, nest_mul(nest, taps[axis], c->w->strides[1 + axis - skip]));
  return offset;
}

static Val sum_taps(AnyConv *c, Val sum, Val x_at, Val channel, Val group, Val *taps, int axis);

// Transposed: the output position is stride * i + tap * dilation - pad for some input index i.
static Val sum_transposed_tap(AnyConv *c, Val sum, Val x_at, Val channel, Val group, Val *taps,
                              int axis) {
  Nest *nest = c->nest;
  Val at = c->coordinates[1 + axis - (WINDOW_AXES - c->window.rank)],
      stride = nest_const(nest, c->window.stride[axis]);
  Val shifted = nest_sub(nest, nest_add(nest, at, nest_const(nest, c->window.pad_begin[axis])),
                         nest_mul(nest, taps[axis], nest_const(nest, c->window.dilation[axis])));
  Val index = nest_udiv(nest, shifted, stride);
  Val ok = nest_and(nest, nest_compare(nest, LLVMIntSGE, shifted, nest_const(nest, 0)),
                    nest_compare(nest, LLVMIntULT, index, c->window.input[axis]));
  ok = nest_and(nest, ok, nest_compare(nest, LLVMIntEQ, nest_mul(nest, index, stride), shifted));
  Val cell = nest_local(nest, c->sum, 1, 0);
  nest_store(nest, sum, cell, 0);
  Branch branch = nest_if(nest, ok);
  Val next = nest_add(nest, x_at, nest_mul(nest, index, c->window.input_stride[axis]));
  nest_store(nest, sum_taps(c, sum, next, channel, group, taps, axis + 1), cell, 0);
  nest_end_if(nest, &branch);
  return nest_load(nest, c->sum, cell, 0);
}

static Val sum_taps(AnyConv *c, Val sum, Val x_at, Val channel, Val group, Val *taps, int axis) {
  Nest *nest = c->nest;
  int skip = WINDOW_AXES - c->window.rank;
  if (axis < skip) {
    taps[axis] = nest_const(nest, 0);
    return sum_taps(c, sum, x_at, channel, group, taps, axis + 1);
  }
  if (axis == WINDOW_AXES) {
    Val first = nest_mul(nest, group, c->group_in);
    Val w_at = weight_offset(c, channel, taps), w_step = nest_const(nest, 1);
    if (c->transposed) {
      w_step = c->w->strides[0];
      w_at = nest_add(nest, w_at, nest_mul(nest, first, w_step));
    }
    return dot(c, nest_add(nest, x_at, first), w_at, w_step, sum, c->group_in);
  }
  Val low = nest_const(nest, 0), high = nest_const(nest, c->window.kernel[axis]),
      at = c->coordinates[1 + axis - skip];
  if (!c->transposed) kernel_window_taps(nest, &c->window, axis, at, &low, &high);
  Loop loop = nest_loop_begin(nest, low, high, nest_const(nest, 1));
  int s = nest_carry(nest, &loop, sum);
  taps[axis] = loop.index;
  Val next;
  if (c->transposed)
    next = sum_transposed_tap(c, loop.carried[s], x_at, channel, group, taps, axis);
  else {
    Val index = kernel_window_input(nest, &c->window, axis, at, loop.index);
    next = sum_taps(c, loop.carried[s],
                    nest_add(nest, x_at, nest_mul(nest, index, c->window.input_stride[axis])),
                    channel, group, taps, axis + 1);
  }
  nest_carry_next(&loop, s, next);
  nest_loop_end(nest, &loop);
  return loop.carried[s];
}

static void emit_output(AnyConv *c) {
  Nest *nest = c->nest;
  int last = c->y->rank - 1;
  Val channel = c->coordinates[last], each = c->group_out, taps[WINDOW_AXES];
  Val group = nest_udiv(nest, channel, each), sum = nest_zero(c->sum);
  if (c->bias) sum = load_term(c, c->bias, channel, 1);
  Val inside = c->transposed ? nest_urem(nest, channel, each) : channel;
  Val x_at = nest_mul(nest, c->coordinates[0], c->x->strides[0]);
  Val value = sum_taps(c, sum, x_at, inside, group, taps, 0);
  value = kernel_epilogue(c->kernel, value, c->coordinates, NULL);
  kernel_store(c->kernel, c->y->element, value, c->y->pointer, view_at(nest, c->y, c->coordinates));
}

static void emit_axes(AnyConv *c, int axis) {
  if (axis == c->y->rank) {
    emit_output(c);
    return;
  }
  bool split = axis == 1;
  if (split) kernel_split(c->kernel, c->y->type->dims[1]);
  Val low = split ? c->kernel->begin : nest_const(c->nest, 0),
      high = split ? c->kernel->end : c->y->dims[axis];
  FOR (c->nest, i, low, high, 1) {
    c->coordinates[axis] = i;
    emit_axes(c, axis + 1);
  }
}

static bool lower_any(Kernel *kernel, bool transposed) {
  Nest *nest = kernel->nest;
  AnyConv c = {.kernel = kernel,
               .nest = nest,
               .x = &kernel->operands[0],
               .w = &kernel->operands[1],
               .y = &kernel->results[0],
               .transposed = transposed};
  if (node_own_type(kernel->node)->quant)
    return diag_error(kernel->diag, kernel->node->loc,
                      "internal error: a quantized convolution has no kernel here");
  if (node_own_operands(kernel->node) > 2 && node_operand(kernel->node, 2))
    c.bias = &kernel->operands[2];
  int64_t sizes[MAX_RANK];
  for (int i = 0; i < c.x->rank - 2; i++) sizes[i] = type_dim(c.w->type, 1 + i);
  c.window = kernel_window(kernel, c.x, c.y, sizes);
  c.group = node_int(kernel->node, ATTR_GROUP);
  int last = c.w->rank - 1;
  Val whole = c.w->dims[0], one = c.w->dims[last],
      share = nest_udiv(nest, whole, nest_const(nest, c.group));
  c.group_in = transposed ? share : one;
  c.group_out = transposed ? one : share;
  c.is_float = element_is_float(node_own_type(kernel->node)->element);
  c.sum = c.is_float ? (node_own_type(kernel->node)->element == F64 ? nest->f64 : nest->f32)
                     : nest_element_type(nest, node_own_type(kernel->node)->element);
  c.lanes = target_lanes(kernel->target,
                         c.is_float && node_own_type(kernel->node)->element == F64 ? 64 : 32);
  emit_axes(&c, 0);
  return true;
}

bool lower_conv(Kernel *kernel) { return lower_any(kernel, false); }
bool lower_conv_transpose(Kernel *kernel) { return lower_any(kernel, true); }
