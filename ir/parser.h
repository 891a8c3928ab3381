// The parser of the text form, in parts: parse.c (module, functions, nodes), parse_type.c (types,
// dims, placements, attributes), parse_constant.c (values, storage, record).
#ifndef TENON_IR_PARSER_H
#define TENON_IR_PARSER_H

#include "ir/graph.h"
#include "ir/lexer.h"
#include "ir/weights.h"

typedef struct Name {
  struct Name *next; // in the bucket, newest first
  const char *text;
  Value *value;
} Name;

// `at alias %x`: the value may stand further down.
typedef struct PendingAlias {
  Value *value;
  const char *name;
  int line;
} PendingAlias;

enum { NAME_BUCKETS = 4096 };

typedef struct Parser {
  Lexer lexer;
  Module *module;
  Arena *arena; // the module's
  Diag *diag;
  const char *path;
  Weights *weights; // opened when the first constant wants it
  Name *names[NAME_BUCKETS];
  PendingAlias *aliases;
  int alias_count, alias_capacity;
  int depth;                         // of nested regions
  int random_constants;              // constants without values so far
  int64_t made_bytes, made_elements; // of values made from splat and random
} Parser;

Loc parser_loc(const Parser *p, int line);
// An error at the current token: "expected WHAT, found ...". Always false.
bool parse_expected(const Parser *p, const char *what);
#define PARSE_ERROR(p, ...)                                                                        \
  diag_error((p)->diag, parser_loc((p), (p)->lexer.token.line), __VA_ARGS__)

bool parse_is_mark(const Parser *p, char mark);
bool parse_is_word(const Parser *p, const char *word);
bool parse_accept_mark(Parser *p, char mark);
bool parse_accept_word(Parser *p, const char *word);
bool parse_mark(Parser *p, char mark);
bool parse_int(Parser *p, int64_t low, int64_t high, int64_t *value);
bool parse_small(Parser *p, int low, int high, int *value);
bool parse_hash(Parser *p, uint64_t *hash); // 0x...
bool parse_double(Parser *p, double *value);
bool parse_float(Parser *p, float *value);
bool parse_string(Parser *p, const char **text); // without NUL bytes
bool parse_word(Parser *p, const char *what, const char **text);
// "[a, b, ..]" or, after name=, whatever the element function reads. Calls element(p, user) for
// each.
bool parse_list(Parser *p, bool (*element)(Parser *p, void *user), void *user);
typedef struct IntList {
  int64_t *items;
  int count, capacity;
} IntList;
bool parse_ints(Parser *p, IntList *list);

// parse_type.c
bool parse_type(Parser *p, Type *type);
bool parse_dim(Parser *p, const Dim **dim);
bool parse_placement(Parser *p, Value *value); // "at ..." is optional
bool resolve_aliases(Parser *p);
typedef struct AttributeList {
  Attribute *items;
  int count, capacity;
} AttributeList;
bool parse_attributes(Parser *p, OpCode op, AttributeList *list); // "{..}" is optional

// parse_constant.c
typedef struct ParsedValues {
  enum { VALUES_NONE, VALUES_LIST, VALUES_SPLAT, VALUES_RANDOM } form;
  Token *items;
  int count, capacity;
  int64_t seed;
  bool pairs; // complex numbers
} ParsedValues;
bool parse_values(Parser *p, ParsedValues *values); // may be missing
// The clauses behind the type, then the data. `name` is NULL if the text gives none.
bool parse_constant(Parser *p, Node *node, const char *name, const ParsedValues *values);

#endif
