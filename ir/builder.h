// Builder: appends nodes with inferred types. The importer and the passes make nodes only here.
//
// After a failure (reported already) every build_* returns NULL and does nothing, so that a chain
// of calls needs one check at its end.
#ifndef TENON_IR_BUILDER_H
#define TENON_IR_BUILDER_H

#include "ir/graph.h"
#include "ir/tensor.h"

typedef struct Builder {
  Graph *graph;
  Node *before;     // insert before this node; NULL: at the end
  Loc loc;          // given to each node
  const char *name; // given to the results of the next node, then cleared
  bool failed;
} Builder;

Builder builder_at_end(Graph *graph, Loc loc);
Builder builder_before(Node *node); // with the node's loc

// Two steps for ops with attributes: node = build_begin(..); node_set_..(node, ..); build_end(..).
// NULL after an earlier failure; node_set_.. and build_end pass over that.
Node *build_begin(Builder *builder, OpCode op, Value *const *operands, int count);
// The same with a number of results that the op table leaves open.
Node *build_begin_results(Builder *builder, OpCode op, Value *const *operands, int count,
                          int results);
// Infers types, inserts; returns the first result (NULL: failed, reported).
// A result type set before build_end is a request: its element type and quantization are honoured
// by infer or refused with a message (docs/ir.md); its shape is inferred all the same. cast and
// quantize need one. Whoever infers a node again after a change of element types sets
// results[i]->type.kind to TYPE_NONE first where the op shall choose anew.
Value *build_end(Builder *builder, Node *node);

Value *build_unary(Builder *builder, OpCode op, Value *x);
Value *build_binary(Builder *builder, OpCode op, Value *a, Value *b);
Value *build_where(Builder *builder, Value *condition, Value *a, Value *b);
Value *build_cast(Builder *builder, Value *x,
                  ElementType element); // x itself if it is that already
Value *build_reshape(Builder *builder, Value *x, int rank, const Dim *const *dims);
Value *build_reshape_static(Builder *builder, Value *x, int rank, const int64_t *dims);
Value *build_transpose(Builder *builder, Value *x, const int64_t *perm); // x itself if identity
Value *build_expand(Builder *builder, Value *x, int rank, const Dim *const *dims);
Value *build_reduce(Builder *builder, OpCode op, Value *x, const int64_t *axes, int count,
                    bool keep);
Value *build_concat(Builder *builder, Value *const *values, int count, int64_t axis);
// One axis: elements [start, start + size * step) by step; the other axes whole.
Value *build_slice_axis(Builder *builder, Value *x, int axis, const Dim *start, const Dim *size,
                        int64_t step);
Value *build_matmul(Builder *builder, Value *a, Value *b, Value *bias);  // bias may be NULL
Value *build_shape(Builder *builder, const Dim *const *dims, int count); // i64[count]

// Constants. `data` is not copied: it must live as long as the module (arena or mapping).
Value *build_constant(Builder *builder, Type type, const void *data, const char *name);
Value *build_constant_tensor(Builder *builder, const Tensor *tensor, const char *name);
Value *build_scalar(Builder *builder, ElementType element, double value);  // rank 0
Value *build_floats(Builder *builder, const float *values, int64_t count); // f32[count], copied
Value *build_ints(Builder *builder, const int64_t *values, int64_t count); // i64[count], copied
// The concrete values of a constant; false if the value is none.
bool value_tensor(const Value *value, Tensor *tensor);

#endif
