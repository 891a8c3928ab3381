// Subgraphs of If, Loop and Scan. A region of the IR captures nothing: what a subgraph reads from
// outside becomes an operand, constants are made anew inside.
#ifndef TENON_FRONTEND_IMPORT_REGION_H
#define TENON_FRONTEND_IMPORT_REGION_H

#include "frontend/import.h"

// How deep subgraphs may nest; how many copies of a body an unrolled loop may have.
enum { REGION_DEPTH = 50, UNROLL_LIMIT = 256 };

typedef struct Captures {
  char **names;
  int count, capacity;
} Captures;

// What the subgraphs read from outside and must be given to: values that are not constants.
typedef struct Region {
  OnnxNode *node;
  Captures captures;
  Value **of_capture; // by capture; NULL: not an operand
  Value **values;     // the same without the NULLs
  int value_count;
} Region;

// Collects what the subgraphs `a` and, where there is one, `b` read from outside. False: reported,
// or an operand has failed.
bool region_begin(OnnxNode *node, Region *region, const Onnx__GraphProto *a,
                  const Onnx__GraphProto *b);
// The captured names as the region's scope sees them.
bool region_define_captures(const Region *region, Scope *scope);
// A new region of `owner`, and the scope in which its subgraph is imported.
Scope *region_scope(const Region *region, Node *owner, const char *name);
// The next input of the region, named as the subgraph names its input `index`.
Value *region_input(const Region *region, Scope *scope, const Onnx__GraphProto *graph, size_t index,
                    Type type);
// The subgraph's output `name`; NULL: reported, or its node has failed.
Item *region_item(const Region *region, Scope *scope, const char *name);
// The same, a tensor.
Value *region_output(const Region *region, Scope *scope, const char *name);
bool region_import(const Region *region, Scope *scope, const Onnx__GraphProto *graph);
// A node that was not inserted and will not be: its operands must not list it as a user.
void region_drop_operands(Node *node);

// An attempt without a word: what fails in it may succeed in another way.
typedef struct Attempt {
  Diag *diag, quiet;
  int unsupported;
  char *text; // the messages of the attempt: warnings, if it succeeds
  size_t text_size;
} Attempt;
void attempt_begin(OnnxNode *node, Attempt *attempt);
// Back to the usual diagnostics, with the warnings of a success; a failure leaves the node as it
// was. Returns `good`.
bool attempt_end(OnnxNode *node, Attempt *attempt, bool good);
bool onnx_output_any(OnnxNode *node, int index, Value *value);
bool item_is_optional(const Item *item);

#endif
