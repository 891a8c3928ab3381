// From the text of a pattern to a tree, and from the tree to steps. Greedy or not makes no
// difference to whether a whole text matches, nor do names of groups.
#include "frontend/pattern_program.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_CODE = 0x10ffff, MAX_REPEAT = 1000, MAX_GROUPS = 100, MAX_LENGTH = 4096 };

typedef struct Range {
  uint32_t low, high;
} Range;

typedef struct Set {
  Range *ranges;
  int count, capacity;
} Set;

typedef enum TreeKind {
  TREE_EMPTY,
  TREE_SET,
  TREE_BOTH,
  TREE_EITHER,
  TREE_REPEAT,
  TREE_ASSERT
} TreeKind;

typedef struct Tree {
  TreeKind kind;
  Set set;
  Assertion assertion;
  const struct Tree *left, *right;
  int least, most; // most < 0: any number
} Tree;

typedef struct Reader {
  Arena *arena;
  const char *at;
  const char *error; // the first one
  int depth;
  bool ignores_case, dot_is_all;
} Reader;

static const Tree *read_choice(Reader *r);

static void *fail(Reader *r, const char *error) {
  if (!r->error) r->error = error;
  return NULL;
}

static bool take(Reader *r, const char *text) {
  size_t length = strlen(text);
  if (strncmp(r->at, text, length) != 0) return false;
  r->at += length;
  return true;
}

// --- sets of code points

static void add_range(Arena *arena, Set *set, uint32_t low, uint32_t high) {
  ARENA_PUSH(arena, set->ranges, set->count, set->capacity, ((Range){low, high}));
}

static int by_low(const void *left, const void *right) {
  const Range *a = left, *b = right;
  return (a->low > b->low) - (a->low < b->low);
}

// Everything that is not in the set.
static Set complement(Arena *arena, Set set) {
  Set result = {0};
  uint32_t next = 0;
  if (set.count) qsort(set.ranges, (size_t)set.count, sizeof *set.ranges, by_low);
  for (int i = 0; i < set.count; i++) {
    if (set.ranges[i].low > next) add_range(arena, &result, next, set.ranges[i].low - 1);
    if (set.ranges[i].high >= next) next = set.ranges[i].high + 1;
  }
  if (next <= LAST_CODE) add_range(arena, &result, next, LAST_CODE);
  return result;
}

static void add_set(Arena *arena, Set *set, Set other) {
  for (int i = 0; i < other.count; i++)
    add_range(arena, set, other.ranges[i].low, other.ranges[i].high);
}

// Letters of ASCII in both cases.
static void add_other_case(Arena *arena, Set *set) {
  for (int i = 0, count = set->count; i < count; i++)
    for (uint32_t c = 'A'; c <= 'Z'; c++) {
      Range range = set->ranges[i];
      if (c >= range.low && c <= range.high) add_range(arena, set, c + 32, c + 32);
      if (c + 32 >= range.low && c + 32 <= range.high) add_range(arena, set, c, c);
    }
}

// Pairs of first and last characters.
static Set set_of(Arena *arena, const char *pairs) {
  Set set = {0};
  for (; *pairs; pairs += 2)
    add_range(arena, &set, (unsigned char)pairs[0], (unsigned char)pairs[1]);
  return set;
}

static const char digits[] = "09", words[] = "09AZ__az", spaces[] = "\t\n\f\r  ";

// \d and its like; false: the letter is none of them.
static bool class_of_letter(Arena *arena, char letter, Set *set) {
  static const struct {
    char letter;
    const char *pairs;
  } known[] = {{'d', digits}, {'w', words}, {'s', spaces}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if ((letter | 32) != known[i].letter) continue;
    *set = set_of(arena, known[i].pairs);
    if (letter < 'a') *set = complement(arena, *set);
    return true;
  }
  return false;
}

static bool named_class(Reader *r, Set *set) {
  static const struct {
    const char *name, *pairs;
  } known[] = {{"alnum:]", "09AZaz"}, {"alpha:]", "AZaz"},     {"blank:]", "\t\t  "},
               {"digit:]", digits},   {"lower:]", "az"},       {"print:]", " ~"},
               {"graph:]", "!~"},     {"punct:]", "!/:@[`{~"}, {"space:]", "\t\r  "},
               {"upper:]", "AZ"},     {"word:]", words},       {"xdigit:]", "09AFaf"}};
  bool negated = take(r, "^");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!take(r, known[i].name)) continue;
    Set found = set_of(r->arena, known[i].pairs);
    add_set(r->arena, set, negated ? complement(r->arena, found) : found);
    return true;
  }
  fail(r, "it has a class [:name:] that is not known");
  return false;
}

// --- characters

static uint32_t read_code(Reader *r) {
  unsigned char first = (unsigned char)*r->at++;
  int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  uint32_t code = more ? first & (0x3fu >> more) : first;
  if (first >= 0x80 && !more) fail(r, "it is not UTF-8");
  for (; more > 0; more--) {
    if (((unsigned char)*r->at & 0xc0) != 0x80) return fail(r, "it is not UTF-8"), 0;
    code = code << 6 | ((unsigned char)*r->at++ & 0x3f);
  }
  return code;
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9'                 ? c - '0'
         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                              : -1;
}

static uint32_t read_hex(Reader *r) {
  bool braced = take(r, "{");
  uint32_t code = 0;
  int count = 0;
  for (; hex_digit(*r->at) >= 0 && count < (braced ? 6 : 2); count++)
    code = code * 16 + (uint32_t)hex_digit(*r->at++);
  if (!count || (!braced && count < 2) || (braced && !take(r, "}")) || code > LAST_CODE)
    fail(r, "it has \\x without a code point");
  return code;
}

// A character behind a backslash that stands for one character.
static uint32_t read_escape(Reader *r) {
  static const char letters[] = "tnrfva", meant[] = "\t\n\r\f\v\a";
  char c = *r->at;
  const char *place = c ? strchr(letters, c) : NULL;
  if (!c) return fail(r, "it ends with a backslash"), 0;
  if (take(r, "x")) return read_hex(r);
  if (place) return r->at++, (uint32_t)meant[place - letters];
  bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  if (plain) return fail(r, "it has an escape that is not supported"), 0;
  return read_code(r);
}

static uint32_t read_member(Reader *r) { return take(r, "\\") ? read_escape(r) : read_code(r); }

static Tree *new_tree(Reader *r, TreeKind kind) {
  Tree *tree = NEW(r->arena, Tree);
  tree->kind = kind;
  return tree;
}

static const Tree *set_tree(Reader *r, Set set) {
  Tree *tree = new_tree(r, TREE_SET);
  if (r->ignores_case) add_other_case(r->arena, &set);
  tree->set = set;
  return tree;
}

static const Tree *read_class(Reader *r) {
  Set set = {0};
  bool negated = take(r, "^");
  for (bool first = true; first || *r->at != ']'; first = false) {
    if (!*r->at || r->error) return fail(r, "a class has no ]");
    if (take(r, "[:")) {
      if (!named_class(r, &set)) return NULL;
      continue;
    }
    Set letter;
    if (r->at[0] == '\\' && class_of_letter(r->arena, r->at[1], &letter)) {
      add_set(r->arena, &set, letter);
      r->at += 2;
      continue;
    }
    uint32_t low = read_member(r), high = low;
    if (r->at[0] == '-' && r->at[1] && r->at[1] != ']') r->at++, high = read_member(r);
    if (high < low) return fail(r, "a range of a class is the wrong way round");
    add_range(r->arena, &set, low, high);
  }
  r->at++;
  if (r->ignores_case) add_other_case(r->arena, &set);
  return set_tree(r, negated ? complement(r->arena, set) : set);
}

// --- structure

static const Tree *assertion(Reader *r, Assertion assertion) {
  Tree *tree = new_tree(r, TREE_ASSERT);
  tree->assertion = assertion;
  return tree;
}

// Behind "(?": flags, up to ':' (of this group) or ')' (of the rest of the group around). False:
// reported.
static bool read_flags(Reader *r, bool *opens) {
  for (bool on = true;; r->at++) {
    char c = *r->at;
    if (c == '-')
      on = false;
    else if (c == 'i')
      r->ignores_case = on;
    else if (c == 's')
      r->dot_is_all = on;
    else if (c == ':' || c == ')')
      break;
    else if (c != 'U')
      return fail(r, "it has (? with something that is not supported"), false;
  }
  *opens = *r->at++ == ':';
  return true;
}

static const Tree *read_group(Reader *r) {
  bool opens = true, ignores_case = r->ignores_case, dot_is_all = r->dot_is_all;
  if (take(r, "?P<") || take(r, "?<")) {
    const char *end = strchr(r->at, '>');
    if (!end || *r->at == '=' || *r->at == '!')
      return fail(r, "it has (?< with something that is not supported");
    r->at = end + 1;
  } else if (take(r, "?")) {
    if (!read_flags(r, &opens)) return NULL;
    if (!opens) return new_tree(r, TREE_EMPTY);
  }
  if (++r->depth > MAX_GROUPS) return fail(r, "its groups are nested too deep");
  const Tree *tree = read_choice(r);
  r->depth--;
  if (!take(r, ")")) return fail(r, "a group has no )");
  r->ignores_case = ignores_case;
  r->dot_is_all = dot_is_all;
  return tree;
}

static const Tree *read_backslash(Reader *r) {
  Set set = {0};
  if (take(r, "b")) return assertion(r, ASSERT_BOUNDARY);
  if (take(r, "B")) return assertion(r, ASSERT_INSIDE);
  if (take(r, "A")) return assertion(r, ASSERT_BEGIN);
  if (take(r, "z")) return assertion(r, ASSERT_END);
  if (class_of_letter(r->arena, *r->at, &set)) {
    r->at++;
    Tree *tree = new_tree(r, TREE_SET);
    tree->set = set;
    return tree;
  }
  uint32_t code = read_escape(r);
  add_range(r->arena, &set, code, code);
  return set_tree(r, set);
}

static const Tree *read_one(Reader *r) {
  Set set = {0};
  if (take(r, "(")) return read_group(r);
  if (take(r, "[")) return read_class(r);
  if (take(r, "\\")) return read_backslash(r);
  if (take(r, "^")) return assertion(r, ASSERT_BEGIN);
  if (take(r, "$")) return assertion(r, ASSERT_END);
  if (strchr("*+?", *r->at)) return fail(r, "a repetition has nothing to repeat");
  if (take(r, ".")) {
    if (!r->dot_is_all) add_range(r->arena, &set, '\n', '\n');
    set = complement(r->arena, set);
  } else {
    uint32_t code = read_code(r);
    add_range(r->arena, &set, code, code);
  }
  return set_tree(r, set);
}

static int read_number(const char **at) {
  int number = -1;
  for (; **at >= '0' && **at <= '9'; ++*at)
    number = (number < 0 ? 0 : number > MAX_REPEAT ? number : number * 10) + (**at - '0');
  return number;
}

// {n}, {n,} or {n,m}; anything else is text.
static bool read_counts(Reader *r, int *least, int *most) {
  const char *at = r->at + 1;
  if (*r->at != '{' || (*least = *most = read_number(&at)) < 0) return false;
  if (*at == ',') at++, *most = read_number(&at);
  if (*at != '}') return false;
  r->at = at + 1;
  if (*least > MAX_REPEAT || *most > MAX_REPEAT || (*most >= 0 && *most < *least))
    fail(r, "it has a repetition {n,m} out of range");
  return true;
}

static const Tree *read_repeated(Reader *r) {
  const Tree *tree = read_one(r);
  for (int times = 0; !r->error; times++) {
    int least = 0, most = -1;
    if (take(r, "*"))
      most = -1;
    else if (take(r, "+"))
      least = 1;
    else if (take(r, "?"))
      most = 1;
    else if (!read_counts(r, &least, &most))
      break;
    take(r, "?"); // not greedy
    if (times > 8) return fail(r, "it repeats repetitions");
    Tree *repeat = new_tree(r, TREE_REPEAT);
    repeat->left = tree, repeat->least = least, repeat->most = most;
    tree = repeat;
  }
  return tree;
}

static const Tree *pair(Reader *r, TreeKind kind, const Tree *left, const Tree *right) {
  Tree *tree = new_tree(r, kind);
  tree->left = left, tree->right = right;
  return tree;
}

static const Tree *read_choice(Reader *r) {
  const Tree *choice = NULL;
  do {
    const Tree *row = new_tree(r, TREE_EMPTY);
    while (*r->at && *r->at != '|' && *r->at != ')' && !r->error)
      row = pair(r, TREE_BOTH, row, read_repeated(r));
    choice = choice ? pair(r, TREE_EITHER, choice, row) : row;
  } while (!r->error && take(r, "|"));
  return choice;
}

// --- steps; each is made after those that follow it

typedef struct Writer {
  Arena *arena;
  PatternProgram *program;
  bool full;
} Writer;

static int add_step(Writer *w, Step step) {
  PatternProgram *p = w->program;
  if (p->count >= MAX_STEPS) return w->full = true, 0;
  ARENA_PUSH(w->arena, p->steps, p->count, p->capacity, step);
  return p->count - 1;
}

static int add_split(Writer *w, int a, int b) {
  return add_step(w, (Step){.kind = STEP_SPLIT, .next = a, .other = b});
}

static int encode(uint32_t code, unsigned char *bytes) {
  if (code < 0x80) return bytes[0] = (unsigned char)code, 1;
  int count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (int i = count - 1; i > 0; i--, code >>= 6) bytes[i] = (unsigned char)(0x80 | (code & 0x3f));
  bytes[0] = (unsigned char)(mark[count] | code);
  return count;
}

// Code points low .. high before `next`, and `others` (-1: none) as the other way.
static int write_range(Writer *w, uint32_t low, uint32_t high, int next, int others) {
  static const uint32_t ends[] = {0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff};
  if (low > high || w->full) return others;
  for (int i = 0; i < 5; i++)
    if (low <= ends[i] && high > ends[i])
      return write_range(w, low, ends[i], next, write_range(w, ends[i] + 1, high, next, others));
  if (low >= 0xd800 && high <= 0xdfff) return others; // no characters
  for (int i = 1; i < 4; i++) {
    uint32_t tail = (1u << 6 * i) - 1;
    if (low < 0x80 || (low & ~tail) == (high & ~tail)) continue;
    if (low & tail)
      return write_range(w, low, low | tail, next,
                         write_range(w, (low | tail) + 1, high, next, others));
    if ((high & tail) != tail)
      return write_range(w, low, (high & ~tail) - 1, next,
                         write_range(w, high & ~tail, high, next, others));
  }
  unsigned char first[4], last[4];
  int count = encode(low, first);
  encode(high, last);
  for (int i = count - 1; i >= 0; i--)
    next = add_step(w, (Step){.kind = STEP_BYTE, .low = first[i], .high = last[i], .next = next});
  return others < 0 ? next : add_split(w, next, others);
}

static int write_tree(Writer *w, const Tree *tree, int next);

static int write_repeat(Writer *w, const Tree *tree, int next) {
  int start = next;
  if (tree->most < 0) {
    start = add_split(w, 0, next);
    int body = write_tree(w, tree->left, start);
    if (!w->full) w->program->steps[start].next = body;
  }
  for (int i = tree->least; i < tree->most && !w->full; i++)
    start = add_split(w, write_tree(w, tree->left, start), next);
  for (int i = 0; i < tree->least && !w->full; i++) start = write_tree(w, tree->left, start);
  return start;
}

static int write_tree(Writer *w, const Tree *tree, int next) {
  if (w->full) return 0;
  switch (tree->kind) {
  case TREE_EMPTY: return next;
  case TREE_BOTH: return write_tree(w, tree->left, write_tree(w, tree->right, next));
  case TREE_EITHER:
    return add_split(w, write_tree(w, tree->left, next), write_tree(w, tree->right, next));
  case TREE_REPEAT: return write_repeat(w, tree, next);
  case TREE_ASSERT:
    return add_step(w, (Step){.kind = STEP_ASSERT, .assertion = tree->assertion, .next = next});
  case TREE_SET: break;
  }
  int start = -1;
  for (int i = 0; i < tree->set.count; i++)
    start = write_range(w, tree->set.ranges[i].low, tree->set.ranges[i].high, next, start);
  // Of nothing: a byte that no text has.
  return start < 0 ? add_step(w, (Step){.kind = STEP_BYTE, .low = 1, .high = 0, .next = next})
                   : start;
}

const char *pattern_program(Arena *arena, const char *pattern, PatternProgram *program) {
  if (strlen(pattern) > MAX_LENGTH) return "it is longer than 4096 bytes";
  Reader reader = {.arena = arena, .at = pattern};
  const Tree *tree = read_choice(&reader);
  if (!reader.error && *reader.at) fail(&reader, "a group has no (");
  if (reader.error) return reader.error;
  *program = (PatternProgram){0};
  Writer writer = {.arena = arena, .program = program};
  int match = add_step(&writer, (Step){.kind = STEP_MATCH});
  program->start = write_tree(&writer, tree, match);
  return writer.full ? "its repetitions are too large" : NULL;
}
