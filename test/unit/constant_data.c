// Bytes of constants: they go with the last constant that has them, and not while a copy of the
// module lives; the copy may be the last to need them.
#include "ir/constant_data.h"
#include "check.h"
#include "ir/builder.h"

enum { COUNT = 1 << 18, BYTES = 4 * COUNT };

static Value *add_constant(Module *module, float value) {
  int64_t count = COUNT;
  float *data = NEW_ARRAY(module_data(module), float, COUNT);
  data[0] = data[COUNT - 1] = value;
  Builder builder = builder_at_end(module->main, loc_file("test"));
  return build_constant(&builder, type_static(module->dims, F32, 1, &count), data, "c");
}

static size_t held(const Module *module) { return arena_bytes(module_data(module)); }

static const float *values(const Module *module) { return module->main->first->constant->data; }

int main(void) {
  Arena *arena = arena_create(), *other = arena_create(), *third = arena_create();
  Diag diag;
  diag_init(&diag, arena, stderr);
  Module *module = module_create(arena, &diag, "module");
  Value *first = add_constant(module, 1), *second = add_constant(module, 2);
  graph_add_output(module->main, second);
  CHECK(held(module) >= 2 * BYTES);
  module_trim(module, 0);
  CHECK(held(module) >= 2 * BYTES); // nobody uses the first, but it is in the graph
  node_remove(first->definition);
  module_trim(module, 64 * BYTES); // too little came for that
  CHECK(held(module) >= 2 * BYTES);
  module_trim(module, 0);
  CHECK(held(module) >= BYTES && held(module) < 2 * BYTES);
  CHECK(values(module)[0] == 2 && values(module)[COUNT - 1] == 2);

  Module *copy = module_clone(other, &diag, module), *last = module_clone(third, &diag, copy);
  graph_set_output(module->main, 0, add_constant(module, 3));
  node_remove(module->main->first);
  module_trim(module, 0);
  CHECK(held(module) >= 2 * BYTES); // the copies have it
  arena_destroy(other);
  module_trim(module, 0);
  CHECK(values(last)[0] == 2 && values(last)[COUNT - 1] == 2);
  arena_destroy(arena);
  CHECK(values(last)[0] == 2 && values(last)[COUNT - 1] == 2);
  arena_destroy(third);
  return check_status();
}
