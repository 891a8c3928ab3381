// Tokens of the text form (docs/ir-text.md). Newlines are only white space; `;` starts a comment.
#ifndef TENON_IR_LEXER_H
#define TENON_IR_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/arena.h"

typedef enum TokenKind {
  TOKEN_END,
  TOKEN_WORD,   // relu, f32, _
  TOKEN_VALUE,  // %name; text without the %
  TOKEN_GLOBAL, // @name or @"any text"; text without the @
  TOKEN_NUMBER, // -1, 2.5e3, 0x7fc00000, -inf
  TOKEN_STRING, // decoded; may hold NUL bytes
  TOKEN_RANGE,  // ..
  TOKEN_MARK,   // one of ( ) { } [ ] , : = +
  TOKEN_BAD     // text says what is wrong
} TokenKind;

typedef struct Token {
  TokenKind kind;
  const char *start; // in the source
  const char *text;  // NUL-terminated
  size_t length;     // of text
  int line;
  char mark; // TOKEN_MARK
} Token;

typedef struct Lexer {
  Arena *arena;
  const char *at, *end; // *end is NUL
  int line;
  Token token; // the current one
} Lexer;

// `text` is NUL-terminated after `length` bytes and stays alive. The first token is current.
Lexer lexer_create(Arena *arena, const char *text, size_t length);
void lexer_next(Lexer *lexer);
// Goes on behind `at`, which lies in the text at or after the current token.
void lexer_continue(Lexer *lexer, const char *at);
// Whether text can stand behind % or @ without quotes.
bool lexer_plain_name(const char *text);

#endif
