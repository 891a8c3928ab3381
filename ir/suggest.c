// Edit distance over short words.
#include "ir/suggest.h"

#include <limits.h>
#include <string.h>

enum { LONGEST = 64 };

static int least(int a, int b) { return a < b ? a : b; }

int edit_distance(const char *a, size_t a_length, const char *b) {
  size_t b_length = strlen(b);
  if (a_length > LONGEST || b_length > LONGEST) return INT_MAX;
  int rows[3][LONGEST + 1]; // the row before last, the last, the current one
  int *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_length; j++) last[j] = (int)j;
  for (size_t i = 1; i <= a_length; i++) {
    row[0] = (int)i;
    for (size_t j = 1; j <= b_length; j++) {
      row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = least(row[j], before[j - 2] + 1);
    }
    int *reused = before;
    before = last;
    last = row;
    row = reused;
  }
  return last[b_length];
}

// A third of the letters may be wrong; a single wrong one always may.
Suggestion suggestion_for(const char *wrong, size_t length) {
  return (Suggestion){wrong, length, NULL, (int)(length / 3 > 1 ? length / 3 : 1) + 1};
}

void suggestion_offer(Suggestion *suggestion, const char *candidate) {
  int distance = edit_distance(suggestion->wrong, suggestion->length, candidate);
  if (distance >= suggestion->distance) return;
  suggestion->distance = distance;
  suggestion->best = candidate;
}
