// Line diff of two dumps: longest common subsequence of what lies between their equal ends.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/print.h"
#include "passes/pipeline.h"

enum { CONTEXT = 2, MOST_CELLS = 64 << 20 };

typedef struct Line {
  const char *text;
  size_t length;
  uint64_t hash;
} Line;

typedef struct Text {
  Line *lines;
  int count;
} Text;

char *module_to_text(const Module *module) {
  char *buffer = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&buffer, &size);
  if (!out) machine_failed("out of memory");
  module_print(out, module);
  fclose(out);
  return buffer;
}

static Text split_lines(Arena *arena, const char *text) {
  Text result = {0};
  int capacity = 0;
  while (*text) {
    Line line = {text, strcspn(text, "\n"), 14695981039346656037u};
    for (size_t i = 0; i < line.length; i++)
      line.hash = (line.hash ^ (unsigned char)text[i]) * 1099511628211u;
    ARENA_PUSH(arena, result.lines, result.count, capacity, line);
    text += line.length + (text[line.length] == '\n');
  }
  return result;
}

static bool same_line(const Line *a, const Line *b) {
  return a->hash == b->hash && a->length == b->length && !memcmp(a->text, b->text, a->length);
}

static void print_line(FILE *out, char mark, const Line *line) {
  fprintf(out, "%c %.*s\n", mark, (int)line->length, line->text);
}

// table[i][j]: length of the longest common subsequence of a[i..] and b[j..].
static void print_middle(FILE *out, Arena *arena, Text a, Text b) {
  size_t width = (size_t)b.count + 1, cells = ((size_t)a.count + 1) * width;
  uint32_t *table = cells > MOST_CELLS ? NULL : NEW_ARRAY(arena, uint32_t, cells);
  for (int i = a.count - 1; table && i >= 0; i--)
    for (int j = b.count - 1; j >= 0; j--) {
      uint32_t down = table[(size_t)(i + 1) * width + (size_t)j],
               right = table[(size_t)i * width + (size_t)j + 1];
      bool same = same_line(&a.lines[i], &b.lines[j]);
      table[(size_t)i * width + (size_t)j] =
          same           ? table[(size_t)(i + 1) * width + (size_t)j + 1] + 1
          : down > right ? down
                         : right;
    }
  int i = 0, j = 0;
  while (i < a.count || j < b.count) {
    if (table && i < a.count && j < b.count && same_line(&a.lines[i], &b.lines[j])) {
      print_line(out, ' ', &a.lines[i++]);
      j++;
      continue;
    }
    bool remove = i < a.count && (j == b.count || !table ||
                                  table[(size_t)(i + 1) * width + (size_t)j] >=
                                      table[(size_t)i * width + (size_t)j + 1]);
    if (remove)
      print_line(out, '-', &a.lines[i++]);
    else
      print_line(out, '+', &b.lines[j++]);
  }
}

void print_text_diff(FILE *out, const char *before, const char *after) {
  Arena *arena = arena_create();
  Text a = split_lines(arena, before), b = split_lines(arena, after);
  int head = 0, tail = 0;
  while (head < a.count && head < b.count && same_line(&a.lines[head], &b.lines[head])) head++;
  while (tail < a.count - head && tail < b.count - head &&
         same_line(&a.lines[a.count - 1 - tail], &b.lines[b.count - 1 - tail]))
    tail++;
  for (int i = head > CONTEXT ? head - CONTEXT : 0; i < head; i++)
    print_line(out, ' ', &a.lines[i]);
  print_middle(out, arena, (Text){a.lines + head, a.count - head - tail},
               (Text){b.lines + head, b.count - head - tail});
  for (int i = a.count - tail; i < a.count && i < a.count - tail + CONTEXT; i++)
    print_line(out, ' ', &a.lines[i]);
  arena_destroy(arena);
}
