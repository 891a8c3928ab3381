// sink_transposes - moves transposes toward the outputs until they meet their inverse.
// With P the axes' permutation of a transpose T:
//   f(T(x), T(y), ..) = T(f(x, y, ..))        f pointwise; constants and what broadcasts are turned
//   back concat[a](T(x), T(y), ..) = T(concat[P(a)](x, y, ..)), the same for softmax, cumulative
//   sums, gather reduce[axes](T(x)) = T'(reduce[P(axes)](x)); T' the part of T that is left pad,
//   slice, expand, tile: the lists in x's order; norms over axes that T leaves in place
//   reshape(T(x)) = T'(reshape(x)) where each axis of T(x) is split, kept or dropped (size 1)
//   matmul(reshape(T(x)), w) = matmul(reshape(x), w') where the reshape flattens all but the batch,
//   w constant
// A model from a channels-first framework, for which the importer puts a pair of transposes around
// each convolution, keeps only those at its inputs and outputs. A transpose moves only if all its
// readers let it through (or are transposes): otherwise it would be computed twice. Needs:
// canonicalise and dead_code before, in turn. Leaves: dead nodes. Reductions may sum in another
// order.
#include "passes/rewrite.h"

typedef struct Moved {
  const Node *transpose;
  const int64_t *perm;
  int rank;
  int64_t inverse[MAX_RANK];
} Moved;

enum Kind { STOPS, SAME_SHAPE, ALONG_AXIS, REDUCES, LISTS, CONCATENATES, NORMALISES, RESHAPES };

static enum Kind kind_of(const Node *node) {
  if (node->result_count != 1 || node->region_count) return STOPS;
  if (node_has_trait(node, POINTWISE)) return SAME_SHAPE;
  switch ((int)node->op) {
  case OP_SOFTMAX:
  case OP_LOG_SOFTMAX:
  case OP_HARDMAX:
  case OP_CUM_SUM:
  case OP_CUM_PROD:
  case OP_GATHER: return ALONG_AXIS;
  case OP_REDUCE_SUM:
  case OP_REDUCE_MEAN:
  case OP_REDUCE_MAX:
  case OP_REDUCE_MIN:
  case OP_REDUCE_PROD:
  case OP_REDUCE_L1:
  case OP_REDUCE_SQUARES:
  case OP_REDUCE_LOG_SUM_EXP:
  case OP_ARG_MAX:
  case OP_ARG_MIN: return REDUCES;
  case OP_PAD:
  case OP_SLICE:
  case OP_EXPAND:
  case OP_TILE: return LISTS;
  case OP_CONCAT: return CONCATENATES;
  case OP_LAYER_NORM:
  case OP_RMS_NORM: return NORMALISES;
  case OP_RESHAPE: return RESHAPES;
  default: return STOPS;
  }
}

static bool lets_through(const Node *user) {
  return user->op == OP_TRANSPOSE || kind_of(user) != STOPS;
}

// Scales along an axis would have to move too.
static bool is_quantized_by_axis(const Type *type) { return type->quant && type->quant->axis >= 0; }

static bool match_moved(const Value *value, Moved *moved) {
  const Node *transpose = value ? defined_by(value, OP_TRANSPOSE) : NULL;
  if (!transpose || value->output_uses || is_quantized_by_axis(&value->type)) return false;
  for (int i = 0; i < value->use_count; i++)
    if (!lets_through(value->uses[i].user)) return false;
  *moved =
      (Moved){.transpose = transpose, .perm = transpose_perm(transpose), .rank = value->type.rank};
  invert_perm(moved->perm, moved->rank, moved->inverse);
  return true;
}

static Value *source_of(const Moved *moved) { return moved->transpose->operands[0]; }

static Value *finish(Builder *builder, const Node *node, Value *moved_result, const int64_t *perm) {
  Value *result = moved_result ? build_transpose(builder, moved_result, perm) : NULL;
  return result && type_equal(&result->type, &node->results[0]->type) ? result : NULL;
}

// --- operands of pointwise ops and concat

static bool same_perm(const Node *transpose, const Moved *moved) {
  if (!transpose || transpose->results[0]->type.rank != moved->rank) return false;
  for (int i = 0; i < moved->rank; i++)
    if (transpose_perm(transpose)[i] != moved->perm[i]) return false;
  return true;
}

// Turning the value back costs nothing at run time: a constant, or only axes of size 1 change
// places.
static bool turns_back_for_free(const Value *value, const Moved *moved) {
  if (is_quantized_by_axis(&value->type) || value->type.kind != TYPE_TENSOR ||
      value->type.rank > moved->rank)
    return false;
  if (value_is_constant(value)) return true;
  int shift = moved->rank - value->type.rank;
  int64_t last = -1;
  for (int i = 0; i < moved->rank; i++) {
    int64_t axis = moved->inverse[i] - shift;
    if (axis < 0 || dim_is_one(value->type.dims[axis])) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

static Value *turn_back(Builder *builder, Value *value, const Moved *moved) {
  Node *transpose = defined_by(value, OP_TRANSPOSE);
  if (same_perm(transpose, moved)) return transpose->operands[0];
  if (type_last_not_one(&value->type) < 0 && value->type.rank == 0) return value;
  int shift = moved->rank - value->type.rank;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < moved->rank; i++)
    dims[i] =
        i < shift ? dim_constant(builder->graph->module->dims, 1) : value->type.dims[i - shift];
  Value *full = shift ? build_reshape(builder, value, moved->rank, dims) : value;
  return full ? build_transpose(builder, full, moved->inverse) : NULL;
}

static bool all_turn_back(const Node *node, const Moved *moved) {
  for (int i = 0; i < node->operand_count; i++) {
    const Value *operand = node->operands[i];
    if (!operand || (!same_perm(defined_by(operand, OP_TRANSPOSE), moved) &&
                     !turns_back_for_free(operand, moved)))
      return false;
  }
  return true;
}

static bool find_moved_operand(const Node *node, Moved *moved) {
  for (int i = 0; i < node->operand_count; i++)
    if (match_moved(node->operands[i], moved) && moved->rank == node->results[0]->type.rank)
      return true;
  return false;
}

static Node *begin_turned_back(Builder *builder, const Node *node, const Moved *moved) {
  Value **operands = NEW_ARRAY(builder->graph->module->arena, Value *, node->operand_count);
  for (int i = 0; i < node->operand_count; i++)
    operands[i] = turn_back(builder, node->operands[i], moved);
  return builder->failed ? NULL : begin_like(builder, node, operands, node->operand_count);
}

// Some ops take their element type and quantization from the result that is asked for.
static void request_type(Node *before, const Type *type, const Moved *moved) {
  bool asked = before->op == OP_CAST || before->op == OP_QUANTIZE || before->op == OP_DEQUANTIZE ||
               type->quant;
  if (!asked) return;
  before->results[0]->type = *type;
  for (int i = 0; i < moved->rank; i++)
    before->results[0]->type.dims[moved->perm[i]] = type->dims[i];
}

// The transpose of the result must not be more work than that of the operands.
static bool moves_no_more(const Node *node, const Moved *moved) {
  int transposes = 0;
  for (int i = 0; i < node->operand_count; i++)
    transposes += same_perm(defined_by(node->operands[i], OP_TRANSPOSE), moved);
  return transposes > 1 ||
         type_same_shape(&node->results[0]->type, &moved->transpose->results[0]->type);
}

static Value *sink_through_pointwise(Builder *builder, Node *node) {
  Moved moved;
  const Type *type = &node->results[0]->type;
  if (!find_moved_operand(node, &moved) || is_quantized_by_axis(type) ||
      !all_turn_back(node, &moved))
    return NULL;
  if (!moves_no_more(node, &moved)) return NULL;
  Node *before = begin_turned_back(builder, node, &moved);
  if (before) request_type(before, type, &moved);
  return finish(builder, node, build_end(builder, before), moved.perm);
}

static int64_t positive_axis(const Node *node, int rank) {
  int64_t axis = node_int(node, ATTR_AXIS);
  return axis < 0 ? axis + rank : axis;
}

static Value *sink_through_concat(Builder *builder, Node *node) {
  Moved moved;
  if (!find_moved_operand(node, &moved) || !all_turn_back(node, &moved)) return NULL;
  Node *before = begin_turned_back(builder, node, &moved);
  if (before) node_set_int(before, ATTR_AXIS, moved.perm[positive_axis(node, moved.rank)]);
  return finish(builder, node, build_end(builder, before), moved.perm);
}

// --- one operand that moves, attributes that follow

static Value *sink_along_axis(Builder *builder, Node *node, const Moved *moved) {
  if (node->op == OP_GATHER && node->operands[1]->type.rank != 1) return NULL;
  Value *operands[] = {source_of(moved), node_operand(node, 1)};
  Node *before = begin_like(builder, node, operands, node->operand_count);
  if (before) node_set_int(before, ATTR_AXIS, moved->perm[positive_axis(node, moved->rank)]);
  return finish(builder, node, build_end(builder, before), moved->perm);
}

// Positions of x's axes that are left, in x's order, as T' of the result's axes.
static void remaining_perm(const Moved *moved, const bool *reduced, int64_t *perm) {
  int count = 0;
  for (int i = 0; i < moved->rank; i++) {
    if (reduced[moved->perm[i]]) continue;
    int64_t position = 0;
    for (int64_t axis = 0; axis < moved->perm[i]; axis++) position += !reduced[axis];
    perm[count++] = position;
  }
}

static Value *sink_through_reduce(Builder *builder, Node *node, const Moved *moved) {
  bool reduced[MAX_RANK] = {0}, by_axis = node->op == OP_ARG_MAX || node->op == OP_ARG_MIN;
  int64_t axes[MAX_RANK], single = by_axis ? positive_axis(node, moved->rank) : 0, perm[MAX_RANK];
  int count = 1;
  const int64_t *old_axes = by_axis ? &single : node_ints(node, ATTR_AXES, &count);
  if (!count || count > MAX_RANK) return NULL;
  for (int i = 0; i < count; i++) {
    axes[i] = moved->perm[old_axes[i] < 0 ? old_axes[i] + moved->rank : old_axes[i]];
    reduced[axes[i]] = true;
  }
  Value *x = source_of(moved);
  Node *before = begin_like(builder, node, &x, 1);
  if (!before) return NULL;
  if (by_axis)
    node_set_int(before, ATTR_AXIS, axes[0]);
  else
    node_set_ints(before, ATTR_AXES, axes, count);
  if (!node_int(node, ATTR_KEEP_DIMS)) remaining_perm(moved, reduced, perm);
  return finish(builder, node, build_end(builder, before),
                node_int(node, ATTR_KEEP_DIMS) ? moved->perm : perm);
}

static void reorder_dims(Node *before, const Node *node, AttributeId id, const Moved *moved) {
  const Dim *turned[MAX_RANK];
  int count;
  const Dim *const *dims = node_dims(node, id, &count);
  if (count != moved->rank) return;
  for (int i = 0; i < count; i++) turned[moved->perm[i]] = dims[i];
  node_set_dims(before, id, turned, count);
}

static void reorder_ints(Node *before, const Node *node, AttributeId id, const Moved *moved,
                         int halves) {
  int64_t turned[2 * MAX_RANK];
  int count;
  const int64_t *ints = node_ints(node, id, &count);
  if (count != halves * moved->rank) return;
  for (int i = 0; i < count; i++)
    turned[i / moved->rank * moved->rank + moved->perm[i % moved->rank]] = ints[i];
  node_set_ints(before, id, turned, count);
}

static Value *sink_through_lists(Builder *builder, Node *node, const Moved *moved) {
  if (moved->rank != node->results[0]->type.rank) return NULL;
  Value *operands[] = {source_of(moved), node_operand(node, 1)};
  Node *before = begin_like(builder, node, operands, node->operand_count);
  if (!before) return NULL;
  if (node->op == OP_PAD) {
    reorder_ints(before, node, ATTR_PADS, moved, 2);
  } else {
    reorder_dims(before, node, ATTR_SIZES, moved);
    if (node->op == OP_SLICE) reorder_dims(before, node, ATTR_STARTS, moved);
    if (node->op == OP_SLICE) reorder_ints(before, node, ATTR_STEPS, moved, 1);
  }
  return finish(builder, node, build_end(builder, before), moved->perm);
}

static Value *sink_through_norm(Builder *builder, Node *node, const Moved *moved) {
  for (int64_t i = positive_axis(node, moved->rank); i < moved->rank; i++)
    if (moved->perm[i] != i) return NULL;
  Value *operands[] = {source_of(moved), node_operand(node, 1), node_operand(node, 2)};
  return finish(builder, node, build_like(builder, node, operands, node->operand_count),
                moved->perm);
}

// --- reshape

static Value *sink_through_reshape(Builder *builder, Node *node, const Moved *moved) {
  const Type *from = &node->operands[0]->type, *to = &node->results[0]->type;
  int first[MAX_RANK + 1], count = 0;
  if (to->quant || !from->rank || !match_axis_splits(from, to, first)) return NULL;
  const Dim *dims[MAX_RANK];
  int64_t perm[MAX_RANK];
  for (int axis = 0; axis < moved->rank; axis++) { // of x
    int turned = (int)moved->inverse[axis];
    for (int k = first[turned]; k < first[turned + 1]; k++) {
      perm[k] = count;
      dims[count++] = to->dims[k];
    }
  }
  return finish(builder, node, build_reshape(builder, source_of(moved), to->rank, dims), perm);
}

static Value *sink_one(Builder *builder, Node *node) {
  Moved moved;
  if (!match_moved(node->operands[0], &moved) || is_quantized_by_axis(&node->results[0]->type))
    return NULL;
  switch (kind_of(node)) {
  case ALONG_AXIS: return sink_along_axis(builder, node, &moved);
  case REDUCES: return sink_through_reduce(builder, node, &moved);
  case LISTS: return sink_through_lists(builder, node, &moved);
  case NORMALISES: return sink_through_norm(builder, node, &moved);
  case RESHAPES: return sink_through_reshape(builder, node, &moved);
  case STOPS:
  case SAME_SHAPE:
  case CONCATENATES: break;
  }
  return NULL;
}

// --- flatten before a matmul

// w with its rows (or columns, if it is transposed) in x's order.
static Value *reorder_weights(Builder *builder, const Node *matmul, const Moved *moved) {
  Value *w = matmul->operands[1];
  const Type *turned = &moved->transpose->results[0]->type;
  bool columns = node_int(matmul, ATTR_TRANSPOSE_B) != 0;
  const Dim *dims[MAX_RANK];
  int64_t perm[MAX_RANK];
  int rank = moved->rank;
  for (int i = 1; i < rank; i++) {
    dims[columns ? i : i - 1] = turned->dims[i];
    perm[columns ? i : i - 1] = columns ? moved->inverse[i] : moved->inverse[i] - 1;
  }
  dims[columns ? 0 : rank - 1] = w->type.dims[columns ? 0 : 1];
  perm[columns ? 0 : rank - 1] = columns ? 0 : rank - 1;
  Value *split = build_reshape(builder, w, rank, dims);
  Value *ordered = split ? build_transpose(builder, split, perm) : NULL;
  return ordered ? build_reshape(builder, ordered, 2, w->type.dims) : NULL;
}

static Value *sink_through_flatten(Builder *builder, Node *node) {
  const Node *flatten = defined_by(node->operands[0], OP_RESHAPE);
  Moved moved;
  if (!flatten || !match_moved(flatten->operands[0], &moved) || node->region_count ||
      moved.perm[0] != 0)
    return NULL;
  const Type *a = &flatten->results[0]->type, *turned = &flatten->operands[0]->type,
             *w = &node->operands[1]->type;
  if (a->rank != 2 || w->rank != 2 || moved.rank < 3 || a->dims[0] != turned->dims[0]) return NULL;
  if (!value_is_constant(node->operands[1]) || w->quant || a->quant ||
      node_int(node, ATTR_TRANSPOSE_A))
    return NULL;
  for (int i = 1; i < moved.rank; i++)
    if (!dim_is_constant(turned->dims[i], NULL)) return NULL;
  Value *weights = reorder_weights(builder, node, &moved);
  Value *x = weights ? build_reshape(builder, source_of(&moved), 2, a->dims) : NULL;
  return x ? build_like(builder, node, (Value *[]){x, weights, node_operand(node, 2)},
                        node->operand_count)
           : NULL;
}

static Value *sink(Builder *builder, Node *node) {
  enum Kind kind = kind_of(node);
  if (node->op == OP_MATMUL) return sink_through_flatten(builder, node);
  if (kind == STOPS || !node->operand_count) return NULL;
  if (kind == SAME_SHAPE) return sink_through_pointwise(builder, node);
  if (kind == CONCATENATES) return sink_through_concat(builder, node);
  return sink_one(builder, node);
}

static const RewriteRow rows[] = {{OP_COUNT, sink}, {OP_COUNT, NULL}};

bool pass_sink_transposes(Graph *graph, PassContext *context) {
  return rewrite_graph(graph, rows, context);
}
