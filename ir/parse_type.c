// Reads types, dims, placements and attributes of the text form.
#include <string.h>

#include "ir/number.h"
#include "ir/parser.h"
#include "ir/text.h"

enum { MAX_TYPE_NESTING = 16, MAX_SYMBOLS = 4096 };

// --- types

bool parse_dim(Parser *p, const Dim **dim) {
  const char *at = p->lexer.token.start; // read as characters: "-N" is no token
  *dim = dim_parse(p->module->dims, &at);
  if (!*dim)
    return PARSE_ERROR(p, "not a dimension (a number, a symbol, +, *, div, min, max of these)");
  if (dim_symbol_count(p->module->dims) > MAX_SYMBOLS)
    return PARSE_ERROR(p, "more than %d symbols", MAX_SYMBOLS);
  lexer_continue(&p->lexer, at);
  return true;
}

typedef struct DimsOfType {
  Type *type;
  bool in_list; // dims may be open
} DimsOfType;

static bool type_dim_element(Parser *p, void *user) {
  const DimsOfType *list = user;
  Type *type = list->type;
  if (type->rank < 0) return parse_expected(p, "']'");
  if (type->rank == MAX_RANK) return PARSE_ERROR(p, "more than %d dimensions", MAX_RANK);
  const Dim **dim = &type->dims[type->rank];
  if (list->in_list && parse_accept_mark(p, '?')) return type->rank++, true;
  if (list->in_list && !type->rank && parse_accept_mark(p, '*')) return type->rank = ANY_RANK, true;
  if (list->in_list && !type->rank && parse_accept_mark(p, '-')) return type->rank = NO_RANK, true;
  if (!parse_dim(p, dim)) return false;
  if (dim_high(*dim) < 0) return PARSE_ERROR(p, "dimension %d is negative", type->rank);
  type->rank++;
  return true;
}

typedef struct QuantList {
  float *scales;
  int scale_count, scale_capacity;
  int32_t *zeros;
  int zero_count, zero_capacity;
} QuantList;

static bool scale_element(Parser *p, void *user) {
  QuantList *list = user;
  float scale;
  if (!parse_float(p, &scale)) return false;
  ARENA_PUSH(p->arena, list->scales, list->scale_count, list->scale_capacity, scale);
  return true;
}

static bool zero_element(Parser *p, void *user) {
  QuantList *list = user;
  int zero;
  if (!parse_small(p, INT32_MIN, INT32_MAX, &zero)) return false;
  ARENA_PUSH(p->arena, list->zeros, list->zero_count, list->zero_capacity, zero);
  return true;
}

static bool one_or_list(Parser *p, bool (*element)(Parser *, void *), QuantList *list) {
  return parse_is_mark(p, '[') ? parse_list(p, element, list) : element(p, list);
}

// quant(axis=0, scale=[..], zero=[..]); without axis one scale; a missing zero is 0.
static bool parse_quant(Parser *p, Type *type) {
  QuantList list = {0};
  Quant *quant = NEW(p->arena, Quant);
  quant->axis = -1;
  if (!parse_mark(p, '(')) return false;
  do {
    if (parse_accept_word(p, "axis")) {
      if (!parse_mark(p, '=') || !parse_small(p, 0, MAX_RANK - 1, &quant->axis)) return false;
    } else if (parse_accept_word(p, "scale")) {
      if (!parse_mark(p, '=') || !one_or_list(p, scale_element, &list)) return false;
    } else if (parse_accept_word(p, "zero")) {
      if (!parse_mark(p, '=') || !one_or_list(p, zero_element, &list)) return false;
    } else {
      return parse_expected(p, "axis, scale or zero");
    }
  } while (parse_accept_mark(p, ','));
  if (!list.scale_count) return PARSE_ERROR(p, "quant without scale");
  int32_t zero = list.zero_count == 1 ? list.zeros[0] : 0;
  for (bool fill = list.zero_count <= 1; fill && list.zero_count < list.scale_count;)
    ARENA_PUSH(p->arena, list.zeros, list.zero_count, list.zero_capacity, zero);
  if (list.zero_count != list.scale_count)
    return PARSE_ERROR(p, "%d scales but %d zeros", list.scale_count, list.zero_count);
  quant->count = list.scale_count;
  quant->scale = list.scales;
  quant->zero = list.zeros;
  type->quant = quant;
  return parse_mark(p, ')');
}

static bool parse_nested_type(Parser *p, Type *type, int depth) {
  const Token token = p->lexer.token;
  *type = (Type){0};
  if (token.kind != TOKEN_WORD) return parse_expected(p, "a type");
  bool is_sequence = !strcmp(token.text, "sequence"), is_optional = !strcmp(token.text, "optional");
  if (is_sequence || is_optional) {
    if (depth == MAX_TYPE_NESTING)
      return PARSE_ERROR(p, "types nested deeper than %d", MAX_TYPE_NESTING);
    Type *inner = NEW(p->arena, Type);
    lexer_next(&p->lexer);
    type->kind = is_sequence ? TYPE_SEQUENCE : TYPE_OPTIONAL;
    type->inner = inner;
    return parse_mark(p, '(') && parse_nested_type(p, inner, depth + 1) && parse_mark(p, ')');
  }
  type->kind = TYPE_TENSOR;
  type->element = element_parse(token.text, token.length);
  if (type->element == ELEMENT_NONE) return PARSE_ERROR(p, "unknown type '%.40s'", token.text);
  lexer_next(&p->lexer);
  DimsOfType dims = {type, depth > 0};
  if (parse_is_mark(p, '[') && !parse_list(p, type_dim_element, &dims)) return false;
  return !parse_accept_word(p, "quant") || parse_quant(p, type);
}

bool parse_type(Parser *p, Type *type) { return parse_nested_type(p, type, 0); }

// --- placement

bool parse_placement(Parser *p, Value *value) {
  if (!parse_accept_word(p, "at")) return true;
  Placement *place = &value->placement;
  for (int kind = PLACE_WORKSPACE; kind <= PLACE_ALIAS && place->kind == PLACE_NONE; kind++)
    if (parse_accept_word(p, text_place_names[kind])) place->kind = (PlaceKind)kind;
  if (place->kind == PLACE_NONE)
    return parse_expected(p,
                          "a place (workspace, fast, input, output, weights, open, late, alias)");
  if (place->kind == PLACE_ALIAS) {
    if (p->lexer.token.kind != TOKEN_VALUE) return parse_expected(p, "a value (%name)");
    PendingAlias alias = {value, p->lexer.token.text, p->lexer.token.line};
    ARENA_PUSH(p->arena, p->aliases, p->alias_count, p->alias_capacity, alias);
    lexer_next(&p->lexer);
  }
  if (p->lexer.token.kind == TOKEN_NUMBER && p->lexer.token.text[0] == '+')
    return parse_int(p, 0, INT64_MAX, &place->offset);
  return true;
}

// --- attributes

typedef struct DimList {
  const Dim **items;
  int count, capacity;
} DimList;

static bool dim_element(Parser *p, void *user) {
  DimList *list = user;
  const Dim *dim;
  if (!parse_dim(p, &dim)) return false;
  ARENA_PUSH(p->arena, list->items, list->count, list->capacity, dim);
  return true;
}

typedef struct DoubleList {
  double *items;
  int count, capacity;
} DoubleList;

static bool double_element(Parser *p, void *user) {
  DoubleList *list = user;
  double value;
  if (!parse_double(p, &value)) return false;
  ARENA_PUSH(p->arena, list->items, list->count, list->capacity, value);
  return true;
}

static bool parse_attribute_value(Parser *p, Attribute *attribute) {
  IntList ints = {0};
  DoubleList doubles = {0};
  DimList dims = {0};
  switch (attribute_info[attribute->id].kind) {
  case KIND_INT: return parse_int(p, INT64_MIN, INT64_MAX, &attribute->int_value);
  case KIND_FLOAT: return parse_double(p, &attribute->float_value);
  case KIND_STRING: return parse_string(p, &attribute->string_value);
  case KIND_INTS:
    if (!parse_ints(p, &ints)) return false;
    attribute->count = ints.count;
    attribute->ints = ints.items;
    return true;
  case KIND_FLOATS:
    if (!parse_list(p, double_element, &doubles)) return false;
    attribute->count = doubles.count;
    attribute->floats = doubles.items;
    return true;
  case KIND_DIMS:
    if (!parse_list(p, dim_element, &dims)) return false;
    attribute->count = dims.count;
    attribute->dims = dims.items;
    return true;
  }
  return false;
}

bool parse_attributes(Parser *p, OpCode op, AttributeList *list) {
  if (!parse_accept_mark(p, '{')) return true;
  do {
    const Token token = p->lexer.token;
    Attribute attribute = {0};
    if (token.kind != TOKEN_WORD) return parse_expected(p, "the name of an attribute");
    if (!attribute_find(token.text, token.length, &attribute.id) || !op_attribute(op, attribute.id))
      return PARSE_ERROR(p, "%s has no attribute '%.40s'", op_info[op].text, token.text);
    for (int i = 0; i < list->count; i++)
      if (list->items[i].id == attribute.id)
        return PARSE_ERROR(p, "attribute '%s' is given twice", token.text);
    lexer_next(&p->lexer);
    if (!parse_mark(p, '=') || !parse_attribute_value(p, &attribute)) return false;
    ARENA_PUSH(p->arena, list->items, list->count, list->capacity, attribute);
  } while (parse_accept_mark(p, ','));
  return parse_mark(p, '}');
}
