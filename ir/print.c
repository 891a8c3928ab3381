// The IR as text. The grammar stands in docs/ir-text.md; ir/parse*.c reads what this writes, and
// what is read prints as the same text.
#include "ir/print.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ir/hash.h"
#include "ir/lexer.h"
#include "ir/nameset.h"
#include "ir/number.h"
#include "ir/text.h"
#include "ir/weights.h"

typedef struct Printer {
  FILE *out;
  Arena *arena;             // scratch
  const char **value_names; // by value id, without %; NULL: names straight from the value
  NameSet *taken;
  int unnamed;
  bool abbreviate; // regions as {...}
} Printer;

// --- pieces

static void print_string(FILE *out, const char *text, size_t length) {
  fputc('"', out);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c == '\n')
      fputs("\\n", out);
    else if (c < 0x20 || c == 0x7f)
      fprintf(out, "\\x%02x", c);
    else
      fputc(c, out);
  }
  fputc('"', out);
}

static void print_quoted(FILE *out, const char *text) { print_string(out, text, strlen(text)); }

static void print_global(FILE *out, const char *name) {
  fputc('@', out);
  if (lexer_plain_name(name))
    fputs(name, out);
  else
    print_quoted(out, name);
}

static void print_double(FILE *out, double value) {
  char buffer[NUMBER_TEXT];
  double_text(buffer, value);
  fputs(buffer, out);
}

bool text_is_ordinal(const char *name) {
  if (name[0] != 'v' || !isdigit((unsigned char)name[1])) return false;
  for (name++; *name; name++)
    if (!isdigit((unsigned char)*name)) return false;
  return true;
}

// --- names of values

// The ONNX name where it reads well and is free, else v<ordinal>.
static void name_value(Printer *p, const Value *value) {
  const char *name = value->name;
  if (name && lexer_plain_name(name) && !text_is_ordinal(name) && !nameset_has(p->taken, name))
    p->value_names[value->id] = nameset_add_unique(p->taken, name);
  else
    p->value_names[value->id] = arena_printf(p->arena, "v%d", p->unnamed++);
}

static void name_graph(Printer *p, const Graph *graph) {
  for (int i = 0; i < graph->input_count; i++) name_value(p, graph->inputs[i]);
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->result_count; i++) name_value(p, node->results[i]);
    for (int i = 0; i < node->region_count; i++) name_graph(p, node->regions[i]);
  }
}

static Printer printer_create(FILE *out, const Graph *graph) {
  Printer p = {.out = out, .arena = arena_create()};
  p.taken = nameset_create(p.arena);
  p.value_names = NEW_ARRAY(p.arena, const char *, graph->module->next_value_id);
  name_graph(&p, graph);
  return p;
}

// A value that the names do not cover (a region printed alone, a broken graph) shows its id.
static const char *value_text(const Printer *p, const Value *value) {
  const char *name = p->value_names ? p->value_names[value->id] : NULL;
  if (name) return name;
  if (value->name && lexer_plain_name(value->name)) return value->name;
  return arena_printf(p->arena, "v%d", value->id);
}

static void print_use(const Printer *p, const Value *value) {
  if (value)
    fprintf(p->out, "%%%s", value_text(p, value));
  else
    fputc('_', p->out);
}

static void print_definition(const Printer *p, const Value *value) {
  print_use(p, value);
  if (!value->name || !strcmp(value->name, value_text(p, value))) return;
  fputc(' ', p->out);
  print_quoted(p->out, value->name);
}

static void print_typed(const Printer *p, const Value *value) {
  const Placement *place = &value->placement;
  fputs(type_text(p->arena, &value->type), p->out);
  if (place->kind == PLACE_NONE) return;
  fprintf(p->out, " at %s", text_place_names[place->kind]);
  if (place->kind == PLACE_ALIAS) {
    fputc(' ', p->out);
    print_use(p, place->alias);
  }
  if (place->offset || place->kind == PLACE_WORKSPACE || place->kind == PLACE_FAST ||
      place->kind == PLACE_OPEN || place->kind == PLACE_LATE)
    fprintf(p->out, "+%lld", (long long)place->offset);
}

// --- attributes

static bool is_default(const Attribute *attribute, const AttributeSpec *spec) {
  switch (attribute_info[attribute->id].kind) {
  case KIND_INT: return spec && attribute->int_value == spec->int_default;
  case KIND_FLOAT:
    return spec && !memcmp(&attribute->float_value, &spec->float_default, sizeof(double));
  case KIND_STRING:
    return spec &&
           !strcmp(attribute->string_value, spec->string_default ? spec->string_default : "");
  case KIND_INTS:
  case KIND_FLOATS:
  case KIND_DIMS:
    return false; // an empty list is not the same as none: a reduction over no axes, or over all
  }
  return false;
}

static void print_element(const Printer *p, const Attribute *attribute, int i) {
  AttributeKind kind = attribute_info[attribute->id].kind;
  if (i) fputs(kind == KIND_FLOATS ? ", " : ",", p->out);
  if (kind == KIND_INTS)
    fprintf(p->out, "%lld", (long long)attribute->ints[i]);
  else if (kind == KIND_FLOATS)
    print_double(p->out, attribute->floats[i]);
  else
    fputs(dim_text(p->arena, attribute->dims[i]), p->out);
}

static void print_attribute(const Printer *p, const Attribute *attribute) {
  fprintf(p->out, "%s=", attribute_info[attribute->id].text);
  switch (attribute_info[attribute->id].kind) {
  case KIND_INT: fprintf(p->out, "%lld", (long long)attribute->int_value); return;
  case KIND_FLOAT: print_double(p->out, attribute->float_value); return;
  case KIND_STRING: print_quoted(p->out, attribute->string_value); return;
  case KIND_INTS:
  case KIND_FLOATS:
  case KIND_DIMS:
    fputc('[', p->out);
    for (int i = 0; i < attribute->count; i++) print_element(p, attribute, i);
    fputc(']', p->out);
    return;
  }
}

// Attributes are kept in table order.
static void print_attributes(const Printer *p, const Node *node) {
  int printed = 0;
  for (int i = 0; i < node->attribute_count; i++) {
    const Attribute *attribute = &node->attributes[i];
    if (is_default(attribute, op_attribute(node->op, attribute->id))) continue;
    fputs(printed++ ? ", " : " {", p->out);
    print_attribute(p, attribute);
  }
  if (printed) fputc('}', p->out);
}

// --- constants

static bool is_splat(const Constant *constant, ElementType element, int64_t count) {
  size_t width = (size_t)element_info[element].bits / 8;
  if (width)
    return !memcmp(constant->data, (const char *)constant->data + width, constant->bytes - width);
  for (int64_t i = 1; i < count; i++)
    if (element_bits(element, constant->data, i) != element_bits(element, constant->data, 0))
      return false;
  return true;
}

ConstantForm text_constant_form(const Constant *constant, const Type *type) {
  int64_t count = 0;
  type_max_count(type, &count);
  if (count <= TEXT_INLINE_ELEMENTS || type->element == STR) return FORM_INLINE;
  return is_splat(constant, type->element, count) ? FORM_SPLAT : FORM_HASH;
}

static void print_value(const Printer *p, const Constant *constant, ElementType element,
                        int64_t i) {
  char buffer[NUMBER_TEXT];
  if (element == STR) {
    const TensorString *string = (const TensorString *)constant->data + i;
    print_string(p->out, string->data, string->length);
  } else if (element == C64 || element == C128) {
    ElementType part = element == C64 ? F32 : F64;
    element_value_text(buffer, part, constant->data, 2 * i);
    fprintf(p->out, "(%s, ", buffer);
    element_value_text(buffer, part, constant->data, 2 * i + 1);
    fprintf(p->out, "%s)", buffer);
  } else {
    element_value_text(buffer, element, constant->data, i);
    fputs(buffer, p->out);
  }
}

static void print_values(const Printer *p, const Constant *constant, const Type *type) {
  ConstantForm form = text_constant_form(constant, type);
  if (form == FORM_HASH) return;
  fputs(form == FORM_SPLAT ? " splat(" : type->rank ? " [" : " ", p->out);
  int64_t count = 0;
  type_max_count(type, &count);
  if (form == FORM_SPLAT) count = 1;
  for (int64_t i = 0; i < count; i++) {
    if (i) fputs(", ", p->out);
    print_value(p, constant, type->element, i);
  }
  fputs(form == FORM_SPLAT ? ")" : type->rank ? "]" : "", p->out);
}

static void print_centroids(FILE *out, const Stage *stage) {
  char buffer[NUMBER_TEXT];
  fputs("centroids=[", out);
  for (int i = 0; i < stage->centroid_count; i++) {
    float_text(buffer, stage->centroids[i]);
    fprintf(out, "%s%s", i ? ", " : "", buffer);
  }
  fputc(']', out);
}

static void print_stage(FILE *out, const Stage *stage) {
  const char *separator = "(";
  fprintf(out, " %s", stage_text(stage->kind));
#define PARAMETER(condition, ...)                                                                  \
  if (condition) {                                                                                 \
    fputs(separator, out);                                                                         \
    fprintf(out, __VA_ARGS__);                                                                     \
    separator = ", ";                                                                              \
  }
  PARAMETER(stage->kind == STAGE_LAYOUT, "%s", layout_text(stage->layout))
  PARAMETER(stage->tile, "tile=%d", stage->tile)
  PARAMETER(stage->group, "group=%d", stage->group)
  PARAMETER(stage->block_rows || stage->block_columns, "block=%dx%d", stage->block_rows,
            stage->block_columns)
  PARAMETER(stage->bits, "bits=%d", stage->bits)
  PARAMETER(stage->centroid_count, "%s", "")
#undef PARAMETER
  if (stage->centroid_count) print_centroids(out, stage);
  if (*separator == ',') fputc(')', out);
}

static void print_record(const Printer *p, const CompressionRecord *record) {
  fprintf(p->out,
          " record(original=0x%016llx, bytes=%zu, sqnr=", (unsigned long long)record->original_hash,
          record->original_bytes);
  print_double(p->out, record->sqnr);
  if (record->kept_count) fputs(", kept=[", p->out);
  for (int i = 0; i < record->kept_count; i++)
    fprintf(p->out, "%s%lld", i ? "," : "", (long long)record->kept[i]);
  if (record->kept_count) fputc(']', p->out);
  if (record->history) {
    fputs(", history=", p->out);
    print_quoted(p->out, record->history);
  }
  fputc(')', p->out);
}

static void print_constant_clauses(const Printer *p, const Node *node) {
  const Constant *constant = node->constant;
  if (constant->storage.count) fputs(" store", p->out);
  for (int i = 0; i < constant->storage.count; i++)
    print_stage(p->out, &constant->storage.stages[i]);
  const Type *type = &node->results[0]->type;
  if (text_constant_form(constant, type) == FORM_HASH)
    fprintf(p->out, " hash(0x%016llx)", (unsigned long long)constant_hash(constant, type));
  if (constant->record) print_record(p, constant->record);
}

// --- nodes and graphs

static void print_body(Printer *p, const Graph *graph, int indent);

static void print_inputs(const Printer *p, const Graph *graph) {
  fputc('(', p->out);
  for (int i = 0; i < graph->input_count; i++) {
    if (i) fputs(", ", p->out);
    print_definition(p, graph->inputs[i]);
    fputs(": ", p->out);
    print_typed(p, graph->inputs[i]);
  }
  fputc(')', p->out);
}

static void print_region(Printer *p, const Graph *region, int indent) {
  fputc(' ', p->out);
  if (text_is_region_name(region->name))
    fputs(region->name, p->out);
  else
    print_quoted(p->out, region->name);
  if (p->abbreviate) {
    fputs(" {...}", p->out);
    return;
  }
  fputc(' ', p->out);
  print_inputs(p, region);
  fputs(" {\n", p->out);
  print_body(p, region, indent + 2);
  fprintf(p->out, "%*s}", indent, "");
}

// A location that the parser would derive itself (the name of the first result) is left out.
static void print_loc(const Printer *p, const Node *node) {
  const char *name = node->result_count ? node->results[0]->name : NULL;
  bool derived = !node->loc.node || (name && !strcmp(node->loc.node, name));
  if (derived && !node->loc.op_type) return;
  fputs(" loc(", p->out);
  if (node->loc.node && !derived)
    print_quoted(p->out, node->loc.node);
  else
    fputc('_', p->out);
  if (node->loc.op_type) {
    fputs(", ", p->out);
    print_quoted(p->out, node->loc.op_type);
  }
  fputc(')', p->out);
}

static void print_node(Printer *p, const Node *node, int indent) {
  for (int i = 0; i < node->result_count; i++) {
    if (i) fputs(", ", p->out);
    print_definition(p, node->results[i]);
  }
  fprintf(p->out, "%s%s", node->result_count ? " = " : "", op_info[node->op].text);
  if (node->constant) {
    fputc(' ', p->out);
    print_global(p->out, node->constant->name);
    print_values(p, node->constant, &node->results[0]->type);
  }
  for (int i = 0; i < node->operand_count; i++) {
    fputs(i ? ", " : " ", p->out);
    print_use(p, node->operands[i]);
  }
  print_attributes(p, node);
  for (int i = 0; i < node->region_count; i++) print_region(p, node->regions[i], indent);
  for (int i = 0; i < node->result_count; i++) {
    fputs(i ? ", " : " : ", p->out);
    print_typed(p, node->results[i]);
  }
  if (node->constant) print_constant_clauses(p, node);
  print_loc(p, node);
}

static void print_body(Printer *p, const Graph *graph, int indent) {
  for (const Node *node = graph->first; node; node = node->next) {
    fprintf(p->out, "%*s", indent, "");
    print_node(p, node, indent);
    fputc('\n', p->out);
  }
  fprintf(p->out, "%*sreturn", indent, "");
  for (int i = 0; i < graph->output_count; i++) {
    fputs(i ? ", " : " ", p->out);
    print_use(p, graph->outputs[i]);
  }
  fputc('\n', p->out);
}

static void print_placed(const Printer *p, const Graph *graph) {
  fprintf(p->out, " placed(workspace=%lld, fast=%lld", (long long)graph->workspace_bytes,
          (long long)graph->fast_bytes);
  for (int i = 0; i < graph->open_count; i++) {
    const OpenPlace *place = &graph->open[i];
    fprintf(p->out, "%s%s over [", i ? ", " : ", open=[", dim_text(p->arena, place->bytes));
    for (int k = 0; k < place->below_count; k++)
      fprintf(p->out, "%s%d", k ? "," : "", place->below[k]);
    fputc(']', p->out);
  }
  if (graph->open_count) fputc(']', p->out);
  if (graph->late_count) fprintf(p->out, ", late=%d", graph->late_count);
  fputc(')', p->out);
}

void graph_print(FILE *stream, const Graph *graph) {
  Printer p = printer_create(stream, graph);
  fputs("func ", stream);
  print_global(stream, graph->name);
  print_inputs(&p, graph);
  if (graph->placed) print_placed(&p, graph);
  fputs(" {\n", stream);
  print_body(&p, graph, 2);
  fputs("}\n", stream);
  arena_destroy(p.arena);
}

void node_print(FILE *stream, const Node *node) {
  Printer p = {.out = stream, .arena = arena_create(), .abbreviate = true};
  print_node(&p, node, 0);
  arena_destroy(p.arena);
}

static void print_directive(FILE *out, const char *word, const char *text) {
  if (!text) return;
  fprintf(out, "%s ", word);
  print_quoted(out, text);
  fputc('\n', out);
}

void module_print(FILE *stream, const Module *module) {
  fprintf(stream, "tenon %d\n", TEXT_VERSION);
  print_directive(stream, "module", module->name);
  print_directive(stream, "producer", module->producer);
  // Without its folder: the text does not depend on where the model lies.
  const char *slash = module->source ? strrchr(module->source, '/') : NULL;
  print_directive(stream, "source", slash ? slash + 1 : module->source);
  for (int i = 0; i < dim_symbol_count(module->dims); i++) {
    const Atom *symbol = dim_symbol_at(module->dims, i);
    fprintf(stream, "symbol %s %lld..", symbol->name, (long long)symbol->low);
    if (symbol->high != DIM_UNBOUNDED) fprintf(stream, "%lld", (long long)symbol->high);
    fputc('\n', stream);
  }
  fputc('\n', stream);
  graph_print(stream, module->main);
}
