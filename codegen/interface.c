// Names, words and dims of the structs in the generated header.
#include "codegen/interface.h"

#include <ctype.h>
#include <string.h>

#include "ir/hash.h"
#include "ir/nameset.h"
#include "runtime/tenon.h"

// C99, C++20 keywords, and macros that compilers predefine without underscores.
static const char *const reserved[] = {"alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "char16_t",
                                       "char32_t",
                                       "char8_t",
                                       "class",
                                       "co_await",
                                       "co_return",
                                       "co_yield",
                                       "compl",
                                       "concept",
                                       "const",
                                       "const_cast",
                                       "consteval",
                                       "constexpr",
                                       "constinit",
                                       "continue",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "new",
                                       "noexcept",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "requires",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "union",
                                       "unix",
                                       "linux",
                                       "i386",
                                       "unsigned",
                                       "using",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq",
                                       "errno",
                                       "NULL",
                                       "main",
                                       "near",
                                       "far",
                                       "small"};

const char *interface_identifier(Arena *arena, const char *text) {
  char *name = arena_printf(arena, "%s", text && *text ? text : "unnamed");
  for (char *c = name; *c; c++)
    if (!isascii((unsigned char)*c) || (!isalnum((unsigned char)*c) && *c != '_')) *c = '_';
  if (isdigit((unsigned char)name[0])) name = arena_printf(arena, "_%s", name);
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(reserved[i], name)) return arena_printf(arena, "%s_", name);
  return name;
}

const char *interface_upper(Arena *arena, const char *text) {
  char *upper = arena_strdup(arena, text);
  for (char *c = upper; *c; c++) *c = (char)toupper((unsigned char)*c);
  return upper;
}

typedef struct Names {
  Arena *arena;
  Diag *diag;
  const char *const *overrides; // "TENSOR=field"
  bool *used;                   // for each of them
  NameSet *taken; // upper case: names are compared without case, since macros come from them
} Names;

static const char *unique_field(Names *names, const char *text) {
  const char *field = interface_identifier(names->arena, text),
             *upper = interface_upper(names->arena, field);
  const char *added = nameset_add_unique(names->taken, upper);
  return arena_printf(names->arena, "%s%s", field, added + strlen(upper)); // with the same suffix
}

static int override_count(const char *const *overrides) {
  int count = 0;
  while (overrides && overrides[count]) count++;
  return count;
}

// The field that --name asks for; NULL: none.
static const char *overridden_field(Names *names, const char *tensor) {
  size_t length = strlen(tensor);
  for (int i = 0; i < override_count(names->overrides); i++) {
    const char *text = names->overrides[i];
    if (strncmp(text, tensor, length) != 0 || text[length] != '=') continue;
    names->used[i] = true;
    return text + length + 1;
  }
  return NULL;
}

static bool check_overrides(const Names *names) {
  for (int i = 0; i < override_count(names->overrides); i++) {
    const char *text = names->overrides[i], *equals = strrchr(text, '=');
    if (!equals) return diag_error(names->diag, (Loc){0}, "--name %s: wanted TENSOR=field", text);
    if (!names->used[i])
      return diag_error(names->diag, (Loc){0},
                        "--name %s: the model has no input, output or dim of this name", text);
    if (strcmp(interface_identifier(names->arena, equals + 1), equals + 1) != 0)
      return diag_error(names->diag, (Loc){0}, "--name %s: '%s' cannot be a name in C and C++",
                        text, equals + 1);
  }
  return true;
}

static void name_value(Names *names, InterfaceValue *made, const Value *value, int number,
                       bool output) {
  const char *fallback = arena_printf(names->arena, output ? "output_%d" : "input_%d", number);
  made->value = value;
  made->name = value->name ? value->name : fallback;
  const char *field = overridden_field(names, made->name);
  made->field = unique_field(names, field ? field : made->name);
  made->macro = interface_upper(names->arena, made->field);
  made->word = number;
  made->keys = output ? value_keys(value) : NULL;
  made->map_keys = output ? NULL : value_map_keys(value);
  if (!type_max_bytes(&value->type, &made->bytes)) made->bytes = -1;
}

static InterfaceWord *find_word(InterfaceWord *words, int count, const Dim *dim) {
  for (int i = 0; i < count; i++)
    if (words[i].dim == dim) return &words[i];
  return NULL;
}

static void describe_dim(InterfaceDim *made, const Dim *dim) {
  int64_t constant;
  *made = (InterfaceDim){.dim = dim, .low = dim_low(dim), .high = dim_high(dim), .word = -1};
  if (dim_is_constant(dim, &constant)) made->low = made->high = constant;
}

static void add_input_dims(Interface *interface, Names *names, InterfaceValue *value) {
  for (int i = 0; i < value->value->type.rank; i++) {
    const Dim *dim = value->value->type.dims[i];
    describe_dim(&value->dims[i], dim);
    const char *symbol = dim_symbol_name(dim);
    if (dim_is_constant(dim, NULL) || !symbol) continue; // an expression follows from its symbols
    InterfaceWord *known = find_word(interface->input_dims, interface->input_dim_count, dim);
    if (!known) {
      known = &interface->input_dims[interface->input_dim_count++];
      const char *override = overridden_field(names, symbol);
      const char *field = unique_field(names, override ? override : symbol);
      *known = (InterfaceWord){dim, field, interface_upper(names->arena, field),
                               interface->input_words++};
    }
    value->dims[i].word = known->word;
  }
}

static void add_output_dims(Interface *interface, Names *names, InterfaceValue *value) {
  for (int i = 0; i < value->value->type.rank; i++) {
    const Dim *dim = value->value->type.dims[i];
    describe_dim(&value->dims[i], dim);
    if (dim_is_constant(dim, NULL)) continue;
    const InterfaceWord *input = find_word(interface->input_dims, interface->input_dim_count, dim);
    if (input) {
      value->dims[i].word = input->word;
      continue;
    }
    InterfaceWord *known = find_word(interface->output_dims, interface->output_dim_count, dim);
    if (!known) {
      known = &interface->output_dims[interface->output_dim_count++];
      const char *text = arena_printf(names->arena, "%s_d%d", value->field, i);
      const char *override = overridden_field(names, text);
      const char *field = unique_field(names, override ? override : text);
      *known = (InterfaceWord){dim, field, interface_upper(names->arena, field),
                               interface->output_words++};
    }
    value->dims[i].word = interface->input_words + known->word;
  }
}

static PlaceKind place_of(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return value->placement.kind;
}

const char *interface_keys_symbol(const Interface *interface, const InterfaceValue *value,
                                  Arena *arena) {
  return arena_printf(arena, "%s_%s_keys", interface->prefix, value->field);
}

bool interface_is_open(const InterfaceValue *value) {
  PlaceKind place = place_of(value->value);
  return type_is_list(&value->value->type) || place == PLACE_OPEN || place == PLACE_LATE;
}

int64_t interface_workspace_offset(const InterfaceValue *value) {
  const Value *holder = value->value;
  while (holder->placement.kind == PLACE_ALIAS) holder = holder->placement.alias;
  return holder->placement.kind == PLACE_WORKSPACE ? holder->placement.offset : -1;
}

// Header and object must come from the same compilation of the same interface: all that the header
// says and the object relies on. Sizes of decoded weights follow from the constants' storage.
static uint64_t hash_text(uint64_t seed, const char *text) {
  return hash_bytes(text, strlen(text), seed);
}

static uint64_t hash_value(uint64_t hash, const InterfaceValue *value, Arena *arena) {
  hash = hash_text(hash_text(hash, value->field), type_text(arena, &value->value->type));
  if (value->keys) hash = hash_text(hash, type_text(arena, &value->keys->type));
  if (value->map_keys) hash = hash_text(hash, "map");
  for (int i = 0; i < value->value->type.rank; i++) {
    const InterfaceDim *dim = &value->dims[i];
    hash = hash_text(hash,
                     arena_printf(arena, "%lld..%lld", (long long)dim->low, (long long)dim->high));
  }
  return hash_text(hash,
                   arena_printf(arena, "@%lld", (long long)interface_workspace_offset(value)));
}

static uint64_t hash_constants(uint64_t hash, const Graph *graph, Arena *arena) {
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->region_count; i++)
      hash = hash_constants(hash, node->regions[i], arena);
    hash = hash_text(hash, node_string(node, ATTR_KERNEL_NAME));
    if (node->op != OP_CONST) continue;
    const Storage *storage = &node->constant->storage;
    hash = hash_text(hash, arena_printf(arena, "%zu", node->constant->bytes));
    for (int i = 0; i < storage->count; i++)
      hash = hash_bytes(&storage->stages[i].kind, sizeof storage->stages[i].kind, hash);
  }
  return hash;
}

static uint32_t interface_hash(const Interface *interface, const CodegenOptions *options,
                               Arena *arena, const Graph *graph) {
  uint64_t hash =
      hash_text(hash_text(0, options->prefix), options->version ? options->version : "");
  for (int i = 0; i < interface->input_count; i++)
    hash = hash_value(hash, &interface->inputs[i], arena);
  for (int i = 0; i < interface->output_count; i++)
    hash = hash_value(hash, &interface->outputs[i], arena);
  hash = hash_constants(hash, graph, arena);
  hash = hash_text(hash_text(hash, options->weights ? options->weights : "embed"),
                   options->io_workspace ? "workspace" : "caller");
  const Target *target = options->target;
  if (target)
    hash = hash_text(hash_text(hash_text(hash, target->triple), target->cpu), target->features);
  hash = hash_text(hash,
                   arena_printf(arena, "%d %lld %lld", TENON_ABI, (long long)graph->workspace_bytes,
                                (long long)graph->fast_bytes));
  return (uint32_t)(hash ^ hash >> 32);
}

Interface *interface_create(const Module *module, const CodegenOptions *options, Arena *arena,
                            Diag *diag) {
  const Graph *graph = module->main;
  Interface *interface = NEW(arena, Interface);
  Names names = {arena, diag, options->names,
                 NEW_ARRAY(arena, bool, override_count(options->names)), nameset_create(arena)};
  int dims = (graph->input_count + graph->output_count) * MAX_RANK;
  interface->prefix = options->prefix;
  interface->macro_prefix = interface_upper(arena, options->prefix);
  interface->input_count = interface->input_words = graph->input_count;
  interface->output_count = interface->output_words = graph->output_count;
  interface->inputs = NEW_ARRAY(arena, InterfaceValue, graph->input_count);
  interface->outputs = NEW_ARRAY(arena, InterfaceValue, graph->output_count);
  interface->input_dims = NEW_ARRAY(arena, InterfaceWord, dims);
  interface->output_dims = NEW_ARRAY(arena, InterfaceWord, dims);
  for (int i = 0; i < graph->input_count; i++)
    name_value(&names, &interface->inputs[i], graph->inputs[i], i, false);
  for (int i = 0; i < graph->output_count; i++)
    name_value(&names, &interface->outputs[i], graph->outputs[i], i, true);
  for (int i = 0; i < graph->input_count; i++)
    add_input_dims(interface, &names, &interface->inputs[i]);
  for (int i = 0; i < graph->output_count; i++)
    add_output_dims(interface, &names, &interface->outputs[i]);
  if (!check_overrides(&names)) return NULL;
  interface->abi = interface_hash(interface, options, arena, graph);
  return interface;
}
