// Interface: what a model looks like from outside: fields of the structs, words, dims, names.
// Header writer, entry points, tenon_model and c-test all read this one description.
#ifndef TENON_CODEGEN_INTERFACE_H
#define TENON_CODEGEN_INTERFACE_H

#include "codegen/codegen.h"

// A dim as seen by the caller. Words of inputs and outputs are numbered together: word <
// input_words is a word of the inputs struct, word - input_words one of the outputs struct.
typedef struct InterfaceDim {
  const Dim *dim;
  int64_t low, high; // DIM_UNBOUNDED: none
  int word;          // -1: constant
} InterfaceDim;

typedef struct InterfaceValue {
  const Value *value;
  const char *name;  // ONNX name
  const char *field; // C field name
  const char *macro; // upper case field name, for <PREFIX>_<MACRO>_BYTES
  int word;          // in its own struct
  InterfaceDim dims[MAX_RANK];
  int64_t bytes;         // at the upper bounds; -1: unbounded
  const Value *keys;     // of the columns of an output, a constant in the object; NULL: none
  const Value *map_keys; // an input has the values of these; NULL: it is no map
} InterfaceValue;

// A word that carries a dim: of the inputs struct (read: a symbol) or of the outputs struct
// (written).
typedef struct InterfaceWord {
  const Dim *dim;
  const char *field, *macro;
  int word; // in its own struct
} InterfaceWord;

typedef struct Interface {
  const char *prefix, *macro_prefix; // "resnet18", "RESNET18"
  InterfaceValue *inputs, *outputs;
  int input_count, output_count;
  InterfaceWord *input_dims, *output_dims;
  int input_dim_count, output_dim_count;
  int input_words, output_words;
  uint32_t abi; // hash of prefix, types, version: <PREFIX>_ABI
} Interface;

// Fields are called after the tensors, or as options->names says. NULL: reported.
Interface *interface_create(const Module *module, const CodegenOptions *options, Arena *arena,
                            Diag *diag);
// A C identifier from any text: bytes outside [A-Za-z0-9_] become `_`; leading digits, C and C++
// keywords and predefined macros get a `_`.
const char *interface_identifier(Arena *arena, const char *text);
const char *interface_upper(Arena *arena, const char *text);
// The symbol of the keys: <prefix>_<field>_keys.
const char *interface_keys_symbol(const Interface *interface, const InterfaceValue *value,
                                  Arena *arena);
// An output without a bound: _run puts it behind the planned part of the workspace and sets the
// pointer.
bool interface_is_open(const InterfaceValue *value);
// Where the value lies in the workspace (--io=workspace); -1: in the caller's memory.
int64_t interface_workspace_offset(const InterfaceValue *value);

#endif
