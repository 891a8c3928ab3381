// The importer's inside: what the functions of importers.def see of one ONNX node, and what they
// build with. Everything that comes from the file is untrusted: a wrong node is a diag_error.
#ifndef TENON_FRONTEND_IMPORT_H
#define TENON_FRONTEND_IMPORT_H

#include "frontend/frontend.h"
#include "frontend/proto.h"
#include "ir/builder.h"

// What a name of the file stands for.
typedef struct Item {
  Value *value;                 // a tensor; NULL: absent optional, sequence, or poisoned
  Value *list;                  // a sequence or optional that only a run knows
  Value *map_keys, *map_values; // a map: an input of the model
  bool poisoned;                // its node failed (reported): who reads it fails silently
  bool is_sequence;             // a list that is known at compile time
  Value *const *elements;
  int element_count;
  bool is_cut;           // an input by --inputs: its node is left out
  bool is_optional;      // an optional without element; one with an element is the element
  const Type *list_type; // of a sequence or optional that is known to be empty; NULL: not said
  const Onnx__TensorProto *initializer; // constant that has not been used yet
  const Onnx__ValueInfoProto *declared; // in Importer.declared: what the file says of the name
} Item;

typedef struct NameMap NameMap;

// Names that are visible in one graph of the file; `parent` is the graph around it.
typedef struct Scope {
  struct Scope *parent;
  const struct Scope
      *outer;   // of a region: the scope of its node, whose names it may not define again
  Graph *graph; // where the nodes go
  NameMap *names;
  const struct FunctionCall *call;  // the function whose body this is; NULL: none
  const Onnx__GraphProto *subgraph; // the subgraph whose body this is; NULL: none
} Scope;

// What is known about the elements of a small tensor.
typedef struct Contents {
  const Tensor *tensor;   // all elements are constants
  const Dim *const *dims; // integers that may depend on symbols; NULL: unknown
  int count;
  int64_t denominator; // the numbers are dims[i] / denominator
  bool tried;          // computing them on demand has failed
} Contents;

typedef struct Operator Operator;
typedef struct Unsupported Unsupported;

typedef struct Importer {
  Arena *arena;
  Diag *diag;
  OnnxFile *file;
  const Onnx__ModelProto *model;
  Module *module;
  DimTable *dims;
  const FrontendOptions *options;
  Contents *contents; // by value id
  int contents_capacity;
  Unsupported *unsupported;
  int unsupported_count, unsupported_capacity;
  int depth;             // of functions and regions
  bool measures_no_body; // sizes that data decides are refused in loops that can be unrolled
  size_t inlined_nodes;
  struct BlockedWeights *blocked; // import_blocked.c
  Scope *declared;                // the types that the model's graph gives of its values
  bool *wanted;                   // by node of the model's graph; NULL: all
  bool *custom_used;              // by options->customs
} Importer;

// A function body that is being inlined: its attribute values and operator sets.
typedef struct FunctionCall {
  const Onnx__FunctionProto *function;
  const Onnx__NodeProto *node;
  const struct FunctionCall *outer;
} FunctionCall;

// One ONNX node while it is imported.
typedef struct OnnxNode {
  Importer *importer;
  Scope *scope;
  const Onnx__NodeProto *proto;
  const Operator *row;
  int version; // of the operator set
  Loc loc;
  Builder builder;
  Item **inputs; // NULL: absent
  int input_count;
  Item *outputs;
  int output_count;
} OnnxNode;

struct Operator {
  const char *domain, *type;
  int low; // the lowest opset version whose meaning the function knows
  bool (*import)(OnnxNode *node);
  int argument; // what the function makes of it (often an OpCode)
};

// --- a node's operands and results
Value *onnx_input(OnnxNode *node, int index); // NULL: absent or poisoned
bool onnx_has_input(const OnnxNode *node, int index);
// False (reported) unless inputs 0 .. count-1 are present.
bool onnx_need_inputs(OnnxNode *node, int count);
// Sets result `index` and gives the value the ONNX name. NULL: the builder failed. Returns success.
bool onnx_output(OnnxNode *node, int index, Value *value);
bool onnx_output_sequence(OnnxNode *node, int index, Value *const *elements, int count);
bool onnx_wants_output(const OnnxNode *node, int index);
// The same for a sequence or optional that only a run knows.
bool onnx_output_list(OnnxNode *node, int index, Value *list);
// "node: text" as an error; always false.
#define onnx_error(node, ...) diag_error((node)->importer->diag, (node)->loc, __VA_ARGS__)
// Counts the node as not supported, for the list that is printed at the end; always false.
bool onnx_unsupported(OnnxNode *node, const char *reason);

// --- attributes; of the wrong kind: reported, and the builder is marked as failed
const Onnx__AttributeProto *onnx_attribute(OnnxNode *node, const char *name);
int64_t onnx_int(OnnxNode *node, const char *name, int64_t otherwise);
double onnx_float(OnnxNode *node, const char *name, double otherwise);
const char *onnx_string(OnnxNode *node, const char *name, const char *otherwise);
const int64_t *onnx_ints(OnnxNode *node, const char *name, int *count); // NULL: absent
const float *onnx_floats(OnnxNode *node, const char *name, int *count);
const char *const *onnx_strings(OnnxNode *node, const char *name, int *count);
bool onnx_tensor_attribute(OnnxNode *node, const char *name,
                           Tensor *tensor); // false: absent or reported
const Onnx__GraphProto *onnx_graph(OnnxNode *node, const char *name);
// An axis in [-rank, rank) made non-negative; false: reported.
bool onnx_axis(OnnxNode *node, int64_t axis, int rank, int *result);
// A list of axes, checked, in the file's order; no axis twice.
bool onnx_axes(OnnxNode *node, const int64_t *axes, int count, int rank, int64_t *result);

// --- contents (contents.c)
// The concrete elements of a tensor that does not depend on data; folds constant subgraphs.
bool import_constant_value(Importer *importer, Value *value, Tensor *tensor);
// Integers of a tensor of rank 0 or 1 as dims; NULL: they depend on data.
const Dim *const *import_dims(Importer *importer, Value *value, int *count);
// The number of elements of a tensor of static shape, but not of strings.
bool import_static_count(const Value *value, int64_t *count);
// Notes what is known about the results of nodes of `graph` after `last` (NULL: from the start).
void import_note_contents(Importer *importer, Graph *graph, const Node *last);
// The value itself, or a constant in its place if all its elements are known.
Value *import_folded(Importer *importer, Builder *builder, Value *value);
void import_set_contents(Importer *importer, const Value *value, Contents contents);
Contents import_contents(Importer *importer, const Value *value);

// --- lists of integers that operands give (import_dims.c)
// The dims of operand `index`; reports "the shape depends on data" with the inputs to blame.
const Dim *const *onnx_dims_input(OnnxNode *node, int index, int *count);
// One integer as a dim that the run measures; NULL: reported.
const Dim *onnx_measured_dim(OnnxNode *node, Value *value);
// All integers of a list; upper bounds `highs` may be NULL.
const Dim *const *onnx_measured_dims(OnnxNode *node, Value *list, const int64_t *highs, int *count);
// The piece of a concatenation, itself none, that has element *index, which becomes its place
// there.
Value *onnx_list_piece(Value *list, int64_t *index);
// What is known of an element, though not of all; NULL: nothing.
const Dim *onnx_known_element(OnnxNode *node, Value *list, int index);
// The known elements of `list`, for the others those of `computed`, measured. False: reported.
bool onnx_mixed_dims(OnnxNode *node, Value *list, Value *computed, const Dim **dims, int count);
// Constant integers of an operand; NULL: reported.
const int64_t *onnx_ints_input(OnnxNode *node, int index, int *count);
// A list that was an attribute up to some version and operand `index` since; NULL with *count 0:
// absent; false: reported.
bool onnx_ints_either(OnnxNode *node, const char *name, int index, const int64_t **values,
                      int *count);
bool onnx_constant_input(OnnxNode *node, int index,
                         Tensor *tensor); // false: absent or not constant

// --- scopes (import_scope.c)
Scope *scope_create(Importer *importer, Scope *parent, Graph *graph);
Item *scope_define(Importer *importer, Scope *scope, const char *name); // NULL: defined already
Item *scope_find(const Scope *scope, const char *name); // this scope and those around it
Item *scope_find_here(const Scope *scope, const char *name);
// Is the name defined in a graph around this one?
bool scope_shadows(const Scope *scope, const char *name);
// The value of an initializer becomes a constant of the scope's graph at first use.
bool import_initializer(Importer *importer, Scope *scope, Item *item, const char *name);

// --- sequences and optionals (import_list.c)
// Whatever the item is, as a value of that kind; `like`: the type that an empty one takes if it
// says none itself (NULL: none). NULL: reported, or the builder failed.
Value *import_list(Importer *importer, Builder *builder, const Item *item, TypeKind kind,
                   const Type *like);
Value *onnx_list(OnnxNode *node, int index, TypeKind kind); // of an operand
// The type of a declaration; its symbols are dims of the whole model. False: reported.
bool import_proto_type(Importer *importer, const char *name, const Onnx__TypeProto *proto,
                       Type *type);

// --- graphs (import.c)
bool import_nodes(Importer *importer, Scope *scope, size_t count, Onnx__NodeProto *const *nodes);
bool import_graph_body(Importer *importer, Scope *scope, const Onnx__GraphProto *graph);
bool import_initializers(Importer *importer, Scope *scope, const Onnx__GraphProto *graph);
// The subgraph's nodes take the node's place: its inputs (NULL: it has none) stand for the items
// given.
bool import_inline_graph(OnnxNode *node, const Onnx__GraphProto *graph, Item *const *inputs,
                         Item *outputs, int output_count);
// Names that the graph reads from outside, in order of first use.
char **import_captures(Importer *importer, const Scope *scope, const Onnx__GraphProto *graph,
                       char **names, int *count, int *capacity);

// --- inputs and outputs of the model (import_inputs.c)
void import_note_declared(Importer *importer);
bool import_inputs(Importer *importer, Scope *scope);
bool import_outputs(Importer *importer, Scope *scope);
// With cuts: which nodes of the model's graph are needed.
void import_find_wanted(Importer *importer);
bool import_wanted(const Importer *importer, const Scope *scope, const Onnx__NodeProto *node);
void import_remove_dead(Graph *graph);

// --- custom operators (import_custom.c)
// How the options declare an operator; NULL: they do not.
const CustomOperator *import_find_custom(const Importer *importer, const char *domain,
                                         const char *type);
bool import_custom(OnnxNode *node, const CustomOperator *custom); // false: reported
void import_warn_unused_customs(const Importer *importer);
// What the model's own graph declares of a name; NULL: nothing.
const Onnx__ValueInfoProto *import_declared(const Importer *importer, const char *name);
const Dim *import_named_dim(Importer *importer,
                            const char *name); // a named dim of the file, with --dim

// The element type of an attribute such as dtype; ELEMENT_NONE if it is none of numbers.
ElementType onnx_number_type(int64_t code);
bool onnx_is_number(ElementType element);

// --- axes and bounds that only a run knows (import_axes.c); NULL: reported
bool onnx_is_open(OnnxNode *node, int index);  // operand `index` is there and not constant
bool onnx_has_dims(OnnxNode *node, int index); // it is made of constants and dims of the inputs
bool onnx_is_empty(const OnnxNode *node, int index); // a list of no elements
// Operand `index` as i64[*count].
Value *onnx_integer_list(OnnxNode *node, int index, int64_t *count);
Value *onnx_list_element(OnnxNode *node, Value *list, int index); // rank 0
// One integer for each axis: that of `values` where `axes` names it, else `otherwise`.
Value *onnx_by_axis(OnnxNode *node, Value *axes, Value *values, int rank, int64_t otherwise);
// Reductions, Squeeze and Unsqueeze over the axes of operand `index`.
Value *onnx_reduce_open(OnnxNode *node, OpCode op, Value *x, int index, bool keep);
Value *onnx_squeeze_open(OnnxNode *node, Value *x, int index);
Value *onnx_unsqueeze_open(OnnxNode *node, Value *x, int index);
// x as [in front, size, behind] of the axis that operand `index` names.
Value *onnx_around_axis(OnnxNode *node, Value *x, int index);
// x[start:end:step] along an axis, bounds as ONNX has them; known_step 0: only `step` tells. At
// most `most` elements.
Value *onnx_slice_open(OnnxNode *node, Value *x, int axis, Value *start, Value *end, Value *step,
                       int64_t known_step, int64_t most);
// The dims that Reshape means by `wanted`, i64[count].
Value *onnx_reshape_sizes(OnnxNode *node, const Value *x, Value *wanted, int64_t count,
                          bool allow_zero);

// --- checks (import_check.c); false: reported
bool import_check_attributes(OnnxNode *node);
bool import_check_signature(OnnxNode *node); // numbers of inputs and outputs, names of attributes
// The element type that the file gives a value of the model's own graph.
bool import_check_declared(const Importer *importer, Loc loc, const char *name, const Type *type);
bool import_check_elements(OnnxNode *node); // strings and complex numbers
bool import_check_outputs(OnnxNode *node);
bool import_check_size(const Importer *importer, Loc loc, const char *name, const Type *type);
bool import_count_inlined(OnnxNode *node, size_t nodes); // of functions
// Constant indices for an axis of that size; of rows for axes first_axis ...
bool onnx_check_indices(OnnxNode *node, int input, const Dim *dim);
bool onnx_check_index_rows(OnnxNode *node, int input, const Type *data, int first_axis);

// --- shared by the families
const Dim *import_dim(Importer *importer, int64_t value);
Type import_type(const Value *value);
Value *onnx_channels_last(OnnxNode *node, Value *x);
Value *onnx_channels_first(OnnxNode *node, Value *x);
// x with `pads` (begins of all axes, then ends; negative: crop) added; modes as of Pad; fill (NULL:
// zero) for "constant". NULL: reported. (import_pad.c)
Value *onnx_pad(OnnxNode *node, Value *x, const Dim *const *pads, const char *mode, Value *fill);
Value *onnx_scalar_like(OnnxNode *node, const Value *like, double value); // rank 0, element of like
Value *onnx_unary(OnnxNode *node, OpCode op, Value *x);
Value *onnx_binary(OnnxNode *node, OpCode op, Value *a, Value *b);
Value *onnx_where(OnnxNode *node, Value *condition, Value *a, Value *b);
// checked: an index out of range ends the run; else the indices are known to lie within.
Value *onnx_gather(OnnxNode *node, Value *x, Value *indices, int axis, bool checked);
// Reshape with some dims: removes / inserts size-1 axes (ascending, unique).
Value *onnx_squeeze(OnnxNode *node, Value *x, const int64_t *axes, int count);
Value *onnx_unsqueeze(OnnxNode *node, Value *x, const int64_t *axes, int count);
// x in that shape: itself, or a reshape where its dims are not known to be others; the run checks
// it. A single element is of any rank. NULL: reported, with `what` x is (plural).
Value *onnx_of_shape(OnnxNode *node, Value *x, const char *what, int rank, const Dim *const *dims);
// [c] -> [1, c, 1, ..] of that rank: aligned with `axis` when broadcast.
Value *onnx_align(OnnxNode *node, Value *x, int axis, int rank);
Value *onnx_reduce_one(OnnxNode *node, OpCode op, Value *x, int axis, bool keep);
Value *onnx_gemm_result(OnnxNode *node); // alpha * A' * B' + beta * C; NULL: reported
Value *onnx_convert(OnnxNode *node, Value *x, ElementType element);
Value *onnx_convert_text(OnnxNode *node, Value *x, ElementType element);        // either may be str
Value *onnx_text_list(OnnxNode *node, const char *const *texts, int64_t count); // str[count]
// `result` is made from constant codes in blocks along the first axis (import_blocked.c).
void import_note_blocked(OnnxNode *node, const Value *result, Value *codes, Value *scale,
                         Value *zero, int64_t block);
// a * b, if b is such a result; NULL: it is not.
Value *import_blocked_matmul(OnnxNode *node, Value *a, const Value *b);
// (a - zero) * (b - zero), summed in i32; a zero point may be NULL.
Value *onnx_matmul_integer(OnnxNode *node, Value *a, Value *b, Value *a_zero, Value *b_zero);
// Codes u8 of x, with a scale and zero point from its extremes; NULL: failed.
Value *onnx_dynamic_quantize(OnnxNode *node, Value *x, Value **scale_result, Value **zero_result);
Value *onnx_dim_scalar(OnnxNode *node, const Dim *dim);  // i64 of rank 0
Value *onnx_integer(OnnxNode *node, int64_t value);      // the same
Value *onnx_positions(OnnxNode *node, const Dim *count); // i64: 0, 1, .. count - 1

#define ONNX_OPERATOR(domain, type, low, function, argument) bool import_##function(OnnxNode *node);
#include "frontend/importers.def"

#endif
