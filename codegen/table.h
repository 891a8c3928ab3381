// Tables of 256 bytes: the value of every 8-bit code, many at a time where the target can.
#ifndef TENON_CODEGEN_TABLE_H
#define TENON_CODEGEN_TABLE_H

#include "codegen/nest.h"

typedef struct Table {
  Val pointer;
  int lanes;     // codes at a time; 1: the table is read from memory
  Val parts[16]; // else it lies in registers: x86 4 of 64 bytes, AArch64 16 of 16
} Table;

// Loads what table_lookup needs; to be called before the loop.
Table table_begin(Nest *nest, Val pointer);
// table[code] for codes of type i8, or of table->lanes i8; the codes count as unsigned.
Val table_lookup(Nest *nest, const Table *table, Val codes);

#endif
