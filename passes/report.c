// Rows of the compression report as text and JSON.
#include "passes/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/file.h"

void report_add(Report *report, ReportRow row) {
  if (report) ARENA_PUSH(report->arena, report->rows, report->count, report->capacity, row);
}

static void print_row(FILE *stream, const ReportRow *row) {
  fprintf(stream, "%-32s %-12s", row->layer ? row->layer : "-", row->pass ? row->pass : "-");
  if (row->refused) {
    fprintf(stream, " left as it was: %s\n", row->refused);
    return;
  }
  fprintf(stream, " %10lld -> %-10lld", (long long)row->bytes_before, (long long)row->bytes_after);
  if (row->density >= 0) fprintf(stream, "  density %.4f", row->density);
  if (row->bits) fprintf(stream, "  bits %d", row->bits);
  if (row->rank) fprintf(stream, "  rank %lld", (long long)row->rank);
  if (!isnan(row->sqnr)) fprintf(stream, "  sqnr %.1f dB", row->sqnr);
  fputc('\n', stream);
}

void report_print(FILE *stream, const Report *report) {
  int64_t before = 0, after = 0;
  for (int i = 0; i < report->count; i++) {
    const ReportRow *row = &report->rows[i];
    print_row(stream, row);
    if (row->refused) continue;
    before += row->bytes_before;
    after += row->bytes_after;
  }
  fprintf(stream, "%-32s %-12s %10lld -> %lld\n", "sum", "", (long long)before, (long long)after);
}

static json_t *row_json(const ReportRow *row) {
  json_t *object = json_object();
  json_object_set_new(object, "layer", json_string(row->layer ? row->layer : ""));
  json_object_set_new(object, "pass", json_string(row->pass ? row->pass : ""));
  json_object_set_new(object, "bytes_before", json_integer(row->bytes_before));
  json_object_set_new(object, "bytes_after", json_integer(row->bytes_after));
  if (row->density >= 0) json_object_set_new(object, "density", json_real(row->density));
  if (row->bits) json_object_set_new(object, "bits", json_integer(row->bits));
  if (row->rank) json_object_set_new(object, "rank", json_integer(row->rank));
  if (isfinite(row->sqnr)) json_object_set_new(object, "sqnr_db", json_real(row->sqnr));
  if (row->refused) json_object_set_new(object, "refused", json_string(row->refused));
  return object;
}

static char *report_json(const Report *report) {
  json_t *rows = json_array(), *root = json_object();
  for (int i = 0; i < report->count; i++) json_array_append_new(rows, row_json(&report->rows[i]));
  json_object_set_new(root, "layers", rows);
  char *text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
  json_decref(root);
  if (!text) machine_failed("out of memory");
  return text;
}

static char *report_text(const Report *report) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) machine_failed("out of memory");
  report_print(out, report);
  fclose(out);
  return text;
}

bool report_write(const Report *report, const char *path, Diag *diag) {
  size_t length = strlen(path);
  bool json = length >= 5 && !strcmp(path + length - 5, ".json");
  char *text = json ? report_json(report) : report_text(report);
  OutputFile *file = output_open(report->arena, diag, path);
  if (file) sink_text(output_sink(file), text);
  if (file && json) sink_text(output_sink(file), "\n");
  free(text);
  return file && output_commit(file, diag);
}
