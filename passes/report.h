// Report: what compression did to each layer; printed as text and JSON (--report).
#ifndef TENON_PASSES_REPORT_H
#define TENON_PASSES_REPORT_H

#include "ir/graph.h"

typedef struct ReportRow {
  const char *layer; // ONNX name of the constant or node
  const char *pass;
  int64_t bytes_before, bytes_after;
  double density;      // non-zero elements / all; < 0: not stated
  int bits;            // of a stored element; 0: not stated
  int64_t rank;        // 0: not stated
  double sqnr;         // dB against the values before; NAN: not stated
  const char *refused; // reason why the layer was left as it was; NULL: it was changed
} ReportRow;

typedef struct Report {
  Arena *arena;
  ReportRow *rows;
  int count, capacity;
} Report;

void report_add(Report *report, ReportRow row); // report NULL: nothing happens
bool report_write(const Report *report, const char *path, Diag *diag); // .json, else text
void report_print(FILE *stream, const Report *report);

#endif
