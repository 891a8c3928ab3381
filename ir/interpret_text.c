// Ops on strings. Bytes of new ones lie in run->text; parts of strings point into these.
#include <string.h>

#include "ir/interpret_ops.h"
#include "ir/interpret_values.h"

static TensorString joined(Arena *arena, TensorString a, TensorString b) {
  char *bytes = arena_alloc(arena, a.length + b.length + 1);
  if (a.length) memcpy(bytes, a.data, a.length);
  if (b.length) memcpy(bytes + a.length, b.data, b.length);
  return (TensorString){bytes, a.length + b.length};
}

bool interpret_string_concat(Evaluation *e) {
  Walk walk;
  if (!walk_broadcast(&walk, e, 2)) return false;
  const TensorString *a = e->operands[0].data, *b = e->operands[1].data;
  TensorString *y = e->results[0].data;
  for (Run run; walk_next(&walk, &run);)
    for (int64_t i = 0; i < run.count; i++)
      y[run.start[0] + i * run.step[0]] = joined(e->run->text, a[run.start[1] + i * run.step[1]],
                                                 b[run.start[2] + i * run.step[2]]);
  return true;
}

// --- case

typedef struct Letters {
  uint16_t first, last, forms;
} Letters;

static const Letters letters[] = {
#define LETTERS(first, last, forms) {first, last, forms},
#include "ir/letters.def"
};

static unsigned changed_case(unsigned code, bool upper) {
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
    unsigned first = letters[i].first, last = letters[i].last, by = letters[i].forms;
    if (by == 1 && code >= first && code <= last)
      return upper ? code - ((code - first) & 1) : code + !((code - first) & 1);
    if (by > 1 && !upper && code >= first && code <= last) return code + by;
    if (by > 1 && upper && code >= first + by && code <= last + by) return code - by;
  }
  return code;
}

static TensorString cased(Arena *arena, TensorString x, bool upper) {
  unsigned char *bytes = arena_alloc(arena, x.length + 1);
  if (x.length) memcpy(bytes, x.data, x.length);
  for (size_t i = 0; i < x.length; i++) {
    bool pair =
        bytes[i] >= 0xc2 && bytes[i] <= 0xdf && i + 1 < x.length && (bytes[i + 1] & 0xc0) == 0x80;
    if (bytes[i] < 0x80) bytes[i] = (unsigned char)changed_case(bytes[i], upper);
    if (!pair) continue;
    unsigned code = changed_case((bytes[i] & 0x1fu) << 6 | (bytes[i + 1] & 0x3fu), upper);
    bytes[i] = (unsigned char)(0xc0 | code >> 6);
    bytes[++i] = (unsigned char)(0x80 | (code & 0x3f));
  }
  return (TensorString){(char *)bytes, x.length};
}

bool interpret_string_case(Evaluation *e) {
  const TensorString *x = e->operands[0].data;
  TensorString *y = e->results[0].data;
  bool upper = !strcmp(node_string(e->node, ATTR_MODE), "upper");
  for (int64_t i = 0, n = tensor_count(&e->operands[0]); i < n; i++)
    y[i] = cased(e->run->text, x[i], upper);
  return true;
}

bool interpret_string_match(Evaluation *e) {
  const TensorString *x = e->operands[0].data;
  const uint8_t *classes = e->operands[1].data;
  const int32_t *table = e->operands[2].data;
  uint8_t *y = e->results[0].data;
  int64_t columns = e->operands[2].dims[1];
  for (int64_t i = 0, n = tensor_count(&e->operands[0]); i < n; i++) {
    int64_t state = 0;
    for (size_t k = 0; k < x[i].length; k++)
      state = table[state * columns + classes[(unsigned char)x[i].data[k]]];
    y[i] = table[state * columns + columns - 1] != 0;
  }
  return true;
}

// --- split

typedef struct Splitter {
  const char *delimiter;
  size_t length;
  int64_t limit; // of cuts; < 0: none
} Splitter;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static size_t skip_space(TensorString x, size_t at) {
  while (at < x.length && is_space(x.data[at])) at++;
  return at;
}

// The places for the parts of one string; those that find none are only counted.
typedef struct Parts {
  TensorString *items;
  int64_t room;
} Parts;

static int64_t put(Parts parts, int64_t count, TensorString x, size_t from, size_t to) {
  if (count < parts.room) parts.items[count] = (TensorString){x.data + from, to - from};
  return count + 1;
}

static int64_t split_at_space(const Splitter *s, TensorString x, Parts parts) {
  int64_t count = 0;
  for (size_t at = skip_space(x, 0); at < x.length; at = skip_space(x, at)) {
    size_t end = at;
    while (end < x.length && !is_space(x.data[end])) end++;
    if (count == s->limit) end = x.length; // the rest is one part
    count = put(parts, count, x, at, end);
    at = end;
  }
  return count;
}

static int64_t split_at_delimiter(const Splitter *s, TensorString x, Parts parts) {
  int64_t count = 0;
  size_t from = 0;
  for (size_t at = 0; at + s->length <= x.length && count != s->limit;) {
    if (memcmp(x.data + at, s->delimiter, s->length)) {
      at++;
      continue;
    }
    count = put(parts, count, x, from, at);
    from = at += s->length;
  }
  return put(parts, count, x, from, x.length);
}

// How many parts there are.
static int64_t split(const Splitter *s, TensorString x, Parts parts) {
  if (!x.length) return s->length ? put(parts, 0, (TensorString){"", 0}, 0, 0) : 0;
  return s->length ? split_at_delimiter(s, x, parts) : split_at_space(s, x, parts);
}

static Splitter splitter_of(const Evaluation *e) {
  const TensorString *delimiter = e->operands[1].data;
  return (Splitter){delimiter->data, delimiter->length, node_int(e->node, ATTR_LIMIT)};
}

bool interpret_string_count(Evaluation *e) {
  const TensorString *x = e->operands[0].data;
  Splitter s = splitter_of(e);
  int64_t *counts = e->results[0].data;
  for (int64_t i = 0, n = tensor_count(&e->operands[0]); i < n; i++)
    counts[i] = split(&s, x[i], (Parts){NULL, 0});
  return true;
}

bool interpret_string_split(Evaluation *e) {
  const TensorString *x = e->operands[0].data;
  Splitter s = splitter_of(e);
  TensorString *y = e->results[0].data;
  int64_t room = e->results[0].dims[e->operands[0].rank];
  for (int64_t i = 0, n = tensor_count(&e->operands[0]); i < n; i++, y += room) {
    for (int64_t k = 0; k < room; k++) y[k] = (TensorString){"", 0};
    split(&s, x[i], (Parts){y, room});
  }
  return true;
}
