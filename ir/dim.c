// Interned polynomials over symbols. See dim.h for the normal form.
//
// Terms are sorted by their atoms (more atoms first, the constant term last), atoms within a term
// too. Interning is by content, so construction order does not matter for equality.
#include "ir/dim.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct Dim {
  int term_count;
  const DimTerm *terms;
  int64_t low, high;
  unsigned hash;
  const Dim *next; // in the same bucket
};

enum { FIRST_BUCKETS = 1024 };

struct DimTable {
  Arena *arena;
  const Dim **buckets; // by hash
  unsigned bucket_count, dim_count;
  Atom **atoms; // all, in order of creation
  int atom_count, atom_capacity;
  Atom **symbols;
  int symbol_count, symbol_capacity;
};

static int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? INT64_MAX : INT64_MIN;
}

static int64_t saturating_mul(int64_t a, int64_t b) {
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a > 0) == (b > 0) ? INT64_MAX : INT64_MIN;
}

static int64_t floor_div(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return saturating_mul(a, -1);
  int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

DimTable *dim_table_create(Arena *arena) {
  DimTable *table = NEW(arena, DimTable);
  table->arena = arena;
  return table;
}

int dim_symbol_count(const DimTable *table) { return table->symbol_count; }
const Atom *dim_symbol_at(const DimTable *table, int index) { return table->symbols[index]; }

// --- ranges

static void product_range(int64_t *low, int64_t *high, int64_t low2, int64_t high2) {
  int64_t a = saturating_mul(*low, low2), b = saturating_mul(*low, high2);
  int64_t c = saturating_mul(*high, low2), d = saturating_mul(*high, high2);
  int64_t ab_low = a < b ? a : b, ab_high = a < b ? b : a;
  int64_t cd_low = c < d ? c : d, cd_high = c < d ? d : c;
  *low = ab_low < cd_low ? ab_low : cd_low;
  *high = ab_high > cd_high ? ab_high : cd_high;
}

static void set_range(Dim *dim) {
  dim->low = dim->high = 0;
  for (int i = 0; i < dim->term_count; i++) {
    const DimTerm *term = &dim->terms[i];
    int64_t low = term->coefficient, high = term->coefficient;
    for (int k = 0; k < term->atom_count; k++)
      product_range(&low, &high, term->atoms[k]->low, term->atoms[k]->high);
    dim->low = saturating_add(dim->low, low);
    bool unbounded = dim->high == DIM_UNBOUNDED || high == DIM_UNBOUNDED; // N - 1 too
    dim->high = unbounded ? DIM_UNBOUNDED : saturating_add(dim->high, high);
  }
}

// --- interning

static unsigned hash_terms(int count, const DimTerm *terms) {
  unsigned hash = 2166136261u;
  for (int i = 0; i < count; i++) {
    hash = (hash ^ (unsigned)terms[i].coefficient) * 16777619u;
    for (int k = 0; k < terms[i].atom_count; k++)
      hash = (hash ^ (unsigned)(terms[i].atoms[k]->id + 1)) * 16777619u;
  }
  return hash;
}

// The order of atoms follows what they are, not when they were made: the same dims print the same
// text whichever was built first.
static int order_dims(const Dim *a, const Dim *b);

static int order_atoms(const Atom *a, const Atom *b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return (int)a->kind - (int)b->kind;
  if (a->kind == ATOM_SYMBOL) return a->index - b->index;
  int left = order_dims(a->left, b->left);
  return left ? left : order_dims(a->right, b->right);
}

static int compare_atoms(const DimTerm *a, const DimTerm *b) {
  if (a->atom_count != b->atom_count) return b->atom_count - a->atom_count;
  for (int k = 0; k < a->atom_count; k++) {
    int order = order_atoms(a->atoms[k], b->atoms[k]);
    if (order) return order;
  }
  return 0;
}

static int order_dims(const Dim *a, const Dim *b) {
  if (a == b) return 0;
  if (a->term_count != b->term_count) return a->term_count - b->term_count;
  for (int i = 0; i < a->term_count; i++) {
    int order = compare_atoms(&a->terms[i], &b->terms[i]);
    if (order) return order;
    int64_t x = a->terms[i].coefficient, y = b->terms[i].coefficient;
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

static bool same_terms(const Dim *dim, int count, const DimTerm *terms) {
  if (dim->term_count != count) return false;
  for (int i = 0; i < count; i++)
    if (dim->terms[i].coefficient != terms[i].coefficient ||
        compare_atoms(&dim->terms[i], &terms[i]))
      return false;
  return true;
}

// Twice as many buckets where there are as many dims: a concat of thousands makes thousands.
static void grow(DimTable *table) {
  unsigned count = table->bucket_count ? 2 * table->bucket_count : FIRST_BUCKETS;
  const Dim **buckets = NEW_ARRAY(table->arena, const Dim *, count);
  for (unsigned b = 0; b < table->bucket_count; b++)
    for (const Dim *dim = table->buckets[b], *next; dim; dim = next) {
      next = dim->next;
      ((Dim *)dim)->next = buckets[dim->hash % count];
      buckets[dim->hash % count] = dim;
    }
  table->buckets = buckets;
  table->bucket_count = count;
}

static const Dim *intern(DimTable *table, int count, const DimTerm *terms) {
  unsigned hash = hash_terms(count, terms);
  if (table->dim_count == table->bucket_count) grow(table);
  const Dim **bucket = &table->buckets[hash % table->bucket_count];
  for (const Dim *dim = *bucket; dim; dim = dim->next)
    if (dim->hash == hash && same_terms(dim, count, terms)) return dim;
  Dim *dim = NEW(table->arena, Dim);
  DimTerm *copy = NEW_ARRAY(table->arena, DimTerm, count);
  for (int i = 0; i < count; i++) {
    copy[i] = terms[i];
    const Atom **atoms = NEW_ARRAY(table->arena, const Atom *, terms[i].atom_count);
    for (int k = 0; k < terms[i].atom_count; k++) atoms[k] = terms[i].atoms[k];
    copy[i].atoms = atoms;
  }
  *dim = (Dim){count, copy, 0, 0, hash, *bucket};
  set_range(dim);
  *bucket = dim;
  table->dim_count++;
  return dim;
}

static int by_atoms(const void *a, const void *b) { return compare_atoms(a, b); }

// Sorts, merges equal products, drops zeros, interns.
static const Dim *normalise(DimTable *table, DimTerm *terms, int count) {
  qsort(terms, (size_t)count, sizeof *terms, by_atoms);
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (kept && compare_atoms(&terms[kept - 1], &terms[i]) == 0)
      terms[kept - 1].coefficient =
          saturating_add(terms[kept - 1].coefficient, terms[i].coefficient);
    else
      terms[kept++] = terms[i];
    if (terms[kept - 1].coefficient == 0) kept--;
  }
  return intern(table, kept, terms);
}

const Dim *dim_constant(DimTable *table, int64_t value) {
  DimTerm term = {value, 0, NULL};
  return intern(table, value != 0, &term);
}

static const Dim *dim_of_atom(DimTable *table, const Atom *atom) {
  DimTerm term = {1, 1, &atom};
  return intern(table, 1, &term);
}

static const Dim *add_symbol(DimTable *table, const char *name, int64_t low, int64_t high) {
  Atom *atom = NEW(table->arena, Atom);
  *atom = (Atom){.kind = ATOM_SYMBOL,
                 .id = table->atom_count,
                 .index = table->symbol_count,
                 .name = arena_strdup(table->arena, name),
                 .low = low,
                 .high = high};
  ARENA_PUSH(table->arena, table->atoms, table->atom_count, table->atom_capacity, atom);
  ARENA_PUSH(table->arena, table->symbols, table->symbol_count, table->symbol_capacity, atom);
  return dim_of_atom(table, atom);
}

static Atom *find_symbol(const DimTable *table, const char *name) {
  for (int i = 0; i < table->symbol_count; i++)
    if (!strcmp(table->symbols[i]->name, name)) return table->symbols[i];
  return NULL;
}

const Dim *dim_symbol(DimTable *table, const char *name) {
  Atom *atom = find_symbol(table, name);
  return atom ? dim_of_atom(table, atom) : add_symbol(table, name, 0, DIM_UNBOUNDED);
}

const Dim *dim_fresh_symbol(DimTable *table, const char *base, int64_t low, int64_t high) {
  const char *name = base;
  for (int i = 1; find_symbol(table, name); i++)
    name = arena_printf(table->arena, "%s_%d", base, i);
  return add_symbol(table, name, low, high);
}

static void set_atom_range(Atom *atom) {
  const Dim *a = atom->left, *b = atom->right;
  if (atom->kind == ATOM_MIN) {
    atom->low = a->low < b->low ? a->low : b->low;
    atom->high = a->high < b->high ? a->high : b->high;
  } else if (atom->kind == ATOM_MAX) {
    atom->low = a->low > b->low ? a->low : b->low;
    atom->high = a->high > b->high ? a->high : b->high;
  } else if (atom->kind == ATOM_FLOORDIV && b->low > 0) {
    atom->low = floor_div(a->low, a->low < 0 ? b->low : b->high);
    atom->high = a->high == DIM_UNBOUNDED ? DIM_UNBOUNDED
                                          : floor_div(a->high, a->high < 0 ? b->high : b->low);
  }
}

// Ranges of expressions that exist already follow the narrowed symbol; atoms were made after what
// they consist of, so one pass in order of creation is enough.
static void refresh_ranges(DimTable *table) {
  for (int i = 0; i < table->atom_count; i++) {
    Atom *atom = table->atoms[i];
    if (atom->kind == ATOM_SYMBOL) continue;
    set_range((Dim *)atom->left);
    set_range((Dim *)atom->right);
    set_atom_range(atom);
  }
  for (unsigned b = 0; b < table->bucket_count; b++)
    for (const Dim *dim = table->buckets[b]; dim; dim = dim->next) set_range((Dim *)dim);
}

bool dim_symbol_range(DimTable *table, const Dim *symbol, int64_t low, int64_t high) {
  const char *name = dim_symbol_name(symbol);
  Atom *atom = name ? find_symbol(table, name) : NULL;
  if (!atom) return false;
  if (low > atom->low) atom->low = low;
  if (high < atom->high) atom->high = high;
  refresh_ranges(table);
  return atom->low <= atom->high;
}

// --- arithmetic

const Dim *dim_add(DimTable *table, const Dim *a, const Dim *b) {
  DimTerm *terms = NEW_ARRAY(table->arena, DimTerm, a->term_count + b->term_count);
  for (int i = 0; i < a->term_count; i++) terms[i] = a->terms[i];
  for (int i = 0; i < b->term_count; i++) terms[a->term_count + i] = b->terms[i];
  return normalise(table, terms, a->term_count + b->term_count);
}

const Dim *dim_sub(DimTable *table, const Dim *a, const Dim *b) {
  return dim_add(table, a, dim_mul(table, b, dim_constant(table, -1)));
}

static int by_order(const void *a, const void *b) {
  return order_atoms(*(const Atom *const *)a, *(const Atom *const *)b);
}

static DimTerm multiply_terms(DimTable *table, const DimTerm *a, const DimTerm *b) {
  int count = a->atom_count + b->atom_count;
  const Atom **atoms = NEW_ARRAY(table->arena, const Atom *, count);
  for (int i = 0; i < a->atom_count; i++) atoms[i] = a->atoms[i];
  for (int i = 0; i < b->atom_count; i++) atoms[a->atom_count + i] = b->atoms[i];
  qsort(atoms, (size_t)count, sizeof *atoms, by_order);
  return (DimTerm){saturating_mul(a->coefficient, b->coefficient), count, atoms};
}

const Dim *dim_mul(DimTable *table, const Dim *a, const Dim *b) {
  int count = 0;
  DimTerm *terms = NEW_ARRAY(table->arena, DimTerm, a->term_count * b->term_count);
  for (int i = 0; i < a->term_count; i++)
    for (int k = 0; k < b->term_count; k++)
      terms[count++] = multiply_terms(table, &a->terms[i], &b->terms[k]);
  return normalise(table, terms, count);
}

static const Dim *pair_atom(DimTable *table, AtomKind kind, const Dim *a, const Dim *b) {
  for (int i = 0; i < table->atom_count; i++) {
    const Atom *atom = table->atoms[i];
    if (atom->kind == kind && atom->left == a && atom->right == b) return dim_of_atom(table, atom);
  }
  Atom *atom = NEW(table->arena, Atom);
  *atom = (Atom){.kind = kind,
                 .id = table->atom_count,
                 .low = INT64_MIN,
                 .high = INT64_MAX,
                 .left = a,
                 .right = b};
  set_atom_range(atom);
  ARENA_PUSH(table->arena, table->atoms, table->atom_count, table->atom_capacity, atom);
  return dim_of_atom(table, atom);
}

// All of a's terms divided by b's lone constant or by a lone product, where that is exact.
static const Dim *exact_division(DimTable *table, const Dim *a, const Dim *b) {
  if (b->term_count != 1) return NULL;
  const DimTerm *divisor = &b->terms[0];
  DimTerm *terms = NEW_ARRAY(table->arena, DimTerm, a->term_count);
  for (int i = 0; i < a->term_count; i++) {
    const DimTerm *term = &a->terms[i];
    if (term->coefficient == INT64_MAX || term->coefficient == INT64_MIN) return NULL;
    if (divisor->coefficient == 0 || term->coefficient % divisor->coefficient) return NULL;
    const Atom **atoms = NEW_ARRAY(table->arena, const Atom *, term->atom_count);
    int kept = 0, taken = 0;
    for (int k = 0; k < term->atom_count; k++)
      if (taken < divisor->atom_count && term->atoms[k] == divisor->atoms[taken])
        taken++;
      else
        atoms[kept++] = term->atoms[k];
    if (taken != divisor->atom_count) return NULL;
    terms[i] = (DimTerm){term->coefficient / divisor->coefficient, kept, atoms};
  }
  return normalise(table, terms, a->term_count);
}

const Dim *dim_floordiv(DimTable *table, const Dim *a, const Dim *b) {
  int64_t x, y;
  if (dim_is_constant(a, &x) && dim_is_constant(b, &y)) return dim_constant(table, floor_div(x, y));
  // (k*c + rest) // c = k + rest // c: split off what divides exactly.
  if (dim_is_constant(b, &y) && y > 0) {
    DimTerm *whole = NEW_ARRAY(table->arena, DimTerm, a->term_count + 1);
    DimTerm *rest = NEW_ARRAY(table->arena, DimTerm, a->term_count + 1);
    int whole_count = 0, rest_count = 0;
    for (int i = 0; i < a->term_count; i++) {
      DimTerm term = a->terms[i];
      int64_t quotient = floor_div(term.coefficient, y),
              remainder = term.coefficient - quotient * y;
      if (term.coefficient == INT64_MAX || term.coefficient == INT64_MIN)
        quotient = 0, remainder = term.coefficient;
      if (quotient) whole[whole_count++] = (DimTerm){quotient, term.atom_count, term.atoms};
      if (remainder) rest[rest_count++] = (DimTerm){remainder, term.atom_count, term.atoms};
    }
    const Dim *left = normalise(table, rest, rest_count);
    const Dim *split = normalise(table, whole, whole_count);
    if (left->low >= 0 && left->high < y) return split;
    if (whole_count) return dim_add(table, split, dim_floordiv(table, left, b));
  }
  const Dim *exact = exact_division(table, a, b);
  if (exact) return exact;
  return pair_atom(table, ATOM_FLOORDIV, a, b);
}

const Dim *dim_ceildiv(DimTable *table, const Dim *a, const Dim *b) {
  const Dim *minus_one = dim_constant(table, -1);
  return dim_mul(table, dim_floordiv(table, dim_mul(table, a, minus_one), b), minus_one);
}

const Dim *dim_min(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b || a->high <= b->low) return a;
  if (b->high <= a->low) return b;
  const Dim *difference = dim_sub(table, a, b);
  if (difference->high <= 0) return a;
  if (difference->low >= 0) return b;
  return pair_atom(table, ATOM_MIN, a, b);
}

const Dim *dim_max(DimTable *table, const Dim *a, const Dim *b) {
  if (a == b || a->low >= b->high) return a;
  if (b->low >= a->high) return b;
  const Dim *difference = dim_sub(table, a, b);
  if (difference->low >= 0) return a;
  if (difference->high <= 0) return b;
  return pair_atom(table, ATOM_MAX, a, b);
}

// --- questions

bool dim_is_constant(const Dim *dim, int64_t *value) {
  if (dim->term_count > 1 || (dim->term_count == 1 && dim->terms[0].atom_count)) return false;
  if (value) *value = dim->term_count ? dim->terms[0].coefficient : 0;
  return true;
}

int64_t dim_value(const Dim *dim) {
  int64_t value = 0;
  bool constant = dim_is_constant(dim, &value);
  assert(constant && "dim_value of a symbolic dim");
  (void)constant;
  return value;
}

bool dim_is(const Dim *dim, int64_t value) {
  int64_t found;
  return dim_is_constant(dim, &found) && found == value;
}

int64_t dim_low(const Dim *dim) { return dim->low; }
int64_t dim_high(const Dim *dim) { return dim->high; }

const char *dim_symbol_name(const Dim *dim) {
  if (dim->term_count != 1 || dim->terms[0].coefficient != 1 || dim->terms[0].atom_count != 1)
    return NULL;
  return dim->terms[0].atoms[0]->name;
}

int dim_term_count(const Dim *dim) { return dim->term_count; }
const DimTerm *dim_terms(const Dim *dim) { return dim->terms; }

// --- substitution and evaluation

typedef struct Substitution {
  DimTable *to;
  const Dim *(*replacement)(void *user, const Atom *symbol);
  void *user;
} Substitution;

static const Dim *substitute_atom(const Substitution *s, const Atom *atom) {
  if (atom->kind == ATOM_SYMBOL) {
    const Dim *found = s->replacement ? s->replacement(s->user, atom) : NULL;
    if (found) return found;
    bool is_new = !find_symbol(s->to, atom->name);
    const Dim *symbol = dim_symbol(s->to, atom->name);
    if (is_new) dim_symbol_range(s->to, symbol, atom->low, atom->high);
    return symbol;
  }
  const Dim *left = dim_substitute(s->to, atom->left, s->replacement, s->user);
  const Dim *right = dim_substitute(s->to, atom->right, s->replacement, s->user);
  if (atom->kind == ATOM_FLOORDIV) return dim_floordiv(s->to, left, right);
  return atom->kind == ATOM_MIN ? dim_min(s->to, left, right) : dim_max(s->to, left, right);
}

const Dim *dim_substitute(DimTable *to, const Dim *dim,
                          const Dim *(*replacement)(void *user, const Atom *symbol), void *user) {
  Substitution s = {to, replacement, user};
  const Dim *sum = dim_constant(to, 0);
  for (int i = 0; i < dim->term_count; i++) {
    const Dim *product = dim_constant(to, dim->terms[i].coefficient);
    for (int k = 0; k < dim->terms[i].atom_count; k++)
      product = dim_mul(to, product, substitute_atom(&s, dim->terms[i].atoms[k]));
    sum = dim_add(to, sum, product);
  }
  return sum;
}

static int64_t evaluate_atom(const Atom *atom, const int64_t *values);

bool dim_mentions(const Dim *dim, const Atom *symbol) {
  for (int i = 0; i < dim_term_count(dim); i++)
    for (int k = 0; k < dim_terms(dim)[i].atom_count; k++) {
      const Atom *atom = dim_terms(dim)[i].atoms[k];
      if (atom == symbol) return true;
      if (atom->kind == ATOM_SYMBOL) continue;
      if (dim_mentions(atom->left, symbol) || dim_mentions(atom->right, symbol)) return true;
    }
  return false;
}

int64_t dim_evaluate(const Dim *dim, const int64_t *values) {
  int64_t sum = 0;
  for (int i = 0; i < dim->term_count; i++) {
    int64_t product = dim->terms[i].coefficient;
    for (int k = 0; k < dim->terms[i].atom_count; k++)
      product = saturating_mul(product, evaluate_atom(dim->terms[i].atoms[k], values));
    sum = saturating_add(sum, product);
  }
  return sum;
}

static int64_t evaluate_atom(const Atom *atom, const int64_t *values) {
  if (atom->kind == ATOM_SYMBOL) return values[atom->index];
  int64_t left = dim_evaluate(atom->left, values), right = dim_evaluate(atom->right, values);
  if (atom->kind == ATOM_FLOORDIV) return floor_div(left, right);
  if (atom->kind == ATOM_MIN) return left < right ? left : right;
  return left > right ? left : right;
}

// --- from text

enum { MAX_PARSE_DEPTH = 64, MAX_PARSE_TERMS = 10000 };
static const Dim *parse_sum(DimTable *table, const char **text, int depth);

static bool accept(const char **text, char c) {
  while (**text == ' ') (*text)++;
  if (**text != c) return false;
  (*text)++;
  return true;
}

static bool is_name_byte(char c) { return isalnum((unsigned char)c) || c == '_'; }

static const Dim *parse_call(DimTable *table, const char **text, const char *name, int depth) {
  const Dim *left = parse_sum(table, text, depth + 1);
  if (!left || !accept(text, ',')) return NULL;
  const Dim *right = parse_sum(table, text, depth + 1);
  if (!right || !accept(text, ')')) return NULL;
  if (!strcmp(name, "div")) return dim_floordiv(table, left, right);
  if (!strcmp(name, "min")) return dim_min(table, left, right);
  return !strcmp(name, "max") ? dim_max(table, left, right) : NULL;
}

static const Dim *parse_factor(DimTable *table, const char **text, int depth) {
  while (**text == ' ') (*text)++;
  if (isdigit((unsigned char)**text)) {
    int64_t value = 0;
    while (isdigit((unsigned char)**text))
      value = saturating_add(saturating_mul(value, 10), *(*text)++ - '0');
    return dim_constant(table, value);
  }
  if (accept(text, '(')) {
    const Dim *inner = parse_sum(table, text, depth + 1);
    return inner && accept(text, ')') ? inner : NULL;
  }
  const char *start = *text;
  // A dot only between letters, so that the text form can tell "N" from the range in "N..".
  while (is_name_byte(**text) || (**text == '.' && is_name_byte((*text)[1]))) (*text)++;
  if (*text == start) return NULL;
  const char *name = arena_strndup(table->arena, start, (size_t)(*text - start));
  if (accept(text, '(')) return parse_call(table, text, name, depth);
  return dim_symbol(table, name);
}

static const Dim *parse_product(DimTable *table, const char **text, int depth) {
  const Dim *product = parse_factor(table, text, depth);
  while (product && accept(text, '*')) {
    const Dim *factor = parse_factor(table, text, depth);
    bool small = factor && (int64_t)product->term_count * factor->term_count <= MAX_PARSE_TERMS;
    product = small ? dim_mul(table, product, factor) : NULL;
  }
  return product;
}

static const Dim *parse_sum(DimTable *table, const char **text, int depth) {
  if (depth > MAX_PARSE_DEPTH) return NULL;
  const Dim *zero = dim_constant(table, 0);
  bool negative = accept(text, '-');
  const Dim *sum = parse_product(table, text, depth);
  if (sum && negative) sum = dim_sub(table, zero, sum);
  while (sum) {
    bool minus = false;
    if (!accept(text, '+')) {
      if (!(minus = accept(text, '-'))) return sum;
    }
    const Dim *next = parse_product(table, text, depth);
    if (!next) return NULL;
    sum = minus ? dim_sub(table, sum, next) : dim_add(table, sum, next);
  }
  return sum;
}

const Dim *dim_parse(DimTable *table, const char **text) { return parse_sum(table, text, 0); }
