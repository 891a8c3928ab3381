// Any bytes as an ONNX model: imported, taken through a pipeline, compiled to an object in memory.
//
// A model says itself how it is compiled, so that a find is an ordinary file: its model_version,
// which means nothing to a compiler, is read as bits (see the enumeration).  Half of LLVM's work is
// left out of most inputs that way. The mutator of Inputs/model_mutator.c changes models as
// messages; FUZZ_COMPILE_COUNTS=1 tells at the end how many inputs came how far.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "frontend/proto.h"
#include "ir/print.h"
#include "test/fuzz/Inputs/whole_way.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Bits of model_version, from the lowest on.
enum {
  TARGET_BITS = 5,  // row of the target table, modulo their number
  LEVEL_BITS = 2,   // added to -O2, modulo 4
  SIZE_BITS = 1,    // -Os
  STAGE_BITS = 2,   // 0: all the way; else no code
  PIPELINE_BITS = 3 // which pipeline comes before the default one
};

static const char *const pipelines[1 << PIPELINE_BITS] = {
    "",
    "prune{sparsity=0.6}, ",
    "cluster{bits=3}, entropy, ",
    "lowrank{rank=2}, ",
    "recognise, ",
    "prune{sparsity=0.8,scope=global}, cluster{bits=2}, entropy, ",
    "prune{sparsity=0.5,structure=filter}, prune{sparsity=0.5,structure=neuron}, ",
    "simplify_control, fold_affine, "};

enum { READ, IMPORTED, PLACED, COMPILED, STAGES };
static long counts[STAGES];

static void print_counts(void) {
  fprintf(stderr, "inputs %ld, imported %ld, placed %ld, compiled %ld\n", counts[READ],
          counts[IMPORTED], counts[PLACED], counts[COMPILED]);
}

static unsigned take_bits(uint64_t *bits, int count) {
  unsigned taken = (unsigned)(*bits & ((1u << count) - 1));
  *bits >>= count;
  return taken;
}

static bool choose(Arena *arena, Diag *diag, const char *path, Way *way, bool *code) {
  OnnxFile *file;
  if (!onnx_file_open(arena, diag, path, NULL, &file)) return false;
  uint64_t bits = (uint64_t)file->model->model_version;
  way->target = target_at((int)take_bits(&bits, TARGET_BITS) % target_count());
  way->level = (2 + (int)take_bits(&bits, LEVEL_BITS)) % 4;
  way->small = take_bits(&bits, SIZE_BITS) != 0;
  *code = take_bits(&bits, STAGE_BITS) == 0;
  way->pipeline =
      arena_printf(arena, "%sdefault<O%d>", pipelines[take_bits(&bits, PIPELINE_BITS)], way->level);
  return true;
}

// How far the model got; what is refused has its reason.
static int compile(Arena *arena, Diag *diag, const char *path) {
  Way way;
  bool code;
  if (!choose(arena, diag, path, &way, &code)) return READ;
  Module *module = frontend_load(arena, diag, path, NULL);
  if (!module || !module_verify(module, NULL, diag)) return READ;
  if (!way_run_passes(arena, diag, module, &way)) return IMPORTED;
  return code && way_make_object(arena, diag, module, &way) ? COMPILED : PLACED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!counts[READ]++ && getenv("FUZZ_COMPILE_COUNTS")) atexit(print_counts);
  int file = memfd_create("fuzz.onnx", 0);
  if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  int stage = compile(arena, &diag, arena_printf(arena, "/proc/self/fd/%d", file));
  if (stage < PLACED && !diag.errors) __builtin_trap(); // refused without a reason
  for (int i = IMPORTED; i <= stage; i++) counts[i]++;
  arena_destroy(arena);
  close(file);
  return 0;
}
