// Placement: random graphs are placed and then executed on paper. Each value must still be in its
// memory when it is read: nobody else may have written a byte of it in between.
#include <stdlib.h>

#include "check.h"
#include "ir/builder.h"
#include "ir/print.h"
#include "passes/pass.h"

enum { GRAPHS = 300, NODES = 40, BYTES = 1 << 16 };

static uint32_t random_state = 12345;

static uint32_t next_random(uint32_t limit) {
  random_state = random_state * 1664525u + 1013904223u;
  return (random_state >> 8) % limit;
}

static Value *random_value(Value **values, int count) {
  return values[next_random((uint32_t)count)];
}

// Values have shape [2,k,4] or the flat [8*k]; pointwise ops join equal shapes, reshapes change
// them.
static Value *random_node(Builder *builder, Value *a, Value *b) {
  int64_t axis = a->type.rank - 1,
          flat = type_dim(&a->type, 0) * (a->type.rank == 3 ? type_dim(&a->type, 1) * 4 : 1);
  switch (next_random(6)) {
  case 0: return build_unary(builder, OP_RELU, a);
  case 1:
    return type_same_shape(&a->type, &b->type) ? build_binary(builder, OP_ADD, a, b)
                                               : build_unary(builder, OP_NEG, a);
  case 2: return build_reshape_static(builder, a, 1, &flat);
  case 3: return build_reshape_static(builder, a, 3, (int64_t[]){2, flat / 8, 4});
  case 4: {
    Node *node = build_begin(builder, OP_CUM_SUM, &a, 1);
    node_set_int(node, ATTR_AXIS, axis);
    return build_end(builder, node);
  }
  default: return build_binary(builder, OP_MUL, a, a);
  }
}

static Module *random_module(Arena *arena, Diag *diag) {
  Module *module = module_create(arena, diag, "random");
  Graph *graph = module->main;
  Value *values[NODES + 2];
  int count = 0;
  for (int i = 0; i < 2; i++) {
    int64_t dims[] = {2, 3 + 5 * i, 4};
    values[count++] =
        graph_add_input(graph, type_static(module->dims, F32, 3, dims), i ? "y" : "x");
  }
  Builder builder = builder_at_end(graph, (Loc){0});
  while (count < NODES) {
    Value *a = random_value(values, count), *b = random_value(values, count);
    values[count++] = random_node(&builder, a, b);
  }
  for (int i = 0; i < 3; i++) graph_add_output(graph, values[next_random(NODES)]);
  graph_add_output(graph, values[NODES - 1]);
  CHECK(!builder.failed);
  return module;
}

// Who wrote each 4-byte cell: workspace, then each input and output.
typedef struct Memory {
  const Value *cells[12][BYTES / 4];
} Memory;

static const Value *view_source(const Value *value) {
  while (value->definition && node_has_trait(value->definition, VIEW))
    value = value->definition->operands[0];
  return value;
}

static const Value **cells_of(Memory *memory, const Value *value, int64_t *count) {
  const Value *holder = value->placement.kind == PLACE_ALIAS ? value->placement.alias : value;
  CHECK(holder->placement.kind != PLACE_ALIAS && holder->placement.kind != PLACE_NONE);
  type_max_bytes(&value->type, count);
  *count /= 4;
  bool workspace = holder->placement.kind == PLACE_WORKSPACE;
  if (workspace) CHECK(holder->placement.offset + *count * 4 <= value->graph->workspace_bytes);
  if (workspace) return &memory->cells[0][holder->placement.offset / 4];
  int base = holder->placement.kind == PLACE_INPUT ? 1 : 4;
  return memory->cells[base + (int)holder->placement.offset];
}

static void write_value(Memory *memory, const Value *value) {
  int64_t count;
  const Value **cells = cells_of(memory, value, &count);
  for (int64_t i = 0; i < count; i++) cells[i] = value;
}

static bool still_there(Memory *memory, const Value *value) {
  int64_t count;
  const Value **cells = cells_of(memory, value, &count);
  for (int64_t i = 0; i < count; i++)
    if (cells[i] != view_source(value)) return false;
  return true;
}

static bool run_on_paper(const Graph *graph, Memory *memory) {
  memset(memory, 0, sizeof *memory);
  bool good = true;
  for (int i = 0; i < graph->input_count; i++) write_value(memory, graph->inputs[i]);
  for (const Node *node = graph->first; node; node = node->next) {
    for (int i = 0; i < node->operand_count; i++) good &= still_there(memory, node->operands[i]);
    for (int i = 0; i < node->result_count && !node_has_trait(node, VIEW); i++)
      write_value(memory, node->results[i]);
  }
  for (int i = 0; i < graph->output_count; i++) good &= still_there(memory, graph->outputs[i]);
  return good;
}

int main(void) {
  Memory *memory = malloc(sizeof *memory);
  for (int i = 0; i < GRAPHS; i++) {
    Arena *arena = arena_create();
    Diag diag;
    diag_init(&diag, arena, stderr);
    diag.no_warnings = true;
    Module *module = random_module(arena, &diag);
    PassContext context = {.module = module, .diag = &diag, .io_workspace = i % 3 == 2};
    const char *pipelines[] = {"dead_code, place", "dead_code, fuse_elementwise, place",
                               "place{order=false}", "canonicalise, dead_code, place{reuse=false}"};
    PipelineOptions options = {.verify = true};
    CHECK(pipeline_run(pipelines[i % 4], &context, &options));
    bool good = run_on_paper(module->main, memory);
    CHECK(good);
    if (!good) module_print(stderr, module);
    arena_destroy(arena);
  }
  free(memory);
  return check_status();
}
