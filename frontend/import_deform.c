// DeformConv: the input is sampled where the taps were moved to (grid_sample, zeros outside), and a
// convolution along the taps sums the samples.
#include "frontend/import.h"
#include "frontend/import_window.h"

typedef struct Deform {
  OnnxNode *node;
  Window window;
  int64_t group, offset_group, taps;
  Value *x, *w, *offset;
  const Dim *const *out; // spatial dims of the result
  const Dim *positions;  // their product
} Deform;

static bool deform_begin(OnnxNode *node, Deform *deform) {
  if (!onnx_need_inputs(node, 3)) return false;
  *deform = (Deform){.node = node,
                     .group = onnx_int(node, "group", 1),
                     .offset_group = onnx_int(node, "offset_group", 1),
                     .taps = 1,
                     .x = onnx_input(node, 0),
                     .w = onnx_input(node, 1),
                     .offset = onnx_input(node, 2),
                     .positions = import_dim(node->importer, 1)};
  int rank = deform->x->type.rank, spatial = rank - 2;
  if (!onnx_conv_window(node, &deform->window)) return false;
  if (deform->offset->type.rank != rank || spatial > 3)
    return onnx_error(node, "input of rank %d, offsets of rank %d", rank,
                      deform->offset->type.rank);
  int64_t channels, offsets;
  for (int i = 0; i < spatial && deform->taps <= 1 << 16; i++)
    deform->taps *= deform->window.kernel[i];
  if (!dim_is_constant(deform->x->type.dims[1], &channels) ||
      !dim_is_constant(deform->offset->type.dims[1], &offsets))
    return onnx_error(node, "the numbers of channels and offsets must be static");
  if (deform->group < 1 || deform->offset_group < 1 || channels % deform->group ||
      channels % deform->offset_group || deform->taps > 1 << 16 || deform->offset_group > 1 << 16 ||
      offsets != deform->offset_group * deform->taps * spatial)
    return onnx_error(node, "%lld channels in %lld groups, %lld offsets for %lld groups",
                      (long long)channels, (long long)deform->group, (long long)offsets,
                      (long long)deform->offset_group);
  deform->out = deform->offset->type.dims + 2;
  for (int i = 0; i < spatial; i++)
    deform->positions = dim_mul(node->importer->dims, deform->positions, deform->out[i]);
  return true;
}

// Where the taps of `axis` lie without offsets: [out, 1.., taps], f32.
static Value *plain_positions(const Deform *deform, int axis) {
  OnnxNode *node = deform->node;
  const Window *window = &deform->window;
  float *taps = NEW_ARRAY(node->importer->arena, float, deform->taps);
  int64_t inner = 1;
  for (int i = axis + 1; i < window->spatial; i++) inner *= window->kernel[i];
  for (int64_t i = 0; i < deform->taps; i++)
    taps[i] =
        (float)(i / inner % window->kernel[axis] * window->dilations[axis] - window->pads[axis]);
  Value *starts = onnx_convert(node, onnx_positions(node, deform->out[axis]), F32);
  starts = onnx_binary(node, OP_MUL, starts,
                       onnx_scalar_like(node, starts, (double)window->strides[axis]));
  return onnx_binary(node, OP_ADD, onnx_align(node, starts, axis, window->spatial + 1),
                     build_floats(&node->builder, taps, deform->taps));
}

// [n * groups, positions * taps, 1.., spatial]: coordinates as grid_sample wants them, x before y.
static Value *sampling_grid(const Deform *deform) {
  OnnxNode *node = deform->node;
  Importer *importer = node->importer;
  int spatial = deform->window.spatial;
  const Dim *dims[MAX_RANK] = {deform->offset->type.dims[0],
                               import_dim(importer, deform->offset_group),
                               import_dim(importer, deform->taps), import_dim(importer, spatial)};
  int64_t perm[MAX_RANK] = {3, 0, 1};
  for (int i = 0; i < spatial; i++) {
    dims[4 + i] = deform->out[i];
    perm[3 + i] = 4 + i;
  }
  perm[3 + spatial] = 2;
  Value *offsets = onnx_convert(node, deform->offset, F32);
  offsets = offsets ? build_reshape(&node->builder, offsets, 4 + spatial, dims) : NULL;
  offsets = offsets ? build_transpose(&node->builder, offsets, perm) : NULL;
  Value *axes[MAX_RANK];
  for (int i = 0; i < spatial; i++) {
    Value *moved = offsets ? build_slice_axis(&node->builder, offsets, 0, import_dim(importer, i),
                                              import_dim(importer, 1), 1)
                           : NULL;
    Value *at = onnx_binary(node, OP_ADD, moved, plain_positions(deform, i));
    Value *size = onnx_convert(node, onnx_dim_scalar(node, deform->x->type.dims[2 + i]), F32);
    Value *twice = onnx_binary(node, OP_ADD, onnx_binary(node, OP_ADD, at, at),
                               onnx_scalar_like(node, at, 1)); // align_corners = 0
    axes[spatial - 1 - i] = onnx_binary(node, OP_SUB, onnx_binary(node, OP_DIV, twice, size),
                                        onnx_scalar_like(node, at, 1));
    if (!axes[spatial - 1 - i]) return NULL;
  }
  Value *grid = build_concat(&node->builder, axes, spatial, 0);
  if (!grid) return NULL;
  for (int i = 0; i < 3 + spatial; i++) perm[i] = i + 1; // the coordinates go last
  perm[3 + spatial] = 0;
  grid = build_transpose(&node->builder, grid, perm);
  const Dim *flat[MAX_RANK] = {
      dim_mul_int(importer->dims, deform->x->type.dims[0], deform->offset_group),
      dim_mul_int(importer->dims, deform->positions, deform->taps)};
  for (int i = 1; i < spatial; i++) flat[1 + i] = import_dim(importer, 1);
  flat[1 + spatial] = import_dim(importer, spatial);
  return grid ? build_reshape(&node->builder, grid, spatial + 2, flat) : NULL;
}

// The input's channels in their groups, sampled: [n, positions, taps, c].
static Value *samples(const Deform *deform) {
  OnnxNode *node = deform->node;
  Importer *importer = node->importer;
  DimTable *table = importer->dims;
  const Type *x = &deform->x->type;
  const Dim *groups = import_dim(importer, deform->offset_group),
            *taps = import_dim(importer, deform->taps),
            *each = dim_floordiv(table, x->dims[1], groups);
  const Dim *dims[MAX_RANK] = {dim_mul(table, x->dims[0], groups), each};
  for (int i = 2; i < x->rank; i++) dims[i] = x->dims[i];
  Value *split = build_reshape(&node->builder, deform->x, x->rank, dims);
  Value *operands[2] = {onnx_channels_last(node, split), sampling_grid(deform)};
  if (!operands[0] || !operands[1]) return NULL;
  Value *sampled =
      build_end(&node->builder, build_begin(&node->builder, OP_GRID_SAMPLE, operands, 2));
  sampled = sampled
                ? build_reshape(&node->builder, sampled, 5,
                                (const Dim *[]){x->dims[0], groups, deform->positions, taps, each})
                : NULL;
  Value *mask = onnx_input(node, 4);
  if (mask) {
    mask = build_reshape(
        &node->builder, mask, 5,
        (const Dim *[]){x->dims[0], groups, taps, deform->positions, import_dim(importer, 1)});
    mask = mask ? build_transpose(&node->builder, mask, (int64_t[]){0, 1, 3, 2, 4}) : NULL;
    sampled = onnx_binary(node, OP_MUL, sampled, mask);
  }
  Value *moved =
      sampled ? build_transpose(&node->builder, sampled, (int64_t[]){0, 2, 3, 1, 4}) : NULL;
  return moved ? build_reshape(&node->builder, moved, 4,
                               (const Dim *[]){x->dims[0], deform->positions, taps, x->dims[1]})
               : NULL;
}

bool import_deform_conv(OnnxNode *node) {
  Deform deform;
  if (!deform_begin(node, &deform)) return false;
  Importer *importer = node->importer;
  const Type *w = &deform.w->type;
  int spatial = deform.window.spatial;
  Value *x = samples(&deform), *weights = onnx_channels_last(node, deform.w);
  const Dim *one = import_dim(importer, 1);
  weights = weights ? build_reshape(&node->builder, weights, 4,
                                    (const Dim *[]){w->dims[0], one,
                                                    import_dim(importer, deform.taps), w->dims[1]})
                    : NULL;
  if (!x || !weights) return false;
  Value *bias = onnx_input(node, 3);
  Node *conv = build_begin(&node->builder, OP_CONV, (Value *[]){x, weights, bias}, bias ? 3 : 2);
  node_set_int(conv, ATTR_GROUP, deform.group);
  Value *sums = build_end(&node->builder, conv);
  const Dim *dims[MAX_RANK] = {deform.x->type.dims[0]};
  for (int i = 0; i < spatial; i++) dims[1 + i] = deform.out[i];
  dims[1 + spatial] = w->dims[0];
  Value *y = sums ? build_reshape(&node->builder, sums, spatial + 2, dims) : NULL;
  return onnx_output(node, 0, onnx_channels_first(node, y));
}
