// --custom: which operator calls which function, and what the function wants.
#include <string.h>

#include "frontend/frontend.h"
#include "ir/external.h"

// The end of the part that starts at `text`: a comma or `}` outside of brackets.
static const char *part_end(const char *text) {
  int depth = 0;
  for (; *text; text++) {
    if (*text == '[' || *text == '(') depth++;
    if (*text == ']' || *text == ')') depth--;
    if (depth <= 0 && (*text == ',' || *text == '}')) break;
  }
  return text;
}

typedef struct Outputs {
  const char **items;
  int count, capacity;
} Outputs;

static bool take_part(Arena *arena, const char *part, CustomOperator *custom, Outputs *outputs) {
  if (strcmp(part, "pure") == 0) {
    custom->pure = true;
  } else if (strncmp(part, "workspace=", 10) == 0 && part[10] && !custom->workspace) {
    custom->workspace = part + 10;
  } else if (strncmp(part, "output=", 7) == 0 && part[7]) {
    ARENA_PUSH(arena, outputs->items, outputs->count, outputs->capacity, part + 7);
  } else {
    return false;
  }
  return true;
}

// "{pure,workspace=64*in0.0,output=f32[N,4]}" and nothing behind it.
static bool parse_parts(Arena *arena, Diag *diag, const char *text, const char *at,
                        CustomOperator *custom) {
  Outputs outputs = {0};
  do {
    const char *start = at + 1 + strspn(at + 1, " "), *end = part_end(start);
    const char *part = arena_strndup(arena, start, (size_t)(end - start));
    if (!take_part(arena, part, custom, &outputs))
      return diag_error(diag, (Loc){0},
                        "--custom '%s': '%s' is none of pure, workspace=BYTES, output=TYPE", text,
                        part);
    at = end;
  } while (*at == ',');
  if (at[0] != '}' || at[1])
    return diag_error(diag, (Loc){0}, "--custom '%s': a '}' is missing at the end", text);
  custom->outputs = outputs.items;
  custom->output_count = outputs.count;
  return true;
}

bool frontend_parse_custom(Arena *arena, Diag *diag, const char *text, CustomOperator *custom) {
  const char *equals = strchr(text, '='),
             *colon = memchr(text, ':', equals ? (size_t)(equals - text) : 0);
  const char *type = colon ? colon + 1 : text;
  if (!equals || equals == type)
    return diag_error(diag, (Loc){0}, "--custom '%s': wanted DOMAIN:OPERATOR=FUNCTION", text);
  const char *domain = colon ? arena_strndup(arena, text, (size_t)(colon - text)) : "";
  const char *symbol = equals + 1, *brace = symbol + strcspn(symbol, "{");
  *custom = (CustomOperator){.domain = strcmp(domain, "ai.onnx") == 0 ? "" : domain,
                             .type = arena_strndup(arena, type, (size_t)(equals - type)),
                             .symbol = arena_strndup(arena, symbol, (size_t)(brace - symbol))};
  if (!external_symbol_valid(custom->symbol))
    return diag_error(diag, (Loc){0}, "--custom '%s': '%s' cannot be the name of a C function",
                      text, custom->symbol);
  return !*brace || parse_parts(arena, diag, text, brace, custom);
}
