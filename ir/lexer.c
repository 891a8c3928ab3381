// Tokens of the text form. Every byte is looked at before it is used; the NUL at the end stops all
// loops.
#include "ir/lexer.h"

#include <ctype.h>
#include <string.h>

static bool is_name_byte(char c) {
  return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/' || c == '-';
}

static bool is_word_byte(char c) { return isalnum((unsigned char)c) || c == '_'; }

bool lexer_plain_name(const char *text) {
  if (!*text) return false;
  for (; *text; text++)
    if (!is_name_byte(*text)) return false;
  return true;
}

static void skip_space(Lexer *lexer) {
  for (;; lexer->at++) {
    if (*lexer->at == ';')
      while (*lexer->at && *lexer->at != '\n') lexer->at++;
    if (*lexer->at == '\n')
      lexer->line++;
    else if (*lexer->at != ' ' && *lexer->at != '\t' && *lexer->at != '\r')
      return;
  }
}

static void bad_token(Lexer *lexer, const char *reason) {
  lexer->token.kind = TOKEN_BAD;
  lexer->token.text = reason;
  lexer->token.length = strlen(reason);
}

static void take_text(Lexer *lexer, TokenKind kind, const char *start) {
  lexer->token.kind = kind;
  lexer->token.length = (size_t)(lexer->at - start);
  lexer->token.text = arena_strndup(lexer->arena, start, lexer->token.length);
}

// -inf, decimal with fraction and exponent, or hexadecimal. `1..64` is a number and a range.
static void number_token(Lexer *lexer) {
  const char *start = lexer->at;
  if (*lexer->at == '-' || *lexer->at == '+') lexer->at++;
  if (!strncmp(lexer->at, "inf", 3)) {
    lexer->at += 3;
  } else if (lexer->at[0] == '0' && (lexer->at[1] == 'x' || lexer->at[1] == 'X')) {
    for (lexer->at += 2; isxdigit((unsigned char)*lexer->at);) lexer->at++;
  } else {
    while (isdigit((unsigned char)*lexer->at)) lexer->at++;
    if (*lexer->at == '.' && lexer->at[1] != '.')
      for (lexer->at++; isdigit((unsigned char)*lexer->at);) lexer->at++;
    if (*lexer->at == 'e' || *lexer->at == 'E') {
      lexer->at++;
      if (*lexer->at == '-' || *lexer->at == '+') lexer->at++;
      while (isdigit((unsigned char)*lexer->at)) lexer->at++;
    }
  }
  take_text(lexer, TOKEN_NUMBER, start);
}

static int hex_digit(char c) {
  if (!isxdigit((unsigned char)c)) return -1;
  return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

// One character or escape at lexer->at, which is not the closing quote; -1: bad escape.
static int string_byte(Lexer *lexer) {
  char c = *lexer->at++;
  if (c != '\\') return (unsigned char)c;
  c = *lexer->at;
  if (c) lexer->at++;
  switch (c) {
  case 'n': return '\n';
  case 't': return '\t';
  case 'r': return '\r';
  case '"':
  case '\\': return c;
  case 'x': {
    int high = hex_digit(*lexer->at), low = high < 0 ? -1 : hex_digit(lexer->at[1]);
    if (low < 0) return -1;
    lexer->at += 2;
    return high * 16 + low;
  }
  default: return -1;
  }
}

// lexer->at is at the opening quote.
static void string_token(Lexer *lexer, TokenKind kind) {
  const char *close = lexer->at + 1;
  while (*close && *close != '"' && *close != '\n') close += close[0] == '\\' && close[1] ? 2 : 1;
  char *text = arena_alloc(lexer->arena, (size_t)(close - lexer->at) + 1);
  size_t length = 0;
  lexer->at++;
  while (*lexer->at != '"') {
    if (!*lexer->at || *lexer->at == '\n') {
      bad_token(lexer, "a string without its closing quote");
      return;
    }
    int byte = string_byte(lexer);
    if (byte < 0) {
      bad_token(lexer, "an unknown escape in a string");
      return;
    }
    text[length++] = (char)byte;
  }
  lexer->at++;
  lexer->token.kind = kind;
  lexer->token.text = text;
  lexer->token.length = length;
}

static void name_token(Lexer *lexer, TokenKind kind) {
  const char *start = ++lexer->at;
  if (kind == TOKEN_GLOBAL && *start == '"') {
    string_token(lexer, kind);
    return;
  }
  while (is_name_byte(*lexer->at)) lexer->at++;
  if (lexer->at == start)
    bad_token(lexer, kind == TOKEN_VALUE ? "a % without a name" : "an @ without a name");
  else
    take_text(lexer, kind, start);
}

void lexer_next(Lexer *lexer) {
  skip_space(lexer);
  char c = *lexer->at;
  lexer->token = (Token){.kind = TOKEN_END, .start = lexer->at, .text = "", .line = lexer->line};
  if (!c && lexer->at == lexer->end) return;
  if (c == '%') {
    name_token(lexer, TOKEN_VALUE);
  } else if (c == '@') {
    name_token(lexer, TOKEN_GLOBAL);
  } else if (c == '"') {
    string_token(lexer, TOKEN_STRING);
  } else if (isdigit((unsigned char)c) ||
             ((c == '-' || c == '+') && isdigit((unsigned char)lexer->at[1])) ||
             !strncmp(lexer->at, "-inf", 4)) {
    number_token(lexer);
  } else if (isalpha((unsigned char)c) || c == '_') {
    const char *start = lexer->at;
    // A dot belongs to a word only between its letters ("seq.length"), so that `N..` ends one.
    while (is_word_byte(*lexer->at) || (*lexer->at == '.' && is_word_byte(lexer->at[1])))
      lexer->at++;
    take_text(lexer, TOKEN_WORD, start);
  } else if (c == '.' && lexer->at[1] == '.') {
    lexer->at += 2;
    lexer->token.kind = TOKEN_RANGE;
  } else if (c && strchr("(){}[],:=+?*-", c)) {
    lexer->at++;
    lexer->token.kind = TOKEN_MARK;
    lexer->token.mark = c;
  } else {
    bad_token(lexer, arena_printf(lexer->arena, "an unexpected byte 0x%02x", (unsigned char)c));
  }
}

Lexer lexer_create(Arena *arena, const char *text, size_t length) {
  Lexer lexer = {.arena = arena, .at = text, .end = text + length, .line = 1};
  lexer_next(&lexer);
  return lexer;
}

void lexer_continue(Lexer *lexer, const char *at) {
  lexer->line = lexer->token.line;
  for (const char *c = lexer->token.start; c < at; c++) lexer->line += *c == '\n';
  lexer->at = at;
  lexer_next(lexer);
}
