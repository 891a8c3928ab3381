// The constant <prefix>_model. Fields are those of struct tenon_model, in its order.
#include "codegen/describe.h"

#include <string.h>

#include "runtime/tenon.h"

typedef struct Describer {
  Compiled *compiled;
  Nest *nest;
} Describer;

static Val number32(Describer *d, int64_t value) {
  return LLVMConstInt(d->nest->i32, (uint64_t)value, true);
}
static Val number64(Describer *d, int64_t value) {
  return LLVMConstInt(d->nest->i64, (uint64_t)value, true);
}
static Val size(Describer *d, int64_t value) {
  return LLVMConstInt(d->nest->index, (uint64_t)value, false);
}
static Val null_pointer(Describer *d) { return LLVMConstNull(d->nest->pointer); }

static Val constant_global(Describer *d, Val value, const char *what) {
  const char *name =
      arena_printf(d->compiled->arena, "%s_model_%s", d->compiled->interface->prefix, what);
  Val global = LLVMAddGlobal(d->compiled->llvm, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  return global;
}

static Val text(Describer *d, const char *string) {
  Val bytes = LLVMConstStringInContext(d->nest->context, string, (unsigned)strlen(string), false);
  Val global = constant_global(d, bytes, "text");
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(global, 1);
  return global;
}

static Val structure(Describer *d, Val *fields, int count) {
  return LLVMConstStructInContext(d->nest->context, fields, (unsigned)count, false);
}

static Val array_of(Describer *d, Val *items, int count, const char *what) {
  if (!count) return null_pointer(d);
  return constant_global(d, LLVMConstArray2(LLVMTypeOf(items[0]), items, (uint64_t)count), what);
}

// Of an output that the run places, every dim that is no constant counts as without a bound.
static Val describe_dim(Describer *d, const InterfaceDim *dim, bool open) {
  int64_t high = dim->high == DIM_UNBOUNDED || (open && dim->word >= 0) ? -1 : dim->high;
  Val fields[] = {number64(d, dim->low), number64(d, high), number32(d, dim->word), number32(d, 1)};
  return structure(d, fields, 4);
}

int describe_type_code(ElementType element) {
  static const int codes[ELEMENT_COUNT] = {[F32] = TENON_F32,
                                           [F64] = TENON_F64,
                                           [F16] = TENON_F16,
                                           [BF16] = TENON_BF16,
                                           [F8E4M3FN] = TENON_F8E4M3FN,
                                           [F8E4M3FNUZ] = TENON_F8E4M3FNUZ,
                                           [F8E5M2] = TENON_F8E5M2,
                                           [F8E5M2FNUZ] = TENON_F8E5M2FNUZ,
                                           [F8E8M0] = TENON_F8E8M0,
                                           [F4E2M1] = TENON_F4E2M1,
                                           [I8] = TENON_I8,
                                           [I16] = TENON_I16,
                                           [I32] = TENON_I32,
                                           [I64] = TENON_I64,
                                           [U8] = TENON_U8,
                                           [U16] = TENON_U16,
                                           [U32] = TENON_U32,
                                           [U64] = TENON_U64,
                                           [I4] = TENON_I4,
                                           [U4] = TENON_U4,
                                           [I2] = TENON_I2,
                                           [U2] = TENON_U2,
                                           [BOOL] = TENON_BOOL,
                                           [C64] = TENON_C64,
                                           [C128] = TENON_C128,
                                           [STR] = TENON_STRING};
  return codes[element];
}

static void describe_quant(Describer *d, const Quant *quant, Val *scale, Val *zero, Val *axis) {
  *scale = *zero = null_pointer(d);
  *axis = number32(d, -1);
  if (!quant) return;
  Val *scales = NEW_ARRAY(d->compiled->arena, Val, quant->count),
      *zeros = NEW_ARRAY(d->compiled->arena, Val, quant->count);
  for (int i = 0; i < quant->count; i++) {
    scales[i] = LLVMConstReal(d->nest->f32, (double)quant->scale[i]);
    zeros[i] = number32(d, quant->zero[i]);
  }
  *scale = array_of(d, scales, quant->count, "scale");
  *zero = array_of(d, zeros, quant->count, "zero");
  *axis = number32(d, quant->axis);
}

static int kind_code(const Type *type) {
  if (type->kind == TYPE_SEQUENCE) return TENON_SEQUENCE;
  if (type->kind != TYPE_OPTIONAL) return TENON_TENSOR;
  return type_is_list(type->inner) ? TENON_OPTIONAL_SEQUENCE : TENON_OPTIONAL;
}

static Val integer_table(Describer *d, const Constant *constant, const char *name) {
  size_t count = constant->bytes / sizeof(int64_t);
  Val *items = NEW_ARRAY(d->compiled->arena, Val, count + 1);
  for (size_t i = 0; i < count; i++)
    items[i] = number64(d, element_load_int(I64, constant->data, (int64_t)i));
  Val values = LLVMConstArray2(d->nest->i64, items, count),
      global = LLVMAddGlobal(d->compiled->llvm, LLVMTypeOf(values), name);
  LLVMSetInitializer(global, values);
  LLVMSetGlobalConstant(global, true);
  return global;
}

// Keys of columns: a symbol of their own, which the header declares.
static Val describe_keys(Describer *d, const InterfaceValue *value) {
  if (!value->keys) return null_pointer(d);
  const Constant *constant = value_constant(value->keys);
  const char *name = interface_keys_symbol(d->compiled->interface, value, d->compiled->arena);
  if (!constant->bytes) return null_pointer(d);
  Val table = value->keys->type.element == STR ? emit_string_table(d->compiled, constant, name)
                                               : integer_table(d, constant, name);
  LLVMSetLinkage(table, LLVMExternalLinkage);
  return table;
}

static Val describe_values(Describer *d, const InterfaceValue *values, int count,
                           const char *what) {
  Val *described = NEW_ARRAY(d->compiled->arena, Val, count);
  for (int i = 0; i < count; i++) {
    const Type *type = &values[i].value->type;
    const Value *keys = values[i].keys ? values[i].keys : values[i].map_keys;
    Val dims[MAX_RANK], scale, zero, axis;
    for (int k = 0; k < type->rank; k++)
      dims[k] = describe_dim(d, &values[i].dims[k], interface_is_open(&values[i]));
    describe_quant(d, type->quant, &scale, &zero, &axis);
    Val fields[] = {text(d, values[i].name),
                    text(d, values[i].field),
                    array_of(d, dims, type->rank, "dims"),
                    number32(d, type->rank),
                    number32(d, describe_type_code(type_element(type)->element)),
                    scale,
                    zero,
                    axis,
                    number32(d, values[i].word),
                    number64(d, interface_workspace_offset(&values[i])),
                    number32(d, kind_code(type)),
                    number32(d, keys ? describe_type_code(keys->type.element) : 0),
                    describe_keys(d, &values[i]),
                    size(d, values[i].keys ? type_dim(&values[i].keys->type, 0) : 0)};
    described[i] = structure(d, fields, sizeof fields / sizeof *fields);
  }
  return array_of(d, described, count, what);
}

// Names of the ops that a run may end with, "" for the others; none at all where no run may.
static Val describe_ops(Describer *d, int *count) {
  const Compiled *compiled = d->compiled;
  *count = 0;
  for (int i = 0; i < compiled->op_count; i++)
    if (compiled->op_reported[i]) *count = compiled->op_count;
  Val *names = NEW_ARRAY(compiled->arena, Val, *count);
  for (int i = 0; i < *count; i++)
    names[i] = text(d, compiled->op_reported[i] ? compiled->op_names[i] : "");
  return array_of(d, names, *count, "ops");
}

static Val entry_point(Describer *d, const char *suffix) {
  return LLVMGetNamedFunction(
      d->compiled->llvm,
      arena_printf(d->compiled->arena, "%s_%s", d->compiled->interface->prefix, suffix));
}

void describe_model(Compiled *compiled) {
  Describer d = {compiled, &compiled->nest};
  const Interface *interface = compiled->interface;
  Val inputs = describe_values(&d, interface->inputs, interface->input_count, "inputs");
  Val outputs = describe_values(&d, interface->outputs, interface->output_count, "outputs");
  bool wide = compiled->target->pointer_bits == 64;
  int op_count;
  Val ops = describe_ops(&d, &op_count);
  Val fields[] = {number32(&d, TENON_ABI),
                  number32(&d, wide ? (int64_t)sizeof(tenon_model) : 0),
                  number32(&d, (int64_t)interface->abi),
                  text(&d, interface->prefix),
                  text(&d, arena_printf(compiled->arena, "tenon %s", compiled->options.version)),
                  inputs,
                  outputs,
                  number32(&d, interface->input_count),
                  number32(&d, interface->output_count),
                  number32(&d, interface->input_words),
                  number32(&d, interface->output_words),
                  size(&d, compiled->module->main->workspace_bytes),
                  size(&d, target_alignment(compiled->target)),
                  size(&d, 0),
                  size(&d, compiled->weights.bytes[HOME_WEIGHTS]),
                  size(&d, 0),
                  size(&d, compiled->weights.bytes[HOME_DECODED]),
                  size(&d, compiled->weights.align[HOME_DECODED]),
                  entry_point(&d, "init"),
                  entry_point(&d, "run"),
                  entry_point(&d, "shapes"),
                  null_pointer(&d),
                  ops,
                  number32(&d, op_count)};
  Val value = structure(&d, fields, sizeof fields / sizeof *fields);
  if (!wide) { // the size of the struct itself on a 32-bit target
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(compiled->llvm);
    fields[1] = number32(&d, (int64_t)LLVMABISizeOfType(layout, LLVMTypeOf(value)));
    value = structure(&d, fields, sizeof fields / sizeof *fields);
  }
  Val model = LLVMAddGlobal(compiled->llvm, LLVMTypeOf(value),
                            arena_printf(compiled->arena, "%s_model", interface->prefix));
  LLVMSetInitializer(model, value);
  LLVMSetGlobalConstant(model, true);
}

int64_t describe_stack_offset(const Compiled *compiled) {
  enum { STACK_BYTES = 15 }; // number of the field
  Val model = LLVMGetNamedGlobal(
      compiled->llvm, arena_printf(compiled->arena, "%s_model", compiled->interface->prefix));
  return (int64_t)LLVMOffsetOfElement(LLVMGetModuleDataLayout(compiled->llvm),
                                      LLVMGlobalGetValueType(model), STACK_BYTES);
}
