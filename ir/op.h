// Operators and attributes: what ops.def and attributes.def say, as data and as enumerations.
#ifndef TENON_IR_OP_H
#define TENON_IR_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Node;
struct Diag;

typedef enum OpCode {
#define OP(name, ...) OP_##name,
#include "ir/ops.def"
  OP_COUNT
} OpCode;

typedef enum AttributeId {
#define ATTRIBUTE(name, text, kind) ATTR_##name,
#include "ir/attributes.def"
  ATTR_COUNT
} AttributeId;

typedef enum AttributeKind {
  KIND_INT,
  KIND_FLOAT,
  KIND_STRING,
  KIND_INTS,
  KIND_FLOATS,
  KIND_DIMS
} AttributeKind;

// Traits. Passes ask for these, never for lists of opcodes.
enum {
  PURE = 1 << 0,        // no effect but its results: may be removed, merged, folded
  POINTWISE = 1 << 1,   // result element i depends on operand elements i only (after broadcasting)
  COMMUTATIVE = 1 << 2, // the two operands may be exchanged
  ACCUMULATES = 1 << 3, // sums products in registers: may own an epilogue region
  REGIONS = 1 << 4,     // owns functions
  VIEW = 1 << 5,        // the result is the operand's memory, unchanged
  MOVES = 1 << 6,       // moves elements without looking at them
  FALLIBLE = 1 << 7,    // data can make it fail at run time (index out of range)
  SIZED =
      1 << 8, // data decides a dim of the results, a symbol: pure, but two of them are never one
  OF_LISTS = 1 << 9, // operands or results may be sequences or optionals; not PURE where it finds
                     // dims, as SIZED
  MAKES_TEXT = 1 << 10, // strings with bytes of their own, as many as data decides
  OVERWRITES = 1 << 13, // result element i depends on element i of operand 0, which has its shape
  EXTERNAL =
      1 << 11, // calls a function of the user's: nothing is known of it; never run while compiling
  LINEAR = 1 << 12 // takes as long as its operands and results (a window: its taps) have elements;
                   // POINTWISE and MOVES are that too
};

typedef struct AttributeSpec {
  AttributeId id;
  int64_t int_default;
  double float_default;
  const char *string_default;
} AttributeSpec;

enum { MAX_ATTRIBUTES = 16 };

typedef struct OpInfo {
  const char *text, *stem, *help;
  int min_operands, max_operands; // -1: any number
  int results;                    // -1: any number
  unsigned traits;
  // Sets the types of the node's results from its operands and attributes (for CONST, SHAPE: the
  // attributes alone), or checks what is given. false: reported.
  bool (*infer)(struct Node *node, struct Diag *diag);
  AttributeSpec attributes[MAX_ATTRIBUTES]; // attribute_count of them
  int attribute_count;
} OpInfo;

typedef struct AttributeInfo {
  const char *text;
  AttributeKind kind;
} AttributeInfo;

extern const OpInfo op_info[OP_COUNT];
extern const AttributeInfo attribute_info[ATTR_COUNT];

bool op_find(const char *text, size_t length, OpCode *op);
bool attribute_find(const char *text, size_t length, AttributeId *id);
// The op's declaration of an attribute; NULL if it has none of that name. KERNEL_NAME and TILE are
// everybody's.
const AttributeSpec *op_attribute(OpCode op, AttributeId id);

#endif
