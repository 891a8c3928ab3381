// The generated header: everything of a model that an application may need at compile time.
// Clean as C99 and C++98 with all warnings, and the same bytes for the same input and options.
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "codegen/embedded.h"
#include "codegen/internal.h"
#include "ir/nameset.h"
#include "ir/target_x86.h"

typedef struct HeaderWriter {
  Arena *arena;
  Compiled *compiled;
  const Interface *interface;
  OutputSink *out;
  NameSet *macros; // defined so far: tensors may be called like a macro of the model
} HeaderWriter;

// --- text

// What may stand in a comment: no control characters, no end or start of comments, no trigraphs.
static const char *comment_text(Arena *arena, const char *text) {
  char *safe = arena_strdup(arena, text);
  for (char *c = safe; *c; c++) {
    bool closes = (c[0] == '*' && c[1] == '/') || (c[0] == '/' && c[1] == '*') ||
                  (c[0] == '?' && c[1] == '?');
    if (closes || iscntrl((unsigned char)*c) || *c == '\\') *c = '_';
  }
  return safe;
}

static const char *c_type(ElementType element) {
  switch ((int)element) {
  case F32:
  case C64: return "float";
  case F64:
  case C128: return "double";
  case F16:
  case BF16: return "uint16_t";
  case I8: return "int8_t";
  case I16: return "int16_t";
  case I32: return "int32_t";
  case I64: return "int64_t";
  case U16: return "uint16_t";
  case U32: return "uint32_t";
  case U64: return "uint64_t";
  case STR: return "tenon_string";
  default: return "uint8_t"; // u8, bool, 8-bit floats, packed 4-bit and 2-bit values
  }
}

// "0.0235f": a float that reads back as the same bits.
static const char *float_text(Arena *arena, float value) {
  const char *text = arena_printf(arena, "%.9g", (double)value);
  return arena_printf(arena, "%s%sf", text, strpbrk(text, ".en") ? "" : ".0");
}

static const char *field_type(const Type *type, bool output) {
  if (type->kind == TYPE_SEQUENCE || (type->kind == TYPE_OPTIONAL && type_is_list(type->inner)))
    return "const tenon_sequence";
  if (type->kind == TYPE_OPTIONAL) return "const tenon_tensor";
  return output ? c_type(type->element) : NULL;
}

static const char *shape_text(HeaderWriter *w, const Type *type) {
  if (type_is_list(type)) return comment_text(w->arena, type_text(w->arena, type));
  return comment_text(w->arena, arena_printf(w->arena, "%s%s", element_info[type->element].text,
                                             type_shape_text(w->arena, type)));
}

static const char *quant_text(HeaderWriter *w, const Quant *quant) {
  if (!quant) return "";
  if (quant->count != 1)
    return arena_printf(w->arena, "; quantized along axis %d, see %s_model", quant->axis,
                        w->interface->prefix);
  const char *scale = float_text(w->arena, quant->scale[0]);
  int zero = quant->zero[0];
  return arena_printf(w->arena, "; real = %.*s * (q %c %d)", (int)strlen(scale) - 1, scale,
                      zero < 0 ? '+' : '-', zero < 0 ? -zero : zero);
}

// --- structs

static void write_field(HeaderWriter *w, const InterfaceValue *value, bool output) {
  const Type *type = &value->value->type;
  const char *place =
      w->compiled->options.io_workspace ? "; lies in the workspace, this pointer is not read" : "";
  if (output && interface_is_open(value))
    place = "; set by _run: lies in the workspace until its next use";
  const char *unused = !output && value_is_unused(value->value) ? "; not read, may be NULL" : "";
  if (type->kind == TYPE_OPTIONAL && !*unused && !output) unused = "; NULL: no element";
  if (type->kind == TYPE_OPTIONAL && output)
    place = "; set by _run: NULL, or lies in the workspace until its next use";
  if (value->map_keys)
    place = arena_printf(w->arena, "; each belongs to the key at its place in the field before%s",
                         place);
  if (value->keys)
    place = arena_printf(w->arena, "%s; keys of the columns: %s", place,
                         interface_keys_symbol(w->interface, value, w->arena));
  const char *c = field_type(type, output);
  sink_printf(w->out, "  %s *%s; /* %s \"%s\"%s%s */\n",
              c ? c : arena_printf(w->arena, "const %s", c_type(type->element)), value->field,
              shape_text(w, type), comment_text(w->arena, value->name), quant_text(w, type->quant),
              *place ? place : unused);
}

static void write_dim_field(HeaderWriter *w, const InterfaceWord *word, bool output) {
  int64_t low = dim_low(word->dim), high = dim_high(word->dim);
  const char *range = high == DIM_UNBOUNDED
                          ? arena_printf(w->arena, "at least %" PRId64, low)
                          : arena_printf(w->arena, "%" PRId64 " .. %" PRId64, low, high);
  const char *expression = dim_symbol_name(word->dim)
                               ? ""
                               : arena_printf(w->arena, " = %s", dim_text(w->arena, word->dim));
  sink_printf(w->out, "  size_t %s; /* %s%s%s */\n", word->field, output ? "out: " : "", range,
              comment_text(w->arena, expression));
}

static void write_struct(HeaderWriter *w, const char *what, const InterfaceValue *values, int count,
                         const InterfaceWord *dims, int dim_count) {
  bool output = what[0] == 'o';
  sink_text(w->out, "typedef struct {\n");
  for (int i = 0; i < count; i++) write_field(w, &values[i], output);
  for (int i = 0; i < dim_count; i++) write_dim_field(w, &dims[i], output);
  if (!count && !dim_count) sink_printf(w->out, "  void *none; /* the model has no %s */\n", what);
  sink_printf(w->out, "} %s_%s;\n\n", w->interface->prefix, what);
}

static void write_keys(HeaderWriter *w) {
  for (int i = 0; i < w->interface->output_count; i++) {
    const InterfaceValue *value = &w->interface->outputs[i];
    if (!value->keys) continue;
    sink_printf(w->out, "extern const %s %s[%" PRId64 "];\n\n", c_type(value->keys->type.element),
                interface_keys_symbol(w->interface, value, w->arena),
                type_dim(&value->keys->type, 0));
  }
}

// --- macros

static void write_macro(HeaderWriter *w, const char *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void write_macro(HeaderWriter *w, const char *value, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *name = nameset_add_unique(w->macros, arena_vprintf(w->arena, format, arguments));
  va_end(arguments);
  sink_printf(w->out, "#define %s_%s %s\n", w->interface->macro_prefix, name, value);
}

static const char *number(HeaderWriter *w, int64_t value) {
  return arena_printf(w->arena, value < 0 ? "(%" PRId64 ")" : "%" PRId64, value);
}

static void write_model_macros(HeaderWriter *w) {
  Compiled *compiled = w->compiled;
  CompiledSizes sizes = compiled_sizes(compiled);
  write_macro(w, arena_printf(w->arena, "UINT32_C(0x%08" PRIx32 ")", w->interface->abi), "ABI");
  const Graph *graph = compiled->module->main;
  if (graph->late_count)
    sink_text(w->out, "/* Of the workspace only what does not depend on dims and data: a run that "
                      "needs more returns TENON_E_WORKSPACE, and\n"
                      "   context->needed says how far it got: at least as many bytes are needed. "
                      "_shapes knows what dims decide. */\n");
  else if (graph->open_count)
    sink_text(w->out, "/* Of the workspace only what does not depend on dims: _shapes says in "
                      "context->needed how many bytes a run takes. */\n");
  write_macro(w, number(w, sizes.workspace), "WORKSPACE_BYTES");
  write_macro(w, number(w, target_alignment(compiled->target)), "WORKSPACE_ALIGN");
  write_macro(w, number(w, sizes.stack), "STACK_BYTES");
  write_macro(w, number(w, sizes.code), "CODE_BYTES");
  write_macro(w, number(w, sizes.weights), "WEIGHTS_BYTES");
  write_macro(w, compiled_needs_init(compiled) ? "1" : "0", "NEEDS_INIT");
  if (sizes.decoded) {
    write_macro(w, number(w, sizes.decoded), "DECODED_BYTES");
    write_macro(w, number(w, compiled->weights.align[HOME_DECODED]), "DECODED_ALIGN");
  }
  if (target_has(compiled->target, TARGET_HOSTED))
    write_macro(w, number(w, compiled_max_tasks(compiled)), "MAX_TASKS");
}

static void write_value_macros(HeaderWriter *w, const InterfaceValue *value) {
  const Type *type = &value->value->type;
  bool exact = type_is_static(type);
  if (value->bytes >= 0 && !interface_is_open(value))
    write_macro(w, number(w, value->bytes), exact ? "%s_BYTES" : "%s_BYTES_MAX", value->macro);
  if (type->quant && type->quant->count == 1) {
    write_macro(w, float_text(w->arena, type->quant->scale[0]), "%s_SCALE", value->macro);
    write_macro(w, number(w, type->quant->zero[0]), "%s_ZERO_POINT", value->macro);
  }
  int64_t offset = interface_workspace_offset(value);
  if (offset >= 0) write_macro(w, number(w, offset), "%s_OFFSET", value->macro);
}

static void write_dim_macros(HeaderWriter *w, const InterfaceWord *words, int count) {
  for (int i = 0; i < count; i++) {
    write_macro(w, number(w, dim_low(words[i].dim)), "%s_MIN", words[i].macro);
    if (dim_high(words[i].dim) != DIM_UNBOUNDED)
      write_macro(w, number(w, dim_high(words[i].dim)), "%s_MAX", words[i].macro);
  }
}

// --- the file

// The undefined symbols: functions of custom operators, or all others. How many they are.
static int write_undefined(HeaderWriter *w, bool custom) {
  const char *const *undefined = object_image_undefined(w->compiled->image);
  int count = 0;
  for (int i = 0; undefined[i]; i++) {
    if ((compiled_external_node(w->compiled, undefined[i]) != NULL) != custom) continue;
    sink_printf(w->out, "%s%s", count % 6 || !count ? " " : "\n   ", undefined[i]);
    count++;
  }
  return count;
}

static void write_head(HeaderWriter *w, const char *file) {
  Compiled *compiled = w->compiled;
  const Target *target = compiled->target;
  const char *source = compiled->module->source ? compiled->module->source : compiled->module->name;
  const char *slash = strrchr(source, '/');
  sink_printf(w->out,
              "/* %s - generated by tenon %s from %s; the same input and options give the same "
              "bytes.\n   target %s, %s%s%s; needs from the linker:",
              comment_text(w->arena, file), compiled->options.version,
              comment_text(w->arena, slash ? slash + 1 : source), target->triple, target->cpu,
              *target->features ? ", " : "", target->features);
  int own = write_undefined(w, false);
  if (own) sink_text(w->out, " (the compiler's own library)");
  int custom = write_undefined(w, true);
  sink_printf(w->out, "%s */\n", custom ? " (custom operators)" : own ? "" : " nothing");
  sink_printf(w->out,
              "#ifndef %s_H\n#define %s_H\n#include \"tenon.h\"\n#ifdef __cplusplus\nextern \"C\" "
              "{\n#endif\n\n",
              w->interface->macro_prefix, w->interface->macro_prefix);
}

static const char *operator_text(const Node *node) {
  return node->loc.op_type ? node->loc.op_type : op_info[node->op].text;
}

static void write_custom_prototypes(HeaderWriter *w) {
  const char *const *symbols = compiled_external_symbols(w->compiled);
  if (symbols[0])
    sink_text(w->out, "\n/* Functions of custom operators, which the application has: 0, or an "
                      "error, which makes _run return TENON_E_CUSTOM. */\n");
  for (int i = 0; symbols[i]; i++)
    sink_printf(
        w->out, "int %s(const tenon_custom *call); /* %s */\n", symbols[i],
        comment_text(w->arena, operator_text(compiled_external_node(w->compiled, symbols[i]))));
}

static void write_prototypes(HeaderWriter *w) {
  const char *prefix = w->interface->prefix;
  write_custom_prototypes(w);
  sink_printf(w->out,
              "\n/* Runs the model: 0, or TENON_E_... (tenon_error_text). Reentrant: one context "
              "for each concurrent call. */\n"
              "int %s_run(tenon_context *context, const %s_inputs *in, %s_outputs *out);\n",
              prefix, prefix, prefix);
  sink_printf(w->out,
              "/* Writes the output dims and context->needed, the bytes of workspace, for these "
              "input dims; pointers are not read. */\n"
              "int %s_shapes(tenon_context *context, const %s_inputs *in, %s_outputs *out);\n",
              prefix, prefix, prefix);
  bool file = compiled_weights_in_file(w->compiled),
       decoded = w->compiled->weights.bytes[HOME_DECODED] > 0;
  const char *what =
      file && decoded ? "Checks the weights file at `coded`, decodes into `memory` (DECODED_BYTES) "
                        "and sets context->weights. Once, by one\n"
                        "   thread; the file stays mapped, and contexts may share both."
      : file ? "Checks the weights file at `coded` and sets context->weights; `memory` is not used."
      : decoded ? "Decodes the weights into `memory` (DECODED_BYTES) and sets context->weights; "
                  "`coded` is NULL. Once, by one thread;\n"
                  "   afterwards the memory is only read, and contexts may share it."
                : "Nothing else to do for this model: both pointers may be NULL.";
  X86Features needs = x86_features(w->compiled->target);
  if (!x86_features_none(&needs))
    sink_text(w->out, "/* TENON_E_CPU if this processor lacks instructions that the model is made "
                      "of; _run does not look. */\n");
  else if (!file && !decoded)
    what = "Nothing to do for this model: both pointers may be NULL.";
  sink_printf(w->out,
              "/* %s */\nint %s_init(tenon_context *context, const void *coded, void *memory);\n",
              what, prefix);
  sink_printf(w->out,
              "/* The same as data: names, types, shapes, entry points. */\nextern const "
              "tenon_model %s_model;\n",
              prefix);
}

static void write_header(HeaderWriter *w, const char *file) {
  const Interface *interface = w->interface;
  write_head(w, file);
  write_struct(w, "inputs", interface->inputs, interface->input_count, interface->input_dims,
               interface->input_dim_count);
  write_struct(w, "outputs", interface->outputs, interface->output_count, interface->output_dims,
               interface->output_dim_count);
  write_keys(w);
  write_model_macros(w);
  for (int i = 0; i < interface->input_count; i++) write_value_macros(w, &interface->inputs[i]);
  for (int i = 0; i < interface->output_count; i++) write_value_macros(w, &interface->outputs[i]);
  write_dim_macros(w, interface->input_dims, interface->input_dim_count);
  write_dim_macros(w, interface->output_dims, interface->output_dim_count);
  write_prototypes(w);
  sink_text(w->out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

bool compiled_write_header(Compiled *compiled, const char *path, Diag *diag) {
  if (!compiled_link(compiled)) return false;
  Arena *arena = compiled->arena;
  MemorySink memory;
  memory_sink_init(&memory, arena);
  const char *slash = strrchr(path, '/');
  HeaderWriter writer = {arena, compiled, compiled->interface, &memory.sink, nameset_create(arena)};
  write_header(&writer, slash ? slash + 1 : path);
  const char *common =
      slash ? arena_printf(arena, "%.*s/tenon.h", (int)(slash - path), path) : "tenon.h";
  const EmbeddedFile *tenon_h = embedded_file("tenon.h");
  return file_write_if_changed(arena, diag, path, memory.bytes, memory.size) &&
         file_write_if_changed(arena, diag, common, tenon_h->data, tenon_h->size);
}
