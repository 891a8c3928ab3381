// JSON results: one object on the last line of the output.
#ifndef TENON_TOOLS_JSON_H
#define TENON_TOOLS_JSON_H

#include <jansson.h>
#include <stdio.h>

static inline void json_print(const json_t *json) {
  json_dumpf(json, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
  fputc('\n', stdout);
}

#endif
