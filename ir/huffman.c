// Length-limited Huffman codes by package-merge: the best code of at most 15 bits.
#include "ir/huffman.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SYMBOLS = 1 << 15 }; // 15 bits cannot tell more apart

typedef struct Symbol {
  uint64_t weight;
  int symbol;
  int length;
} Symbol;

// An item of a list of package-merge: a symbol (`symbol` >= 0), or the pair of two items of the
// list before.
typedef struct Item {
  uint64_t weight;
  int symbol, left;
} Item;

static int by_weight(const void *a, const void *b) {
  const Symbol *x = a, *y = b;
  if (x->weight != y->weight) return x->weight < y->weight ? -1 : 1;
  return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

static int by_code(const void *a, const void *b) {
  const Symbol *x = a, *y = b;
  if (x->length != y->length) return x->length - y->length;
  return x->symbol - y->symbol;
}

// Each time that a symbol occurs among the chosen items, its code grows by a bit.
static void count_item(Symbol *symbols, Item *const *lists, int level, int index) {
  const Item *item = &lists[level][index];
  if (item->symbol >= 0) {
    symbols[item->symbol].length++;
    return;
  }
  count_item(symbols, lists, level - 1, item->left);
  count_item(symbols, lists, level - 1, item->left + 1);
}

// Merges the symbols (ascending) with the pairs of `before` into `list`; returns how many there
// are.
static int merge(Item *list, const Symbol *symbols, int count, const Item *before,
                 int before_count) {
  int made = 0, next = 0, pair = 0;
  while (next < count || pair + 1 < before_count) {
    uint64_t weight =
        pair + 1 < before_count ? before[pair].weight + before[pair + 1].weight : UINT64_MAX;
    if (next < count && symbols[next].weight <= weight) {
      list[made++] = (Item){symbols[next].weight, next, 0};
      next++;
    } else {
      list[made++] = (Item){weight, -1, pair};
      pair += 2;
    }
  }
  return made;
}

static void set_lengths(Symbol *symbols, int count) {
  qsort(symbols, (size_t)count, sizeof *symbols, by_weight);
  if (count == 1) {
    symbols[0].length = 1;
    return;
  }
  Arena *scratch = arena_create();
  Item *lists[HUFFMAN_LONGEST];
  int made = 0;
  for (int level = 0; level < HUFFMAN_LONGEST; level++) {
    lists[level] = NEW_ARRAY(scratch, Item, 2 * count);
    made = merge(lists[level], symbols, count, level ? lists[level - 1] : NULL, made);
  }
  for (int i = 0; i < 2 * count - 2; i++) count_item(symbols, lists, HUFFMAN_LONGEST - 1, i);
  arena_destroy(scratch);
}

static unsigned symbol_at(const void *symbols, int size, int64_t index) {
  return size == 1 ? ((const uint8_t *)symbols)[index] : ((const uint16_t *)symbols)[index];
}

// The symbols that occur, with their code lengths, in the order of their codes.
static Symbol *make_code(Arena *arena, const void *symbols, int size, int64_t count, int *used) {
  int64_t *histogram = NEW_ARRAY(arena, int64_t, size == 1 ? 256 : 65536);
  for (int64_t i = 0; i < count; i++) histogram[symbol_at(symbols, size, i)]++;
  Symbol *table = NEW_ARRAY(arena, Symbol, size == 1 ? 256 : 65536);
  *used = 0;
  for (int s = 0; s < (size == 1 ? 256 : 65536); s++)
    if (histogram[s]) table[(*used)++] = (Symbol){(uint64_t)histogram[s], s, 0};
  if (*used > MAX_SYMBOLS) return NULL;
  if (*used) set_lengths(table, *used);
  qsort(table, (size_t)*used, sizeof *table, by_code);
  return table;
}

static unsigned char *put_table(unsigned char *out, const Symbol *table, int used,
                                int symbol_bytes) {
  for (int length = 1, at = 0; length <= HUFFMAN_LONGEST; length++) {
    int first = at;
    while (at < used && table[at].length == length) at++;
    *out++ = (unsigned char)(at - first);
    *out++ = (unsigned char)((at - first) >> 8);
  }
  for (int i = 0; i < used; i++) {
    *out++ = (unsigned char)table[i].symbol;
    if (symbol_bytes == 2) *out++ = (unsigned char)(table[i].symbol >> 8);
  }
  return out;
}

HuffmanCoded huffman_encode(Arena *arena, const void *symbols, int size, int64_t count) {
  int used, highest = 0;
  Arena *scratch = arena_create();
  Symbol *table = make_code(scratch, symbols, size, count, &used);
  if (!table) {
    arena_destroy(scratch);
    return (HuffmanCoded){.bytes = SIZE_MAX};
  }
  uint32_t *codes = NEW_ARRAY(scratch, uint32_t, 65536);
  uint8_t *lengths = NEW_ARRAY(scratch, uint8_t, 65536);
  uint64_t bits = 0;
  uint32_t code = 0;
  for (int i = 0; i < used; i++) {
    if (i) code = (code + 1) << (table[i].length - table[i - 1].length);
    codes[table[i].symbol] = code;
    lengths[table[i].symbol] = (uint8_t)table[i].length;
    bits += table[i].weight * (uint64_t)table[i].length;
    if (table[i].symbol > highest) highest = table[i].symbol;
  }
  HuffmanCoded coded = {.symbols = used, .symbol_bytes = highest > 255 ? 2 : 1};
  coded.bytes =
      2 * HUFFMAN_LONGEST + (size_t)used * (size_t)coded.symbol_bytes + (size_t)((bits + 7) / 8);
  coded.data = arena_alloc(arena, coded.bytes);
  unsigned char *out = put_table(coded.data, table, used, coded.symbol_bytes);
  uint64_t at = 0;
  for (int64_t i = 0; i < count; i++) {
    unsigned symbol = symbol_at(symbols, size, i);
    for (int bit = lengths[symbol] - 1; bit >= 0; bit--, at++)
      out[at >> 3] |= (unsigned char)((codes[symbol] >> bit & 1) << (7 - (at & 7)));
  }
  arena_destroy(scratch);
  return coded;
}
