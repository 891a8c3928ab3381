// Words of the text form.
#include "ir/text.h"

#include <ctype.h>
#include <string.h>

const char *const text_place_names[] = {
    [PLACE_NONE] = "nowhere", [PLACE_WORKSPACE] = "workspace", [PLACE_FAST] = "fast",
    [PLACE_INPUT] = "input",  [PLACE_OUTPUT] = "output",       [PLACE_WEIGHTS] = "weights",
    [PLACE_OPEN] = "open",    [PLACE_LATE] = "late",           [PLACE_ALIAS] = "alias"};

// These begin something else where a region could stand.
static const char *const reserved[] = {"return", "input", "store", "hash", "record", "loc", "at"};

bool text_is_region_name(const char *name) {
  if (!isalpha((unsigned char)*name)) return false;
  for (const char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '_') return false;
  OpCode op;
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(name, reserved[i])) return false;
  return !op_find(name, strlen(name), &op);
}
