// Storage: how the bytes of a constant lie in the object, apart from its logical type and values.
//
// A pass records stages with their parameters; the bytes are made once, by storage_encode, after
// `place` has chosen the kernel and with it the layout. The interpreter sees logical values only.
#ifndef TENON_IR_STORAGE_H
#define TENON_IR_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/element.h"

typedef enum StageKind {
#define STAGE(name, text, help) STAGE_##name,
#include "ir/storage.def"
  STAGE_COUNT
} StageKind;

// Layouts. The parameters say how a matrix or a filter is cut into panels.
typedef enum LayoutKind {
  LAYOUT_DENSE,      // row-major logical order
  LAYOUT_PANELS,     // logical [rows, columns] (a filter: rows = product of the reduction dims in
                     // kernel order, columns = output channels) as panels of `tile` columns:
                     // [columns / tile][rows][tile], columns padded with zeros up to a multiple
  LAYOUT_PANELS_DOT, // the same with groups of `group` consecutive rows interleaved for
                     // dot-product instructions: [columns / tile][rows / group][tile][group]
  LAYOUT_ROWS,       // transposed: [columns][rows], for matvec kernels that run along rows
  LAYOUT_ROWS_BLOCK  // [columns / tile][rows][tile] without padding of the last block
} LayoutKind;

typedef struct Stage {
  StageKind kind;
  LayoutKind layout;             // LAYOUT
  int tile, group;               // LAYOUT: columns of a panel, rows of a dot group
  int block_rows, block_columns; // SPARSE: 1 x 1: single elements
  int bits;                      // CODEBOOK: of an index; SPARSE: of a gap
  const float *centroids;        // CODEBOOK: 2^bits or fewer values, ascending
  int centroid_count;
} Stage;

enum { MAX_STAGES = STAGE_COUNT };
typedef struct Storage {
  int count;
  Stage stages[MAX_STAGES];
} Storage;

const char *stage_text(StageKind kind);
bool stage_parse(const char *text, StageKind *kind);
const char *layout_text(LayoutKind kind); // "panels"
bool layout_parse(const char *text, LayoutKind *kind);
const Stage *storage_find(const Storage *storage, StageKind kind); // NULL: no such stage
// Adds or replaces the stage of that kind, keeping the order of storage.def.
void storage_set(Storage *storage, Stage stage);
void storage_drop(Storage *storage, StageKind kind);

#endif
