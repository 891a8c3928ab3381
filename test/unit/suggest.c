// The nearest word, and reports as text and JSON.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "ir/suggest.h"
#include "passes/report.h"

static const char *nearest(const char *wrong, const char *const *words) {
  Suggestion suggestion = suggestion_for(wrong, strlen(wrong));
  for (; *words; words++) suggestion_offer(&suggestion, *words);
  return suggestion.best ? suggestion.best : "";
}

static char *report_as_text(const Report *report) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  report_print(out, report);
  fclose(out);
  return text;
}

int main(void) {
  const char *const words[] = {"prune", "place", "cluster", "dead_code", NULL};
  CHECK(edit_distance("abc", 3, "abc") == 0);
  CHECK(edit_distance("abc", 3, "acb") == 1); // neighbours exchanged
  CHECK(edit_distance("", 0, "ab") == 2);
  CHECK(edit_distance("kitten", 6, "sitting") == 3);
  CHECK_TEXT(nearest("prun", words), "prune");
  CHECK_TEXT(nearest("dead-code", words), "dead_code");
  CHECK_TEXT(nearest("clutser", words), "cluster");
  CHECK_TEXT(nearest("x", words), "");
  CHECK_TEXT(nearest("quantization", words), "");

  Report report = {.arena = arena_create()};
  report_add(&report, (ReportRow){"conv1", "prune", 1000, 250, 0.25, 0, 0, NAN, NULL});
  report_add(&report, (ReportRow){"fc", "lowrank", 500, 500, -1, 0, 0, NAN, "no rank is cheaper"});
  report_add(NULL, (ReportRow){0});
  char *text = report_as_text(&report);
  CHECK(strstr(text, "1000 -> 250") && strstr(text, "density 0.2500"));
  CHECK(strstr(text, "left as it was: no rank is cheaper"));
  CHECK(!strstr(text, "sqnr"));
  free(text);
  arena_destroy(report.arena);
  return check_status();
}
