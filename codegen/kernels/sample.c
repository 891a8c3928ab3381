// Weighted sums of rows. Few taps are written out, many are loops.
#include "codegen/kernels/sample.h"

enum { WRITTEN_OUT = 16 };

typedef struct Tap {
  Val offset, weight, hole; // hole: is it one; NULL: never
} Tap;

LLVMTypeRef sample_type(Nest *nest, ElementType element) {
  return element_is_float(element) && element != F64 ? nest->f32 : nest->f64;
}

// --- elements

static Val load_values(const Sample *s, Val offset, int lanes) {
  Nest *nest = s->kernel->nest;
  Val value = kernel_load(s->kernel, s->x->element, s->x->pointer, offset, lanes);
  LLVMTypeRef type = sample_type(nest, s->x->element);
  if (nest_is_float(value)) return nest_float_width(nest, value, type);
  return nest_to_float(nest, value, type, element_is_signed(s->x->element));
}

void sample_store(const Sample *s, Val value, Val offset) {
  Nest *nest = s->kernel->nest;
  ElementType element = s->y->element;
  if (!element_is_float(element)) {
    LLVMTypeRef type = nest_element_type(nest, element);
    if (s->y->type->quant) value = nest_library(nest, "tenon_round_f64", &value, 1);
    if (element == BOOL)
      value = nest_extend(
          nest, nest_compare_float(nest, LLVMRealUNE, value, nest_zero(LLVMTypeOf(value))), type,
          false);
    else
      value = nest_to_int(nest, value, type, element_is_signed(element));
  }
  kernel_store(s->kernel, element, value, s->y->pointer, offset);
}

// --- taps

static Tap load_tap(const Sample *s, const TapAxis *axis, Val number) {
  Nest *nest = s->kernel->nest;
  Val index = nest_load(nest, nest->i32, nest_address(nest, axis->index, nest->i32, number), 4);
  bool wide = axis->weight_element == F64;
  Val weight = nest_load(nest, wide ? nest->f64 : nest->f32,
                         nest_address(nest, axis->weight, wide ? nest->f64 : nest->f32, number), 0);
  Tap tap = {.weight = nest_float_width(nest, weight, sample_type(nest, s->x->element))};
  if (s->has_holes) {
    Val zero = nest_int(nest->i32, 0);
    tap.hole = nest_compare(nest, LLVMIntSLT, index, zero);
    index = nest_select(nest, tap.hole, zero, index);
  }
  tap.offset = nest_mul(nest, nest_extend(nest, index, nest->index, true), axis->stride);
  return tap;
}

static Tap join_taps(Nest *nest, const Tap *a, const Tap *b) {
  Tap tap = {nest_add(nest, a->offset, b->offset), nest_mul(nest, a->weight, b->weight), b->hole};
  if (a->hole && b->hole) tap.hole = nest_or(nest, a->hole, b->hole);
  return tap;
}

static Val add_tap(const Sample *s, const Tap *tap, Val at, int lanes, Val sum) {
  Nest *nest = s->kernel->nest;
  Val value = load_values(s, nest_add(nest, tap->offset, at), lanes);
  if (tap->hole) value = nest_select(nest, tap->hole, nest_real(LLVMTypeOf(value), s->hole), value);
  Val weighted = nest_mul(nest, nest_splat(nest, tap->weight, lanes), value);
  return sum ? nest_add(nest, sum, weighted) : weighted;
}

// --- few taps

static int written_out(const Sample *s) {
  int count = 1;
  for (int i = 0; i < s->axis_count && count <= WRITTEN_OUT; i++) count *= s->axes[i].taps;
  return count;
}

static int list_taps(const Sample *s, Tap taps[WRITTEN_OUT]) {
  Nest *nest = s->kernel->nest;
  Tap first = {s->from, nest_real(sample_type(nest, s->x->element), 1), NULL};
  int count = 1;
  taps[0] = first;
  for (int axis = 0; axis < s->axis_count; axis++) {
    Tap known[WRITTEN_OUT];
    int before = count;
    for (int i = 0; i < before; i++) known[i] = taps[i];
    count = 0;
    for (int t = 0; t < s->axes[axis].taps; t++) {
      Tap tap = load_tap(s, &s->axes[axis], nest_const(nest, t));
      for (int i = 0; i < before; i++) taps[count++] = join_taps(nest, &known[i], &tap);
    }
  }
  return count;
}

// --- many taps: loops, the sum carried

static Val sum_loops(const Sample *s, int axis, const Tap *outer, Val at, int lanes, Val sum) {
  Nest *nest = s->kernel->nest;
  if (axis == s->axis_count) return add_tap(s, outer, at, lanes, sum);
  Loop loop = nest_loop_begin(nest, nest_const(nest, 0), nest_const(nest, s->axes[axis].taps),
                              nest_const(nest, 1));
  int carried = nest_carry(nest, &loop, sum);
  Tap tap = load_tap(s, &s->axes[axis], loop.index), both = join_taps(nest, outer, &tap);
  nest_carry_next(&loop, carried, sum_loops(s, axis + 1, &both, at, lanes, loop.carried[carried]));
  nest_loop_end(nest, &loop);
  return loop.carried[carried];
}

// --- rows

static void sum_piece(const Sample *s, const Tap *taps, int count, Val at, int lanes) {
  Nest *nest = s->kernel->nest;
  LLVMTypeRef type = sample_type(nest, s->x->element);
  Val sum = NULL;
  if (taps) {
    for (int i = 0; i < count; i++) sum = add_tap(s, &taps[i], at, lanes, sum);
  } else {
    Tap first = {s->from, nest_real(type, 1), NULL};
    sum = sum_loops(s, 0, &first, at, lanes, nest_zero(nest_vector(type, lanes)));
  }
  sample_store(s, sum, nest_add(nest, s->to, at));
}

void sample_row(const Sample *s) {
  Nest *nest = s->kernel->nest;
  int count = written_out(s),
      lanes =
          target_lanes(s->kernel->target, sample_type(nest, s->x->element) == nest->f64 ? 64 : 32);
  if (element_info[s->x->element].bits < 8) lanes = 1;
  Tap list[WRITTEN_OUT], *taps = count <= WRITTEN_OUT ? list : NULL;
  if (taps) count = list_taps(s, list);
  Val width = nest_const(nest, lanes),
      whole = nest_mul(nest, nest_udiv(nest, s->inner, width), width);
  int64_t known, done;
  FOR (nest, i, nest_const(nest, 0), whole, lanes) sum_piece(s, taps, count, i, lanes);
  if (lanes == 1) return;
  if (!nest_constant(s->inner, &known) || !nest_constant(whole, &done)) {
    FOR (nest, i, whole, s->inner, 1) sum_piece(s, taps, count, i, 1);
    return;
  }
  for (lanes /= 2; lanes >= 1; lanes /= 2)
    for (; done + lanes <= known; done += lanes)
      sum_piece(s, taps, count, nest_const(nest, done), lanes);
}
