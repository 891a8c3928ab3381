// Reads the values, storage and record of a constant in the text form.
#include <stdlib.h>
#include <string.h>

#include "ir/hash.h"
#include "ir/number.h"
#include "ir/parser.h"
#include "ir/tensor.h"

enum {
  MAX_MADE_BYTES = 256 << 20,
  MAX_MADE_ELEMENTS = 64 << 20,
  MAX_CENTROIDS = 65536,
  MAX_PARAMETER = 1 << 20
};

// --- values in the text

static bool is_scalar_token(const Parser *p) {
  TokenKind kind = p->lexer.token.kind;
  return kind == TOKEN_NUMBER || kind == TOKEN_STRING || parse_is_word(p, "true") ||
         parse_is_word(p, "false") || parse_is_word(p, "inf") || parse_is_word(p, "nan");
}

static bool take_scalar(Parser *p, ParsedValues *values) {
  if (!is_scalar_token(p)) return parse_expected(p, "a value");
  ARENA_PUSH(p->arena, values->items, values->count, values->capacity, p->lexer.token);
  lexer_next(&p->lexer);
  return true;
}

static bool value_element(Parser *p, void *user) {
  ParsedValues *values = user;
  if (!parse_accept_mark(p, '(')) return take_scalar(p, values);
  values->pairs = true;
  return take_scalar(p, values) && parse_mark(p, ',') && take_scalar(p, values) &&
         parse_mark(p, ')');
}

bool parse_values(Parser *p, ParsedValues *values) {
  *values = (ParsedValues){.form = VALUES_NONE};
  if (parse_is_mark(p, '[')) {
    values->form = VALUES_LIST;
    return parse_list(p, value_element, values);
  }
  if (parse_accept_word(p, "splat")) {
    values->form = VALUES_SPLAT;
    return parse_mark(p, '(') && value_element(p, values) && parse_mark(p, ')');
  }
  if (parse_accept_word(p, "random")) {
    values->form = VALUES_RANDOM;
    return parse_mark(p, '(') && (parse_accept_word(p, "seed") || parse_expected(p, "'seed'")) &&
           parse_mark(p, '=') && parse_int(p, 0, INT64_MAX, &values->seed) && parse_mark(p, ')');
  }
  if (!is_scalar_token(p) && !parse_is_mark(p, '(')) return true;
  values->form = VALUES_LIST;
  return value_element(p, values);
}

// --- storage and record

static bool centroid_element(Parser *p, void *user) {
  Stage *stage = user;
  float *centroids = (float *)(uintptr_t)stage->centroids;
  if (stage->centroid_count == MAX_CENTROIDS)
    return PARSE_ERROR(p, "more than %d centroids", MAX_CENTROIDS);
  if ((stage->centroid_count & (stage->centroid_count - 1)) == 0) { // a power of two is full
    int count = stage->centroid_count;
    centroids = arena_grow(p->arena, centroids, (size_t)count, count ? 2 * (size_t)count : 1,
                           sizeof *centroids);
    stage->centroids = centroids;
  }
  return parse_float(p, &centroids[stage->centroid_count]) && ++stage->centroid_count;
}

// 1x16
static bool parse_block(Parser *p, Stage *stage) {
  if (!parse_small(p, 1, MAX_PARAMETER, &stage->block_rows)) return false;
  const Token token = p->lexer.token;
  int64_t columns;
  if (token.kind != TOKEN_WORD || token.text[0] != 'x' ||
      !int_from_text(token.text + 1, &columns) || columns < 1 || columns > MAX_PARAMETER)
    return parse_expected(p, "a block (ROWSxCOLUMNS)");
  stage->block_columns = (int)columns;
  lexer_next(&p->lexer);
  return true;
}

static bool parse_parameter(Parser *p, Stage *stage) {
  const char *word;
  if (!parse_word(p, "a parameter", &word)) return false;
  if (stage->kind == STAGE_LAYOUT && layout_parse(word, &stage->layout)) return true;
  if (!parse_mark(p, '=')) return false;
  if (!strcmp(word, "tile")) return parse_small(p, 1, MAX_PARAMETER, &stage->tile);
  if (!strcmp(word, "group")) return parse_small(p, 1, MAX_PARAMETER, &stage->group);
  if (!strcmp(word, "bits")) return parse_small(p, 1, 64, &stage->bits);
  if (!strcmp(word, "block")) return parse_block(p, stage);
  if (!strcmp(word, "centroids")) return parse_list(p, centroid_element, stage);
  return PARSE_ERROR(p, "%s has no parameter '%.40s'", stage_text(stage->kind), word);
}

static bool parse_storage(Parser *p, Storage *storage) {
  StageKind kind;
  for (int count = 0;; count++) {
    if (p->lexer.token.kind != TOKEN_WORD || !stage_parse(p->lexer.token.text, &kind))
      return count ? true : parse_expected(p, "a storage stage");
    if (storage->count && storage->stages[storage->count - 1].kind >= kind)
      return PARSE_ERROR(
          p, "storage stages are in the order layout, sparse, codebook, huffman, each once");
    Stage *stage = &storage->stages[storage->count++];
    *stage = (Stage){.kind = kind};
    lexer_next(&p->lexer);
    if (!parse_accept_mark(p, '(')) continue;
    do
      if (!parse_parameter(p, stage)) return false;
    while (parse_accept_mark(p, ','));
    if (!parse_mark(p, ')')) return false;
  }
}

static bool parse_record_field(Parser *p, CompressionRecord *record) {
  const char *word;
  int64_t bytes;
  IntList kept = {0};
  if (!parse_word(p, "a field of the record", &word) || !parse_mark(p, '=')) return false;
  if (!strcmp(word, "original")) return parse_hash(p, &record->original_hash);
  if (!strcmp(word, "sqnr")) return parse_double(p, &record->sqnr);
  if (!strcmp(word, "history")) return parse_string(p, &record->history);
  if (!strcmp(word, "bytes")) {
    if (!parse_int(p, 0, INT64_MAX, &bytes)) return false;
    record->original_bytes = (size_t)bytes;
    return true;
  }
  if (strcmp(word, "kept") != 0) return PARSE_ERROR(p, "a record has no field '%.40s'", word);
  if (!parse_ints(p, &kept)) return false;
  record->kept = kept.items;
  record->kept_count = kept.count;
  return true;
}

static bool parse_record(Parser *p, Constant *constant) {
  constant->record = NEW(p->arena, CompressionRecord);
  if (!parse_mark(p, '(')) return false;
  do
    if (!parse_record_field(p, constant->record)) return false;
  while (parse_accept_mark(p, ','));
  return parse_mark(p, ')');
}

static bool parse_clauses(Parser *p, Constant *constant) {
  if (parse_accept_word(p, "store") && !parse_storage(p, &constant->storage)) return false;
  if (parse_accept_word(p, "hash") &&
      (!parse_mark(p, '(') || !parse_hash(p, &constant->hash) || !parse_mark(p, ')')))
    return false;
  return !parse_accept_word(p, "record") || parse_record(p, constant);
}

// --- the data

typedef struct Values {
  ElementType element; // of one item in the text
  int64_t count;       // of items
  void *data;
} Values;

static bool store_item(Parser *p, const Values *values, const Token *token, int64_t index) {
  if (values->element == STR) {
    if (token->kind != TOKEN_STRING)
      return PARSE_ERROR(p, "a constant of strings has a value without quotes");
    ((TensorString *)values->data)[index] = (TensorString){token->text, token->length};
    return true;
  }
  if (token->kind == TOKEN_STRING ||
      !element_value_from_text(values->element, values->data, index, token->text))
    return diag_error(p->diag, parser_loc(p, token->line), "%.40s is not a value of %s",
                      token->kind == TOKEN_STRING ? "a string" : token->text,
                      element_info[values->element].text);
  return true;
}

// Items from `period` on repeat the ones before.
static void repeat_items(const Values *values, int64_t period) {
  size_t bits = values->element == STR ? 8 * sizeof(TensorString)
                                       : (size_t)element_info[values->element].bits;
  char *data = values->data;
  for (int64_t i = period; i < values->count; i++) {
    if (bits < 8)
      element_store(values->element, data, i, element_load(values->element, data, i - period));
    else
      memcpy(data + (size_t)i * bits / 8, data + (size_t)(i - period) * bits / 8, bits / 8);
  }
}

static bool store_items(Parser *p, const ParsedValues *parsed, const Values *values) {
  bool splat = parsed->form == VALUES_SPLAT;
  int64_t period = splat ? parsed->count : values->count;
  if (!splat && parsed->count != values->count)
    return PARSE_ERROR(p, "the constant has %d values, its type %lld", parsed->count,
                       (long long)values->count);
  for (int64_t i = 0; i < values->count && i < period; i++)
    if (!store_item(p, values, &parsed->items[i], i)) return false;
  repeat_items(values, period);
  return true;
}

static bool make_data(Parser *p, Node *node, const ParsedValues *parsed) {
  const Type *type = &node->results[0]->type;
  bool is_complex = type->element == C64 || type->element == C128;
  Values values = {.element = type->element};
  int64_t bytes = 0;
  type_max_count(type, &values.count);
  type_max_bytes(type, &bytes);
  if (bytes > MAX_MADE_BYTES - p->made_bytes)
    return PARSE_ERROR(p, "constants of more than 256 MiB without a weights file");
  if (values.count > MAX_MADE_ELEMENTS - p->made_elements)
    return PARSE_ERROR(p, "constants of more than %d values without a weights file",
                       MAX_MADE_ELEMENTS);
  p->made_bytes += bytes;
  p->made_elements += values.count;
  if (is_complex != parsed->pairs && parsed->form != VALUES_RANDOM && parsed->count)
    return PARSE_ERROR(p, "complex values, and only these, are pairs in parentheses");
  if (is_complex) {
    values.element = type->element == C64 ? F32 : F64;
    values.count *= 2;
  }
  values.data = arena_alloc(p->arena, (size_t)bytes);
  node->constant->data = values.data;
  if (parsed->form != VALUES_RANDOM) return store_items(p, parsed, &values);
  if (values.element == STR) return PARSE_ERROR(p, "no random values of str");
  element_fill_random(values.element, values.data, values.count, (uint64_t)parsed->seed);
  return true;
}

static bool load_data(Parser *p, Node *node) {
  Constant *constant = node->constant;
  const char *path = arena_printf(p->arena, "%s.weights", p->path);
  if (!p->weights) p->weights = weights_open(p->arena, path, node->loc, p->diag);
  if (!p->weights) return false;
  uint64_t hash = constant->hash;
  constant->data = weights_find(p->weights, hash, constant->bytes);
  if (!constant->data)
    return diag_error(p->diag, node->loc, "%s has no %zu bytes with hash 0x%016llx", path,
                      constant->bytes, (unsigned long long)hash);
  if (constant_hash(constant, &node->results[0]->type) != hash)
    return diag_error(p->diag, node->loc, "the values in %s do not have the hash 0x%016llx", path,
                      (unsigned long long)hash);
  return true;
}

bool parse_constant(Parser *p, Node *node, const char *name, const ParsedValues *values) {
  const Type *type = &node->results[0]->type;
  Constant *constant = node->constant = NEW(p->arena, Constant);
  int64_t bytes = 0;
  if (!type_is_static(type) || !type_max_bytes(type, &bytes))
    return PARSE_ERROR(p, "a constant needs a tensor type whose dimensions are numbers");
  constant->bytes = (size_t)bytes;
  constant->name = module_constant_name(p->module, name ? name : node->results[0]->name);
  if (name && strcmp(name, constant->name) != 0)
    return PARSE_ERROR(p, "@%.200s is used twice or is no name for a symbol", name);
  if (!parse_clauses(p, constant)) return false;
  if (constant->hash && values->form != VALUES_NONE)
    return PARSE_ERROR(p, "a constant with values and a hash");
  if (constant->hash && type->element == STR)
    return PARSE_ERROR(p, "a constant of strings with a hash");
  if (constant->hash) return load_data(p, node);
  ParsedValues random = {.form = VALUES_RANDOM, .seed = ++p->random_constants};
  return make_data(p, node, values->form == VALUES_NONE ? &random : values);
}
