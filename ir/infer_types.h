// What the inference rules of arithmetic ops share: broadcasting of symbolic dims, element types,
// and result types that the maker of a node asked for.
#ifndef TENON_IR_INFER_TYPES_H
#define TENON_IR_INFER_TYPES_H

#include "ir/infer_checks.h"

// f32, f64, f16, bf16: the floats that ops calculate with.
static inline bool element_calculates(ElementType e) {
  return e == F32 || e == F64 || e == F16 || e == BF16;
}
const char *element_text(ElementType element);

// The dim of a broadcast; NULL where two constants other than 1 differ. Dims that may be 1 or equal
// at run time give the constant, or the larger.
const Dim *broadcast_dim(DimTable *table, const Dim *a, const Dim *b);
// Broadcasts `with` into result's dims; reports the shapes that do not fit.
bool broadcast_shape(const Node *node, Diag *diag, Type *result, const Type *with);

// The type that the maker asked for before inference; NULL: none.
const Type *requested_type(const Node *node, int result);
// Sets result `index` to `computed`, or refuses what the maker asked for instead.
bool set_result(Node *node, Diag *diag, int index, Type computed);
// Result 0 of an op that may own an epilogue: `own` is what the op itself gives.
bool set_product_result(Node *node, Diag *diag, Type own);
// The type asked of the op itself, before its epilogue; NULL: none.
const Type *requested_product(const Node *node);

bool refuse_element(const Node *node, Diag *diag, int operand);
bool refuse_quantized(const Node *node, Diag *diag, int operand);
// Scales finite and > 0, zero points in range, as many as the axis is long.
bool check_quant(const Node *node, Diag *diag, const Type *type);
bool is_quantized_tensor(const Type *type); // per tensor, integer element of at most 16 bits

// Attribute lists of windows: empty, or one entry (pads: two) per spatial dim, within range.
bool check_window(const Node *node, Diag *diag, int spatial);
// floor((x + pads - dilation * (kernel - 1) - 1) / stride) + 1.
const Dim *window_dim(const Node *node, const Dim *x, const Dim *kernel, int spatial_axis);

#endif
