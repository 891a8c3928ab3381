// tenon inspect: what is in a model, or in an object file that was made of one.
#include <inttypes.h>
#include <string.h>

#include "codegen/object.h"
#include "ir/file.h"
#include "ir/print.h"
#include "tools/json.h"
#include "tools/model.h"
#include "tools/work.h"

typedef struct Census {
  int64_t ops[OP_COUNT];
  int64_t op_count, parameters, parameter_bytes, macs;
} Census;

// --- counting

static void count_graph(const Graph *graph, const int64_t *symbols, Census *census) {
  for (const Node *node = graph->first; node; node = node->next) {
    if (node->op == OP_CONST) {
      int64_t count, bytes;
      if (type_max_count(&node->results[0]->type, &count) &&
          type_max_bytes(&node->results[0]->type, &bytes)) {
        census->parameters += count;
        census->parameter_bytes += bytes;
      }
      continue;
    }
    census->ops[node->op]++;
    census->op_count++;
    census->macs += work_macs(node, symbols);
    for (int i = 0; i < node->region_count; i++) count_graph(node->regions[i], symbols, census);
  }
}

static int64_t value_bytes(const Value *value, const int64_t *symbols) {
  int64_t dims[MAX_RANK], count, bytes;
  if (value->type.kind != TYPE_TENSOR || value_is_constant(value)) return 0;
  work_dims(value, symbols, dims);
  return tensor_checked_bytes(value->type.element, value->type.rank, dims, &count, &bytes) ? bytes
                                                                                           : 0;
}

static bool dies_at(const Value *value, const Node *node) {
  if (value->output_uses) return false;
  for (int i = 0; i < value->use_count; i++)
    if (value->uses[i].user->mark > node->mark) return false;
  return true;
}

// Bytes of all tensors that are alive at once, at the worst point of the order in which nodes
// stand.
static int64_t peak_bytes(Graph *graph, const int64_t *symbols) {
  int64_t live = 0, peak, number = 0;
  for (Node *node = graph->first; node; node = node->next) node->mark = number++;
  for (int i = 0; i < graph->input_count; i++) live += value_bytes(graph->inputs[i], symbols);
  peak = live;
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->result_count; i++) live += value_bytes(node->results[i], symbols);
    if (live > peak) peak = live;
    for (int i = 0; i < node->operand_count; i++) {
      Value *operand = node->operands[i];
      bool again = false;
      for (int k = 0; k < i; k++) again |= node->operands[k] == operand;
      if (operand && !again && dies_at(operand, node)) live -= value_bytes(operand, symbols);
    }
    for (int i = 0; i < node->result_count; i++)
      if (value_is_unused(node->results[i])) live -= value_bytes(node->results[i], symbols);
  }
  return peak;
}

// --- printing a model

static void print_values(Arena *arena, json_t *json, const char *kind, Value *const *values,
                         int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) {
    const char *name = values[i]->name ? values[i]->name : "",
               *type = type_text(arena, &values[i]->type);
    printf("%-11s %s: %s\n", i ? "" : kind, name, type);
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "type", type));
  }
  json_object_set_new(json, kind, list);
}

static void print_symbols(const Module *module, const int64_t *symbols) {
  int count = dim_symbol_count(module->dims);
  if (!count) return;
  printf("counted with");
  for (int i = 0; i < count; i++)
    printf(" %s=%" PRId64, dim_symbol_at(module->dims, i)->name, symbols[i]);
  printf(" (--dim changes that)\n");
}

static void print_model(Tool *tool, const Module *module) {
  Arena *arena = tool->arena;
  Graph *graph = module->main;
  Census census = {0};
  int symbol_count = dim_symbol_count(module->dims);
  int64_t *symbols = NEW_ARRAY(arena, int64_t, symbol_count);
  for (int i = 0; i < symbol_count; i++)
    symbols[i] = dim_symbol_at(module->dims, i)->low > 0 ? dim_symbol_at(module->dims, i)->low : 1;
  count_graph(graph, symbols, &census);
  json_t *json = json_object(), *ops = json_object();
  int64_t peak = peak_bytes(graph, symbols);
  printf("%-11s %s%s%s\n", "model", module->name, module->producer ? ", made by " : "",
         module->producer ? module->producer : "");
  json_object_set_new(json, "model", json_string(module->name));
  print_values(arena, json, "inputs", graph->inputs, graph->input_count);
  print_values(arena, json, "outputs", graph->outputs, graph->output_count);
  printf("%-11s %" PRId64 " (%" PRId64 " bytes)\n", "parameters", census.parameters,
         census.parameter_bytes);
  printf("%-11s %" PRId64 "\n%-11s %" PRId64 " bytes of tensors alive at once\n", "MACs",
         census.macs, "peak", peak);
  print_symbols(module, symbols);
  printf("%-11s %" PRId64 "\n", "ops", census.op_count);
  for (int i = 0; i < OP_COUNT; i++) {
    if (!census.ops[i]) continue;
    printf("%11" PRId64 " %s\n", census.ops[i], op_info[i].text);
    json_object_set_new(ops, op_info[i].text, json_integer(census.ops[i]));
  }
  json_object_set_new(json, "parameters", json_integer(census.parameters));
  json_object_set_new(json, "parameter_bytes", json_integer(census.parameter_bytes));
  json_object_set_new(json, "macs", json_integer(census.macs));
  json_object_set_new(json, "peak_bytes", json_integer(peak));
  json_object_set_new(json, "ops", ops);
  if (tool_flag(tool, OPTION_JSON)) json_print(json);
  json_decref(json);
}

// --- Graphviz

static void put_quoted(const char *text) {
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    putchar(*text);
  }
}

static void print_dot(Arena *arena, const Module *module) {
  const Graph *graph = module->main;
  printf("digraph \"");
  put_quoted(module->name);
  printf("\" {\n  node [shape=box];\n");
  for (int i = 0; i < graph->input_count; i++) {
    printf("  v%d [shape=ellipse, label=\"", graph->inputs[i]->id);
    put_quoted(graph->inputs[i]->name ? graph->inputs[i]->name : "");
    printf("\\n%s\"];\n", type_text(arena, &graph->inputs[i]->type));
  }
  for (const Node *node = graph->first; node; node = node->next) {
    if (node->op == OP_CONST) continue;
    printf("  n%d [label=\"%s", node->id, op_info[node->op].text);
    if (node->loc.node) printf("\\n");
    put_quoted(node->loc.node ? node->loc.node : "");
    printf("\"];\n");
    for (int i = 0; i < node->operand_count; i++) {
      const Value *operand = node->operands[i];
      if (!operand || value_is_constant(operand)) continue;
      if (operand->definition)
        printf("  n%d -> n%d", operand->definition->id, node->id);
      else
        printf("  v%d -> n%d", operand->id, node->id);
      printf(" [label=\"%s\"];\n", type_text(arena, &operand->type));
    }
  }
  for (int i = 0; i < graph->output_count; i++) {
    const Value *value = graph->outputs[i];
    printf("  out%d [shape=ellipse, label=\"", i);
    put_quoted(value->name ? value->name : "");
    printf("\"];\n  %c%d -> out%d;\n", value->definition ? 'n' : 'v',
           value->definition ? value->definition->id : value->id, i);
  }
  printf("}\n");
}

// --- object files

static Status inspect_object(Tool *tool, const char *path) {
  size_t size;
  const uint8_t *bytes = file_map(tool->arena, &tool->diag, path, &size);
  ObjectFile *object = bytes ? object_read(tool->arena, &tool->diag, path, bytes, size) : NULL;
  if (!object) return STATUS_REFUSED;
  const ObjectSection *note = object_find_section(object, OBJECT_NOTE_SECTION);
  if (!note || !note->bytes)
    return diag_error(&tool->diag, loc_file(path),
                      "not an object that tenon made: it has no section %s", OBJECT_NOTE_SECTION),
           STATUS_REFUSED;
  ObjectSizes sizes = object_sizes(object);
  const char *text = arena_strndup(tool->arena, (const char *)note->bytes, (size_t)note->size);
  printf("%scode %" PRIu64 ", read-only %" PRIu64 ", writable %" PRIu64 ", zeroed %" PRIu64
         " bytes\n",
         text, sizes.code, sizes.read_only, sizes.writable, sizes.zeroed);
  if (!tool_flag(tool, OPTION_JSON)) return STATUS_DONE;
  json_t *json = json_pack("{s:I, s:I, s:I, s:I}", "code", (json_int_t)sizes.code, "read_only",
                           (json_int_t)sizes.read_only, "writable", (json_int_t)sizes.writable,
                           "zeroed", (json_int_t)sizes.zeroed);
  json_object_set_new(json, "note", json_string(text));
  json_print(json);
  json_decref(json);
  return STATUS_DONE;
}

Status command_inspect(Tool *tool) {
  ModelFile file;
  const char *path = tool_argument(tool, 0);
  if (!model_open(tool, path, &file)) return STATUS_REFUSED;
  if (file.format == FORMAT_OBJECT || file.format == FORMAT_SHARED)
    return inspect_object(tool, path);
  Module *module = model_load(tool, &file, NULL, BIND_SHAPES);
  if (!module || !module_verify(module, NULL, &tool->diag)) return STATUS_REFUSED;
  if (tool_flag(tool, OPTION_DOT))
    print_dot(tool->arena, module);
  else
    print_model(tool, module);
  return STATUS_DONE;
}
