// What the parts of code generation share: the state of one compilation.
#ifndef TENON_CODEGEN_INTERNAL_H
#define TENON_CODEGEN_INTERNAL_H

#include <llvm-c/TargetMachine.h>

#include "codegen/codegen.h"
#include "codegen/interface.h"
#include "codegen/kernel.h"
#include "codegen/object.h"

// --- weights (weights.c)

// Where a segment lies: in the embedded (or mapped) weights, or in the memory that _init decodes
// into.
typedef enum WeightsHome { HOME_WEIGHTS, HOME_DECODED } WeightsHome;

typedef struct CodedSegment { // as code (weights_coded.c)
  unsigned char *data;
  size_t bytes;
  int64_t symbol_count;
  int bits, symbol_bytes, table_symbols;
} CodedSegment;

typedef struct PlacedSegment {
  PackedSegment segment;
  CodedSegment coded; // HOME_DECODED
  WeightsHome home;
  int64_t offset; // from the start of its home
} PlacedSegment;

typedef struct Weights {
  Arena *arena;
  PlacedSegment *segments;
  int count, capacity;
  int64_t bytes[2]; // by home
  int align[2];
  int64_t coded_bytes; // of the entropy-coded form of HOME_DECODED
} Weights;

// Adds a segment, or finds an equal one by key; returns its index.
int weights_add(Weights *weights, const PackedSegment *segment);
// The segment of a dense constant: its values in logical order.
int weights_add_dense(Weights *weights, const Constant *constant, const Type *type,
                      const Target *target);
bool weights_stream(void *weights, OutputSink *sink); // all of HOME_WEIGHTS, in order
// Huffman-codes a segment; false: that gains nothing.
bool weights_code(Arena *arena, const PackedSegment *segment, CodedSegment *coded);
// Adds the code of all of HOME_DECODED as one segment, when no more will be added; -1: there is
// none.
int weights_add_coded(Weights *weights);

// What a weights file starts with (weights_file.c); _init compares the words of the first 24 bytes.
enum { WEIGHTS_HEAD_BYTES = 64, WEIGHTS_HEAD_CHECKED = 24 };
void weights_file_head(Weights *weights, uint32_t head[WEIGHTS_HEAD_BYTES / 4]);

// --- estimates of work (work.c)

// Cycles that an op takes about, with vectors; INFINITY: as many as the dims of the run decide.
double work_cycles(const Node *node);

typedef struct WorkShare WorkShare;
typedef struct WorkShares {
  double total; // cycles of the whole model, at least
  WorkShare *first;
} WorkShares;

// How the code of a kernel should be: of ops that are a small share of the model's work nobody
// notices the time, but everybody the bytes.
typedef struct WorkCode {
  CodeSize size;
  bool scalar; // without vectors
} WorkCode;

void work_measure(Compiled *compiled);
// `key`: of kernel_key; all nodes with that key count together.
WorkCode work_code(const Compiled *compiled, const Node *node, const KernelRow *row,
                   const char *key);

// --- kernels (emit.c)

typedef struct KernelFunction {
  const char *key;
  const KernelRow *row;
  WorkCode code;
  Val function, task; // `task`: void (argument, size_t) for parallel_for; NULL: not split
  const Dim *parallel;
  int symbol_count;
  const int *symbols; // indices of the dims' symbols that are parameters
  bool fallible;
  struct KernelFunction *next;
} KernelFunction;

typedef struct LatePlace LatePlace;

// What surrounds the call of a node: base pointers and dims in the function that is being emitted.
typedef struct Frame {
  Nest *nest;
  Val context, workspace, fast, weights, decoded; // weights, decoded: bases of the two homes
  Val *input_pointers,
      *output_pointers;          // by number; NULL: too many to keep, loaded where they are used
  Val input_words, output_words; // the structs of the caller
  Val *symbols;                  // by symbol index; NULL where unknown
  const Val *given;              // the same at the start of the run: dims of the inputs
  Val *open;                     // offsets of places behind the planned part of the workspace
  LatePlace *late;               // by number; NULL: there are none
  Val room, top;                 // bytes of the workspace; where the taken ones are counted
  Val executor;                  // NULL: serial
  Val task_words;                // arguments of a parallel_for on the stack; NULL: none yet
  int task_word_count;
} Frame;

enum { MAX_TASKS = 16 }; // of one call of parallel_for

struct Compiled {
  Arena *arena;
  Diag *diag;
  const Module *module;
  CodegenOptions options;
  const Target *target;
  Interface *interface;
  Weights weights;
  WorkShares shares;
  LLVMContextRef context;
  LLVMModuleRef llvm;
  LLVMTargetMachineRef machine;
  Nest nest;
  KernelFunction *kernels;
  int kernel_count;
  Val spread[2]; // run the units of a kernel, in tasks or at once, by words or by pointers; NULL:
                 // nobody needs it yet
  const char **op_names; // by number
  const Node **op_nodes;
  bool *op_reported; // a failed run may name it: tenon_model.ops has it
  int op_count, op_capacity, op_node_count, op_node_capacity, op_reported_count,
      op_reported_capacity;
  const Node **customs; // one for each function of the user's
  int custom_count, custom_capacity;
  LLVMMemoryBufferRef object; // machine code as LLVM wrote it; NULL: not yet
  ObjectImage *image;
  int64_t stack_bytes;
};

// Emits the call of one node (not CONST, not a view); false: reported. `op` is its number in
// tenon_model.ops. Leaves through nest_fail_if when a fallible kernel fails.
bool emit_node(Compiled *compiled, Frame *frame, const Node *node, int op);
// Are the dims' symbols that the node's function wants known here? False: reported.
bool emit_symbols_known(Compiled *compiled, const Frame *frame, const Node *node,
                        const KernelFunction *kernel);
const char *emit_function_name(Compiled *compiled, const Node *node); // PREFIX_OP_NAME
// With options.profile: calls the clock of the context, if it has one, with `op`.
void emit_clock(Compiled *compiled, Frame *frame, int op);
// Leaves the function with `code` unless it is 0.
void emit_return_if_failed(Nest *nest, Val code);
// The nodes from `first` to before `end` (NULL: to the last one), in order.
bool emit_nodes(Compiled *compiled, Frame *frame, const Node *first, const Node *end);
// All nodes of a graph in order; those of a long one in functions of their own (stretch.c).
bool emit_graph(Compiled *compiled, Frame *frame, const Graph *graph);
// Address of a placed value.
Val emit_pointer(Compiled *compiled, Frame *frame, const Value *value);
Val emit_strings(Compiled *compiled,
                 const Constant *constant); // a table of pointers and lengths (strings.c)
Val emit_string_table(Compiled *compiled, const Constant *constant,
                      const char *name); // the same, once more
Val emit_dim(Compiled *compiled, Frame *frame, const Dim *dim);
bool emit_dim_is_known(const Val *symbols, const Dim *dim); // have all its symbols a value?
int emit_lone_symbol(
    const Dim *dim); // the index of a dim that is nothing but a symbol; -1 otherwise
// A value for a symbol that so far has none; beyond the symbol's range, which sized the memory, the
// run fails.
void emit_define_symbol(Frame *frame, const Dim *dim, Val value);
// if, loop, scan (control.c); false: reported.
bool emit_control(Compiled *compiled, Frame *frame, const Node *node);

// Offsets of the places behind the planned part of the workspace into frame->open (open.c). Returns
// the bytes of all the workspace; *too_large (NULL: never) is true where that is no number of
// bytes.
Val emit_open_places(Compiled *compiled, Frame *frame, Val *too_large);

// Bytes of a tensor with the dims of the run, checked: *overflow as in nest_add_checked.
Val emit_checked_bytes(Compiled *compiled, Frame *frame, const Type *type, Val *overflow);

// --- places for values whose size only the run knows (late.c)
void emit_late_begin(Compiled *compiled, Frame *frame, Val planned,
                     Val room); // behind the planned bytes
bool emit_is_late(const Value *value);
Val emit_late_pointer(Frame *frame, const Value *value);
// Memory for a value of that type, unless it shares the place of an earlier one.
void emit_late_value(Compiled *compiled, Frame *frame, const Value *value, const Type *type);
// Bytes that stay where they are for the rest of the run (within a loop's turn: see
// emit_late_mark).
Val emit_late_memory(Frame *frame, Val bytes, Val overflow);
// The same in two steps: where all that is left begins, and a word with its bytes; then how many of
// these are taken, according to the word.
Val emit_late_rest(Frame *frame, Val *memory);
void emit_late_take(Frame *frame, Val word);
// What a sequence or optional is from here on.
void emit_late_set(Frame *frame, const Value *list, Val pointer);
void emit_late_results(Compiled *compiled, Frame *frame, const Node *node);
void emit_late_empty(Frame *frame,
                     const Value *value); // no memory yet: what emit_late_fit starts from
// Room for `bytes`, in a new place if need be, into which the first `kept` (NULL: 0) are copied. A
// place taken in a loop's turn outlives it: `mark`, of emit_late_mark before the loop, moves behind
// it.
void emit_late_fit(Frame *frame, const Value *value, Val bytes, Val kept, Val overflow, Val mark);
Val emit_late_mark(Frame *frame);
void emit_late_fall_back(Frame *frame, Val mark); // the top returns to the mark
void emit_store_needed(Frame *frame, Val needed); // context->needed

// --- sequences and optionals (lists.c); false: reported
bool emit_is_list_node(const Node *node);
bool emit_list_node(Compiled *compiled, Frame *frame, const Node *node);

// --- pointers of inputs or outputs (pointer_checks.c): more than these would be kept on the stack
// until their use
enum { MOST_KEPT_POINTERS = 24 };
// The condition under which one that is needed is NULL or misaligned.
Val emit_pointer_checks(Compiled *compiled, Val words, const InterfaceValue *values, int count,
                        bool outputs);

// --- custom operators (custom.c); false: reported
bool emit_custom_node(Compiled *compiled, Frame *frame, const Node *node);
// Functions of the user's that the module calls, NULL-terminated, each once.
const char *const *compiled_external_symbols(const Compiled *compiled);
// The node that calls the function.
const Node *compiled_external_node(const Compiled *compiled, const char *symbol);

// --- entry points (entry.c): _run, _shapes, _init, _model
bool emit_entry_points(Compiled *compiled);

// --- machine (machine.c): LLVM target machine, optimisation, object code
LLVMTargetMachineRef machine_create(const CodegenOptions *options, Diag *diag);
bool machine_link_library(Compiled *compiled); // runtime/kernels into the module
// Code that any processor of the family x86_64 runs.
void machine_set_baseline(Nest *nest, Val function);
bool machine_optimise(Compiled *compiled);
bool machine_emit(Compiled *compiled);  // object and stack_bytes
bool compiled_link(Compiled *compiled); // image, once
// The module's machine code as an object or as assembly; the caller disposes of it.
LLVMMemoryBufferRef machine_to_buffer(Compiled *compiled, LLVMModuleRef module, bool assembly);

// Functions memcpy, memset, memmove of the module's own, where LLVM may make calls of them.
void memory_functions_add(Compiled *compiled);
bool memory_functions_wanted(const Compiled *compiled);

// The entry points, the description, and the keys of outputs; NULL ends the list.
const char *const *compiled_exported_symbols(const Compiled *compiled);
bool compiled_weights_in_file(const Compiled *compiled); // --weights=file
bool compiled_needs_init(const Compiled *compiled);      // _init must be called before _run
int compiled_max_tasks(const Compiled *compiled);        // most tasks of one parallel_for

#endif
