// Graph IR: SSA over values, one block per function.
//
// A Module owns everything that belongs to one model; a Graph is one function: the model itself or
// a region of a node (branches, loop bodies, fused and epilogue bodies). A region captures nothing:
// what it needs comes in through its inputs. Nodes are in execution order. All memory is the
// module's arena; nobody frees single objects. The bytes of constants lie in a mapped file, or
// where ir/constant_data.h says.
#ifndef TENON_IR_GRAPH_H
#define TENON_IR_GRAPH_H

#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/op.h"
#include "ir/storage.h"
#include "ir/type.h"

typedef struct Node Node;
typedef struct Value Value;
typedef struct Graph Graph;
typedef struct Module Module;

typedef struct Attribute {
  AttributeId id;
  int count; // lists
  union {
    int64_t int_value;
    double float_value;
    const char *string_value;
    const int64_t *ints;
    const double *floats;
    const Dim *const *dims;
  };
} Attribute;

// Where a placed value lives while the function runs.
typedef enum PlaceKind {
  PLACE_NONE,
  PLACE_WORKSPACE,
  PLACE_FAST,
  PLACE_INPUT,
  PLACE_OUTPUT,
  PLACE_WEIGHTS,
  PLACE_OPEN, // behind the planned part of the workspace: offset is the number of an OpenPlace
  PLACE_LATE, // behind these, where the workspace is free when the size is known: offset is a
              // number
  PLACE_ALIAS
} PlaceKind;
typedef struct Placement {
  PlaceKind kind;
  int64_t offset; // bytes, at the upper bounds of the dims (WORKSPACE, FAST)
  Value *alias;   // ALIAS: same memory as this value (views, in-place results)
} Placement;

// Memory of values without a bound. Where it begins is known when dims of the inputs are: behind
// each of the places `below` it, which live at the same time.
typedef struct OpenPlace {
  const Dim *bytes; // of the largest value there, as a dim of the inputs
  int below_count;
  const int *below;
} OpenPlace;

typedef struct Use {
  Node *user;
  int index; // operand number
} Use;

struct Value {
  Type type;
  int id;           // unique in the module, in order of creation
  const char *name; // ONNX name (kept through passes); NULL: none
  Graph *graph;
  Node *definition; // NULL: input of the graph
  int index;        // result number, or input number
  Use *uses;        // one per operand that is this value
  int use_count, use_capacity;
  int output_uses; // how many outputs of the graph are this value
  Placement placement;
  int64_t mark; // scratch of the running pass; contents undefined between passes
};

typedef struct Constant {
  const char *name; // unique in the module, from the ONNX name; symbol of the weights
  const void *data; // logical values as in Tensor; read-only, aligned to the element or to 1
  size_t bytes;
  Storage storage; // how the bytes will lie in the object (stages; empty: as they are)
  uint64_t hash;   // of type and data, 0: not computed yet
  struct CompressionRecord *record; // what compression did to it; NULL: nothing
} Constant;

// What happened to a compressed constant; printed with it and in reports.
typedef struct CompressionRecord {
  uint64_t original_hash;
  size_t original_bytes;
  double sqnr;    // signal to quantization noise ratio, dB, against the original values
  int kept_count; // structured pruning: channels that stay, 0: all
  const int64_t *kept;
  const char *history; // "prune{..}, cluster{..}"
} CompressionRecord;

struct Node {
  OpCode op;
  Graph *graph;
  Node *previous, *next;
  Value **operands; // an absent optional operand is NULL
  int operand_count, operand_capacity;
  Value **results;
  int result_count;
  Attribute *attributes;
  int attribute_count, attribute_capacity;
  Graph **regions;
  int region_count;
  Constant *constant; // CONST
  Loc loc;
  int id;       // unique in the module
  int64_t mark; // scratch of the running pass
};

struct Graph {
  Module *module;
  Node *owner; // the node whose region this is; NULL: the model's function
  const char *name;
  Node *first, *last;
  int node_count;
  Value **inputs;
  int input_count, input_capacity;
  Value **outputs;
  int output_count, output_capacity;
  // Set by `place` on the model's function.
  bool placed;
  int64_t workspace_bytes, fast_bytes;
  const OpenPlace *open; // each behind those below it
  int open_count, late_count;
};

struct Module {
  Arena *arena;
  struct ConstantData *data; // where bytes of constants are that were computed (constant_data.h)
  Diag *diag;
  DimTable *dims;
  Graph *main;
  const char *name;     // file stem
  const char *producer; // from the model file; may be NULL
  const char *source;   // path of the file it came from
  const struct Externals
      *externals; // functions that custom operators call (ir/external.h); NULL: none
  int next_value_id, next_node_id, next_constant_id;
  struct NameSet *constant_names;
};

Module *module_create(Arena *arena, Diag *diag, const char *name);
Graph *graph_create(Module *module, const char *name);
Value *graph_add_input(Graph *graph, Type type, const char *name);
void graph_add_output(Graph *graph, Value *value);
void graph_set_output(Graph *graph, int index, Value *value);
void graph_remove_input(Graph *graph, int index); // must have no uses

// A node that is not yet in a list. Operands may be NULL where the op allows it. The results exist
// (types unset) and belong to the graph.
Node *node_create(Graph *graph, OpCode op, Loc loc, Value *const *operands, int operand_count,
                  int result_count);
void graph_append(Graph *graph, Node *node);
void graph_insert_before(Node *position, Node *node);
void graph_insert_after(Node *position, Node *node);
void node_move_before(Node *position, Node *node);
// Unlinks the node and drops its uses; its results must have none.
void node_remove(Node *node);
void node_set_operand(Node *node, int index, Value *value);
void node_add_operand(Node *node, Value *value);
void node_remove_operand(Node *node, int index);
Graph *node_add_region(Node *node, const char *name);
// The operand, or NULL if it is absent or the node has fewer.
static inline Value *node_operand(const Node *node, int index) {
  return index < node->operand_count ? node->operands[index] : NULL;
}
static inline Value *node_result(const Node *node) { return node->results[0]; }

// All uses of `old`, outputs of its graph included, become uses of `replacement`. The name moves
// to the replacement if that has none.
void value_replace(Value *old, Value *replacement);
bool value_has_one_use(const Value *value); // exactly one operand, and no output
bool value_is_unused(const Value *value);
bool value_is_constant(const Value *value);
// The input with the keys, right before it, of an input that has a map's values (map_values says
// so); NULL: it is a tensor.
const Value *value_map_keys(const Value *input);
// The keys of an output's columns, which zip_map gave it; NULL: none.
const Value *value_keys(const Value *value);
Constant *value_constant(const Value *value); // NULL unless the value is a constant

// Attributes. Getters give the default of the op table where the node has none.
const Attribute *node_attribute(const Node *node, AttributeId id); // NULL: not set
int64_t node_int(const Node *node, AttributeId id);
double node_float(const Node *node, AttributeId id);
const char *node_string(const Node *node, AttributeId id);              // "" rather than NULL
const int64_t *node_ints(const Node *node, AttributeId id, int *count); // count 0: not set
// Element i of a list of ints; `otherwise` if the list is not set.
int64_t node_ints_at(const Node *node, AttributeId id, int index, int64_t otherwise);
const double *node_floats(const Node *node, AttributeId id, int *count);
const Dim *const *node_dims(const Node *node, AttributeId id, int *count);
void node_set_int(Node *node, AttributeId id, int64_t value);
void node_set_float(Node *node, AttributeId id, double value);
void node_set_string(Node *node, AttributeId id, const char *value);              // copied
void node_set_ints(Node *node, AttributeId id, const int64_t *values, int count); // copied
void node_set_floats(Node *node, AttributeId id, const double *values, int count);
void node_set_dims(Node *node, AttributeId id, const Dim *const *values, int count);
void node_copy_attributes(Node *to, const Node *from);
void node_clear_attribute(Node *node, AttributeId id);
bool attribute_equal(const Attribute *a, const Attribute *b);

static inline bool node_has_trait(const Node *node, unsigned trait) {
  return (op_info[node->op].traits & trait) != 0;
}
// Number of operands that feed the op itself; the rest are extra operands of the epilogue region
// (only ops with trait ACCUMULATES have such; stored as attribute-free convention: the region's
// inputs after the first correspond to the last operands).
int node_own_operands(const Node *node);
Graph *node_epilogue(const Node *node); // NULL: none
// The type of the first result before an epilogue.
const Type *node_own_type(const Node *node);

// A unique constant name from `base` (any text), fit for a symbol.
const char *module_constant_name(Module *module, const char *base);

// A deep copy into `to` (which may be the same module, or another one: dims go over by name).
Graph *graph_clone(Module *to, const Graph *graph);
Module *module_clone(Arena *arena, Diag *diag, const Module *module);

#define FOR_EACH_NODE(node, graph)                                                                 \
  for (Node *node = (graph)->first, *node##_next; node && (node##_next = node->next, 1);           \
       node = node##_next)

#endif
