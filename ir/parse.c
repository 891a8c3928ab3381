// Reads the text form: module, functions, nodes. The text is untrusted: every error is reported
// with its line, nesting is limited, and what was read is verified at the end.
#include "ir/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/hash.h"
#include "ir/number.h"
#include "ir/parser.h"
#include "ir/text.h"

enum { MAX_NESTING = 64, MAX_TEXT = 256 << 20 };

// --- tokens

Loc parser_loc(const Parser *p, int line) { return (Loc){.file = p->path, .line = line}; }

bool parse_expected(const Parser *p, const char *what) {
  const Token *token = &p->lexer.token;
  switch (token->kind) {
  case TOKEN_BAD: return PARSE_ERROR(p, "%s", token->text);
  case TOKEN_END: return PARSE_ERROR(p, "expected %s, found the end of the file", what);
  case TOKEN_MARK: return PARSE_ERROR(p, "expected %s, found '%c'", what, token->mark);
  case TOKEN_RANGE: return PARSE_ERROR(p, "expected %s, found '..'", what);
  case TOKEN_STRING: return PARSE_ERROR(p, "expected %s, found a string", what);
  case TOKEN_VALUE: return PARSE_ERROR(p, "expected %s, found %%%.40s", what, token->text);
  case TOKEN_GLOBAL: return PARSE_ERROR(p, "expected %s, found a name with @", what);
  case TOKEN_WORD:
  case TOKEN_NUMBER: return PARSE_ERROR(p, "expected %s, found '%.40s'", what, token->text);
  }
  return false;
}

bool parse_is_mark(const Parser *p, char mark) {
  return p->lexer.token.kind == TOKEN_MARK && p->lexer.token.mark == mark;
}

bool parse_is_word(const Parser *p, const char *word) {
  return p->lexer.token.kind == TOKEN_WORD && !strcmp(p->lexer.token.text, word);
}

bool parse_accept_mark(Parser *p, char mark) {
  if (!parse_is_mark(p, mark)) return false;
  lexer_next(&p->lexer);
  return true;
}

bool parse_accept_word(Parser *p, const char *word) {
  if (!parse_is_word(p, word)) return false;
  lexer_next(&p->lexer);
  return true;
}

bool parse_mark(Parser *p, char mark) {
  char text[4] = {'\'', mark, '\'', 0};
  return parse_accept_mark(p, mark) || parse_expected(p, text);
}

bool parse_int(Parser *p, int64_t low, int64_t high, int64_t *value) {
  if (p->lexer.token.kind != TOKEN_NUMBER) return parse_expected(p, "a number");
  if (!int_from_text(p->lexer.token.text, value) || *value < low || *value > high)
    return PARSE_ERROR(p, "%.40s is not a whole number from %lld to %lld", p->lexer.token.text,
                       (long long)low, (long long)high);
  lexer_next(&p->lexer);
  return true;
}

bool parse_small(Parser *p, int low, int high, int *value) {
  int64_t wide;
  if (!parse_int(p, low, high, &wide)) return false;
  *value = (int)wide;
  return true;
}

bool parse_hash(Parser *p, uint64_t *hash) {
  char *end;
  const char *text = p->lexer.token.text;
  if (p->lexer.token.kind != TOKEN_NUMBER) return parse_expected(p, "a hash");
  errno = 0;
  *hash = strtoull(text, &end, 16);
  if (strncmp(text, "0x", 2) != 0 || errno || *end || end == text + 2)
    return PARSE_ERROR(p, "%.40s is not a hash of 64 bits", text);
  lexer_next(&p->lexer);
  return true;
}

static bool is_number(const Parser *p) {
  return p->lexer.token.kind == TOKEN_NUMBER || parse_is_word(p, "inf") || parse_is_word(p, "nan");
}

bool parse_double(Parser *p, double *value) {
  if (!is_number(p)) return parse_expected(p, "a number");
  if (!double_from_text(p->lexer.token.text, value))
    return PARSE_ERROR(p, "%.40s is not a number", p->lexer.token.text);
  lexer_next(&p->lexer);
  return true;
}

bool parse_float(Parser *p, float *value) {
  if (!is_number(p)) return parse_expected(p, "a number");
  if (!float_from_text(p->lexer.token.text, value))
    return PARSE_ERROR(p, "%.40s is not a number", p->lexer.token.text);
  lexer_next(&p->lexer);
  return true;
}

static bool check_no_nul(Parser *p) {
  return strlen(p->lexer.token.text) == p->lexer.token.length ||
         PARSE_ERROR(p, "a name with a NUL byte");
}

bool parse_string(Parser *p, const char **text) {
  if (p->lexer.token.kind != TOKEN_STRING) return parse_expected(p, "a string");
  if (!check_no_nul(p)) return false;
  *text = p->lexer.token.text;
  lexer_next(&p->lexer);
  return true;
}

bool parse_word(Parser *p, const char *what, const char **text) {
  if (p->lexer.token.kind != TOKEN_WORD) return parse_expected(p, what);
  *text = p->lexer.token.text;
  lexer_next(&p->lexer);
  return true;
}

bool parse_list(Parser *p, bool (*element)(Parser *p, void *user), void *user) {
  if (!parse_mark(p, '[')) return false;
  if (parse_accept_mark(p, ']')) return true;
  do
    if (!element(p, user)) return false;
  while (parse_accept_mark(p, ','));
  return parse_mark(p, ']');
}

static bool int_element(Parser *p, void *user) {
  IntList *list = user;
  int64_t value;
  if (!parse_int(p, INT64_MIN, INT64_MAX, &value)) return false;
  ARENA_PUSH(p->arena, list->items, list->count, list->capacity, value);
  return true;
}

bool parse_ints(Parser *p, IntList *list) { return parse_list(p, int_element, list); }

// --- names of values

static Name **name_bucket(Parser *p, const char *text) {
  return &p->names[hash_bytes(text, strlen(text), 0) % NAME_BUCKETS];
}

// The value of that name in `graph`; else, in `elsewhere`, one of another graph.
static Value *find_value(Parser *p, const Graph *graph, const char *text, Value **elsewhere) {
  *elsewhere = NULL;
  for (Name *name = *name_bucket(p, text); name; name = name->next) {
    if (strcmp(name->text, text) != 0) continue;
    if (name->value->graph == graph) return name->value;
    if (!*elsewhere) *elsewhere = name->value;
  }
  return NULL;
}

typedef struct Definition {
  const char *name, *onnx_name;
  int line;
} Definition;

// %name "ONNX name"
static bool parse_definition(Parser *p, Definition *definition) {
  *definition = (Definition){p->lexer.token.text, NULL, p->lexer.token.line};
  if (p->lexer.token.kind != TOKEN_VALUE) return parse_expected(p, "a value (%name)");
  lexer_next(&p->lexer);
  if (p->lexer.token.kind == TOKEN_STRING) return parse_string(p, &definition->onnx_name);
  if (!text_is_ordinal(definition->name)) definition->onnx_name = definition->name;
  return true;
}

static bool define(Parser *p, const Definition *definition, Value *value) {
  Value *elsewhere;
  if (find_value(p, value->graph, definition->name, &elsewhere))
    return diag_error(p->diag, parser_loc(p, definition->line), "%%%.200s is defined twice",
                      definition->name);
  Name *name = NEW(p->arena, Name), **bucket = name_bucket(p, definition->name);
  *name = (Name){*bucket, definition->name, value};
  *bucket = name;
  value->name = definition->onnx_name;
  return true;
}

static bool parse_use(Parser *p, const Graph *graph, Value **value) {
  *value = NULL;
  if (parse_accept_word(p, "_")) return true;
  if (p->lexer.token.kind != TOKEN_VALUE) return parse_expected(p, "a value (%name)");
  const char *text = p->lexer.token.text;
  Value *elsewhere;
  *value = find_value(p, graph, text, &elsewhere);
  if (!*value && elsewhere)
    return PARSE_ERROR(p, "%%%.200s belongs to another function: a region captures nothing", text);
  if (!*value) return PARSE_ERROR(p, "%%%.200s is not defined before its use", text);
  lexer_next(&p->lexer);
  return true;
}

// alias targets: the same graph first, else any (a body may write into memory of its owner's
// values).
bool resolve_aliases(Parser *p) {
  for (int i = 0; i < p->alias_count; i++) {
    PendingAlias *alias = &p->aliases[i];
    Value *elsewhere, *found = find_value(p, alias->value->graph, alias->name, &elsewhere);
    if (!found && !elsewhere)
      return diag_error(p->diag, parser_loc(p, alias->line), "%%%.200s is not defined",
                        alias->name);
    alias->value->placement.alias = found ? found : elsewhere;
  }
  return true;
}

// --- nodes

typedef struct Statement {
  Definition *results;
  int result_count, result_capacity;
  Value **operands;
  int operand_count, operand_capacity;
  AttributeList attributes;
  ParsedValues values;       // const
  const char *constant_name; // const, NULL: none given
  OpCode op;
  int line;
} Statement;

static bool parse_results(Parser *p, Statement *s) {
  if (p->lexer.token.kind != TOKEN_VALUE) return true;
  do {
    Definition definition;
    if (!parse_definition(p, &definition)) return false;
    ARENA_PUSH(p->arena, s->results, s->result_count, s->result_capacity, definition);
  } while (parse_accept_mark(p, ','));
  return parse_mark(p, '=');
}

static bool parse_op(Parser *p, Statement *s) {
  const Token *token = &p->lexer.token;
  if (token->kind != TOKEN_WORD) return parse_expected(p, "an operator");
  if (!op_find(token->text, token->length, &s->op))
    return PARSE_ERROR(p, "unknown operator '%.40s'", token->text);
  int wanted = op_info[s->op].results;
  if (wanted >= 0 && wanted != s->result_count)
    return PARSE_ERROR(p, "%s has %d results, %d are named", token->text, wanted, s->result_count);
  lexer_next(&p->lexer);
  return true;
}

static bool parse_operands(Parser *p, const Graph *graph, Statement *s) {
  if (s->op == OP_CONST) {
    if (p->lexer.token.kind == TOKEN_GLOBAL) {
      if (!check_no_nul(p)) return false;
      s->constant_name = p->lexer.token.text;
      lexer_next(&p->lexer);
    }
    return parse_values(p, &s->values);
  }
  if (p->lexer.token.kind != TOKEN_VALUE && !parse_is_word(p, "_")) return true;
  do {
    Value *value;
    if (!parse_use(p, graph, &value)) return false;
    ARENA_PUSH(p->arena, s->operands, s->operand_count, s->operand_capacity, value);
  } while (parse_accept_mark(p, ','));
  return true;
}

static bool parse_body(Parser *p, Graph *graph);

static bool parse_input(Parser *p, Graph *graph) {
  Definition definition;
  Type type;
  if (!parse_definition(p, &definition) || !parse_mark(p, ':') || !parse_type(p, &type))
    return false;
  Value *value = graph_add_input(graph, type, NULL);
  return define(p, &definition, value) && parse_placement(p, value);
}

static bool parse_inputs(Parser *p, Graph *graph) {
  if (!parse_mark(p, '(')) return false;
  if (parse_accept_mark(p, ')')) return true;
  do
    if (!parse_input(p, graph)) return false;
  while (parse_accept_mark(p, ','));
  return parse_mark(p, ')');
}

static bool parse_regions(Parser *p, Node *node) {
  for (;;) {
    const Token *token = &p->lexer.token;
    bool quoted = token->kind == TOKEN_STRING;
    if (!quoted && (token->kind != TOKEN_WORD || !text_is_region_name(token->text))) return true;
    if (p->depth == MAX_NESTING)
      return PARSE_ERROR(p, "regions nested deeper than %d", MAX_NESTING);
    if (!check_no_nul(p)) return false;
    Graph *region = node_add_region(node, token->text);
    lexer_next(&p->lexer);
    p->depth++;
    if (!parse_inputs(p, region) || !parse_mark(p, '{') || !parse_body(p, region) ||
        !parse_mark(p, '}'))
      return false;
    p->depth--;
  }
}

static bool parse_result_types(Parser *p, Node *node) {
  if (!parse_accept_mark(p, ':')) return true;
  for (int i = 0; i < node->result_count; i++) {
    if (i && !parse_mark(p, ',')) return false;
    if (!parse_type(p, &node->results[i]->type) || !parse_placement(p, node->results[i]))
      return false;
  }
  return true;
}

// loc("node", "Op"); `_` for the name: that of the first result.
static bool parse_node_loc(Parser *p, Node *node) {
  if (!parse_accept_word(p, "loc")) return true;
  if (!parse_mark(p, '(')) return false;
  if (!parse_accept_word(p, "_") && !parse_string(p, &node->loc.node)) return false;
  if (parse_accept_mark(p, ',') && !parse_string(p, &node->loc.op_type)) return false;
  return parse_mark(p, ')');
}

static void set_attributes(Node *node, const AttributeList *list) {
  for (int i = 0; i < list->count; i++) {
    const Attribute *a = &list->items[i];
    switch (attribute_info[a->id].kind) {
    case KIND_INT: node_set_int(node, a->id, a->int_value); break;
    case KIND_FLOAT: node_set_float(node, a->id, a->float_value); break;
    case KIND_STRING: node_set_string(node, a->id, a->string_value); break;
    case KIND_INTS: node_set_ints(node, a->id, a->ints, a->count); break;
    case KIND_FLOATS: node_set_floats(node, a->id, a->floats, a->count); break;
    case KIND_DIMS: node_set_dims(node, a->id, a->dims, a->count); break;
    }
  }
}

static bool infer_results(Parser *p, Node *node) {
  Arena *arena = p->arena;
  Type *declared = NEW_ARRAY(arena, Type, node->result_count);
  for (int i = 0; i < node->result_count; i++) declared[i] = node->results[i]->type;
  if (!node_verify_form(node, p->diag) || !op_info[node->op].infer(node, p->diag)) return false;
  for (int i = 0; i < node->result_count; i++) {
    const Type *type = &node->results[i]->type;
    if (type->kind == TYPE_NONE)
      return diag_error(p->diag, node->loc, "%s: the type of result %d must be given",
                        op_info[node->op].text, i);
    if (declared[i].kind != TYPE_NONE && !type_equal(&declared[i], type))
      return diag_error(p->diag, node->loc, "%s: result %d is %s, declared as %s",
                        op_info[node->op].text, i, type_text(arena, type),
                        type_text(arena, &declared[i]));
  }
  return true;
}

static bool parse_node(Parser *p, Graph *graph) {
  Statement s = {.line = p->lexer.token.line};
  if (!parse_results(p, &s) || !parse_op(p, &s) || !parse_operands(p, graph, &s) ||
      !parse_attributes(p, s.op, &s.attributes))
    return false;
  Node *node =
      node_create(graph, s.op, parser_loc(p, s.line), s.operands, s.operand_count, s.result_count);
  graph_append(graph, node);
  set_attributes(node, &s.attributes);
  if (s.result_count) node->loc.node = s.results[0].onnx_name;
  if (!parse_regions(p, node) || !parse_result_types(p, node)) return false;
  if (s.op == OP_CONST) {
    const char *base = s.results[0].onnx_name;
    node->results[0]->name = base ? base : "constant";
    if (!parse_constant(p, node, s.constant_name, &s.values)) return false;
  }
  if (!parse_node_loc(p, node) || !infer_results(p, node)) return false;
  for (int i = 0; i < s.result_count; i++)
    if (!define(p, &s.results[i], node->results[i])) return false;
  return true;
}

// --- functions

static bool parse_return(Parser *p, Graph *graph) {
  if (p->lexer.token.kind != TOKEN_VALUE) return true;
  do {
    Value *value;
    if (parse_is_word(p, "_")) return parse_expected(p, "a value (%name)");
    if (!parse_use(p, graph, &value)) return false;
    graph_add_output(graph, value);
  } while (parse_accept_mark(p, ','));
  return true;
}

// Statements up to and with `return`.
static bool parse_body(Parser *p, Graph *graph) {
  while (!parse_accept_word(p, "return")) {
    if (p->lexer.token.kind != TOKEN_VALUE && p->lexer.token.kind != TOKEN_WORD)
      return parse_expected(p, "a node or 'return'");
    bool is_input = !graph->owner && parse_accept_word(p, "input");
    if (is_input ? !parse_input(p, graph) : !parse_node(p, graph)) return false;
  }
  return parse_return(p, graph);
}

typedef struct OpenList {
  OpenPlace *items;
  int count, capacity;
  int *below;
  int below_count, below_capacity;
} OpenList;

static bool below_element(Parser *p, void *user) {
  OpenList *list = user;
  int64_t number;
  if (!parse_int(p, 0, list->count - 1, &number)) return false;
  ARENA_PUSH(p->arena, list->below, list->below_count, list->below_capacity, (int)number);
  return true;
}

// "64*N over [0,2]": only places that came before can lie below.
static bool open_element(Parser *p, void *user) {
  OpenList *list = user;
  OpenPlace place = {0};
  list->below = NULL;
  list->below_count = list->below_capacity = 0;
  if (!parse_dim(p, &place.bytes)) return false;
  if (!parse_accept_word(p, "over")) return parse_expected(p, "'over'");
  if (!parse_list(p, below_element, list)) return false;
  place.below = list->below;
  place.below_count = list->below_count;
  ARENA_PUSH(p->arena, list->items, list->count, list->capacity, place);
  return true;
}

static bool parse_open(Parser *p, Graph *graph) {
  OpenList list = {0};
  while (parse_accept_mark(p, ',')) {
    bool late = parse_accept_word(p, "late");
    if (!late && !parse_accept_word(p, "open")) return parse_expected(p, "'open' or 'late'");
    if (!parse_mark(p, '=')) return false;
    if (late ? !parse_small(p, 0, INT32_MAX, &graph->late_count)
             : !parse_list(p, open_element, &list))
      return false;
  }
  graph->open = list.items;
  graph->open_count = list.count;
  return true;
}

static bool parse_placed(Parser *p, Graph *graph) {
  if (!parse_accept_word(p, "placed")) return true;
  graph->placed = true;
  return parse_mark(p, '(') &&
         (parse_accept_word(p, "workspace") || parse_expected(p, "'workspace'")) &&
         parse_mark(p, '=') && parse_int(p, 0, INT64_MAX, &graph->workspace_bytes) &&
         parse_mark(p, ',') && (parse_accept_word(p, "fast") || parse_expected(p, "'fast'")) &&
         parse_mark(p, '=') && parse_int(p, 0, INT64_MAX, &graph->fast_bytes) &&
         parse_open(p, graph) && parse_mark(p, ')');
}

static bool parse_function(Parser *p, Graph *graph) {
  if (p->lexer.token.kind != TOKEN_GLOBAL) return parse_expected(p, "the function's name (@name)");
  if (!check_no_nul(p)) return false;
  graph->name = p->lexer.token.text;
  lexer_next(&p->lexer);
  return parse_inputs(p, graph) && parse_placed(p, graph) && parse_mark(p, '{') &&
         parse_body(p, graph) && parse_mark(p, '}');
}

// --- module

static bool parse_symbol(Parser *p) {
  const char *name;
  int before = dim_symbol_count(p->module->dims);
  if (!parse_word(p, "the symbol's name", &name)) return false;
  if (before >= 4096) return PARSE_ERROR(p, "more than 4096 symbols");
  const Dim *symbol = dim_symbol(p->module->dims, name);
  if (dim_symbol_count(p->module->dims) == before)
    return PARSE_ERROR(p, "symbol %s is declared twice", name);
  int64_t low, high = DIM_UNBOUNDED;
  if (!parse_int(p, 0, INT64_MAX - 1, &low)) return false;
  if (p->lexer.token.kind != TOKEN_RANGE) return parse_expected(p, "'..'");
  lexer_next(&p->lexer);
  if (p->lexer.token.kind == TOKEN_NUMBER && !parse_int(p, low, INT64_MAX - 1, &high)) return false;
  return dim_symbol_range(p->module->dims, symbol, low, high) ||
         PARSE_ERROR(p, "symbol %s has no value", name);
}

static bool parse_head(Parser *p) {
  int64_t version;
  if (parse_accept_word(p, "tenon")) {
    if (!parse_int(p, 0, INT64_MAX, &version)) return false;
    if (version != TEXT_VERSION)
      return PARSE_ERROR(p, "version %lld of the text form, wanted %d", (long long)version,
                         TEXT_VERSION);
  }
  for (;;) {
    bool good = true;
    if (parse_accept_word(p, "module"))
      good = parse_string(p, &p->module->name);
    else if (parse_accept_word(p, "producer"))
      good = parse_string(p, &p->module->producer);
    else if (parse_accept_word(p, "source"))
      good = parse_string(p, &p->module->source);
    else if (parse_accept_word(p, "symbol"))
      good = parse_symbol(p);
    else
      return true;
    if (!good) return false;
  }
}

static bool parse_module(Parser *p) {
  if (!parse_head(p)) return false;
  bool good = parse_accept_word(p, "func") ? parse_function(p, p->module->main)
                                           : parse_body(p, p->module->main);
  if (!good || !resolve_aliases(p)) return false;
  return p->lexer.token.kind == TOKEN_END || parse_expected(p, "the end of the file");
}

static const char *stem_of(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path,
             *dot = strrchr(name, '.');
  return arena_strndup(arena, name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

// The whole file, with a NUL behind it; a pipe too. "-" is standard input.
static char *read_text(Arena *arena, Diag *diag, const char *path, size_t *length) {
  int file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return diag_error(diag, loc_file(path), "cannot read: %s", strerror(errno)), NULL;
  size_t count = 0, capacity = 1 << 16;
  char *text = arena_alloc(arena, capacity);
  ssize_t got;
  while ((got = read(file, text + count, capacity - count - 1)) > 0) {
    count += (size_t)got;
    if (count > MAX_TEXT) break;
    if (count == capacity - 1) text = arena_grow(arena, text, count, capacity *= 2, 1);
  }
  int reason = errno;
  if (file != STDIN_FILENO) close(file);
  if (got < 0) return diag_error(diag, loc_file(path), "cannot read: %s", strerror(reason)), NULL;
  if (count > MAX_TEXT)
    return diag_error(diag, loc_file(path), "longer than %d bytes", MAX_TEXT), NULL;
  text[count] = 0;
  *length = count;
  return text;
}

static Module *parse_terminated(Arena *arena, Diag *diag, const char *path, const char *text,
                                size_t length) {
  Parser *p = NEW(arena, Parser);
  p->arena = arena;
  p->diag = diag;
  p->path = arena_strdup(arena, path);
  p->module = module_create(arena, diag, stem_of(arena, path));
  p->lexer = lexer_create(arena, text, length);
  return parse_module(p) && module_verify(p->module, NULL, diag) ? p->module : NULL;
}

Module *module_parse(Arena *arena, Diag *diag, const char *path) {
  size_t length;
  const char *text = read_text(arena, diag, path, &length);
  return text ? parse_terminated(arena, diag, path, text, length) : NULL;
}

Module *module_parse_text(Arena *arena, Diag *diag, const char *path, const char *text,
                          size_t length) {
  return parse_terminated(arena, diag, path, arena_strndup(arena, text, length), length);
}
