// What unit tests share. CHECK counts a failure and goes on, so that one run shows all of them.
#ifndef TENON_TEST_UNIT_CHECK_H
#define TENON_TEST_UNIT_CHECK_H
#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (condition) break;                                                                          \
    check_failures++;                                                                              \
    fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                      \
  } while (0)

#define CHECK_TEXT(actual, expected)                                                               \
  do {                                                                                             \
    const char *check_actual = (actual), *check_expected = (expected);                             \
    if (strcmp(check_actual, check_expected) == 0) break;                                          \
    check_failures++;                                                                              \
    fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #actual,              \
            check_actual, check_expected);                                                         \
  } while (0)

// The last line of main: `return check_status();`
static inline int check_status(void) {
  if (check_failures) fprintf(stderr, "%d checks failed\n", check_failures);
  return check_failures ? 1 : 0;
}
#endif
