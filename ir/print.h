// Text form of the IR (.tir): printing and parsing. The grammar stands in docs/ir-text.md.
#ifndef TENON_IR_PRINT_H
#define TENON_IR_PRINT_H

#include <stdio.h>

#include "ir/graph.h"

// Prints the whole module. Constants of more than 16 elements that are not all equal print as a
// hash; their values go to a weights file (module_write_weights) when the text is to be read back.
void module_print(FILE *stream, const Module *module);
void graph_print(FILE *stream, const Graph *graph);
void node_print(FILE *stream, const Node *node); // one line without newline, regions abbreviated
bool module_write(const Module *module, const char *path, Diag *diag); // .tir and .tir.weights
// Reads what module_write wrote (or a hand-written text). NULL: reported with the line.
Module *module_parse(Arena *arena, Diag *diag, const char *path);
// The same from memory. `path` names the text in messages, and the weights file beside it.
Module *module_parse_text(Arena *arena, Diag *diag, const char *path, const char *text,
                          size_t length);

// Checks structure: operand counts, attributes, types as inferred, uses, order, dominance, regions,
// storage. False: reported; `after` names the pass to blame (NULL: none).
bool module_verify(const Module *module, const char *after, Diag *diag);

// The part of it that inference relies on, for one node: numbers of operands, results and regions,
// required operands present, attributes that the op has.
bool node_verify_form(const Node *node, Diag *diag);

#endif
