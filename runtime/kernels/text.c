// Strings: pointer and length, as tenon_string. Functions that make new ones get memory for their
// bytes and a word that says how many; they leave there how many it takes, and write nothing where
// it is too small.
#include "runtime/kernels/text.h"

// y[i]: the automaton ends in a state that accepts after string i; `columns` entries a state, the
// last one says so.
void tenon_text_match(const Text *x, const unsigned char *classes, const int *table,
                      unsigned char *y, size_t count, size_t columns) {
  for (size_t i = 0; i < count; i++) {
    size_t state = 0;
    for (size_t k = 0; k < x[i].bytes; k++)
      state = (size_t)table[state * columns + classes[x[i].data[k]]];
    y[i] = table[state * columns + columns - 1] != 0;
  }
}

int tenon_text_equal(const Text *a, const Text *b) {
  if (a->bytes != b->bytes) return 0;
  for (size_t i = 0; i < a->bytes; i++)
    if (a->data[i] != b->data[i]) return 0;
  return 1;
}

// Too much to count is too much to have.
static size_t add_bytes(size_t a, size_t b) { return a + b < a ? SIZE_MAX : a + b; }

static void copy_bytes(unsigned char *to, const Text *x) {
  for (size_t i = 0; i < x->bytes; i++) to[i] = x->data[i];
}

// --- concat

size_t tenon_text_joined_bytes(const Text *a, const Text *b, size_t done) {
  return add_bytes(done, add_bytes(a->bytes, b->bytes));
}

// y = a with b behind it, in memory behind its first `done` bytes; returns how many are done then.
size_t tenon_text_join(const Text *a, const Text *b, size_t done, unsigned char *memory, Text *y) {
  unsigned char *bytes = memory + done;
  size_t length = a->bytes + b->bytes;
  copy_bytes(bytes, a);
  copy_bytes(bytes + a->bytes, b);
  *y = (Text){bytes, length};
  return done + length;
}

// --- case

// Upper case letters; lower case ones are `forms` above them, or 1: both alternate.
typedef struct Letters {
  uint16_t first, last, forms;
} Letters;

typedef struct Alphabet {
  const Letters *rows;
  size_t count;
  int upper; // what letters become
} Alphabet;

static unsigned changed_case(const Alphabet *a, unsigned code) {
  for (size_t i = 0; i < a->count; i++) {
    const Letters *row = &a->rows[i];
    unsigned shift = row->forms == 1 || !a->upper ? 0 : row->forms;
    unsigned at = code - row->first - shift; // wraps below the first
    if (at > (unsigned)row->last - row->first) continue;
    if (row->forms == 1) return code - (at & 1) + !a->upper;
    return a->upper ? code - shift : code + row->forms;
  }
  return code;
}

static void write_cased(unsigned char *to, const Text *x, const Alphabet *a) {
  for (size_t i = 0; i < x->bytes; i++) {
    unsigned lead = x->data[i], next = i + 1 < x->bytes ? x->data[i + 1] : 0;
    to[i] = (unsigned char)(lead < 0x80 ? changed_case(a, lead) : lead);
    if (lead < 0xc2 || lead > 0xdf || (next & 0xc0) != 0x80) continue; // not of two bytes
    unsigned code = changed_case(a, (lead & 0x1f) << 6 | (next & 0x3f));
    to[i] = (unsigned char)(0xc0 | code >> 6);
    to[++i] = (unsigned char)(0x80 | (code & 0x3f));
  }
}

void tenon_text_case(const Text *x, Text *y, size_t count, const Letters *rows, size_t row_count,
                     int upper, unsigned char *memory, size_t *room) {
  Alphabet alphabet = {rows, row_count, upper};
  size_t bytes = 0, given = *room;
  for (size_t i = 0; i < count; i++) bytes = add_bytes(bytes, x[i].bytes);
  *room = bytes;
  if (bytes > given) return;
  for (size_t i = 0; i < count; i++) {
    size_t length = x[i].bytes;
    write_cased(memory, &x[i], &alphabet);
    y[i] = (Text){memory, length};
    memory += length;
  }
}

// --- split

typedef struct Parts {
  Text *items; // those that find no room are only counted
  size_t room;
  long long count;
} Parts;

static void put(Parts *parts, const Text *x, size_t from, size_t to) {
  if ((unsigned long long)parts->count < parts->room)
    parts->items[parts->count] = (Text){x->data + from, to - from};
  parts->count++;
}

static size_t skip(const Text *x, size_t at, int space) {
  while (at < x->bytes && text_is_space(x->data[at]) == space) at++;
  return at;
}

static void split_at_space(const Text *x, long long limit, Parts *parts) {
  for (size_t at = skip(x, 0, 1); at < x->bytes; at = skip(x, at, 1)) {
    size_t end = parts->count == limit ? x->bytes : skip(x, at, 0); // the rest is one part
    put(parts, x, at, end);
    at = end;
  }
}

static int stands_at(const Text *x, size_t at, const Text *delimiter) {
  Text here = {x->data + at, delimiter->bytes};
  return tenon_text_equal(&here, delimiter);
}

static void split_at(const Text *x, const Text *delimiter, long long limit, Parts *parts) {
  size_t from = 0;
  for (size_t at = 0; delimiter->bytes <= x->bytes - at && parts->count != limit;) {
    if (!stands_at(x, at, delimiter)) {
      at++;
      continue;
    }
    put(parts, x, from, at);
    from = at += delimiter->bytes;
  }
  put(parts, x, from, x->bytes);
}

// counts[i] (NULL: not wanted): how many parts string i has; parts[i * room ..]: the first ones,
// filled up with empty strings.
void tenon_text_split(const Text *x, const Text *delimiter, long long limit, size_t count,
                      long long *counts, Text *parts, size_t room) {
  for (size_t i = 0; i < count; i++) {
    Parts found = {parts + i * room, room, 0};
    for (size_t k = 0; k < room; k++) found.items[k] = (Text){x[i].data, 0};
    if (delimiter->bytes)
      split_at(&x[i], delimiter, limit, &found);
    else
      split_at_space(&x[i], limit, &found);
    if (counts) counts[i] = found.count;
  }
}
