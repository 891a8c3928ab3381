// Custom operators: each node calls a function of the user's with a tenon_custom, which a function
// of its own makes on the stack; dims that are constants lie in read-only memory. Equal nodes share
// it.
#include <assert.h>
#include <string.h>

#include "codegen/describe.h"
#include "codegen/internal.h"
#include "codegen/key.h"
#include "ir/external.h"
#include "runtime/tenon.h"

typedef struct Custom {
  Compiled *compiled;
  Nest *nest;
  const Node *node;
  Kernel kernel; // for dims
  unsigned next; // parameter
  LLVMTypeRef tensor, attribute, call;
  int word; // bytes of a pointer
} Custom;

static const KernelRow row = {.name = "custom", .stem = "custom"};

// --- the user's function

static LLVMTypeRef function_type(Nest *nest) {
  return LLVMFunctionType(nest->i32, &nest->pointer, 1, false);
}

static bool is_in(const char *const *names, const char *name) {
  while (*names && strcmp(*names, name)) names++;
  return *names != NULL;
}

// Names of what the object gets later.
static bool is_reserved(const Compiled *compiled, const char *symbol) {
  const char *const own[] = {arena_printf(compiled->arena, "%s_weights", compiled->options.prefix),
                             "memcpy", "memmove", "memset", NULL};
  return is_in(compiled_exported_symbols(compiled), symbol) || is_in(own, symbol);
}

const Node *compiled_external_node(const Compiled *compiled, const char *symbol) {
  for (int i = 0; i < compiled->custom_count; i++)
    if (!strcmp(node_string(compiled->customs[i], ATTR_SYMBOL), symbol))
      return compiled->customs[i];
  return NULL;
}

const char *const *compiled_external_symbols(const Compiled *compiled) {
  const char **symbols = NEW_ARRAY(compiled->arena, const char *, compiled->custom_count + 1);
  for (int i = 0; i < compiled->custom_count; i++)
    symbols[i] = node_string(compiled->customs[i], ATTR_SYMBOL);
  return symbols;
}

static Val external_function(Compiled *compiled, const Node *node) {
  const char *symbol = node_string(node, ATTR_SYMBOL);
  Val known = LLVMGetNamedFunction(compiled->llvm, symbol);
  if (compiled_external_node(compiled, symbol)) return known;
  if (known || LLVMGetNamedGlobal(compiled->llvm, symbol) || is_reserved(compiled, symbol)) {
    diag_error(
        compiled->diag, node->loc,
        "the object has a function '%s' of its own: the custom operator's needs another name",
        symbol);
    return NULL;
  }
  Val function = LLVMAddFunction(compiled->llvm, symbol, function_type(&compiled->nest));
  nest_attribute(&compiled->nest, function, (int)LLVMAttributeFunctionIndex, "nounwind", 0);
  nest_attribute(&compiled->nest, function, (int)LLVMAttributeFunctionIndex, "nobuiltin", 0);
  ARENA_PUSH(compiled->arena, compiled->customs, compiled->custom_count, compiled->custom_capacity,
             node);
  return function;
}

// --- the description of a call

static void store_field(Custom *c, LLVMTypeRef type, Val base, unsigned field, Val value) {
  Val address = LLVMBuildStructGEP2(c->nest->builder, type, base, field, "");
  nest_store(c->nest, value, address, LLVMTypeOf(value) == c->nest->i32 ? 4 : c->word);
}

static Val constant_global(Custom *c, Val value, const char *name, unsigned align) {
  Val global = LLVMAddGlobal(c->compiled->llvm, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, align);
  return global;
}

static Val dims_of(Custom *c, const Type *type) {
  Nest *nest = c->nest;
  Val dims[MAX_RANK];
  for (int i = 0; i < type->rank; i++) dims[i] = kernel_dim(&c->kernel, type->dims[i]);
  if (!type->rank) return LLVMConstNull(nest->pointer);
  if (type_is_static(type))
    return constant_global(c, LLVMConstArray2(nest->index, dims, (uint64_t)type->rank), "dims",
                           (unsigned)c->word);
  Val memory = nest_local(nest, nest->index, type->rank, c->word);
  for (int i = 0; i < type->rank; i++)
    nest_store(nest, dims[i], nest_address(nest, memory, nest->index, nest_const(nest, i)),
               c->word);
  return memory;
}

static void put_tensor(Custom *c, Val place, const Value *value) {
  Nest *nest = c->nest;
  bool there = value != NULL;
  Val null = LLVMConstNull(nest->pointer);
  store_field(c, c->tensor, place, 0, there ? LLVMGetParam(nest->function, c->next++) : null);
  store_field(c, c->tensor, place, 1, there ? dims_of(c, &value->type) : null);
  store_field(c, c->tensor, place, 2, nest_int(nest->i32, there ? value->type.rank : 0));
  store_field(c, c->tensor, place, 3,
              nest_int(nest->i32, there ? describe_type_code(value->type.element) : 0));
}

static Val put_tensors(Custom *c, Value *const *values, int count) {
  Val places = nest_local(c->nest, c->tensor, count ? count : 1, c->word);
  for (int i = 0; i < count; i++)
    put_tensor(c, nest_address(c->nest, places, c->tensor, nest_const(c->nest, i)), values[i]);
  return places;
}

static Val put_attributes(Custom *c, Value *const *values, const char *const *names, int count) {
  Val places = nest_local(c->nest, c->attribute, count ? count : 1, c->word);
  for (int i = 0; i < count; i++) {
    Val place = nest_address(c->nest, places, c->attribute, nest_const(c->nest, i));
    Val text = LLVMConstStringInContext2(c->nest->context, names[i], strlen(names[i]), false);
    store_field(c, c->attribute, place, 0, constant_global(c, text, "name", 1));
    put_tensor(c, LLVMBuildStructGEP2(c->nest->builder, c->attribute, place, 1, ""), values[i]);
  }
  return places;
}

// Fills a tenon_custom and calls; the status is the result.
static void emit_body(Custom *c, Val external) {
  Nest *nest = c->nest;
  const Node *node = c->node;
  const char *const *names;
  int attributes = external_attributes(node, c->compiled->arena, &names),
      inputs = node->operand_count - attributes;
  int scratch = node_int(node, ATTR_SCRATCH) != 0, outputs = node->result_count - scratch;
  Val call = nest_local(nest, c->call, 1, c->word),
      context = LLVMGetParam(nest->function, c->next++);
  Val input_places = put_tensors(c, node->operands, inputs);
  Val attribute_places = put_attributes(c, node->operands + inputs, names, attributes);
  Val output_places = put_tensors(c, node->results, outputs);
  Val workspace = scratch ? LLVMGetParam(nest->function, c->next++) : LLVMConstNull(nest->pointer);
  Val bytes =
      scratch ? kernel_dim(&c->kernel, node->results[outputs]->type.dims[0]) : nest_const(nest, 0);
  const Val fields[] = {context,
                        input_places,
                        output_places,
                        attribute_places,
                        workspace,
                        bytes,
                        nest_int(nest->i32, inputs),
                        nest_int(nest->i32, outputs),
                        nest_int(nest->i32, attributes),
                        nest_int(nest->i32, 0)};
  for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
    store_field(c, c->call, call, i, fields[i]);
  nest_function_end(nest,
                    LLVMBuildCall2(nest->builder, function_type(nest), external, &call, 1, ""));
}

// Parameters: the context, operands and results that exist, symbols.
static int parameter_count(const Node *node, const KernelFunction *made) {
  int count = 1 + node->result_count + made->symbol_count;
  for (int i = 0; i < node->operand_count; i++) count += node->operands[i] != NULL;
  return count;
}

static void make_types(Custom *c) {
  Nest *nest = c->nest;
  LLVMTypeRef p = nest->pointer, number = nest->i32, tensor[] = {p, p, number, number};
  c->tensor = LLVMStructTypeInContext(nest->context, tensor, 4, false);
  c->attribute = LLVMStructTypeInContext(nest->context, (LLVMTypeRef[]){p, c->tensor}, 2, false);
  LLVMTypeRef call[] = {p, p, p, p, p, nest->index, number, number, number, number};
  c->call = LLVMStructTypeInContext(nest->context, call, sizeof call / sizeof *call, false);
}

static bool make_function(Compiled *compiled, KernelFunction *made, const Node *node) {
  Nest *nest = &compiled->nest;
  Val external = external_function(compiled, node);
  if (!external) return false;
  Nest saved = *nest;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(nest->builder);
  int count = parameter_count(node, made);
  LLVMTypeRef *types = NEW_ARRAY(compiled->arena, LLVMTypeRef, count);
  for (int i = 0; i < count; i++)
    types[i] = i < count - made->symbol_count ? nest->pointer : nest->index;
  made->function =
      nest_function_begin(nest, emit_function_name(compiled, node), nest->i32, types, count);
  nest_attribute(nest, made->function, (int)LLVMAttributeFunctionIndex, "noinline", 0);
  Val *symbols = NEW_ARRAY(compiled->arena, Val, dim_symbol_count(compiled->module->dims) + 1);
  for (int i = 0; i < made->symbol_count; i++)
    symbols[made->symbols[i]] =
        LLVMGetParam(made->function, (unsigned)(count - made->symbol_count + i));
  Custom custom = {.compiled = compiled,
                   .nest = nest,
                   .node = node,
                   .word = compiled->target->pointer_bits / 8,
                   .kernel = {.nest = nest, .symbols = symbols, .arena = compiled->arena}};
  make_types(&custom);
  emit_body(&custom, external);
  nest->function = saved.function;
  nest->failure = saved.failure;
  nest->failure_code = saved.failure_code;
  LLVMPositionBuilderAtEnd(nest->builder, here);
  return true;
}

static KernelFunction *function_of(Compiled *compiled, const Node *node) {
  const char *key = kernel_key(compiled->arena, node, &row);
  for (KernelFunction *known = compiled->kernels; known; known = known->next)
    if (known->row == &row && !strcmp(known->key, key)) return known;
  KernelFunction *made = NEW(compiled->arena, KernelFunction);
  *made = (KernelFunction){.key = key, .row = &row, .fallible = true};
  made->symbols =
      kernel_symbols(compiled->arena, compiled->module->dims, node, &made->symbol_count);
  if (!make_function(compiled, made, node)) return NULL;
  made->next = compiled->kernels;
  compiled->kernels = made;
  compiled->kernel_count++;
  return made;
}

bool emit_custom_node(Compiled *compiled, Frame *frame, const Node *node) {
  Nest *nest = frame->nest;
  KernelFunction *made = function_of(compiled, node);
  if (!made || !emit_symbols_known(compiled, frame, node, made)) return false;
  emit_late_results(compiled, frame, node);
  int count = 0, all = parameter_count(node, made);
  Val *arguments = NEW_ARRAY(compiled->arena, Val, all);
  arguments[count++] = frame->context;
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) arguments[count++] = emit_pointer(compiled, frame, node->operands[i]);
  for (int i = 0; i < node->result_count; i++)
    arguments[count++] = emit_pointer(compiled, frame, node->results[i]);
  for (int i = 0; i < made->symbol_count; i++)
    arguments[count++] = frame->symbols[made->symbols[i]];
  assert(count == all);
  Val status = LLVMBuildCall2(nest->builder, LLVMGlobalGetValueType(made->function), made->function,
                              arguments, (unsigned)count, "");
  nest_fail_if(nest, nest_compare(nest, LLVMIntNE, status, nest_int(nest->i32, 0)), TENON_E_CUSTOM);
  return true;
}
